//! A database that is made, and opened again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use gatepass_core::port::{CatalogError, ListUploads, PublishError, RecordParts};
use gatepass_core::project::SettingsChange;
use gatepass_core::publication::NewFile;
use gatepass_core::upload::{NewUpload, Origin};
use gatepass_core::{
    ByteRange, KeyId, Memo, Part, PartMap, ProjectId, Upload, UploadId, UploadStatus,
};
use gatepass_sqlite::SqliteCatalog;
use gatepass_testkit::builders::{blob_id, domain, new_file, path, project_id, sealed_key, time};
use gatepass_testkit::catalog::{Subject, add_project, publish, retired};
use gatepass_testkit::run;
use rusqlite::Connection;

use super::{database, newest_schema, open, open_at};

/// One of each kind.
pub(crate) async fn fill(catalog: &Subject) {
    add_project(catalog).await;
    let changes = vec![
        SettingsChange::PutDomain(domain("one.test")),
        SettingsChange::PutKey(sealed_key("key_test")),
    ];
    catalog.change_settings(changes).await.unwrap();
    for (at, second) in [("a", 1), ("b", 2), ("a", 3)] {
        publish(catalog, new_file(at, time(second))).await;
    }
    begin_upload(catalog).await;
}

async fn begin_upload(catalog: &Subject) {
    let upload = Upload {
        id: UploadId::from_random([7; 26]),
        project: project_id(),
        path: path("large"),
        origin: Origin::from_bytes([7; 32]),
        key: KeyId::new("key_test"),
        policy: None,
        declared_type: Some("text/plain".to_owned()),
        blob: blob_id(),
        memo: Memo::new("m"),
        total: Some(30),
        status: UploadStatus::Receiving,
        parts: PartMap::default(),
        created: time(0),
        updated: time(0),
        expires: time(60),
        finished: None,
    };
    let id = upload.id.clone();
    let new = NewUpload { upload, joins_complete: true, open_max: 1, reserved_bytes_max: 1_000 };
    catalog.join_upload(new).await.unwrap();
    let part =
        Part { range: ByteRange::new(10, 20).unwrap(), crc64: u64::MAX, memo: Memo::new("n") };
    let keep = Duration::from_mins(1);
    let record = RecordParts { id, parts: vec![part], total: None, now: time(1), keep };
    catalog.record_parts(record).await.unwrap();
}

/// All that can be read, as text.
async fn everything(catalog: &Subject) -> String {
    let settings = catalog.load_settings().await.unwrap();
    let seals: Vec<_> = settings.keys.iter().map(|key| (&key.nonce, &key.ciphertext)).collect();
    let list = gatepass_core::port::ListFiles { limit: 100, ..Default::default() };
    let files = catalog.list_files(&project_id(), &list).await.unwrap();
    let uploads = catalog
        .list_uploads(&project_id(), &ListUploads { limit: 100, ..ListUploads::default() })
        .await
        .unwrap();
    let retired = retired(catalog).await;
    assert_eq!((files.total, uploads.total, retired.len(), seals.len()), (2, 1, 1, 1));
    format!("{settings:?} {seals:?} {files:?} {uploads:?} {retired:?}")
}

#[test]
fn everything_is_there_after_opening_again() {
    let (directory, catalog) = open();
    run(async move {
        fill(&catalog).await;
        let before = everything(&catalog).await;
        drop(catalog);
        let again = open_at(&database(directory.path()));
        assert_eq!(everything(&again).await, before);
        again.check().await.unwrap();
    });
}

/// The files as a process leaves them that is killed: nobody has closed anything.
#[test]
fn everything_is_there_after_a_crash() {
    let (directory, catalog) = open();
    run(async move {
        fill(&catalog).await;
        let before = everything(&catalog).await;
        let after = tempfile::tempdir().unwrap();
        fs::create_dir(after.path().join("journal")).unwrap();
        for name in ["gatepass.db", "gatepass.db-wal", "journal/0000000001"] {
            fs::copy(directory.path().join(name), after.path().join(name)).unwrap();
        }
        let recovered = open_at(&database(after.path()));
        assert_eq!(everything(&recovered).await, before);
    });
}

#[test]
fn nobody_else_can_read_the_files() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let mut names = Vec::new();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let ours_alone = if metadata.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, ours_alone, "{:?}", entry.file_name());
            names.push(entry.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["gatepass.db", "gatepass.db-shm", "gatepass.db-wal", "journal"]);
    });
}

fn pragma<T: rusqlite::types::FromSql>(path: &Path, name: &str) -> T {
    let connection = Connection::open(path).unwrap();
    connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
}

#[test]
fn the_file_says_what_it_is() {
    let (directory, _catalog) = open();
    let path = database(directory.path());
    assert_eq!(pragma::<String>(&path, "journal_mode"), "wal");
    assert_eq!(pragma::<i64>(&path, "application_id"), i64::from(u32::from_be_bytes(*b"GPas")));
    assert_eq!(pragma::<i64>(&path, "user_version"), newest_schema());
    assert_eq!(pragma::<String>(&path, "integrity_check"), "ok");
}

/// As on each start of the server and each command.
#[test]
fn opening_again_writes_nothing() {
    let (directory, catalog) = open();
    let path = database(directory.path());
    drop(catalog);
    let before = fs::read(&path).unwrap();
    drop(open_at(&path));
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_file_of_no_project_is_not_taken() {
    let (_directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let stray = NewFile { project: ProjectId::new("proj_none"), ..new_file("a", time(1)) };
        let refused = catalog.publish(stray).await;
        let unavailable = PublishError::Catalog(CatalogError::Unavailable("".into()));
        assert_eq!(refused.unwrap_err().to_string(), unavailable.to_string());
    });
}

/// Who has waited as long as anybody waits for a lock, because the others' syncs take long, comes
/// again. Who is refused sooner has not waited, and that is a fault.
fn open_in_turn(path: &Path) -> Result<SqliteCatalog, gatepass_sqlite::OpenError> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let begun = Instant::now();
        let opened = SqliteCatalog::open(path);
        let locked =
            opened.as_ref().err().is_some_and(|error| error.to_string().contains("locked"));
        let waited = begun.elapsed() > Duration::from_millis(4_500);
        if !(locked && waited && Instant::now() < deadline) {
            return opened;
        }
    }
}

#[test]
fn many_can_make_and_open_it_at_once() {
    for _round in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let path = database(directory.path());
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for _process in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let opened = open_in_turn(&path);
                    assert!(opened.is_ok(), "{:?}", opened.err());
                });
            }
        });
        assert_eq!(pragma::<i64>(&path, "user_version"), newest_schema());
    }
}
