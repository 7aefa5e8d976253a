//! `GET` and `HEAD` of `/{path}`: a file, or a part of it.

use std::time::{Duration, UNIX_EPOCH};

use futures_util::StreamExt as _;
use gatepass_core::port::OpenBlob;
use gatepass_core::safe_serving::{CONTENT_SECURITY_POLICY, disposition};
use gatepass_core::{ByteRange, File, Visibility};
use gatepass_engine::ProjectAccess;
use gatepass_engine::serve::{self, LinkHeaders, ReadRequest, Served, Source};
use gatepass_sign::{Grant, Proof};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::answer::{Answer, AnswerBody, bare, empty, full, of_file, streamed};
use crate::problem::{ErrorCode, Problem};
use crate::service::{App, Incoming};
use crate::wire::{condition, content_disposition, range};

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
/// Room for those of an answer, so that their table is made once.
const HEADERS: usize = 20;

pub(crate) async fn respond(
    app: &App,
    access: &ProjectAccess,
    grant: &Grant,
    incoming: &Incoming,
) -> Result<Answer, Problem> {
    let mut request = read_request(&incoming.head.method, &incoming.head.headers)?;
    request.may_leave = app.redirects && may_repeat(&incoming.head.headers, &request);
    let mut served = serve::open(&app.engine, grant, &request).await?;
    if let Served::Elsewhere(file) = &served {
        if let Some(answer) = redirect(app, access, grant, file) {
            return Ok(answer);
        }
        request.may_leave = false;
        served = serve::open(&app.engine, grant, &request).await?;
    }
    match served {
        Served::Elsewhere(_) => Err(ErrorCode::Internal.into()),
        Served::NotModified(file) => {
            let mut answer = bare(StatusCode::NOT_MODIFIED);
            validators(answer.headers_mut(), &file);
            answer.headers_mut().insert(header::CACHE_CONTROL, cache_control(access, grant));
            Ok(answer)
        }
        Served::RangeUnsatisfiable(file) => Err(Problem::new(ErrorCode::RangeUnsatisfiable)
            .header(header::CONTENT_RANGE, &format!("bytes */{}", file.size))),
        Served::Content { file, part, body } => {
            let range = part.unwrap_or(ByteRange::first(file.size));
            let body = match body {
                None => empty(),
                Some(Source::Memory(bytes)) => full(bytes),
                Some(Source::Open(OpenBlob::Descriptor(open))) => of_file(open, range),
                Some(Source::Open(OpenBlob::Pieces(mut reader))) => {
                    let first = reader.next().await.transpose()?;
                    streamed(first, reader, range.length())
                }
            };
            Ok(content(access, grant, &file, part, range.length(), body))
        }
    }
}

/// Whether a reader who is sent to the store may say there what it says here. Its conditions name
/// versions and dates of ours, of which the store knows nothing and might take others for them. An
/// API key must not get there at all.
fn may_repeat(headers: &HeaderMap, request: &ReadRequest) -> bool {
    let of_ours = [
        header::AUTHORIZATION,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
    ];
    let range_is_understood = request.range.is_some() || !headers.contains_key(header::RANGE);
    range_is_understood && !of_ours.iter().any(|name| headers.contains_key(name))
}

/// To the store, which sends what it is told. Nobody keeps the redirect: it is good for a moment.
fn redirect(app: &App, access: &ProjectAccess, grant: &Grant, file: &File) -> Option<Answer> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let headers = LinkHeaders {
        content_type: file.media.content_type.clone(),
        disposition: text(&presentation(grant, file))?,
        cache_control: text(&cache_control(access, grant))?,
    };
    let url = serve::link(&app.engine, file, headers)?;
    let mut answer = bare(StatusCode::FOUND);
    let headers = answer.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_str(&url).ok()?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    metrics::counter!("gatepass_redirects_total").increment(1);
    Some(answer)
}

/// `Range` means something for `GET` only.
fn read_request(method: &Method, headers: &HeaderMap) -> Result<ReadRequest, Problem> {
    let one_range = || {
        let mut values = headers.get_all(header::RANGE).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        range::parse(value.to_str().ok()?)
    };
    Ok(ReadRequest {
        conditions: condition::conditions(headers)?,
        range: if *method == Method::GET { one_range() } else { None },
        if_range: condition::if_range(headers)?,
        head_only: *method == Method::HEAD,
        may_leave: false,
    })
}

fn content(
    access: &ProjectAccess,
    grant: &Grant,
    file: &File,
    part: Option<ByteRange>,
    length: u64,
    body: AnswerBody,
) -> Answer {
    let mut answer = Answer::new(body);
    let headers = answer.headers_mut();
    headers.reserve(HEADERS);
    validators(headers, file);
    headers.insert(header::CACHE_CONTROL, cache_control(access, grant));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    safe_serving(headers, grant, file);
    if let Some(part) = part {
        let last = part.end().saturating_sub(1);
        let range = format!("bytes {}-{last}/{}", part.start(), file.size);
        insert(headers, header::CONTENT_RANGE, range);
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    answer
}

fn presentation(grant: &Grant, file: &File) -> HeaderValue {
    let download = grant.policy().and_then(|policy| policy.download.as_deref());
    let name = download.filter(|name| !name.is_empty()).unwrap_or(file.path.filename());
    let disposition = disposition(&file.media.content_type, download.is_some());
    content_disposition::value(disposition, name)
}

fn safe_serving(headers: &mut HeaderMap, grant: &Grant, file: &File) {
    headers.insert(header::CONTENT_DISPOSITION, presentation(grant, file));
    insert(headers, header::CONTENT_TYPE, file.media.content_type.as_str());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
}

fn validators(headers: &mut HeaderMap, file: &File) {
    // What `ETag` writes, without a formatter.
    insert(headers, header::ETAG, ["\"", file.blob.as_str(), "\""].concat());
    let updated = UNIX_EPOCH + Duration::from_secs(file.updated.unix_seconds());
    insert(headers, header::LAST_MODIFIED, httpdate::fmt_http_date(updated));
}

/// A public file may be kept but must be asked for again, for its path may be replaced at any
/// time. Everything else stays with the reader who was allowed to see it.
fn cache_control(access: &ProjectAccess, grant: &Grant) -> HeaderValue {
    let unsigned = matches!(grant.proof(), Proof::Public);
    let public = unsigned && access.door.visibility(grant.path()) == Visibility::Public;
    HeaderValue::from_static(if public { "public, no-cache" } else { "private, no-store" })
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: impl Into<String>) {
    if let Ok(value) = HeaderValue::try_from(value.into()) {
        headers.insert(name, value);
    }
}
