//! Blobs that are written part by part.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use gatepass_core::port::{BlobError, CommittedBlob, Outlook, PartedBlob};
use gatepass_core::{ByteRange, Memo, Part, PartMap};

use super::{Store, assert_holds, hasher, is_listed, pour, range, read};
use crate::builders::{blob_id, noise};

const PART: usize = 300_000;
/// Larger than what any store keeps as one.
const LARGE_PART: usize = 20_000_000;

/// A blob in parts, and what is there of it.
struct Parted {
    store: Store,
    blob: PartedBlob,
    content: Bytes,
    parts: PartMap,
}

impl Parted {
    async fn begin(store: &Store, content: Bytes, first: usize, known: bool) -> Self {
        let total = content.len() as u64;
        let first = ByteRange::first(total.min(first as u64));
        let outlook = Outlook { total: known.then_some(total), first };
        let id = blob_id();
        let memo = store.begin(&id, outlook).await.unwrap();
        let blob = PartedBlob { id, memo };
        Self { store: store.clone(), blob, content, parts: PartMap::default() }
    }

    /// The bytes of a part, where all are of [`PART`] bytes.
    fn nth(&self, part: usize) -> Range<usize> {
        part * PART..((part + 1) * PART).min(self.content.len())
    }

    async fn write(&self, bytes: Range<usize>) -> Result<CommittedBlob, BlobError> {
        let (store, start) = (&self.store, bytes.start as u64);
        let mut staging = store.stage_part(&self.blob, start, hasher()).await?;
        pour(staging.as_mut(), &self.content.slice(bytes)).await?;
        staging.commit().await
    }

    /// Gives a part up, after it was written.
    async fn give_up(&self, start: usize, content: &Bytes) {
        let store = &self.store;
        let mut staging = store.stage_part(&self.blob, start as u64, hasher()).await.unwrap();
        pour(staging.as_mut(), content).await.unwrap();
        staging.discard().await;
    }

    fn record(&mut self, start: usize, committed: CommittedBlob) {
        let size = committed.size;
        let parts = committed.into_parts(start as u64);
        assert_eq!(parts.iter().map(|part| part.range.length()).sum::<u64>(), size);
        for part in parts {
            assert!(self.parts.insert(part).unwrap());
        }
    }

    /// Writes parts and records them.
    async fn add(&mut self, ranges: &[Range<usize>]) {
        let written = join_all(ranges.iter().map(|range| self.write(range.clone()))).await;
        for (range, committed) in ranges.iter().zip(written) {
            self.record(range.start, committed.unwrap());
        }
    }

    async fn assemble(&self) -> Result<(), BlobError> {
        self.store.assemble(&self.blob, &self.parts).await
    }

    async fn assert_whole(&self) {
        self.assemble().await.unwrap();
        assert_holds(&self.store, &self.blob.id, &self.content).await;
    }

    /// Reads within a part.
    async fn read_part(&self, part: &Part, range: ByteRange) -> Result<Bytes, BlobError> {
        let mut reader = self.store.read_part(&self.blob, part, range).await?;
        let mut content = BytesMut::new();
        while let Some(piece) = reader.next().await {
            content.extend_from_slice(&piece?);
        }
        Ok(content.freeze())
    }
}

/// Parts at once, in no order, become one blob with the bytes in their places. Whoever does it
/// again changes nothing.
pub async fn parts_in_any_order_become_one_blob(store: Store) {
    for known in [true, false] {
        let content = noise(1, 4 * PART + 17);
        let mut parted = Parted::begin(&store, content, PART, known).await;
        let order = [3, 0, 4, 2, 1].map(|part| parted.nth(part));
        parted.add(&order).await;
        parted.assert_whole().await;
        parted.assert_whole().await;
    }
}

/// Size and digests that a part's commit tells are those of the part.
pub async fn a_part_has_its_own_size_and_digests(store: Store) {
    let parted = Parted::begin(&store, noise(2, 2 * PART), PART, true).await;
    let second = parted.write(parted.nth(1)).await.unwrap();
    let mut expected = hasher();
    expected.update(&parted.content[PART..]);
    assert_eq!((second.size, second.digests), (PART as u64, expected.finish()));
}

