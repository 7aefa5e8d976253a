//! The real binary, over real HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

mod cli;
mod conditional;
mod consistency;
mod delivery;
mod doors;
mod errors;
mod files;
mod fsck;
mod ingest;
mod media;
mod moving;
mod process;
mod proxies;
mod readme;
mod redirect;
mod routes;
mod rules;
#[allow(dead_code, reason = "shared with the proof, which uses more of it")]
mod support;
mod torture;
mod transport;
mod uploads;
