//! Everything out, and in again.

use std::time::Duration;

use futures_util::StreamExt as _;
use gatepass_core::condition::Conditions;
use gatepass_core::port::{CatalogError, RecordReader};
use gatepass_core::project::{Project, SettingsChange};
use gatepass_core::publication::publish as decide;
use gatepass_core::upload::{Finished, Origin};
use gatepass_core::{
    Action, ByteRange, File, FileRecord, KeyId, Memo, Part, PartMap, Policy, ProjectId, Record,
    RetiredBlob, Upload, UploadId, UploadStatus,
};

use super::{Subject, add_project, find, list, publish, read_of};
use crate::builders::{
    blob_id, domain, new_file, noise, path, project, project_id, sealed_key, time, unique_noise,
};

/// More than one batch.
const FILES: u64 = 1_200;

fn file(project: &ProjectId, at: &str, second: u64) -> File {
    let new = new_file(at, time(second));
    let file = decide(new, None).unwrap().file;
    File {
        project: project.clone(),
        sha256: Some([7; 32]),
        reference: Some("r\u{e9}\0f".to_owned()),
        label: Some("la'bel".to_owned()),
        metadata: [("a".to_owned(), "\u{1f600}".to_owned())].into(),
        updated: time(second + 5),
        ..file
    }
}

fn stored(file: File) -> Record {
    Record::File(FileRecord { file, bytes: None })
}

fn upload(status: UploadStatus, number: u8) -> Upload {
    let finished = File { size: 30, ..file(&project_id(), "large", 2) };
    let mut parts = PartMap::default();
    for (start, end) in [(0, 10), (20, 30)] {
        let range = ByteRange::new(start, end).unwrap();
        parts.insert(Part { range, crc64: u64::MAX - start, memo: Memo::new("m") }).unwrap();
    }
    Upload {
        id: UploadId::from_random(unique_noise()),
        project: project_id(),
        path: path("large"),
        origin: Origin::of_signature(&[number; 32]),
        key: KeyId::new("key_test"),
        policy: Some(Policy { max_size: Some(100), ..Policy::new(Action::Put, 4_102_444_800) }),
        declared_type: Some("image/png".to_owned()),
        blob: blob_id(),
        memo: Memo::new("of the upload"),
        total: Some(30),
        status,
        parts,
        created: time(0),
        updated: time(1),
        expires: time(99),
        finished: (status == UploadStatus::Complete)
            .then_some(Finished { file: finished, created: false }),
    }
}

/// Some of everything, in the order of an export.
fn everything(catalog: &Subject) -> Vec<Record> {
    let other = Project { id: ProjectId::new("proj_other"), created: time(1), ..project() };
    let mut records = vec![
        Record::Project(project()),
        Record::Project(other.clone()),
        Record::Domain(domain("files.test")),
        Record::Key(sealed_key("key_a")),
    ];
    // Neither by path nor by time: as they came.
    for (at, second) in [("z", 9), ("a", 5), ("m/n", 7)] {
        records.push(stored(file(&project_id(), at, second)));
    }
    if catalog.inline_bytes_max() > 0 {
        let bytes = noise(1, 700);
        let kept = File { inline: true, size: 700, ..file(&project_id(), "kept", 3) };
        records.push(Record::File(FileRecord { file: kept, bytes: Some(bytes) }));
    }
    records.push(stored(file(&other.id, "a", 1)));
    let uploads = [UploadStatus::Receiving, UploadStatus::Complete, UploadStatus::Aborted];
    let uploads = uploads.into_iter().zip(0..).map(|(status, number)| upload(status, number));
    records.extend(uploads.map(|upload| Record::Upload(Box::new(upload))));
    let mut retired = [blob_id(), blob_id()];
    retired.sort();
    let retired = retired.map(|blob| Record::Retired(RetiredBlob { blob, at: time(4) }));
    records.extend(retired);
    records
}

async fn drain(mut reader: RecordReader) -> Vec<Record> {
    let mut all = Vec::new();
    while let Some(batch) = reader.next().await {
        all.extend(batch.unwrap());
    }
    all
}

async fn export(catalog: &Subject) -> Vec<Record> {
    drain(catalog.export().await.unwrap()).await
}

