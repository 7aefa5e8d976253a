//! How PostgreSQL goes about the statements, at a million files: none may read a whole table.
//!
//! `auto_explain` logs the plan of everything that is really executed, with plans for the values at
//! hand and, after some repetitions, the ones for any values.

use std::time::Duration;

use gatepass_core::condition::Conditions;
use gatepass_core::file_change::{Edit, FileChange};
use gatepass_core::port::{
    Catalog, ChangeFile, EndUpload, FinishUpload, ListFiles, ListUploads, RecordParts, RemoveFile,
};
use gatepass_core::publication::NewFile;
use gatepass_core::upload::{NewUpload, Origin, UploadKey};
use gatepass_core::{
    BlobId, ByteRange, KeyId, Memo, Part, PartMap, ProjectId, Record, RetiredBlob, Upload,
    UploadId, UploadStatus,
};
use gatepass_testkit::builders::{blob_id, new_file, noise, path, project_id, time};
use gatepass_testkit::catalog::add_project;
use gatepass_testkit::postgres::Server;
use gatepass_testkit::run;

use super::open_at;

/// More than PostgreSQL plans anew for each set of values.
const REPETITIONS: u64 = 8;
/// Tables that grow.
const LARGE: [&str; 4] = ["files", "uploads", "parts", "retired_blobs"];
const FILL: &str = "
    INSERT INTO files (id, media_id, project, path, blob, size, crc64, media, metadata, created, updated)
    SELECT 'file_' || n, 'med_' || n, CASE n % 10 WHEN 0 THEN 'proj_test' ELSE 'proj_' || n % 10 END,
        'photos/' || n % 1000 || '/' || md5(n::text), lpad(n::text, 26, 'a'), n, n,
        '{\"kind\":\"file\",\"content_type\":\"text/plain\"}', '{}', n, n
    FROM generate_series(1, 1000000) AS n;
    INSERT INTO retired_blobs (blob, retired)
    SELECT lpad(n::text, 26, 'b'), n FROM generate_series(1, 100000) AS n;
    INSERT INTO uploads (id, project, path, origin, api_key, blob, memo, total, received, status,
        created, updated, expires)
    SELECT 'upl_' || lpad(n::text, 26, 'a'), 'proj_' || n % 100, 'large/' || n, decode(md5(n::text) || md5(n::text), 'hex'), 'key',
        lpad(n::text, 26, 'c'), '', 100, 50,
        CASE n % 4 WHEN 0 THEN 'receiving' WHEN 1 THEN 'aborted' ELSE 'complete' END, n, n,
        4102444800000 + n
    FROM generate_series(1, 200000) AS n;
    INSERT INTO parts (upload, first, past, crc64, memo)
    SELECT number, 0, 50, 1, '' FROM uploads;
";

/// As a catalog does it from time to time.
const FOLD: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT fold_file_changes(); COMMIT";

fn upload(number: u64, origin: u8) -> Upload {
    let mut random = [0; 26];
    random.copy_from_slice(&noise(number + 1_000 * u64::from(origin), 26));
    Upload {
        id: UploadId::from_random(random),
        project: project_id(),
        path: path(&format!("large/new{number}")),
        origin: Origin::from_bytes([origin; 32]),
        key: KeyId::new("key_test"),
        policy: None,
        declared_type: None,
        blob: blob_id(),
        memo: Memo::default(),
        total: Some(10),
        status: UploadStatus::Receiving,
        parts: PartMap::default(),
        created: time(0),
        updated: time(0),
        expires: time(600),
        finished: None,
    }
}

#[test]
fn no_statement_reads_a_whole_table() {
    let server = Server::shared();
    let database = server.make_database();
    run(async move {
        drop(open_at(&server.url(&database)).await);
        server.sql(&database, FILL);
        server.sql(&database, FOLD);
        server.sql(&database, "VACUUM ANALYZE");
        server.sql(
            &database,
            &format!(
                "ALTER DATABASE {database} SET session_preload_libraries = 'auto_explain'; \
                 ALTER DATABASE {database} SET auto_explain.log_min_duration = 0; \
                 ALTER DATABASE {database} SET auto_explain.log_nested_statements = on"
            ),
        );
        let catalog = open_at(&server.url(&database)).await;
        add_project(&catalog).await;
        for number in 0..REPETITIONS {
            files(&*catalog, number).await;
            uploads(&*catalog, number).await;
            blobs(&*catalog).await;
        }
        let log = server.log();
        let marker = format!("{database}:");
        let ours: Vec<&str> = log
            .split("\ntest_")
            .filter(|entry| format!("test_{entry}").starts_with(&marker))
            .filter(|entry| entry.contains("plan:"))
            .collect();
        assert!(ours.len() > 200, "{} plans", ours.len());
        for table in LARGE {
            let scanned = format!("Seq Scan on {table}");
            let slow: Vec<_> = ours.iter().filter(|entry| entry.contains(&scanned)).collect();
            assert!(slow.is_empty(), "{table}: {}", slow[0]);
            let used = ours.iter().any(|entry| entry.contains(&format!(" on {table}")));
            assert!(used, "no statement reads {table}");
        }
    });
}

