//! Other processes that work on the same file.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gatepass_core::condition::Conditions;
use gatepass_core::port::{CatalogError, PublishError, RemoveError};
use gatepass_core::project::SettingsChange;
use gatepass_sqlite::{OpenError, SqliteCatalog};
use gatepass_testkit::builders::{new_file, path, project, project_id, time};
use gatepass_testkit::catalog::{Subject, add_project, find, list, publish};
use gatepass_testkit::run;
use rusqlite::Connection;

use super::{database, lock, open, open_at};

/// Far more than the 5 seconds that a change waits.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether every kind of change says that it could not be made now.
async fn assert_unavailable(catalog: &Subject) {
    let began = Instant::now();
    let (project_id, at) = (project_id(), path("a"));
    let none = Conditions::default();
    let (published, changed, removed, checked) = tokio::join!(
        catalog.publish(new_file("new", time(2))),
        catalog.change_settings(vec![SettingsChange::PutProject(project())]),
        catalog.remove_file(&project_id, &at, &none, time(2)),
        catalog.check(),
    );
    assert!(
        matches!(published, Err(PublishError::Catalog(CatalogError::Unavailable(_)))),
        "{published:?}"
    );
    assert!(matches!(changed, Err(CatalogError::Unavailable(_))), "{changed:?}");
    assert!(
        matches!(removed, Err(RemoveError::Catalog(CatalogError::Unavailable(_)))),
        "{removed:?}"
    );
    assert!(matches!(checked, Err(CatalogError::Unavailable(_))), "{checked:?}");
    assert!(began.elapsed() < PATIENCE);
}

async fn assert_readable(catalog: &Subject) {
    for _ in 0..20 {
        assert!(find(catalog, "a").await.is_some());
        assert_eq!(list(catalog, "", 0, 9).await.1, 1);
        catalog.load_settings().await.unwrap();
    }
}

#[test]
fn a_lock_that_stays_makes_changes_unavailable_and_nothing_else() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        publish(&catalog, new_file("a", time(1))).await;
        let version = catalog.settings_version().await.unwrap();
        let lock = lock(&database(directory.path()));
        tokio::join!(assert_unavailable(&catalog), assert_readable(&catalog));
        assert_readable(&catalog).await;
        drop(lock);

        assert!(find(&catalog, "new").await.is_none(), "a change was made although it failed");
        assert_eq!(catalog.settings_version().await.unwrap(), version);
        catalog.check().await.unwrap();
        publish(&catalog, new_file("new", time(3))).await;
        assert!(find(&catalog, "new").await.is_some());
    });
}

#[test]
fn a_lock_that_goes_in_time_is_not_noticed() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let lock = lock(&database(directory.path()));
        let changes = (0..20).map(|number| catalog.publish(new_file(&number.to_string(), time(1))));
        let unlock = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            drop(lock);
        };
        let (made, ()) = tokio::join!(join_all(changes), unlock);
        for made in made {
            made.unwrap();
        }
    });
}

#[test]
fn opening_waits_and_then_says_so() {
    let (directory, catalog) = open();
    drop(catalog);
    let path = database(directory.path());
    let lock = lock(&path);
    let error = SqliteCatalog::open(&path).err().unwrap();
    assert!(matches!(error, OpenError::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("locked"), "{error}");
    drop(lock);
    drop(open_at(&path));
}

/// Reads from one moment while the writer goes on.
#[test]
fn a_long_read_of_another_process_stops_nothing() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let reader = Connection::open(database(directory.path())).unwrap();
        let count = || {
            let query = "SELECT count(*) FROM files";
            reader.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count(), 0);
        for number in 0..50 {
            publish(&catalog, new_file(&number.to_string(), time(1))).await;
        }
        assert_eq!(count(), 0);
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(count(), 50);
    });
}

#[test]
fn what_another_process_changes_is_seen() {
    let (directory, server) = open();
    run(async move {
        add_project(&server).await;
        let command = open_at(&database(directory.path()));
        let version = server.settings_version().await.unwrap();
        add_project(&command).await;
        publish(&command, new_file("a", time(1))).await;
        assert_eq!(server.settings_version().await.unwrap(), version + 1);
        assert!(find(&server, "a").await.is_some());
        drop(command);
        publish(&server, new_file("b", time(1))).await;
    });
}

/// Set in the process that is to lock a database: its path.
const LOCKS: &str = "GATEPASS_TEST_LOCKS";

/// Another process that holds the write lock, and has written something.
fn lock_elsewhere(database: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "busy::the_lock_of_a_killed_process_is_gone"])
        .args(["--nocapture", "--test-threads=1"])
        .env(LOCKS, database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let locked = lines.map(Result::unwrap).any(|line| line.contains("it is locked"));
    assert!(locked);
    child
}

/// Until it is killed, or the test is gone.
fn hold_lock(database: &Path) {
    let connection = lock(database);
    connection.execute_batch("UPDATE settings SET version = 1000000").unwrap();
    std::io::stdout().write_all(b"it is locked\n").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn the_lock_of_a_killed_process_is_gone() {
    if let Some(database) = std::env::var_os(LOCKS) {
        return hold_lock(Path::new(&database));
    }
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let version = catalog.settings_version().await.unwrap();
        let mut other = lock_elsewhere(&database(directory.path()));
        let refused = catalog.check().await;
        assert!(matches!(refused, Err(CatalogError::Unavailable(_))), "{refused:?}");
        assert_eq!(catalog.settings_version().await.unwrap(), version);
        other.kill().unwrap();
        other.wait().unwrap();
        catalog.check().await.unwrap();
        assert_eq!(catalog.settings_version().await.unwrap(), version);
        add_project(&catalog).await;
    });
}
