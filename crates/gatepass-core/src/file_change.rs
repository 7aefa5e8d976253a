//! Changing what is known of a file: its place, its reference, its label, its metadata.

use std::collections::BTreeMap;

use crate::condition::{self, Conditions, Current};
use crate::sanitise::{self, SanitiseError};
use crate::{File, ObjectPath, Timestamp};

/// Most members of a file's metadata.
pub const METADATA_MEMBERS_MAX: usize = gatepass_sign::META_ENTRIES_MAX;
/// Longest name of a member of the metadata, in bytes.
pub const METADATA_NAME_BYTES_MAX: usize = gatepass_sign::META_NAME_BYTES_MAX;
/// Longest reference, label or value of metadata, in bytes.
pub const TEXT_BYTES_MAX: usize = gatepass_sign::VALUE_BYTES_MAX;

/// What becomes of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Edit<T = String> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

/// What is to change; the default changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileChange {
    /// The folder, as a user may have chosen it.
    pub folder: Edit,
    /// The filename, likewise. A file has one.
    pub filename: Edit,
    /// The reference.
    pub reference: Edit,
    /// The label.
    pub label: Edit,
    /// The metadata: members that are not named stay.
    pub metadata: Edit<BTreeMap<String, Edit>>,
}

/// Why a file is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefusal {
    /// A condition of the request does not hold.
    #[error("precondition does not hold")]
    PreconditionFailed,
    /// The new filename or folder is none.
    #[error(transparent)]
    Name(#[from] SanitiseError),
    /// The new path is not within what the caller is confined to.
    #[error("the new path is outside of the key's prefix")]
    OutsidePrefix,
    /// Another file is at the new path.
    #[error("a file already exists at this path")]
    FileExists,
    /// A text is too long or has a control character; names the member.
    #[error("{0} must be at most {TEXT_BYTES_MAX} bytes without control characters")]
    Text(String),
    /// A name of metadata is none.
    #[error(
        "names of metadata have 1 to {METADATA_NAME_BYTES_MAX} letters, digits, _ and -: not {0:?}"
    )]
    MetadataName(String),
    /// More metadata than [`METADATA_MEMBERS_MAX`].
    #[error("a file has at most {METADATA_MEMBERS_MAX} members of metadata")]
    TooMuchMetadata,
}

/// The file as it will be. That its path is free is for the catalog to find out, in the same
/// transaction. A change that changes nothing leaves the time of the last change alone.
pub fn apply(
    file: &File,
    change: &FileChange,
    within: &str,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<File, ChangeRefusal> {
    let etag = file.etag();
    let current = Current { etag: &etag, updated: file.updated };
    if !condition::allows_write(conditions, Some(current)) {
        return Err(ChangeRefusal::PreconditionFailed);
    }
    check_texts(change)?;
    let changed = File {
        path: new_path(&file.path, change, within)?,
        reference: change.reference.apply(file.reference.as_deref()),
        label: change.label.apply(file.label.as_deref()),
        metadata: merged(file, &change.metadata)?,
        ..file.clone()
    };
    if changed == *file {
        return Ok(changed);
    }
    Ok(File { updated: now, ..changed })
}

impl Edit {
    /// What a member becomes that is like this now.
    fn apply(&self, now: Option<&str>) -> Option<String> {
        match self {
            Self::Keep => now.map(str::to_owned),
            Self::Clear => None,
            Self::Set(text) => Some(text.clone()),
        }
    }

    /// The text that is set.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Set(text) => Some(text),
            Self::Keep | Self::Clear => None,
        }
    }
}

