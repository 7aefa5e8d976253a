//! Changes of one path at the same time.

use std::collections::HashSet;

use futures_util::future::join_all;
use gatepass_core::BlobId;
use gatepass_core::condition::Conditions;
use gatepass_core::port::{PublishError, RemoveError};
use gatepass_core::publication::{NewFile, Publication, Refusal};

use super::{Subject, add_project, find, list, publish, refusal, retired};
use crate::builders::{if_match, new_file, path, project_id, time};

const RACERS: usize = 50;

/// Publishes all at once and returns what each was told.
async fn race(catalog: &Subject, files: Vec<NewFile>) -> Vec<Result<Publication, PublishError>> {
    let tasks = files.into_iter().map(|new| {
        let catalog = catalog.clone();
        tokio::spawn(async move { catalog.publish(new).await })
    });
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

/// Of creations of one path exactly one succeeds; the path has its file.
pub async fn one_of_fifty_creators_wins(catalog: Subject) {
    add_project(&catalog).await;
    // More than once: the first race is over before all have a connection.
    for at in ["a", "b", "c", "d"] {
        let create = |_| NewFile { overwrite: false, ..new_file(at, time(1)) };
        let results = race(&catalog, (0..RACERS).map(create).collect()).await;
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.into_iter().all(|result| refusal(&result) == Some(Refusal::FileExists)));
        let winner = won.into_iter().next().unwrap().unwrap();
        assert!(winner.created);
        assert_eq!(find(&catalog, at).await, Some(winner.file));
    }
    assert!(retired(&catalog).await.is_empty());
}

/// Of replacements the last one stays and every other blob is retired once: none is lost.
pub async fn fifty_replacements_lose_nothing(catalog: Subject) {
    add_project(&catalog).await;
    let files: Vec<_> = (0..RACERS).map(|_| new_file("a", time(1))).collect();
    let all: HashSet<BlobId> = files.iter().map(|new| new.blob.clone()).collect();
    let results = race(&catalog, files).await;
    let publications: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(publications.iter().filter(|publication| publication.created).count(), 1);

    let current = find(&catalog, "a").await.unwrap();
    assert!(publications.iter().all(|publication| publication.file.id == current.id));
    let mut seen: Vec<BlobId> = retired(&catalog).await;
    assert_eq!(seen.len(), RACERS - 1);
    let told = publications.into_iter().filter_map(|publication| publication.retired);
    assert_eq!(told.collect::<HashSet<_>>(), seen.iter().cloned().collect());
    seen.push(current.blob);
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), all);
    assert_eq!(list(&catalog, "", 0, 10).await, (vec!["a".to_owned()], 1));
}

/// `If-Match` is a compare-and-set: of those who saw the same version one replaces it.
pub async fn one_of_fifty_holders_of_a_version_wins(catalog: Subject) {
    add_project(&catalog).await;
    let old = publish(&catalog, new_file("a", time(1))).await.file;
    let replace = |_| NewFile { conditions: if_match(&old.etag()), ..new_file("a", time(2)) };
    let results = race(&catalog, (0..RACERS).map(replace).collect()).await;
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    let failed = Some(Refusal::PreconditionFailed);
    assert!(lost.into_iter().all(|result| refusal(&result) == failed));
    assert_eq!(retired(&catalog).await, [old.blob]);
}

/// A file is removed once; everybody else finds none.
pub async fn one_of_twenty_removers_wins(catalog: Subject) {
    add_project(&catalog).await;
    let old = publish(&catalog, new_file("a", time(1))).await.file;
    let tasks = (0..20).map(|_| {
        let catalog = catalog.clone();
        tokio::spawn(async move {
            let none = Conditions::default();
            catalog.remove_file(&project_id(), &path("a"), &none, time(2)).await
        })
    });
    let results: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|result| matches!(result, Err(RemoveError::NotFound))));
    assert_eq!(retired(&catalog).await, [old.blob]);
}
