//! Files as rows, as facts, as JSON.

use gatepass_core::File;
use serde_json::{Value, json};

use crate::output;
use crate::units::show_size;

pub(super) fn table(files: &[File]) {
    let row = |file: &File| {
        vec![
            file.path.to_string(),
            show_size(file.size),
            file.media.content_type.clone(),
            file.updated.to_string(),
            file.id.to_string(),
        ]
    };
    let rows: Vec<_> = files.iter().map(row).collect();
    output::table(&["path", "size", "type", "updated", "id"], &rows);
}

pub(super) fn facts(file: &File, url: String) -> Vec<(String, String)> {
    let mut facts = vec![
        ("path", file.path.to_string()),
        ("id", file.id.to_string()),
        ("url", url),
        ("type", file.media.content_type.clone()),
        ("size", format!("{} ({} bytes)", show_size(file.size), file.size)),
    ];
    if let (Some(width), Some(height)) = (file.media.facts.width, file.media.facts.height) {
        facts.push(("pixels", format!("{width} x {height}")));
    }
    facts.extend(file.label.clone().map(|label| ("label", label)));
    facts.extend(file.reference.clone().map(|reference| ("ref", reference)));
    facts.extend([
        ("created", file.created.to_string()),
        ("updated", file.updated.to_string()),
        ("etag", file.etag().as_str().to_owned()),
        ("crc64", format!("{:016x}", file.crc64)),
    ]);
    facts.extend(file.sha256.map(|digest| ("sha256", gatepass_sign::hex(&digest))));
    let named = facts.into_iter().map(|(name, value)| (name.to_owned(), value));
    let metadata =
        file.metadata.iter().map(|(name, value)| (format!("meta.{name}"), value.clone()));
    named.chain(metadata).collect()
}

pub(super) fn json_of(file: &File) -> Value {
    json!({
        "id": file.id,
        "path": file.path.as_str(),
        "size": file.size,
        "type": file.media.content_type,
        "width": file.media.facts.width,
        "height": file.media.facts.height,
        "ref": file.reference,
        "label": file.label,
        "metadata": file.metadata,
        "etag": file.etag().as_str(),
        "created": file.created.to_string(),
        "updated": file.updated.to_string(),
    })
}
