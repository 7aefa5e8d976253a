//! Values to columns and back.

use gatepass_core::port::CatalogError;
use gatepass_core::project::{Domain, KeyState, Project, SealedKey};
use gatepass_core::upload::{Finished, Origin};
use gatepass_core::{
    AccessRules, BlobId, ByteRange, File, FileId, KeyId, LegacyUrls, MediaId, Memo, ObjectPath,
    Part, PartMap, Policy, ProjectId, Scopes, Timestamp, Upload, UploadId, UploadStatus,
};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

pub(crate) fn senseless(reason: impl std::fmt::Display) -> CatalogError {
    CatalogError::Corrupt(reason.to_string())
}

/// A column, which has to be what we write.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, CatalogError> {
    row.try_get(column).map_err(senseless)
}

/// A number that is not negative.
pub(crate) fn count(row: &Row, column: usize) -> Result<u64, CatalogError> {
    u64::try_from(get::<i64>(row, column)?).map_err(senseless)
}

fn optional_count(row: &Row, column: usize) -> Result<Option<u64>, CatalogError> {
    get::<Option<i64>>(row, column)?.map(u64::try_from).transpose().map_err(senseless)
}

/// A text that may hold any character.
fn text(row: &Row, column: usize) -> Result<String, CatalogError> {
    String::from_utf8(get(row, column)?).map_err(senseless)
}

fn optional_text(row: &Row, column: usize) -> Result<Option<String>, CatalogError> {
    get::<Option<Vec<u8>>>(row, column)?.map(String::from_utf8).transpose().map_err(senseless)
}

fn time(row: &Row, column: usize) -> Result<Timestamp, CatalogError> {
    get(row, column).map(Timestamp::from_unix_millis)
}

fn optional_time(row: &Row, column: usize) -> Result<Option<Timestamp>, CatalogError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_unix_millis))
}

pub(crate) fn blob(row: &Row, column: usize) -> Result<BlobId, CatalogError> {
    BlobId::parse(get(row, column)?).ok_or_else(|| senseless("no blob name"))
}

pub(crate) fn upload_id(row: &Row, column: usize) -> Result<UploadId, CatalogError> {
    UploadId::parse(get(row, column)?).ok_or_else(|| senseless("no upload id"))
}

