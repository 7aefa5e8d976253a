//! Files and retired blobs.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{try_join, try_join3};
use gatepass_core::condition::{self, Conditions, Current};
use gatepass_core::file_change::{self, ChangeRefusal};
use gatepass_core::port::{
    CatalogError, ChangeError, ChangeFile, PublishError, RemoveError, RemoveFile,
};
use gatepass_core::publication::{self, NewFile, Publication};
use gatepass_core::{BlobId, File, FileId, ObjectPath, ProjectId, Timestamp};
use tokio_postgres::Statement;

use crate::error::Failure;
use crate::rows::{self, FILE_COLUMNS, get, number};
use crate::session::Session;

type Reading<T> = Result<T, Failure<CatalogError>>;

const LOCK_PATH: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))";
const RETIRE: &str = "INSERT INTO retired_blobs (blob, retired, removal) VALUES ($1, $2, $3)";
const WAS_RETIRED: &str = "SELECT removal FROM retired_blobs WHERE blob = $1";
const INSERT: &str = "INSERT INTO files (id, media_id, project, path, blob, size, crc64, sha256, \
         media, reference, label, metadata, created, updated) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
     ON CONFLICT";
const REPLACE: &str = "(project, path) DO UPDATE SET \
         blob = $5, size = $6, crc64 = $7, sha256 = $8, media = $9, reference = $10, label = $11, \
         metadata = $12, updated = $14";

const CHANGE: &str = "UPDATE files SET path = $2, reference = $3, label = $4, metadata = $5, \
         updated = $6 WHERE id = $1";

pub(crate) async fn find(
    session: Session,
    project: &ProjectId,
    path: &ObjectPath,
) -> Reading<Option<File>> {
    let query = format!("SELECT {FILE_COLUMNS} FROM files WHERE project = $1 AND path = $2");
    let find = session.prepare_cached(&query).await?;
    let row = session.query_opt(&find, &[&project.as_str(), &path.as_str()]).await?;
    Ok(row.as_ref().map(rows::file).transpose()?)
}

pub(crate) async fn find_by_id(
    session: Session,
    project: &ProjectId,
    id: &FileId,
) -> Reading<Option<File>> {
    if !is_storable(id) {
        return Ok(None);
    }
    let query = format!("SELECT {FILE_COLUMNS} FROM files WHERE id = $1 AND project = $2");
    let find = session.prepare_cached(&query).await?;
    let row = session.query_opt(&find, &[&id.as_str(), &project.as_str()]).await?;
    Ok(row.as_ref().map(rows::file).transpose()?)
}

/// Whether PostgreSQL can even be asked: a client may send any text as an id.
fn is_storable(id: &FileId) -> bool {
    !id.as_str().contains('\0')
}

/// The statements that lock a path and read what is there.
pub(crate) struct PathLock {
    lock: Statement,
    find: Statement,
    name: String,
}

