use std::collections::BTreeMap;

use gatepass_core::{File, MediaFacts};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Links;

/// The File object. The first ten members are always there, the rest where they are known.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "File")]
pub(crate) struct FileObject<'a> {
    id: &'a str,
    media_id: &'a str,
    object: &'static str,
    kind: &'static str,
    #[serde(rename = "type")]
    content_type: &'a str,
    filesize: u64,
    pub(crate) url: String,
    created: String,
    updated: String,
    status: &'static str,
    folder: Option<&'a str>,
    filename: &'a str,
    #[serde(flatten)]
    media: MediaMembers<'a>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    etag: &'a str,
    crc64: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// What is known of the content, in the units that the field uses.
#[derive(Serialize, JsonSchema)]
struct MediaMembers<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    codec: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orientation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transparency: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    animated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<u64>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fps: Option<f64>,
    /// Bits a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    bitrate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    placeholder: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background: Option<&'a str>,
}

fn media_members(facts: &MediaFacts) -> MediaMembers<'_> {
    MediaMembers {
        codec: facts.codec.as_deref(),
        container: facts.container.as_deref(),
        width: facts.width,
        height: facts.height,
        orientation: facts.orientation(),
        rotation: facts.rotation,
        transparency: facts.transparency,
        animated: facts.animated,
        frames: facts.frames,
        duration: facts.duration_millis.map(thousandths),
        fps: facts.milli_fps.map(u64::from).map(thousandths),
        bitrate: facts.bitrate,
        placeholder: facts.placeholder.as_deref(),
        background: facts.background.as_deref(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for times up to 285,000 years")]
fn thousandths(value: u64) -> f64 {
    value as f64 / 1000.0
}

/// Where a file is in the API.
pub(crate) fn file_links(file: &File) -> Links {
    Links { self_: Some(format!("/files/{}", file.id)), parent: Some("/files".to_owned()) }
}

/// The same as a value.
pub(crate) fn file_json(file: &File, public_url: &str) -> Value {
    serde_json::to_value(file_object(file, public_url)).unwrap_or_default()
}

/// The File object of a file that is linked below `public_url`.
pub(crate) fn file_object<'a>(file: &'a File, public_url: &str) -> FileObject<'a> {
    let media = &file.media;
    FileObject {
        id: file.id.as_str(),
        media_id: file.media_id.as_str(),
        object: "source",
        kind: media.kind.as_str(),
        content_type: &media.content_type,
        filesize: file.size,
        url: format!("{public_url}/{}", file.path.to_encoded()),
        created: file.created.to_string(),
        updated: file.updated.to_string(),
        status: "ready",
        folder: file.path.folder(),
        filename: file.path.filename(),
        media: media_members(&media.facts),
        reference: file.reference.as_deref(),
        label: file.label.as_deref(),
        metadata: &file.metadata,
        etag: file.blob.as_str(),
        crc64: format!("{:016x}", file.crc64),
        sha256: file.sha256.map(|digest| gatepass_sign::hex(&digest)),
    }
}
