//! Reading a range: straight through from the service.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use gatepass_core::ByteRange;
use gatepass_core::port::{BlobError, BlobReader};
use reqwest::{Response, StatusCode};

use crate::store::Shared;

/// Opens a range of an object.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    key: String,
    range: ByteRange,
) -> Result<BlobReader, BlobError> {
    if range.is_empty() {
        return open_nothing(shared, &key, range).await;
    }
    let answer = shared.api.get(&key, range).await?;
    check_range(&answer, range)?;
    let left = range.length();
    let body = stream::try_unfold((answer, left), next_piece);
    Ok(Box::pin(body))
}

/// There is no request for no bytes; the object has to be there, and reach so far.
async fn open_nothing(
    shared: &Arc<Shared>,
    key: &str,
    range: ByteRange,
) -> Result<BlobReader, BlobError> {
    match shared.api.head(key).await? {
        None => Err(BlobError::NotFound),
        Some(head) if head.size < range.end() => Err(BlobError::Corrupt),
        Some(_) => Ok(Box::pin(stream::empty())),
    }
}

/// A service answers with what is there of the range, which may be less, or with everything.
fn check_range(answer: &Response, range: ByteRange) -> Result<(), BlobError> {
    let whole = answer.status() == StatusCode::OK && range.start() == 0;
    let partial = answer.status() == StatusCode::PARTIAL_CONTENT;
    let length_is_right = answer.content_length() == Some(range.length());
    if (whole || partial) && length_is_right { Ok(()) } else { Err(BlobError::Corrupt) }
}

type Rest = (Response, u64);

async fn next_piece((mut answer, left): Rest) -> Result<Option<(Bytes, Rest)>, BlobError> {
    let unavailable = |error| BlobError::Unavailable(io::Error::other(error));
    match answer.chunk().await.map_err(unavailable)? {
        Some(piece) => {
            let left = left.checked_sub(piece.len() as u64).ok_or(BlobError::Corrupt)?;
            Ok(Some((piece, (answer, left))))
        }
        None if left > 0 => Err(BlobError::Corrupt),
        None => Ok(None),
    }
}
