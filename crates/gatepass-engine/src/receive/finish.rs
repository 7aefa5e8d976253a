use futures_util::TryStreamExt as _;
use gatepass_core::admission::{self, Admission, AdmissionError, UploadFacts};
use gatepass_core::condition::Conditions;
use gatepass_core::port::{BlobError, FinishUpload};
use gatepass_core::publication::NewFile;
use gatepass_core::upload::{Finished, UploadKey};
use gatepass_core::{
    ByteRange, ContentHasher, Digests, ExpectedDigests, Payload, Policy, Upload, UploadStatus,
};

use super::content::inspect;
use super::part::end;
use super::{Progress, ReceiveError, Received, issue_receipt};
use crate::engine::Engine;
use crate::{random, serve};

/// Makes an upload a file if nothing is missing.
///
/// Everything it needs is recorded, so whoever finds the upload complete may do it, and do it
/// again after a crash. The catalog's transaction lets one of them publish; all others get the
/// same file. Within a process they queue up here, to spare the store.
pub(crate) async fn finish_if_complete(
    engine: &Engine,
    upload: Upload,
    conditions: Conditions,
) -> Result<Progress, ReceiveError> {
    finish_if_complete_as(engine, upload, Wishes { conditions, label: None }).await
}

/// What whoever brings the last bytes wishes of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// What the file at the path must be like.
    pub(crate) conditions: Conditions,
    /// A label for the new one.
    pub(crate) label: Option<String>,
}

/// The same, with a label.
pub(crate) async fn finish_if_complete_as(
    engine: &Engine,
    upload: Upload,
    wishes: Wishes,
) -> Result<Progress, ReceiveError> {
    if upload.status != UploadStatus::Complete && !upload.has_all_bytes() {
        return Ok(Progress::Receiving(Box::new(upload)));
    }
    let _turn = engine.finishing.lock(&upload.id).await;
    let key = UploadKey::Id(upload.id.clone());
    let found = engine.ports.catalog.find_upload(&upload.project, &upload.path, &key).await?;
    let upload = found.ok_or(ReceiveError::UploadNotFound)?;
    if upload.status == UploadStatus::Complete {
        return Ok(Progress::Finished(Box::new(received_again(engine, &upload)?)));
    }
    upload.check_receiving(engine.now())?;
    let finished = match finish(engine, &upload, wishes).await {
        // These bytes will never be admitted, or a part of them is lost.
        Err(
            error @ (ReceiveError::NotAdmitted(_) | ReceiveError::Store(BlobError::SyncFailed(_))),
        ) => {
            end(engine, &upload, UploadStatus::Aborted).await;
            return Err(error);
        }
        finished => finished?,
    };
    Ok(Progress::Finished(Box::new(received(engine, &upload, finished))))
}

/// 1. stop who writes behind the end; 2. make a blob of the parts; 3. find the type and the digests;
/// 4. publish.
async fn finish(
    engine: &Engine,
    upload: &Upload,
    wishes: Wishes,
) -> Result<Finished, ReceiveError> {
    let size = upload.total.unwrap_or_else(|| upload.parts.end());
    let facts = UploadFacts { declared_size: Some(size), ..UploadFacts::default() };
    let admission = admission::admit(upload.policy.as_ref(), &facts, u64::MAX)?;
    // What somebody still writes behind the end would be left there.
    engine.attempts.stop_beyond(&upload.id, size).await;
    engine.ports.store.assemble(&upload.parted_blob(), &upload.parts).await?;
    let sniffed = ByteRange::first(size.min(engine.limits.sniff_bytes as u64));
    let head = serve::read_all(engine, &upload.blob, sniffed).await?;
    let content_type = engine.ports.probe.content_type(&head, upload.declared_type.as_deref());
    admission.check_type(&content_type)?;
    let digests = digests(engine, upload, size, &admission).await?;
    let media = inspect(engine, &upload.blob, size, content_type, &head).await;
    let now = engine.now();
    let new = NewFile {
        id: random::file_id(now),
        media_id: random::media_id(),
        project: upload.project.clone(),
        path: upload.path.clone(),
        blob: upload.blob.clone(),
        payload: Payload::Stored,
        size,
        digests,
        media,
        reference: upload.policy.as_ref().and_then(|policy| policy.reference.clone()),
        label: wishes.label,
        metadata: upload.policy.as_ref().map(|p| p.metadata.clone()).unwrap_or_default(),
        now,
        overwrite: upload.policy.as_ref().is_none_or(|policy: &Policy| policy.overwrite),
        conditions: wishes.conditions,
    };
    let remember = engine.limits.upload_remember;
    let finish = FinishUpload { id: upload.id.clone(), new, remember };
    Ok(engine.ports.catalog.finish_upload(finish).await?)
}

/// The CRC is combined from those of the parts, whatever the size. Parts come in any order, so a
/// digest that was signed costs reading the file once.
async fn digests(
    engine: &Engine,
    upload: &Upload,
    size: u64,
    admission: &Admission,
) -> Result<Digests, ReceiveError> {
    let whole = ByteRange::first(size);
    let expected = admission.digests();
    if *expected == ExpectedDigests::default() {
        let crc64 = upload.parts.crc64_of(whole).ok_or(ReceiveError::UploadNotFound)?;
        return Ok(Digests { crc64, sha256: None, sha512: None, md5: None });
    }
    let reader = engine.ports.store.read(&upload.blob, whole).await?;
    let hasher = reader.try_fold(ContentHasher::new(expected), |mut hasher, piece| async move {
        hasher.update(&piece);
        Ok(hasher)
    });
    let found = hasher.await?.finish();
    if found.satisfy(expected) { Ok(found) } else { Err(AdmissionError::DigestMismatch.into()) }
}

/// What a late repeat gets.
pub(super) fn received_again(engine: &Engine, upload: &Upload) -> Result<Received, ReceiveError> {
    let finished = upload.finished.clone().ok_or(ReceiveError::UploadNotFound)?;
    Ok(received(engine, upload, finished))
}

/// The receipt is for whoever began the upload by a signed URL.
fn received(engine: &Engine, upload: &Upload, finished: Finished) -> Received {
    let directory = engine.directory();
    let access = directory.project(&upload.project).filter(|_| upload.policy.is_some());
    let key =
        access.and_then(|access| access.door.ring().keys().iter().find(|k| k.id == upload.key));
    let receipt = key.map(|key| issue_receipt(engine, &key.secret, &finished.file));
    Received { file: finished.file, created: finished.created, receipt }
}
