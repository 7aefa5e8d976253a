//! Uploads that take several requests, and their parts.

use std::time::Duration;

use futures_util::future::{try_join, try_join3, try_join4};
use gatepass_core::path_range::Within;
use gatepass_core::port::{
    CatalogError, EndUpload, FinishError, FinishUpload, JoinError, ListUploads, RecordParts,
    UploadError, UploadPage,
};
use gatepass_core::upload::{self, Finished, NewUpload, UploadKey};
use gatepass_core::{ObjectPath, Part, ProjectId, Timestamp, Upload, UploadId, UploadStatus};
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::error::Failure;
use crate::files::{self, PathLock, Writing};
use crate::listing::BEGIN_SNAPSHOT;
use crate::rows::{self, UPLOAD_COLUMNS, number};
use crate::session::Session;

type Reading<T> = Result<T, Failure<CatalogError>>;

/// One at a time may begin an upload in a project: so its bounds are exact.
const LOCK_PROJECT: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))";
const LOCK_UPLOAD: &str = "SELECT 1 FROM uploads WHERE id = $1 FOR UPDATE";
const RESERVED: &str = "SELECT count(*), \
         least(coalesce(sum(coalesce(total, received)), 0), 9223372036854775807)::bigint \
     FROM uploads WHERE project = $1 AND status = 'receiving'";
const UPDATE: &str = "UPDATE uploads SET total = $2, received = $3, status = $4, finished = $5, \
         updated = $6, expires = $7 WHERE id = $1";
const INSERT: &str = "INSERT INTO uploads (id, project, path, origin, api_key, policy, \
         declared_type, blob, memo, total, received, status, finished, created, updated, expires) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
const INSERT_PARTS: &str = "INSERT INTO parts (upload, first, past, crc64, memo) \
     SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[])";
const ADD_PARTS: &str = "INSERT INTO parts (upload, first, past, crc64, memo) \
     SELECT number, part.* FROM uploads, \
         unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) AS part \
     WHERE id = $1 ON CONFLICT DO NOTHING";
const DELETE_PARTS: &str = "DELETE FROM parts WHERE upload = $1";

fn select(condition: &str) -> String {
    format!("SELECT {UPLOAD_COLUMNS} FROM uploads WHERE {condition}")
}

pub(crate) async fn find(
    session: Session,
    project: &ProjectId,
    path: &ObjectPath,
    key: &UploadKey,
) -> Reading<Option<Upload>> {
    let look = LookUp::prepare(&session, key).await?;
    Ok(look.find(&session, project, path, key).await?.map(|(_, upload)| upload))
}

/// The statement that finds an upload by its key.
struct LookUp(Statement);

impl LookUp {
    async fn prepare(session: &Session, key: &UploadKey) -> Reading<Self> {
        let condition = match key {
            UploadKey::Id(_) => "id = $3 AND project = $1 AND path = $2",
            // `receiving` sorts last, and one is enough: the index is read from its end.
            UploadKey::Origin(_) => {
                "project = $1 AND path = $2 AND origin = $3 \
                     AND status IN ('receiving', 'complete') \
                 ORDER BY status DESC, number DESC LIMIT 1"
            }
        };
        Ok(Self(session.prepare_cached(&select(condition)).await?))
    }

    async fn find(
        &self,
        session: &Session,
        project: &ProjectId,
        path: &ObjectPath,
        key: &UploadKey,
    ) -> Reading<Option<(i64, Upload)>> {
        let (project, path) = (project.as_str(), path.as_str());
        let row = match key {
            UploadKey::Id(id) => {
                session.query_opt(&self.0, &[&project, &path, &id.as_str()]).await?
            }
            UploadKey::Origin(origin) => {
                let origin = origin.as_bytes().as_slice();
                session.query_opt(&self.0, &[&project, &path, &origin]).await?
            }
        };
        Ok(row.as_ref().map(rows::upload).transpose()?)
    }
}

pub(crate) async fn find_by_id(
    session: Session,
    project: &ProjectId,
    id: &UploadId,
) -> Reading<Option<Upload>> {
    let find = session.prepare_cached(&select("id = $1 AND project = $2")).await?;
    let row = session.query_opt(&find, &[&id.as_str(), &project.as_str()]).await?;
    Ok(row.as_ref().map(rows::upload).transpose()?.map(|(_, upload)| upload))
}

