//! What goes wrong between the store and the service: nothing that was acknowledged is lost,
//! nothing is other than it was written, and what is not certain is found out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use gatepass_core::BlobId;
use gatepass_core::port::BlobError;
use gatepass_testkit::blob_store::{Store, assert_holds, hasher, is_listed, pour};
use gatepass_testkit::builders::{blob_id, noise};
use gatepass_testkit::{eventually, run};

use crate::{cluster, fresh_prefix, open_at};
use gatepass_testkit::garage::proxy::{Asked, Fault, Proxy};

const SMALL: usize = 300_000;
const LARGE: usize = 20_000_000;

/// Tells requests of one kind.
type Kind = fn(&Asked) -> bool;

async fn put(store: &Store, content: &Bytes) -> Result<BlobId, BlobError> {
    let blob = blob_id();
    let mut staging = store.stage(&blob, None, hasher()).await?;
    pour(staging.as_mut(), content).await?;
    staging.commit().await?;
    Ok(blob)
}

fn is_put(asked: &Asked) -> bool {
    asked.0 == "PUT" && !asked.1.contains("partNumber")
}

fn is_part(asked: &Asked) -> bool {
    asked.0 == "PUT" && asked.1.contains("partNumber")
}

fn is_completion(asked: &Asked) -> bool {
    asked.0 == "POST" && asked.1.contains("uploadId")
}

/// A store behind a proxy, and the same store without one.
async fn behind(
    script: impl Fn(&Asked, u64) -> Fault + Send + Sync + 'static,
) -> (Proxy, Store, Store) {
    let direct = cluster().endpoint(1);
    let proxy = Proxy::start(std::slice::from_ref(&direct), script).await;
    let prefix = fresh_prefix();
    let store = open_at(&proxy.endpoint, &prefix);
    (proxy, store, open_at(&direct, &prefix))
}

/// Something that happens to the first request of a kind only.
fn once(kind: Kind, fault: Fault) -> impl Fn(&Asked, u64) -> Fault + Send + Sync + 'static {
    let happened = AtomicBool::new(false);
    move |asked, _| {
        let now = kind(asked) && !happened.swap(true, Ordering::SeqCst);
        if now { fault } else { Fault::None }
    }
}

#[test]
fn one_fault_of_any_kind_is_survived() {
    run(async {
        let kinds: [(Kind, usize); 3] = [(is_put, SMALL), (is_part, LARGE), (is_completion, LARGE)];
        for (kind, length) in kinds {
            for fault in [
                Fault::Status(500),
                Fault::Status(503),
                Fault::ErrorInSuccess,
                Fault::Cut,
                Fault::LostReply,
                Fault::Late,
            ] {
                let (proxy, store, direct) = behind(once(kind, fault)).await;
                let content = noise(1, length);
                let blob = put(&store, &content).await.unwrap();
                assert_eq!(proxy.faults(), 1, "{fault:?} never happened");
                assert_holds(&direct, &blob, &content).await;
            }
        }
    });
}

/// The reply to the last step is lost each time: the object tells.
#[test]
fn what_is_uncertain_is_found_out() {
    run(async {
        for (kind, length) in [(is_put as Kind, SMALL), (is_completion, LARGE)] {
            let script =
                move |asked: &Asked, _| if kind(asked) { Fault::LostReply } else { Fault::None };
            let (proxy, store, direct) = behind(script).await;
            let content = noise(2, length);
            let blob = put(&store, &content).await.unwrap();
            assert!(proxy.faults() > 0);
            assert_holds(&direct, &blob, &content).await;
        }
    });
}

/// The last step never reaches the service: nobody is told that it is done.
#[test]
fn what_was_not_done_is_an_error() {
    run(async {
        for (kind, length) in [(is_put as Kind, SMALL), (is_completion, LARGE)] {
            for fault in [Fault::Status(503), Fault::ErrorInSuccess, Fault::Cut] {
                let script = move |asked: &Asked, _| if kind(asked) { fault } else { Fault::None };
                let (_proxy, store, direct) = behind(script).await;
                let refused = put(&store, &noise(3, length)).await;
                assert!(matches!(refused, Err(BlobError::Unavailable(_))), "{fault:?} {refused:?}");
                // And nothing is left of it.
                let nothing = async || direct.list(None).await.unwrap().is_empty();
                eventually("the upload is aborted", nothing).await;
            }
        }
    });
}

/// Every seventh request goes wrong, in all ways.
#[test]
fn under_many_faults_nothing_acknowledged_is_lost() {
    run(async {
        let script = |_: &Asked, number| match number % 42 {
            6 => Fault::Status(500),
            13 => Fault::LostReply,
            20 => Fault::Status(503),
            27 => Fault::Cut,
            34 => Fault::ErrorInSuccess,
            41 => Fault::Late,
            _ => Fault::None,
        };
        let (proxy, store, direct) = behind(script).await;
        let puts = (0..60_u64).map(|seed| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let length = if seed % 10 == 0 { LARGE } else { SMALL };
                let content = noise(seed, length);
                (put(&store, &content).await, content)
            })
        });
        let mut acknowledged = 0;
        for put in join_all(puts).await {
            let (put, content) = put.unwrap();
            match put {
                Ok(blob) => {
                    acknowledged += 1;
                    assert_holds(&direct, &blob, &content).await;
                }
                Err(error) => assert!(matches!(error, BlobError::Unavailable(_)), "{error:?}"),
            }
        }
        assert!(acknowledged > 50, "{acknowledged} of 60");
        assert!(proxy.faults() > 5);
    });
}

/// An upload that its process never ended is found by the list, and deleting aborts it.
#[test]
fn an_abandoned_upload_is_found_and_aborted() {
    run(async {
        let script = |asked: &Asked, _| match asked.0.as_str() {
            "DELETE" => Fault::Cut,
            _ => Fault::None,
        };
        let (_proxy, store, direct) = behind(script).await;
        let blob = blob_id();
        let mut staging = store.stage(&blob, None, hasher()).await.unwrap();
        pour(staging.as_mut(), &noise(4, LARGE)).await.unwrap();
        staging.discard().await;
        assert!(is_listed(&direct, &blob).await);
        direct.delete(&blob).await.unwrap();
        assert!(!is_listed(&direct, &blob).await);
    });
}

/// An upload that somebody else aborts while it goes on may be sent again: no blob is missing.
#[test]
fn an_upload_that_others_abort_can_be_tried_again() {
    run(async {
        let (_proxy, store, direct) = behind(|_: &Asked, _| Fault::None).await;
        let blob = blob_id();
        let content = noise(5, LARGE);
        let mut staging = store.stage(&blob, None, hasher()).await.unwrap();
        pour(staging.as_mut(), &content).await.unwrap();
        direct.delete(&blob).await.unwrap();
        let committed = staging.commit().await;
        assert!(matches!(committed, Err(BlobError::Unavailable(_))), "{committed:?}");
        put(&store, &content).await.unwrap();
    });
}

/// A service that is not there costs each upload little time, after the first ones.
#[test]
fn a_dead_service_is_not_waited_for() {
    run(async {
        // Nobody listens there.
        let store = open_at("http://127.0.0.1:1", "x");
        for _ in 0..4 {
            let refused = put(&store, &noise(5, 10)).await;
            assert!(matches!(refused, Err(BlobError::Unavailable(_))));
        }
        let begun = Instant::now();
        for _ in 0..50 {
            assert!(put(&store, &noise(5, 10)).await.is_err());
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing spares the callers");
        assert!(store.check().await.is_err());
    });
}
