//! Files and retired blobs.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use gatepass_core::condition::{self, Conditions, Current};
use gatepass_core::file_change::{self, ChangeRefusal};
use gatepass_core::port::{ChangeError, ChangeFile, PublishError, RemoveError, RemoveFile};
use gatepass_core::publication::{self, NewFile, Publication};
use gatepass_core::{BlobId, File, FileId, ObjectPath, ProjectId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::connection::catalog_error;
use crate::content::{Content, FileAndContent};
use crate::journal::{Place, Segments};
use crate::rows::{self, FILE_COLUMNS};

/// Names that one look-up asks for.
const NAMES_AT_ONCE: usize = 500;

pub(crate) fn find(
    connection: &Connection,
    project: &ProjectId,
    path: &ObjectPath,
) -> rusqlite::Result<Option<File>> {
    let query = format!("SELECT {FILE_COLUMNS} FROM files WHERE project = ?1 AND path = ?2");
    connection
        .prepare_cached(&query)?
        .query_row([project.as_str(), path.as_str()], rows::file)
        .optional()
}

/// The number of a file's row, the file, and its content: where that is is found in one statement
/// with it, so that it is that of this version.
pub(crate) fn read(
    connection: &Connection,
    segments: &Segments,
    project: &ProjectId,
    path: &ObjectPath,
) -> rusqlite::Result<Option<(i64, FileAndContent)>> {
    let query = format!(
        "SELECT {FILE_COLUMNS}, {BYTES_COLUMNS}, number \
         FROM files LEFT JOIN contents ON file = number WHERE project = ?1 AND path = ?2"
    );
    connection
        .prepare_cached(&query)?
        .query_row([project.as_str(), path.as_str()], |row| {
            let file = rows::file(row)?;
            let content = match rows::place(row)? {
                Some(place) => Content::at(place, segments, &file)?,
                None => bytes(row, segments, &file)?.map_or(Content::Stored, Content::Memory),
            };
            Ok((row.get("number")?, FileAndContent { file: Arc::new(file), content }))
        })
        .optional()
}

/// What [`bytes`] reads.
pub(crate) const BYTES_COLUMNS: &str = "segment, place, bytes";

/// The bytes of a file that is not in the store.
pub(crate) fn bytes(
    row: &Row<'_>,
    segments: &Segments,
    file: &File,
) -> rusqlite::Result<Option<Bytes>> {
    match rows::place(row)? {
        Some(place) => bytes_at(segments, place, file.size).map(Some),
        None => Ok(row.get_ref("bytes")?.as_blob_or_null()?.map(Bytes::copy_from_slice)),
    }
}

/// The bytes at a place in the journal.
pub(crate) fn bytes_at(segments: &Segments, at: Place, size: u64) -> rusqlite::Result<Bytes> {
    readable(segments.read(at, size))
}

/// What was read of the journal.
pub(crate) fn readable<T>(read: std::io::Result<T>) -> rusqlite::Result<T> {
    read.map_err(|error| unreadable(&error))
}

pub(crate) fn unreadable(error: &std::io::Error) -> rusqlite::Error {
    rows::senseless(0, format!("the journal is not readable: {error}"))
}

pub(crate) fn find_by_id(
    connection: &Connection,
    project: &ProjectId,
    id: &FileId,
) -> rusqlite::Result<Option<File>> {
    let query = format!("SELECT {FILE_COLUMNS} FROM files WHERE id = ?1 AND project = ?2");
    connection
        .prepare_cached(&query)?
        .query_row([id.as_str(), project.as_str()], rows::file)
        .optional()
}

/// Publishes what is in the store. (Small files, and those of one request, come by the journal.)
pub(crate) fn publish(connection: &Connection, new: NewFile) -> Result<Publication, PublishError> {
    let now = new.now;
    let existing = find(connection, &new.project, &new.path).map_err(catalog_error)?;
    let publication = publication::publish(new, existing)?;
    rows::put_file(connection, &publication.file, None).map_err(catalog_error)?;
    if let Some(blob) = &publication.retired {
        retire(connection, blob, now).map_err(catalog_error)?;
    }
    Ok(publication)
}

pub(crate) fn remove(
    connection: &Connection,
    project: &ProjectId,
    path: &ObjectPath,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<File, RemoveError> {
    let found = find(connection, project, path).map_err(catalog_error)?;
    remove_found(connection, found.ok_or(RemoveError::NotFound)?, conditions, now)
}

pub(crate) fn remove_by_id(
    connection: &Connection,
    remove: &RemoveFile,
) -> Result<File, RemoveError> {
    let found = find_by_id(connection, &remove.project, &remove.id).map_err(catalog_error)?;
    let visible = found.filter(|file| file.path.is_within(&remove.within));
    let file = visible.ok_or(RemoveError::NotFound)?;
    remove_found(connection, file, &remove.conditions, remove.now)
}

fn remove_found(
    connection: &Connection,
    file: File,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<File, RemoveError> {
    let etag = file.etag();
    let current = Current { etag: &etag, updated: file.updated };
    if !condition::allows_write(conditions, Some(current)) {
        return Err(RemoveError::PreconditionFailed);
    }
    connection
        .prepare_cached("DELETE FROM files WHERE id = ?1")
        .and_then(|mut statement| statement.execute([file.id.as_str()]))
        .and_then(|_| match file.stored_blob() {
            Some(blob) => retire(connection, blob, now),
            None => Ok(()),
        })
        .map_err(catalog_error)?;
    Ok(file)
}

pub(crate) fn change(connection: &Connection, change: &ChangeFile) -> Result<File, ChangeError> {
    let found = find_by_id(connection, &change.project, &change.id).map_err(catalog_error)?;
    let visible = found.filter(|file| file.path.is_within(&change.within));
    let old = visible.ok_or(ChangeError::NotFound)?;
    let new =
        file_change::apply(&old, &change.change, &change.within, &change.conditions, change.now)?;
    if new.path != old.path {
        let taken = find(connection, &new.project, &new.path).map_err(catalog_error)?;
        if taken.is_some() {
            return Err(ChangeRefusal::FileExists.into());
        }
    }
    if new != old {
        rows::change_file(connection, &new).map_err(catalog_error)?;
    }
    Ok(new)
}

/// One that is retired already stays so: another process may have removed a file whose successor
/// is in the journal.
pub(crate) fn retire(
    connection: &Connection,
    blob: &BlobId,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO retired_blobs (blob, retired) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?
        .execute(params![blob.as_str(), now.unix_millis()])?;
    Ok(())
}

pub(crate) fn known(
    connection: &Connection,
    blobs: &[BlobId],
) -> rusqlite::Result<HashSet<BlobId>> {
    let mut known = HashSet::new();
    for chunk in blobs.chunks(NAMES_AT_ONCE) {
        let names = vec!["?"; chunk.len()].join(",");
        // The plus keeps SQLite from reading all that are receiving.
        let query = format!(
            "SELECT blob FROM files WHERE blob IN ({names}) AND inline = 0 \
             UNION ALL SELECT blob FROM retired_blobs WHERE blob IN ({names}) \
             UNION ALL SELECT blob FROM uploads WHERE blob IN ({names}) AND +status = 'receiving'"
        );
        let thrice = chunk.iter().chain(chunk).chain(chunk);
        let names = thrice.map(|blob| Value::from(blob.as_str().to_owned()));
        let mut statement = connection.prepare(&query)?;
        let found = statement
            .query_map(rusqlite::params_from_iter(names), |row| row.get::<_, String>(0))?;
        for name in found {
            known.extend(BlobId::parse(&name?));
        }
    }
    Ok(known)
}

pub(crate) fn retired(
    connection: &Connection,
    before: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<BlobId>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let names: Vec<String> = connection
        .prepare_cached(
            "SELECT blob FROM retired_blobs WHERE retired < ?1 ORDER BY retired LIMIT ?2",
        )?
        .query_map(params![before.unix_millis(), limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(names.iter().filter_map(|name| BlobId::parse(name)).collect())
}

pub(crate) fn forget(connection: &Connection, blobs: &[BlobId]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM retired_blobs WHERE blob = ?1")?;
    for blob in blobs {
        statement.execute([blob.as_str()])?;
    }
    Ok(())
}
