//! The catalog on a real PostgreSQL: the suite of its port, and what is its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod counts;
mod failover;
mod faults;
mod fresh;
mod opening;
mod plans;
mod trips;
mod turns;

mod conformance {
    gatepass_testkit::catalog_suite!(super::open);
}

use std::sync::Arc;

use gatepass_core::port::Catalog;
use gatepass_postgres::{Options, PostgresCatalog};
use gatepass_testkit::postgres::Server;

/// A catalog in a database of its own. Its connections belong to a runtime that goes on as long as
/// the guard lives.
fn open() -> (tokio::runtime::Runtime, Arc<dyn Catalog>) {
    let server = Server::shared();
    let url = server.url(&server.make_database());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let catalog = runtime.block_on(open_at(&url));
    (runtime, catalog)
}

async fn open_at(url: &str) -> Arc<dyn Catalog> {
    Arc::new(PostgresCatalog::open(&Options::parse(url, 8).unwrap()).await.unwrap())
}
