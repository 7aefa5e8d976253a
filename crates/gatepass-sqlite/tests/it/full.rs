//! No room left: on a disk of 24 MiB, of which 18 are taken until there is room again. (What is in the
//! journal alone needs as much again in the database.)

use std::fs;
use std::path::Path;

use futures_util::future::join_all;
use gatepass_core::port::{CatalogError, PublishError};
use gatepass_core::publication::{NewFile, Publication};
use gatepass_testkit::builders::{new_file, noise, time};
use gatepass_testkit::catalog::{Subject, add_project, find, list, publish};
use gatepass_testkit::run;
use rusqlite::Connection;

use super::mount::on_a_disk;
use super::{database, open_at};

#[test]
fn a_full_disk_is_told_and_works_again_when_there_is_room() {
    let test = "full::a_full_disk_is_told_and_works_again_when_there_is_room";
    on_a_disk(test, "24m", |directory| {
        let ballast = directory.join("ballast");
        fs::write(&ballast, noise(1, 18 << 20)).unwrap();
        fill_and_free(directory, ballast.as_path());
        let connection = Connection::open(database(directory)).unwrap();
        let verdict = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
        assert_eq!(verdict, Ok("ok".to_owned()));
    });
}

fn fill_and_free(directory: &Path, ballast: &Path) {
    let catalog = open_at(&database(directory));
    let (path, ballast) = (database(directory), ballast.to_owned());
    run(async move {
        add_project(&catalog).await;
        publish(&catalog, new_file("kept", time(1))).await;
        let alone = one_by_one(&catalog).await;
        let together = many_at_once(&catalog).await;
        assert!(find(&catalog, "kept").await.is_some());

        drop(catalog);
        let catalog = open_at(&path);
        assert_exact(&catalog, "alone/", &alone).await;
        assert_exact(&catalog, "together/", &together).await;
        fs::remove_file(ballast).unwrap();
        assert_listed(&catalog, "alone/", &alone).await;
        assert_listed(&catalog, "together/", &together).await;
        publish(&catalog, large("healed")).await;
        assert!(find(&catalog, "healed").await.is_some());
    });
}

/// A file whose row takes 60 kB.
fn large(at: &str) -> NewFile {
    let metadata = [("note".to_owned(), "x".repeat(60_000))].into();
    NewFile { metadata, ..new_file(at, time(2)) }
}

fn is_told(made: &Result<Publication, PublishError>) -> bool {
    matches!(made, Err(PublishError::Catalog(CatalogError::Full(_) | CatalogError::Unavailable(_))))
}

/// Until there is no room; which of them were made.
async fn one_by_one(catalog: &Subject) -> Vec<bool> {
    let mut all = Vec::new();
    loop {
        assert!(all.len() < 1_000, "the disk does not become full");
        let made = catalog.publish(large(&format!("alone/{}", all.len()))).await;
        all.push(made.is_ok());
        if let Err(error) = made {
            let full = matches!(error, PublishError::Catalog(CatalogError::Full(_)));
            assert!(full, "{error:?}");
            break;
        }
    }
    assert!(all.len() > 10, "it was full from the start");
    assert_exact(catalog, "alone/", &all).await;
    all
}

/// A group that is more than SQLite keeps in memory: the disk is full in the middle of it.
async fn many_at_once(catalog: &Subject) -> Vec<bool> {
    let changes = (0..150).map(|number| catalog.publish(large(&format!("together/{number}"))));
    let made = join_all(changes).await;
    assert!(made.iter().all(|made| made.is_ok() || is_told(made)), "{made:?}");
    let all: Vec<bool> = made.iter().map(Result::is_ok).collect();
    assert!(all.contains(&false), "there was room for all");
    assert_exact(catalog, "together/", &all).await;
    all
}

/// What was made is there, and nothing else.
async fn assert_exact(catalog: &Subject, prefix: &str, made: &[bool]) {
    for (number, made) in made.iter().enumerate() {
        let at = format!("{prefix}{number}");
        assert_eq!(find(catalog, &at).await.is_some(), *made, "{at}");
    }
}

/// A list waits for what is in the journal alone, which may need room.
async fn assert_listed(catalog: &Subject, prefix: &str, made: &[bool]) {
    let count = made.iter().filter(|made| **made).count();
    assert_eq!(list(catalog, prefix, 0, 1).await.1, u64::try_from(count).unwrap());
}
