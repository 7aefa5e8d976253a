//! One request, from its head to its answer.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use gatepass_core::RequestId;
use gatepass_engine::Engine;
use http::{HeaderName, HeaderValue, Request, header};

use crate::answer::{Answer, Context, Version};
use crate::problem::{ErrorCode, Problem, problem_answer};
use crate::request_line::RequestLine;
use crate::transport::{self, RequestBody};
use crate::{api, delivery};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS: usize = 20;

/// Which listener a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listener {
    /// The public one: every project's paths.
    Delivery,
    /// The management one.
    Api,
}

impl Listener {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Api => "api",
        }
    }
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
        let id = new_request_id();
        let context = Context::unknown(Version::default(), Arc::clone(&id));
        let problem = Problem::new(ErrorCode::Internal).cause("a handler panicked");
        with_id(open(self.listener, problem_answer(&context, &problem)), &id)
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
        let answer = match read(request, Arc::clone(&request_id)) {
            Ok(incoming) => self.route(listener, incoming).await,
            Err(answer) => open(listener, answer),
        };
        let answer = with_id(answer, &request_id);
        line.tell(listener, &request_id, &answer, begun);
        answer
    }

    async fn route(&self, listener: Listener, incoming: Incoming) -> Answer {
        match listener {
            Listener::Delivery => delivery::respond(self, incoming).await,
            Listener::Api => Box::pin(api::respond(self, incoming, api::Exposure::Private)).await,
        }
    }
}

fn with_id(mut answer: Answer, request_id: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        answer.headers_mut().insert(X_REQUEST_ID, value);
    }
    answer
}

/// Pages of other hosts may read what the delivery listener answers, errors as well.
fn open(listener: Listener, answer: Answer) -> Answer {
    match listener {
        Listener::Delivery => delivery::open(answer),
        Listener::Api => answer,
    }
}

fn read(request: Request<RequestBody>, request_id: Arc<str>) -> Result<Incoming, Answer> {
    let (head, body) = request.into_parts();
    let Ok(version) = Version::of(&head.headers) else {
        let context = Context::unknown(Version::default(), request_id);
        return Err(problem_answer(&context, &ErrorCode::VersionUnknown.into()));
    };
    let context = Context::unknown(version, request_id);
    Ok(Box::new(ReadRequest { head, body, context }))
}

impl Context {
    fn unknown(version: Version, request_id: Arc<str>) -> Self {
        Self { version, request_id, access: None }
    }
}

/// Random bytes that were fetched from the system and not used yet: it takes longer to ask than to
/// make an id.
struct Random {
    bytes: [u8; 40 * REQUEST_ID_CHARS],
    used: usize,
}

thread_local! {
    static RANDOM: RefCell<Random> = const { RefCell::new(Random::EMPTY) };
}

impl Random {
    const EMPTY: Self = {
        let bytes = [0; 40 * REQUEST_ID_CHARS];
        Self { used: bytes.len(), bytes }
    };

    #[expect(clippy::panic, reason = "without randomness no id can be made")]
    fn next(&mut self) -> [u8; REQUEST_ID_CHARS] {
        if self.used == self.bytes.len() {
            if let Err(error) = getrandom::fill(&mut self.bytes) {
                panic!("the operating system gives no randomness: {error}");
            }
            self.used = 0;
        }
        let mut next = [0; REQUEST_ID_CHARS];
        next.copy_from_slice(&self.bytes[self.used..][..REQUEST_ID_CHARS]);
        self.used += REQUEST_ID_CHARS;
        next
    }
}

fn new_request_id() -> Arc<str> {
    let random = RANDOM.with_borrow_mut(Random::next);
    RequestId::from_random(random).as_str().into()
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
