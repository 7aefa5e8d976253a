//! Values to columns and back.

use gatepass_core::project::{Domain, KeyState, Project, SealedKey};
use gatepass_core::upload::{Finished, Origin};
use gatepass_core::{
    AccessRules, BlobId, File, FileId, KeyId, LegacyUrls, MediaId, Memo, ObjectPath, PartMap,
    Policy, ProjectId, Scopes, Timestamp, Upload, UploadId, UploadStatus,
};
use rusqlite::types::Type;
use rusqlite::{Row, named_params, params};

use crate::journal::Place;

pub(crate) const FILE_COLUMNS: &str = "id, media_id, project, path, blob, size, crc64, sha256, \
     media, reference, label, metadata, created, updated, inline";

/// A column whose text is not what we write.
pub(crate) fn senseless(
    column: usize,
    reason: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, reason.into())
}

/// Reads the columns of [`FILE_COLUMNS`].
pub(crate) fn file(row: &Row<'_>) -> rusqlite::Result<File> {
    let path: String = row.get(3)?;
    let blob: String = row.get(4)?;
    let media: String = row.get(8)?;
    let metadata: String = row.get(11)?;
    Ok(File {
        id: FileId::from_text(row.get::<_, String>(0)?),
        media_id: MediaId::from_text(row.get::<_, String>(1)?),
        project: ProjectId::new(row.get::<_, String>(2)?),
        path: ObjectPath::from_decoded(&path).map_err(|error| senseless(3, error))?,
        blob: BlobId::parse(&blob).ok_or_else(|| senseless(4, "no blob name"))?,
        size: row.get(5)?,
        crc64: row.get::<_, i64>(6)?.cast_unsigned(),
        sha256: row.get(7)?,
        media: serde_json::from_str(&media).map_err(|error| senseless(8, error))?,
        reference: row.get(9)?,
        label: row.get(10)?,
        metadata: serde_json::from_str(&metadata).map_err(|error| senseless(11, error))?,
        created: time(row, 12)?,
        updated: time(row, 13)?,
        inline: row.get(14)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_unix_millis)
}

fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_unix_millis))
}

/// Writes a file, new or replaced; its bytes are at a place in the journal, or in the store.
///
/// Another process may have given the file another path since that was decided. Then it has both: the
/// new version and the new path.
pub(crate) fn put_file(
    connection: &rusqlite::Connection,
    file: &File,
    place: Option<Place>,
) -> rusqlite::Result<()> {
    const REPLACE: &str = "DO UPDATE SET \
         blob = :blob, size = :size, crc64 = :crc64, sha256 = :sha256, media = :media, \
         reference = :reference, label = :label, metadata = :metadata, updated = :updated, \
         inline = :inline, segment = :segment, place = :place";
    let on_conflict = format!("ON CONFLICT (project, path) {REPLACE} ON CONFLICT (id) {REPLACE}");
    insert_file(connection, file, place, &on_conflict)
}

/// Writes a file unless its path, id or blob is taken.
pub(crate) fn add_file(
    connection: &rusqlite::Connection,
    file: &File,
    place: Option<Place>,
) -> rusqlite::Result<()> {
    insert_file(connection, file, place, "ON CONFLICT DO NOTHING")
}

fn insert_file(
    connection: &rusqlite::Connection,
    file: &File,
    place: Option<Place>,
    on_conflict: &str,
) -> rusqlite::Result<()> {
    let to_json = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let media = serde_json::to_string(&file.media).map_err(to_json)?;
    let metadata = serde_json::to_string(&file.metadata).map_err(to_json)?;
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO files (id, media_id, project, path, blob, size, crc64, sha256, media, \
             reference, label, metadata, created, updated, inline, segment, place) \
         VALUES (:id, :media_id, :project, :path, :blob, :size, :crc64, :sha256, :media, \
             :reference, :label, :metadata, :created, :updated, :inline, :segment, :place) \
         {on_conflict}"
    ))?;
    statement.execute(named_params! {
        ":id": file.id.as_str(),
        ":media_id": file.media_id.as_str(),
        ":project": file.project.as_str(),
        ":path": file.path.as_str(),
        ":blob": file.blob.as_str(),
        ":size": file.size,
        ":crc64": file.crc64.cast_signed(),
        ":sha256": file.sha256,
        ":media": media,
        ":reference": file.reference,
        ":label": file.label,
        ":metadata": metadata,
        ":created": file.created.unix_millis(),
        ":updated": file.updated.unix_millis(),
        ":inline": file.inline,
        ":segment": place.map(|place| place.segment),
        ":place": place.map(|place| place.place),
    })?;
    Ok(())
}

/// Writes where the bytes of this version of a file are now; of another version nothing.
pub(crate) fn move_bytes(
    connection: &rusqlite::Connection,
    file: &File,
    place: Option<Place>,
) -> rusqlite::Result<()> {
    let (segment, place) = (place.map(|place| place.segment), place.map(|place| place.place));
    connection
        .prepare_cached("UPDATE files SET segment = ?1, place = ?2 WHERE id = ?3 AND blob = ?4")?
        .execute(params![segment, place, file.id.as_str(), file.blob.as_str()])?;
    Ok(())
}

/// Where in the journal the bytes of a file are: columns `segment` and `place`.
pub(crate) fn place(row: &Row<'_>) -> rusqlite::Result<Option<Place>> {
    let segment: Option<u64> = row.get("segment")?;
    let place: Option<u64> = row.get("place")?;
    Ok(segment.zip(place).map(|(segment, place)| Place { segment, place }))
}

