//! The catalog on SQLite: the suite of its port, and what is its own.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "these are tests")]

mod busy;
mod caching;
mod damage;
mod full;
mod journal;
mod mount;
mod opening;
mod room;
mod sharing;
mod upgrading;

mod conformance {
    gatepass_testkit::catalog_suite!(super::open);
}

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepass_core::port::Catalog;
use gatepass_sqlite::SqliteCatalog;
use rusqlite::Connection;
use tempfile::TempDir;

/// A new catalog, and the directory that goes with it.
fn open() -> (TempDir, Arc<dyn Catalog>) {
    let directory = tempfile::tempdir().unwrap();
    let catalog = open_at(&database(directory.path()));
    (directory, catalog)
}

fn open_at(path: &Path) -> Arc<dyn Catalog> {
    Arc::new(SqliteCatalog::open(path).unwrap())
}

/// The file that [`open`] makes.
fn database(directory: &Path) -> PathBuf {
    directory.join("gatepass.db")
}

/// The schema that this version makes: the number of its migrations.
fn newest_schema() -> i64 {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/migrations");
    i64::try_from(std::fs::read_dir(migrations).unwrap().count()).unwrap()
}

/// Takes the write lock, as another process does. It is held until the connection is dropped.
fn lock(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}
