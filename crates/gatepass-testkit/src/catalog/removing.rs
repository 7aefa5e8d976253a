//! What becomes of a file that is removed.

use gatepass_core::condition::Conditions;
use gatepass_core::port::RemoveError;
use gatepass_core::{ETag, File, Timestamp};

use super::{Subject, add_project, find, is_known, list, publish, retired};
use crate::builders::{if_absent, if_match, if_none_match, new_file, path, project_id, time};

async fn remove(
    catalog: &Subject,
    at: &str,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<File, RemoveError> {
    catalog.remove_file(&project_id(), &path(at), conditions, now).await
}

/// The file is gone, its blob is retired as of then, others stay, and the path is free again.
pub async fn a_removed_file_is_gone_and_its_blob_retired(catalog: Subject) {
    add_project(&catalog).await;
    let old = publish(&catalog, new_file("a", time(1))).await.file;
    let stays = publish(&catalog, new_file("a/b", time(1))).await.file;
    let removed = remove(&catalog, "a", &Conditions::default(), time(20)).await.unwrap();
    assert_eq!(removed, old);
    assert_eq!(find(&catalog, "a").await, None);
    assert_eq!(find(&catalog, "a/b").await, Some(stays));
    assert_eq!(list(&catalog, "", 0, 10).await, (vec!["a/b".to_owned()], 1));
    assert!(is_known(&catalog, &old.blob).await);
    assert!(catalog.retired_blobs(time(20), 10).await.unwrap().is_empty());
    assert_eq!(catalog.retired_blobs(time(21), 10).await.unwrap(), [old.blob]);

    let again = publish(&catalog, new_file("a", time(30))).await;
    assert!(again.created);
    assert_ne!(again.file.id, old.id);
    assert_eq!(again.file.created, time(30));
}

/// No file, whatever the conditions: not found.
pub async fn what_is_not_there_cannot_be_removed(catalog: Subject) {
    add_project(&catalog).await;
    publish(&catalog, new_file("a", time(1))).await;
    for _ in 0..2 {
        let result = remove(&catalog, "a", &Conditions::default(), time(2)).await;
        assert!(result.is_ok() || matches!(result, Err(RemoveError::NotFound)));
    }
    for at in ["a", "b"] {
        let result = remove(&catalog, at, &Conditions::default(), time(3)).await;
        assert!(matches!(result, Err(RemoveError::NotFound)), "{result:?}");
    }
    assert_eq!(retired(&catalog).await.len(), 1);
}

/// A condition that does not hold leaves everything as it is.
pub async fn removal_obeys_conditions(catalog: Subject) {
    add_project(&catalog).await;
    let file = publish(&catalog, new_file("a", time(10))).await.file;
    let early = Conditions { if_unmodified_since: Some(time(9)), ..Conditions::default() };
    let stale = if_match(&ETag::from_text("stale"));
    for refused in [stale, if_absent(), if_none_match(&file.etag()), early] {
        let result = remove(&catalog, "a", &refused, time(20)).await;
        assert!(matches!(result, Err(RemoveError::PreconditionFailed)), "{refused:?}");
        assert_eq!(find(&catalog, "a").await.as_ref(), Some(&file));
    }
    assert!(retired(&catalog).await.is_empty());
    assert!(remove(&catalog, "a", &if_match(&file.etag()), time(20)).await.is_ok());
}
