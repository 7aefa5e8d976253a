//! Small files, whose bytes the catalog keeps itself. One that keeps none passes by saying so.

use bytes::Bytes;
use gatepass_core::Payload;
use gatepass_core::condition::Conditions;
use gatepass_core::publication::NewFile;

use super::{Subject, add_project, find, publish, read, retired};
use crate::builders::{new_file, noise, path, project_id, time};

fn inline(at: &str, seconds: u64, bytes: &Bytes) -> NewFile {
    let payload = Payload::Inline(bytes.clone());
    NewFile { payload, size: bytes.len() as u64, ..new_file(at, time(seconds)) }
}

/// What was given comes back, empty or as long as the catalog takes.
pub async fn bytes_that_the_catalog_keeps_come_back(catalog: Subject) {
    add_project(&catalog).await;
    let max = catalog.inline_bytes_max();
    if max == 0 {
        return;
    }
    for length in [0, 1, 4_000, 64 << 10, (64 << 10) + 1, 300_000, max] {
        let (at, bytes) = (format!("file/{length}"), noise(7, length));
        let file = publish(&catalog, inline(&at, 1, &bytes)).await.file;
        assert!(file.inline);
        assert_eq!(find(&catalog, &at).await, Some(file.clone()));
        assert!(read(&catalog, &at).await == Some((file, Some(bytes))), "{length} bytes");
    }
}

/// A version's bytes go with it, whatever replaces it, and are never those of another version.
pub async fn bytes_go_with_their_version(catalog: Subject) {
    add_project(&catalog).await;
    if catalog.inline_bytes_max() == 0 {
        return;
    }
    let (one, two) = (noise(1, 900), noise(2, 800));
    publish(&catalog, inline("a", 1, &one)).await;
    let second = publish(&catalog, inline("a", 2, &two)).await.file;
    assert_eq!(read(&catalog, "a").await, Some((second, Some(two))));
    let third = publish(&catalog, new_file("a", time(3))).await.file;
    assert!(!third.inline);
    assert_eq!(read(&catalog, "a").await, Some((third.clone(), None)), "the store has these");
    assert!(retired(&catalog).await.is_empty(), "the store had none of the others");
    let fourth = publish(&catalog, inline("a", 4, &one)).await;
    assert_eq!(fourth.retired, Some(third.blob));
    assert_eq!(read(&catalog, "a").await, Some((fourth.file, Some(one))));
}

/// A removed file takes its bytes along, and nobody else's.
pub async fn removal_takes_the_bytes_along(catalog: Subject) {
    add_project(&catalog).await;
    if catalog.inline_bytes_max() == 0 {
        return;
    }
    let bytes = noise(3, 100);
    publish(&catalog, inline("a", 1, &bytes)).await;
    let stays = publish(&catalog, inline("b", 1, &bytes)).await.file;
    let conditions = Conditions::default();
    catalog.remove_file(&project_id(), &path("a"), &conditions, time(2)).await.unwrap();
    assert_eq!(read(&catalog, "a").await, None);
    let again = publish(&catalog, new_file("a", time(3))).await.file;
    assert_eq!(read(&catalog, "a").await, Some((again, None)), "nothing of it is left");
    assert_eq!(read(&catalog, "b").await, Some((stays, Some(bytes))));
    assert!(retired(&catalog).await.is_empty());
}