/// What is not called above has no plan that was looked at.
#[test]
fn every_method_of_the_port_that_reads_large_tables_is_called() {
    let port = include_str!("../../../gatepass-core/src/port/catalog.rs");
    let calls = include_str!("plans.rs");
    let small = ["load_settings", "settings_version", "change_settings", "take_turn", "check"];
    // It gives whole tables: that is what it is for.
    let whole = ["export"];
    for method in port.split("\n    async fn ").skip(1) {
        let name = method.split('(').next().unwrap();
        let called = calls.contains(&format!("catalog.{name}("));
        let excepted = small.contains(&name) || whole.contains(&name);
        assert!(called || excepted, "{name} is not called");
    }
}

async fn files(catalog: &dyn Catalog, number: u64) {
    let at = format!("photos/7/new{number}");
    for second in 1..3 {
        catalog.publish(new_file(&at, time(second))).await.unwrap();
    }
    assert!(catalog.find_file(&project_id(), &path(&at)).await.unwrap().is_some());
    catalog.read_file(&project_id(), &path(&at)).await.unwrap();
    for (prefix, within, offset, least) in [
        ("", "", 1, 100_000),
        ("", "", 60_000, 100_000),
        ("photos/", "", 60_000, 100_000),
        ("photos/70/", "", 1, 1_000),
        ("", "photos/7", 1, 1),
        ("\u{10ffff}", "", 1, 0),
    ] {
        let list =
            ListFiles { prefix: prefix.to_owned(), within: within.to_owned(), offset, limit: 10 };
        let page = catalog.list_files(&project_id(), &list).await.unwrap();
        assert!(page.total >= least, "{prefix}: {}", page.total);
    }
    let id = catalog.find_file(&project_id(), &path(&at)).await.unwrap().unwrap().id;
    assert!(catalog.find_file_by_id(&project_id(), &id).await.unwrap().is_some());
    let change = ChangeFile {
        project: project_id(),
        id: id.clone(),
        within: String::new(),
        change: FileChange { filename: Edit::Set(format!("old{number}")), ..FileChange::default() },
        conditions: Conditions::default(),
        now: time(5),
    };
    let renamed = catalog.change_file(change).await.unwrap();
    let (project, within, conditions) = (project_id(), String::new(), Conditions::default());
    if number.is_multiple_of(2) {
        catalog.remove_file(&project, &renamed.path, &conditions, time(5)).await.unwrap();
    } else {
        let remove = RemoveFile { project, id, within, conditions, now: time(5) };
        catalog.remove_file_by_id(remove).await.unwrap();
    }
}

async fn uploads(catalog: &dyn Catalog, number: u64) {
    let keep = Duration::from_mins(1);
    let (finishes, ends) = (upload(number, 1), upload(number, 2));
    for upload in [&finishes, &ends] {
        let new = NewUpload {
            upload: upload.clone(),
            joins_complete: true,
            open_max: 1_000,
            reserved_bytes_max: 1 << 40,
        };
        catalog.join_upload(new).await.unwrap();
    }
    let parts =
        vec![Part { range: ByteRange::new(0, 10).unwrap(), crc64: 7, memo: Memo::default() }];
    let id = finishes.id.clone();
    let record = RecordParts { id: id.clone(), parts, total: None, now: time(1), keep };
    catalog.record_parts(record).await.unwrap();
    let new = NewFile { blob: finishes.blob.clone(), ..new_file(finishes.path.as_str(), time(2)) };
    catalog.finish_upload(FinishUpload { id, new, remember: keep }).await.unwrap();
    for key in [UploadKey::Id(finishes.id.clone()), UploadKey::Origin(finishes.origin)] {
        let found = catalog.find_upload(&project_id(), &finishes.path, &key).await.unwrap();
        assert!(found.is_some());
    }
    catalog.find_upload_by_id(&project_id(), &finishes.id).await.unwrap();
    for within in ["", "large"] {
        let list = ListUploads { within: within.to_owned(), offset: 0, limit: 9 };
        catalog.list_uploads(&ProjectId::new("proj_4"), &list).await.unwrap();
    }
    assert_eq!(catalog.expired_uploads(time(900), 9).await.unwrap().len(), 1);
    let status = UploadStatus::Aborted;
    let end = EndUpload { id: ends.id, status, now: time(3), remember: keep };
    catalog.end_upload(end).await.unwrap();
    assert_eq!(catalog.forget_uploads(time(900), 9).await.unwrap(), 2);
}

async fn blobs(catalog: &dyn Catalog) {
    let retired = catalog.retired_blobs(time(900), 500).await.unwrap();
    assert_eq!(retired.len(), 500);
    let names: Vec<BlobId> = retired;
    assert_eq!(catalog.known_blobs(&names).await.unwrap().len(), 500);
    catalog.forget_retired(&names[..10]).await.unwrap();
    catalog.give_back_room(time(9)).await.unwrap();
    let retired = RetiredBlob { blob: blob_id(), at: time(1) };
    catalog.import(vec![Record::Retired(retired)]).await.unwrap();
}
