//! The parts that are kept in memory are those of the database, whatever happened to it.

use std::time::Duration;

use gatepass_core::project::SettingsChange;
use gatepass_core::{ByteRange, Memo, Part, UploadStatus};
use gatepass_testkit::builders::{project, project_id, time, upload};
use gatepass_testkit::run;

use super::*;

const KEEP: Duration = Duration::from_hours(1);

async fn begin(catalog: &SqliteCatalog) -> Upload {
    catalog.change_settings(vec![SettingsChange::PutProject(project())]).await.unwrap();
    let new = NewUpload {
        upload: upload("large"),
        joins_complete: true,
        open_max: 9,
        reserved_bytes_max: 1_000,
    };
    catalog.join_upload(new).await.unwrap()
}

/// All at one moment, so that nothing but their bytes tells them apart.
fn bytes(upload: &Upload, start: u64, end: u64) -> RecordParts {
    let range = ByteRange::new(start, end).unwrap();
    let parts = vec![Part { range, crc64: start, memo: Memo::default() }];
    RecordParts { id: upload.id.clone(), parts, total: None, now: time(1), keep: KEEP }
}

async fn find(catalog: &SqliteCatalog, upload: &Upload) -> Upload {
    let key = UploadKey::Id(upload.id.clone());
    catalog.find_upload(&project_id(), &upload.path, &key).await.unwrap().unwrap()
}

/// Straight from the database, as lists are.
async fn listed(catalog: &SqliteCatalog) -> Upload {
    let list = ListUploads { within: String::new(), offset: 0, limit: 9 };
    catalog.list_uploads(&project_id(), &list).await.unwrap().uploads.pop().unwrap()
}

#[test]
fn what_was_rolled_back_is_not_taken_for_what_came_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    run(async move {
        let catalog = SqliteCatalog::open(&directory.path().join("gatepass.db")).unwrap();
        let upload = begin(&catalog).await;
        let (parts, first) = (catalog.parts.clone(), bytes(&upload, 0, 10));
        let lost = catalog.writer.change(move |connection| {
            uploads::record(connection, &parts, &first)?;
            Err::<(), _>(UploadError::Catalog(CatalogError::Unavailable("lost".into())))
        });
        assert!(lost.await.is_err());
        catalog.record_parts(bytes(&upload, 10, 20)).await.unwrap();
        let found = find(&catalog, &upload).await;
        assert_eq!(found.parts, listed(&catalog).await.parts);
        assert_eq!(found.parts.offset(), 0);
    });
}

#[test]
fn what_another_process_adds_or_ends_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    run(async move {
        let path = directory.path().join("gatepass.db");
        let (one, other) =
            (SqliteCatalog::open(&path).unwrap(), SqliteCatalog::open(&path).unwrap());
        let upload = begin(&one).await;
        one.record_parts(bytes(&upload, 0, 10)).await.unwrap();
        assert_eq!(find(&one, &upload).await.parts.received(), 10);
        other.record_parts(bytes(&upload, 10, 20)).await.unwrap();
        assert_eq!(find(&one, &upload).await.parts, listed(&other).await.parts);
        let (id, status) = (upload.id.clone(), UploadStatus::Aborted);
        let end = EndUpload { id: id.clone(), status, now: time(1), remember: KEEP };
        other.end_upload(end).await.unwrap();
        let ended = one.find_upload_by_id(&project_id(), &id).await.unwrap().unwrap();
        assert!(ended.parts.parts().is_empty());
    });
}

#[test]
fn what_is_kept_is_not_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let (catalog, statements) = plans::open_traced(&directory);
    run(async move {
        let upload = begin(&catalog).await;
        catalog.record_parts(bytes(&upload, 0, 10)).await.unwrap();
        let reads = || {
            let mut statements = statements.lock().unwrap();
            let reads = statements.iter().any(|statement| statement.contains("FROM parts"));
            statements.clear();
            reads
        };
        reads();
        find(&catalog, &upload).await;
        catalog.record_parts(bytes(&upload, 10, 20)).await.unwrap();
        find(&catalog, &upload).await;
        assert!(!reads());
        listed(&catalog).await;
        assert!(reads(), "the trace misses it");
    });
}
