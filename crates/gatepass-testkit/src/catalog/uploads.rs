//! Uploads that take several requests.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gatepass_core::port::{
    EndUpload, FinishError, FinishUpload, JoinError, ListUploads, RecordParts, UploadError,
};
use gatepass_core::publication::NewFile;
use gatepass_core::upload::{BeginRefusal, NewUpload, Origin, UploadKey, UploadRefusal};
use gatepass_core::{
    Action, ByteRange, KeyId, Memo, Part, PartMap, Policy, Upload, UploadId, UploadStatus,
};

use super::{Subject, add_project, find, is_known, retired};
use crate::builders::{blob_id, new_file, path, project_id, time, unique_noise};

const KEEP: Duration = Duration::from_hours(24);
const REMEMBER: Duration = Duration::from_hours(7 * 24);

fn upload(at: &str, origin: u8) -> Upload {
    Upload {
        id: UploadId::from_random(unique_noise()),
        project: project_id(),
        path: path(at),
        origin: Origin::of_signature(&[origin; 32]),
        key: KeyId::new("key_test"),
        policy: Some(Policy { max_size: Some(100), ..Policy::new(Action::Put, 4_102_444_800) }),
        declared_type: Some("image/png".to_owned()),
        blob: blob_id(),
        memo: Memo::new("of the upload"),
        total: Some(30),
        status: UploadStatus::Receiving,
        parts: PartMap::default(),
        created: time(0),
        updated: time(0),
        expires: time(0).plus(KEEP),
        finished: None,
    }
}

fn new(upload: Upload) -> NewUpload {
    NewUpload { upload, joins_complete: true, open_max: 100, reserved_bytes_max: 10_000 }
}

fn part(start: u64, end: u64) -> Part {
    Part {
        range: ByteRange::new(start, end).unwrap(),
        crc64: u64::MAX - start,
        memo: Memo::new(format!("{start}")),
    }
}

fn record(upload: &Upload, parts: &[Part]) -> RecordParts {
    let (id, parts) = (upload.id.clone(), parts.to_vec());
    RecordParts { id, parts, total: None, now: time(1), keep: KEEP }
}

fn finish(upload: &Upload) -> FinishUpload {
    let new = NewFile { blob: upload.blob.clone(), ..new_file(upload.path.as_str(), time(2)) };
    FinishUpload { id: upload.id.clone(), new, remember: REMEMBER }
}

fn end(upload: &Upload, status: UploadStatus, now: u64) -> EndUpload {
    EndUpload { id: upload.id.clone(), status, now: time(now), remember: REMEMBER }
}

async fn begin(catalog: &Subject, at: &str, origin: u8) -> Upload {
    catalog.join_upload(new(upload(at, origin))).await.unwrap()
}

async fn look_up(catalog: &Subject, at: &str, key: UploadKey) -> Option<Upload> {
    catalog.find_upload(&project_id(), &path(at), &key).await.unwrap()
}

/// Every field comes back, by the id and by the origin, at its own path only.
pub async fn an_upload_is_found_again(catalog: Subject) {
    add_project(&catalog).await;
    let first = begin(&catalog, "a", 1).await;
    let with_part = catalog.record_parts(record(&first, &[part(10, 20)])).await.unwrap();
    assert_eq!(with_part.parts.parts(), [part(10, 20)]);
    assert_eq!(with_part.expires, time(1).plus(KEEP));
    let (by_id, by_origin) = (UploadKey::Id(first.id.clone()), UploadKey::Origin(first.origin));
    for key in [by_id, by_origin] {
        assert_eq!(look_up(&catalog, "a", key.clone()).await, Some(with_part.clone()));
        assert_eq!(look_up(&catalog, "b", key).await, None);
    }
    let found = catalog.find_upload_by_id(&project_id(), &first.id).await.unwrap();
    assert_eq!(found, Some(with_part));
    assert!(is_known(&catalog, &first.blob).await, "the sweeper must leave its blob alone");
}

/// Of fifty first requests one begins the upload, and all get the same.
pub async fn fifty_first_requests_begin_one_upload(catalog: Subject) {
    add_project(&catalog).await;
    let joins = (0..50).map(|_| {
        let catalog = Arc::clone(&catalog);
        tokio::spawn(async move { catalog.join_upload(new(upload("a", 1))).await.unwrap().id })
    });
    let ids: Vec<UploadId> = join_all(joins).await.into_iter().map(Result::unwrap).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_ne!(begin(&catalog, "a", 2).await.id, ids[0], "another origin is another upload");
    assert_ne!(begin(&catalog, "b", 1).await.id, ids[0], "and so is another path");
}

