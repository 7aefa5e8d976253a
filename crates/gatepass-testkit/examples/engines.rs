//! A PostgreSQL and three Garage nodes for measurements, all of which sync what they are told to;
//! with `--unsynced` none does, which is enough to see that a measurement works. The bucket is that
//! of the benchmarks' load.
//! Prints where they are, and ends them when its input ends.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::io::Read as _;

use gatepass_testkit::garage::{Cluster, KEY, KEY_ID, REGION};
use gatepass_testkit::postgres::Server;

const BUCKET: &str = "bench";

fn main() {
    let (garage, postgres) = if std::env::args().any(|argument| argument == "--unsynced") {
        (Cluster::start(), Server::start())
    } else {
        (Cluster::start_synced(), Server::start_synced())
    };
    garage.name_bucket(BUCKET);
    println!("catalog={}", postgres.url(&postgres.make_database()));
    println!("endpoint={}", garage.endpoint(0));
    println!("bucket={BUCKET}\nregion={REGION}\nkey_id={KEY_ID}\nkey={KEY}\n");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
