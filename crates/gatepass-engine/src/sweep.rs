//! Cleaning up: blobs that were replaced a while ago, and orphans that crashes left behind.

use std::time::Duration;

use gatepass_core::port::{BlobError, BlobListing, CatalogError, EndUpload, TakeTurn, UploadError};
use gatepass_core::{BlobId, UploadId, UploadStatus};

use crate::engine::Engine;

/// Retired blobs deleted in one round.
const BATCH: usize = 500;
/// How long a node that looks for orphans may be silent before another one does it: more than a
/// page of the list takes, and all that is deleted of it.
const TURN: Duration = Duration::from_mins(10);

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads that nobody went on with.
    pub uploads: u64,
    /// Blobs that were replaced or deleted.
    pub retired: u64,
    /// Blobs that nothing ever pointed to.
    pub orphans: u64,
    /// Bytes of the orphans.
    pub bytes: u64,
}

impl Swept {
    /// Whether nothing was removed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What went wrong first in a sweep, which did all else that it could; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] BlobError),
}

/// Sweeps once, whoever else does.
pub async fn run(engine: &Engine) -> Result<Swept, SweepError> {
    sweep(engine, None).await
}

/// Sweeps once, but leaves looking for orphans to another node that does it already, or did
/// within the last interval: to list a whole bucket is much work, and one list is enough.
pub(crate) async fn in_turn(engine: &Engine, node: &str) -> Result<Swept, SweepError> {
    sweep(engine, Some(node)).await
}

async fn sweep(engine: &Engine, node: Option<&str>) -> Result<Swept, SweepError> {
    let mut swept = Swept::default();
    // One after the other, whatever became of those before.
    let outcomes = [
        expire_uploads(engine, &mut swept).await,
        forget_uploads(engine).await,
        delete_retired(engine, &mut swept).await,
        delete_orphans(engine, node, &mut swept).await,
        give_back_room(engine).await,
    ];
    let Swept { uploads, retired, orphans, .. } = swept;
    metrics::counter!("gatepass_swept_blobs_total", "reason" => "retired").increment(retired);
    metrics::counter!("gatepass_swept_blobs_total", "reason" => "orphan").increment(orphans);
    metrics::counter!("gatepass_expired_uploads_total").increment(uploads);
    outcomes.into_iter().collect::<Result<(), SweepError>>()?;
    Ok(swept)
}

/// Their blobs are retired with them, and deleted a while later.
async fn expire_uploads(engine: &Engine, swept: &mut Swept) -> Result<(), SweepError> {
    loop {
        let ids = engine.ports.catalog.expired_uploads(engine.now(), BATCH).await?;
        if ids.is_empty() {
            return Ok(());
        }
        for id in ids {
            expire(engine, id).await?;
            swept.uploads += 1;
        }
    }
}

async fn expire(engine: &Engine, id: UploadId) -> Result<(), SweepError> {
    let (now, remember) = (engine.now(), engine.limits.upload_remember);
    let end = EndUpload { id, status: UploadStatus::Expired, now, remember };
    match engine.ports.catalog.end_upload(end).await {
        Err(UploadError::Catalog(error)) => Err(error.into()),
        // Somebody went on with it or ended it at the last moment.
        Err(UploadError::NotFound | UploadError::Refused(_)) | Ok(_) => Ok(()),
    }
}

async fn forget_uploads(engine: &Engine) -> Result<(), SweepError> {
    while engine.ports.catalog.forget_uploads(engine.now(), BATCH).await? > 0 {}
    Ok(())
}

async fn delete_retired(engine: &Engine, swept: &mut Swept) -> Result<(), SweepError> {
    let before = engine.now().minus(engine.limits.retired_blob_keep);
    let mut outcome = Ok(());
    loop {
        let blobs = engine.ports.catalog.retired_blobs(before, BATCH).await?;
        let listed = blobs.len();
        let mut gone = Vec::with_capacity(listed);
        for blob in blobs {
            if delete(engine, &blob, &mut outcome).await {
                gone.push(blob);
            }
        }
        // Forgotten only after the bytes are gone: a crash in between deletes them again.
        engine.ports.catalog.forget_retired(&gone).await?;
        swept.retired += gone.len() as u64;
        // Those that stay come again in the next round, which must not be all that it has.
        if listed < BATCH || gone.is_empty() {
            return outcome;
        }
    }
}

/// Whether a blob is gone now. The first that stays is told of.
async fn delete(engine: &Engine, blob: &BlobId, outcome: &mut Result<(), SweepError>) -> bool {
    let deleted = engine.ports.store.delete(blob).await;
    let gone = deleted.is_ok();
    if let Err(error) = deleted
        && outcome.is_ok()
    {
        tracing::warn!(%blob, %error, "a blob cannot be deleted");
        *outcome = Err(error.into());
    }
    gone
}

async fn delete_orphans(
    engine: &Engine,
    node: Option<&str>,
    swept: &mut Swept,
) -> Result<(), SweepError> {
    let before = engine.now().minus(engine.limits.orphan_age_min);
    let mut outcome = Ok(());
    let mut cursor: Option<String> = None;
    // Kept from page to page: nothing but work is lost if somebody else takes it meanwhile.
    while has_turn(engine, node, TURN).await? {
        let page = engine.ports.store.list(cursor.as_deref()).await?;
        let Some(last) = page.last() else {
            has_turn(engine, node, engine.limits.sweep_interval).await?;
            break;
        };
        cursor = Some(last.cursor.clone());
        let old: Vec<&BlobListing> = page.iter().filter(|entry| entry.modified < before).collect();
        for orphan in without_entry(engine, &old).await? {
            if delete(engine, &orphan.blob, &mut outcome).await {
                swept.orphans += 1;
                swept.bytes += orphan.size;
            }
        }
    }
    outcome
}

async fn give_back_room(engine: &Engine) -> Result<(), SweepError> {
    let room = engine.ports.catalog.give_back_room(engine.now()).await?;
    if room > 0 {
        tracing::info!(bytes = room, "the catalog gave back room of small files");
    }
    Ok(())
}

async fn has_turn(
    engine: &Engine,
    node: Option<&str>,
    lasts: Duration,
) -> Result<bool, CatalogError> {
    let Some(node) = node else { return Ok(true) };
    let turn = TakeTurn { chore: "orphans", node: node.to_owned(), lasts };
    engine.ports.catalog.take_turn(turn).await
}

async fn without_entry<'a>(
    engine: &Engine,
    entries: &[&'a BlobListing],
) -> Result<Vec<&'a BlobListing>, SweepError> {
    let blobs: Vec<BlobId> = entries.iter().map(|entry| entry.blob.clone()).collect();
    let known = engine.ports.catalog.known_blobs(&blobs).await?;
    Ok(entries.iter().filter(|entry| !known.contains(&entry.blob)).copied().collect())
}
