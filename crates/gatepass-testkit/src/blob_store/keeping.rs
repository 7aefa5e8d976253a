//! Deleting and listing.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::{Store, assert_holds, is_listed, list_after, list_all, pour, put, stage};
use crate::builders::{blob_id, noise, time};
use crate::eventually;

/// A new store lists nothing and takes uploads.
pub async fn a_new_store_is_empty_and_ready(store: Store) {
    assert_eq!(store.list(None).await.unwrap(), []);
    store.check().await.unwrap();
}

/// Deleting what is gone, or was never there, succeeds; nothing else is deleted.
pub async fn a_blob_can_be_deleted_twice(store: Store) {
    let content = noise(1, 100);
    let (gone, stays) = (put(&store, &content).await, put(&store, &content).await);
    store.delete(&gone).await.unwrap();
    store.delete(&gone).await.unwrap();
    store.delete(&blob_id()).await.unwrap();
    assert!(!is_listed(&store, &gone).await);
    assert_holds(&store, &stays, &content).await;
}

/// Page by page, the list has every blob once, with its size and a time.
pub async fn the_list_has_everything_once(store: Store) {
    let sizes = put_many(&store, 600).await;
    let list = list_all(&store).await;
    assert_eq!(list.len(), sizes.len(), "something is missing, or listed twice");
    for entry in list {
        assert_eq!(sizes.get(entry.blob.as_str()), Some(&entry.size), "{entry:?}");
        assert!(entry.modified > time(0), "{entry:?}");
    }
}

/// The cursor of each entry leads on to exactly what comes after it.
pub async fn the_list_goes_on_after_any_entry(store: Store) {
    put_many(&store, 300).await;
    let list = list_all(&store).await;
    for (index, entry) in list.iter().enumerate().step_by(7) {
        let rest = list_after(&store, Some(entry.cursor.clone())).await;
        assert!(rest == list[index + 1..], "after entry {index} of {}", list.len());
    }
}

/// Stores blobs of 0, 1, 2 .. bytes.
async fn put_many(store: &Store, count: usize) -> HashMap<String, u64> {
    let puts = (0..count).map(|size| {
        let store = Arc::clone(store);
        tokio::spawn(async move { (put(&store, &noise(2, size)).await, size as u64) })
    });
    let blobs = join_all(puts).await.into_iter().map(Result::unwrap);
    blobs.map(|(blob, size)| (blob.as_str().to_owned(), size)).collect()
}

/// What is stored of an upload that is not finished can be found, so that it can be swept.
pub async fn an_upload_in_flight_is_listed(store: Store) {
    let blob = blob_id();
    let mut staging = stage(&store, &blob).await;
    pour(staging.as_mut(), &noise(3, 24 << 20)).await.unwrap();
    eventually("an upload in flight is listed", async || is_listed(&store, &blob).await).await;
    staging.discard().await;
}
