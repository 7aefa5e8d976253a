//! `PUT /{path}`: a whole file in one body.

use gatepass_core::admission::UploadFacts;
use gatepass_engine::ProjectAccess;
use gatepass_engine::receive::{self, Received};
use gatepass_sign::{Grant, Proof};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};

use crate::answer::{self, Answer, Context, file_links, file_object, object_json};
use crate::problem::{ErrorCode, Problem};
use crate::service::{App, Incoming, ReadRequest};
use crate::wire::{condition, digest};

const GATEPASS_RECEIPT: HeaderName = HeaderName::from_static("gatepass-receipt");

/// Checks everything that can be checked before the first byte is read, takes the body, answers
/// with the File: 201 where the path is new, 200 where it was replaced.
pub(crate) async fn respond(
    app: &App,
    access: &ProjectAccess,
    grant: &Grant,
    incoming: Incoming,
) -> Result<Answer, Problem> {
    let ReadRequest { head, body, context } = *incoming;
    if matches!(grant.proof(), Proof::Upload(_)) {
        return Err(Problem::new(ErrorCode::ContentRangeInvalid)
            .field("content-range")
            .detail("an upload's own URL takes chunks: send Content-Range"));
    }
    let facts = facts(&head.headers, head.version)?;
    let conditions = condition::conditions(&head.headers)?;
    // The body may take hours; the buffer that the head was read into would be held as long.
    drop(head);
    let received = receive::whole(&app.engine, grant, &facts, conditions, body).await?;
    metrics::counter!("gatepass_received_bytes_total").increment(received.file.size);
    Ok(file_answer(&context, access, &received))
}

pub(super) fn facts(headers: &HeaderMap, version: Version) -> Result<UploadFacts, Problem> {
    let declared_size = content_length(headers)?;
    // Without either, a body has no end that could be told from a broken connection.
    let chunked = version == Version::HTTP_11 && headers.contains_key(header::TRANSFER_ENCODING);
    if declared_size.is_none() && !chunked {
        return Err(ErrorCode::LengthRequired.into());
    }
    let declared_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(UploadFacts {
        declared_size,
        declared_type: declared_type.map(str::to_owned),
        digests: digest::expected(headers)?,
    })
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| crate::wire::malformed(&header::CONTENT_LENGTH))
}

pub(super) fn file_answer(
    context: &Context,
    access: &ProjectAccess,
    received: &Received,
) -> Answer {
    let file = &received.file;
    let object = file_object(file, &access.public_url);
    let location = object.url.clone();
    let receipt = received.receipt.as_ref().map(gatepass_sign::Receipt::token);
    let status = if received.created { StatusCode::CREATED } else { StatusCode::OK };
    let links = file_links(file);
    let body = object_json(context, object, &links).with_receipt(receipt);
    let mut answer = answer::json(status, &body);
    let headers = answer.headers_mut();
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(header::ETAG, &file.etag().to_string());
    put(header::LOCATION, &location);
    if let Some(token) = receipt {
        put(GATEPASS_RECEIPT, token);
    }
    answer
}
