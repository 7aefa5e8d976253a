//! Everything out, record by record, and in again.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::stream;
use gatepass_core::port::{CatalogError, RecordReader};
use gatepass_core::project::SettingsChange;
use gatepass_core::{Batch, BlobId, FileRecord, Record, RetiredBlob, Timestamp, Upload};
use rusqlite::{Connection, params};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::connection::{catalog_error, open_reader};
use crate::files::{self, BYTES_COLUMNS, unreadable};
use crate::journal::{self, Kind, Segments};
use crate::rows::{self, FILE_COLUMNS, UPLOAD_COLUMNS, senseless};
use crate::{settings, uploads};

/// Batches that wait for whoever takes them.
const WAITING_MAX: usize = 2;

type Batches = mpsc::Sender<Result<Vec<Record>, CatalogError>>;

/// Reads on a connection and a thread of its own, in one transaction: the write-ahead log keeps
/// what it saw at its beginning until it has ended.
pub(crate) fn export(path: PathBuf, segments: Segments) -> RecordReader {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    spawn_blocking(move || {
        let mut outlet = Outlet { batch: Batch::default(), segments, sender };
        let held = outlet.segments.hold().map_err(|error| unreadable(&error));
        let sent = held.and_then(|_held| {
            let connection = open_reader(&path)?;
            send_all(&connection, &mut outlet)
        });
        if let Err(error) = sent {
            // Nobody listens any more: then nobody needs to know.
            let _ = outlet.sender.blocking_send(Err(catalog_error(error)));
        }
    });
    let next = |mut receiver: mpsc::Receiver<_>| async {
        receiver.recv().await.map(|batch| (batch, receiver))
    };
    Box::pin(stream::unfold(receiver, next))
}

struct Outlet {
    batch: Batch,
    segments: Segments,
    sender: Batches,
}

impl Outlet {
    fn push(&mut self, record: Record) -> rusqlite::Result<()> {
        match self.batch.push(record) {
            Some(full) => self.send(full),
            None => Ok(()),
        }
    }

    fn send(&self, batch: Vec<Record>) -> rusqlite::Result<()> {
        let gone = |_| senseless(0, "nobody takes the records any more");
        self.sender.blocking_send(Ok(batch)).map_err(gone)
    }
}

fn send_all(connection: &Connection, outlet: &mut Outlet) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    let settings = settings::records(&transaction)?;
    let projects: Vec<_> = settings.projects.iter().map(|project| project.id.clone()).collect();
    for record in settings.projects.into_iter().map(Record::Project) {
        outlet.push(record)?;
    }
    for record in settings.domains.into_iter().map(Record::Domain) {
        outlet.push(record)?;
    }
    for record in settings.keys.into_iter().map(Record::Key) {
        outlet.push(record)?;
    }
    for project in projects {
        send_files(&transaction, project.as_str(), outlet)?;
    }
    send_uploads(&transaction, outlet)?;
    send_retired(&transaction, outlet)?;
    let rest = outlet.batch.take();
    if rest.is_empty() { Ok(()) } else { outlet.send(rest) }
}

fn send_files(connection: &Connection, project: &str, outlet: &mut Outlet) -> rusqlite::Result<()> {
    let query = format!(
        "SELECT {FILE_COLUMNS}, {BYTES_COLUMNS} \
         FROM files LEFT JOIN contents ON file = number WHERE project = ?1 ORDER BY number"
    );
    let mut statement = connection.prepare(&query)?;
    let mut found = statement.query([project])?;
    while let Some(row) = found.next()? {
        let file = rows::file(row)?;
        let bytes = files::bytes(row, &outlet.segments, &file)?;
        outlet.push(Record::File(FileRecord { file, bytes }))?;
    }
    Ok(())
}

fn send_uploads(connection: &Connection, outlet: &mut Outlet) -> rusqlite::Result<()> {
    let query = format!("SELECT {UPLOAD_COLUMNS} FROM uploads ORDER BY number");
    let mut statement = connection.prepare(&query)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let upload = uploads::with_parts(connection, rows::upload(row)?)?;
        outlet.push(Record::Upload(Box::new(upload)))?;
    }
    Ok(())
}

fn send_retired(connection: &Connection, outlet: &mut Outlet) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT blob, retired FROM retired_blobs ORDER BY blob")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let blob = BlobId::parse(&row.get::<_, String>(0)?);
        let blob = blob.ok_or_else(|| senseless(0, "no blob name"))?;
        let at = Timestamp::from_unix_millis(row.get(1)?);
        outlet.push(Record::Retired(RetiredBlob { blob, at }))?;
    }
    Ok(())
}

/// Records of which some go to the journal: files with their bytes.
pub(crate) enum Run {
    /// These are rows.
    Rows(Vec<Record>),
    /// These are for the journal.
    Files(Vec<journal::Record>),
}

/// Records in runs of one sort, in their order.
pub(crate) fn runs(records: Vec<Record>) -> Vec<Run> {
    let mut runs = Vec::new();
    for record in records {
        match (record, runs.last_mut()) {
            (Record::File(FileRecord { file, bytes: Some(bytes) }), last) => {
                let (file, bytes) = (Arc::new(file), Some(bytes));
                let added = journal::Record { kind: Kind::Added, file, bytes, retired: None };
                match last {
                    Some(Run::Files(run)) => run.push(added),
                    _ => runs.push(Run::Files(vec![added])),
                }
            }
            (record, Some(Run::Rows(run))) => run.push(record),
            (record, _) => runs.push(Run::Rows(vec![record])),
        }
    }
    runs
}

/// Within one transaction, what has no bytes.
pub(crate) fn import(connection: &Connection, records: Vec<Record>) -> rusqlite::Result<()> {
    for record in records {
        match record {
            Record::Project(project) => add(connection, SettingsChange::PutProject(project))?,
            Record::Domain(domain) => add(connection, SettingsChange::PutDomain(domain))?,
            Record::Key(key) => add(connection, SettingsChange::PutKey(key))?,
            Record::File(record) => rows::add_file(connection, &record.file, None)?,
            Record::Upload(upload) => add_upload(connection, &upload)?,
            Record::Retired(retired) => add_retired(connection, &retired)?,
        }
    }
    Ok(())
}

/// Settings are put again rather than left: it is the same.
fn add(connection: &Connection, change: SettingsChange) -> rusqlite::Result<()> {
    settings::make(connection, &[change])
}

fn add_upload(connection: &Connection, upload: &Upload) -> rusqlite::Result<()> {
    let known = connection
        .prepare_cached("SELECT 1 FROM uploads WHERE id = ?1")?
        .exists([upload.id.as_str()])?;
    if known {
        return Ok(());
    }
    uploads::insert(connection, upload)?;
    uploads::insert_parts(connection, upload, upload.parts.parts())?;
    uploads::update(connection, upload)
}

fn add_retired(connection: &Connection, retired: &RetiredBlob) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO retired_blobs (blob, retired) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?
        .execute(params![retired.blob.as_str(), retired.at.unix_millis()])?;
    Ok(())
}
