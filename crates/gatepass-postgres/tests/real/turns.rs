//! Turns at what one node does for all.

use std::time::Duration;

use futures_util::future::join_all;
use gatepass_core::port::{Catalog, TakeTurn};
use gatepass_testkit::postgres::Server;
use gatepass_testkit::{eventually, run};

use super::open_at;

async fn take(catalog: &dyn Catalog, chore: &'static str, node: usize, lasts: Duration) -> bool {
    catalog.take_turn(TakeTurn { chore, node: node.to_string(), lasts }).await.unwrap()
}

#[test]
fn one_of_many_nodes_has_the_turn_until_it_ends() {
    let server = Server::shared();
    let url = server.url(&server.make_database());
    run(async move {
        let nodes = join_all((0..8).map(|_| open_at(&url))).await;
        let (hour, moment) = (Duration::from_hours(1), Duration::from_millis(300));
        let at_once = nodes.iter().enumerate().map(|(name, node)| take(&**node, "a", name, hour));
        let had = join_all(at_once).await;
        assert_eq!(had.iter().filter(|had| **had).count(), 1);
        let first = had.iter().position(|had| *had).unwrap();
        let other = (first + 1) % 8;
        assert!(take(&*nodes[other], "b", other, hour).await, "another chore has its own turn");
        // Whoever has it keeps it, for as long as it says last.
        assert!(take(&*nodes[first], "a", first, moment).await);
        eventually("the turn ends", async || take(&*nodes[other], "a", other, hour).await).await;
        assert!(!take(&*nodes[first], "a", first, hour).await);
    });
}
