//! A node of the cluster is killed.

use gatepass_testkit::blob_store::{assert_holds, put};
use gatepass_testkit::builders::noise;
use gatepass_testkit::garage::Cluster;
use gatepass_testkit::run;

use crate::open_at;

/// In a cluster of its own, for the node does not come back.
#[test]
fn uploads_go_on_when_a_node_dies() {
    let cluster = Cluster::start();
    run(async {
        let store = open_at(&cluster.endpoint(0), "x");
        let writer = tokio::spawn(async move {
            let mut written = Vec::new();
            for seed in 0..24_u64 {
                let length = if seed % 6 == 0 { 20_000_000 } else { 200_000 };
                let content = noise(seed, length);
                written.push((put(&store, &content).await, content));
            }
            (store, written)
        });
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        cluster.kill(2);
        let (store, written) = writer.await.unwrap();
        for (blob, content) in &written {
            assert_holds(&store, blob, content).await;
        }
    });
}