pub(crate) async fn join(
    session: Session,
    in_doubt: bool,
    new: &NewUpload,
) -> Result<Upload, Failure<JoinError>> {
    let failed = |failure: Failure<_>| failure.map(JoinError::Catalog);
    let first = &new.upload;
    let (found, open, reserved) = begin_join(&session, first).await.map_err(failed)?;
    if in_doubt && let Some(own) = load(&session, &first.id).await.map_err(failed)? {
        session.batch_execute("ROLLBACK").await?;
        return Ok(own.1);
    }
    let joins = |found: &Upload| match found.status {
        UploadStatus::Receiving => true,
        _ => new.joins_complete,
    };
    let (mut open, mut reserved) = (open, reserved);
    if let Some((row, mut found)) = found.filter(|(_, found)| joins(found)) {
        if found.check_receiving(first.created) != Err(upload::UploadRefusal::Expired) {
            session.batch_execute("ROLLBACK").await?;
            return Ok(found);
        }
        // Its time is over, only the sweeper has not come by yet. Whoever is about to record a
        // part of it comes too late either way, but has the row's lock: hence another look.
        let lock = session.prepare_cached(LOCK_UPLOAD).await?;
        session.execute(&lock, &[&found.id.as_str()]).await?;
        open = open.saturating_sub(1);
        reserved = reserved.saturating_sub(found.total.unwrap_or(found.parts.received()));
        let how = EndUpload {
            id: found.id.clone(),
            status: UploadStatus::Expired,
            now: first.created,
            remember: Duration::ZERO,
        };
        end(&session, row, &mut found, &how).await.map_err(failed)?;
    }
    upload::check_begin(new, open, reserved).map_err(|refusal| Failure::Final(refusal.into()))?;
    let insert = session.prepare_cached(INSERT).await?;
    let commit = async { Ok(session.batch_execute("COMMIT").await?) };
    try_join(write(&session, &insert, first), commit).await.map_err(failed)?;
    Ok(first.clone())
}

/// What there is of the origin, how many are unfinished in the project, and of how many bytes.
async fn begin_join(
    session: &Session,
    first: &Upload,
) -> Reading<(Option<(i64, Upload)>, u64, u64)> {
    let key = UploadKey::Origin(first.origin);
    let finder = LookUp::prepare(session, &key).await?;
    let lock = session.prepare_cached(LOCK_PROJECT).await?;
    let count = session.prepare_cached(RESERVED).await?;
    let project = first.project.as_str();
    let begin = async { Ok(session.batch_execute("BEGIN").await?) };
    let lock = async { Ok(session.execute(&lock, &[&project]).await?) };
    let count = async { Ok(session.query_one(&count, &[&project]).await?) };
    let find = finder.find(session, &first.project, &first.path, &key);
    let ((), _, found, counted) = try_join4(begin, lock, find, count).await?;
    Ok((found, rows::count(&counted, 0)?, rows::count(&counted, 1)?))
}

/// Writes all of an upload but its parts.
async fn write(session: &Session, insert: &Statement, upload: &Upload) -> Reading<u64> {
    let finished = upload.finished.as_ref().map(serde_json::to_string).transpose();
    let finished = finished.map_err(rows::senseless)?;
    let written = session
        .execute(
            insert,
            &[
                &upload.id.as_str(),
                &upload.project.as_str(),
                &upload.path.as_str(),
                &upload.origin.as_bytes().as_slice(),
                &upload.key.as_str(),
                &upload.policy.as_ref().map(gatepass_core::Policy::to_query),
                &upload.declared_type.as_deref().map(str::as_bytes),
                &upload.blob.as_str(),
                &upload.memo.as_str(),
                &upload.total.map(number),
                &number(upload.parts.received()),
                &upload.status.as_str(),
                &finished,
                &upload.created.unix_millis(),
                &upload.updated.unix_millis(),
                &upload.expires.unix_millis(),
            ],
        )
        .await?;
    Ok(written)
}

/// The statements of [`add`].
pub(crate) async fn prepare_adding(session: &Session) -> Reading<[Statement; 2]> {
    let add = format!("{INSERT} ON CONFLICT DO NOTHING");
    Ok([session.prepare_cached(&add).await?, session.prepare_cached(ADD_PARTS).await?])
}

/// Writes an upload that is brought in, and its parts, unless it is there already.
pub(crate) async fn add(
    session: &Session,
    [add, add_parts]: &[Statement; 2],
    upload: &Upload,
) -> Reading<()> {
    let parts = Columns::of(upload.parts.parts());
    let id = upload.id.as_str();
    let add_parts = async {
        let columns: [&(dyn ToSql + Sync); 5] =
            [&id, &parts.first, &parts.past, &parts.crc64, &parts.memos];
        Ok(session.execute(add_parts, &columns).await?)
    };
    try_join(write(session, add, upload), add_parts).await?;
    Ok(())
}

/// Parts, column by column.
struct Columns<'a> {
    first: Vec<i64>,
    past: Vec<i64>,
    crc64: Vec<i64>,
    memos: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(parts: &'a [Part]) -> Self {
        let column = |of: fn(&Part) -> i64| parts.iter().map(of).collect::<Vec<i64>>();
        Self {
            first: column(|part| number(part.range.start())),
            past: column(|part| number(part.range.end())),
            crc64: column(|part| part.crc64.cast_signed()),
            memos: parts.iter().map(|part| part.memo.as_str()).collect(),
        }
    }
}