impl PathLock {
    pub(crate) async fn prepare(
        session: &Session,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Self, tokio_postgres::Error> {
        let find =
            format!("SELECT {FILE_COLUMNS} FROM files WHERE project = $1 AND path = $2 FOR UPDATE");
        Ok(Self {
            lock: session.prepare_cached(LOCK_PATH).await?,
            find: session.prepare_cached(&find).await?,
            name: format!("{}/{path}", project.as_str(), path = path.as_str()),
        })
    }

    /// To be called in a transaction, which keeps the lock.
    pub(crate) async fn find(
        &self,
        session: &Session,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Reading<Option<File>> {
        // Two statements: the second sees what was committed until the first had the lock.
        let (_, row) = try_join(
            session.execute(&self.lock, &[&self.name]),
            session.query_opt(&self.find, &[&project.as_str(), &path.as_str()]),
        )
        .await?;
        Ok(row.as_ref().map(rows::file).transpose()?)
    }
}

async fn begin_at(
    session: &Session,
    project: &ProjectId,
    path: &ObjectPath,
) -> Reading<Option<File>> {
    let lock = PathLock::prepare(session, project, path).await?;
    let begin = async { Ok(session.batch_execute("BEGIN").await?) };
    Ok(try_join(begin, lock.find(session, project, path)).await?.1)
}

/// Likewise for a file by its id; its row is the lock.
async fn begin_by_id(
    session: &Session,
    project: &ProjectId,
    id: &FileId,
    within: &str,
) -> Reading<Option<File>> {
    if !is_storable(id) {
        return Ok(None);
    }
    let find =
        format!("SELECT {FILE_COLUMNS} FROM files WHERE id = $1 AND project = $2 FOR UPDATE");
    let find = session.prepare_cached(&find).await?;
    let ((), row) = try_join(
        session.batch_execute("BEGIN"),
        session.query_opt(&find, &[&id.as_str(), &project.as_str()]),
    )
    .await?;
    let found = row.as_ref().map(rows::file).transpose()?;
    Ok(found.filter(|file| file.path.is_within(within)))
}

/// A publication, over all attempts at it.
pub(crate) struct Publish {
    new: NewFile,
    decided: Mutex<Option<Publication>>,
}

impl Publish {
    pub(crate) fn new(new: NewFile) -> Self {
        Self { new, decided: Mutex::default() }
    }

    pub(crate) async fn attempt(
        &self,
        session: Session,
        in_doubt: bool,
    ) -> Result<Publication, Failure<PublishError>> {
        let (new, failed) = (&self.new, |failure: Failure<_>| failure.map(PublishError::Catalog));
        let existing = begin_at(&session, &new.project, &new.path).await.map_err(failed)?;
        if in_doubt
            && let Some(made) = self.made(&session, existing.as_ref()).await.map_err(failed)?
        {
            session.batch_execute("ROLLBACK").await?;
            return Ok(made);
        }
        let publication = publication::publish(new.clone(), existing)
            .map_err(|refusal| Failure::Final(refusal.into()))?;
        *self.decided.lock().unwrap_or_else(PoisonError::into_inner) = Some(publication.clone());
        let writing = Writing::prepare(&session, &publication, new.now).await.map_err(failed)?;
        let commit = async { Ok(session.batch_execute("COMMIT").await?) };
        try_join(writing.write(&session), commit).await.map_err(failed)?;
        Ok(publication)
    }

    /// What an earlier attempt decided, if it was made: our blob is at the path, or was.
    async fn made(
        &self,
        session: &Session,
        existing: Option<&File>,
    ) -> Reading<Option<Publication>> {
        let blob = &self.new.blob;
        let was_made = existing.is_some_and(|file| file.blob == *blob) || {
            let look = session.prepare_cached(WAS_RETIRED).await?;
            session.query_opt(&look, &[&blob.as_str()]).await?.is_some()
        };
        let decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(decided.clone().filter(|_| was_made))
    }
}

/// What a publication writes, prepared: nothing but the statements' own answers is waited for, so
/// that the commit can be sent right behind them.
pub(crate) struct Writing<'a> {
    publication: &'a Publication,
    media: String,
    metadata: String,
    retired: i64,
    put: Statement,
    retire: Option<Statement>,
}

impl<'a> Writing<'a> {
    pub(crate) async fn prepare(
        session: &Session,
        publication: &'a Publication,
        now: Timestamp,
    ) -> Reading<Self> {
        let put = session.prepare_cached(&format!("{INSERT} {REPLACE}")).await?;
        let writing = Self::adding(&put, publication)?;
        let retire = Some(session.prepare_cached(RETIRE).await?);
        Ok(Self { retired: now.unix_millis(), retire, ..writing })
    }

    /// The statement of [`Self::adding`].
    pub(crate) async fn prepare_adding(session: &Session) -> Reading<Statement> {
        Ok(session.prepare_cached(&format!("{INSERT} DO NOTHING")).await?)
    }

    /// For a file that is brought in: where anything of it is taken, nothing is written.
    pub(crate) fn adding(
        statement: &Statement,
        publication: &'a Publication,
    ) -> Result<Self, CatalogError> {
        let file = &publication.file;
        Ok(Self {
            publication,
            media: serde_json::to_string(&file.media).map_err(rows::senseless)?,
            metadata: serde_json::to_string(&file.metadata).map_err(rows::senseless)?,
            retired: 0,
            put: statement.clone(),
            retire: None,
        })
    }

