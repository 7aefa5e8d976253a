//! What is told of a request when it is over: to the log and to the metrics.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Instant;

use http::{Method, Request};
use metrics::{Counter, Histogram};
use sha2::{Digest as _, Sha256};

use crate::answer::Answer;
use crate::service::Listener;

/// What the log may know of a request: never the query, for it holds the signature; eight digits
/// of its hash tell two URLs apart.
pub(crate) struct RequestLine {
    method: Method,
    /// Only where somebody reads it.
    logged: Option<Logged>,
}

struct Logged {
    path: String,
    signature_hash: Option<String>,
}

impl RequestLine {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let is_logged = tracing::enabled!(target: "gatepass::access", tracing::Level::DEBUG);
        let logged = is_logged.then(|| {
            let uri = request.uri();
            let signed = uri.query().and_then(|query| query.split_once("signature="));
            let signature_hash = signed.map(|(_, signature)| short_hash(signature));
            Logged { path: uri.path().to_owned(), signature_hash }
        });
        Self { method: request.method().clone(), logged }
    }

    pub(crate) fn tell(
        self,
        listener: Listener,
        request_id: &str,
        answer: &Answer,
        begun: Instant,
    ) {
        let status = answer.status().as_u16();
        let seconds = begun.elapsed().as_secs_f64();
        count(listener, known_method(&self.method), status);
        time(listener, seconds);
        let Some(Logged { path, signature_hash }) = self.logged else { return };
        tracing::debug!(
            target: "gatepass::access",
            listener = listener.as_str(),
            request_id,
            method = %self.method,
            path = %path.escape_debug(),
            signature_hash,
            status,
            seconds,
            "request"
        );
    }
}

/// What requests are counted by.
type Labels = (Listener, &'static str, u16);

/// Asking the recorder for a counter takes longer than parsing the request. Each thread keeps those
/// that it has asked for: they are few, and no thread waits for another.
fn count(listener: Listener, method: &'static str, status: u16) {
    thread_local! {
        static REQUESTS: RefCell<Vec<(Labels, Counter)>> = const { RefCell::new(Vec::new()) };
    }
    let labels = (listener, method, status);
    let new = || {
        metrics::counter!(
            "gatepass_requests_total",
            "listener" => listener.as_str(),
            "method" => method,
            "status" => status.to_string(),
        )
    };
    REQUESTS.with_borrow_mut(|requests| {
        if let Some((_, counter)) = requests.iter().find(|(of, _)| *of == labels) {
            return counter.increment(1);
        }
        let counter = new();
        counter.increment(1);
        requests.push((labels, counter));
    });
}

fn time(listener: Listener, seconds: f64) {
    static SECONDS: [OnceLock<Histogram>; 2] = [const { OnceLock::new() }; 2];
    let histogram = SECONDS[listener as usize].get_or_init(
        || metrics::histogram!("gatepass_request_seconds", "listener" => listener.as_str()),
    );
    histogram.record(seconds);
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
