//! The public listener: every project's paths.
//!
//! 1. health below the reserved segment, whatever the host;
//! 2. `OPTIONS`, which needs no signature;
//! 3. the host's project, or the API if it is the API's host;
//! 4. the door;
//! 5. the operation that the grant is for.

use std::sync::Arc;

use gatepass_core::{FileId, Operation};
use gatepass_engine::{ProjectAccess, serve};
use gatepass_sign::{Grant, Method as SignMethod, PathError, Proof, Request, VerifyError};
use http::{HeaderValue, Method, header};

use crate::answer::Answer;
use crate::problem::{ErrorCode, Problem, problem_answer};
use crate::routes::{chunk, health, put, read, remove, upload};
use crate::service::{App, Incoming, bearer};
use crate::wire::host::host;
use crate::{api, cors};

const HEALTH_PREFIX: &str = "/.well-known/gatepass/";

pub(crate) async fn respond(app: &App, incoming: Incoming) -> Answer {
    if let Some(check) = incoming.head.uri.path().strip_prefix(HEALTH_PREFIX) {
        return health::respond(app, &incoming.head.method, check, &incoming.context).await;
    }
    // Only the origin form names a path.
    if !incoming.head.uri.path().starts_with('/') && incoming.head.method != Method::OPTIONS {
        return open(problem_answer(&incoming.context, &ErrorCode::PathInvalid.into()));
    }
    let host = match host(&incoming.head.uri, &incoming.head.headers) {
        Ok(host) => host,
        Err(problem) => return open(problem_answer(&incoming.context, &problem)),
    };
    if app.api_host.as_deref().is_some_and(|api| api.eq_ignore_ascii_case(host)) {
        return Box::pin(api::respond(app, incoming, api::Exposure::Public)).await;
    }
    if incoming.head.method == Method::OPTIONS {
        return open(cors::preflight(&incoming.head.headers));
    }
    let access = app.engine.directory().by_host(host).map(Arc::clone);
    open(respond_for_project(app, incoming, access).await)
}

pub(crate) fn open(mut answer: Answer) -> Answer {
    cors::open(answer.headers_mut());
    let no_referrer = HeaderValue::from_static("no-referrer");
    answer.headers_mut().insert(header::REFERRER_POLICY, no_referrer);
    answer
}

async fn respond_for_project(
    app: &App,
    mut incoming: Incoming,
    access: Option<Arc<ProjectAccess>>,
) -> Answer {
    let Some(access) = access else {
        return problem_answer(&incoming.context, &ErrorCode::HostUnknown.into());
    };
    incoming.context.access = Some(Arc::clone(&access));
    let context = incoming.context.clone();
    let head_only = incoming.head.method == Method::HEAD;
    let result = match authorise(app, &access, &incoming).await {
        Ok(grant) => dispatch(app, &access, &grant, incoming).await,
        Err(problem) => Err(problem),
    };
    let answer = result.unwrap_or_else(|problem| problem_answer(&context, &problem));
    if head_only { without_body(answer) } else { answer }
}

async fn authorise(
    app: &App,
    access: &ProjectAccess,
    incoming: &Incoming,
) -> Result<Grant, Problem> {
    let head = &incoming.head;
    let method = sign_method(&head.method).ok_or_else(method_not_allowed)?;
    let path = head.uri.path();
    let request = Request {
        method,
        path: path.strip_prefix('/').unwrap_or(path),
        query: head.uri.query(),
        bearer: bearer(&head.headers)?,
        continues: continues(head),
    };
    let now = app.engine.now().unix_seconds();
    let asked = access.door.authorise(&request, now);
    let grant = match by_id(app, access, &request, &asked, now).await? {
        Some(grant) => grant,
        None => asked.map_err(|error| refusal(method, error))?,
    };
    if let Proof::SignedUrl { key, .. } | Proof::ApiKey { key } = grant.proof() {
        app.engine.note_key_used(key);
    }
    Ok(grant)
}

