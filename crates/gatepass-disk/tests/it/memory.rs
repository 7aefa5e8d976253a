//! What waits for a slow disk is bounded.

use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use gatepass_testkit::blob_store::{assert_holds, hasher, list_all, stage};
use gatepass_testkit::builders::{blob_id, noise};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::open;

/// A runtime whose only thread for the disk is busy until the sender is dropped.
fn with_a_stuck_disk() -> (Runtime, mpsc::Sender<()>) {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let (free, busy) = mpsc::channel::<()>();
    runtime.spawn_blocking(move || busy.recv());
    (runtime, free)
}

#[test]
fn an_upload_waits_for_the_disk_instead_of_filling_the_memory() {
    const QUEUE_MAX: usize = 4 << 20;
    let (_directory, store) = open();
    let (runtime, free) = with_a_stuck_disk();
    runtime.block_on(async {
        let (blob, content) = (blob_id(), noise(1, 64 << 20));
        let mut staging = stage(&store, &blob).await;
        let mut rest = content.clone();
        loop {
            let piece = rest.split_to(rest.len().min(100_000));
            assert!(!piece.is_empty(), "64 MiB were taken by a disk that takes nothing");
            let before = content.len() - rest.len() - piece.len();
            let mut written = staging.write(piece);
            if let Some(written) = (&mut written).now_or_never() {
                written.unwrap();
                continue;
            }
            assert!(before <= QUEUE_MAX, "{before} bytes wait");
            drop(free);
            written.await.unwrap();
            break;
        }
        let taken = content.len() - rest.len();
        let committed = staging.commit().await.unwrap();
        assert_eq!(committed.size, taken as u64);
        assert_holds(&store, &blob, &content.slice(..taken)).await;
    });
}

/// Many uploads share what they may have in memory.
#[test]
fn many_uploads_have_little_each() {
    const UPLOADS: u64 = 100;
    const MAX: usize = 40 << 20;
    let (_directory, store) = open();
    let (runtime, free) = with_a_stuck_disk();
    runtime.block_on(async {
        let (mut stagings, mut taken) = (Vec::new(), 0);
        let piece = noise(2, 100_000);
        for _ in 0..UPLOADS {
            let mut staging = stage(&store, &blob_id()).await;
            while let Some(written) = staging.write(piece.clone()).now_or_never() {
                written.unwrap();
                taken += piece.len();
                assert!(taken <= MAX, "{taken} bytes wait");
            }
            stagings.push(staging);
        }
        drop(free);
        for staging in stagings {
            staging.discard().await;
        }
        assert!(list_all(&store).await.is_empty());
    });
}

/// A piece costs more than its bytes: what is sent byte by byte must not take many times the
/// memory that is allowed.
#[test]
fn tiny_pieces_count_with_what_they_cost() {
    const PIECES_MAX: usize = 200_000;
    let (_directory, store) = open();
    let (runtime, free) = with_a_stuck_disk();
    runtime.block_on(async {
        let mut staging = stage(&store, &blob_id()).await;
        let mut taken = 0;
        while let Some(written) = staging.write(Bytes::from_static(b"x")).now_or_never() {
            written.unwrap();
            taken += 1;
            assert!(taken <= PIECES_MAX, "{taken} pieces of one byte wait");
        }
        drop(free);
        staging.discard().await;
        assert!(list_all(&store).await.is_empty());
    });
}

/// While thousands of others have little in memory each, which no job takes from there yet, an
/// upload goes on all the same: with a piece that there is no room for, its job starts.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_while_others_fill_the_memory() {
    const OTHERS: usize = 3_000;
    const HANGS: Duration = Duration::from_mins(1);
    let (_directory, store) = open();
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        let mut other = stage(&store, &blob_id()).await;
        other.write(noise(3, 3_500)).await.unwrap();
        others.push(other);
    }
    let (blob, content) = (blob_id(), noise(4, 500_000));
    let mut staging = store.stage(&blob, Some(500_000), hasher()).await.unwrap();
    let mut rest = content.clone();
    for length in [10_000, 100_000, 390_000] {
        let written = staging.write(rest.split_to(length));
        timeout(HANGS, written).await.expect("it waits for nobody").unwrap();
    }
    staging.commit().await.unwrap();
    assert_holds(&store, &blob, &content).await;
    for other in others {
        other.discard().await;
    }
}
