//! Room in the journal.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use futures_util::StreamExt as _;
use gatepass_core::condition::Conditions;
use gatepass_core::publication::NewFile;
use gatepass_core::{Payload, Record};
use gatepass_testkit::builders::{new_file, noise, path, project_id, time};
use gatepass_testkit::catalog::{Subject, add_project, list, publish, read};
use gatepass_testkit::run;

use super::{database, open, open_at};

const MIB: usize = 1 << 20;
/// More than a segment.
const FILES: u64 = 70;

fn large(at: u64, version: u64) -> NewFile {
    let payload = Payload::Inline(content(at, version));
    NewFile { payload, size: MIB as u64, ..new_file(&at.to_string(), time(version)) }
}

fn content(at: u64, version: u64) -> Bytes {
    noise(1_000 * version + at, MIB)
}

async fn assert_content(catalog: &Subject, at: u64, version: u64) {
    let (_, bytes) = read(catalog, &at.to_string()).await.unwrap();
    assert!(bytes.unwrap() == content(at, version), "{at}");
}

async fn publish_all(catalog: &Subject, version: u64) {
    for at in 0..FILES {
        publish(catalog, large(at, version)).await;
    }
}

async fn remove(catalog: &Subject, at: u64) {
    let (at, any) = (path(&at.to_string()), Conditions::default());
    catalog.remove_file(&project_id(), &at, &any, time(9)).await.unwrap();
}

fn segments(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("journal")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Most of a segment's files go, some by being replaced; the others are moved, before the segment
/// goes, and it goes only after an hour.
#[test]
fn a_sparse_segment_is_emptied_and_goes() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        publish_all(&catalog, 1).await;
        assert_eq!(segments(directory.path()), ["0000000001", "0000000002"]);
        assert_eq!(catalog.give_back_room(time(10)).await.unwrap(), 0, "all of it is in use");
        for at in 0..20 {
            remove(&catalog, at).await;
        }
        for at in 20..40 {
            publish(&catalog, large(at, 2)).await;
        }
        assert_eq!(catalog.give_back_room(time(10)).await.unwrap(), 0);
        assert_eq!(segments(directory.path()).len(), 2, "somebody may read in it");
        assert_eq!(catalog.give_back_room(time(3_609)).await.unwrap(), 0);
        let room = catalog.give_back_room(time(3_611)).await.unwrap();
        assert!((64 << 20..66 << 20).contains(&room), "{room}");
        assert_eq!(segments(directory.path()), ["0000000002"]);
        for at in 20..FILES {
            assert_content(&catalog, at, if at < 40 { 2 } else { 1 }).await;
        }
        drop(catalog);
        let again = open_at(&database(directory.path()));
        assert_eq!(list(&again, "", 0, 1).await.1, FILES - 20);
        for at in 20..FILES {
            assert_content(&again, at, if at < 40 { 2 } else { 1 }).await;
        }
        publish(&again, large(0, 3)).await;
        assert_content(&again, 0, 3).await;
    });
}

#[test]
fn a_segment_without_files_goes_as_well() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        publish_all(&catalog, 1).await;
        for at in 0..FILES {
            remove(&catalog, at).await;
        }
        assert_eq!(catalog.give_back_room(time(10)).await.unwrap(), 0);
        assert!(catalog.give_back_room(time(4_000)).await.unwrap() > 64 << 20);
        assert_eq!(segments(directory.path()), ["0000000002"]);
    });
}

/// However long an export takes, what it has seen at its beginning stays there for it.
#[test]
fn no_segment_goes_while_somebody_exports() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        publish_all(&catalog, 1).await;
        let mut export = catalog.export().await.unwrap();
        let first = export.next().await.unwrap().unwrap();
        publish_all(&catalog, 2).await;
        for now in [10, 4_000] {
            assert_eq!(catalog.give_back_room(time(now)).await.unwrap(), 0);
        }
        let (mut records, mut files) = (first, 0);
        loop {
            files += records.iter().filter(|it| matches!(it, Record::File(_))).count() as u64;
            let Some(next) = export.next().await else { break };
            records = next.unwrap();
        }
        assert_eq!(files, FILES);
        // Now its hour begins.
        assert_eq!(catalog.give_back_room(time(5_000)).await.unwrap(), 0);
        assert!(catalog.give_back_room(time(9_000)).await.unwrap() > 64 << 20);
        assert!(!segments(directory.path()).contains(&"0000000001".to_owned()));
    });
}
