//! A catalog on SQLite: the embedded default.
//!
//! Publications become durable in a journal beside the database, many with one sync, and reach the
//! database a little later, many with one transaction (`writer`, `journal`). Readers have
//! connections of their own and, thanks to the write-ahead log, never wait for whoever writes.
//!
//! What it needs: a local file system. Other processes of the same machine may work on the database
//! at the same time; the command line does.

mod cache;
mod catalog;
mod connection;
mod content;
mod files;
mod journal;
mod journal_room;
mod kept_parts;
mod listing;
mod migrate;
mod readers;
mod recover;
mod room;
mod rows;
mod settings;
mod transfer;
mod uploads;
mod watch;
mod writer;

pub use catalog::SqliteCatalog;
pub use connection::OpenError;
