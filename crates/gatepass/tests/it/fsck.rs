//! What changes while fsck looks: real engines, and somebody who always comes in between.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gatepass_core::condition::Conditions;
use gatepass_core::port::{
    BlobError, BlobListing, BlobReader, BlobStore, Catalog, EndUpload, Link, OpenBlob, Outlook,
    PartedBlob, RecordParts, Staging,
};
use gatepass_core::project::SettingsChange;
use gatepass_core::upload::NewUpload;
use gatepass_core::{BlobId, ByteRange, ContentHasher, Memo, Part, PartMap, Upload, UploadStatus};
use gatepass_disk::{DiskOptions, DiskStore};
use gatepass_engine::fsck::{Finding, Fsck, FsckError, Progress};
use gatepass_sqlite::SqliteCatalog;
use gatepass_testkit::builders::{blob_id, new_file, path, project, project_id, time, upload};
use gatepass_testkit::{FixedClock, blob_store, run};

const KEEP: Duration = Duration::from_hours(24);

/// A store, and what others do just when it is asked.
struct Meddled {
    inner: DiskStore,
    catalog: Arc<SqliteCatalog>,
    upload: Upload,
    orphan: Mutex<Option<BlobId>>,
    meddles: bool,
}

impl Meddled {
    /// Somebody deletes the file whose blob is asked for.
    async fn remove_file(&self) {
        let (project, at, always) = (project_id(), path("file"), Conditions::default());
        let removed = self.catalog.remove_file(&project, &at, &always, time(9)).await;
        assert!(removed.is_ok(), "{removed:?}");
    }

    /// The upload is given up, and what was listed is swept.
    async fn sweep(&self) {
        let (id, status) = (self.upload.id.clone(), UploadStatus::Aborted);
        let end = EndUpload { id, status, now: time(9), remember: KEEP };
        self.catalog.end_upload(end).await.unwrap();
        let orphan = self.orphan.lock().unwrap().take();
        if let Some(orphan) = orphan {
            self.inner.delete(&orphan).await.unwrap();
        }
    }
}

