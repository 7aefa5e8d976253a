//! What cannot be used is refused in one sentence, and stays as it is.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use gatepass_core::port::CatalogError;
use gatepass_sqlite::{OpenError, SqliteCatalog};
use gatepass_testkit::builders::{path, project_id};
use gatepass_testkit::run;
use rusqlite::Connection;
use tempfile::TempDir;

use super::mount::{make_read_only, on_a_disk};
use super::opening::fill;
use super::{database, newest_schema, open, open_at};

const PAGE: usize = 4_096;

/// A database in use until now.
fn closed() -> (TempDir, PathBuf) {
    let (directory, catalog) = open();
    run(async move { fill(&catalog).await });
    let path = database(directory.path());
    (directory, path)
}

/// The refusal of a file, which is left as it was, with nothing beside it.
fn refusal(path: &Path) -> OpenError {
    let beside = || fs::read_dir(path.parent().unwrap()).unwrap().count();
    let (before, others) = (fs::read(path).unwrap(), beside());
    let error = told(path);
    assert!(fs::read(path).unwrap() == before, "it was changed: {error}");
    assert_eq!(beside(), others, "something was left: {error}");
    error
}

/// The refusal, which is one sentence that names the file.
fn told(path: &Path) -> OpenError {
    let opened = SqliteCatalog::open(path);
    let error = opened.err().unwrap_or_else(|| panic!("it was opened: {}", path.display()));
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    assert!(!text.contains('\n') && text.len() < 300, "{text}");
    error
}

/// The pages of a table.
fn pages_of(path: &Path, table: &str) -> Vec<usize> {
    let connection = Connection::open(path).unwrap();
    let query = "SELECT pageno FROM dbstat WHERE name = ?1";
    let mut statement = connection.prepare(query).unwrap();
    let pages = statement.query_map([table], |row| row.get(0)).unwrap();
    pages.map(Result::unwrap).collect()
}

/// Flips every bit of a page; to do it again heals it.
fn flip(path: &Path, page: usize) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let offset = u64::try_from((page - 1) * PAGE).unwrap();
    let mut bytes = [0; PAGE];
    file.read_exact_at(&mut bytes, offset).unwrap();
    file.write_all_at(&bytes.map(|byte| !byte), offset).unwrap();
}

#[test]
fn what_is_no_database_is_refused() {
    let (_directory, path) = closed();
    let mut headless = fs::read(&path).unwrap();
    headless[..100].fill(b'x');
    for content in [&b"hello"[..], &[0; 5_000], &headless] {
        fs::write(&path, content).unwrap();
        let error = refusal(&path);
        assert!(matches!(error, OpenError::Damaged(_)), "{error:?}");
    }
}

#[test]
fn a_truncated_database_is_refused() {
    let (_directory, path) = closed();
    let whole = fs::read(&path).unwrap();
    for left in [whole.len() - PAGE, whole.len() / 2, 3 * PAGE + 7, PAGE, PAGE - 1, 99, 2] {
        fs::write(&path, &whole[..left]).unwrap();
        let error = refusal(&path);
        assert!(matches!(error, OpenError::Damaged(_)), "{left} bytes: {error:?}");
    }
    fs::write(&path, &whole).unwrap();
    drop(open_at(&path));
}

#[test]
fn flipped_pages_of_the_settings_are_refused() {
    let (_directory, path) = closed();
    for table in ["sqlite_schema", "settings", "projects", "domains", "api_keys"] {
        let pages = pages_of(&path, table);
        assert!(!pages.is_empty(), "{table}");
        for page in pages {
            flip(&path, page);
            let error = refusal(&path);
            assert!(matches!(error, OpenError::Damaged(_)), "{table}, page {page}: {error:?}");
            flip(&path, page);
        }
    }
    drop(open_at(&path));
}

/// To look at all files on each start would take too long: they are looked at when they are used.
#[test]
fn a_flipped_page_of_files_is_an_error_when_it_is_read() {
    let (_directory, database) = closed();
    for page in pages_of(&database, "files") {
        flip(&database, page);
        let catalog = open_at(&database);
        run(async move {
            let found = catalog.find_file(&project_id(), &path("a")).await;
            assert!(matches!(found, Err(CatalogError::Corrupt(_))), "{found:?}");
            assert_eq!(catalog.load_settings().await.unwrap().projects.len(), 1);
            catalog.check().await.unwrap();
        });
    }
}

#[test]
fn the_database_of_another_program_is_refused() {
    for made in [
        "CREATE TABLE notes (note TEXT)",
        "PRAGMA application_id = 7; CREATE TABLE notes (note TEXT)",
        "PRAGMA application_id = 7",
        "PRAGMA user_version = 1",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = database(directory.path());
        Connection::open(&path).unwrap().execute_batch(made).unwrap();
        let error = refusal(&path);
        assert!(matches!(error, OpenError::Foreign(_)), "{made}: {error:?}");
    }
}

#[test]
fn the_database_of_a_newer_version_is_refused() {
    let (_directory, path) = closed();
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = refusal(&path);
    let OpenError::Newer { found, known, .. } = error else { panic!("{error:?}") };
    assert_eq!((found, known), (99, newest_schema()));
    assert!(error.to_string().contains("schema 99"), "{error}");
}

#[test]
fn where_no_file_can_be_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let is_directory = directory.path().join("directory");
    fs::create_dir(&is_directory).unwrap();
    for path in [is_directory, directory.path().join("missing/gatepass.db")] {
        let error = told(&path);
        assert!(matches!(error, OpenError::Failed { .. }), "{error:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "something was made");
}

#[test]
fn what_cannot_be_written_is_refused() {
    on_a_disk("damage::what_cannot_be_written_is_refused", "16m", |directory| {
        let path = database(directory);
        drop(open_at(&path));
        make_read_only(directory);
        for path in [path, directory.join("new.db")] {
            let error = told(&path);
            assert!(matches!(error, OpenError::Failed { .. }), "{error:?}");
        }
    });
}
