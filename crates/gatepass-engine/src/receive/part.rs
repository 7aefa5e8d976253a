use std::sync::Arc;

use gatepass_core::admission::{self, Admission, UploadFacts};
use gatepass_core::condition::Conditions;
use gatepass_core::part_map::Segment;
use gatepass_core::port::{BlobError, EndUpload, Outlook, RecordParts, UploadError};
use gatepass_core::publication;
use gatepass_core::upload::{UploadKey, UploadRefusal};
use gatepass_core::{ByteRange, ExpectedDigests, Grant, Operation, Part, Upload, UploadStatus};

use super::attempts::{Attempt, Cut};
use super::content::{Head, Sniffer};
use super::finish::{finish_if_complete, received_again};
use super::join::join;
use super::segment::{self, Gap, Incoming};
use super::{Body, Progress, ReceiveError, file_bytes_max};
use crate::engine::Engine;

/// What a request says of the range that it brings.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Where the bytes belong.
    pub range: ByteRange,
    /// Size of the whole file, if the request says it.
    pub total: Option<u64>,
    /// `Content-Type`, as it stands.
    pub declared_type: Option<String>,
    /// Digests of these bytes that the request's headers name.
    pub digests: ExpectedDigests,
}

/// Takes a range of a file.
///
/// 1. find the upload, or begin it;
/// 2. admit what the request declares;
/// 3. wait for the turn, where another request is at the same bytes;
/// 4. write what is missing, compare what is there;
/// 5. record the parts, which are durable by then;
/// 6. if nothing is missing any more: finish.
///
/// A body that ends too early leaves nothing. Once all bytes have come, the rest happens even if
/// the client has gone away.
pub async fn part(
    engine: &Arc<Engine>,
    grant: &Grant,
    chunk: Chunk,
    conditions: Conditions,
    body: impl Body,
) -> Result<Progress, ReceiveError> {
    if grant.operation() != Operation::Upload {
        return Err(ReceiveError::NotAnUpload);
    }
    admit(engine, grant, grant.policy(), &chunk)?;
    let declared_type = chunk.declared_type.as_deref();
    let outlook = Outlook { total: chunk.total, first: chunk.range };
    // In a box, so that nothing is kept of it while bytes trickle in.
    let upload = Box::pin(join(engine, grant, outlook, declared_type)).await?;
    let admission = admit(engine, grant, upload.policy.as_ref(), &chunk)?;
    check(engine, &upload, &chunk, &conditions).await?;
    let attempt = begin(engine, &upload, &chunk).await?;
    // An older attempt may have recorded something until now.
    let upload = reload(engine, &upload).await?;
    check(engine, &upload, &chunk, &conditions).await?;
    let parts = receive(engine, &upload, &chunk, &admission, attempt.as_ref(), body).await;
    let parts = match parts {
        Ok(parts) => parts,
        Err(error) => return Err(give_up_if_lost(engine, &upload, error).await),
    };
    if upload.status == UploadStatus::Complete {
        return Ok(Progress::Finished(Box::new(received_again(engine, &upload)?)));
    }
    // Where everything was there already, there is nothing to record; another request may have
    // finished the upload by now.
    let news = !parts.is_empty() || upload.total.is_none();
    let record = news.then(|| record(engine, &upload, parts, chunk.total));
    let engine = Arc::clone(engine);
    let tail = tokio::spawn(async move {
        let upload = match record {
            Some(record) => match engine.ports.catalog.record_parts(record).await {
                // Another node took the same bytes meanwhile, or others: a repeat will tell.
                Err(UploadError::Refused(UploadRefusal::Complete)) => {
                    return Err(ReceiveError::Interrupted);
                }
                recorded => recorded?,
            },
            None => upload,
        };
        drop(attempt);
        finish_if_complete(&engine, upload, conditions).await
    });
    tail.await.map_err(ReceiveError::lost)?
}

fn admit(
    engine: &Engine,
    grant: &Grant,
    policy: Option<&gatepass_core::Policy>,
    chunk: &Chunk,
) -> Result<Admission, ReceiveError> {
    let facts = UploadFacts { declared_size: chunk.total, ..UploadFacts::default() };
    let admission = admission::admit(policy, &facts, file_bytes_max(engine, grant.project()))?;
    admission.check_received(chunk.range.end())?;
    Ok(admission)
}

/// What can be said before a byte is read.
async fn check(
    engine: &Engine,
    upload: &Upload,
    chunk: &Chunk,
    conditions: &Conditions,
) -> Result<(), ReceiveError> {
    upload.check_total(chunk.total)?;
    upload.check_range(chunk.range)?;
    match upload.check_receiving(engine.now()) {
        // A late repeat: it depends on its bytes.
        Err(UploadRefusal::Complete) => return Ok(()),
        checked => checked?,
    }
    let overwrite = upload.policy.as_ref().is_none_or(|policy| policy.overwrite);
    if overwrite && *conditions == Conditions::default() {
        return Ok(());
    }
    let existing = engine.ports.catalog.find_file(&upload.project, &upload.path).await?;
    Ok(publication::check(overwrite, conditions, existing.as_ref())?)
}

