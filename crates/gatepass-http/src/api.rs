//! The management API: from a request to the call that its route names.

mod caller;
mod table;

pub(crate) use caller::Caller;
pub use table::{Call, KeyedCall, OpenCall, ROUTES, Route};

use http::{Method, header};

use crate::answer::Answer;
use crate::problem::{ErrorCode, Problem, problem_answer};
use crate::routes::{console, files, health, ingest, metrics, openapi, rules, signatures, uploads};
use crate::service::{App, Incoming};

/// Who can reach the API here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// The API's own listener.
    Private,
    /// The public listener, under the API's host: without metrics.
    Public,
}

pub(crate) async fn respond(app: &App, incoming: Incoming, exposure: Exposure) -> Answer {
    let context = incoming.context.clone();
    let path = incoming.head.uri.path().to_owned();
    let result = match find(&incoming.head.method, &path, exposure) {
        Ok((Call::Open(call), _)) => Ok(answer_anybody(app, call, &incoming).await),
        Ok((Call::Keyed(scope, call), id)) => match Caller::admit(app, incoming, scope) {
            Ok((caller, incoming)) => answer_caller(app, call, id, &caller, incoming).await,
            Err(problem) => Err(problem),
        },
        Err(problem) => Err(problem),
    };
    result.unwrap_or_else(|problem| problem_answer(&context, &problem))
}

fn find<'a>(
    method: &Method,
    path: &'a str,
    exposure: Exposure,
) -> Result<(Call, &'a str), Problem> {
    let visible = ROUTES.iter().filter(|route| route.is_visible(exposure));
    let here: Vec<_> = visible.filter_map(|route| Some((route, route.matches(path)?))).collect();
    let effective = if *method == Method::HEAD { &Method::GET } else { method };
    match here.iter().find(|(route, _)| route.method == *effective) {
        Some((route, id)) => Ok((route.call, id)),
        None if here.is_empty() => Err(ErrorCode::RouteNotFound.into()),
        None => {
            let allowed: Vec<_> = here.iter().map(|(route, _)| route.method.as_str()).collect();
            Err(Problem::new(ErrorCode::MethodNotAllowed)
                .header(header::ALLOW, &allowed.join(", ")))
        }
    }
}

async fn answer_anybody(app: &App, call: OpenCall, incoming: &Incoming) -> Answer {
    match call {
        OpenCall::Console => console::respond(app),
        OpenCall::OpenApi => openapi::document(app, incoming.context.version),
        OpenCall::Docs => openapi::page(app),
        OpenCall::Livez => health::livez(),
        OpenCall::Readyz => health::readyz(app, &incoming.context).await,
        OpenCall::Metrics => metrics::respond(app),
    }
}

async fn answer_caller(
    app: &App,
    call: KeyedCall,
    id: &str,
    caller: &Caller,
    incoming: Incoming,
) -> Result<Answer, Problem> {
    match call {
        KeyedCall::CreateSignature => signatures::respond(app, caller, incoming).await,
        KeyedCall::ListRules => rules::list(app, caller, &incoming).await,
        KeyedCall::PutRule => rules::put(app, caller, incoming).await,
        KeyedCall::DeleteRule => rules::remove(app, caller, &incoming).await,
        KeyedCall::ListFiles => files::list(app, caller, &incoming).await,
        KeyedCall::FindFile => files::find(app, caller, &incoming, id).await,
        KeyedCall::ChangeFile => files::change(app, caller, incoming, id).await,
        KeyedCall::DeleteFile => files::remove(app, caller, &incoming, id).await,
        KeyedCall::IngestFile => ingest::respond(app, caller, incoming).await,
        KeyedCall::ListUploads => uploads::list(app, caller, &incoming).await,
        KeyedCall::FindUpload => uploads::find(app, caller, &incoming, id).await,
        KeyedCall::DeleteUpload => uploads::remove(app, caller, &incoming, id).await,
    }
}
