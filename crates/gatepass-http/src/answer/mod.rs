//! Answers: the envelope in its three versions, the File object, and the parts they share.

mod body;
mod envelope;
mod file;
mod list;
mod plain;
mod upload;
mod version;

pub use body::AnswerBody;
pub(crate) use body::{empty, full, of_file, streamed};
pub(crate) use envelope::{Context, Links, error_json, object_json};
pub(crate) use file::{FileObject, file_json, file_links, file_object};
pub(crate) use list::{Page, list_answer};
pub(crate) use plain::{Health, Message, deleted, healthy};
pub(crate) use upload::{
    UPLOAD_COMPLETE, UPLOAD_LENGTH, UPLOAD_OFFSET, UploadObject, put_offset, upload_json,
    upload_url,
};
pub(crate) use version::Version;

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// What goes back to the client.
pub type Answer = Response<AnswerBody>;

/// An answer with a JSON body.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // What we write has nothing that JSON has not.
    let mut answer = Response::new(full(serde_json::to_vec(value).unwrap_or_default()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    answer
}

/// An answer without a body.
pub(crate) fn bare(status: StatusCode) -> Answer {
    let mut answer = Response::new(empty());
    *answer.status_mut() = status;
    answer
}
