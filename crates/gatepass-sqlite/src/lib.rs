//! A catalog on SQLite: the embedded default.
//!
//! One thread writes. It takes all changes that wait, makes them in one transaction, each under
//! its own savepoint, and answers only when the transaction is durable: many uploads share one
//! sync. Readers have connections of their own and, thanks to the write-ahead log, never wait for
//! the writer.
//!
//! What it needs: a local file system. Other processes of the same machine may work on the file
//! at the same time; the command line does.

mod cache;
mod catalog;
mod connection;
mod files;
mod listing;
mod migrate;
mod readers;
mod room;
mod rows;
mod settings;
mod transfer;
mod uploads;
mod watch;
mod writer;

pub use catalog::SqliteCatalog;
pub use connection::OpenError;
