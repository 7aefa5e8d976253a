//! `livez`: the process answers. `readyz`: it can take uploads.

use gatepass_engine::NotReady;
use http::{Method, StatusCode, header};

use crate::answer::{Answer, Context, healthy, json};
use crate::problem::{ErrorCode, Problem, problem_answer};
use crate::service::App;

/// The checks below the reserved segment of the delivery listener.
pub(crate) async fn respond(app: &App, method: &Method, check: &str, context: &Context) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let problem = Problem::new(ErrorCode::MethodNotAllowed).header(header::ALLOW, "GET, HEAD");
        return problem_answer(context, &problem);
    }
    match check {
        "livez" => livez(),
        "readyz" => readyz(app, context).await,
        _ => problem_answer(context, &ErrorCode::RouteNotFound.into()),
    }
}

pub(crate) fn livez() -> Answer {
    json(StatusCode::OK, &healthy())
}

pub(crate) async fn readyz(app: &App, context: &Context) -> Answer {
    match app.engine.check_ready().await {
        Ok(()) => livez(),
        Err(NotReady::Catalog(error)) => problem_answer(context, &error.into()),
        Err(NotReady::Store(error)) => problem_answer(context, &error.into()),
    }
}
