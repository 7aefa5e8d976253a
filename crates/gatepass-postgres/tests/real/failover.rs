//! The database is gone, and its synchronous standby takes its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepass_testkit::builders::{new_file, time};
use gatepass_testkit::catalog::add_project;
use gatepass_testkit::postgres::Server;
use gatepass_testkit::postgres::proxy::{self, Weather};
use gatepass_testkit::run;
use tokio::task::block_in_place;

use super::faults::{check, storm};
use super::open_at;

/// How long changes go on at each stage.
const STAGE: Duration = Duration::from_millis(1_500);

/// Before the end, the standby hears nothing for a while: what is committed then exists on the
/// primary alone, and nobody may be told that it is done.
#[test]
fn what_was_acknowledged_survives_the_loss_of_the_primary() {
    let mut primary = Server::start();
    let database = primary.make_database();
    run(async move {
        let between = Arc::new(Weather::default());
        let port = proxy::start(primary.port(), Arc::clone(&between)).await;
        let mut standby = block_in_place(|| primary.start_synchronous_standby(port));
        // Both are named, first the one that takes no changes yet.
        let (one, other) = (primary.port(), standby.port());
        let both = format!("127.0.0.1:{other},127.0.0.1:{one}");
        let url = primary.url(&database).replace(&format!("127.0.0.1:{one}"), &both);
        let catalog = open_at(&url).await;
        add_project(&catalog).await;
        let loss = async {
            tokio::time::sleep(STAGE).await;
            between.silence();
            tokio::time::sleep(STAGE).await;
            block_in_place(|| {
                primary.stop();
                standby.promote();
            });
            let begun = Instant::now();
            while catalog.publish(new_file("after", time(1))).await.is_err() {
                assert!(begun.elapsed() < Duration::from_secs(20), "it does not go on");
            }
            tokio::time::sleep(STAGE).await;
        };
        let history = storm(&catalog, loss).await;
        println!("failover: {} changes, {} unknown", history.count(), history.unknown.len());
        assert!(history.count() > 10);
        assert_eq!(standby.sql(&database, "SELECT pg_is_in_recovery()"), "f");
        check(&catalog, &history).await;
    });
}
