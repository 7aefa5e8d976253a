//! Finished files, for whoever holds an API key: what is outside of the key's prefix is not there.

use gatepass_core::condition::Conditions;
use gatepass_core::file_change::FileChange;
use gatepass_core::port::{
    CatalogError, ChangeError, ChangeFile, FilePage, ListFiles, RemoveError, RemoveFile,
};
use gatepass_core::{File, FileId, KeyGrant};

use crate::engine::Engine;

/// Why a file is not found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error("no such file")]
    NotFound,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// One page of the files whose path starts with `prefix`; see [`ListFiles::ranges`] for the order.
pub async fn list(
    engine: &Engine,
    key: &KeyGrant,
    prefix: String,
    offset: u64,
    limit: u64,
) -> Result<FilePage, CatalogError> {
    let list = ListFiles { prefix, within: key.prefix().to_owned(), offset, limit };
    engine.ports.catalog.list_files(key.project(), &list).await
}

/// A file by its id.
pub async fn find(engine: &Engine, key: &KeyGrant, id: &FileId) -> Result<File, FindError> {
    let found = engine.ports.catalog.find_file_by_id(key.project(), id).await?;
    let visible = found.filter(|file| file.path.is_within(key.prefix()));
    visible.ok_or(FindError::NotFound)
}

/// Renames a file or describes it anew. Its id stays, and so do its bytes; readers that have begun
/// go on.
pub async fn change(
    engine: &Engine,
    key: &KeyGrant,
    id: FileId,
    change: FileChange,
    conditions: Conditions,
) -> Result<File, ChangeError> {
    let (project, within) = (key.project().clone(), key.prefix().to_owned());
    let now = engine.now();
    let change = ChangeFile { project, id, within, change, conditions, now };
    engine.ports.catalog.change_file(change).await
}

/// Removes a file by its id and returns what it was.
pub async fn remove(
    engine: &Engine,
    key: &KeyGrant,
    id: FileId,
    conditions: Conditions,
) -> Result<File, RemoveError> {
    let (project, within) = (key.project().clone(), key.prefix().to_owned());
    let remove = RemoveFile { project, id, within, conditions, now: engine.now() };
    engine.ports.catalog.remove_file_by_id(remove).await
}
