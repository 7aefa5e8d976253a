use gatepass_core::port::{JoinError, Outlook};
use gatepass_core::upload::{NewUpload, Origin, UploadKey, UploadRefusal};
use gatepass_core::{Grant, Memo, PartMap, Policy, Upload, UploadStatus};
use gatepass_sign::Proof;

use super::ReceiveError;
use super::whole::abandon;
use crate::engine::Engine;
use crate::random;

/// The upload that a request goes on with, or begins.
pub(super) async fn join(
    engine: &Engine,
    grant: &Grant,
    outlook: Outlook,
    declared_type: Option<&str>,
) -> Result<Upload, ReceiveError> {
    if let Some(upload) = find(engine, grant).await? {
        return Ok(upload);
    }
    let Some(first) = first(engine, grant, outlook.total, declared_type) else {
        return Err(ReceiveError::UploadNotFound);
    };
    if grant.lapsed() {
        return Err(ReceiveError::UrlExpired);
    }
    begin(engine, first, outlook, joins_complete(grant)).await
}

/// Begins an upload that a fetch brings, under this policy: none that a request could join.
pub(crate) async fn begin_as(
    engine: &Engine,
    grant: &Grant,
    policy: Policy,
    outlook: Outlook,
    declared_type: Option<&str>,
) -> Result<Upload, ReceiveError> {
    let first = first(engine, grant, outlook.total, declared_type);
    let first = first.ok_or(ReceiveError::NotAnUpload)?;
    let origin = Origin::of_ingest(&first.id);
    begin(engine, Upload { origin, policy: Some(policy), ..first }, outlook, false).await
}

async fn begin(
    engine: &Engine,
    mut upload: Upload,
    outlook: Outlook,
    joins_complete: bool,
) -> Result<Upload, ReceiveError> {
    let blob = upload.blob.clone();
    upload.memo = engine.ports.store.begin(&blob, outlook).await?;
    let new = NewUpload {
        upload,
        joins_complete,
        open_max: engine.limits.uploads_open_max,
        reserved_bytes_max: engine.limits.uploads_reserved_bytes_max,
    };
    let joined = engine.ports.catalog.join_upload(new).await;
    match &joined {
        // The answer may be lost: then nobody knows whether the blob is in use.
        Err(JoinError::Catalog(_)) => {}
        Ok(upload) if upload.blob == blob => {}
        // Somebody else's request was the first, or none may begin.
        Ok(_) | Err(JoinError::Refused(_)) => abandon(engine, &blob).await,
    }
    Ok(joined?)
}

/// The upload that a request goes on with.
pub(crate) async fn find(engine: &Engine, grant: &Grant) -> Result<Option<Upload>, ReceiveError> {
    let Some(key) = UploadKey::of(grant) else { return Ok(None) };
    let found = engine.ports.catalog.find_upload(grant.project(), grant.path(), &key).await?;
    let Some(upload) = found else { return Ok(None) };
    check_key(engine, &upload)?;
    let is_over = upload.check_receiving(engine.now()) == Err(UploadRefusal::Expired);
    let joinable = match upload.status {
        UploadStatus::Complete => joins_complete(grant),
        // By its id an upload is named exactly, whatever became of it.
        _ => !is_over || matches!(key, UploadKey::Id(_)),
    };
    Ok(joinable.then_some(upload))
}

/// A signed URL is for one file. A key is for any number of them: what it sends after a file is
/// complete begins another one.
fn joins_complete(grant: &Grant) -> bool {
    !matches!(grant.proof(), Proof::ApiKey { .. })
}

/// A key that was revoked ends what it began.
fn check_key(engine: &Engine, upload: &Upload) -> Result<(), ReceiveError> {
    let directory = engine.directory();
    let access = directory.project(&upload.project).ok_or(ReceiveError::KeyRevoked)?;
    let known = access.door.ring().keys().iter().any(|key| key.id == upload.key);
    if known { Ok(()) } else { Err(ReceiveError::KeyRevoked) }
}

fn first(
    engine: &Engine,
    grant: &Grant,
    total: Option<u64>,
    declared_type: Option<&str>,
) -> Option<Upload> {
    let (origin, key) = match grant.proof() {
        Proof::SignedUrl { key, signature, .. } => (Origin::of_signature(signature), key),
        Proof::ApiKey { key } => (Origin::of_key(key), key),
        Proof::Upload(_) | Proof::Public => return None,
    };
    let now = engine.now();
    Some(Upload {
        id: random::upload_id(),
        project: grant.project().clone(),
        path: grant.path().clone(),
        origin,
        key: key.clone(),
        policy: grant.policy().cloned(),
        declared_type: declared_type.map(str::to_owned),
        blob: random::blob_id(),
        memo: Memo::default(),
        total,
        status: UploadStatus::Receiving,
        parts: PartMap::default(),
        created: now,
        updated: now,
        expires: now.plus(engine.limits.upload_keep),
        finished: None,
    })
}
