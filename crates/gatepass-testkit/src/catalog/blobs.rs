//! Which blobs count, and which may go.

use std::collections::HashSet;

use gatepass_core::BlobId;
use gatepass_core::condition::Conditions;
use gatepass_core::port::ListFiles;

use super::{Subject, add_project, is_known, publish, retired};
use crate::builders::{blob_id, new_file, path, project_id, time};

/// In use or retired is known; anything else is not.
pub async fn blobs_in_use_and_retired_ones_are_known(catalog: Subject) {
    add_project(&catalog).await;
    let replaced = publish(&catalog, new_file("a", time(1))).await.file.blob;
    let current = publish(&catalog, new_file("a", time(2))).await.file.blob;
    let removed = publish(&catalog, new_file("b", time(1))).await.file.blob;
    let none = Conditions::default();
    catalog.remove_file(&project_id(), &path("b"), &none, time(2)).await.unwrap();
    let ours = [replaced, current, removed];
    let asked: Vec<BlobId> = ours.iter().cloned().chain([blob_id(), blob_id()]).collect();
    assert_eq!(catalog.known_blobs(&asked).await.unwrap(), ours.into_iter().collect());
    assert!(catalog.known_blobs(&[]).await.unwrap().is_empty());
}

/// More names than a statement takes.
pub async fn any_number_of_blobs_can_be_asked_for(catalog: Subject) {
    add_project(&catalog).await;
    let mut ours = HashSet::new();
    let mut asked = Vec::new();
    for number in 0..40 {
        let new = new_file(&format!("f{number}"), time(1));
        ours.insert(new.blob.clone());
        asked.push(new.blob.clone());
        asked.extend((0..1_000).map(|_| blob_id()));
        publish(&catalog, new).await;
    }
    for count in [499, 500, 501, 1_000, 1_001, asked.len()] {
        let wanted: HashSet<_> =
            asked[..count].iter().filter(|blob| ours.contains(*blob)).cloned().collect();
        assert_eq!(catalog.known_blobs(&asked[..count]).await.unwrap(), wanted, "{count}");
    }
}

/// Oldest first, strictly before the time, not more than the limit.
pub async fn retired_blobs_come_oldest_first(catalog: Subject) {
    add_project(&catalog).await;
    let mut blobs = Vec::new();
    for (name, second) in [("a", 30), ("b", 10), ("c", 20), ("d", 40)] {
        blobs.push(publish(&catalog, new_file(name, time(1))).await.file.blob);
        publish(&catalog, new_file(name, time(second))).await;
    }
    let oldest_first = [1, 2, 0, 3].map(|index: usize| blobs[index].clone());
    for (before, limit, count) in
        [(10, 9, 0), (11, 9, 1), (30, 9, 2), (31, 9, 3), (99, 9, 4), (99, 2, 2), (99, 0, 0)]
    {
        let found = catalog.retired_blobs(time(before), limit).await.unwrap();
        assert_eq!(found, oldest_first[..count], "before {before}, limit {limit}");
    }
    assert_eq!(retired(&catalog).await, oldest_first);
}

/// What is forgotten is unknown; forgetting again, or nothing, or what is in use, is no harm.
pub async fn forgotten_blobs_are_unknown(catalog: Subject) {
    add_project(&catalog).await;
    let first = publish(&catalog, new_file("a", time(1))).await.file.blob;
    let second = publish(&catalog, new_file("a", time(2))).await.file.blob;
    let current = publish(&catalog, new_file("a", time(3))).await.file.blob;
    catalog.forget_retired(&[]).await.unwrap();
    for _ in 0..2 {
        let blobs = [first.clone(), current.clone(), blob_id()];
        catalog.forget_retired(&blobs).await.unwrap();
        assert_eq!(retired(&catalog).await, std::slice::from_ref(&second));
    }
    assert!(!is_known(&catalog, &first).await);
    assert!(is_known(&catalog, &second).await && is_known(&catalog, &current).await);
}

/// A new catalog has nothing and takes changes.
pub async fn a_new_catalog_is_empty_and_ready(catalog: Subject) {
    catalog.check().await.unwrap();
    let settings = catalog.load_settings().await.unwrap();
    assert!(settings.projects.is_empty() && settings.domains.is_empty());
    assert!(settings.keys.is_empty());
    assert!(retired(&catalog).await.is_empty());
    let list = ListFiles { limit: 10, ..ListFiles::default() };
    let page = catalog.list_files(&project_id(), &list).await.unwrap();
    assert_eq!((page.files.len(), page.total), (0, 0));
}
