//! Other processes that work on the same file.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gatepass_core::condition::Conditions;
use gatepass_core::file_change::{Edit, FileChange};
use gatepass_core::port::{CatalogError, ChangeFile, PublishError, RemoveError};
use gatepass_core::project::SettingsChange;
use gatepass_sqlite::{OpenError, SqliteCatalog};
use gatepass_testkit::builders::{new_file, path, project, project_id, time};
use gatepass_testkit::catalog::{Subject, add_project, find, list, publish};
use gatepass_testkit::run;
use rusqlite::Connection;

use super::{database, lock, open, open_at};

/// Far more than the 5 seconds that a change waits.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether every kind of change but a publication says that it could not be made now.
async fn assert_unavailable(catalog: &Subject) {
    let began = Instant::now();
    let (project_id, at) = (project_id(), path("a"));
    let none = Conditions::default();
    let (changed, removed, checked) = tokio::join!(
        catalog.change_settings(vec![SettingsChange::PutProject(project())]),
        catalog.remove_file(&project_id, &at, &none, time(2)),
        catalog.check(),
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
        list(&catalog, "", 0, 1).await;
        let version = catalog.settings_version().await.unwrap();
        let lock = lock(&database(directory.path()));
        tokio::join!(assert_unavailable(&catalog), assert_readable(&catalog));
        assert_readable(&catalog).await;
        drop(lock);

        assert!(find(&catalog, "a").await.is_some(), "a change was made although it failed");
        assert_eq!(catalog.settings_version().await.unwrap(), version);
        catalog.check().await.unwrap();
    });
}

/// They are durable in the journal; the database gets them when it can.
#[test]
fn publications_do_not_wait_for_a_lock() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let locked = lock(&database(directory.path()));
        for second in 1..4 {
            publish(&catalog, new_file("a", time(second))).await;
            assert_eq!(find(&catalog, "a").await.unwrap().updated, time(second));
        }
        let id = find(&catalog, "a").await.unwrap().id;
        let found = catalog.find_file_by_id(&project_id(), &id).await.unwrap().unwrap();
        assert_eq!(found.updated, time(3));
        drop(locked);
        assert_eq!(list(&catalog, "", 0, 9).await.1, 1);
        drop(catalog);
        let again = open_at(&database(directory.path()));
        assert_eq!(find(&again, "a").await.unwrap().updated, time(3));
    });
}

/// As many as may be in the journal alone; then they are refused, and nothing is lost.
#[test]
fn publications_are_refused_before_too_many_wait() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let locked = lock(&database(directory.path()));
        let changes =
            (0..5_000).map(|number| catalog.publish(new_file(&number.to_string(), time(1))));
        let made = join_all(changes).await;
        let refused = |made: &Result<_, _>| {
            matches!(made, Err(PublishError::Catalog(CatalogError::Unavailable(_))))
        };
        assert!(made.iter().all(|made| made.is_ok() || refused(made)));
        let published = made.iter().filter(|made| made.is_ok()).count();
        assert!((4_000..5_000).contains(&published), "{published}");
        drop(locked);
        let total = u64::try_from(published).unwrap();
        assert_eq!(list(&catalog, "", 0, 1).await.1, total);
        publish(&catalog, new_file("healed", time(2))).await;
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
        assert_eq!(list(&catalog, "", 0, 1).await.1, 50);
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
        assert_eq!(server.settings_version().await.unwrap(), version + 1);
        publish(&server, new_file("a", time(1))).await;
        assert_eq!(list(&server, "", 0, 1).await.1, 1);
        assert!(find(&command, "a").await.is_some());
    });
}

#[test]
fn one_process_publishes() {
    let (directory, server) = open();
    run(async move {
        add_project(&server).await;
        let command = open_at(&database(directory.path()));
        let refused = command.publish(new_file("a", time(1))).await.unwrap_err();
        let unavailable = PublishError::Catalog(CatalogError::Unavailable("".into()));
        assert_eq!(refused.to_string(), unavailable.to_string());
        drop(server);
        // It was open before the other had gone.
        assert!(command.publish(new_file("a", time(1))).await.is_err());
        drop(command);
        let server = open_at(&database(directory.path()));
        publish(&server, new_file("a", time(1))).await;
    });
}

/// A command beside a server sees, and may change, what was acknowledged before it asked, although
/// it is in the journal alone at that moment.
#[test]
fn another_process_waits_for_what_was_published() {
    let (directory, server) = open();
    run(async move {
        add_project(&server).await;
        let command = open_at(&database(directory.path()));
        for number in 0..50 {
            let at = number.to_string();
            let file = publish(&server, new_file(&at, time(1))).await.file;
            match number % 4 {
                0 => assert_eq!(find(&command, &at).await, Some(file)),
                1 => assert_eq!(list(&command, &at, 0, 1).await.1, 1),
                2 => {
                    let none = Conditions::default();
                    let (project, place) = (project_id(), path(&at));
                    let removed = command.remove_file(&project, &place, &none, time(2)).await;
                    assert_eq!(removed.unwrap(), file);
                }
                _ => {
                    let found = command.find_file_by_id(&project_id(), &file.id).await.unwrap();
                    assert_eq!(found, Some(file));
                }
            }
        }
    });
}

/// The server decides on what it knows while the command changes the same file. Whichever comes
/// first, both take place, and the journal goes on.
#[test]
fn changes_of_another_process_meet_publications() {
    let (directory, server) = open();
    run(async move {
        add_project(&server).await;
        let command = open_at(&database(directory.path()));
        for number in 0..60_u64 {
            let (at, elsewhere) = (number.to_string(), format!("moved/{number}"));
            let first = publish(&server, new_file(&at, time(1))).await.file;
            list(&command, "", 0, 1).await;
            let second = server.publish(new_file(&at, time(2)));
            let none = Conditions::default();
            let (project, place) = (project_id(), path(&at));
            if number % 2 == 0 {
                let removed = command.remove_file(&project, &place, &none, time(3));
                let (second, _removed) = tokio::join!(second, removed);
                second.unwrap();
            } else {
                let folder = Edit::Set("moved".to_owned());
                let change = FileChange { folder, ..FileChange::default() };
                let within = String::new();
                let moved = command.change_file(ChangeFile {
                    project: project.clone(),
                    id: first.id.clone(),
                    within,
                    change,
                    conditions: none.clone(),
                    now: time(3),
                });
                let (second, _moved) = tokio::join!(second, moved);
                second.unwrap();
            }
            let total = list(&server, &at, 0, 9).await.1 + list(&server, &elsewhere, 0, 9).await.1;
            assert!(total <= 2, "{at}");
        }
        publish(&server, new_file("last", time(4))).await;
        assert_eq!(list(&server, "last", 0, 1).await.1, 1, "it goes on");
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
