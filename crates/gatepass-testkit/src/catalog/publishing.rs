//! What becomes of a path that is published to.

use gatepass_core::condition::Conditions;
use gatepass_core::project::{Project, SettingsChange};
use gatepass_core::publication::{NewFile, Refusal};
use gatepass_core::{ETag, File, MediaFacts, ProjectId, Timestamp};

use super::{Subject, add_project, find, is_known, list, publish, refusal, retired, with_prefix};
use crate::builders::{
    if_absent, if_match, if_none_match, media, new_file, path, project, project_id, time,
};
use crate::eventually;

/// A new path has what was published to it, down to the last field.
pub async fn a_new_path_has_what_was_published(catalog: Subject) {
    add_project(&catalog).await;
    assert_eq!(find(&catalog, "a/b.png").await, None);
    let new = described("a/b.png");
    let publication = publish(&catalog, new.clone()).await;
    assert!(publication.created);
    assert_eq!(publication.retired, None);
    assert_eq!(publication.file, as_file(new));
    assert_eq!(find(&catalog, "a/b.png").await, Some(publication.file));
    assert!(retired(&catalog).await.is_empty());
}

/// A file with something in every field.
fn described(at: &str) -> NewFile {
    let mut new = new_file(at, time(1).plus(std::time::Duration::from_millis(789)));
    new.digests.sha256 = Some([0xa7; 32]);
    new.media = media("image/png").with(MediaFacts {
        container: Some("png".to_owned()),
        codec: Some("png".to_owned()),
        width: Some(640),
        height: Some(480),
        rotation: Some(90),
        transparency: Some(true),
        animated: Some(false),
        frames: Some(1),
        duration_millis: Some(1),
        milli_fps: Some(29_970),
        bitrate: Some(1),
        placeholder: Some("1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned()),
        background: Some("#a0b1c2".to_owned()),
    });
    new.reference = Some("order 17".to_owned());
    new.label = Some("a label".to_owned());
    new.metadata = [("k".to_owned(), "v".to_owned())].into();
    new
}

/// The file that a new path is to have.
fn as_file(new: NewFile) -> File {
    File {
        id: new.id,
        media_id: new.media_id,
        project: new.project,
        path: new.path,
        blob: new.blob,
        inline: false,
        size: new.size,
        crc64: new.digests.crc64,
        sha256: new.digests.sha256,
        media: new.media,
        reference: new.reference,
        label: new.label,
        metadata: new.metadata,
        created: new.now,
        updated: new.now,
    }
}

/// A replacement keeps ids, label and creation time, takes everything else, has another entity
/// tag, and retires the blob that was there.
pub async fn a_replaced_file_keeps_its_identity(catalog: Subject) {
    add_project(&catalog).await;
    let old = publish(&catalog, described("a")).await.file;
    let new = new_file("a", time(50));
    let publication = publish(&catalog, new.clone()).await;
    assert!(!publication.created);
    assert_eq!(publication.retired.as_ref(), Some(&old.blob));
    let wanted = File {
        id: old.id.clone(),
        media_id: old.media_id.clone(),
        label: old.label.clone(),
        created: old.created,
        ..as_file(new)
    };
    assert_eq!(publication.file, wanted);
    assert_ne!(publication.file.etag(), old.etag());
    assert_eq!(find(&catalog, "a").await, Some(wanted));
    assert_eq!(retired(&catalog).await, [old.blob]);
    assert_eq!(list(&catalog, "", 0, 10).await, (vec!["a".to_owned()], 1));
}

/// A URL that may only create does not replace, and leaves no trace.
pub async fn a_refused_replacement_changes_nothing(catalog: Subject) {
    add_project(&catalog).await;
    let first = NewFile { overwrite: false, ..new_file("a", time(1)) };
    let old = publish(&catalog, first).await.file;
    let second = NewFile { overwrite: false, ..new_file("a", time(2)) };
    let blob = second.blob.clone();
    assert_eq!(refusal(&catalog.publish(second).await), Some(Refusal::FileExists));
    assert_eq!(find(&catalog, "a").await, Some(old));
    assert!(!is_known(&catalog, &blob).await);
    assert!(retired(&catalog).await.is_empty());
}

/// Conditions are decided on what is there at that moment.
pub async fn conditions_are_held_against_what_is_there(catalog: Subject) {
    add_project(&catalog).await;
    let stale = ETag::from_text("stale");
    let attempt = async |at: &str, conditions: Conditions| {
        refusal(&catalog.publish(NewFile { conditions, ..new_file(at, time(9)) }).await)
    };
    let no = Some(Refusal::PreconditionFailed);
    assert_eq!(attempt("none", if_match(&stale)).await, no);
    assert_eq!(find(&catalog, "none").await, None);
    assert_eq!(attempt("new", if_absent()).await, None);

    let old = publish(&catalog, new_file("a", time(1))).await.file;
    let unmodified =
        |since| Conditions { if_unmodified_since: Some(since), ..Conditions::default() };
    for refused in [if_absent(), if_match(&stale), if_none_match(&old.etag()), unmodified(time(0))]
    {
        assert_eq!(attempt("a", refused.clone()).await, no, "{refused:?}");
        assert_eq!(find(&catalog, "a").await.as_ref(), Some(&old));
    }
    assert_eq!(attempt("a", if_match(&old.etag())).await, None);
    assert_eq!(attempt("a", if_match(&old.etag())).await, no, "its tag has changed");
    assert_eq!(attempt("a", if_none_match(&old.etag())).await, None);
    assert_eq!(attempt("a", unmodified(time(9))).await, None);
}

/// Paths are compared byte by byte: neither case nor Unicode form nor project is folded.
pub async fn one_path_is_one_spelling_in_one_project(catalog: Subject) {
    add_project(&catalog).await;
    let other = Project { id: ProjectId::new("proj_other"), catch_all: false, ..project() };
    catalog.change_settings(vec![SettingsChange::PutProject(other)]).await.unwrap();
    let spellings = ["caf\u{e9}", "cafe\u{301}", "CAF\u{c9}", "caf\u{e9} ", "caf\u{e9}/1", "cafe"];
    for spelling in spellings {
        assert!(publish(&catalog, new_file(spelling, time(1))).await.created, "{spelling:?}");
    }
    let elsewhere = NewFile { project: ProjectId::new("proj_other"), ..new_file("cafe", time(2)) };
    assert!(publish(&catalog, elsewhere.clone()).await.created);
    assert_ne!(find(&catalog, "cafe").await.unwrap().blob, elsewhere.blob);
    assert_eq!(with_prefix(&catalog, "").await.len(), spellings.len());
    for spelling in spellings {
        let found = find(&catalog, spelling).await.unwrap();
        assert_eq!((found.path.as_str(), &found.project), (spelling, &project_id()));
    }
}

/// Numbers at their bounds, large metadata, texts with anything in them.
pub async fn extreme_values_come_back(catalog: Subject) {
    add_project(&catalog).await;
    let nasty = "'\";--\u{0}\u{1f600}\n\\u0000 \u{202e}";
    let segments = ["\u{1f600}".repeat(60), "%".repeat(240), "d".repeat(240), "e".repeat(240)];
    let long = segments.join("/");
    let mut new = new_file(&long, Timestamp::from_unix_millis(253_402_300_799_999));
    new.size = 5 << 40;
    new.digests.crc64 = u64::MAX;
    new.digests.sha256 = Some([0xff; 32]);
    let facts = MediaFacts {
        codec: Some(nasty.to_owned()),
        width: Some(u32::MAX),
        rotation: Some(0),
        duration_millis: Some(u64::MAX),
        ..MediaFacts::default()
    };
    new.media = media(nasty).with(facts);
    new.reference = Some(nasty.repeat(1_000));
    new.metadata = (0..500).map(|i| (format!("{nasty}{i}"), nasty.repeat(100))).collect();
    let published = publish(&catalog, new.clone()).await.file;
    assert_eq!(published, as_file(new));
    assert!(find(&catalog, &long).await == Some(published), "something came back changed");

    let mut least = new_file("least", Timestamp::from_unix_millis(0));
    (least.size, least.digests.crc64, least.reference) = (0, 0, Some(String::new()));
    publish(&catalog, least.clone()).await;
    assert_eq!(find(&catalog, "least").await, Some(as_file(least)));
    assert_eq!(catalog.find_file(&project_id(), &path("leas")).await.unwrap(), None);
}

/// Nobody waits for the answer: the publication is made wholly, or not at all.
pub async fn a_cancelled_publication_is_whole_or_absent(catalog: Subject) {
    add_project(&catalog).await;
    for number in 0..20 {
        let at = format!("f{number}");
        let old = publish(&catalog, new_file(&at, time(1))).await.file;
        let new = new_file(&at, time(2));
        let blob = new.blob.clone();
        let task = tokio::spawn({
            let catalog = catalog.clone();
            async move { catalog.publish(new).await }
        });
        if number % 2 == 0 {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
        eventually("old or new, and the other one accordingly", async || {
            let current = find(&catalog, &at).await.unwrap().blob;
            let gone = retired(&catalog).await.contains(&old.blob);
            let known = is_known(&catalog, &blob).await;
            (current == blob && gone && known) || (current == old.blob && !gone && !known)
        })
        .await;
    }
}
