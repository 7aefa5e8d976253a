use std::sync::Arc;

use gatepass_core::admission::{self, Admission, UploadFacts};
use gatepass_core::condition::Conditions;
use gatepass_core::upload::UploadKey;
use gatepass_core::{ByteRange, ExpectedDigests, Grant, Operation, Part, Upload};

use super::attempts::{Attempt, Cut};
use super::finish::{Wishes, finish_if_complete_as};
use super::join::find;
use super::keeping::Keeping;
use super::part::{give_up_if_lost, record};
use super::segment::{Incoming, Writing};
use super::{Body, Progress, ReceiveError, file_bytes_max};
use crate::engine::Engine;

/// What a request says of the bytes that it appends.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// Where the client believes that the upload stands.
    pub offset: u64,
    /// Size of the whole file, if the request says it.
    pub total: Option<u64>,
    /// Digests of these bytes. With any of them it is all or nothing.
    pub digests: ExpectedDigests,
}

/// Appends to what is there of an upload: the entry of the dialects that know one offset only.
///
/// Unlike a [part](super::part()), bytes that came before a body broke off count: the offset moves
/// on by as much as arrived. A newer request for the upload makes an older one let go, which
/// records what it has first.
pub async fn append(
    engine: &Arc<Engine>,
    grant: &Grant,
    append: Append,
    conditions: Conditions,
    body: impl Body,
) -> Result<Progress, ReceiveError> {
    if grant.operation() != Operation::Upload {
        return Err(ReceiveError::NotAnUpload);
    }
    let upload = find(engine, grant).await?.ok_or(ReceiveError::UploadNotFound)?;
    append_to(engine, &upload, append, Wishes { conditions, label: None }, body).await
}

/// The same, to an upload that was found or begun already.
pub(crate) async fn append_to(
    engine: &Arc<Engine>,
    upload: &Upload,
    append: Append,
    wishes: Wishes,
    body: impl Body,
) -> Result<Progress, ReceiveError> {
    let rest = ByteRange::new(append.offset, u64::MAX).unwrap_or(ByteRange::first(0));
    let attempt = match engine.attempts.begin(&upload.id, rest).await {
        Ok(attempt) => attempt,
        Err(Cut) => return Err(ReceiveError::Interrupted),
    };
    let upload = reload(engine, upload).await?;
    upload.check_receiving(engine.now())?;
    upload.check_total(append.total)?;
    let offset = upload.parts.offset();
    if append.offset != offset {
        return Err(ReceiveError::OffsetMismatch { offset });
    }
    let total = upload.total.or(append.total);
    let admission = admit(engine, &upload, total)?;
    // What lies behind a gap that parts left is for parts to fill.
    let end = upload.parts.missing(total).first().map(|gap| gap.end()).or(total);
    let bounds = Bounds { offset, end, admission };
    let (parts, ended) = match receive(engine, &upload, &bounds, &append, &attempt, body).await {
        Ok(received) => received,
        Err(error) => return Err(give_up_if_lost(engine, &upload, error).await),
    };
    attempt.note_received();
    let record = record(engine, &upload, parts, append.total);
    let engine = Arc::clone(engine);
    let tail = tokio::spawn(async move {
        let upload = engine.ports.catalog.record_parts(record).await?;
        drop(attempt);
        ended?;
        finish_if_complete_as(&engine, upload, wishes).await
    });
    tail.await.map_err(ReceiveError::lost)?
}

struct Bounds {
    offset: u64,
    end: Option<u64>,
    admission: Admission,
}

fn admit(engine: &Engine, upload: &Upload, total: Option<u64>) -> Result<Admission, ReceiveError> {
    let facts = UploadFacts { declared_size: total, ..UploadFacts::default() };
    Ok(admission::admit(upload.policy.as_ref(), &facts, file_bytes_max(engine, &upload.project))?)
}

async fn reload(engine: &Engine, upload: &Upload) -> Result<Upload, ReceiveError> {
    let key = UploadKey::Id(upload.id.clone());
    let found = engine.ports.catalog.find_upload(&upload.project, &upload.path, &key).await?;
    found.ok_or(ReceiveError::UploadNotFound)
}

/// The parts that arrived, and how the body ended.
type Arrived = (Vec<Part>, Result<(), ReceiveError>);

async fn receive(
    engine: &Engine,
    upload: &Upload,
    bounds: &Bounds,
    append: &Append,
    attempt: &Arc<Attempt>,
    body: impl Body,
) -> Result<Arrived, ReceiveError> {
    let mut incoming = Incoming::new(body, Some(&**attempt), &append.digests);
    let mut writing = Writing::begin(engine, &upload.parted_blob(), bounds.offset, attempt).await?;
    let keeping = Keeping::of(engine, upload);
    let ended = pour(bounds, &mut incoming, &mut writing, keeping).await;
    let ended = ended.and_then(|()| incoming.check_digests());
    let all_or_nothing = append.digests != ExpectedDigests::default();
    match ended {
        // Only what is not the bytes' own fault leaves them standing.
        Err(ReceiveError::Body(_) | ReceiveError::Interrupted) if !all_or_nothing => {}
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    let committed = writing.commit().await?;
    Ok((committed.into_parts(bounds.offset), ended))
}

async fn pour(
    bounds: &Bounds,
    incoming: &mut Incoming<'_, impl Body>,
    writing: &mut Writing,
    mut keeping: Keeping<'_>,
) -> Result<(), ReceiveError> {
    let mut at = bounds.offset;
    while let Some(piece) = incoming.next(u64::MAX).await? {
        at = at.saturating_add(piece.len() as u64);
        if bounds.end.is_some_and(|end| at > end) {
            return Err(ReceiveError::ChunkLength);
        }
        bounds.admission.check_received(at)?;
        writing.write(piece).await?;
        keeping.note().await?;
    }
    Ok(())
}
