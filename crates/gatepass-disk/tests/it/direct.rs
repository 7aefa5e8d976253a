//! Writes that bypass the system's cache: of whole pages only, and where the file system has them.

use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;
use gatepass_core::port::{Outlook, PartedBlob};
use gatepass_core::{ByteRange, PartMap};
use gatepass_testkit::blob_store::{assert_holds, hasher, pour, put};
use gatepass_testkit::builders::{blob_id, noise};
use gatepass_testkit::run;

use super::full::not_run;
use super::{open, open_at};

/// Parts share the pages at their seams; each writes its own bytes of them, and no others.
#[test]
fn parts_at_any_offset_keep_out_of_each_other() {
    let (_directory, store) = open();
    run(async move {
        let content = noise(1, 5 << 20);
        let cuts = [0, 1, 4_096, 70_000, 1 << 20, (1 << 20) + 70_001, 3_000_000, 5 << 20];
        let id = blob_id();
        let first = ByteRange::new(0, 1).unwrap();
        let memo = store.begin(&id, Outlook { total: Some(5 << 20), first }).await.unwrap();
        let blob = PartedBlob { id, memo };
        let parts = cuts.windows(2).map(|cut| {
            let (store, blob) = (store.clone(), blob.clone());
            let bytes = content.slice(cut[0]..cut[1]);
            let offset = cut[0] as u64;
            tokio::spawn(async move {
                let mut staging = store.stage_part(&blob, offset, hasher()).await.unwrap();
                pour(staging.as_mut(), &bytes).await.unwrap();
                staging.commit().await.unwrap().into_parts(offset)
            })
        });
        let mut map = PartMap::default();
        for parts in join_all(parts).await {
            for part in parts.unwrap() {
                assert_eq!(map.insert(part), Ok(true));
            }
        }
        store.assemble(&blob, &map).await.unwrap();
        assert_holds(&store, &blob.id, &content).await;
    });
}

/// Set in the process that has a mount name space of its own.
const INSIDE: &str = "GATEPASS_TEST_WITHOUT_DIRECT";

/// ramfs takes no direct writes.
#[test]
fn a_file_system_without_direct_writes_does_as_well() {
    if std::env::var_os(INSIDE).is_some() {
        return on_ramfs();
    }
    if !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|s| s.success()) {
        return not_run("no direct writes: needs root and unshare");
    }
    let output = Command::new("unshare")
        .arg("-m")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "direct::a_file_system_without_direct_writes_does_as_well"])
        .args(["--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

fn on_ramfs() {
    let directory = tempfile::tempdir().unwrap();
    let mounted =
        Command::new("mount").args(["-t", "ramfs", "ramfs"]).arg(directory.path()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return not_run("no direct writes: ramfs cannot be mounted");
    }
    write_there(directory.path());
    let unmounted = Command::new("umount").arg(directory.path()).status().unwrap();
    assert!(unmounted.success(), "a file is still open");
}

fn write_there(directory: &Path) {
    let store = open_at(&directory.join("blobs"));
    run(async move {
        let content = noise(2, (3 << 20) + 5);
        let blob = put(&store, &content).await;
        assert_holds(&store, &blob, &content).await;
    });
}
