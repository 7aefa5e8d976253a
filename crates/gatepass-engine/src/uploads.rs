//! Asking for unfinished uploads, and giving them up.

use std::sync::Arc;

use gatepass_core::condition::Conditions;
use gatepass_core::port::{CatalogError, EndUpload, ListUploads, UploadPage};
use gatepass_core::upload::UploadRefusal;
use gatepass_core::{Grant, KeyGrant, Operation, Upload, UploadId, UploadStatus};

use crate::engine::Engine;
use crate::receive::{self, Progress, ReceiveError};

/// Where the upload of a grant stands. A total that is news is recorded: for an upload of unknown
/// length it may be all that was missing.
pub async fn state(
    engine: &Arc<Engine>,
    grant: &Grant,
    total: Option<u64>,
) -> Result<Progress, ReceiveError> {
    if !matches!(grant.operation(), Operation::Upload | Operation::UploadStatus) {
        return Err(ReceiveError::NotAnUpload);
    }
    let found = receive::find(engine, grant).await?;
    let Some(mut upload) = found else { return Err(absent(grant)) };
    upload.check_total(total)?;
    match upload.check_receiving(engine.now()) {
        Ok(()) | Err(UploadRefusal::Complete) => {}
        Err(refusal) => return Err(refusal.into()),
    }
    if upload.status == UploadStatus::Receiving && upload.total.is_none() && total.is_some() {
        let record = receive::record(engine, &upload, Vec::new(), total);
        upload = engine.ports.catalog.record_parts(record).await?;
    }
    receive::finish_if_complete(engine, upload, Conditions::default()).await
}

fn absent(grant: &Grant) -> ReceiveError {
    if grant.lapsed() { ReceiveError::UrlExpired } else { ReceiveError::UploadNotFound }
}

/// Gives up the unfinished upload of a grant: whoever is sending to it is cut, its bytes go.
pub async fn abort(engine: &Engine, grant: &Grant) -> Result<(), ReceiveError> {
    if grant.operation() != Operation::UploadAbort {
        return Err(ReceiveError::NotAnUpload);
    }
    let found = receive::find(engine, grant).await?;
    let upload = found.ok_or_else(|| absent(grant))?;
    end(engine, &upload).await
}

/// Gives up an upload by its id, for whoever has a key.
pub async fn remove(engine: &Engine, key: &KeyGrant, id: &UploadId) -> Result<(), ReceiveError> {
    end(engine, &find(engine, key, id).await?.ok_or(ReceiveError::UploadNotFound)?).await
}

async fn end(engine: &Engine, upload: &Upload) -> Result<(), ReceiveError> {
    upload.check_receiving(engine.now())?;
    let ended = engine
        .ports
        .catalog
        .end_upload(EndUpload {
            id: upload.id.clone(),
            status: UploadStatus::Aborted,
            now: engine.now(),
            remember: engine.limits.upload_remember,
        })
        .await?;
    if ended.status == UploadStatus::Complete {
        return Err(UploadRefusal::Complete.into());
    }
    engine.attempts.stop(&upload.id).await;
    Ok(())
}

/// One page of the unfinished uploads that a key may see, newest first.
pub async fn list(
    engine: &Engine,
    key: &KeyGrant,
    offset: u64,
    limit: u64,
) -> Result<UploadPage, CatalogError> {
    let list = ListUploads { within: key.prefix().to_owned(), offset, limit };
    engine.ports.catalog.list_uploads(key.project(), &list).await
}

/// An upload by its id, if the key may see it.
pub async fn find(
    engine: &Engine,
    key: &KeyGrant,
    id: &UploadId,
) -> Result<Option<Upload>, CatalogError> {
    let found = engine.ports.catalog.find_upload_by_id(key.project(), id).await?;
    Ok(found.filter(|upload| upload.path.is_within(key.prefix())))
}
