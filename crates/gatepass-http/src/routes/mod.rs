//! One file for each operation.

pub(crate) mod chunk;
pub(crate) mod console;
pub(crate) mod files;
pub(crate) mod health;
pub(crate) mod ingest;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod put;
pub(crate) mod read;
pub(crate) mod remove;
pub(crate) mod rules;
pub(crate) mod signatures;
pub(crate) mod upload;
pub(crate) mod uploads;
