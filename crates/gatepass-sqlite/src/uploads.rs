//! Uploads that take several requests, and their parts.

use gatepass_core::path_range::Within;
use gatepass_core::port::{
    EndUpload, FinishError, FinishUpload, JoinError, ListUploads, RecordParts, UploadError,
    UploadPage,
};
use gatepass_core::upload::{self, Finished, NewUpload, UploadKey};
use gatepass_core::{
    ByteRange, Memo, ObjectPath, Part, PartMap, ProjectId, Timestamp, Upload, UploadId,
    UploadStatus,
};
use rusqlite::types::Value;
use rusqlite::{
    Connection, OptionalExtension as _, Params, named_params, params, params_from_iter,
};

use crate::connection::catalog_error;
use crate::files;
use crate::kept_parts::KeptParts;
use crate::rows::{self, UPLOAD_COLUMNS, UploadRow, senseless};

/// For readers: an upload and its parts as they were at one moment.
pub(crate) fn find(
    connection: &Connection,
    kept: &KeptParts,
    project: &ProjectId,
    path: &ObjectPath,
    key: &UploadKey,
) -> rusqlite::Result<Option<Upload>> {
    let transaction = connection.unchecked_transaction()?;
    let found = look_up(&transaction, kept, project, path, key)?;
    if let Some(upload) = &found {
        kept.keep(upload);
    }
    Ok(found)
}

/// For readers likewise. Nobody asks so for each chunk.
pub(crate) fn find_by_id(
    connection: &Connection,
    kept: &KeptParts,
    project: &ProjectId,
    id: &UploadId,
) -> rusqlite::Result<Option<Upload>> {
    let transaction = connection.unchecked_transaction()?;
    one(&transaction, kept, "id = ?1 AND project = ?2", params![id.as_str(), project.as_str()])
}

fn look_up(
    connection: &Connection,
    kept: &KeptParts,
    project: &ProjectId,
    path: &ObjectPath,
    key: &UploadKey,
) -> rusqlite::Result<Option<Upload>> {
    let (project, path) = (project.as_str(), path.as_str());
    match key {
        UploadKey::Id(id) => one(
            connection,
            kept,
            "id = ?1 AND project = ?2 AND path = ?3",
            params![id.as_str(), project, path],
        ),
        UploadKey::Origin(origin) => {
            let parameters = params![project, path, origin.as_bytes()];
            let receiving = "project = ?1 AND path = ?2 AND origin = ?3 AND status = 'receiving'";
            if let Some(upload) = one(connection, kept, receiving, parameters)? {
                return Ok(Some(upload));
            }
            let complete = "project = ?1 AND path = ?2 AND origin = ?3 AND status = 'complete' \
                 ORDER BY number DESC LIMIT 1";
            one(connection, kept, complete, parameters)
        }
    }
}

fn one(
    connection: &Connection,
    kept: &KeptParts,
    condition: &str,
    parameters: impl Params,
) -> rusqlite::Result<Option<Upload>> {
    let query = format!("SELECT {UPLOAD_COLUMNS} FROM uploads WHERE {condition}");
    let found =
        connection.prepare_cached(&query)?.query_row(parameters, rows::upload).optional()?;
    let Some(mut row) = found else { return Ok(None) };
    let Some(parts) = kept.find(&row.upload, row.received) else {
        return with_parts(connection, row).map(Some);
    };
    row.upload.parts = parts;
    Ok(Some(row.upload))
}

pub(crate) fn with_parts(
    connection: &Connection,
    UploadRow { number, mut upload, .. }: UploadRow,
) -> rusqlite::Result<Upload> {
    let mut statement = connection.prepare_cached(
        "SELECT first, past, crc64, memo FROM parts WHERE upload = ?1 ORDER BY first",
    )?;
    let parts = statement.query_map([number], |row| {
        let range = ByteRange::new(row.get(0)?, row.get(1)?);
        let range = range.ok_or_else(|| senseless(1, "a part ends before it begins"))?;
        let crc64 = row.get::<_, i64>(2)?.cast_unsigned();
        Ok(Part { range, crc64, memo: Memo::new(row.get::<_, String>(3)?) })
    })?;
    let mut map = PartMap::default();
    for part in parts {
        map.insert(part?).map_err(|overlap| senseless(0, overlap))?;
    }
    upload.parts = map;
    Ok(upload)
}