/// The upload with this id, whatever its project: the caller has found it before.
async fn load(session: &Session, id: &UploadId) -> Reading<Option<(i64, Upload)>> {
    let load = session.prepare_cached(&select("id = $1")).await?;
    let row = session.query_opt(&load, &[&id.as_str()]).await?;
    Ok(row.as_ref().map(rows::upload).transpose()?)
}

/// The statements that lock an upload and read it.
struct UploadLock {
    lock: Statement,
    load: Statement,
}

impl UploadLock {
    async fn prepare(session: &Session) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            lock: session.prepare_cached(LOCK_UPLOAD).await?,
            load: session.prepare_cached(&select("id = $1")).await?,
        })
    }

    /// Begins a transaction that has the lock. `BEGIN` is sent before anything is waited for: what
    /// is joined behind it is in the transaction. The second statement sees what was committed
    /// until the first had the lock.
    async fn begin(&self, session: &Session, id: &UploadId) -> Reading<Option<(i64, Upload)>> {
        let ((), _, row) = try_join3(
            session.batch_execute("BEGIN"),
            session.execute(&self.lock, &[&id.as_str()]),
            session.query_opt(&self.load, &[&id.as_str()]),
        )
        .await?;
        Ok(row.as_ref().map(rows::upload).transpose()?)
    }
}

/// Writes what may have changed of an upload.
async fn update(
    session: &Session,
    update: &Statement,
    upload: &Upload,
    finished: Option<&str>,
) -> Result<u64, tokio_postgres::Error> {
    session
        .execute(
            update,
            &[
                &upload.id.as_str(),
                &upload.total.map(number),
                &number(upload.parts.received()),
                &upload.status.as_str(),
                &finished,
                &upload.updated.unix_millis(),
                &upload.expires.unix_millis(),
            ],
        )
        .await
}

/// Whether all that a record says is there, in an upload that was not given up.
fn has_recorded(upload: &Upload, record: &RecordParts) -> bool {
    matches!(upload.status, UploadStatus::Receiving | UploadStatus::Complete)
        && record.parts.iter().all(|part| upload.parts.parts().contains(part))
        && (record.total.is_none() || upload.total == record.total)
}

pub(crate) async fn record(
    session: Session,
    in_doubt: bool,
    record: &RecordParts,
) -> Result<Upload, Failure<UploadError>> {
    let failed = |failure: Failure<_>| failure.map(UploadError::Catalog);
    let lock = UploadLock::prepare(&session).await?;
    let found = lock.begin(&session, &record.id).await.map_err(failed)?;
    let (row, mut upload) = found.ok_or(Failure::Final(UploadError::NotFound))?;
    // Recorded, and somebody may have finished the upload since.
    if in_doubt && has_recorded(&upload, record) {
        session.batch_execute("ROLLBACK").await?;
        return Ok(upload);
    }
    let added = upload
        .record(&record.parts, record.total, record.now, record.keep)
        .map_err(|refusal| Failure::Final(refusal.into()))?;
    let insert = session.prepare_cached(INSERT_PARTS).await?;
    let change = session.prepare_cached(UPDATE).await?;
    let parts = Columns::of(&added);
    try_join3(
        session.execute(&insert, &[&row, &parts.first, &parts.past, &parts.crc64, &parts.memos]),
        update(&session, &change, &upload, None),
        session.batch_execute("COMMIT"),
    )
    .await?;
    Ok(upload)
}

/// The compare-and-set that makes an upload a file: whoever finds it unfinished does it, all
/// others find what became of it.
pub(crate) async fn finish(
    session: Session,
    finish: &FinishUpload,
) -> Result<Finished, Failure<FinishError>> {
    let failed = |failure: Failure<_>| failure.map(FinishError::Catalog);
    let new = &finish.new;
    let lock = UploadLock::prepare(&session).await?;
    let path = PathLock::prepare(&session, &new.project, &new.path).await?;
    let begin = lock.begin(&session, &finish.id);
    let find = path.find(&session, &new.project, &new.path);
    let (found, existing) = try_join(begin, find).await.map_err(failed)?;
    let (_, mut upload) = found.ok_or(Failure::Final(FinishError::NotFound))?;
    if let (UploadStatus::Complete, Some(finished)) = (upload.status, &upload.finished) {
        session.batch_execute("ROLLBACK").await?;
        return Ok(finished.clone());
    }
    let now = new.now;
    upload.check_receiving(now).map_err(|refusal| Failure::Final(refusal.into()))?;
    if !upload.has_all_bytes() {
        return Err(Failure::Final(FinishError::NotFound));
    }
    let publication = gatepass_core::publication::publish(new.clone(), existing)
        .map_err(|refusal| Failure::Final(refusal.into()))?;
    upload.finish(&publication, now, finish.remember);
    let finished = Finished::from(&publication);
    let text = serde_json::to_string(&finished).map_err(rows::senseless)?;
    let writing = Writing::prepare(&session, &publication, now).await.map_err(failed)?;
    let change = session.prepare_cached(UPDATE).await?;
    let change = async { Ok(update(&session, &change, &upload, Some(&text)).await?) };
    let commit = async { Ok(session.batch_execute("COMMIT").await?) };
    try_join3(writing.write(&session), change, commit).await.map_err(failed)?;
    Ok(finished)
}

