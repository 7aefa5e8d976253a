//! Asking for unfinished uploads, and giving them up.

use std::sync::Arc;

use gatepass_core::condition::Conditions;
use gatepass_core::port::{CatalogError, EndUpload, UploadPage};
use gatepass_core::upload::UploadRefusal;
use gatepass_core::{Grant, Operation, ProjectId, Upload, UploadId, UploadStatus};

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

/// Gives up an upload by its id, for a project's operator.
pub async fn remove(
    engine: &Engine,
    project: &ProjectId,
    id: &UploadId,
) -> Result<(), ReceiveError> {
    let found = engine.ports.catalog.find_upload_by_id(project, id).await?;
    end(engine, &found.ok_or(ReceiveError::UploadNotFound)?).await
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

/// One page of a project's unfinished uploads, newest first.
pub async fn list(
    engine: &Engine,
    project: &ProjectId,
    offset: u64,
    limit: u64,
) -> Result<UploadPage, CatalogError> {
    engine.ports.catalog.list_uploads(project, offset, limit).await
}

/// An upload by its id.
pub async fn find(
    engine: &Engine,
    project: &ProjectId,
    id: &UploadId,
) -> Result<Option<Upload>, CatalogError> {
    engine.ports.catalog.find_upload_by_id(project, id).await
}
