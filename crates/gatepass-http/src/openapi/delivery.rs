//! The operations of the delivery domains: everything that can be done at a path. Which one a
//! request is, its credentials decide; so what is common to a method stands together here.

use serde_json::{Map, Value, json};

use super::operation::{accept_version, query, responses_of};
use super::schema::Schemas;
use crate::answer::{FileObject, Message, UploadObject};
use crate::problem::ErrorCode;

/// The path of a file, as the document has it.
pub(super) const PATH: &str = "/{path}";

/// What any request can be refused for.
const ANYWHERE: &[ErrorCode] = &[
    ErrorCode::HostUnknown,
    ErrorCode::HostInvalid,
    ErrorCode::VersionUnknown,
    ErrorCode::PathInvalid,
    ErrorCode::HeaderInvalid,
    ErrorCode::SignatureMalformed,
    ErrorCode::SignatureInvalid,
    ErrorCode::UrlExpired,
    ErrorCode::ExpiryTooFar,
    ErrorCode::PolicyViolation,
    ErrorCode::CredentialsMissing,
    ErrorCode::CredentialsInvalid,
    ErrorCode::ScopeInsufficient,
    ErrorCode::PreconditionFailed,
    ErrorCode::UploadNotFound,
    ErrorCode::UploadExpired,
    ErrorCode::CatalogUnavailable,
    ErrorCode::StorageUnavailable,
    ErrorCode::StorageFull,
    ErrorCode::Internal,
];
const READING: &[ErrorCode] =
    &[ErrorCode::FileNotFound, ErrorCode::RangeUnsatisfiable, ErrorCode::BlobCorrupt];
const PUTTING: &[ErrorCode] = &[
    ErrorCode::FileExists,
    ErrorCode::TooLarge,
    ErrorCode::LengthRequired,
    ErrorCode::ContentRangeInvalid,
    ErrorCode::BodyIncomplete,
    ErrorCode::DigestMismatch,
    ErrorCode::ClientTimeout,
    ErrorCode::UploadComplete,
    ErrorCode::LengthInconsistent,
    ErrorCode::PartConflict,
    ErrorCode::PartSizeInvalid,
    ErrorCode::TooManyUploads,
    ErrorCode::UploadInterrupted,
];
const DELETING: &[ErrorCode] =
    &[ErrorCode::FileNotFound, ErrorCode::UploadComplete, ErrorCode::UploadInterrupted];

const ABOUT_PUT: &str = "The whole file, or with `Content-Range` a chunk of it, or with \
    `Content-Range: bytes */TOTAL` and no body a question. To a URL that is signed for putting, to \
    an upload's own URL, or with an API key. 201 where the path is new, 200 where a file was \
    replaced or is complete already, 202 with the Upload while bytes are missing.";
const ABOUT_GET: &str = "The file, if it is public, or the URL is signed for reading, or the API \
    key may. An upload's own URL (`?upload=`) shows the Upload, or the File it became.";
const ABOUT_HEAD: &str = "What `GET` would answer, without the body. To a URL that is signed for \
    putting, or an upload's own: how far the upload is, in `Upload-Offset`, `Upload-Length` and \
    `Upload-Complete`.";
const ABOUT_DELETE: &str = "Deletes the file, if the URL is signed for deleting or the API key \
    may; 200. To a URL that is signed for putting, or an upload's own: gives the unfinished upload \
    up; 204.";

/// What is at [`PATH`], for the delivery domain with this URL.
pub(super) fn path_item(public_url: &str, schemas: &mut Schemas) -> Value {
    let domain = json!({ "url": public_url, "description": "A delivery domain." });
    let path = json!({
        "name": "path", "in": "path", "required": true,
        "description": "The file's path, whose slashes stand as they are; or the file's id.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 1024 },
    });
    json!({
        "servers": [domain],
        "parameters": [path],
        "get": get(schemas),
        "head": head(schemas),
        "put": put(schemas),
        "delete": delete(schemas),
        "options": preflight(schemas),
    })
}

fn get(schemas: &mut Schemas) -> Value {
    let mut operation = operation("readFile", "Read a file", ABOUT_GET);
    let headers = ["Range", "If-Range", "If-None-Match", "If-Modified-Since"];
    let headers = [&headers[..], &["If-Match", "If-Unmodified-Since"]].concat();
    operation["parameters"] = parameters(&["download", "upload"], &headers, schemas);
    let mut responses = responses_of(&[ANYWHERE, READING].concat(), schemas.version());
    let any = json!({ "*/*": {} });
    respond(&mut responses, 200, "The file.", Some(&any), &["ETag", "Last-Modified"]);
    respond(&mut responses, 206, "The part that `Range` names.", Some(&any), &["Content-Range"]);
    respond(&mut responses, 202, "The unfinished upload.", Some(&upload(schemas)), &[]);
    let elsewhere =
        "With `delivery = redirect`: the file is at `Location`, in the store, for a minute.";
    respond(&mut responses, 302, elsewhere, None, &["Location"]);
    respond(&mut responses, 304, "It is still what the condition names.", None, &["ETag"]);
    operation["responses"] = responses.into();
    operation
}

