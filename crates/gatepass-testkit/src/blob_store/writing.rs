//! Blobs come to be whole, once, or not at all.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use gatepass_core::port::BlobError;
use gatepass_core::{BlobId, ContentHasher, ExpectedDigests};

use super::{Store, assert_holds, hasher, is_listed, list_all, pour, put, read_first, stage};
use crate::builders::{blob_id, noise};
use crate::eventually;

/// Large enough that a store has begun to keep it before the end comes.
pub(super) const LARGE: usize = 3 << 20;

/// What was written comes back, and its size is right.
pub async fn what_was_written_is_read(store: Store) {
    for (seed, length) in [(1, 1), (2, 1_000), (3, 16 << 10), (4, (16 << 10) + 1), (5, LARGE)] {
        let content = noise(seed, length);
        let blob = put(&store, &content).await;
        assert_holds(&store, &blob, &content).await;
    }
}

/// A blob without bytes is stored, listed and read like any other.
pub async fn an_empty_blob_is_a_blob(store: Store) {
    let blob = blob_id();
    let committed = stage(&store, &blob).await.commit().await.unwrap();
    assert_eq!(committed.size, 0);
    assert_eq!(committed.digests, hasher().finish());
    assert_holds(&store, &blob, &Bytes::new()).await;
    assert!(is_listed(&store, &blob).await);
}

/// Pieces without bytes are allowed, anywhere.
pub async fn empty_pieces_change_nothing(store: Store) {
    let blob = blob_id();
    let mut staging = stage(&store, &blob).await;
    for piece in ["", "", "one", "", "two", ""] {
        staging.write(Bytes::from_static(piece.as_bytes())).await.unwrap();
    }
    assert_eq!(staging.commit().await.unwrap().size, 6);
    assert_holds(&store, &blob, &Bytes::from_static(b"onetwo")).await;
}

/// Pieces of a few bytes keep their order.
pub async fn many_small_pieces_stay_in_order(store: Store) {
    let content = noise(6, 100_003);
    let blob = blob_id();
    let mut staging = stage(&store, &blob).await;
    let (mut rest, mut length) = (content.clone(), 0);
    while !rest.is_empty() {
        length = length % 7 + 1;
        staging.write(rest.split_to(rest.len().min(length))).await.unwrap();
    }
    assert_eq!(staging.commit().await.unwrap().size, 100_003);
    assert_holds(&store, &blob, &content).await;
}

/// 20 MB: size and digests, which another program computed, are those of the content.
pub async fn digests_are_those_of_the_content(store: Store) {
    const CRC64: u64 = 0x6ae7_0b96_d2ff_a386;
    const SHA256: &str = "abe05b7fbaf502c22732fbb07dd45f557cf648247fd3bd61084772e55d8bada2";
    const MD5: &str = "c055fe276687c05f2433087c048b334d";
    let expected = ExpectedDigests { sha256: Some([0; 32]), sha512: None, md5: Some([0; 16]) };
    let (content, blob) = (noise(20, 20_000_000), blob_id());
    let mut staging = store.stage(&blob, None, ContentHasher::new(&expected)).await.unwrap();
    pour(staging.as_mut(), &content).await.unwrap();
    let committed = staging.commit().await.unwrap();
    assert_eq!(committed.size, 20_000_000);
    assert_eq!(committed.digests.crc64, CRC64);
    assert_eq!(
        committed.digests.sha256.map(|found| gatepass_sign::hex(&found)).as_deref(),
        Some(SHA256)
    );
    assert_eq!(committed.digests.md5.map(|found| gatepass_sign::hex(&found)).as_deref(), Some(MD5));
    assert_eq!(committed.digests.sha512, None);
    assert_holds(&store, &blob, &content).await;
}

/// Uploads at the same time do not mix.
pub async fn fifty_uploads_at_once(store: Store) {
    let uploads = (0..50_u64).map(|seed| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let content = noise(seed, 20_000 * (1 + usize::try_from(seed).unwrap()));
            (put(&store, &content).await, content)
        })
    });
    for upload in join_all(uploads).await {
        let (blob, content) = upload.unwrap();
        assert_holds(&store, &blob, &content).await;
    }
    assert_eq!(list_all(&store).await.len(), 50);
}

/// An attempt at a name that is taken harms nothing, if it is given up.
pub async fn giving_up_harms_nothing_that_is_there(store: Store) {
    let first = noise(7, LARGE);
    let blob = put(&store, &first).await;
    for second in [Bytes::new(), noise(8, 10), noise(9, LARGE)] {
        for end in [End::Discard, End::Drop] {
            let _ = write_again(&store, &blob, &second, end).await;
            settle(&store, &blob, &first).await;
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum End {
    Commit,
    Discard,
    Drop,
}

pub(super) async fn write_again(
    store: &Store,
    blob: &BlobId,
    content: &Bytes,
    end: End,
) -> Result<(), BlobError> {
    let mut staging = store.stage(blob, None, hasher()).await?;
    let poured = pour(staging.as_mut(), content).await;
    match end {
        End::Commit => staging.commit().await.map(drop),
        End::Discard => {
            staging.discard().await;
            poured
        }
        End::Drop => poured,
    }
}

/// Gives what goes on in the background the time to do its harm.
pub(super) async fn settle(store: &Store, blob: &BlobId, content: &Bytes) {
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        assert_holds(store, blob, content).await;
    }
}

/// Nothing is left of a blob that was given up.
pub async fn a_discarded_blob_leaves_nothing(store: Store) {
    for length in [0, 10, LARGE] {
        let blob = blob_id();
        let mut staging = stage(&store, &blob).await;
        pour(staging.as_mut(), &noise(12, length)).await.unwrap();
        staging.discard().await;
        assert!(!is_listed(&store, &blob).await, "{length} bytes were left");
        assert!(matches!(read_first(&store, &blob, 0).await, Err(BlobError::NotFound)));
    }
}

/// Dropping is giving up; the store clears up in the background.
pub async fn a_dropped_blob_leaves_nothing(store: Store) {
    for length in [0, 10, LARGE] {
        let blob = blob_id();
        let mut staging = stage(&store, &blob).await;
        pour(staging.as_mut(), &noise(13, length)).await.unwrap();
        drop(staging);
        eventually("a dropped blob is gone", async || !is_listed(&store, &blob).await).await;
        assert!(matches!(read_first(&store, &blob, 0).await, Err(BlobError::NotFound)));
    }
}

/// A commit that nobody waits for any more is as good as a failed one: what it leaves, for the
/// sweeper, is whole.
pub async fn a_cancelled_commit_leaves_all_or_nothing(store: Store) {
    for length in [0, 10, LARGE] {
        let (blob, content) = (blob_id(), noise(14, length));
        let mut staging = stage(&store, &blob).await;
        pour(staging.as_mut(), &content).await.unwrap();
        // Polled once, then dropped.
        let _ = staging.commit().now_or_never();
        eventually("all or nothing", async || match read_first(&store, &blob, length).await {
            Ok(found) => found == content,
            Err(error) => matches!(error, BlobError::NotFound),
        })
        .await;
    }
}