#[async_trait]
impl BlobStore for Meddled {
    async fn stage(
        &self,
        blob: &BlobId,
        size: Option<u64>,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError> {
        self.inner.stage(blob, size, hasher).await
    }

    async fn begin(&self, blob: &BlobId, outlook: Outlook) -> Result<Memo, BlobError> {
        self.inner.begin(blob, outlook).await
    }

    async fn stage_part(
        &self,
        blob: &PartedBlob,
        offset: u64,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError> {
        self.inner.stage_part(blob, offset, hasher).await
    }

    async fn read_part(
        &self,
        blob: &PartedBlob,
        part: &Part,
        range: ByteRange,
    ) -> Result<BlobReader, BlobError> {
        self.inner.read_part(blob, part, range).await
    }

    async fn assemble(&self, blob: &PartedBlob, parts: &PartMap) -> Result<(), BlobError> {
        self.inner.assemble(blob, parts).await
    }

    async fn read(&self, blob: &BlobId, range: ByteRange) -> Result<BlobReader, BlobError> {
        self.inner.read(blob, range).await
    }

    async fn open(&self, blob: &BlobId, range: ByteRange) -> Result<OpenBlob, BlobError> {
        self.inner.open(blob, range).await
    }

    async fn size(&self, blob: &BlobId) -> Result<Option<u64>, BlobError> {
        if self.meddles {
            self.remove_file().await;
        }
        self.inner.size(blob).await
    }

    fn link(&self, blob: &BlobId, link: &Link) -> Option<String> {
        self.inner.link(blob, link)
    }

    async fn delete(&self, blob: &BlobId) -> Result<(), BlobError> {
        self.inner.delete(blob).await
    }

    async fn list(&self, cursor: Option<&str>) -> Result<Vec<BlobListing>, BlobError> {
        let page = self.inner.list(cursor).await;
        if self.meddles {
            self.sweep().await;
        }
        page
    }

    async fn check(&self) -> Result<(), BlobError> {
        self.inner.check().await
    }
}

/// A file and an upload of which the store has nothing, and a blob that nobody knows.
async fn look(directory: &Path, meddles: bool) -> Vec<Finding> {
    let catalog = Arc::new(SqliteCatalog::open(&directory.join("gatepass.db")).unwrap());
    catalog.change_settings(vec![SettingsChange::PutProject(project())]).await.unwrap();
    catalog.publish(new_file("file", time(1))).await.unwrap();
    let upload = upload("upload");
    let new = NewUpload {
        upload: upload.clone(),
        joins_complete: true,
        open_max: 9,
        reserved_bytes_max: 1_000,
    };
    catalog.join_upload(new).await.unwrap();
    let range = ByteRange::new(0, 10).unwrap();
    let parts = vec![Part { range, crc64: 1, memo: Memo::default() }];
    let record =
        RecordParts { id: upload.id.clone(), parts, total: None, now: time(2), keep: KEEP };
    catalog.record_parts(record).await.unwrap();
    let inner = DiskStore::open(&directory.join("blobs"), DiskOptions::default()).unwrap();
    let orphan = blob_id();
    let mut staging = inner.stage(&orphan, None, blob_store::hasher()).await.unwrap();
    staging.write("left behind".into()).await.unwrap();
    staging.commit().await.unwrap();
    let store = Meddled {
        inner,
        catalog: Arc::clone(&catalog),
        upload,
        orphan: Mutex::new(Some(orphan)),
        meddles,
    };
    // Long after everything was written.
    let clock = FixedClock::at(gatepass_core::Timestamp::from_unix_seconds(8_000_000_000));
    let fsck = Fsck {
        catalog,
        store: Arc::new(store),
        clock: Arc::new(clock),
        checksums: false,
        orphan_age_min: KEEP,
        repair: false,
        orphans_max: 10,
        progress: Arc::default(),
    };
    let mut findings = Vec::new();
    fsck.run(|finding| findings.push(finding)).await.unwrap();
    findings
}

#[test]
fn what_only_changes_is_no_finding() {
    let directory = tempfile::tempdir().unwrap();
    run(async move {
        let findings = look(directory.path(), true).await;
        assert!(findings.is_empty(), "{findings:?}");
    });
}

#[test]
fn what_stays_so_is_one() {
    let directory = tempfile::tempdir().unwrap();
    run(async move {
        let findings = look(directory.path(), false).await;
        let [Finding::Missing(_), Finding::Orphan(_), Finding::UploadMissing(_)] = &findings[..]
        else {
            panic!("{findings:?}")
        };
    });
}

/// Looks at a store of so many old and young blobs with a catalog that knows none of them, and
/// repairs; returns how it ended, and what the store holds then.
async fn repair_foreign(old: usize, young: usize) -> (Result<(), FsckError>, usize, u64) {
    let directory = tempfile::tempdir().unwrap();
    let catalog = Arc::new(SqliteCatalog::open(&directory.path().join("gatepass.db")).unwrap());
    let blobs = directory.path().join("blobs");
    let store = Arc::new(DiskStore::open(&blobs, DiskOptions::default()).unwrap());
    let now = gatepass_core::Timestamp::from_unix_seconds(8_000_000_000);
    for number in 0..old + young {
        let blob = blob_id();
        let mut staging = store.stage(&blob, None, blob_store::hasher()).await.unwrap();
        staging.write("of another catalog".into()).await.unwrap();
        staging.commit().await.unwrap();
        if number >= old {
            let mut touch = std::process::Command::new("find");
            touch.arg(&blobs).args(["-name", blob.as_str()]);
            touch.args(["-exec", "touch", "-d", "@8000000000", "{}", ";"]);
            assert!(touch.status().unwrap().success());
        }
    }
    let progress = Arc::new(Progress::default());
    let fsck = Fsck {
        catalog,
        store: Arc::clone(&store) as Arc<dyn BlobStore>,
        clock: Arc::new(FixedClock::at(now)),
        checksums: false,
        orphan_age_min: KEEP,
        repair: true,
        orphans_max: 10,
        progress: Arc::clone(&progress),
    };
    let ended = fsck.run(drop).await;
    let (mut cursor, mut left) = (None::<String>, 0);
    loop {
        let page = store.list(cursor.as_deref()).await.unwrap();
        let Some(last) = page.last() else { break };
        left += page.len();
        cursor = Some(last.cursor.clone());
    }
    (ended, left, progress.young.load(Ordering::Relaxed))
}

/// More of them than one run keeps in mind: those beyond that are not known, either.
#[test]
fn a_store_of_another_catalog_is_not_emptied() {
    run(async {
        let (ended, left, _) = repair_foreign(30, 0).await;
        assert!(matches!(ended, Err(FsckError::NotRepaired(_))), "{ended:?}");
        assert_eq!(left, 30);
    });
}

/// Blobs that are too young to be orphans are not known for that.
#[test]
fn young_blobs_do_not_pass_for_known_ones() {
    run(async {
        let (ended, left, young) = repair_foreign(3, 5).await;
        assert!(matches!(ended, Err(FsckError::NotRepaired(_))), "{ended:?}");
        assert_eq!((left, young), (8, 5));
    });
}
