//! How SQLite goes about the statements: none may read a whole table that grows.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use gatepass_core::file_change::{Edit, FileChange};
use gatepass_core::port::JoinError;
use gatepass_core::{Part, Payload, RetiredBlob, UploadStatus};
use gatepass_testkit::builders::{
    blob_id, domain, new_file, noise, path, project, project_id, sealed_key, time, upload,
};
use gatepass_testkit::run;
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use tempfile::TempDir;

use super::*;
use crate::connection::open_reader;

/// Statements that may read or sort a whole table, and why.
const MAY_BE_SLOW: [(&str, &str); 4] = [
    ("FROM projects ORDER BY", "all settings are what the caller asks for"),
    ("FROM domains ORDER BY", "likewise"),
    ("FROM api_keys ORDER BY", "likewise"),
    ("UPDATE settings SET version", "the table has one row"),
];
/// Steps that take longer the more there is: of a whole table, of an index that tells hardly
/// anything apart, and of everything before the first row.
const SLOW: [&str; 3] = ["SCAN ", "(status=?)", "USE TEMP B-TREE"];
const KEEP: Duration = Duration::from_mins(1);

pub(super) type Statements = Arc<Mutex<BTreeSet<String>>>;

/// A catalog whose statements are noted.
pub(super) fn open_traced(directory: &TempDir) -> (SqliteCatalog, Statements) {
    let path = directory.path().join("gatepass.db");
    let statements = Statements::default();
    let mut writer = traced(open_writer(&path).unwrap(), &statements);
    let reader = || traced(open_reader(&path).unwrap(), &statements);
    let room = Room::new(&path);
    let segments = Segments::beside(&path);
    let recovered = recover(&mut writer, &segments).unwrap();
    let readers = Readers::new(path.clone());
    readers.keep(reader());
    let cache = Cache::default();
    let writer = Writer::spawn(writer, reader(), cache.clone(), recovered).unwrap();
    let parts = KeptParts::default();
    (SqliteCatalog { readers, writer, cache, parts, segments, room }, statements)
}

fn traced(mut connection: Connection, statements: &Statements) -> Connection {
    let statements = Arc::clone(statements);
    let note = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            statements.lock().unwrap().insert(sql.to_owned());
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note)).unwrap();
    connection
}

/// The steps of a statement's plan.
fn plan(connection: &Connection, statement: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    // Of parameters that are not bound nothing depends.
    let mut rows = explain.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get("detail").unwrap());
    }
    steps
}

fn has_a_plan(statement: &str) -> bool {
    ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|verb| statement.starts_with(verb))
}

fn is_excepted(statement: &str) -> bool {
    MAY_BE_SLOW.iter().any(|(part, _reason)| statement.contains(part))
}

#[test]
fn no_statement_reads_a_whole_table() {
    let directory = tempfile::tempdir().unwrap();
    let (catalog, statements) = open_traced(&directory);
    run(async move {
        settings(&catalog).await;
        files(&catalog).await;
        uploads(&catalog).await;
        blobs(&catalog).await;
        transfer(&catalog).await;
        let connection = Connection::open(directory.path().join("gatepass.db")).unwrap();
        let statements = statements.lock().unwrap();
        assert!(statements.len() > 30, "the trace misses some: {statements:#?}");
        for statement in statements.iter().filter(|statement| has_a_plan(statement)) {
            let steps = plan(&connection, statement);
            let slow = steps.iter().any(|step| SLOW.iter().any(|slow| step.contains(slow)));
            assert_eq!(slow, is_excepted(statement), "{statement}: {steps:#?}");
        }
    });
}

/// What is not called above has no plan that was looked at.
#[test]
fn every_method_of_the_port_is_called() {
    let port = include_str!("../../../gatepass-core/src/port/catalog.rs");
    let calls = include_str!("plans.rs");
    for method in port.split("\n    async fn ").skip(1) {
        let name = method.split('(').next().unwrap();
        assert!(calls.contains(&format!("catalog.{name}(")), "{name} is not called");
    }
}

async fn settings(catalog: &SqliteCatalog) {
    let key = sealed_key("key_test");
    let used = SettingsChange::TouchKeys(vec![(key.id.clone(), time(9))]);
    let changes = vec![
        SettingsChange::PutProject(project()),
        SettingsChange::PutDomain(domain("one.test")),
        SettingsChange::PutKey(key),
        used,
        SettingsChange::RemoveDomain("one.test".to_owned()),
    ];
    catalog.change_settings(changes).await.unwrap();
    catalog.load_settings().await.unwrap();
    catalog.settings_version().await.unwrap();
    catalog.check().await.unwrap();
}