pub(crate) fn join(
    connection: &Connection,
    kept: &KeptParts,
    new: &NewUpload,
) -> Result<Upload, JoinError> {
    let first = &new.upload;
    let key = UploadKey::Origin(first.origin);
    let found =
        look_up(connection, kept, &first.project, &first.path, &key).map_err(catalog_error)?;
    let joins = |found: &Upload| match found.status {
        UploadStatus::Receiving => true,
        _ => new.joins_complete,
    };
    if let Some(found) = found.filter(joins) {
        if found.check_receiving(first.created) != Err(upload::UploadRefusal::Expired) {
            return Ok(found);
        }
        // Its time is over, only the sweeper has not come by yet.
        let end = EndUpload {
            id: found.id,
            status: UploadStatus::Expired,
            now: first.created,
            remember: std::time::Duration::ZERO,
        };
        end_upload(connection, kept, &end).map_err(|error| match error {
            UploadError::Catalog(error) => error,
            other => catalog_error(senseless(0, other)),
        })?;
    }
    let (open, reserved) = reserved(connection, &first.project).map_err(catalog_error)?;
    upload::check_begin(new, open, reserved)?;
    insert(connection, first).map_err(catalog_error)?;
    Ok(first.clone())
}

fn reserved(connection: &Connection, project: &ProjectId) -> rusqlite::Result<(u64, u64)> {
    connection
        .prepare_cached(
            "SELECT count(*), CAST(coalesce(total(coalesce(total, received)), 0) AS INTEGER) \
             FROM uploads WHERE project = ?1 AND status = 'receiving'",
        )?
        .query_row([project.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(crate) fn insert(connection: &Connection, upload: &Upload) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO uploads (id, project, path, origin, api_key, policy, declared_type, blob, \
             memo, total, received, status, created, updated, expires) \
         VALUES (:id, :project, :path, :origin, :api_key, :policy, :declared_type, :blob, \
             :memo, :total, 0, :status, :created, :updated, :expires)",
    )?;
    statement.execute(named_params! {
        ":id": upload.id.as_str(),
        ":project": upload.project.as_str(),
        ":path": upload.path.as_str(),
        ":origin": upload.origin.as_bytes(),
        ":api_key": upload.key.as_str(),
        ":policy": upload.policy.as_ref().map(gatepass_core::Policy::to_query),
        ":declared_type": upload.declared_type,
        ":blob": upload.blob.as_str(),
        ":memo": upload.memo.as_str(),
        ":total": upload.total,
        ":status": upload.status.as_str(),
        ":created": upload.created.unix_millis(),
        ":updated": upload.updated.unix_millis(),
        ":expires": upload.expires.unix_millis(),
    })?;
    Ok(())
}

/// The upload with this id, whatever its project: the caller has found it before.
fn load(
    connection: &Connection,
    kept: &KeptParts,
    id: &UploadId,
) -> rusqlite::Result<Option<Upload>> {
    one(connection, kept, "id = ?1", [id.as_str()])
}

/// Writes what may have changed of an upload.
pub(crate) fn update(connection: &Connection, upload: &Upload) -> rusqlite::Result<()> {
    let to_json = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let finished = upload.finished.as_ref().map(serde_json::to_string).transpose();
    let mut statement = connection.prepare_cached(
        "UPDATE uploads SET total = :total, received = :received, status = :status, \
             finished = :finished, updated = :updated, expires = :expires WHERE id = :id",
    )?;
    statement.execute(named_params! {
        ":id": upload.id.as_str(),
        ":total": upload.total,
        ":received": upload.parts.received(),
        ":status": upload.status.as_str(),
        ":finished": finished.map_err(to_json)?,
        ":updated": upload.updated.unix_millis(),
        ":expires": upload.expires.unix_millis(),
    })?;
    Ok(())
}

pub(crate) fn record(
    connection: &Connection,
    kept: &KeptParts,
    record: &RecordParts,
) -> Result<Upload, UploadError> {
    let found = load(connection, kept, &record.id).map_err(catalog_error)?;
    let mut upload = found.ok_or(UploadError::NotFound)?;
    let added = upload.record(&record.parts, record.total, record.now, record.keep)?;
    insert_parts(connection, &upload, &added).map_err(catalog_error)?;
    update(connection, &upload).map_err(catalog_error)?;
    Ok(upload)
}

/// Writes parts that are not there yet.
pub(crate) fn insert_parts(
    connection: &Connection,
    upload: &Upload,
    parts: &[Part],
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO parts (upload, first, past, crc64, memo) \
         SELECT number, ?2, ?3, ?4, ?5 FROM uploads WHERE id = ?1",
    )?;
    for part in parts {
        let crc64 = part.crc64.cast_signed();
        let (first, past) = (part.range.start(), part.range.end());
        let row = params![upload.id.as_str(), first, past, crc64, part.memo.as_str()];
        insert.execute(row)?;
    }
    Ok(())
}

