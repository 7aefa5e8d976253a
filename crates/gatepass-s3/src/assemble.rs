//! Making a blob of its parts.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gatepass_core::port::BlobError;
use gatepass_core::{BlobId, ByteRange, ContentHasher, ExpectedDigests, Part, PartMap};

use crate::api::{Head, Written};
use crate::client::CallError;
use crate::memo::{BlobMemo, PieceMemo};
use crate::read;
use crate::store::Shared;

/// Cells that are closed at once, and loose objects that are deleted at once.
const AT_ONCE: usize = 4;

/// Makes the blob. If that fails because somebody has done it before, it is done.
pub(crate) async fn assemble(
    shared: &Arc<Shared>,
    blob: &BlobId,
    memo: &BlobMemo,
    parts: &PartMap,
) -> Result<(), BlobError> {
    let (key, size) = (shared.keys.blob(blob), parts.end());
    if let Err(error) = complete(shared, blob, memo, parts).await {
        let done = Head { size, token: Some(memo.token.clone()) };
        if shared.api.head(&key).await? != Some(done) {
            return Err(error);
        }
    }
    if let Err(error) = delete_loose(shared, blob).await {
        tracing::warn!(%error, "loose bytes stay until their blob goes");
    }
    Ok(())
}

/// An upload that is gone is no blob that is gone: somebody else ended it, or is completing it at
/// this moment.
pub(crate) fn upload_error(error: CallError) -> BlobError {
    if error.is("NoSuchUpload") {
        return BlobError::Unavailable(io::Error::other(error));
    }
    error.into()
}

async fn complete(
    shared: &Arc<Shared>,
    blob: &BlobId,
    memo: &BlobMemo,
    parts: &PartMap,
) -> Result<(), BlobError> {
    let key = shared.keys.blob(blob);
    if parts.parts().is_empty() {
        shared.api.put(&key, &memo.token, Bytes::new()).await?;
        return Ok(shared.api.abort(&key, &memo.upload_id).await?);
    }
    let cells = parts.end().div_ceil(memo.grid.cell_bytes);
    let written = stream::iter((0..cells).map(|number| close(shared, blob, memo, parts, number)))
        .buffered(AT_ONCE)
        .try_collect::<Vec<Written>>()
        .await?;
    match shared.api.complete(&key, &memo.upload_id, &written).await {
        Err(error) if error.is("InvalidPart") => {
            Err(lost(shared, &key, memo, &written, error).await?)
        }
        completed => completed.map_err(upload_error),
    }
}

/// What it means that a part does not match its tag. If the service has another one, or none, the
/// part is lost, and the blob with it. If it has the very same, somebody else is sending that part
/// at this moment, or was until he died: nobody can tell, but nothing is lost for certain.
async fn lost(
    shared: &Arc<Shared>,
    key: &str,
    memo: &BlobMemo,
    written: &[Written],
    error: CallError,
) -> Result<BlobError, BlobError> {
    let (there, _) = shared.api.list_parts(key, &memo.upload_id).await?;
    let bare = |(number, etag): &Written| (*number, etag.trim_matches('"').to_owned());
    let there: HashSet<Written> = there.iter().map(bare).collect();
    let error = io::Error::other(error);
    if written.iter().all(|part| there.contains(&bare(part))) {
        return Ok(BlobError::Unavailable(error));
    }
    Ok(BlobError::SyncFailed(error))
}

/// The part that a cell is. One that no part of ours filled alone is put together now.
async fn close(
    shared: &Arc<Shared>,
    blob: &BlobId,
    memo: &BlobMemo,
    parts: &PartMap,
    number: u64,
) -> Result<Written, BlobError> {
    let cell = memo.grid.cell(number);
    let within = parts.overlapping(cell);
    if let [part] = within
        && let PieceMemo::Cell(written) = PieceMemo::parse(&part.memo)?
    {
        return Ok(written);
    }
    let size = usize::try_from(cell.end().min(parts.end()) - cell.start()).unwrap_or(usize::MAX);
    // Room for the whole cell at once, so that closers do not wait for each other.
    let mut buffer = shared.buffer();
    buffer.reserve(size).await?;
    for part in within {
        let bytes = read_loose(shared, blob, part).await?;
        buffer.push(&bytes, size).await?;
    }
    let filled = buffer.take();
    let key = shared.keys.blob(blob);
    // Others may be at the same cell at this moment.
    let number = memo.grid.part_number(number, getrandom::u64().unwrap_or_default());
    let sent = shared.api.upload_part(&key, &memo.upload_id, number, filled.bytes).await;
    Ok((number, sent.map_err(upload_error)?))
}

/// Bytes of a loose part, which are those that were recorded.
async fn read_loose(shared: &Arc<Shared>, blob: &BlobId, part: &Part) -> Result<Bytes, BlobError> {
    let PieceMemo::Loose(attempt) = PieceMemo::parse(&part.memo)? else {
        return Err(BlobError::Corrupt);
    };
    let key = shared.keys.part(blob, part.range.start(), &attempt);
    let within = ByteRange::first(part.range.length());
    let mut reader = read::open(shared, key, within).await?;
    let mut bytes = BytesMut::new();
    let mut hasher = ContentHasher::new(&ExpectedDigests::default());
    while let Some(piece) = reader.try_next().await? {
        hasher.update(&piece);
        bytes.extend_from_slice(&piece);
    }
    if hasher.finish().crc64 == part.crc64 { Ok(bytes.freeze()) } else { Err(BlobError::Corrupt) }
}

/// Deletes the loose bytes of a blob, recorded or not.
pub(crate) async fn delete_loose(shared: &Arc<Shared>, blob: &BlobId) -> Result<(), BlobError> {
    let prefix = shared.keys.parts_of(blob);
    let mut after: Option<String> = None;
    loop {
        let page = shared.api.list_objects(&prefix, after.as_deref()).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.clone());
        stream::iter(&page)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |object| shared.api.delete(&object.key))
            .await?;
    }
}
