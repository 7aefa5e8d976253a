//! Metrics in Prometheus' text form. On the management listener only.

use http::{HeaderValue, Response, header};

use crate::answer::{Answer, full};
use crate::service::App;

pub(crate) fn respond(app: &App) -> Answer {
    let mut answer = Response::new(full((app.metrics)()));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, text);
    answer
}