/// The compare-and-set that makes an upload a file: whoever finds it unfinished does it, all
/// others find what became of it.
pub(crate) fn finish(
    connection: &Connection,
    kept: &KeptParts,
    finish: FinishUpload,
) -> Result<Finished, FinishError> {
    let found = load(connection, kept, &finish.id).map_err(catalog_error)?;
    let mut upload = found.ok_or(FinishError::NotFound)?;
    if let (UploadStatus::Complete, Some(finished)) = (upload.status, &upload.finished) {
        return Ok(finished.clone());
    }
    let now = finish.new.now;
    upload.check_receiving(now)?;
    if !upload.has_all_bytes() {
        return Err(FinishError::NotFound);
    }
    let publication = files::publish(connection, finish.new)?;
    upload.finish(&publication, now, finish.remember);
    update(connection, &upload).map_err(catalog_error)?;
    Ok(Finished::from(&publication))
}

pub(crate) fn end_upload(
    connection: &Connection,
    kept: &KeptParts,
    end: &EndUpload,
) -> Result<Upload, UploadError> {
    let found = load(connection, kept, &end.id).map_err(catalog_error)?;
    let mut upload = found.ok_or(UploadError::NotFound)?;
    if !upload.may_end(end.status, end.now) {
        return Ok(upload);
    }
    upload.end(end.status, end.now, end.remember);
    files::retire(connection, &upload.blob, end.now).map_err(catalog_error)?;
    update(connection, &upload).map_err(catalog_error)?;
    connection
        .prepare_cached(
            "DELETE FROM parts WHERE upload = (SELECT number FROM uploads WHERE id = ?1)",
        )
        .and_then(|mut statement| statement.execute([upload.id.as_str()]))
        .map_err(catalog_error)?;
    Ok(upload)
}

pub(crate) fn list(
    connection: &Connection,
    project: &ProjectId,
    list: &ListUploads,
) -> rusqlite::Result<UploadPage> {
    // The count and the uploads have to be of one moment.
    let transaction = connection.unchecked_transaction()?;
    let (within, mut values) = match Within::new(&list.within) {
        None => ("", Vec::new()),
        Some(Within { itself, start, end }) => {
            ("AND (path = ? OR path >= ? AND path < ?)", vec![itself, start, end])
        }
    };
    values.insert(0, project.to_string());
    let condition = format!("project = ? AND status = 'receiving' {within}");
    let total = transaction
        .prepare_cached(&format!("SELECT count(*) FROM uploads WHERE {condition}"))?
        .query_row(params_from_iter(&values), |row| row.get(0))?;
    let query = format!(
        "SELECT {UPLOAD_COLUMNS} FROM uploads WHERE {condition} \
         ORDER BY number DESC LIMIT ? OFFSET ?"
    );
    let values = values.into_iter().map(Value::from).chain([list.limit, list.offset].map(count));
    let rows: Vec<UploadRow> = transaction
        .prepare_cached(&query)?
        .query_map(params_from_iter(values), rows::upload)?
        .collect::<rusqlite::Result<_>>()?;
    let uploads = rows.into_iter().map(|row| with_parts(&transaction, row));
    Ok(UploadPage { uploads: uploads.collect::<rusqlite::Result<_>>()?, total })
}

fn count(rows: u64) -> Value {
    Value::from(i64::try_from(rows).unwrap_or(i64::MAX))
}

pub(crate) fn expired(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<UploadId>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT id FROM uploads WHERE status = 'receiving' AND expires <= ?1 \
             ORDER BY expires LIMIT ?2",
        )?
        .query_map(params![now.unix_millis(), limit], |row| {
            let id: String = row.get(0)?;
            UploadId::parse(&id).ok_or_else(|| senseless(0, "no upload id"))
        })?
        .collect()
}

pub(crate) fn forget(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<u64> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "DELETE FROM uploads WHERE number IN (SELECT number FROM uploads \
             WHERE status IN ('complete', 'aborted', 'expired') AND expires <= ?1 LIMIT ?2)",
    )?;
    let forgotten = statement.execute(params![now.unix_millis(), limit])?;
    Ok(u64::try_from(forgotten).unwrap_or(u64::MAX))
}
