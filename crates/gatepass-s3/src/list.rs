//! The list of everything that is stored: whole blobs, then loose bytes of blobs in parts, then
//! multipart uploads in progress. A blob in parts may be in the last two.

use std::time::Duration;

use gatepass_core::port::{BlobError, BlobListing};
use gatepass_core::{BlobId, Timestamp};

use crate::api::Multipart;
use crate::store::Shared;

/// How long a multipart upload that gets no parts counts as one that has just begun. An older one
/// is asked for its newest part, for S3 tells only when it began.
const YOUNG: Duration = Duration::from_mins(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Blobs,
    Parts,
    Multiparts,
}

impl Section {
    const ALL: [Self; 3] = [Self::Blobs, Self::Parts, Self::Multiparts];

    fn letter(self) -> &'static str {
        match self {
            Self::Blobs => "b",
            Self::Parts => "p",
            Self::Multiparts => "m",
        }
    }
}

/// The page after a cursor.
pub(crate) async fn list(
    shared: &Shared,
    cursor: Option<&str>,
) -> Result<Vec<BlobListing>, BlobError> {
    let (first, mut after) = match cursor.and_then(parse) {
        Some((section, blob)) => (section, Some(blob)),
        None => (Section::Blobs, None),
    };
    for section in Section::ALL.into_iter().skip_while(|section| *section != first) {
        let page = page(shared, section, after.take()).await?;
        if !page.is_empty() {
            return Ok(page);
        }
    }
    Ok(Vec::new())
}

fn parse(cursor: &str) -> Option<(Section, BlobId)> {
    let (letter, name) = cursor.split_once(':')?;
    let section = Section::ALL.into_iter().find(|section| section.letter() == letter)?;
    Some((section, BlobId::parse(name)?))
}

/// The next page of a section with any blob of ours.
async fn page(
    shared: &Shared,
    section: Section,
    after: Option<BlobId>,
) -> Result<Vec<BlobListing>, BlobError> {
    let keys = &shared.keys;
    let mut after = after.map(|blob| match section {
        Section::Blobs | Section::Multiparts => keys.blob(&blob),
        // Behind all of its bytes.
        Section::Parts => format!("{}~", keys.parts_of(&blob)),
    });
    loop {
        let entries = entries(shared, section, after.as_deref()).await?;
        let Some(last) = entries.last() else { return Ok(Vec::new()) };
        after = Some(last.key.clone());
        let page = merge(shared, section, entries);
        if !page.is_empty() {
            return Ok(page);
        }
    }
}

struct Entry {
    key: String,
    size: u64,
    modified: Timestamp,
}

async fn entries(
    shared: &Shared,
    section: Section,
    after: Option<&str>,
) -> Result<Vec<Entry>, BlobError> {
    let prefix = match section {
        Section::Blobs | Section::Multiparts => shared.keys.blobs(),
        Section::Parts => shared.keys.parts(),
    };
    if section == Section::Multiparts {
        let mut entries = Vec::new();
        for upload in shared.api.list_multiparts(&prefix, after).await? {
            let modified = modified(shared, &upload).await?;
            entries.push(Entry { key: upload.key, size: 0, modified });
        }
        return Ok(entries);
    }
    let objects = shared.api.list_objects(&prefix, after).await?;
    let entry = |object: crate::api::Object| Entry {
        key: object.key,
        size: object.size,
        modified: object.modified,
    };
    Ok(objects.into_iter().map(entry).collect())
}

async fn modified(shared: &Shared, upload: &Multipart) -> Result<Timestamp, BlobError> {
    if shared.now().minus(YOUNG) < upload.begun {
        return Ok(upload.begun);
    }
    match shared.api.list_parts(&upload.key, &upload.id).await {
        Ok((_, newest)) => Ok(newest.unwrap_or(upload.begun).max(upload.begun)),
        // It has ended since.
        Err(error) if error.is_not_found() => Ok(upload.begun),
        Err(error) => Err(error.into()),
    }
}

/// One entry for each blob: what is listed of it comes in one go.
fn merge(shared: &Shared, section: Section, entries: Vec<Entry>) -> Vec<BlobListing> {
    let mut page: Vec<BlobListing> = Vec::new();
    for entry in entries {
        let Some(blob) = shared.keys.blob_of(&entry.key) else { continue };
        match page.last_mut().filter(|last| last.blob == blob) {
            Some(last) => {
                last.size = last.size.saturating_add(entry.size);
                last.modified = last.modified.max(entry.modified);
            }
            None => page.push(BlobListing {
                cursor: format!("{}:{blob}", section.letter()),
                blob,
                size: entry.size,
                modified: entry.modified,
            }),
        }
    }
    page
}
