//! The bytes of one request, on their way into the segments of its range.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use gatepass_core::admission::AdmissionError;
use gatepass_core::digest::combine_crc64;
use gatepass_core::port::{BlobError, BlobReader, CommittedBlob, PartedBlob, Staging};
use gatepass_core::upload::UploadRefusal;
use gatepass_core::{ByteRange, ContentHasher, ExpectedDigests, Part, Upload, UploadStatus};

use super::attempts::Attempt;
use super::content::Sniffer;
use super::keeping::Keeping;
use super::{Body, ReceiveError};
use crate::engine::Engine;

/// A body that is taken in measured pieces, and that ends when a newer attempt takes over.
pub(super) struct Incoming<'a, B> {
    body: B,
    rest: Bytes,
    attempt: Option<&'a Attempt>,
    /// Computes the digests of the whole body, where its sender named some.
    hasher: Option<Box<(ContentHasher, ExpectedDigests)>>,
}

impl<'a, B: Body> Incoming<'a, B> {
    pub(super) fn new(body: B, attempt: Option<&'a Attempt>, expected: &ExpectedDigests) -> Self {
        let asked = *expected != ExpectedDigests::default();
        let hasher = asked.then(|| Box::new((ContentHasher::new(expected), expected.clone())));
        Self { body, rest: Bytes::new(), attempt, hasher }
    }

    /// The next piece of at most `max` bytes; `None` at the end.
    pub(super) async fn next(&mut self, max: u64) -> Result<Option<Bytes>, ReceiveError> {
        while self.rest.is_empty() {
            let Some(piece) = self.receive().await? else { return Ok(None) };
            self.rest = piece;
        }
        let length = usize::try_from(max).unwrap_or(usize::MAX).min(self.rest.len());
        let piece = self.rest.split_to(length);
        if let Some(digests) = &mut self.hasher {
            digests.0.update(&piece);
        }
        Ok(Some(piece))
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, ReceiveError> {
        let Some(attempt) = self.attempt else { return Ok(self.body.next().await?) };
        let piece = tokio::select! {
            biased;
            () = attempt.cut() => return Err(ReceiveError::Interrupted),
            piece = self.body.next() => piece?,
        };
        attempt.note_progress();
        Ok(piece)
    }

    /// The next piece of a stretch of which `left` bytes are to come; `None` when all have. A
    /// body that ends before is none.
    async fn next_of(&mut self, left: &mut u64) -> Result<Option<Bytes>, ReceiveError> {
        if *left == 0 {
            return Ok(None);
        }
        let piece = self.next(*left).await?.ok_or(ReceiveError::ChunkLength)?;
        *left -= piece.len() as u64;
        Ok(Some(piece))
    }

    /// The body ends here, with the digests that its sender named. From now on nobody needs to wait
    /// for the client.
    pub(super) async fn end(&mut self) -> Result<(), ReceiveError> {
        if self.next(1).await?.is_some() {
            return Err(ReceiveError::ChunkLength);
        }
        self.check_digests()?;
        if let Some(attempt) = self.attempt {
            attempt.note_received();
        }
        Ok(())
    }

    pub(super) fn check_digests(&mut self) -> Result<(), ReceiveError> {
        let Some(digests) = self.hasher.take() else { return Ok(()) };
        let (hasher, expected) = *digests;
        if hasher.finish().satisfy(&expected) {
            Ok(())
        } else {
            Err(AdmissionError::DigestMismatch.into())
        }
    }
}

/// A part that is being written. Until it is given up for certain, it holds the attempt: nobody
/// else may write where a job may still be at work.
pub(super) struct Writing {
    staging: Option<Box<dyn Staging>>,
    attempt: Arc<Attempt>,
}

impl Writing {
    pub(super) async fn begin(
        engine: &Engine,
        blob: &PartedBlob,
        offset: u64,
        attempt: &Arc<Attempt>,
    ) -> Result<Self, ReceiveError> {
        let hasher = ContentHasher::new(&ExpectedDigests::default());
        let staging = engine.ports.store.stage_part(blob, offset, hasher).await?;
        Ok(Self { staging: Some(staging), attempt: Arc::clone(attempt) })
    }

    pub(super) async fn write(&mut self, piece: Bytes) -> Result<(), ReceiveError> {
        match &mut self.staging {
            Some(staging) => Ok(staging.write(piece).await?),
            None => Err(BlobError::Unavailable(std::io::ErrorKind::BrokenPipe.into()).into()),
        }
    }