/// The grant for the file that is named by its id. It is looked for after the credentials were
/// found right, and whoever may not read it learns as little as if there were none. An id counts
/// before a path that reads like one: or else an upload under somebody else's id would be served
/// in place of that file.
async fn by_id(
    app: &App,
    access: &ProjectAccess,
    request: &Request<'_>,
    asked: &Result<Grant, VerifyError>,
    now: u64,
) -> Result<Option<Grant>, Problem> {
    let readable_elsewhere = match asked {
        Ok(grant) => grant.operation() == Operation::Read,
        Err(error) => {
            matches!(error, VerifyError::CredentialsMissing | VerifyError::ScopeInsufficient)
        }
    };
    let reads = matches!(request.method, SignMethod::Get | SignMethod::Head);
    let Some(id) = FileId::parse(request.path).filter(|_| reads && readable_elsewhere) else {
        return Ok(None);
    };
    let project = &access.project.id;
    let Some(path) = serve::path_of(&app.engine, project, &id).await? else { return Ok(None) };
    let grant = access.door.authorise_by_id(request, path, now).ok();
    Ok(grant.filter(|grant| grant.operation() == Operation::Read))
}

/// Whether the request may belong to an upload that has begun.
fn continues(head: &http::request::Parts) -> bool {
    matches!(head.method, Method::HEAD | Method::DELETE)
        || head.headers.contains_key(header::CONTENT_RANGE)
}

fn sign_method(method: &Method) -> Option<SignMethod> {
    match *method {
        Method::GET => Some(SignMethod::Get),
        Method::HEAD => Some(SignMethod::Head),
        Method::PUT => Some(SignMethod::Put),
        Method::POST => Some(SignMethod::Post),
        Method::PATCH => Some(SignMethod::Patch),
        Method::DELETE => Some(SignMethod::Delete),
        _ => None,
    }
}

/// Reading where no file can be is no mistake of form.
fn refusal(method: SignMethod, error: VerifyError) -> Problem {
    let reads = matches!(method, SignMethod::Get | SignMethod::Head);
    match error {
        VerifyError::PathInvalid(PathError::Reserved | PathError::Empty) if reads => {
            ErrorCode::FileNotFound.into()
        }
        error => error.into(),
    }
}

async fn dispatch(
    app: &App,
    access: &ProjectAccess,
    grant: &Grant,
    incoming: Incoming,
) -> Result<Answer, Problem> {
    // Each in a box: a slow upload needs no room for what others have to remember.
    match grant.operation() {
        Operation::Read => Box::pin(read::respond(app, access, grant, &incoming)).await,
        Operation::Upload if incoming.head.method != Method::PUT => Err(method_not_allowed()),
        Operation::Upload if incoming.head.headers.contains_key(header::CONTENT_RANGE) => {
            Box::pin(chunk::respond(app, access, grant, incoming)).await
        }
        Operation::Upload => Box::pin(put::respond(app, access, grant, incoming)).await,
        Operation::UploadStatus => Box::pin(upload::state(app, access, grant, &incoming)).await,
        Operation::UploadAbort => Box::pin(upload::abort(app, grant)).await,
        Operation::Remove => Box::pin(remove::respond(app, grant, &incoming)).await,
    }
}

fn method_not_allowed() -> Problem {
    Problem::new(ErrorCode::MethodNotAllowed).header(header::ALLOW, cors::METHODS)
}

/// Errors have a body, and `HEAD` must not. Their length goes too: it would announce one.
fn without_body(answer: Answer) -> Answer {
    let is_error = answer.status().is_client_error() || answer.status().is_server_error();
    if !is_error {
        return answer;
    }
    let (mut head, _) = answer.into_parts();
    head.headers.remove(header::CONTENT_TYPE);
    Answer::from_parts(head, crate::answer::empty())
}
