use http::{HeaderValue, header};

use super::code::Retry;
use super::{ErrorCode, Problem};
use crate::answer::{Answer, Context, error_json, json};

/// Writes a problem as an answer, and logs it once if the fault is ours: the client gets the
/// request id only.
pub(crate) fn problem_answer(context: &Context, problem: &Problem) -> Answer {
    log(context, problem);
    metrics::counter!("gatepass_errors_total", "kind" => problem.code.kind()).increment(1);
    let mut answer = json(problem.code.status(), &error_json(context, problem));
    for (name, value) in &problem.headers {
        answer.headers_mut().insert(name.clone(), value.clone());
    }
    if let Retry::After(seconds) = problem.code.retry() {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if ends_connection(problem.code) {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// After these the client's bytes make no sense any more.
fn ends_connection(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::BodyIncomplete | ErrorCode::ClientTimeout)
}

fn log(context: &Context, problem: &Problem) {
    if problem.code.status().is_server_error() {
        let cause = problem.cause.as_deref().map(chain).unwrap_or_default();
        tracing::error!(
            request_id = %context.request_id,
            kind = problem.code.kind(),
            cause,
            "request failed"
        );
    }
}

fn chain(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