/// Unfinished uploads and their bytes are bounded; those that ended do not count.
pub async fn beginning_is_bounded(catalog: Subject) {
    add_project(&catalog).await;
    let first = begin(&catalog, "a", 1).await;
    let few = |origin| NewUpload { open_max: 1, ..new(upload("b", origin)) };
    let small = |origin| NewUpload { reserved_bytes_max: 59, ..new(upload("b", origin)) };
    for (new, expected) in
        [(few(2), BeginRefusal::TooManyOpen), (small(2), BeginRefusal::TooManyReserved)]
    {
        match catalog.join_upload(new).await {
            Err(JoinError::Refused(refusal)) => assert_eq!(refusal, expected),
            other => panic!("{other:?}"),
        }
    }
    catalog.end_upload(end(&first, UploadStatus::Aborted, 1)).await.unwrap();
    assert!(catalog.join_upload(few(3)).await.is_ok());
}

/// What does not fit the upload is refused and changes nothing.
pub async fn parts_that_do_not_fit_are_refused(catalog: Subject) {
    add_project(&catalog).await;
    let first = begin(&catalog, "a", 1).await;
    catalog.record_parts(record(&first, &[part(0, 10)])).await.unwrap();
    for (parts, total, expected) in [
        (vec![part(20, 30), part(5, 15)], None, UploadRefusal::PartConflict),
        (vec![part(25, 31)], None, UploadRefusal::LengthInconsistent),
        (vec![part(10, 20)], Some(31), UploadRefusal::LengthInconsistent),
    ] {
        let refused = catalog.record_parts(RecordParts { total, ..record(&first, &parts) }).await;
        match refused {
            Err(UploadError::Refused(refusal)) => assert_eq!(refusal, expected),
            other => panic!("{other:?}"),
        }
    }
    let again = catalog.record_parts(record(&first, &[part(0, 10)])).await.unwrap();
    assert_eq!(again.parts.parts(), [part(0, 10)], "the same again is fine");
    let nobody = RecordParts { id: upload("a", 9).id, ..record(&first, &[]) };
    assert!(matches!(catalog.record_parts(nobody).await, Err(UploadError::NotFound)));
}

/// Disjoint parts that are recorded at once are all there.
pub async fn parts_recorded_at_once_are_all_there(catalog: Subject) {
    add_project(&catalog).await;
    let new = new(Upload { total: Some(500), ..upload("a", 1) });
    let first = catalog.join_upload(new).await.unwrap();
    let records = (0..50_u64).map(|number| {
        let (catalog, first) = (Arc::clone(&catalog), first.clone());
        let one = part(number * 10, number * 10 + 10);
        tokio::spawn(async move { catalog.record_parts(record(&first, &[one])).await.unwrap() })
    });
    let seen: Vec<Upload> = join_all(records).await.into_iter().map(Result::unwrap).collect();
    let complete = seen.iter().filter(|upload| upload.has_all_bytes()).count();
    assert_eq!(complete, 1, "exactly one of them sees that nothing is missing");
}

/// Of thirty-two finishers one publishes, and all get its file; late ones, too.
pub async fn thirty_two_finishers_publish_one_file(catalog: Subject) {
    add_project(&catalog).await;
    let first = begin(&catalog, "a", 1).await;
    assert!(catalog.finish_upload(finish(&first)).await.is_err(), "bytes are missing");
    catalog.record_parts(record(&first, &[part(0, 30)])).await.unwrap();
    let finishers = (0..32).map(|_| {
        let (catalog, first) = (Arc::clone(&catalog), first.clone());
        tokio::spawn(async move { catalog.finish_upload(finish(&first)).await.unwrap() })
    });
    let all: Vec<_> = join_all(finishers).await.into_iter().map(Result::unwrap).collect();
    assert!(all.iter().all(|finished| *finished == all[0]));
    assert_eq!(find(&catalog, "a").await, Some(all[0].file.clone()));
    assert!(retired(&catalog).await.is_empty(), "nothing was published twice");
    let found = look_up(&catalog, "a", UploadKey::Origin(first.origin)).await.unwrap();
    assert_eq!((found.status, found.finished), (UploadStatus::Complete, Some(all[0].clone())));
    assert_eq!(begin(&catalog, "a", 1).await.id, first.id, "the origin is used");
    let key = NewUpload { joins_complete: false, ..new(upload("a", 1)) };
    assert_ne!(catalog.join_upload(key).await.unwrap().id, first.id);
    let late = catalog.record_parts(record(&first, &[part(0, 30)])).await;
    assert!(matches!(late, Err(UploadError::Refused(UploadRefusal::Complete))));
}

/// What the path does not permit leaves the upload as it was.
pub async fn a_refused_finish_changes_nothing(catalog: Subject) {
    add_project(&catalog).await;
    let first = begin(&catalog, "a", 1).await;
    catalog.record_parts(record(&first, &[part(0, 30)])).await.unwrap();
    catalog.publish(new_file("a", time(1))).await.unwrap();
    let mut create = finish(&first);
    create.new.overwrite = false;
    assert!(matches!(catalog.finish_upload(create).await, Err(FinishError::Refused(_))));
    let found = look_up(&catalog, "a", UploadKey::Id(first.id.clone())).await.unwrap();
    assert_eq!(found.status, UploadStatus::Receiving);
    assert!(!catalog.finish_upload(finish(&first)).await.unwrap().created);
}

