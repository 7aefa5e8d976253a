use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use gatepass_testkit::run;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use tempfile::TempDir;

use super::*;
use crate::connection::{catalog_error, open_reader, open_writer};

type Waiting = BoxFuture<'static, Result<(), CatalogError>>;

/// A writer on a table of its own, what counts its transactions, and the directory of both.
fn start() -> (TempDir, Arc<Writer>, Arc<AtomicU32>) {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open_writer(&database(&directory)).unwrap();
    connection.execute("CREATE TABLE notes (note TEXT NOT NULL UNIQUE)", []).unwrap();
    let commits = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&commits);
    let count = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, "COMMIT") = event {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(count)).unwrap();
    let reader = open_reader(&database(&directory)).unwrap();
    let writer = Writer::spawn(connection, reader, Cache::default(), None).unwrap();
    (directory, Arc::new(writer), commits)
}

fn database(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("gatepass.db")
}

/// The notes that are durable, in order.
fn notes(directory: &TempDir) -> String {
    let connection = Connection::open(database(directory)).unwrap();
    let query =
        "SELECT coalesce(group_concat(note, ' '), '') FROM (SELECT note FROM notes ORDER BY rowid)";
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

/// Another process's transaction: as long as it is there, changes wait.
fn lock(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

fn add(connection: &Connection, note: &str) -> Result<(), CatalogError> {
    let added = connection.execute("INSERT INTO notes (note) VALUES (?1)", [note]);
    added.map(drop).map_err(catalog_error)
}

/// A change that waits in the queue when this returns, unless it was made at once.
fn begin(
    writer: &Arc<Writer>,
    change: impl FnOnce(&Connection) -> Result<(), CatalogError> + Send + 'static,
) -> Waiting {
    let writer = Arc::clone(writer);
    let mut waiting = async move { writer.change(change).await }.boxed();
    assert!((&mut waiting).now_or_never().is_none(), "it did not wait for the lock");
    waiting
}

#[test]
fn changes_that_wait_share_a_transaction_and_keep_their_order() {
    let (directory, writer, commits) = start();
    run(async move {
        let lock = lock(&database(&directory));
        let mut waiting = Vec::new();
        for number in 0..200 {
            let change = move |connection: &_| add(connection, &number.to_string());
            waiting.push(begin(&writer, change));
        }
        drop(lock);
        for made in join_all(waiting).await {
            made.unwrap();
        }
        let wanted: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        assert_eq!(notes(&directory), wanted.join(" "));
        // The first to come may have been alone when the writer looked.
        let commits = commits.load(Ordering::Relaxed);
        assert!((1..=2).contains(&commits), "{commits} transactions");
    });
}

#[test]
fn what_fails_or_panics_undoes_itself_and_no_neighbour() {
    let (directory, writer, commits) = start();
    run(async move {
        let lock = lock(&database(&directory));
        let first = begin(&writer, |connection| add(connection, "first"));
        let refuses = begin(&writer, |connection| {
            add(connection, "refused")?;
            Err(unavailable("it has thought again"))
        });
        let second = begin(&writer, |connection| add(connection, "second"));
        let panics = begin(&writer, |connection| {
            add(connection, "panicked")?;
            panic!("as the test wants it")
        });
        let violates = begin(&writer, |connection| {
            add(connection, "violated")?;
            add(connection, "first")
        });
        let third = begin(&writer, |connection| add(connection, "third"));
        drop(lock);

        for fails in [refuses, panics, violates] {
            assert!(matches!(fails.await, Err(CatalogError::Unavailable(_))));
        }
        for stays in [first, second, third] {
            stays.await.unwrap();
        }
        assert_eq!(notes(&directory), "first second third");
        assert!(commits.load(Ordering::Relaxed) <= 2, "they were no neighbours");
        writer.change(|connection| add(connection, "later")).await.unwrap();
        assert_eq!(notes(&directory), "first second third later");
    });
}

/// As SQLite does by itself when the disk is full in the middle of a statement.
#[test]
fn when_the_transaction_is_lost_nothing_of_the_group_is_made() {
    let (directory, writer, _) = start();
    run(async move {
        let lock = lock(&database(&directory));
        let before = begin(&writer, |connection| add(connection, "before"));
        let loses = begin(&writer, |connection| {
            add(connection, "lost")?;
            connection.execute_batch("ROLLBACK").map_err(catalog_error)?;
            Err(CatalogError::Full("as the test wants it".into()))
        });
        let after = begin(&writer, |connection| add(connection, "after"));
        drop(lock);

        let made = join_all([before, loses, after]).await;
        let made: Vec<bool> = made.iter().map(Result::is_ok).collect();
        let wanted: String = ["before", "lost", "after"]
            .into_iter()
            .zip(&made)
            .filter_map(|(note, made)| made.then_some(note))
            .collect::<Vec<_>>()
            .join(" ");
        assert!(!made[1] && !made[2], "{made:?}");
        assert_eq!(notes(&directory), wanted, "{made:?}");
        writer.change(|connection| add(connection, "later")).await.unwrap();
    });
}

#[test]
fn a_change_whose_caller_went_away_is_made() {
    let (directory, writer, _) = start();
    run(async move {
        let lock = lock(&database(&directory));
        drop(begin(&writer, |connection| add(connection, "orphan")));
        drop(lock);
        writer.change(|connection| add(connection, "next")).await.unwrap();
        assert_eq!(notes(&directory), "orphan next");
    });
}

#[test]
fn what_waits_is_made_before_the_writer_ends() {
    let (directory, writer, _) = start();
    run(async move {
        let lock = lock(&database(&directory));
        let mut waiting = Vec::new();
        for number in 0..9 {
            let change = move |connection: &_| add(connection, &number.to_string());
            waiting.push(begin(&writer, change));
        }
        drop(waiting);
        let ends = tokio::task::spawn_blocking(move || drop(writer));
        drop(lock);
        ends.await.unwrap();
        assert_eq!(notes(&directory), "0 1 2 3 4 5 6 7 8");
    });
}

/// Not only that its change was not made.
#[test]
fn whoever_is_not_served_learns_why() {
    let (directory, writer, _) = start();
    run(async move {
        let lock = lock(&database(&directory));
        let refused = begin(&writer, |connection| add(connection, "never")).await;
        let Err(CatalogError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.to_string().contains("locked"), "{reason}");
        drop(lock);
        assert_eq!(notes(&directory), "");
    });
}
