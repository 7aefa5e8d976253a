//! `PUT /{path}` with `Content-Range`: a range of a file, or a question about the upload.

use gatepass_core::admission::UploadFacts;
use gatepass_engine::receive::{self, Chunk, Progress};
use gatepass_engine::{ProjectAccess, uploads};
use gatepass_sign::Grant;
use http::header;

use super::put::{facts, file_answer};
use super::upload::receiving_answer;
use crate::answer::{Answer, Context};
use crate::problem::{ErrorCode, Problem};
use crate::service::{App, Incoming, ReadRequest};
use crate::wire::content_range::{self, ContentRange, Span};
use crate::wire::{condition, single};

/// 202 with the Upload, or the answer of a finished file.
pub(crate) async fn respond(
    app: &App,
    access: &ProjectAccess,
    grant: &Grant,
    incoming: Incoming,
) -> Result<Answer, Problem> {
    let context = incoming.context.clone();
    let value = single(&incoming.head.headers, &header::CONTENT_RANGE)?.unwrap_or_default();
    let progress = match content_range::parse(value)? {
        ContentRange::Question { total } => {
            require_no_body(&incoming)?;
            Box::pin(uploads::state(&app.engine, grant, total)).await?
        }
        ContentRange::Bytes(span) => receive(app, grant, span, incoming).await?,
    };
    Ok(progress_answer(&context, access, &progress))
}

async fn receive(
    app: &App,
    grant: &Grant,
    span: Span,
    incoming: Incoming,
) -> Result<Progress, Problem> {
    let ReadRequest { head, body, .. } = *incoming;
    require_no_repr_digest(&head.headers)?;
    let UploadFacts { declared_size, declared_type, digests } = facts(&head.headers, head.version)?;
    let range = span.range(declared_size)?;
    let chunk = Chunk { range, total: span.total, declared_type, digests };
    let conditions = condition::conditions(&head.headers)?;
    // The body may take hours; the buffer that the head was read into would be held as long.
    drop(head);
    let progress = receive::part(&app.engine, grant, chunk, conditions, body).await?;
    metrics::counter!("gatepass_received_bytes_total").increment(range.length());
    Ok(progress)
}

pub(crate) fn progress_answer(
    context: &Context,
    access: &ProjectAccess,
    progress: &Progress,
) -> Answer {
    match progress {
        Progress::Receiving(upload) => receiving_answer(context, access, upload),
        Progress::Finished(received) => file_answer(context, access, received),
    }
}

fn require_no_body(incoming: &Incoming) -> Result<(), Problem> {
    let headers = &incoming.head.headers;
    let length = headers.get(header::CONTENT_LENGTH).is_some_and(|value| value != "0");
    if length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Problem::new(ErrorCode::ContentRangeInvalid)
            .field(header::CONTENT_RANGE.as_str())
            .detail("a question (bytes */TOTAL) has no body"));
    }
    Ok(())
}

/// It names the digest of the whole file, which no chunk has.
fn require_no_repr_digest(headers: &http::HeaderMap) -> Result<(), Problem> {
    if headers.contains_key("repr-digest") {
        return Err(Problem::new(ErrorCode::HeaderInvalid).field("repr-digest").detail(
            "a chunk has no digest of the whole file: sign sha256 into the URL, or send \
             Content-Digest for the chunk",
        ));
    }
    Ok(())
}
