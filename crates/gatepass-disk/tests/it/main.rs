//! The blob store on a directory: the suite of its port, and what is its own.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "these are tests")]

mod damage;
mod direct;
mod folders;
mod full;
mod memory;

use std::path::Path;
use std::sync::Arc;

use gatepass_core::port::BlobStore;
use gatepass_disk::{DiskOptions, DiskStore};
use tempfile::TempDir;

mod conformance {
    gatepass_testkit::blob_store_suite!(super::open);
    gatepass_testkit::exclusive_blob_store_suite!(super::open);
}

/// A new store, and the directory that goes with it.
fn open() -> (TempDir, Arc<dyn BlobStore>) {
    let directory = tempfile::tempdir().unwrap();
    let store = open_at(&directory.path().join("blobs"));
    (directory, store)
}

/// The store at a place, without a reserve of free bytes, so that small disks do.
fn open_at(path: &Path) -> Arc<dyn BlobStore> {
    Arc::new(DiskStore::open(path, DiskOptions { keep_free_bytes: 0 }).unwrap())
}
