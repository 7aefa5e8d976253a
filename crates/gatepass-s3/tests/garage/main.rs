//! The blob store on a real cluster of three nodes: the suite of its port, and faults between it
//! and the cluster. Needs `garage`, which `scripts/test` builds; a run takes about a minute.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "these are tests")]

mod faults;
mod nodes;
mod parts;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use gatepass_core::port::{BlobStore, Clock};
use gatepass_core::{Secret, Timestamp};
use gatepass_s3::{S3Credentials, S3Location, S3Options, S3Store};
use gatepass_testkit::garage::{BUCKET, Cluster, KEY, KEY_ID, REGION};

mod conformance {
    gatepass_testkit::blob_store_suite!(super::open);
}

/// The one cluster of this run. It ends with the process.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

/// A new store.
fn open() -> ((), Arc<dyn BlobStore>) {
    ((), open_at(&cluster().endpoint(0), &fresh_prefix()))
}

/// A prefix that no other test uses.
fn fresh_prefix() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("test/{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn open_at(endpoint: &str, prefix: &str) -> Arc<dyn BlobStore> {
    // More than one test opens a store.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let location = format!("s3://{BUCKET}/{prefix}?endpoint={endpoint}&region={REGION}");
    let location = S3Location::parse(&location, None).unwrap();
    let (key_id, secret) = (KEY_ID.to_owned(), Secret::new(KEY));
    let credentials = S3Credentials { key_id, secret, session_token: None };
    let store = S3Store::open(location, &credentials, Arc::new(Now), S3Options::default());
    Arc::new(store.unwrap())
}

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap())
    }
}
