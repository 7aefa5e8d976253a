//! One request, from its head to its answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use gatepass_core::RequestId;
use gatepass_engine::Engine;
use http::{HeaderName, HeaderValue, Method, Request, header};
use sha2::{Digest as _, Sha256};

use crate::answer::{Answer, Context, Version};
use crate::problem::{ErrorCode, Problem, problem_answer};
use crate::transport::{self, RequestBody};
use crate::{api, delivery};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which listener a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// The public one: every project's paths.
    Delivery,
    /// The management one.
    Api,
}

/// What every request needs.
pub struct App {
    /// The use cases.
    pub engine: Arc<Engine>,
    /// A host for which the delivery listener answers the API.
    pub api_host: Option<String>,
    /// Scheme and host of the delivery listener, for the console page.
    pub public_url: String,
    /// Whether files are read from the store itself, where that is safe.
    pub redirects: bool,
    /// Writes the metrics in Prometheus' text form.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// One listener's side of the app, as the transport sees it.
pub struct Endpoint {
    /// The app.
    pub app: Arc<App>,
    /// The listener.
    pub listener: Listener,
}

impl transport::Service for Endpoint {
    fn respond(&self, request: Request<RequestBody>) -> impl Future<Output = Answer> + Send {
        self.app.respond(self.listener, request)
    }

    fn respond_to_panic(&self) -> Answer {
        let context = Context::unknown(Version::default(), &new_request_id());
        problem_answer(&context, &Problem::new(ErrorCode::Internal).cause("a handler panicked"))
    }
}

/// A request after its head was read. In a box: each asynchronous function that it is handed on to
/// would have room for it twice, for as long as the body takes.
pub(crate) type Incoming = Box<ReadRequest>;

/// What is in the box.
pub(crate) struct ReadRequest {
    pub(crate) head: http::request::Parts,
    pub(crate) body: RequestBody,
    pub(crate) context: Context,
}

impl App {
    /// Answers a request. This never fails: a fault becomes an answer too.
    async fn respond(&self, listener: Listener, request: Request<RequestBody>) -> Answer {
        let begun = Instant::now();
        let line = RequestLine::of(&request);
        let request_id = new_request_id();
        let mut answer = match read(request, &request_id) {
            Ok(incoming) => self.route(listener, incoming).await,
            Err(answer) => answer,
        };
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            answer.headers_mut().insert(X_REQUEST_ID, value);
        }
        line.log(listener, &request_id, &answer, begun);
        answer
    }

    async fn route(&self, listener: Listener, incoming: Incoming) -> Answer {
        match listener {
            Listener::Delivery => delivery::respond(self, incoming).await,
            Listener::Api => Box::pin(api::respond(self, incoming, api::Exposure::Private)).await,
        }
    }
}

fn read(request: Request<RequestBody>, request_id: &str) -> Result<Incoming, Answer> {
    let (head, body) = request.into_parts();
    let Ok(version) = Version::of(&head.headers) else {
        let context = Context::unknown(Version::default(), request_id);
        return Err(problem_answer(&context, &ErrorCode::VersionUnknown.into()));
    };
    let context = Context::unknown(version, request_id);
    Ok(Box::new(ReadRequest { head, body, context }))
}

impl Context {
    fn unknown(version: Version, request_id: &str) -> Self {
        Self { version, request_id: request_id.to_owned(), org_id: None, project_id: None }
    }
}

#[expect(clippy::panic, reason = "without randomness no id can be made")]
fn new_request_id() -> String {
    let mut random = [0; 20];
    if let Err(error) = getrandom::fill(&mut random) {
        panic!("the operating system gives no randomness: {error}");
    }
    RequestId::from_random(random).as_str().to_owned()
}

/// What the log may know of a request: never the query, for it holds the signature; eight digits
/// of its hash tell two URLs apart.
struct RequestLine {
    method: Method,
    path: String,
    signature_hash: Option<String>,
}

impl RequestLine {
    fn of<B>(request: &Request<B>) -> Self {
        let uri = request.uri();
        let signed = uri.query().and_then(|query| query.split_once("signature="));
        Self {
            method: request.method().clone(),
            path: uri.path().to_owned(),
            signature_hash: signed.map(|(_, signature)| short_hash(signature)),
        }
    }

    fn log(self, listener: Listener, request_id: &str, answer: &Answer, begun: Instant) {
        let status = answer.status().as_u16();
        let seconds = begun.elapsed().as_secs_f64();
        let listener = match listener {
            Listener::Delivery => "delivery",
            Listener::Api => "api",
        };
        metrics::counter!(
            "gatepass_requests_total",
            "listener" => listener,
            "method" => known_method(&self.method),
            "status" => status.to_string(),
        )
        .increment(1);
        metrics::histogram!("gatepass_request_seconds", "listener" => listener).record(seconds);
        tracing::debug!(
            target: "gatepass::access",
            listener,
            request_id,
            method = %self.method,
            path = %self.path.escape_debug(),
            signature_hash = self.signature_hash,
            status,
            seconds,
            "request"
        );
    }
}

fn short_hash(signature: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(signature.as_bytes()).into();
    gatepass_sign::hex(&digest[..4])
}

/// Clients can make methods up; labels must stay few.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750), if there is exactly one.
pub(crate) fn bearer(headers: &http::HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = crate::wire::single(headers, &header::AUTHORIZATION)? else {
        return Ok(None);
    };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(token.trim()))
    } else {
        Err(Problem::new(ErrorCode::CredentialsInvalid)
            .detail("use Authorization: Bearer with an API key")
            .header(header::WWW_AUTHENTICATE, "Bearer"))
    }
}
