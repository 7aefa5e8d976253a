//! Files that are shorter than what was committed.

use std::fs::OpenOptions;

use futures_util::StreamExt as _;
use gatepass_core::ByteRange;
use gatepass_core::port::BlobError;
use gatepass_testkit::blob_store::{put, range, read, read_first};
use gatepass_testkit::builders::noise;
use gatepass_testkit::run;

use super::folders::file_of;
use super::open;

#[test]
fn a_truncated_blob_is_an_error_and_never_a_short_end() {
    let (directory, store) = open();
    run(async move {
        let content = noise(1, 1 << 20);
        let blob = put(&store, &content).await;
        let file = OpenOptions::new().write(true).open(file_of(directory.path(), &blob)).unwrap();
        for left in [(1 << 20) - 1, 512 << 10, 256 << 10, 5, 0] {
            file.set_len(left).unwrap();
            let whole = read_first(&store, &blob, content.len()).await;
            assert!(matches!(whole, Err(BlobError::Corrupt)), "{left} bytes were left");
            let last = read(&store, &blob, range(left, left + 1)).await;
            assert!(matches!(last, Err(BlobError::Corrupt)), "the byte after {left} bytes");
            let there = read(&store, &blob, ByteRange::first(left)).await.unwrap();
            assert!(content.starts_with(&there), "what is left can be read");
        }
    });
}

#[test]
fn a_blob_that_is_truncated_while_it_is_read_ends_in_an_error() {
    let (directory, store) = open();
    run(async move {
        let content = noise(2, 2 << 20);
        let blob = put(&store, &content).await;
        let mut reader = store.read(&blob, ByteRange::first(2 << 20)).await.unwrap();
        assert!(reader.next().await.unwrap().is_ok());
        let file = OpenOptions::new().write(true).open(file_of(directory.path(), &blob)).unwrap();
        file.set_len(300_000).unwrap();
        let last = loop {
            match reader.next().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        };
        assert!(matches!(last, Some(Err(BlobError::Corrupt))), "{last:?}");
        assert!(reader.next().await.is_none());
    });
}
