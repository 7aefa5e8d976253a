//! Readers get exactly the bytes of the range, or an error.

use std::sync::Arc;

use bytes::BytesMut;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use gatepass_core::ByteRange;
use gatepass_core::port::BlobError;

use super::{Store, assert_holds, put, range, read, read_open};
use crate::builders::{blob_id, noise};

/// Ranges at the edges of the blob and of a store's own pieces.
pub async fn every_range_is_exact(store: Store) {
    let content = noise(1, 700_001);
    let length = content.len() as u64;
    let blob = put(&store, &content).await;
    let edges = [0, 1, 4_095, 4_096, 262_143, 262_144, 262_145, 524_288, length - 1, length];
    for start in edges {
        for end in edges.into_iter().filter(|end| *end >= start) {
            let wanted = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
            let found = read(&store, &blob, range(start, end)).await.unwrap();
            assert!(found == content[wanted.clone()], "bytes {start}..{end}");
            let found = read_open(&store, &blob, range(start, end)).await.unwrap();
            assert!(found == content[wanted], "bytes {start}..{end}, opened");
        }
    }
}

/// Bytes that are not there are an error: never an end that looks like a whole answer.
pub async fn a_range_past_the_end_is_an_error(store: Store) {
    for length in [0_u64, 10, 262_144, 700_001] {
        let blob = put(&store, &noise(2, usize::try_from(length).unwrap())).await;
        for (start, end) in [
            (0, length + 1),
            (length.saturating_sub(1), length + 1),
            (length, length + 1),
            (length + 5, length + 9),
            (0, 1 << 40),
            (0, u64::MAX),
            (u64::MAX - 1, u64::MAX),
        ] {
            let found = read(&store, &blob, range(start, end)).await;
            assert!(found.is_err(), "{start}..{end} of {length} bytes ended without an error");
            let found = read_open(&store, &blob, range(start, end)).await;
            assert!(found.is_err(), "{start}..{end} of {length} bytes, opened");
        }
    }
}

/// A name that was never written, or was deleted.
pub async fn what_is_not_there_is_not_found(store: Store) {
    let deleted = put(&store, &noise(3, 10)).await;
    store.delete(&deleted).await.unwrap();
    for blob in [blob_id(), deleted] {
        for range in [ByteRange::first(0), ByteRange::first(10)] {
            let found = read(&store, &blob, range).await;
            assert!(matches!(found, Err(BlobError::NotFound)), "{found:?}");
            let found = read_open(&store, &blob, range).await;
            assert!(matches!(found, Err(BlobError::NotFound)), "{found:?}");
        }
    }
}

/// A reader that is open when the blob is deleted reads on, or fails.
pub async fn an_open_reader_never_reads_other_bytes(store: Store) {
    let content = noise(4, 5 << 20);
    let blob = put(&store, &content).await;
    let mut reader = store.read(&blob, ByteRange::first(content.len() as u64)).await.unwrap();
    let mut found = BytesMut::from(&reader.next().await.unwrap().unwrap()[..]);
    store.delete(&blob).await.unwrap();
    put(&store, &noise(5, 5 << 20)).await;
    while let Some(piece) = reader.next().await {
        match piece {
            Ok(piece) => found.extend_from_slice(&piece),
            Err(_) => return assert!(content.starts_with(&found)),
        }
    }
    assert!(found == content, "the reader ended without an error on other bytes");
}

/// Readers do not disturb each other.
pub async fn many_readers_read_one_blob(store: Store) {
    let content = noise(6, 2 << 20);
    let blob = put(&store, &content).await;
    let readers = (0..20).map(|_| {
        let (store, blob, content) = (Arc::clone(&store), blob.clone(), content.clone());
        tokio::spawn(async move { assert_holds(&store, &blob, &content).await })
    });
    for reader in join_all(readers).await {
        reader.unwrap();
    }
}

/// What is committed has its size, empty or large; what is not there has none.
pub async fn the_size_of_a_blob_is_known(store: Store) {
    for size in [0, 1, 9 << 20] {
        let blob = put(&store, &noise(5, size)).await;
        assert_eq!(store.size(&blob).await.unwrap(), Some(size as u64));
        store.delete(&blob).await.unwrap();
        assert_eq!(store.size(&blob).await.unwrap(), None);
    }
    assert_eq!(store.size(&blob_id()).await.unwrap(), None);
}
