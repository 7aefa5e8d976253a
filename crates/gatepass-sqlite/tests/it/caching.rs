//! What is kept of files that were read is never older than what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatepass_core::Payload;
use gatepass_core::port::Catalog;
use gatepass_core::publication::NewFile;
use gatepass_testkit::builders::{new_file, time};
use gatepass_testkit::catalog::{add_project, list, publish, read};
use gatepass_testkit::run;
use rusqlite::Connection;

use super::{database, open};

/// A file whose content is a number.
fn numbered(at: &str, number: u64) -> NewFile {
    let bytes = Bytes::copy_from_slice(&number.to_le_bytes());
    NewFile { payload: Payload::Inline(bytes), size: 8, ..new_file(at, time(1)) }
}

async fn number(catalog: &Arc<dyn Catalog>, at: &str) -> Option<u64> {
    let (_, bytes) = read(catalog, at).await?;
    Some(u64::from_le_bytes(bytes.unwrap()[..].try_into().unwrap()))
}

/// Readers beside a writer: whoever asks after an acknowledgement gets that version or a later one.
#[test]
fn nothing_older_than_what_was_acknowledged_is_read() {
    let (_directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        publish(&catalog, numbered("a", 0)).await;
        let (acknowledged, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (catalog, acknowledged) = (Arc::clone(&catalog), Arc::clone(&acknowledged));
                let done = Arc::clone(&done);
                tokio::spawn(async move {
                    let mut reads = 0;
                    while !done.load(Ordering::SeqCst) {
                        let least = acknowledged.load(Ordering::SeqCst);
                        let found = number(&catalog, "a").await.unwrap();
                        assert!(found >= least, "{found} after {least}");
                        reads += 1;
                        tokio::task::yield_now().await;
                    }
                    reads
                })
            })
            .collect();
        for version in 1..400 {
            publish(&catalog, numbered("a", version)).await;
            acknowledged.store(version, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            assert!(reader.await.unwrap() > 0);
        }
    });
}

async fn eventually(catalog: &Arc<dyn Catalog>, wanted: Option<u64>) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while number(catalog, "a").await != wanted {
        assert!(Instant::now() < deadline, "never {wanted:?}");
        catalog.settings_version().await.unwrap();
    }
}

/// What another process has changed shows when the settings are next looked at.
#[test]
fn changes_of_another_process_are_noticed() {
    let (directory, ours) = open();
    run(async move {
        add_project(&ours).await;
        publish(&ours, numbered("a", 1)).await;
        publish(&ours, numbered("b", 2)).await;
        list(&ours, "", 0, 9).await;
        assert_eq!(number(&ours, "a").await, Some(1));
        let theirs = Connection::open(database(directory.path())).unwrap();
        let swap = "UPDATE files SET (segment, place) = \
                        (SELECT segment, place FROM files WHERE path = 'b') WHERE path = 'a'";
        theirs.execute(swap, []).unwrap();
        eventually(&ours, Some(2)).await;
        theirs.execute("DELETE FROM files WHERE path = 'a'", []).unwrap();
        eventually(&ours, None).await;
    });
}
