//! No room left: on a disk of 16 MiB, and below the reserve.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gatepass_core::port::{BlobError, BlobStore, Outlook, PartedBlob};
use gatepass_core::{BlobId, ByteRange};
use gatepass_disk::{DiskOptions, DiskStore};
use gatepass_testkit::blob_store::{
    Store, assert_holds, hasher, list_all, pour, put, read_first, stage,
};
use gatepass_testkit::builders::{blob_id, noise};
use gatepass_testkit::{eventually, run};

use super::{open, open_at};

#[test]
fn below_the_reserve_nothing_new_is_taken() {
    let (directory, roomy) = open();
    run(async move {
        let content = noise(1, 1_000);
        let blob = put(&roomy, &content).await;
        let options = DiskOptions { keep_free_bytes: u64::MAX };
        let store: Store =
            Arc::new(DiskStore::open(&directory.path().join("blobs"), options).unwrap());
        let refused = store.stage(&blob_id(), None, hasher()).await.err();
        assert!(matches!(refused, Some(BlobError::Full(_))), "{refused:?}");
        assert!(matches!(store.check().await, Err(BlobError::Full(_))));
        assert_holds(&store, &blob, &content).await;
        store.delete(&blob).await.unwrap();
        assert!(list_all(&store).await.is_empty());
    });
}

/// Set in the process that has a mount name space of its own.
const INSIDE: &str = "GATEPASS_TEST_SMALL_DISK";

/// Runs this test again where a small disk can be mounted that nobody else sees and that goes
/// with the process.
#[test]
fn a_full_disk_is_told_and_works_again_when_there_is_room() {
    if std::env::var_os(INSIDE).is_some() {
        return on_a_small_disk();
    }
    if !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|s| s.success()) {
        return not_run("a full disk: needs root and unshare");
    }
    let output = Command::new("unshare")
        .arg("-m")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::a_full_disk_is_told_and_works_again_when_there_is_room"])
        .args(["--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

/// Says it past the harness, which shows nothing of tests that pass; in CI it is a failure.
pub(crate) fn not_run(what: &str) {
    let line = format!("!! not run: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "not run: {what}");
}

fn on_a_small_disk() {
    let directory = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
        .arg(directory.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return not_run("a full disk: tmpfs cannot be mounted");
    }
    fill_and_free(directory.path());
    take_no_room_ahead_that_is_to_be_left(directory.path());
    let unmounted = Command::new("umount").arg(directory.path()).status().unwrap();
    assert!(unmounted.success(), "a file is still open");
}

fn fill_and_free(directory: &Path) {
    let store = open_at(&directory.join("blobs"));
    run(async move {
        let content = noise(2, 10 << 20);
        let kept = put(&store, &content).await;
        // In pieces, in one piece, and by many at once.
        for length in [8 << 20, 30 << 20] {
            assert_full(&store, &kept, length).await;
        }
        assert_holds(&store, &kept, &content).await;
        eventually("what failed is cleared up", async || list_all(&store).await.len() == 1).await;

        let second = put(&store, &noise(3, 4 << 20)).await;
        store.delete(&kept).await.unwrap();
        let third = noise(4, 10 << 20);
        let again = put(&store, &third).await;
        assert_holds(&store, &again, &third).await;
        store.delete(&second).await.unwrap();
        store.check().await.unwrap();
        store.delete(&again).await.unwrap();
    });
}

/// Parts take room as they come, and as much again. That must not be what is to be left free.
fn take_no_room_ahead_that_is_to_be_left(directory: &Path) {
    let direct = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .custom_flags(i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap())
        .open(directory.join("direct"));
    if direct.is_err() {
        return not_run("room on a full disk: tmpfs takes direct writes from Linux 6.6 on");
    }
    drop(direct);
    let keep_free_bytes = 13 << 20;
    let place = directory.join("kept-free");
    let store = Arc::new(DiskStore::open(&place, DiskOptions { keep_free_bytes }).unwrap());
    let free = || {
        let stat = rustix::fs::statvfs(directory).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    run(async {
        // What has been taken when a part ends depends on how its bytes were gathered.
        for quarters in 4..=10 {
            let id = blob_id();
            let first = ByteRange::new(0, 1).unwrap();
            let memo = store.begin(&id, Outlook { total: None, first }).await.unwrap();
            let blob = PartedBlob { id, memo };
            let mut staging = store.stage_part(&blob, 0, hasher()).await.unwrap();
            pour(staging.as_mut(), &noise(7, quarters * (256 << 10))).await.unwrap();
            staging.commit().await.unwrap();
            assert!(free() >= keep_free_bytes, "{} are free", free());
            store.delete(&blob.id).await.unwrap();
        }
    });
}

/// An upload that does not fit fails as such, at a write or at the commit, and stays failed.
async fn assert_full(store: &Arc<dyn BlobStore>, kept: &BlobId, length: usize) {
    let blob = blob_id();
    let mut staging = stage(store, &blob).await;
    let poured = pour(staging.as_mut(), &noise(5, length)).await;
    if let Err(error) = &poured {
        assert!(matches!(error, BlobError::Full(_)), "{error:?}");
        assert!(staging.write(noise(6, 100)).await.is_err(), "it was written to again");
    }
    let committed = staging.commit().await;
    assert!(matches!(committed, Err(BlobError::Full(_))), "{committed:?}");
    eventually("what failed is gone", async || {
        matches!(read_first(store, &blob, 0).await, Err(BlobError::NotFound))
    })
    .await;
    assert!(list_all(store).await.iter().any(|entry| entry.blob == *kept));
}
