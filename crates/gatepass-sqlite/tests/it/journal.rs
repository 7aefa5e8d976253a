//! What is in the journal and not in the database: after a crash it is there, up to the first record
//! that is not whole.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gatepass_core::Payload;
use gatepass_core::publication::NewFile;
use gatepass_sqlite::OpenError;
use gatepass_sqlite::SqliteCatalog;
use gatepass_testkit::builders::{new_file, noise, path, project_id, time};
use gatepass_testkit::catalog::{Subject, add_project, find, list, publish, read};
use gatepass_testkit::{eventually, run};
use tempfile::TempDir;

use super::{database, lock, open, open_at};

/// So many, one after the other, that room is written ahead of them.
const FILES: u64 = 9;

fn small(at: &str, length: usize) -> NewFile {
    let bytes = noise(u64::try_from(length).unwrap(), length);
    NewFile { payload: Payload::Inline(bytes), size: length as u64, ..new_file(at, time(1)) }
}

async fn content(catalog: &Subject, at: &str) -> Option<Bytes> {
    read(catalog, at).await.map(|(_, bytes)| bytes.unwrap())
}

/// As a kill leaves it: files in the journal alone, and where the record of each ends.
fn crashed() -> (TempDir, Vec<u64>) {
    let (directory, catalog) = open();
    let after = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().to_owned(), after.path().to_owned());
    let ends = run_to_end(async move {
        add_project(&catalog).await;
        publish(&catalog, small("settled", 99)).await;
        list(&catalog, "", 0, 1).await;
        let locked = lock(&database(&from));
        let mut ends = Vec::new();
        for number in 0..FILES {
            publish(&catalog, small(&number.to_string(), 100)).await;
            ends.push(end_of_records(&segment(&from)));
        }
        copy(&from, &to);
        drop(locked);
        ends
    });
    (after, ends)
}

fn run_to_end<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    run(async move { sender.send(future.await).unwrap() });
    receiver.recv().unwrap()
}

fn segment(directory: &Path) -> PathBuf {
    directory.join("journal/0000000001")
}

/// Behind it there is room, which is zero.
fn end_of_records(segment: &Path) -> u64 {
    let bytes = fs::read(segment).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("journal")).unwrap();
    for name in ["gatepass.db", "gatepass.db-wal", "journal/0000000001"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// That the first so many are there, and no others; and that what comes next stays as well.
fn assert_first(directory: &Path, files: u64) {
    let path = database(directory);
    run(async move {
        let catalog = open_at(&path);
        assert_content(&catalog, files).await;
        publish(&catalog, small("next", 70)).await;
        drop(catalog);
        let again = open_at(&path);
        assert_content(&again, files).await;
        assert_eq!(content(&again, "next").await, Some(noise(70, 70)));
        assert_eq!(list(&again, "", 0, 1).await.1, files + 2);
    });
}

async fn assert_content(catalog: &Subject, files: u64) {
    assert_eq!(content(catalog, "settled").await, Some(noise(99, 99)));
    for number in 0..FILES {
        let wanted = (number < files).then(|| noise(100, 100));
        assert_eq!(content(catalog, &number.to_string()).await, wanted, "{number} of {files}");
    }
}

#[test]
fn everything_is_there_after_a_crash() {
    let (directory, _) = crashed();
    assert_first(directory.path(), FILES);
}

#[test]
fn a_record_that_is_not_whole_ends_it() {
    let (crashed, ends) = crashed();
    for (number, end) in ends.iter().enumerate() {
        let files = u64::try_from(number).unwrap();
        for cut in [end - 1, end - 100, end - 101, end - 400] {
            let directory = tempfile::tempdir().unwrap();
            copy(crashed.path(), directory.path());
            let file = fs::OpenOptions::new().write(true).open(segment(directory.path())).unwrap();
            file.set_len(cut).unwrap();
            assert_first(directory.path(), files);
        }
    }
}

#[test]
fn a_record_that_was_changed_ends_it() {
    let (crashed, ends) = crashed();
    for (number, end) in ends.iter().enumerate() {
        let files = u64::try_from(number).unwrap();
        for at in [end - 1, end - 101, end - 400] {
            let directory = tempfile::tempdir().unwrap();
            copy(crashed.path(), directory.path());
            let mut bytes = fs::read(segment(directory.path())).unwrap();
            bytes[usize::try_from(at).unwrap()] ^= 1;
            fs::write(segment(directory.path()), bytes).unwrap();
            assert_first(directory.path(), files);
        }
    }
}

/// The thread that settles sleeps while nothing is asked of it.
#[test]
fn what_was_published_reaches_the_database_though_nothing_follows() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let connection = rusqlite::Connection::open(database(directory.path())).unwrap();
        for number in 1..=5_i64 {
            publish(&catalog, small(&number.to_string(), 100)).await;
            let rows = async || {
                let rows = "SELECT count(*) FROM files";
                connection.query_row(rows, [], |row| row.get::<_, i64>(0)).unwrap() == number
            };
            eventually("the row of what was published", rows).await;
        }
    });
}

