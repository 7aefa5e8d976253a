//! From the store to the catalog: is everything that is stored known?

use std::collections::{HashMap, HashSet};

use gatepass_core::port::BlobListing;
use gatepass_core::{BlobId, Upload, UploadStatus};

use super::{Finding, Fsck, FsckError, Progress};

/// What the store holds.
#[derive(Default)]
pub(super) struct Stored {
    /// Blobs that the catalog knows.
    pub(super) known: u64,
    /// Orphans that were told of.
    pub(super) orphans: u64,
    /// The first of them, as many as may be kept in mind.
    pub(super) removable: Vec<BlobListing>,
}

impl Fsck {
    /// Tells of orphans, and of uploads of which nothing is stored.
    pub(super) async fn check_store(
        &self,
        mut unfinished: HashMap<BlobId, Upload>,
        tell: &mut impl FnMut(Finding),
    ) -> Result<Stored, FsckError> {
        let (mut cursor, mut stored) = (None::<String>, Stored::default());
        loop {
            let page = self.store.list(cursor.as_deref()).await?;
            let Some(last) = page.last().map(|entry| entry.cursor.clone()) else { break };
            let listed = page.len() as u64;
            Progress::add(&self.progress.blobs, listed);
            for entry in &page {
                unfinished.remove(&entry.blob);
            }
            let unknown = self.unknown(page).await?;
            stored.known += listed - unknown.len() as u64;
            for orphan in self.orphans(unknown, cursor.as_deref()).await? {
                tell(Finding::Orphan(orphan.clone()));
                stored.orphans += 1;
                if stored.removable.len() < self.orphans_max {
                    stored.removable.push(orphan);
                }
            }
            cursor = Some(last);
        }
        for upload in unfinished.into_values() {
            if self.goes_on(&upload).await? {
                tell(Finding::UploadMissing(Box::new(upload)));
            }
        }
        Ok(stored)
    }

    /// Old entries that nobody knows, and that are still there when they are looked for again.
    async fn orphans(
        &self,
        unknown: Vec<BlobListing>,
        before: Option<&str>,
    ) -> Result<Vec<BlobListing>, FsckError> {
        let since = self.clock.now().minus(self.orphan_age_min);
        let (old, young): (Vec<_>, Vec<_>) =
            unknown.into_iter().partition(|entry| entry.modified < since);
        Progress::add(&self.progress.young, young.len() as u64);
        if old.is_empty() {
            return Ok(old);
        }
        let again = self.store.list(before).await?;
        let again: HashSet<BlobId> = again.into_iter().map(|entry| entry.blob).collect();
        let there = old.into_iter().filter(|entry| again.contains(&entry.blob)).collect();
        self.unknown(there).await
    }

    async fn unknown(&self, entries: Vec<BlobListing>) -> Result<Vec<BlobListing>, FsckError> {
        let blobs: Vec<BlobId> = entries.iter().map(|entry| entry.blob.clone()).collect();
        let known = self.catalog.known_blobs(&blobs).await?;
        Ok(entries.into_iter().filter(|entry| !known.contains(&entry.blob)).collect())
    }

    /// Whether an upload is still unfinished.
    async fn goes_on(&self, upload: &Upload) -> Result<bool, FsckError> {
        let now = self.catalog.find_upload_by_id(&upload.project, &upload.id).await?;
        Ok(now.is_some_and(|now| now.status == UploadStatus::Receiving))
    }
}
