//! Everything out, record by record, and in again.

use futures_util::future::try_join_all;
use futures_util::{TryStreamExt as _, pin_mut, stream};
use gatepass_core::port::{CatalogError, RecordReader};
use gatepass_core::project::SettingsChange;
use gatepass_core::publication::Publication;
use gatepass_core::{Batch, FileRecord, Record, RetiredBlob, Timestamp, Upload};
use tokio::sync::mpsc;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::error::Failure;
use crate::files::Writing;
use crate::rows::{self, FILE_COLUMNS, UPLOAD_COLUMNS};
use crate::session::{Lease, Session, Sessions};
use crate::{settings, uploads};

type Reading<T> = Result<T, Failure<CatalogError>>;
type Batches = mpsc::Sender<Result<Vec<Record>, CatalogError>>;

/// Batches that wait for whoever takes them.
const WAITING_MAX: usize = 2;
/// The second statement takes the snapshot, which the rest reads; it may take its time. A large
/// table is read in the order of an index: to sort it would take as much room again.
const BEGIN_EXPORT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SELECT 1 FROM settings; \
     SET LOCAL statement_timeout = 0; \
     SET LOCAL enable_sort = off; \
     SET LOCAL idle_in_transaction_session_timeout = 0";
const BEGIN_IMPORT: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '1min'";
const ADD_RETIRED: &str = "INSERT INTO retired_blobs (blob, retired) \
     SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT DO NOTHING";

/// Reads in one transaction on a connection that nobody else gets until it has ended.
pub(crate) async fn export(sessions: &Sessions) -> Result<RecordReader, CatalogError> {
    let lease = sessions.take().await?;
    let begun = lease.session()?.batch_execute(BEGIN_EXPORT).await;
    begun.map_err(crate::error::catalog_error)?;
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(send_and_end(lease, sender));
    let next = |mut receiver: mpsc::Receiver<_>| async {
        receiver.recv().await.map(|batch| (batch, receiver))
    };
    Ok(Box::pin(stream::unfold(receiver, next)))
}

/// A connection on which something went wrong is closed with its lease.
async fn send_and_end(lease: Lease, sender: Batches) {
    let Ok(session) = lease.session() else { return };
    let mut outlet = Outlet { batch: Batch::default(), sender };
    match send_all(&session, &mut outlet).await {
        Ok(()) => {
            drop(session);
            lease.give_back();
        }
        Err(failure) => {
            // Nobody listens any more: then nobody needs to know.
            let _ = outlet.sender.send(Err(failure.into_error())).await;
        }
    }
}

struct Outlet {
    batch: Batch,
    sender: Batches,
}

impl Outlet {
    async fn push(&mut self, record: Record) -> Reading<()> {
        match self.batch.push(record) {
            Some(full) => self.send(full).await,
            None => Ok(()),
        }
    }

    async fn send(&self, batch: Vec<Record>) -> Reading<()> {
        let gone = |_| crate::session::unavailable("nobody takes the records any more");
        Ok(self.sender.send(Ok(batch)).await.map_err(gone)?)
    }
}

async fn send_all(session: &Session, outlet: &mut Outlet) -> Reading<()> {
    let settings = settings::records(session).await?;
    let projects: Vec<_> = settings.projects.iter().map(|project| project.id.clone()).collect();
    for record in settings.projects.into_iter().map(Record::Project) {
        outlet.push(record).await?;
    }
    for record in settings.domains.into_iter().map(Record::Domain) {
        outlet.push(record).await?;
    }
    for record in settings.keys.into_iter().map(Record::Key) {
        outlet.push(record).await?;
    }
    let files = format!("SELECT {FILE_COLUMNS} FROM files WHERE project = $1 ORDER BY number");
    for project in projects {
        send_rows(session, &files, &[&project.as_str()], outlet, |row| {
            Ok(Record::File(FileRecord { file: rows::file(row)?, bytes: None }))
        })
        .await?;
    }
    let uploads = format!("SELECT {UPLOAD_COLUMNS} FROM uploads ORDER BY number");
    send_rows(session, &uploads, &[], outlet, |row| {
        Ok(Record::Upload(Box::new(rows::upload(row)?.1)))
    })
    .await?;
    let retired = "SELECT blob, retired FROM retired_blobs ORDER BY blob";
    send_rows(session, retired, &[], outlet, |row| {
        let at = Timestamp::from_unix_millis(rows::get(row, 1)?);
        Ok(Record::Retired(RetiredBlob { blob: rows::blob(row, 0)?, at }))
    })
    .await?;
    session.batch_execute("COMMIT").await?;
    let rest = outlet.batch.take();
    if rest.is_empty() { Ok(()) } else { outlet.send(rest).await }
}

