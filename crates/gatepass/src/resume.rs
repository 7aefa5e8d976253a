//! What `gatepass put FILE PATH` remembers of an upload that is not complete: its own URL, in one
//! small file of the user's state directory. It is removed when the upload is complete.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::files;

/// The note of one file on its way to one path of one service.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    note: PathBuf,
    size: u64,
    modified: String,
}

impl Resume {
    /// Where the note is, whether there is one or not.
    pub(crate) fn of(file: &Path, target: &str, service: &str) -> anyhow::Result<Self> {
        let (absolute, size, modified) = files::identity(file)?;
        let name = [service, target, &absolute.to_string_lossy()].join("\0");
        let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        let name = format!("{}.json", gatepass_sign::hex(&digest[..12]));
        Ok(Self { note: state_directory()?.join(name), size, modified })
    }

    /// The upload's own URL, if the file is still the one that it was begun with.
    pub(crate) fn url(&self) -> Option<String> {
        let note: Value = serde_json::from_str(&files::read_text(&self.note).ok()?).ok()?;
        let same = note["size"] == self.size && note["modified"] == self.modified.as_str();
        note["url"].as_str().filter(|_| same).map(str::to_owned)
    }

    /// Notes the URL. Without a note the upload goes on all the same, only not from here.
    pub(crate) fn note(&self, url: &str) {
        let note = json!({ "url": url, "size": self.size, "modified": self.modified });
        if let Err(error) = files::write_private(&self.note, &note.to_string()) {
            tracing::warn!(%error, "this upload cannot be gone on with later");
        }
    }

    pub(crate) fn forget(&self) {
        files::remove(&self.note);
    }
}

fn state_directory() -> anyhow::Result<PathBuf> {
    let from = |name| std::env::var_os(name).map(PathBuf::from);
    let state = from("XDG_STATE_HOME").or_else(|| Some(from("HOME")?.join(".local/state")));
    Ok(state.context("neither XDG_STATE_HOME nor HOME is set")?.join("gatepass"))
}
