use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::{BlobId, ByteRange, ContentHasher, Digests, Memo, Part, PartMap, Timestamp};

/// The bytes of a blob, piece by piece. An error ends the stream; it is never followed by more.
pub type BlobReader = Pin<Box<dyn Stream<Item = Result<Bytes, BlobError>> + Send>>;

/// A range of a blob, opened for whoever sends it to a client.
pub enum OpenBlob {
    /// The store reads it.
    Pieces(BlobReader),
    /// The system can send it. The file was long enough for the range; if it is no longer, it is
    /// damaged.
    Descriptor(OpenSlice),
}

/// Bytes that lie one after the other in an open file, which keeps them, even if it is deleted.
#[derive(Debug, Clone)]
pub struct OpenSlice {
    /// The file, which others may be reading through the same descriptor.
    pub file: Arc<OwnedFd>,
    /// Where the first byte is.
    pub begin: u64,
}

/// Keeps immutable blobs under names of ours.
///
/// # Contract
///
/// - A name is written once: names are random, and the caller never uses one again. A store may
///   refuse one that is taken. Bytes are readable only after [`Staging::commit`] returned.
/// - What `commit` acknowledged survives a crash of the process and of the machine.
/// - After an error of `write` or `commit` the blob is abandoned: nothing is retried on it, and
///   at worst an orphan is left for the sweeper. A part may be tried again, unless the error is
///   [`BlobError::SyncFailed`].
/// - Cancelling a call (dropping its future) is as good as an error.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Begins a blob, of so many bytes if the client said it. The hasher sees them in order.
    async fn stage(
        &self,
        blob: &BlobId,
        size: Option<u64>,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError>;

    /// Prepares a blob that is written part by part. What the store returns goes with every later
    /// call for the blob: any process may write the next part.
    async fn begin(&self, blob: &BlobId, outlook: Outlook) -> Result<Memo, BlobError>;

    /// Begins a part of such a blob, from `offset` on. Parts of one blob may be written at the
    /// same time: the caller sees to it that no two of them overlap.
    ///
    /// What [`Staging::commit`] acknowledged of a part survives, whatever becomes of other parts.
    /// A part that is given up leaves bytes that mean nothing.
    async fn stage_part(
        &self,
        blob: &PartedBlob,
        offset: u64,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError>;

    /// Reads a range within a part before its blob is assembled.
    ///
    /// Not every store can, of every part: then it is [`BlobError::NotReadable`].
    async fn read_part(
        &self,
        blob: &PartedBlob,
        part: &Part,
        range: ByteRange,
    ) -> Result<BlobReader, BlobError>;

    /// Makes a blob of its parts, which have no gaps. It can be repeated, by anybody, and its
    /// cost does not grow with the size where the parts suit the store.
    async fn assemble(&self, blob: &PartedBlob, parts: &PartMap) -> Result<(), BlobError>;

    /// Opens a range of a committed blob. The reader goes on to read this version even if the
    /// blob is deleted meanwhile, or fails; it never reads other bytes.
    async fn read(&self, blob: &BlobId, range: ByteRange) -> Result<BlobReader, BlobError>;

    /// Opens a range like [`Self::read`], for a caller who takes it in either form. A store gives
    /// a descriptor where it has one: what is sent from there need not be read first.
    async fn open(&self, blob: &BlobId, range: ByteRange) -> Result<OpenBlob, BlobError>;

    /// Size in bytes of a committed blob; `None` if there is none. Of one that is not committed it
    /// says what it likes.
    async fn size(&self, blob: &BlobId) -> Result<Option<u64>, BlobError>;

    /// A URL by which anybody reads a committed blob from the store itself, for a short while;
    /// `None` if this store has none. Whether the blob is there is not looked at.
    fn link(&self, blob: &BlobId, link: &Link) -> Option<String>;

    /// Deletes a blob, whole or in parts. One that is not there counts as deleted.
    async fn delete(&self, blob: &BlobId) -> Result<(), BlobError>;

    /// Lists what is stored, committed or not, in an order of the store's own, from after
    /// `cursor`; an empty page ends the list.
    async fn list(&self, cursor: Option<&str>) -> Result<Vec<BlobListing>, BlobError>;

    /// Whether the store can take uploads now.
    async fn check(&self) -> Result<(), BlobError>;
}

/// A blob that is being written. Dropping it abandons it.
#[async_trait]
pub trait Staging: Send {
    /// Takes the next bytes. Waits while too much is on its way to the store already.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Makes everything durable under the blob's name.
    async fn commit(self: Box<Self>) -> Result<CommittedBlob, BlobError>;

    /// Gives the blob up and removes what there is of it.
    async fn discard(self: Box<Self>);
}

/// What a store is to send with a blob that is read by [`BlobStore::link`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// `Content-Type`.
    pub content_type: String,
    /// `Content-Disposition`.
    pub disposition: String,
    /// `Cache-Control`.
    pub cache_control: String,
    /// How long reading may begin.
    pub valid: Duration,
}

/// What is known of the parts of a blob before the first one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// Size of the whole in bytes, if it is known.
    pub total: Option<u64>,
    /// The range of the first part: those of others will look like it.
    pub first: ByteRange,
}

/// A blob that is written part by part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartedBlob {
    /// Its name.
    pub id: BlobId,
    /// What [`BlobStore::begin`] returned.
    pub memo: Memo,
}

/// A blob, or a part of one, that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedBlob {
    /// Its size in bytes.
    pub size: u64,
    /// Its digests.
    pub digests: Digests,
    /// What a part is to be recorded as: one piece, or several where the store divides it, in
    /// their order and without gaps. Nothing where the blob is whole.
    pub pieces: Vec<Piece>,
}

impl CommittedBlob {
    /// The records of a part that begins at `offset`.
    pub fn into_parts(self, offset: u64) -> Vec<Part> {
        let mut at = offset;
        let mut parts = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces {
            let end = at.saturating_add(piece.size);
            let range = ByteRange::new(at, end).filter(|range| !range.is_empty());
            parts.extend(range.map(|range| Part { range, crc64: piece.crc64, memo: piece.memo }));
            at = end;
        }
        parts
    }
}

/// A piece of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its size in bytes.
    pub size: u64,
    /// CRC-64/NVME of it.
    pub crc64: u64,
    /// By what the store finds it again.
    pub memo: Memo,
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobListing {
    /// The blob.
    pub blob: BlobId,
    /// Where the listing goes on after it.
    pub cursor: String,
    /// Size in bytes so far.
    pub size: u64,
    /// When it was last written to.
    pub modified: Timestamp,
}

/// What a store can fail with.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No such blob.
    #[error("no such blob")]
    NotFound,
    /// No room left.
    #[error("storage is full")]
    Full(#[source] std::io::Error),
    /// It does not answer, or refuses; a later try may succeed.
    #[error("storage is unavailable")]
    Unavailable(#[source] std::io::Error),
    /// Bytes may be lost that were written: nothing may be tried on this blob again.
    #[error("written bytes could not be made durable")]
    SyncFailed(#[source] std::io::Error),
    /// The store takes no blob as large as this.
    #[error("the store takes at most {max_bytes} bytes")]
    TooLarge {
        /// Most bytes of a blob.
        max_bytes: u64,
    },
    /// The part's bytes are safe, but cannot be read before the blob is assembled.
    #[error("the part cannot be read yet")]
    NotReadable,
    /// What was read is not what was written.
    #[error("stored bytes are damaged")]
    Corrupt,
}