/// Row by row: none is asked for before there is room for it.
async fn send_rows(
    session: &Session,
    query: &str,
    parameters: &[&(dyn ToSql + Sync)],
    outlet: &mut Outlet,
    record: impl Fn(&tokio_postgres::Row) -> Result<Record, CatalogError>,
) -> Reading<()> {
    let found = session.query_raw(query, parameters.iter().copied()).await?;
    pin_mut!(found);
    while let Some(row) = found.try_next().await? {
        outlet.push(record(&row)?).await?;
    }
    Ok(())
}

pub(crate) async fn import(session: Session, records: &[Record]) -> Reading<()> {
    session.batch_execute(BEGIN_IMPORT).await?;
    for change in records.iter().filter_map(settings_change) {
        settings::apply(&session, &change).await?;
        settings::raise_version(&session).await?;
    }
    add_files(&session, records).await?;
    add_uploads(&session, records).await?;
    add_retired(&session, records).await?;
    session.batch_execute("COMMIT").await?;
    Ok(())
}

/// Settings are put again rather than left: it is the same.
fn settings_change(record: &Record) -> Option<SettingsChange> {
    match record {
        Record::Project(project) => Some(SettingsChange::PutProject(project.clone())),
        Record::Domain(domain) => Some(SettingsChange::PutDomain(domain.clone())),
        Record::Key(key) => Some(SettingsChange::PutKey(key.clone())),
        Record::File(_) | Record::Upload(_) | Record::Retired(_) => None,
    }
}

/// One behind the other, without waiting: so the rows have the order of the records.
async fn add_files(session: &Session, records: &[Record]) -> Reading<()> {
    let publications: Vec<Publication> = records.iter().filter_map(publication).collect();
    let statement = Writing::prepare_adding(session).await?;
    let writings = publications.iter().map(|made| Writing::adding(&statement, made));
    let writings = writings.collect::<Result<Vec<_>, CatalogError>>()?;
    try_join_all(writings.iter().map(|writing| writing.write(session))).await?;
    Ok(())
}

fn publication(record: &Record) -> Option<Publication> {
    let Record::File(FileRecord { file, .. }) = record else { return None };
    Some(Publication { file: file.clone(), created: true, retired: None })
}

async fn add_uploads(session: &Session, records: &[Record]) -> Reading<()> {
    let uploads: Vec<&Upload> = records
        .iter()
        .filter_map(|record| match record {
            Record::Upload(upload) => Some(&**upload),
            _ => None,
        })
        .collect();
    if uploads.is_empty() {
        return Ok(());
    }
    let statements: [Statement; 2] = uploads::prepare_adding(session).await?;
    try_join_all(uploads.into_iter().map(|upload| uploads::add(session, &statements, upload)))
        .await?;
    Ok(())
}

async fn add_retired(session: &Session, records: &[Record]) -> Reading<()> {
    let retired = records.iter().filter_map(|record| match record {
        Record::Retired(RetiredBlob { blob, at }) => Some((blob.as_str(), at.unix_millis())),
        _ => None,
    });
    let (blobs, times): (Vec<&str>, Vec<i64>) = retired.unzip();
    let add = session.prepare_cached(ADD_RETIRED).await?;
    session.execute(&add, &[&blobs, &times]).await?;
    Ok(())
}