/// An upload that ended takes nothing, its blob is retired, and its origin is free again.
pub async fn an_upload_can_be_ended_once(catalog: Subject) {
    add_project(&catalog).await;
    let first = begin(&catalog, "a", 1).await;
    catalog.record_parts(record(&first, &[part(0, 30)])).await.unwrap();
    let ended = catalog.end_upload(end(&first, UploadStatus::Aborted, 5)).await.unwrap();
    assert_eq!(ended.status, UploadStatus::Aborted);
    let again = catalog.end_upload(end(&first, UploadStatus::Expired, 6)).await.unwrap();
    assert_eq!(again.status, UploadStatus::Aborted, "it stays what it is");
    assert_eq!(retired(&catalog).await, std::slice::from_ref(&first.blob));
    let late = catalog.finish_upload(finish(&first)).await;
    assert!(matches!(late, Err(FinishError::Upload(UploadRefusal::Aborted))));
    assert_eq!(look_up(&catalog, "a", UploadKey::Origin(first.origin)).await, None);
    assert_ne!(begin(&catalog, "a", 1).await.id, first.id);
}

/// Only what is silent for too long expires, and only what ended long ago is forgotten.
pub async fn time_ends_and_forgets_uploads(catalog: Subject) {
    add_project(&catalog).await;
    let (silent, alive) = (begin(&catalog, "a", 1).await, begin(&catalog, "b", 2).await);
    let later = RecordParts { now: time(1_000), ..record(&alive, &[part(0, 10)]) };
    catalog.record_parts(later).await.unwrap();
    let day = time(0).plus(KEEP);
    assert_eq!(catalog.expired_uploads(day, 10).await.unwrap(), std::slice::from_ref(&silent.id));
    let early = EndUpload { now: day, ..end(&alive, UploadStatus::Expired, 0) };
    let kept = catalog.end_upload(early).await.unwrap();
    assert_eq!(kept.status, UploadStatus::Receiving, "somebody went on with it meanwhile");
    let expired = EndUpload { now: day, ..end(&silent, UploadStatus::Expired, 0) };
    catalog.end_upload(expired).await.unwrap();
    assert_eq!(catalog.forget_uploads(day, 10).await.unwrap(), 0);
    assert_eq!(catalog.forget_uploads(day.plus(REMEMBER), 10).await.unwrap(), 1);
    assert_eq!(look_up(&catalog, "a", UploadKey::Id(silent.id)).await, None);
    assert!(look_up(&catalog, "b", UploadKey::Id(alive.id)).await.is_some());
}

/// Unfinished ones, newest first.
pub async fn unfinished_uploads_are_listed(catalog: Subject) {
    add_project(&catalog).await;
    for (at, origin) in [("a", 1), ("b", 2), ("c", 3)] {
        begin(&catalog, at, origin).await;
    }
    let done = begin(&catalog, "d", 4).await;
    catalog.end_upload(end(&done, UploadStatus::Aborted, 1)).await.unwrap();
    assert_eq!(list(&catalog, "", 1, 5).await, (vec!["b".to_owned(), "a".to_owned()], 3));
}

/// Those outside of a prefix are neither listed nor counted.
pub async fn unfinished_uploads_within_a_prefix_are_listed(catalog: Subject) {
    add_project(&catalog).await;
    let paths = ["u/7", "u/7/a", "u/70", "u/7!", "u/7/b/c", "u/8", "u", "U/7/a"];
    for (at, origin) in paths.into_iter().zip(1..) {
        begin(&catalog, at, origin).await;
    }
    for (within, wanted) in [
        ("u/7", vec!["u/7/b/c", "u/7/a", "u/7"]),
        ("u/7/", vec!["u/7/b/c", "u/7/a"]),
        ("u/7/a", vec!["u/7/a"]),
        ("x", vec![]),
        ("", vec!["U/7/a", "u", "u/8", "u/7/b/c", "u/7!", "u/70", "u/7/a", "u/7"]),
    ] {
        let (found, total) = list(&catalog, within, 0, 100).await;
        assert_eq!(
            (found, total),
            (wanted.iter().map(ToString::to_string).collect(), wanted.len() as u64),
            "{within}"
        );
    }
    assert_eq!(list(&catalog, "u/7", 1, 1).await, (vec!["u/7/a".to_owned()], 3));
    assert_eq!(list(&catalog, "u/7", 9, 1).await, (vec![], 3));
}

async fn list(catalog: &Subject, within: &str, offset: u64, limit: u64) -> (Vec<String>, u64) {
    let list = ListUploads { within: within.to_owned(), offset, limit };
    let page = catalog.list_uploads(&project_id(), &list).await.unwrap();
    (page.uploads.iter().map(|upload| upload.path.to_string()).collect(), page.total)
}
