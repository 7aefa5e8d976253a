//! Checks for [`BlobStore`]: what its contract says, sentence by sentence.

pub mod exclusive;
pub mod keeping;
pub mod parts;
pub mod reading;
pub mod writing;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use gatepass_core::port::{
    BlobError, BlobListing, BlobReader, BlobStore, OpenBlob, OpenSlice, Staging,
};
use gatepass_core::{BlobId, ByteRange, ContentHasher, ExpectedDigests};

use crate::builders::blob_id;

/// The store under test.
pub type Store = Arc<dyn BlobStore>;

/// Bytes of a piece, as a connection would deliver them.
const PIECE_BYTES: usize = 60_000;

/// A hasher for what every blob has.
pub fn hasher() -> ContentHasher {
    ContentHasher::new(&ExpectedDigests::default())
}

/// Begins a blob.
pub async fn stage(store: &Store, blob: &BlobId) -> Box<dyn Staging> {
    store.stage(blob, None, hasher()).await.unwrap()
}

/// Writes content in pieces.
pub async fn pour(staging: &mut dyn Staging, content: &Bytes) -> Result<(), BlobError> {
    let mut rest = content.clone();
    while !rest.is_empty() {
        staging.write(rest.split_to(rest.len().min(PIECE_BYTES))).await?;
    }
    Ok(())
}

/// Stores content under a fresh name.
pub async fn put(store: &Store, content: &Bytes) -> BlobId {
    let blob = blob_id();
    let mut staging = stage(store, &blob).await;
    pour(staging.as_mut(), content).await.unwrap();
    assert_eq!(staging.commit().await.unwrap().size, content.len() as u64);
    blob
}

/// A range.
pub fn range(start: u64, end: u64) -> ByteRange {
    ByteRange::new(start, end).unwrap()
}

/// Reads a range, and looks that nothing follows an error.
pub async fn read(store: &Store, blob: &BlobId, range: ByteRange) -> Result<Bytes, BlobError> {
    collect(store.read(blob, range).await?).await
}

/// The same from what a store opens for whoever sends it.
pub async fn read_open(store: &Store, blob: &BlobId, range: ByteRange) -> Result<Bytes, BlobError> {
    let open = match store.open(blob, range).await? {
        OpenBlob::Pieces(reader) => return collect(reader).await,
        OpenBlob::Descriptor(open) => open,
    };
    read_slice(&open, range).map_err(BlobError::Unavailable)
}

/// Reads a range of what lies in an open file.
pub(crate) fn read_slice(open: &OpenSlice, range: ByteRange) -> std::io::Result<Bytes> {
    let mut content = vec![0; usize::try_from(range.length()).unwrap()];
    let file = File::from(open.file.try_clone()?);
    file.read_exact_at(&mut content, open.begin + range.start())?;
    Ok(content.into())
}

async fn collect(mut reader: BlobReader) -> Result<Bytes, BlobError> {
    let mut content = BytesMut::new();
    while let Some(piece) = reader.next().await {
        match piece {
            Ok(piece) => content.extend_from_slice(&piece),
            Err(error) => {
                assert!(reader.next().await.is_none(), "something follows an error");
                return Err(error);
            }
        }
    }
    Ok(content.freeze())
}

/// Reads the first `length` bytes.
pub async fn read_first(store: &Store, blob: &BlobId, length: usize) -> Result<Bytes, BlobError> {
    read(store, blob, ByteRange::first(length as u64)).await
}

/// Looks that a blob holds exactly this.
pub async fn assert_holds(store: &Store, blob: &BlobId, content: &Bytes) {
    let found = read_first(store, blob, content.len()).await.unwrap();
    assert!(found == content, "{blob} holds other bytes than were written");
}

/// The whole list, page by page.
pub async fn list_all(store: &Store) -> Vec<BlobListing> {
    list_after(store, None).await
}

/// The list from after a cursor.
pub async fn list_after(store: &Store, cursor: Option<String>) -> Vec<BlobListing> {
    let (mut cursor, mut all) = (cursor, Vec::new());
    loop {
        let page = store.list(cursor.as_deref()).await.unwrap();
        let Some(last) = page.last() else { return all };
        cursor = Some(last.cursor.clone());
        all.extend(page);
        assert!(all.len() < 100_000, "the list never ends");
    }
}

/// Whether the store knows a name, finished or not.
pub async fn is_listed(store: &Store, blob: &BlobId) -> bool {
    list_all(store).await.iter().any(|entry| entry.blob == *blob)
}
