//! Cross-origin requests: any origin, never with credentials, because the signature in the URL is
//! the credential. Preflights need no signature.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::answer::{Answer, bare};

/// What can be done at a path.
pub(crate) const METHODS: &str = "GET, HEAD, PUT, DELETE, OPTIONS";
/// What pages may try: whatever upload libraries are told that they may not, they tell as "network
/// error", where 405 tells what is wrong.
const METHODS_FOR_PAGES: &str = "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS";
const EXPOSED: &str = "ETag, Location, Range, Content-Range, Accept-Ranges, Content-Disposition, \
    Upload-Offset, Upload-Length, Upload-Complete, Upload-Limit, Upload-Expires, Upload-Metadata, \
    Upload-Concat, Upload-Defer-Length, Upload-Draft-Interop-Version, Tus-Resumable, Tus-Version, \
    Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, Link, Links, Retry-After, X-Request-Id, \
    Gatepass-Receipt, Repr-Digest";
/// Seconds that a browser may keep a preflight's answer.
const MAX_AGE: &str = "86400";
/// Longest list of headers that is echoed, in bytes.
const REQUESTED_BYTES_MAX: usize = 4_096;

/// Lets pages of every origin read the answer.
pub(crate) fn open(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

/// The answer to `OPTIONS`, preflight or not.
pub(crate) fn preflight(request: &HeaderMap) -> Answer {
    let mut answer = bare(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
    let for_pages = HeaderValue::from_static(METHODS_FOR_PAGES);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, for_pages);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(request));
    headers.insert(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    answer
}

/// What the page asks for: client libraries add headers of their own.
fn allowed_headers(request: &HeaderMap) -> HeaderValue {
    let is_list = |value: &&HeaderValue| {
        let names = value.to_str().unwrap_or_default();
        names.len() <= REQUESTED_BYTES_MAX
            && names.split(',').all(|name| name.trim().parse::<HeaderName>().is_ok())
    };
    request
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .filter(is_list)
        .cloned()
        .unwrap_or(HeaderValue::from_static("Content-Type, Content-Range, Authorization"))
}
