//! A blob store on a directory.
//!
//! What it writes: `DIR/00` to `DIR/ff`, and in them one file for each blob, mode 0600, under a
//! name of ours. No user text reaches the file system.
//!
//! What it promises: a blob that [`commit`](gatepass_core::port::Staging::commit) acknowledged
//! survives a crash of the process and of the machine. The file is created under its final name,
//! written, synced with `fdatasync`, then the directory is synced. A failed sync is final: the
//! blob is given up and nothing is retried on it, because the kernel may have dropped the pages.
//!
//! What it needs: a local file system whose `fsync` tells the truth.

mod folders;
mod memory;
mod output;
mod pace;
mod queue;
mod read;
mod room;
mod staging;
mod store;

pub use store::{DiskOptions, DiskStore, OpenError};