fn merged(
    file: &File,
    edit: &Edit<BTreeMap<String, Edit>>,
) -> Result<BTreeMap<String, String>, ChangeRefusal> {
    let members = match edit {
        Edit::Keep => return Ok(file.metadata.clone()),
        Edit::Clear => return Ok(BTreeMap::new()),
        Edit::Set(members) => members,
    };
    let mut metadata = file.metadata.clone();
    for (name, edit) in members {
        match edit.apply(metadata.get(name).map(String::as_str)) {
            Some(value) => drop(metadata.insert(name.clone(), value)),
            None => drop(metadata.remove(name)),
        }
    }
    if metadata.len() > METADATA_MEMBERS_MAX {
        return Err(ChangeRefusal::TooMuchMetadata);
    }
    Ok(metadata)
}

fn check_texts(change: &FileChange) -> Result<(), ChangeRefusal> {
    check_text("ref", &change.reference)?;
    check_text("label", &change.label)?;
    let Edit::Set(members) = &change.metadata else { return Ok(()) };
    for (name, edit) in members {
        if edit.text().is_some() && !gatepass_sign::is_meta_name(name) {
            return Err(ChangeRefusal::MetadataName(name.clone()));
        }
        check_text(&format!("metadata.{name}"), edit)?;
    }
    Ok(())
}

fn check_text(name: &str, edit: &Edit) -> Result<(), ChangeRefusal> {
    let good = |text: &str| text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    let refused = || Err(ChangeRefusal::Text(name.to_owned()));
    if edit.text().is_none_or(good) { Ok(()) } else { refused() }
}