fn path(row: &Row, column: usize) -> Result<ObjectPath, CatalogError> {
    ObjectPath::from_decoded(get(row, column)?).map_err(senseless)
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, CatalogError> {
    serde_json::from_str(text).map_err(senseless)
}

/// A number as PostgreSQL has it. Sizes are bounded far below.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) const FILE_COLUMNS: &str = "id, media_id, project, path, blob, size, crc64, sha256, \
     media, reference, label, metadata, created, updated";

/// Reads the columns of [`FILE_COLUMNS`].
pub(crate) fn file(row: &Row) -> Result<File, CatalogError> {
    let sha256: Option<&[u8]> = get(row, 7)?;
    Ok(File {
        id: FileId::from_text(get::<String>(row, 0)?),
        media_id: MediaId::from_text(get::<String>(row, 1)?),
        project: ProjectId::new(get::<String>(row, 2)?),
        path: path(row, 3)?,
        blob: blob(row, 4)?,
        inline: false,
        size: count(row, 5)?,
        crc64: get::<i64>(row, 6)?.cast_unsigned(),
        sha256: sha256.map(<[u8; 32]>::try_from).transpose().map_err(senseless)?,
        media: json(get(row, 8)?)?,
        reference: optional_text(row, 9)?,
        label: optional_text(row, 10)?,
        metadata: json(get(row, 11)?)?,
        created: time(row, 12)?,
        updated: time(row, 13)?,
    })
}

/// The row of an upload with its parts, which come as arrays: one statement sees both as they were
/// at one moment.
pub(crate) const UPLOAD_COLUMNS: &str = "number, id, project, path, origin, api_key, policy, \
     declared_type, blob, total, status, finished, created, updated, expires, memo, \
     ARRAY(SELECT first FROM parts WHERE upload = number ORDER BY first), \
     ARRAY(SELECT past FROM parts WHERE upload = number ORDER BY first), \
     ARRAY(SELECT crc64 FROM parts WHERE upload = number ORDER BY first), \
     ARRAY(SELECT parts.memo FROM parts WHERE upload = number ORDER BY first)";

/// Reads the columns of [`UPLOAD_COLUMNS`]: the row's number, and the upload.
pub(crate) fn upload(row: &Row) -> Result<(i64, Upload), CatalogError> {
    let origin: &[u8] = get(row, 4)?;
    let policy: Option<&str> = get(row, 6)?;
    let finished: Option<&str> = get(row, 11)?;
    let upload = Upload {
        id: upload_id(row, 1)?,
        project: ProjectId::new(get::<String>(row, 2)?),
        path: path(row, 3)?,
        origin: Origin::from_bytes(origin.try_into().map_err(senseless)?),
        key: KeyId::new(get::<String>(row, 5)?),
        policy: policy.map(Policy::parse_query).transpose().map_err(senseless)?,
        declared_type: optional_text(row, 7)?,
        blob: blob(row, 8)?,
        total: optional_count(row, 9)?,
        status: UploadStatus::parse(get(row, 10)?).ok_or_else(|| senseless("no status"))?,
        finished: finished.map(json::<Finished>).transpose()?,
        created: time(row, 12)?,
        updated: time(row, 13)?,
        expires: time(row, 14)?,
        memo: Memo::new(get::<String>(row, 15)?),
        parts: parts(row)?,
    };
    Ok((get(row, 0)?, upload))
}

fn parts(row: &Row) -> Result<PartMap, CatalogError> {
    let [first, past, crc64] = [16, 17, 18].map(|column| get::<Vec<i64>>(row, column));
    let mut map = PartMap::default();
    let memos: Vec<String> = get(row, 19)?;
    for (((first, past), crc64), memo) in first?.into_iter().zip(past?).zip(crc64?).zip(memos) {
        let (first, past) =
            (u64::try_from(first).map_err(senseless)?, u64::try_from(past).map_err(senseless)?);
        let range = ByteRange::new(first, past);
        let range = range.ok_or_else(|| senseless("a part ends before it begins"))?;
        let (crc64, memo) = (crc64.cast_unsigned(), Memo::new(memo));
        map.insert(Part { range, crc64, memo }).map_err(senseless)?;
    }
    Ok(map)
}

pub(crate) const PROJECT_COLUMNS: &str = "id, org, name, catch_all, legacy_urls, \
     max_expiry_seconds, file_bytes_max, access_rules, created";

/// Reads the columns of [`PROJECT_COLUMNS`].
pub(crate) fn project(row: &Row) -> Result<Project, CatalogError> {
    Ok(Project {
        id: ProjectId::new(get::<String>(row, 0)?),
        org: text(row, 1)?,
        name: text(row, 2)?,
        catch_all: get(row, 3)?,
        legacy_urls: legacy_urls(get(row, 4)?),
        max_expiry_seconds: optional_count(row, 5)?,
        file_bytes_max: optional_count(row, 6)?,
        access_rules: json::<AccessRules>(get(row, 7)?)?,
        created: time(row, 8)?,
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

pub(crate) const DOMAIN_COLUMNS: &str = "host, project, public_url, created";

/// Reads the columns of [`DOMAIN_COLUMNS`].
pub(crate) fn domain(row: &Row) -> Result<Domain, CatalogError> {
    Ok(Domain {
        host: get(row, 0)?,
        project: ProjectId::new(get::<String>(row, 1)?),
        public_url: get(row, 2)?,
        created: time(row, 3)?,
    })
}

pub(crate) const KEY_COLUMNS: &str = "id, project, name, scopes, prefix, state, verify_until, \
     created, last_used, master_id, nonce, ciphertext";

/// Reads the columns of [`KEY_COLUMNS`].
pub(crate) fn key(row: &Row) -> Result<SealedKey, CatalogError> {
    Ok(SealedKey {
        id: KeyId::new(get::<String>(row, 0)?),
        project: ProjectId::new(get::<String>(row, 1)?),
        name: text(row, 2)?,
        scopes: get::<&str>(row, 3)?.parse::<Scopes>().map_err(senseless)?,
        prefix: get(row, 4)?,
        state: KeyState::parse(get(row, 5)?),
        verify_until: optional_time(row, 6)?,
        created: time(row, 7)?,
        last_used: optional_time(row, 8)?,
        master_id: get(row, 9)?,
        nonce: get(row, 10)?,
        ciphertext: get(row, 11)?,
    })
}
