//! The console: one page to try an upload by hand.

use http::{HeaderValue, Response, header};

use crate::answer::{Answer, full};
use crate::service::App;

const PAGE: &str = include_str!("console.html");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src *; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

pub(crate) fn respond(app: &App) -> Answer {
    let escaped = app.public_url.replace(['<', '>', '"', '&', '\''], "");
    let mut answer = Response::new(full(PAGE.replace("{public_url}", &escaped)));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}