/// What is given as it is there already stays as it is: a path that was put by a signed URL may
/// hold what the sanitiser would drop.
fn new_path(
    path: &ObjectPath,
    change: &FileChange,
    within: &str,
) -> Result<ObjectPath, ChangeRefusal> {
    let wanted = change.filename.apply(Some(path.filename())).ok_or(SanitiseError::NothingLeft)?;
    let filename = if wanted == path.filename() {
        wanted
    } else {
        sanitise::below(&wanted).ok_or(SanitiseError::NothingLeft)?
    };
    let wanted = change.folder.apply(path.folder());
    let folder = if wanted.as_deref() == path.folder() {
        wanted
    } else {
        wanted.as_deref().and_then(sanitise::below)
    };
    let joined = folder.into_iter().chain([filename]).collect::<Vec<_>>().join("/");
    if joined == path.as_str() {
        return Ok(path.clone());
    }
    let new = ObjectPath::from_decoded(&joined).map_err(SanitiseError::from)?;
    if new.is_within(within) { Ok(new) } else { Err(ChangeRefusal::OutsidePrefix) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlobId, FileId, MediaId, MediaInfo, ProjectId};

    fn file(path: &str) -> File {
        File {
            id: FileId::from_random([1; 16]),
            media_id: MediaId::from_random([1; 16]),
            project: ProjectId::new("proj_1"),
            path: ObjectPath::from_decoded(path).unwrap(),
            blob: BlobId::from_random([1; BlobId::CHARS]),
            inline: false,
            size: 1,
            crc64: 1,
            sha256: None,
            media: MediaInfo::of_type("text/plain"),
            reference: Some("r".to_owned()),
            label: None,
            metadata: [("a".to_owned(), "1".to_owned())].into(),
            created: Timestamp::from_unix_seconds(1),
            updated: Timestamp::from_unix_seconds(1),
        }
    }

    fn changed(file: &File, change: &FileChange, within: &str) -> Result<File, ChangeRefusal> {
        let now = Timestamp::from_unix_seconds(9);
        apply(file, change, within, &Conditions::default(), now)
    }

    fn set(text: &str) -> Edit {
        Edit::Set(text.to_owned())
    }

    fn moved(from: &str, folder: Edit, filename: Edit) -> String {
        let change = FileChange { folder, filename, ..FileChange::default() };
        changed(&file(from), &change, "").unwrap().path.as_str().to_owned()
    }

    #[test]
    fn a_file_moves_by_its_parts() {
        assert_eq!(moved("x/a.png", Edit::Keep, set("b.png")), "x/b.png");
        assert_eq!(moved("x/a.png", set("y/z"), Edit::Keep), "y/z/a.png");
        assert_eq!(moved("x/a.png", Edit::Clear, Edit::Keep), "a.png");
        assert_eq!(moved("x/a.png", set(""), Edit::Keep), "a.png");
        assert_eq!(moved("a.png", set("/y/"), set("My photo?.png")), "y/My-photo.png");
        assert_eq!(moved("x/a.png", Edit::Keep, set("y/b.png")), "x/y/b.png");
        assert_eq!(moved("x/a.png", set("../.."), Edit::Keep), "a.png");
    }

    #[test]
    fn what_is_there_already_is_not_sanitised() {
        assert_eq!(moved("x y/a+b.png", set("x y"), set("a+b.png")), "x y/a+b.png");
        assert_eq!(moved("x y/a+b.png", Edit::Keep, set("c.png")), "x y/c.png");
        assert_eq!(moved("x y/a+b.png", set("z"), Edit::Keep), "z/a+b.png");
    }

    #[test]
    fn a_change_that_changes_nothing_leaves_no_trace() {
        let old = file("a");
        let same = FileChange {
            folder: Edit::Clear,
            filename: set("a"),
            reference: set("r"),
            ..FileChange::default()
        };
        assert_eq!(changed(&old, &same, ""), Ok(old.clone()));
        let label = FileChange { label: set("l"), ..FileChange::default() };
        assert_ne!(changed(&old, &label, "").unwrap().updated, old.updated);
    }

    #[test]
    fn metadata_is_merged() {
        let merged = |metadata| {
            let change = FileChange { metadata, ..FileChange::default() };
            let file = changed(&file("a"), &change, "").unwrap();
            file.metadata.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
        };
        let members = |members: &[(&str, Edit)]| {
            let members = members.iter().map(|(name, edit)| ((*name).to_owned(), edit.clone()));
            merged(Edit::Set(members.collect()))
        };
        assert_eq!(members(&[("b", set("2"))]), "a=1 b=2");
        assert_eq!(members(&[("a", Edit::Clear), ("b", set("2"))]), "b=2");
        assert_eq!(members(&[("not there", Edit::Clear)]), "a=1");
        assert_eq!(members(&[]), "a=1");
        assert_eq!(merged(Edit::Clear), "");
        assert_eq!(merged(Edit::Keep), "a=1");
    }

    #[test]
    fn what_goes_too_far_is_refused() {
        let old = file("u/7/a");
        let refused = |change: FileChange| changed(&old, &change, "u/7").unwrap_err();
        let name = |text: &str| FileChange { filename: set(text), ..FileChange::default() };
        assert_eq!(refused(name("??")), ChangeRefusal::Name(SanitiseError::NothingLeft));
        let none = FileChange { filename: Edit::Clear, ..FileChange::default() };
        assert_eq!(refused(none), ChangeRefusal::Name(SanitiseError::NothingLeft));
        let folder = |text: &str| FileChange { folder: set(text), ..FileChange::default() };
        assert_eq!(refused(folder("u/8")), ChangeRefusal::OutsidePrefix);
        assert_eq!(refused(folder("u/77")), ChangeRefusal::OutsidePrefix);
        assert!(matches!(refused(folder(&"x/".repeat(600))), ChangeRefusal::Name(_)));
        for bad in ["a".repeat(TEXT_BYTES_MAX + 1), "a\u{0}".to_owned(), "a\nb".to_owned()] {
            let label = FileChange { label: set(&bad), ..FileChange::default() };
            assert_eq!(refused(label), ChangeRefusal::Text("label".to_owned()));
        }
        let metadata =
            |members| FileChange { metadata: Edit::Set(members), ..FileChange::default() };
        let many = (0..METADATA_MEMBERS_MAX).map(|number| (format!("m{number}"), set("")));
        assert_eq!(refused(metadata(many.collect())), ChangeRefusal::TooMuchMetadata);
        let odd = metadata([("a b".to_owned(), set(""))].into());
        assert_eq!(refused(odd), ChangeRefusal::MetadataName("a b".to_owned()));
    }
}