/// Writes what may change of a file without new bytes.
pub(crate) fn change_file(connection: &rusqlite::Connection, file: &File) -> rusqlite::Result<()> {
    let to_json = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let metadata = serde_json::to_string(&file.metadata).map_err(to_json)?;
    let mut statement = connection.prepare_cached(
        "UPDATE files SET path = :path, reference = :reference, label = :label, \
             metadata = :metadata, updated = :updated WHERE id = :id",
    )?;
    statement.execute(named_params! {
        ":id": file.id.as_str(),
        ":path": file.path.as_str(),
        ":reference": file.reference,
        ":label": file.label,
        ":metadata": metadata,
        ":updated": file.updated.unix_millis(),
    })?;
    Ok(())
}

pub(crate) const UPLOAD_COLUMNS: &str = "number, id, project, path, origin, api_key, policy, \
     declared_type, blob, total, status, finished, created, updated, expires, memo, \
     received";

/// An upload's row.
pub(crate) struct UploadRow {
    pub(crate) number: i64,
    /// Bytes of all its parts.
    pub(crate) received: u64,
    /// The upload, without its parts.
    pub(crate) upload: Upload,
}

/// Reads the columns of [`UPLOAD_COLUMNS`].
pub(crate) fn upload(row: &Row<'_>) -> rusqlite::Result<UploadRow> {
    let id: String = row.get(1)?;
    let path: String = row.get(3)?;
    let policy: Option<String> = row.get(6)?;
    let blob: String = row.get(8)?;
    let status: String = row.get(10)?;
    let finished: Option<String> = row.get(11)?;
    let policy = policy.as_deref().map(Policy::parse_query).transpose();
    let finished = finished.as_deref().map(serde_json::from_str::<Finished>).transpose();
    let upload = Upload {
        id: UploadId::parse(&id).ok_or_else(|| senseless(1, "no upload id"))?,
        project: ProjectId::new(row.get::<_, String>(2)?),
        path: ObjectPath::from_decoded(&path).map_err(|error| senseless(3, error))?,
        origin: Origin::from_bytes(row.get(4)?),
        key: KeyId::new(row.get::<_, String>(5)?),
        policy: policy.map_err(|error| senseless(6, error))?,
        declared_type: row.get(7)?,
        blob: BlobId::parse(&blob).ok_or_else(|| senseless(8, "no blob name"))?,
        memo: Memo::new(row.get::<_, String>(15)?),
        total: row.get(9)?,
        status: UploadStatus::parse(&status).ok_or_else(|| senseless(10, "no status"))?,
        parts: PartMap::default(),
        created: time(row, 12)?,
        updated: time(row, 13)?,
        expires: time(row, 14)?,
        finished: finished.map_err(|error| senseless(11, error))?,
    };
    Ok(UploadRow { number: row.get(0)?, received: row.get(16)?, upload })
}

pub(crate) fn project(row: &Row<'_>) -> rusqlite::Result<Project> {
    let rules: String = row.get("access_rules")?;
    let legacy: String = row.get("legacy_urls")?;
    let rules: AccessRules = serde_json::from_str(&rules).map_err(|error| senseless(7, error))?;
    Ok(Project {
        id: ProjectId::new(row.get::<_, String>("id")?),
        org: row.get("org")?,
        name: row.get("name")?,
        catch_all: row.get("catch_all")?,
        legacy_urls: legacy_urls(&legacy),
        max_expiry_seconds: row.get("max_expiry_seconds")?,
        file_bytes_max: row.get("file_bytes_max")?,
        access_rules: rules,
        created: row.get("created").map(Timestamp::from_unix_millis)?,
    })
}

/// Anything else is off, so that a damaged row fails closed.
fn legacy_urls(text: &str) -> LegacyUrls {
    match text {
        "put" => LegacyUrls::Put,
        "both" => LegacyUrls::Both,
        _ => LegacyUrls::Off,
    }
}

pub(crate) fn domain(row: &Row<'_>) -> rusqlite::Result<Domain> {
    Ok(Domain {
        host: row.get("host")?,
        project: ProjectId::new(row.get::<_, String>("project")?),
        public_url: row.get("public_url")?,
        created: row.get("created").map(Timestamp::from_unix_millis)?,
    })
}

pub(crate) const KEY_COLUMNS: &str = "id, project, name, scopes, prefix, state, verify_until, \
     created, last_used, master_id, nonce, ciphertext";

/// Reads the columns of [`KEY_COLUMNS`].
pub(crate) fn key(row: &Row<'_>) -> rusqlite::Result<SealedKey> {
    let scopes: String = row.get(3)?;
    let state: String = row.get(5)?;
    Ok(SealedKey {
        id: KeyId::new(row.get::<_, String>(0)?),
        project: ProjectId::new(row.get::<_, String>(1)?),
        name: row.get(2)?,
        scopes: scopes.parse::<Scopes>().map_err(|error| senseless(3, error))?,
        prefix: row.get(4)?,
        state: KeyState::parse(&state),
        verify_until: optional_time(row, 6)?,
        created: time(row, 7)?,
        last_used: optional_time(row, 8)?,
        master_id: row.get(9)?,
        nonce: row.get(10)?,
        ciphertext: row.get(11)?,
    })
}
