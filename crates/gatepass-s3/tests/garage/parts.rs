//! What is special of parts here: who writes them, and what becomes of those that were replaced.

use std::sync::Arc;

use bytes::Bytes;
use gatepass_core::port::{BlobError, Outlook, PartedBlob};
use gatepass_core::{ByteRange, Memo, PartMap};
use gatepass_testkit::blob_store::{Store, assert_holds, hasher, is_listed, list_all, pour};
use gatepass_testkit::builders::{blob_id, noise};
use gatepass_testkit::run;

use crate::{cluster, fresh_prefix, open_at};

const CELL: usize = 8 << 20;

async fn begin(store: &Store, content: &Bytes) -> PartedBlob {
    let total = content.len() as u64;
    let outlook = Outlook { total: Some(total), first: ByteRange::first(CELL as u64) };
    let id = blob_id();
    let memo = store.begin(&id, outlook).await.unwrap();
    PartedBlob { id, memo }
}

async fn write(
    store: &Store,
    blob: &PartedBlob,
    parts: &mut PartMap,
    start: usize,
    content: &Bytes,
) {
    let mut staging = store.stage_part(blob, start as u64, hasher()).await.unwrap();
    pour(staging.as_mut(), content).await.unwrap();
    for part in staging.commit().await.unwrap().into_parts(start as u64) {
        parts.insert(part).unwrap();
    }
}

/// Three processes, which share nothing but what the catalog remembers.
#[test]
fn any_process_goes_on() {
    run(async {
        let prefix = fresh_prefix();
        let stores = [0, 1, 2].map(|node| open_at(&cluster().endpoint(node), &prefix));
        let content = noise(1, 3 * CELL + 100);
        let blob = begin(&stores[0], &content).await;
        let mut parts = PartMap::default();
        for (store, range) in [
            (1, 2 * CELL..3 * CELL),
            (2, 0..CELL),
            (0, CELL + 7..2 * CELL),
            (2, 3 * CELL..3 * CELL + 100),
            (1, CELL..CELL + 7),
        ] {
            let (start, bytes) = (range.start, content.slice(range));
            write(&stores[store], &blob, &mut parts, start, &bytes).await;
        }
        for store in [2, 1] {
            stores[store].assemble(&blob, &parts).await.unwrap();
            assert_holds(&stores[0], &blob.id, &content).await;
        }
        // Nothing is left beside the blob.
        let listed = list_all(&stores[0]).await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(listed[0].size, content.len() as u64);
    });
}

/// A request that everybody had given up arrives after all: it replaces nothing.
#[test]
fn a_part_that_comes_late_replaces_nothing() {
    run(async {
        let store = open_at(&cluster().endpoint(0), &fresh_prefix());
        let content = noise(2, 2 * CELL);
        let blob = begin(&store, &content).await;
        let mut parts = PartMap::default();
        write(&store, &blob, &mut parts, 0, &content.slice(..CELL)).await;
        write(&store, &blob, &mut parts, CELL, &content.slice(CELL..)).await;
        let mut late = PartMap::default();
        write(&store, &blob, &mut late, CELL, &noise(3, CELL)).await;
        store.assemble(&blob, &parts).await.unwrap();
        assert_holds(&store, &blob.id, &content).await;
    });
}

/// A part is not what it was: the blob is refused, not made of other bytes.
#[test]
fn a_part_that_was_lost_is_refused() {
    run(async {
        let store = open_at(&cluster().endpoint(0), &fresh_prefix());
        let content = noise(5, 2 * CELL);
        let blob = begin(&store, &content).await;
        let mut parts = PartMap::default();
        write(&store, &blob, &mut parts, 0, &content.slice(..CELL)).await;
        let mut staging = store.stage_part(&blob, CELL as u64, hasher()).await.unwrap();
        pour(staging.as_mut(), &content.slice(CELL..)).await.unwrap();
        for mut part in staging.commit().await.unwrap().into_parts(CELL as u64) {
            // What is recorded is not what is there.
            let memo = part.memo.as_str().replace('"', "");
            let (place, etag) = memo.rsplit_once(' ').unwrap();
            let other: String = etag.chars().rev().collect();
            part.memo = Memo::new(format!("{place} {other}"));
            parts.insert(part).unwrap();
        }
        let refused = store.assemble(&blob, &parts).await;
        assert!(matches!(refused, Err(BlobError::SyncFailed(_))), "{refused:?}");
    });
}

/// Whoever finds an upload complete assembles it, several at once, also where cells have to be put
/// together.
#[test]
fn many_at_once_make_one_blob() {
    run(async {
        let prefix = fresh_prefix();
        let stores = [0, 1, 2].map(|node| open_at(&cluster().endpoint(node), &prefix));
        let content = noise(6, 2 * CELL + 100);
        for _ in 0..3 {
            let blob = begin(&stores[0], &content).await;
            let mut parts = PartMap::default();
            for range in
                [0..CELL / 2, CELL / 2..CELL + 5, CELL + 5..2 * CELL, 2 * CELL..2 * CELL + 100]
            {
                let (start, bytes) = (range.start, content.slice(range));
                write(&stores[0], &blob, &mut parts, start, &bytes).await;
            }
            let assemblies =
                stores.iter().chain(&stores).map(|store| store.assemble(&blob, &parts));
            for assembled in futures_util::future::join_all(assemblies).await {
                // One may come too early or too late, but must not find anything lost.
                assert!(!matches!(assembled, Err(BlobError::SyncFailed(_))), "{assembled:?}");
            }
            stores[1].assemble(&blob, &parts).await.unwrap();
            assert_holds(&stores[2], &blob.id, &content).await;
        }
    });
}

/// What was aborted takes no parts and makes no blob.
#[test]
fn an_aborted_upload_stays_aborted() {
    run(async {
        let store = open_at(&cluster().endpoint(0), &fresh_prefix());
        let content = noise(4, 2 * CELL);
        let blob = begin(&store, &content).await;
        let mut parts = PartMap::default();
        write(&store, &blob, &mut parts, 0, &content.slice(..CELL)).await;
        write(&store, &blob, &mut parts, CELL, &content.slice(CELL..)).await;
        store.delete(&blob.id).await.unwrap();
        assert!(!is_listed(&store, &blob.id).await);
        assert!(store.assemble(&blob, &parts).await.is_err());
        let mut late = store.stage_part(&blob, 0, hasher()).await.unwrap();
        let written = pour(late.as_mut(), &content.slice(..CELL)).await;
        let committed = match written {
            Ok(()) => late.commit().await.map(drop),
            Err(error) => Err(error),
        };
        assert!(matches!(committed, Err(BlobError::SyncFailed(_))), "{committed:?}");
        assert!(!is_listed(&store, &blob.id).await);
    });
}

/// More than any grid covers is refused before a byte comes.
#[test]
fn what_is_too_large_is_refused_at_once() {
    run(async {
        let store = open_at(&cluster().endpoint(0), &fresh_prefix());
        let large = Some(1 << 40);
        let staged = store.stage(&blob_id(), large, hasher()).await.err();
        assert!(matches!(staged, Some(BlobError::TooLarge { .. })), "{staged:?}");
        let outlook = Outlook { total: large, first: ByteRange::first(100) };
        let begun = store.begin(&blob_id(), outlook).await;
        assert!(matches!(begun, Err(BlobError::TooLarge { .. })), "{begun:?}");
        assert!(list_all(&Arc::clone(&store)).await.is_empty());
    });
}