    pub(crate) async fn write(&self, session: &Session) -> Reading<()> {
        let file = &self.publication.file;
        let retire = async {
            let retires = self.publication.retired.as_ref().zip(self.retire.as_ref());
            let Some((blob, retire)) = retires else { return Ok(0) };
            let nobody: Option<&[u8]> = None;
            session.execute(retire, &[&blob.as_str(), &self.retired, &nobody]).await
        };
        let put = async {
            session
                .execute(
                    &self.put,
                    &[
                        &file.id.as_str(),
                        &file.media_id.as_str(),
                        &file.project.as_str(),
                        &file.path.as_str(),
                        &file.blob.as_str(),
                        &number(file.size),
                        &file.crc64.cast_signed(),
                        &file.sha256.as_ref().map(<[u8; 32]>::as_slice),
                        &self.media,
                        &file.reference.as_deref().map(str::as_bytes),
                        &file.label.as_deref().map(str::as_bytes),
                        &self.metadata,
                        &file.created.unix_millis(),
                        &file.updated.unix_millis(),
                    ],
                )
                .await
        };
        try_join(put, retire).await?;
        Ok(())
    }
}

/// Which file to remove.
pub(crate) enum Target<'a> {
    Path(&'a ProjectId, &'a ObjectPath),
    Id(&'a RemoveFile),
}

/// A removal, over all attempts at it. Its number is what it is recognised by.
pub(crate) struct Remove<'a> {
    target: Target<'a>,
    conditions: &'a Conditions,
    now: Timestamp,
    number: [u8; 16],
    decided: Mutex<Option<File>>,
}

impl<'a> Remove<'a> {
    pub(crate) fn new(
        target: Target<'a>,
        conditions: &'a Conditions,
        now: Timestamp,
    ) -> Result<Self, CatalogError> {
        let mut number = [0; 16];
        getrandom::fill(&mut number).map_err(|error| CatalogError::Unavailable(Box::new(error)))?;
        Ok(Self { target, conditions, now, number, decided: Mutex::default() })
    }

    async fn begin(&self, session: &Session) -> Reading<Option<File>> {
        match self.target {
            Target::Path(project, path) => begin_at(session, project, path).await,
            Target::Id(remove) => {
                begin_by_id(session, &remove.project, &remove.id, &remove.within).await
            }
        }
    }

    pub(crate) async fn attempt(
        &self,
        session: Session,
        in_doubt: bool,
    ) -> Result<File, Failure<RemoveError>> {
        let failed = |failure: Failure<_>| failure.map(RemoveError::Catalog);
        let existing = self.begin(&session).await.map_err(failed)?;
        if in_doubt && let Some(made) = self.made(&session).await.map_err(failed)? {
            session.batch_execute("ROLLBACK").await?;
            return Ok(made);
        }
        let file = existing.ok_or(Failure::Final(RemoveError::NotFound))?;
        let etag = file.etag();
        let current = Current { etag: &etag, updated: file.updated };
        if !condition::allows_write(self.conditions, Some(current)) {
            return Err(Failure::Final(RemoveError::PreconditionFailed));
        }
        *self.decided.lock().unwrap_or_else(PoisonError::into_inner) = Some(file.clone());
        let delete = session.prepare_cached("DELETE FROM files WHERE blob = $1").await?;
        let retire = session.prepare_cached(RETIRE).await?;
        let (blob, at, number) = (file.blob.as_str(), self.now.unix_millis(), &self.number[..]);
        try_join3(
            session.execute(&delete, &[&blob]),
            session.execute(&retire, &[&blob, &at, &number]),
            session.batch_execute("COMMIT"),
        )
        .await?;
        Ok(file)
    }

    async fn made(&self, session: &Session) -> Reading<Option<File>> {
        let decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(file) = decided else { return Ok(None) };
        let look = session.prepare_cached(WAS_RETIRED).await?;
        let Some(row) = session.query_opt(&look, &[&file.blob.as_str()]).await? else {
            return Ok(None);
        };
        let removal: Option<Vec<u8>> = get(&row, 0)?;
        Ok((removal.as_deref() == Some(&self.number[..])).then_some(file))
    }
}

