//! `/openapi.json`, and the same as a page.

use http::{HeaderValue, Response, StatusCode, header};

use crate::answer::{Answer, Version, full, json};
use crate::openapi;
use crate::service::App;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; \
    frame-ancestors 'none'; base-uri 'none'";

/// The document for the answer version that was asked for.
pub(crate) fn document(app: &App, version: Version) -> Answer {
    let mut answer = json(StatusCode::OK, &openapi::document(version, app.engine.public_url()));
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Version"));
    answer
}

pub(crate) fn page(app: &App) -> Answer {
    let mut answer = Response::new(full(openapi::page(app.engine.public_url())));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}