/// A part that is durable is listed while others are missing.
pub async fn a_committed_part_can_be_read(store: Store) {
    let mut parted = Parted::begin(&store, noise(3, 3 * PART), PART, true).await;
    let (middle, id) = (parted.nth(1), parted.blob.id.clone());
    parted.add(std::slice::from_ref(&middle)).await;
    for part in parted.parts.parts() {
        match parted.read_part(part, part.range).await {
            Ok(found) => assert!(found == content_of(&parted, part.range)),
            Err(error) => assert!(matches!(error, BlobError::NotReadable), "{error:?}"),
        }
    }
    assert!(is_listed(&store, &id).await, "the sweeper has to know it");
    store.delete(&id).await.unwrap();
    assert!(!is_listed(&store, &id).await);
}

fn content_of(parted: &Parted, range: ByteRange) -> Bytes {
    let [start, end] = [range.start(), range.end()].map(|at| usize::try_from(at).unwrap());
    parted.content.slice(start..end)
}

/// A repeat that is not the whole part is compared, where the store can read the part.
pub async fn a_part_of_a_part_can_be_compared(store: Store) {
    let mut parted = Parted::begin(&store, noise(9, 3 * PART), 3 * PART, false).await;
    let whole = parted.nth(0);
    parted.add(std::slice::from_ref(&whole)).await;
    let part = parted.parts.parts().first().unwrap().clone();
    let within = range(part.range.start() + 10, part.range.end() - 10);
    match parted.read_part(&part, within).await {
        Ok(found) => assert!(found == content_of(&parted, within)),
        Err(error) => assert!(matches!(error, BlobError::NotReadable), "{error:?}"),
    }
}

/// A part that is given up harms no other, and can be written again.
pub async fn a_part_that_was_given_up_can_be_written_again(store: Store) {
    let mut parted = Parted::begin(&store, noise(4, 2 * PART), PART, true).await;
    let (first, second) = (parted.nth(0), parted.nth(1));
    parted.add(&[first]).await;
    for length in [10, PART / 2, PART] {
        parted.give_up(PART, &noise(5, length)).await;
    }
    parted.add(&[second]).await;
    parted.assert_whole().await;
}

/// Parts of all sizes, in all orders, on no grid.
pub async fn parts_can_be_of_any_size(store: Store) {
    let mut parted = Parted::begin(&store, noise(10, 21_000_003), 1_000_000, false).await;
    let edges = [0, 1, 1_000_000, 6_000_000, 6_000_001, 13_000_000, 20_999_999, 21_000_003];
    let mut ranges: Vec<_> = edges.windows(2).map(|edge| edge[0]..edge[1]).collect();
    ranges.reverse();
    parted.add(&ranges).await;
    parted.assert_whole().await;
}

/// A part that a store divides is as good as one that it does not, given up or not.
pub async fn a_large_part_is_kept_whole(store: Store) {
    let content = noise(11, 2 * LARGE_PART + 5);
    let mut parted = Parted::begin(&store, content, LARGE_PART, true).await;
    parted.give_up(LARGE_PART, &noise(12, LARGE_PART)).await;
    let length = parted.content.len();
    parted.add(&[LARGE_PART..2 * LARGE_PART, 2 * LARGE_PART..length, 0..LARGE_PART]).await;
    parted.assert_whole().await;
    parted.assert_whole().await;
}

/// What given-up parts left behind the end is no part of the blob.
pub async fn nothing_is_left_behind_the_end(store: Store) {
    let mut parted = Parted::begin(&store, noise(6, PART), PART, false).await;
    let first = parted.nth(0);
    parted.add(&[first]).await;
    parted.give_up(PART, &noise(7, PART)).await;
    parted.assert_whole().await;
    assert!(read(&store, &parted.blob.id, range(0, PART as u64 + 1)).await.is_err());
}

/// A file without bytes has no part.
pub async fn an_empty_blob_needs_no_part(store: Store) {
    for known in [true, false] {
        let parted = Parted::begin(&store, Bytes::new(), 0, known).await;
        parted.assert_whole().await;
        parted.assert_whole().await;
    }
}

/// A blob whose parts were never written is not assembled.
pub async fn what_is_missing_is_noticed(store: Store) {
    let mut parted = Parted::begin(&store, noise(8, 2 * PART), PART, true).await;
    let first = parted.nth(0);
    parted.add(&[first]).await;
    let invented = range(PART as u64, 2 * PART as u64);
    parted.parts.insert(Part { range: invented, crc64: 1, memo: Memo::default() }).unwrap();
    assert!(parted.assemble().await.is_err());
    let nothing = PartedBlob { id: blob_id(), memo: parted.blob.memo.clone() };
    assert!(store.assemble(&nothing, &parted.parts).await.is_err());
}