/// A turn at the range; none is needed where every byte is there.
async fn begin(
    engine: &Engine,
    upload: &Upload,
    chunk: &Chunk,
) -> Result<Option<Arc<Attempt>>, ReceiveError> {
    if !upload.parts.plan(chunk.range).iter().any(|s| matches!(s, Segment::Missing(_))) {
        return Ok(None);
    }
    match engine.attempts.begin(&upload.id, chunk.range).await {
        Ok(attempt) => Ok(Some(attempt)),
        Err(Cut) => Err(ReceiveError::Interrupted),
    }
}

async fn reload(engine: &Engine, upload: &Upload) -> Result<Upload, ReceiveError> {
    let key = UploadKey::Id(upload.id.clone());
    let found = engine.ports.catalog.find_upload(&upload.project, &upload.path, &key).await?;
    found.ok_or(ReceiveError::UploadNotFound)
}

async fn receive(
    engine: &Engine,
    upload: &Upload,
    chunk: &Chunk,
    admission: &Admission,
    attempt: Option<&Arc<Attempt>>,
    body: impl Body,
) -> Result<Vec<Part>, ReceiveError> {
    let mut incoming = Incoming::new(body, attempt.map(|attempt| &**attempt), &chunk.digests);
    // What type it is is found when the upload is finished; here only whether it is refused.
    let is_looked_at = chunk.range.start() == 0 && admission.restricts_type();
    let mut sniffer = is_looked_at.then(|| Sniffer {
        engine,
        declared_type: upload.declared_type.as_deref(),
        admission,
        head: Head::default(),
        found: None,
    });
    let mut parts = Vec::new();
    let segments = upload.parts.plan(chunk.range);
    let ends_with_gap = matches!(segments.last(), Some(Segment::Missing(_)));
    for segment in segments {
        match (segment, attempt) {
            (Segment::Missing(range), Some(attempt)) => {
                let gap = Gap { range, is_last: range.end() == chunk.range.end() };
                let written =
                    segment::write(engine, upload, gap, attempt, &mut sniffer, &mut incoming);
                parts.extend(written.await?);
            }
            (Segment::Missing(_), None) => return Err(ReceiveError::Interrupted),
            (Segment::Recorded(range), _) => {
                // In a box: a repeat is rare, and remembers a lot.
                let compared = Box::pin(segment::compare(engine, upload, range, &mut incoming));
                compared.await.map_err(|error| {
                    match error {
                        // New content under a used URL is never dropped silently.
                        ReceiveError::Upload(UploadRefusal::PartConflict)
                            if upload.status == UploadStatus::Complete =>
                        {
                            UploadRefusal::Complete.into()
                        }
                        error => error,
                    }
                })?;
            }
        }
    }
    if !ends_with_gap {
        incoming.end().await?;
    }
    Ok(parts)
}

pub(crate) fn record(
    engine: &Engine,
    upload: &Upload,
    parts: Vec<Part>,
    total: Option<u64>,
) -> RecordParts {
    let keep = engine.limits.upload_keep;
    RecordParts { id: upload.id.clone(), parts, total, now: engine.now(), keep }
}

/// After a failed sync nobody knows what the file holds: nothing is tried on it again. Unless others
/// have brought every byte meanwhile: they are about to finish it, or have, in whatever node, and this
/// attempt failed because there was nothing left to write to.
pub(super) async fn give_up_if_lost(
    engine: &Engine,
    upload: &Upload,
    error: ReceiveError,
) -> ReceiveError {
    if !matches!(error, ReceiveError::Store(BlobError::SyncFailed(_))) {
        return error;
    }
    match reload(engine, upload).await {
        Ok(now) if now.status == UploadStatus::Complete || now.has_all_bytes() => {
            ReceiveError::Interrupted
        }
        Ok(_) => {
            end(engine, upload, UploadStatus::Aborted).await;
            error
        }
        // It may be whole.
        Err(_) => error,
    }
}

/// Ends an upload that cannot become a file. If that fails too, it expires.
pub(crate) async fn end(engine: &Engine, upload: &Upload, status: UploadStatus) {
    let remember = engine.limits.upload_remember;
    let end = EndUpload { id: upload.id.clone(), status, now: engine.now(), remember };
    if let Err(error) = engine.ports.catalog.end_upload(end).await {
        tracing::warn!(%error, "an upload that cannot go on is left to expire");
    }
}