fn head(schemas: &mut Schemas) -> Value {
    let mut operation = operation("headFile", "Ask about a file or an upload", ABOUT_HEAD);
    let headers = ["If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"];
    operation["parameters"] = parameters(&["download", "upload"], &headers, schemas);
    let mut responses = responses_of(&[ANYWHERE, READING].concat(), schemas.version());
    for response in responses.values_mut().filter_map(Value::as_object_mut) {
        response.remove("content");
    }
    respond(&mut responses, 200, "There is a file.", None, &["ETag", "Last-Modified"]);
    let offset = ["Upload-Offset", "Upload-Complete"];
    respond(&mut responses, 204, "There is an upload.", None, &offset);
    respond(&mut responses, 304, "It is still what the condition names.", None, &["ETag"]);
    operation["responses"] = responses.into();
    operation
}

fn put(schemas: &mut Schemas) -> Value {
    let mut operation = operation("putFile", "Upload a file, or a chunk", ABOUT_PUT);
    let policy = ["max_size", "size", "type", "sha256", "overwrite", "ref", "upload"];
    let headers = ["Content-Range", "Content-Digest", "Repr-Digest", "Content-MD5"];
    let headers = [&headers[..], &["If-None-Match", "If-Match"]].concat();
    operation["parameters"] = parameters(&policy, &headers, schemas);
    operation["requestBody"] = json!({ "content": { "application/octet-stream": {} } });
    let mut responses = responses_of(&[ANYWHERE, PUTTING].concat(), schemas.version());
    let file = json_of(&schemas.received::<FileObject<'_>>());
    let headers = ["ETag", "Location"];
    respond(&mut responses, 200, "The File.", Some(&file), &headers);
    respond(&mut responses, 201, "The File, at a new path.", Some(&file), &headers);
    let headers = ["Location", "Upload-Offset", "Upload-Complete"];
    respond(&mut responses, 202, "The unfinished upload.", Some(&upload(schemas)), &headers);
    operation["responses"] = responses.into();
    operation
}

fn delete(schemas: &mut Schemas) -> Value {
    let summary = "Delete a file, or give an upload up";
    let mut operation = operation("removeFile", summary, ABOUT_DELETE);
    operation["parameters"] = parameters(&["upload"], &["If-Match"], schemas);
    let mut responses = responses_of(&[ANYWHERE, DELETING].concat(), schemas.version());
    let message = json_of(&schemas.object::<Message>());
    respond(&mut responses, 200, "The file is deleted.", Some(&message), &[]);
    respond(&mut responses, 204, "The upload is given up.", None, &[]);
    operation["responses"] = responses.into();
    operation
}

/// It needs no credentials, whatever the path.
fn preflight(schemas: &Schemas) -> Value {
    let mut operation = operation(
        "preflight",
        "What pages of other origins may do",
        "Any origin may do anything; the signature is the credential.",
    );
    operation["security"] = json!([]);
    let refused = [ErrorCode::HostInvalid, ErrorCode::VersionUnknown];
    let mut responses = responses_of(&refused, schemas.version());
    respond(&mut responses, 204, "The methods and headers.", None, &["Allow"]);
    operation["responses"] = responses.into();
    operation
}

/// Nothing at all may be enough: for a public file, and for an upload's own URL, which is a
/// credential without a signature.
fn operation(id: &str, summary: &str, about: &str) -> Value {
    let security = json!([{ "signedUrl": [] }, { "apiKey": [] }, {}]);
    json!({ "operationId": id, "summary": summary, "description": about, "security": security })
}

/// What a signed URL always has, and these of what it may have; and headers that mean something.
fn parameters(signed: &[&str], headers: &[&str], schemas: &Schemas) -> Value {
    let always = ["expiry", "method", "kid"];
    let mut all: Vec<Value> = always
        .iter()
        .chain(signed)
        .map(|name| query(name, &json!({ "type": "string" }), false))
        .collect();
    all.extend(headers.iter().map(|name| {
        json!({ "name": name, "in": "header", "required": false, "schema": { "type": "string" } })
    }));
    all.push(accept_version(schemas.version()));
    all.into()
}

fn upload(schemas: &mut Schemas) -> Value {
    json_of(&schemas.object::<UploadObject<'_>>())
}

fn json_of(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn respond(
    responses: &mut Map<String, Value>,
    status: u16,
    about: &str,
    content: Option<&Value>,
    headers: &[&str],
) {
    let text = |name: &&str| ((*name).to_owned(), json!({ "schema": { "type": "string" } }));
    let headers: Map<String, Value> = headers.iter().map(text).collect();
    let mut response = json!({ "description": about, "headers": headers });
    if let Some(content) = content {
        response["content"] = content.clone();
    }
    responses.insert(status.to_string(), response);
}