    /// Makes it durable, even if the client goes away now.
    pub(super) async fn commit(mut self) -> Result<CommittedBlob, ReceiveError> {
        let Some(staging) = self.staging.take() else {
            return Err(BlobError::Unavailable(std::io::ErrorKind::BrokenPipe.into()).into());
        };
        let attempt = Arc::clone(&self.attempt);
        let commit = tokio::spawn(async move {
            let committed = staging.commit().await;
            drop(attempt);
            committed
        });
        Ok(commit.await.map_err(ReceiveError::lost)??)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(staging) = self.staging.take() else { return };
        let attempt = Arc::clone(&self.attempt);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                staging.discard().await;
                drop(attempt);
            });
        }
    }
}

/// A segment that is missing.
pub(super) struct Gap {
    pub(super) range: ByteRange,
    /// Whether the body ends with it.
    pub(super) is_last: bool,
}

/// Writes the bytes of a segment that is missing. What has come whole is not given up for another
/// request any more, however long the disk takes.
pub(super) async fn write(
    engine: &Engine,
    upload: &Upload,
    gap: Gap,
    attempt: &Arc<Attempt>,
    sniffer: &mut Option<Sniffer<'_>>,
    incoming: &mut Incoming<'_, impl Body>,
) -> Result<Vec<Part>, ReceiveError> {
    let Gap { range, is_last } = gap;
    let mut keeping = Keeping::of(engine, upload);
    let mut writing = Writing::begin(engine, &upload.parted_blob(), range.start(), attempt).await?;
    let mut left = range.length();
    while let Some(piece) = incoming.next_of(&mut left).await? {
        if let Some(sniffer) = sniffer {
            sniffer.observe(&piece)?;
        }
        writing.write(piece).await?;
        keeping.note().await?;
    }
    if is_last {
        incoming.end().await?;
    }
    let committed = writing.commit().await?;
    Ok(committed.into_parts(range.start()))
}

/// Compares the bytes of a segment that is durable already.
pub(super) async fn compare(
    engine: &Engine,
    upload: &Upload,
    range: ByteRange,
    incoming: &mut Incoming<'_, impl Body>,
) -> Result<(), ReceiveError> {
    let mut hasher = ContentHasher::new(&ExpectedDigests::default());
    let mut left = range.length();
    while let Some(piece) = incoming.next_of(&mut left).await? {
        hasher.update(&piece);
    }
    if hasher.finish().crc64 == recorded_crc64(engine, upload, range).await? {
        Ok(())
    } else {
        Err(UploadRefusal::PartConflict.into())
    }
}

/// Known where the range is made of whole parts; else bytes are read again.
async fn recorded_crc64(
    engine: &Engine,
    upload: &Upload,
    range: ByteRange,
) -> Result<u64, ReceiveError> {
    if let Some(crc64) = upload.parts.crc64_of(range) {
        return Ok(crc64);
    }
    if upload.status == UploadStatus::Complete {
        return crc64_of(engine.ports.store.read(&upload.blob, range).await).await;
    }
    let mut crc64 = 0;
    for part in upload.parts.overlapping(range) {
        let start = part.range.start().max(range.start());
        let end = part.range.end().min(range.end());
        let Some(within) = ByteRange::new(start, end) else { continue };
        let found = if within == part.range {
            part.crc64
        } else {
            let blob = upload.parted_blob();
            crc64_of(engine.ports.store.read_part(&blob, part, within).await).await?
        };
        crc64 = combine_crc64(crc64, found, within.length());
    }
    Ok(crc64)
}

async fn crc64_of(reader: Result<BlobReader, BlobError>) -> Result<u64, ReceiveError> {
    let reader = match reader {
        Ok(reader) => reader,
        // A file that was replaced since, or a piece of what the store keeps as one: nobody can
        // tell, and what cannot be compared is not taken.
        Err(BlobError::NotFound | BlobError::NotReadable) => {
            return Err(UploadRefusal::PartConflict.into());
        }
        Err(error) => return Err(error.into()),
    };
    let hasher = ContentHasher::new(&ExpectedDigests::default());
    let hasher = reader.try_fold(hasher, |mut hasher, piece| async move {
        hasher.update(&piece);
        Ok(hasher)
    });
    Ok(hasher.await?.finish().crc64)
}