/// Every field of every record, in the order of an export; and it is found by the usual ways.
pub async fn what_is_brought_in_is_there(catalog: Subject) {
    assert!(export(&catalog).await.is_empty(), "a new catalog has nothing");
    let records = everything(&catalog);
    catalog.import(records.clone()).await.unwrap();
    let found = export(&catalog).await;
    assert_eq!(found.len(), records.len());
    for (found, wanted) in found.iter().zip(&records) {
        assert_eq!(found, wanted);
    }
    for record in &records {
        match record {
            Record::File(FileRecord { file, bytes }) => {
                let read = read_of(&catalog, &file.project, &file.path).await;
                assert_eq!(read, Some((file.clone(), bytes.clone())));
            }
            Record::Upload(upload) => {
                let read = catalog.find_upload_by_id(&project_id(), &upload.id).await.unwrap();
                assert_eq!(read.as_ref(), Some(&**upload));
            }
            _ => {}
        }
    }
    let (newest, _) = list(&catalog, "", 0, 9).await;
    assert_eq!(newest.last().map(String::as_str), Some("z"), "the oldest came first");
    let settings = catalog.load_settings().await.unwrap();
    assert_eq!((settings.projects.len(), settings.domains.len(), settings.keys.len()), (2, 1, 1));
}

/// The same again is no news; and what is there is not replaced.
pub async fn bringing_in_again_changes_nothing(catalog: Subject) {
    let records = everything(&catalog);
    catalog.import(records.clone()).await.unwrap();
    let mut again = records.clone();
    again.push(stored(file(&project_id(), "z", 80)));
    if let Record::File(FileRecord { file, .. }) = &records[4] {
        again.push(stored(File { path: path("elsewhere"), blob: blob_id(), ..file.clone() }));
    }
    catalog.import(again).await.unwrap();
    assert_eq!(export(&catalog).await, records);
}

/// What happens after its first records does not show.
pub async fn an_export_is_of_one_moment(catalog: Subject) {
    add_project(&catalog).await;
    let files: Vec<Record> =
        (0..FILES).map(|n| stored(file(&project_id(), &format!("f/{n}"), n))).collect();
    for some in files.chunks(400) {
        catalog.import(some.to_vec()).await.unwrap();
    }
    let mut reader = catalog.export().await.unwrap();
    let mut found = reader.next().await.unwrap().unwrap();
    assert!(found.len() < files.len(), "it comes in batches");
    for at in ["f/0", "f/1199"] {
        let (project, conditions) = (project_id(), Conditions::default());
        catalog.remove_file(&project, &path(at), &conditions, time(3)).await.unwrap();
    }
    publish(&catalog, new_file("f/7", time(4))).await;
    publish(&catalog, new_file("new", time(5))).await;
    found.extend(drain(reader).await);
    assert_eq!(found[1..], files, "as it was when it began");
    assert!(find(&catalog, "new").await.is_some());
}

/// One that is dropped, or stands still, keeps nobody from changing and exporting.
pub async fn an_export_that_nobody_takes_holds_nobody_up(catalog: Subject) {
    add_project(&catalog).await;
    let files = (0..FILES).map(|n| stored(file(&project_id(), &format!("f/{n}"), n)));
    catalog.import(files.collect()).await.unwrap();
    let mut stands_still = catalog.export().await.unwrap();
    stands_still.next().await.unwrap().unwrap();
    for _ in 0..20 {
        let mut reader = catalog.export().await.unwrap();
        reader.next().await.unwrap().unwrap();
        drop(reader);
        // Their ends are noticed in their own time.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    publish(&catalog, new_file("new", time(5))).await;
    crate::eventually("an export goes through", async || {
        let reader: Result<RecordReader, CatalogError> = catalog.export().await;
        match reader {
            Ok(reader) => drain(reader).await.len() == 2 + usize::try_from(FILES).unwrap(),
            Err(_) => false,
        }
    })
    .await;
    assert_eq!(drain(stands_still).await.last().unwrap(), &export_last(&catalog).await);
}

/// The last file of those that were brought in.
async fn export_last(catalog: &Subject) -> Record {
    let last = find(catalog, &format!("f/{}", FILES - 1)).await.unwrap();
    stored(last)
}

/// Whoever opens the catalog is told what is being brought in, until it is there.
pub async fn the_note_of_an_import_comes_back(catalog: Subject) {
    let importing = async || catalog.load_settings().await.unwrap().importing;
    assert_eq!(importing().await, None);
    for note in [Some("a backup"), Some("another"), None] {
        let note = note.map(str::to_owned);
        let change = SettingsChange::SetImporting(note.clone());
        catalog.change_settings(vec![change]).await.unwrap();
        assert_eq!(importing().await, note);
    }
}
