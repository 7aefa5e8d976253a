//! Files by their ids: found, changed, removed.

use futures_util::future::join_all;
use gatepass_core::condition::Conditions;
use gatepass_core::file_change::{ChangeRefusal, Edit, FileChange};
use gatepass_core::port::{ChangeError, ChangeFile, RemoveError, RemoveFile};
use gatepass_core::{ETag, File, FileId, ProjectId};

use super::{Subject, add_project, find, list, publish, retired};
use crate::builders::{if_match, new_file, project_id, time};

fn change_of(file: &File, change: FileChange) -> ChangeFile {
    ChangeFile {
        project: project_id(),
        id: file.id.clone(),
        within: String::new(),
        change,
        conditions: Conditions::default(),
        now: time(50),
    }
}

fn set(text: &str) -> Edit {
    Edit::Set(text.to_owned())
}

fn rename(folder: &str, filename: &str) -> FileChange {
    FileChange { folder: set(folder), filename: set(filename), ..FileChange::default() }
}

fn removal_of(file: &File) -> RemoveFile {
    RemoveFile {
        project: project_id(),
        id: file.id.clone(),
        within: String::new(),
        conditions: Conditions::default(),
        now: time(50),
    }
}

fn refused(result: Result<File, ChangeError>) -> ChangeRefusal {
    match result {
        Err(ChangeError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

async fn by_id(catalog: &Subject, id: &FileId) -> Option<File> {
    catalog.find_file_by_id(&project_id(), id).await.unwrap()
}

/// A file is found by its id, which stays when it is replaced; another project has no such file.
pub async fn a_file_is_found_by_its_id(catalog: Subject) {
    add_project(&catalog).await;
    let file = publish(&catalog, new_file("a", time(1))).await.file;
    publish(&catalog, new_file("b", time(1))).await;
    assert_eq!(by_id(&catalog, &file.id).await.as_ref(), Some(&file));
    let newer = publish(&catalog, new_file("a", time(2))).await.file;
    assert_eq!(by_id(&catalog, &file.id).await, Some(newer));
    let other = ProjectId::new("proj_other");
    assert_eq!(catalog.find_file_by_id(&other, &file.id).await.unwrap(), None);
    assert_eq!(by_id(&catalog, &FileId::from_text("file_0")).await, None);
    assert_eq!(by_id(&catalog, &FileId::from_text("")).await, None);
    assert_eq!(by_id(&catalog, &FileId::from_text("file_\0")).await, None);
}

/// A renamed file is at its new path with all that it was; the old path is free; its age stays.
pub async fn a_renamed_file_keeps_what_it_is(catalog: Subject) {
    add_project(&catalog).await;
    let old = publish(&catalog, new_file("x/a", time(1))).await.file;
    publish(&catalog, new_file("x/b", time(2))).await;
    let change = change_of(&old, rename("y", "c"));
    let new = catalog.change_file(change).await.unwrap();
    assert_eq!(new.path.as_str(), "y/c");
    assert_eq!(new.updated, time(50));
    let as_before = File { path: old.path.clone(), updated: old.updated, ..new.clone() };
    assert_eq!(as_before, old);
    assert_eq!(find(&catalog, "y/c").await.as_ref(), Some(&new));
    assert_eq!(by_id(&catalog, &old.id).await, Some(new));
    assert_eq!(find(&catalog, "x/a").await, None);
    assert_eq!(list(&catalog, "", 0, 9).await, (vec!["x/b".to_owned(), "y/c".to_owned()], 2));
    assert_eq!(list(&catalog, "x/", 0, 9).await, (vec!["x/b".to_owned()], 1));
    assert!(retired(&catalog).await.is_empty());
    let again = publish(&catalog, new_file("x/a", time(60))).await;
    assert!(again.created && again.file.id != old.id);
}

/// Reference, label and metadata are written, and taken away; nothing else changes.
pub async fn a_file_is_described(catalog: Subject) {
    add_project(&catalog).await;
    let old = publish(&catalog, new_file("a", time(1))).await.file;
    let metadata = [("k".to_owned(), set("\u{1f600} \"v\""))];
    let describe = FileChange {
        reference: set("r"),
        label: set("l"),
        metadata: Edit::Set(metadata.into()),
        ..FileChange::default()
    };
    let new = catalog.change_file(change_of(&old, describe)).await.unwrap();
    assert_eq!(new.metadata["k"], "\u{1f600} \"v\"");
    assert_eq!((new.reference.as_deref(), new.label.as_deref()), (Some("r"), Some("l")));
    assert_eq!(find(&catalog, "a").await.as_ref(), Some(&new));
    let clear = FileChange {
        reference: Edit::Clear,
        label: Edit::Clear,
        metadata: Edit::Clear,
        ..FileChange::default()
    };
    let bare = catalog.change_file(change_of(&old, clear)).await.unwrap();
    assert_eq!(File { updated: old.updated, ..bare.clone() }, old);
    assert_eq!(find(&catalog, "a").await, Some(bare));
}

/// A path that another file has is refused, and nothing of the change is made.
pub async fn a_taken_path_is_refused(catalog: Subject) {
    add_project(&catalog).await;
    let a = publish(&catalog, new_file("a", time(1))).await.file;
    let b = publish(&catalog, new_file("b", time(1))).await.file;
    let change = FileChange { label: set("l"), ..rename("", "b") };
    let result = catalog.change_file(change_of(&a, change)).await;
    assert_eq!(refused(result), ChangeRefusal::FileExists);
    assert_eq!(find(&catalog, "a").await.as_ref(), Some(&a));
    assert_eq!(find(&catalog, "b").await, Some(b));
    let itself = catalog.change_file(change_of(&a, rename("", "a"))).await.unwrap();
    assert_eq!(itself, a);
}

/// Who is confined does not find what lies outside, and moves nothing there.
pub async fn changes_are_confined(catalog: Subject) {
    add_project(&catalog).await;
    let inside = publish(&catalog, new_file("u/7/a", time(1))).await.file;
    let outside = publish(&catalog, new_file("u/77", time(1))).await.file;
    let within = "u/7".to_owned();
    let label = FileChange { label: set("l"), ..FileChange::default() };
    let change = ChangeFile { within: within.clone(), ..change_of(&outside, label) };
    assert!(matches!(catalog.change_file(change).await, Err(ChangeError::NotFound)));
    let remove = RemoveFile { within: within.clone(), ..removal_of(&outside) };
    assert!(matches!(catalog.remove_file_by_id(remove).await, Err(RemoveError::NotFound)));
    let away = rename("u/77", "a");
    let change = ChangeFile { within: within.clone(), ..change_of(&inside, away) };
    assert_eq!(refused(catalog.change_file(change).await), ChangeRefusal::OutsidePrefix);
    assert_eq!(find(&catalog, "u/77").await, Some(outside));
    assert_eq!(find(&catalog, "u/7/a").await.as_ref(), Some(&inside));
    let remove = RemoveFile { within, ..removal_of(&inside) };
    assert_eq!(catalog.remove_file_by_id(remove).await.unwrap(), inside);
}

/// Conditions are those of the version that is there; of another project's file there is nothing.
pub async fn changes_by_id_obey_conditions(catalog: Subject) {
    add_project(&catalog).await;
    let file = publish(&catalog, new_file("a", time(1))).await.file;
    let stale = if_match(&ETag::from_text("stale"));
    let change = change_of(&file, rename("", "b"));
    let stale_change = ChangeFile { conditions: stale.clone(), ..change.clone() };
    let result = catalog.change_file(stale_change).await;
    assert_eq!(refused(result), ChangeRefusal::PreconditionFailed);
    let removal = RemoveFile { conditions: stale, ..removal_of(&file) };
    let result = catalog.remove_file_by_id(removal).await;
    assert!(matches!(result, Err(RemoveError::PreconditionFailed)));
    let project = ProjectId::new("proj_other");
    let other = ChangeFile { project: project.clone(), ..change.clone() };
    assert!(matches!(catalog.change_file(other).await, Err(ChangeError::NotFound)));
    let other = RemoveFile { project, ..removal_of(&file) };
    assert!(matches!(catalog.remove_file_by_id(other).await, Err(RemoveError::NotFound)));
    let fresh = ChangeFile { conditions: if_match(&file.etag()), ..change };
    assert_eq!(catalog.change_file(fresh).await.unwrap().path.as_str(), "b");
}

/// A file that is removed by its id is gone, its blob is retired as of then.
pub async fn a_file_is_removed_by_its_id(catalog: Subject) {
    add_project(&catalog).await;
    let file = publish(&catalog, new_file("a", time(1))).await.file;
    publish(&catalog, new_file("b", time(1))).await;
    assert_eq!(catalog.remove_file_by_id(removal_of(&file)).await.unwrap(), file);
    assert_eq!(find(&catalog, "a").await, None);
    assert_eq!(list(&catalog, "", 0, 9).await, (vec!["b".to_owned()], 1));
    assert!(catalog.retired_blobs(time(50), 9).await.unwrap().is_empty());
    assert_eq!(retired(&catalog).await, std::slice::from_ref(&file.blob));
    let again = catalog.remove_file_by_id(removal_of(&file)).await;
    assert!(matches!(again, Err(RemoveError::NotFound)));
}

/// Of files that move to one path at once one gets it; the others stay where they are.
pub async fn one_of_twenty_movers_wins(catalog: Subject) {
    add_project(&catalog).await;
    let mut files = Vec::new();
    for number in 0..20 {
        files.push(publish(&catalog, new_file(&format!("f{number}"), time(1))).await.file);
    }
    let tasks = files.into_iter().map(|file| {
        let catalog = catalog.clone();
        tokio::spawn(async move { catalog.change_file(change_of(&file, rename("", "x"))).await })
    });
    let results: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert_eq!(find(&catalog, "x").await, won.into_iter().next().unwrap().ok());
    assert!(lost.into_iter().all(|result| refused(result) == ChangeRefusal::FileExists));
    assert_eq!(list(&catalog, "f", 0, 100).await.1, 19);
}

/// Changes of different members at once all come about: none is lost.
pub async fn fifty_descriptions_lose_nothing(catalog: Subject) {
    add_project(&catalog).await;
    let file = publish(&catalog, new_file("a", time(1))).await.file;
    let tasks = (0..50).map(|number| {
        let member = (format!("m{}", number % 10), set(&number.to_string()));
        let metadata = Edit::Set([member].into());
        let filename = if number == 7 { set("b") } else { Edit::Keep };
        let folder = if number == 8 { set("y") } else { Edit::Keep };
        let change = FileChange { folder, filename, metadata, ..FileChange::default() };
        let (catalog, change) = (catalog.clone(), change_of(&file, change));
        tokio::spawn(async move { catalog.change_file(change).await })
    });
    assert!(join_all(tasks).await.into_iter().all(|result| result.unwrap().is_ok()));
    let file = by_id(&catalog, &file.id).await.unwrap();
    assert_eq!(file.metadata.len(), 10);
    assert_eq!(file.path.as_str(), "y/b");
}