pub(crate) async fn end_upload(
    session: Session,
    how: &EndUpload,
) -> Result<Upload, Failure<UploadError>> {
    let failed = |failure: Failure<_>| failure.map(UploadError::Catalog);
    let lock = UploadLock::prepare(&session).await?;
    let found = lock.begin(&session, &how.id).await.map_err(failed)?;
    let (row, mut upload) = found.ok_or(Failure::Final(UploadError::NotFound))?;
    if !upload.may_end(how.status, how.now) {
        session.batch_execute("ROLLBACK").await?;
        return Ok(upload);
    }
    end(&session, row, &mut upload, how).await.map_err(failed)?;
    session.batch_execute("COMMIT").await?;
    Ok(upload)
}

/// Ends an upload whose lock the transaction has. Its parts stay on the returned value.
async fn end(session: &Session, row: i64, upload: &mut Upload, how: &EndUpload) -> Reading<()> {
    upload.end(how.status, how.now, how.remember);
    let retire = files::prepare_retire(session).await?;
    let change = session.prepare_cached(UPDATE).await?;
    let delete = session.prepare_cached(DELETE_PARTS).await?;
    try_join3(
        files::retire(session, &retire, &upload.blob, how.now),
        update(session, &change, upload, None),
        session.execute(&delete, &[&row]),
    )
    .await?;
    Ok(())
}

pub(crate) async fn list(
    session: Session,
    project: &ProjectId,
    list: &ListUploads,
) -> Reading<UploadPage> {
    let within = Within::new(&list.within);
    let condition = match within {
        None => "project = $1 AND status = 'receiving'",
        Some(_) => {
            "project = $1 AND status = 'receiving' AND (path = $2 OR path >= $3 AND path < $4)"
        }
    };
    let project = project.as_str();
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&project];
    if let Some(Within { itself, start, end }) = &within {
        values.extend([itself, start, end].map(|text| text as &(dyn ToSql + Sync)));
    }
    let count = format!("SELECT count(*) FROM uploads WHERE {condition}");
    let count = session.prepare_cached(&count).await?;
    let next = values.len() + 1;
    let page = format!("{condition} ORDER BY number DESC LIMIT ${next} OFFSET ${}", next + 1);
    let page = session.prepare_cached(&select(&page)).await?;
    let (limit, offset) = (number(list.limit), number(list.offset));
    let values_of_page = [values.as_slice(), &[&limit, &offset]].concat();
    let ((), total, uploads, ()) = try_join4(
        session.batch_execute(BEGIN_SNAPSHOT),
        session.query_one(&count, &values),
        session.query(&page, &values_of_page),
        session.batch_execute("COMMIT"),
    )
    .await?;
    let uploads = uploads.iter().map(|row| rows::upload(row).map(|(_, upload)| upload));
    Ok(UploadPage { uploads: uploads.collect::<Result<_, _>>()?, total: rows::count(&total, 0)? })
}

pub(crate) async fn expired(
    session: Session,
    now: Timestamp,
    limit: usize,
) -> Reading<Vec<UploadId>> {
    let look = "SELECT id FROM uploads WHERE status = 'receiving' AND expires <= $1 \
         ORDER BY expires LIMIT $2";
    let look = session.prepare_cached(look).await?;
    let found = session.query(&look, &[&now.unix_millis(), &number(limit as u64)]).await?;
    Ok(found.iter().map(|row| rows::upload_id(row, 0)).collect::<Result<_, _>>()?)
}

/// Nodes that sweep at the same time do not wait for each other.
pub(crate) async fn forget(session: Session, now: Timestamp, limit: usize) -> Reading<u64> {
    let forget = "DELETE FROM uploads WHERE number = ANY(ARRAY(SELECT number FROM uploads \
         WHERE status <> 'receiving' AND expires <= $1 \
         ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED))";
    let forget = session.prepare_cached(forget).await?;
    Ok(session.execute(&forget, &[&now.unix_millis(), &number(limit as u64)]).await?)
}
