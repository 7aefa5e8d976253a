use gatepass_core::{ByteRange, Upload, UploadStatus};
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub(crate) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(crate) const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(crate) const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");

/// The Upload object. Ranges are inclusive, in bytes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Upload")]
pub(crate) struct UploadObject<'a> {
    id: &'a str,
    object: &'static str,
    #[schemars(extend("enum" = ["receiving", "completing", "complete", "aborted", "expired"]))]
    status: &'static str,
    folder: Option<&'a str>,
    filename: &'a str,
    /// Null while nobody has said it.
    filesize: Option<u64>,
    received: u64,
    ranges: Vec<[u64; 2]>,
    missing: Vec<[u64; 2]>,
    url: String,
    created: String,
    updated: String,
    expires: String,
}

/// The Upload object.
pub(crate) fn upload_json(upload: &Upload, public_url: &str) -> Value {
    let object = UploadObject {
        id: upload.id.as_str(),
        object: "upload",
        status: status(upload),
        folder: upload.path.folder(),
        filename: upload.path.filename(),
        filesize: upload.total,
        received: received(upload),
        ranges: inclusive(&upload.parts.ranges()),
        missing: inclusive(&missing(upload)),
        url: upload_url(upload, public_url),
        created: upload.created.to_string(),
        updated: upload.updated.to_string(),
        expires: upload.expires.to_string(),
    };
    serde_json::to_value(object).unwrap_or_default()
}

/// The upload's own URL: who has it can go on.
pub(crate) fn upload_url(upload: &Upload, public_url: &str) -> String {
    format!("{public_url}/{}?upload={}", upload.path.to_encoded(), upload.id.as_str())
}

/// How far the upload is, as headers.
pub(crate) fn put_offset(headers: &mut HeaderMap, upload: &Upload) {
    let complete = upload.status == UploadStatus::Complete;
    let offset = if complete { received(upload) } else { upload.parts.offset() };
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
    if let Some(total) = upload.total {
        headers.insert(UPLOAD_LENGTH, HeaderValue::from(total));
    }
    let complete = if complete { "?1" } else { "?0" };
    headers.insert(UPLOAD_COMPLETE, HeaderValue::from_static(complete));
}

/// Between its last byte and its publication it is being completed.
fn status(upload: &Upload) -> &'static str {
    match upload.status {
        UploadStatus::Receiving if upload.has_all_bytes() => "completing",
        status => status.as_str(),
    }
}

fn received(upload: &Upload) -> u64 {
    upload.finished.as_ref().map_or_else(|| upload.parts.received(), |done| done.file.size)
}

fn missing(upload: &Upload) -> Vec<ByteRange> {
    match upload.status {
        UploadStatus::Receiving => upload.parts.missing(upload.total),
        _ => Vec::new(),
    }
}

fn inclusive(ranges: &[ByteRange]) -> Vec<[u64; 2]> {
    ranges.iter().map(|range| [range.start(), range.end().saturating_sub(1)]).collect()
}
