//! Checks for [`Catalog`]: what its contract says, sentence by sentence.

pub mod blobs;
pub mod changing;
pub mod inline;
pub mod listing;
pub mod publishing;
pub mod racing;
pub mod removing;
pub mod settings;
pub mod transfer;
pub mod uploads;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use gatepass_core::port::{Catalog, InlineBytes, ListFiles, PublishError};
use gatepass_core::project::SettingsChange;
use gatepass_core::publication::{NewFile, Publication, Refusal};
use gatepass_core::{BlobId, ByteRange, File, ObjectPath, ProjectId, Timestamp};

use crate::blob_store::read_slice;
use crate::builders::{path, project, project_id};

/// The catalog under test.
pub type Subject = Arc<dyn Catalog>;

/// Later than anything in the checks.
pub const END_OF_TIME: i64 = i64::MAX;

/// Adds the project that files of [`crate::builders::new_file`] belong to.
pub async fn add_project(catalog: &Subject) {
    catalog.change_settings(vec![SettingsChange::PutProject(project())]).await.unwrap();
}

/// Publishes what must be taken.
pub async fn publish(catalog: &Subject, new: NewFile) -> Publication {
    catalog.publish(new).await.unwrap()
}

/// The file at a path.
pub async fn find(catalog: &Subject, at: &str) -> Option<File> {
    catalog.find_file(&project_id(), &path(at)).await.unwrap()
}

/// The file at a path and its bytes, if the catalog keeps them.
pub async fn read(catalog: &Subject, at: &str) -> Option<(File, Option<Bytes>)> {
    read_of(catalog, &project_id(), &path(at)).await
}

/// Likewise, of any project.
pub async fn read_of(
    catalog: &Subject,
    project: &ProjectId,
    at: &ObjectPath,
) -> Option<(File, Option<Bytes>)> {
    let (file, bytes) = catalog.read_file(project, at).await.unwrap()?;
    let bytes = bytes.map(|bytes| match bytes {
        InlineBytes::Memory(bytes) => bytes,
        InlineBytes::File(open) => read_slice(&open, ByteRange::first(file.size)).unwrap(),
    });
    Some((File::clone(&file), bytes))
}

/// All retired blobs, oldest first.
pub async fn retired(catalog: &Subject) -> Vec<BlobId> {
    let end = Timestamp::from_unix_millis(END_OF_TIME);
    catalog.retired_blobs(end, usize::MAX).await.unwrap()
}

/// Whether a blob is in use or retired.
pub async fn is_known(catalog: &Subject, blob: &BlobId) -> bool {
    catalog.known_blobs(std::slice::from_ref(blob)).await.unwrap().contains(blob)
}

/// The paths of a page, in its order, and the total.
pub async fn list(catalog: &Subject, prefix: &str, offset: u64, limit: u64) -> (Vec<String>, u64) {
    let prefix = prefix.to_owned();
    pages(catalog, &ListFiles { prefix, offset, limit, ..ListFiles::default() }).await
}

/// Likewise, of any list.
pub async fn pages(catalog: &Subject, list: &ListFiles) -> (Vec<String>, u64) {
    let page = catalog.list_files(&project_id(), list).await.unwrap();
    (page.files.iter().map(|file| file.path.as_str().to_owned()).collect(), page.total)
}

/// The paths with a prefix, sorted.
pub async fn with_prefix(catalog: &Subject, prefix: &str) -> BTreeSet<String> {
    list(catalog, prefix, 0, 1_000).await.0.into_iter().collect()
}

/// The refusal in a result.
pub fn refusal(result: &Result<Publication, PublishError>) -> Option<Refusal> {
    match result {
        Err(PublishError::Refused(refusal)) => Some(*refusal),
        _ => None,
    }
}