async fn files(catalog: &SqliteCatalog) {
    let at = path("a/b");
    for second in 1..4 {
        catalog.publish(new_file("a/b", time(second))).await.unwrap();
    }
    let payload = Payload::Inline(noise(1, 100));
    catalog.publish(NewFile { payload, ..new_file("a/b", time(4)) }).await.unwrap();
    assert!(catalog.read_file(&project_id(), &at).await.unwrap().is_some());
    catalog.publish(new_file("a/b", time(4))).await.unwrap();
    let found = catalog.find_file(&project_id(), &at).await.unwrap().unwrap();
    assert!(catalog.find_file_by_id(&project_id(), &found.id).await.unwrap().is_some());
    for (prefix, within) in [("", ""), ("a/", ""), ("", "a")] {
        let (prefix, within) = (prefix.to_owned(), within.to_owned());
        let list = ListFiles { prefix, within, offset: 0, limit: 10 };
        assert_eq!(catalog.list_files(&project_id(), &list).await.unwrap().total, 1);
    }
    let (id, within, conditions) = (found.id, String::new(), Conditions::default());
    let change = FileChange { filename: Edit::Set("c".to_owned()), ..FileChange::default() };
    let project = project_id();
    let change = ChangeFile { project, id, within, change, conditions, now: time(5) };
    let file = catalog.change_file(change).await.unwrap();
    catalog.remove_file(&project_id(), &file.path, &Conditions::default(), time(5)).await.unwrap();
    let id = catalog.publish(new_file("a/b", time(6))).await.unwrap().file.id;
    let (within, conditions) = (String::new(), Conditions::default());
    let remove = RemoveFile { project: project_id(), id, within, conditions, now: time(7) };
    catalog.remove_file_by_id(remove).await.unwrap();
}

async fn join(catalog: &SqliteCatalog, upload: Upload) -> Result<Upload, JoinError> {
    let new =
        NewUpload { upload, joins_complete: true, open_max: 9, reserved_bytes_max: 1_000_000 };
    catalog.join_upload(new).await
}

/// One that becomes a file, and one that is given up.
async fn uploads(catalog: &SqliteCatalog) {
    let small = || Upload { total: Some(10), expires: time(60), ..upload("large") };
    let (finishes, ends) = (small(), small());
    join(catalog, finishes.clone()).await.unwrap();
    join(catalog, ends.clone()).await.unwrap();
    let range = gatepass_core::ByteRange::new(0, 10).unwrap();
    let parts = vec![Part { range, crc64: 7, memo: gatepass_core::Memo::default() }];
    let record =
        RecordParts { id: finishes.id.clone(), parts, total: None, now: time(1), keep: KEEP };
    catalog.record_parts(record).await.unwrap();
    for within in ["", "large", "large/"] {
        let list = ListUploads { within: within.to_owned(), offset: 0, limit: 9 };
        let total = if within == "large/" { 0 } else { 2 };
        assert_eq!(catalog.list_uploads(&project_id(), &list).await.unwrap().total, total);
    }
    assert_eq!(catalog.expired_uploads(time(900), 9).await.unwrap().len(), 2);
    let new = new_file("large", time(2));
    let finish = FinishUpload { id: finishes.id.clone(), new, remember: KEEP };
    catalog.finish_upload(finish).await.unwrap();
    for key in [UploadKey::Id(finishes.id.clone()), UploadKey::Origin(finishes.origin)] {
        let found = catalog.find_upload(&project_id(), &finishes.path, &key).await.unwrap();
        assert!(found.is_some());
    }
    catalog.find_upload_by_id(&project_id(), &finishes.id).await.unwrap();
    let end =
        EndUpload { id: ends.id, status: UploadStatus::Aborted, now: time(3), remember: KEEP };
    catalog.end_upload(end).await.unwrap();
    assert_eq!(catalog.forget_uploads(time(900), 9).await.unwrap(), 2);
}

async fn blobs(catalog: &SqliteCatalog) {
    let retired = catalog.retired_blobs(time(900), 9).await.unwrap();
    assert_eq!(catalog.known_blobs(&retired).await.unwrap().len(), retired.len());
    catalog.forget_retired(&retired).await.unwrap();
    catalog.give_back_room(time(9)).await.unwrap();
    let turn = TakeTurn { chore: "sweep", node: "one".to_owned(), lasts: KEEP };
    assert!(catalog.take_turn(turn).await.unwrap());
}

/// An export reads everything, on a connection of its own.
async fn transfer(catalog: &SqliteCatalog) {
    let mut reader = catalog.export().await.unwrap();
    while let Some(batch) = reader.next().await {
        catalog.import(batch.unwrap()).await.unwrap();
    }
    let retired = RetiredBlob { blob: blob_id(), at: time(1) };
    catalog.import(vec![Record::Retired(retired)]).await.unwrap();
    let note = SettingsChange::SetImporting(None);
    catalog.change_settings(vec![note]).await.unwrap();
}