/// A change of what is known of a file, over all attempts at it.
pub(crate) struct Change {
    change: ChangeFile,
    decided: Mutex<Option<File>>,
}

impl Change {
    pub(crate) fn new(change: ChangeFile) -> Self {
        Self { change, decided: Mutex::default() }
    }

    pub(crate) async fn attempt(
        &self,
        session: Session,
        in_doubt: bool,
    ) -> Result<File, Failure<ChangeError>> {
        let failed = |failure: Failure<_>| failure.map(ChangeError::Catalog);
        let refused = |refusal: ChangeRefusal| Failure::Final(ChangeError::Refused(refusal));
        let ChangeFile { project, id, within, change, conditions, now } = &self.change;
        let found = begin_by_id(&session, project, id, within).await.map_err(failed)?;
        if in_doubt && found.is_some() && *self.decided() == found {
            session.batch_execute("ROLLBACK").await?;
            return found.ok_or(Failure::Final(ChangeError::NotFound));
        }
        let old = found.ok_or(Failure::Final(ChangeError::NotFound))?;
        let new = file_change::apply(&old, change, within, conditions, *now).map_err(refused)?;
        if new.path != old.path {
            let lock = PathLock::prepare(&session, project, &new.path).await?;
            if lock.find(&session, project, &new.path).await.map_err(failed)?.is_some() {
                return Err(refused(ChangeRefusal::FileExists));
            }
        }
        *self.decided() = Some(new.clone());
        let update = session.prepare_cached(CHANGE).await?;
        let metadata = serde_json::to_string(&new.metadata).map_err(rows::senseless)?;
        try_join(
            session.execute(
                &update,
                &[
                    &new.id.as_str(),
                    &new.path.as_str(),
                    &new.reference.as_deref().map(str::as_bytes),
                    &new.label.as_deref().map(str::as_bytes),
                    &metadata,
                    &new.updated.unix_millis(),
                ],
            ),
            session.batch_execute("COMMIT"),
        )
        .await?;
        Ok(new)
    }

    fn decided(&self) -> MutexGuard<'_, Option<File>> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes a blob as retired.
pub(crate) async fn retire(
    session: &Session,
    statement: &Statement,
    blob: &BlobId,
    now: Timestamp,
) -> Result<(), tokio_postgres::Error> {
    let nobody: Option<&[u8]> = None;
    session.execute(statement, &[&blob.as_str(), &now.unix_millis(), &nobody]).await?;
    Ok(())
}

/// The statement of [`retire`].
pub(crate) async fn prepare_retire(session: &Session) -> Result<Statement, tokio_postgres::Error> {
    session.prepare_cached(RETIRE).await
}

pub(crate) async fn known(session: Session, blobs: &[BlobId]) -> Reading<HashSet<BlobId>> {
    let look = "SELECT blob FROM files WHERE blob = ANY($1) \
         UNION ALL SELECT blob FROM retired_blobs WHERE blob = ANY($1) \
         UNION ALL SELECT blob FROM uploads WHERE blob = ANY($1) AND status = 'receiving'";
    let look = session.prepare_cached(look).await?;
    let names: Vec<&str> = blobs.iter().map(BlobId::as_str).collect();
    let found = session.query(&look, &[&names]).await?;
    Ok(found.iter().map(|row| rows::blob(row, 0)).collect::<Result<_, _>>()?)
}

pub(crate) async fn retired(
    session: Session,
    before: Timestamp,
    limit: usize,
) -> Reading<Vec<BlobId>> {
    let look = "SELECT blob FROM retired_blobs WHERE retired < $1 ORDER BY retired LIMIT $2";
    let look = session.prepare_cached(look).await?;
    let limit = number(limit as u64);
    let found = session.query(&look, &[&before.unix_millis(), &limit]).await?;
    Ok(found.iter().map(|row| rows::blob(row, 0)).collect::<Result<_, _>>()?)
}

pub(crate) async fn forget(session: Session, blobs: &[BlobId]) -> Reading<()> {
    let forget = session.prepare_cached("DELETE FROM retired_blobs WHERE blob = ANY($1)").await?;
    let names: Vec<&str> = blobs.iter().map(BlobId::as_str).collect();
    session.execute(&forget, &[&names]).await?;
    Ok(())
}