/// A database that was brought back from earlier gets everything again.
#[test]
fn a_database_older_than_its_journal_catches_up() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        drop(catalog);
        let earlier = fs::read(database(directory.path())).unwrap();
        let catalog = open_at(&database(directory.path()));
        for number in 0..1_000 {
            publish(&catalog, small(&number.to_string(), 100)).await;
        }
        drop(catalog);
        fs::write(database(directory.path()), earlier).unwrap();
        let catalog = open_at(&database(directory.path()));
        assert_eq!(list(&catalog, "", 0, 1).await.1, 1_000);
        assert!(find(&catalog, "999").await.is_some());
    });
}

#[test]
fn a_journal_that_is_gone_is_told() {
    let (crashed, _) = crashed();
    fs::remove_file(segment(crashed.path())).unwrap();
    let refused = SqliteCatalog::open(&database(crashed.path())).err().unwrap();
    assert!(matches!(refused, OpenError::Journal { .. }), "{refused:?}");
    assert!(refused.to_string().contains("journal"), "{refused}");
}

/// The rows of earlier versions have their bytes with them.
#[test]
fn bytes_that_an_earlier_version_has_kept_are_read_and_go_with_their_file() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        for at in ["read", "replaced", "removed"] {
            publish(&catalog, small(at, 100)).await;
        }
        drop(catalog);
        let connection = rusqlite::Connection::open(database(directory.path())).unwrap();
        let earlier = "INSERT INTO contents SELECT number, cast('abc' AS BLOB) FROM files;
             UPDATE files SET segment = NULL, place = NULL, size = 3;";
        connection.execute_batch(earlier).unwrap();
        let catalog = open_at(&database(directory.path()));
        assert_eq!(content(&catalog, "read").await, Some(Bytes::from_static(b"abc")));
        publish(&catalog, small("replaced", 50)).await;
        let any = gatepass_core::condition::Conditions::default();
        catalog.remove_file(&project_id(), &path("removed"), &any, time(2)).await.unwrap();
        assert_eq!(content(&catalog, "replaced").await, Some(noise(50, 50)));
        let left = "SELECT count(*) FROM contents";
        let left: i64 = connection.query_row(left, [], |row| row.get(0)).unwrap();
        assert_eq!(left, 1);
    });
}

/// Sizes around what is large, of whole pages and of others.
const MIX: [usize; 8] = [100, 70_000, 5_000, 65_536, 65_537, 262_144, 900, 300_001];

/// Large files bypass the system's cache, small ones do not: in one segment they follow one another,
/// one at a time and many in one group.
#[test]
fn large_files_and_small_ones_follow_one_another() {
    let after = tempfile::tempdir().unwrap();
    let to = after.path().to_owned();
    run(async move {
        let (directory, catalog) = open();
        add_project(&catalog).await;
        list(&catalog, "", 0, 1).await;
        let locked = lock(&database(directory.path()));
        for length in MIX {
            publish(&catalog, small(&format!("one/{length}"), length)).await;
            assert_eq!(
                content(&catalog, &format!("one/{length}")).await,
                Some(noise(length as u64, length))
            );
        }
        let all = MIX.map(|length| publish(&catalog, small(&format!("all/{length}"), length)));
        futures_util::future::join_all(all).await;
        copy(directory.path(), &to);
        drop(locked);
    });
    let path = database(after.path());
    run(async move {
        for round in 0..2 {
            let catalog = open_at(&path);
            for length in MIX {
                for at in ["one", "all"] {
                    let found = content(&catalog, &format!("{at}/{length}")).await;
                    assert!(found == Some(noise(length as u64, length)), "{at}/{length} {round}");
                }
            }
            publish(&catalog, small("next", 70_001)).await;
            assert!(content(&catalog, "next").await == Some(noise(70_001, 70_001)));
        }
    });
}

/// A large file's record ends with a page, and what comes next leaves that page as it is.
#[test]
fn a_large_record_ends_with_a_page() {
    let (directory, catalog) = open();
    let segment = segment(directory.path());
    run(async move {
        add_project(&catalog).await;
        for length in [70_000, 99_999, 131_072] {
            publish(&catalog, small("small", 10)).await;
            publish(&catalog, small("large", length)).await;
            let bytes = fs::read(&segment).unwrap();
            let tail = &noise(length as u64, length)[length - 1_000..];
            let end = bytes.windows(1_000).rposition(|window| window == tail).unwrap() + 1_000;
            assert_eq!(end % 4_096, 0, "{length}");
        }
    });
}
