//! Changes that share a transaction.

use std::fs;
use std::path::Path;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use gatepass_core::ProjectId;
use gatepass_core::port::CatalogError;
use gatepass_core::project::{Domain, Project, SettingsChange};
use gatepass_core::publication::{NewFile, Refusal};
use gatepass_testkit::builders::{domain, new_file, project, time};
use gatepass_testkit::catalog::{add_project, find, list, publish, refusal, retired};
use gatepass_testkit::run;

use super::{database, lock, open};

/// Transactions in the write-ahead log: frames that say how large the database is after them.
fn commits(directory: &Path) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4_096;
    let log = fs::read(directory.join("gatepass.db-wal")).unwrap();
    log[HEADER..].chunks(FRAME).filter(|frame| frame[4..8] != [0; 4]).count()
}

/// Asks for everything while nothing can be written, then lets it be written.
async fn at_once<T>(directory: &Path, mut changes: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let lock = lock(&database(directory));
    for change in &mut changes {
        assert!(change.now_or_never().is_none(), "it did not wait for the lock");
    }
    drop(lock);
    join_all(changes).await
}

#[test]
fn uploads_at_once_share_a_transaction() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let before = commits(directory.path());
        let changes =
            (0..200).map(|number| catalog.publish(new_file(&format!("at/{number}"), time(number))));
        for made in join_all(changes).await {
            made.unwrap();
        }
        assert_eq!(list(&catalog, "at/", 0, 1).await.1, 200);
        // The machine may have stood still for as long as the first of them wait for more.
        let commits = commits(directory.path()) - before;
        assert!((1..=20).contains(&commits), "{commits} transactions");
    });
}

#[test]
fn a_refused_upload_undoes_no_neighbour() {
    let (_directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        publish(&catalog, new_file("taken", time(1))).await;
        let changes = (0..90).map(|number| {
            let new = new_file(&format!("at/{number}"), time(2));
            let new = match number % 3 {
                0 => new,
                1 => NewFile { overwrite: false, ..new_file("taken", time(2)) },
                _ => NewFile { project: ProjectId::new("proj_none"), ..new },
            };
            catalog.publish(new)
        });
        let made = join_all(changes).await;
        for (number, made) in made.iter().enumerate() {
            match number % 3 {
                0 => assert!(made.is_ok(), "{made:?}"),
                1 => assert_eq!(refusal(made), Some(Refusal::FileExists)),
                _ => assert!(made.is_err()),
            }
        }
        assert_eq!(list(&catalog, "at/", 0, 1).await.1, 30);
        assert_eq!(find(&catalog, "taken").await.unwrap().updated, time(1));
        assert!(retired(&catalog).await.is_empty());
    });
}

/// Its first half would be there, were it not undone before the others are made durable.
#[test]
fn a_change_that_fails_half_way_is_undone_alone() {
    let (directory, catalog) = open();
    run(async move {
        add_project(&catalog).await;
        let version = catalog.settings_version().await.unwrap();
        let put =
            |id: &str| SettingsChange::PutProject(Project { id: ProjectId::new(id), ..project() });
        let stray = Domain { project: ProjectId::new("proj_none"), ..domain("one.test") };
        let changes = vec![
            catalog.change_settings(vec![put("proj_1")]),
            catalog.change_settings(vec![put("proj_half"), SettingsChange::PutDomain(stray)]),
            catalog.change_settings(vec![put("proj_2")]),
        ];
        let made = at_once(directory.path(), changes).await;
        assert!(made[0].is_ok() && made[2].is_ok(), "{made:?}");
        assert!(matches!(made[1], Err(CatalogError::Unavailable(_))), "{made:?}");
        let settings = catalog.load_settings().await.unwrap();
        let mut ids: Vec<_> = settings.projects.iter().map(|found| found.id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["proj_1", "proj_2", "proj_test"]);
        assert_eq!(settings.version, version + 2);
    });
}
