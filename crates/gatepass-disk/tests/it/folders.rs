//! What is in the directory, and that nothing leads out of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use futures_util::{FutureExt as _, StreamExt as _};
use gatepass_core::port::BlobError;
use gatepass_core::{BlobId, ByteRange};
use gatepass_disk::{DiskOptions, DiskStore};
use gatepass_testkit::blob_store::{
    Store, assert_holds, hasher, is_listed, list_all, pour, put, read_first, stage,
};
use gatepass_testkit::builders::{blob_id, noise};
use gatepass_testkit::{eventually, run};

use super::{open, open_at};

/// Where the file of a blob is.
pub(crate) fn file_of(directory: &Path, blob: &BlobId) -> PathBuf {
    let folders = fs::read_dir(directory.join("blobs")).unwrap();
    let mut files = folders.map(|folder| folder.unwrap().path().join(blob.as_str()));
    files.find(|file| file.symlink_metadata().is_ok()).unwrap()
}

fn mode_of(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn nobody_else_can_read_what_is_stored() {
    let (directory, store) = open();
    run(async move {
        let blob = put(&store, &noise(1, 10)).await;
        let file = file_of(directory.path(), &blob);
        assert_eq!(mode_of(&file), 0o600);
        assert_eq!(mode_of(file.parent().unwrap()), 0o700);
        assert_eq!(mode_of(&directory.path().join("blobs")), 0o700);
    });
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let (directory, store) = open();
    run(async move {
        let (small, large) = (noise(2, 10), noise(3, 1 << 20));
        let blobs = (put(&store, &small).await, put(&store, &large).await);
        drop(store);
        let again = open_at(&directory.path().join("blobs"));
        assert_holds(&again, &blobs.0, &small).await;
        assert_holds(&again, &blobs.1, &large).await;
        assert_eq!(list_all(&again).await.len(), 2);
    });
}

/// Links in place of all the folders.
fn link_folders(directory: &Path, target: &Path) {
    for index in 0..256 {
        symlink(target, directory.join("blobs").join(format!("{index:02x}"))).unwrap();
    }
}

#[test]
fn a_link_in_place_of_a_folder_is_refused() {
    let (directory, store) = open();
    let outside = tempfile::tempdir().unwrap();
    run(async move {
        link_folders(directory.path(), outside.path());
        for length in [0, 10, 1 << 20] {
            let mut staging = stage(&store, &blob_id()).await;
            let _ = pour(staging.as_mut(), &noise(4, length)).await;
            assert!(matches!(staging.commit().await, Err(BlobError::Unavailable(_))));
        }
        let victim = blob_id();
        fs::write(outside.path().join(victim.as_str()), "secret").unwrap();
        assert!(matches!(read_first(&store, &victim, 6).await, Err(BlobError::Unavailable(_))));
        assert!(store.delete(&victim).await.is_err());
        assert!(store.list(None).await.is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    });
}

#[test]
fn a_link_in_place_of_a_blob_is_not_followed() {
    let (directory, store) = open();
    run(async move {
        let blob = put(&store, &noise(5, 6)).await;
        let (file, secret) = (file_of(directory.path(), &blob), directory.path().join("secret"));
        fs::write(&secret, "secret").unwrap();
        fs::remove_file(&file).unwrap();
        symlink(&secret, &file).unwrap();
        assert!(read_first(&store, &blob, 6).await.is_err());
        assert!(write(&store, &blob).await.is_err());
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
    });
}

async fn write(store: &Store, blob: &BlobId) -> Result<(), BlobError> {
    let mut staging = store.stage(blob, None, hasher()).await?;
    pour(staging.as_mut(), &noise(6, 100_000)).await?;
    staging.commit().await.map(drop)
}

#[test]
fn what_is_not_ours_is_not_listed() {
    let (directory, store) = open();
    run(async move {
        let blob = put(&store, &noise(7, 10)).await;
        let folder = file_of(directory.path(), &blob).parent().unwrap().to_owned();
        for name in ["README", "lost+found", ".nfs0001", "UPPERCASEUPPERCASEUPPERCAS"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        let list = list_all(&store).await;
        assert_eq!(list.iter().map(|entry| &entry.blob).collect::<Vec<_>>(), [&blob]);
    });
}

#[test]
fn a_reader_goes_on_after_the_blob_is_deleted() {
    let (_directory, store) = open();
    run(async move {
        let content = noise(8, 3 << 20);
        let blob = put(&store, &content).await;
        let range = ByteRange::first(content.len() as u64);
        let mut reader = store.read(&blob, range).await.unwrap();
        let mut found = BytesMut::from(&reader.next().await.unwrap().unwrap()[..]);
        store.delete(&blob).await.unwrap();
        while let Some(piece) = reader.next().await {
            found.extend_from_slice(&piece.unwrap());
        }
        assert!(found == content);
    });
}

#[test]
fn a_cancelled_commit_is_cleared_up() {
    let (_directory, store) = open();
    run(async move {
        for length in [0, 10, 3 << 20] {
            let blob = blob_id();
            let mut staging = stage(&store, &blob).await;
            pour(staging.as_mut(), &noise(9, length)).await.unwrap();
            // Polled once, then dropped.
            assert!(staging.commit().now_or_never().is_none(), "a commit waits for the disk");
            eventually("it is gone", async || !is_listed(&store, &blob).await).await;
        }
    });
}

#[test]
fn a_place_that_is_no_directory_is_refused_in_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    for place in [file.clone(), file.join("below"), directory.path().join("no/parent")] {
        let error = DiskStore::open(&place, DiskOptions::default()).err().unwrap().to_string();
        assert!(error.starts_with("cannot use ") && error.contains(place.to_str().unwrap()));
        assert!(!error.contains('\n'), "{error}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"x");
}
