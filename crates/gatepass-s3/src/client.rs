//! Requests and their answers: signing, trying again, and what an answer means.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use gatepass_core::port::BlobError;
use reqwest::header::{HeaderMap, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use crate::backoff::{self, TRIES_MAX, TRYING_MAX};
use crate::breaker::Breaker;

/// How long a signed URL is good: long enough for clocks that differ.
pub(crate) const SIGNED_FOR: Duration = Duration::from_mins(15);
/// How long a connection may take to come about.
const CONNECTING_MAX: Duration = Duration::from_secs(3);
/// How long an answer that is being read may stand still.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long one try may take, beside the time for its body.
const TRY_MAX: Duration = Duration::from_secs(10);
/// Slowest way to the service that bodies are sent over, in bytes per second.
const PACE: u64 = 1 << 20;
/// Largest answer that is taken into memory; a page of a list is far smaller.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Sends requests.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    breaker: Breaker,
}

/// A request, which is signed anew for each try.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) sign: &'a (dyn Fn() -> Url + Send + Sync),
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The service said no, for good.
    #[error("the store refuses: {status} {code}")]
    Refused {
        /// Of its answer.
        status: StatusCode,
        /// S3's name of the error, if it said one.
        code: String,
    },
    /// No definite answer came: it may have been done, or not.
    #[error("the store does not answer")]
    Unavailable(#[source] io::Error),
}

impl CallError {
    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == name)
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, .. })
    }
}

impl From<CallError> for BlobError {
    fn from(error: CallError) -> Self {
        match &error {
            CallError::Refused { status: StatusCode::NOT_FOUND, code }
                if code != "NoSuchBucket" =>
            {
                Self::NotFound
            }
            CallError::Refused { status: StatusCode::RANGE_NOT_SATISFIABLE, .. } => Self::Corrupt,
            CallError::Refused { status: StatusCode::INSUFFICIENT_STORAGE, .. } => {
                Self::Full(io::Error::other(error))
            }
            CallError::Refused { code, .. } if code == "QuotaExceeded" => {
                Self::Full(io::Error::other(error))
            }
            _ => Self::Unavailable(io::Error::other(error)),
        }
    }
}

/// How one try failed.
struct Failure {
    error: CallError,
    may_pass: bool,
}

impl Client {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECTING_MAX)
            .read_timeout(SILENCE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            // What is between us and the store is part of its address, not of the environment.
            .no_proxy()
            .build()?;
        Ok(Self { http, breaker: Breaker::default() })
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let time = TRY_MAX + Duration::from_secs(call.body.len() as u64 / PACE);
        let mut tries = Tries::new(&self.breaker);
        loop {
            tries.admit()?;
            let answer = timeout(time, self.try_once(&call)).await;
            match answer.unwrap_or_else(|elapsed| Err(Failure::lost(io::Error::other(elapsed)))) {
                Ok(answer) => return Ok(tries.succeeded(answer)),
                Err(failure) => tries.failed(failure).await?,
            }
        }
    }

    /// Sends a request for bytes, and leaves reading them to the caller.
    pub(crate) async fn open(
        &self,
        sign: &(dyn Fn() -> Url + Send + Sync),
        range: &str,
    ) -> Result<Response, CallError> {
        let mut tries = Tries::new(&self.breaker);
        loop {
            tries.admit()?;
            match self.open_once(sign(), range).await {
                Ok(answer) => return Ok(tries.succeeded(answer)),
                Err(failure) => tries.failed(failure).await?,
            }
        }
    }

    async fn open_once(&self, url: Url, range: &str) -> Result<Response, Failure> {
        let sent = timeout(TRY_MAX, self.http.get(url).header(RANGE, range).send()).await;
        let answer = sent
            .map_err(io::Error::other)
            .and_then(|sent| sent.map_err(io::Error::other))
            .map_err(Failure::lost)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = timeout(TRY_MAX, read(answer)).await.ok().and_then(Result::ok);
        Err(Failure::refused(status, &body.unwrap_or_default()))
    }

    async fn try_once(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let mut request = self.http.request(call.method.clone(), (call.sign)());
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let sent = request.body(call.body.clone()).send().await;
        let answer = sent.map_err(|error| Failure::lost(io::Error::other(error)))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = read(answer).await.map_err(Failure::lost)?;
        // Some calls answer 200 before they know how they end, and end in an error.
        if !status.is_success() || is_error(&body) {
            return Err(Failure::refused(status, &body));
        }
        Ok(Answer { headers, body })
    }
}

/// The tries of one call: until it succeeds, is refused for good, or has failed too often or too
/// long.
struct Tries<'a> {
    breaker: &'a Breaker,
    begun: Instant,
    failed: u32,
}

impl<'a> Tries<'a> {
    fn new(breaker: &'a Breaker) -> Self {
        Self { breaker, begun: Instant::now(), failed: 0 }
    }

    fn admit(&self) -> Result<(), CallError> {
        if self.breaker.admits(Instant::now()) {
            return Ok(());
        }
        let text = "the store has failed too often; nothing is tried for a moment";
        Err(CallError::Unavailable(io::Error::other(text)))
    }

    fn succeeded<T>(&self, answer: T) -> T {
        self.breaker.note_success();
        answer
    }

    /// Waits before the next try, if there is to be one.
    async fn failed(&mut self, failure: Failure) -> Result<(), CallError> {
        if !failure.may_pass {
            // It answers, at least.
            self.breaker.note_success();
            return Err(failure.error);
        }
        self.breaker.note_failure(Instant::now());
        self.failed += 1;
        let wait = backoff::wait(self.failed);
        if self.failed >= TRIES_MAX || self.begun.elapsed() + wait > TRYING_MAX {
            return Err(failure.error);
        }
        metrics::counter!("gatepass_store_retries_total", "engine" => "s3").increment(1);
        tracing::debug!(error = %failure.error, failed = self.failed, "the store is tried again");
        sleep(wait).await;
        Ok(())
    }
}

impl Failure {
    fn lost(error: io::Error) -> Self {
        Self { error: CallError::Unavailable(error), may_pass: true }
    }

    fn refused(status: StatusCode, body: &[u8]) -> Self {
        let code = error_code(body).unwrap_or_default();
        if may_pass(status, &code) {
            return Self::lost(io::Error::other(format!("{status} {code}")));
        }
        Self { error: CallError::Refused { status, code }, may_pass: false }
    }
}

/// Whether the same request may succeed a moment later.
fn may_pass(status: StatusCode, code: &str) -> bool {
    match status.as_u16() {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => true,
        400.. => code == "RequestTimeout",
        _ => true,
    }
}

fn is_error(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(body.get(..body.len().min(512)).unwrap_or_default());
    start.contains("<Error>") || start.contains("<Error ")
}

/// S3's name of an error.
fn error_code(body: &[u8]) -> Option<String> {
    let text = str::from_utf8(body).ok()?;
    let (code, _) = text.split_once("<Code>")?.1.split_once("</Code>")?;
    Some(code.chars().take(64).collect())
}

async fn read(mut answer: Response) -> Result<Bytes, io::Error> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(io::Error::other)? {
        body.extend_from_slice(&piece);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::other("the store's answer is too large"));
        }
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_may_stand_in_an_answer_of_success() {
        let error = b"<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>";
        assert!(is_error(error));
        let failure = Failure::refused(StatusCode::OK, error);
        assert!(failure.may_pass && matches!(failure.error, CallError::Unavailable(_)));
        assert!(!is_error(b"<CompleteMultipartUploadResult><ETag>x</ETag>"));
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for (status, code, passes) in [
            (500, "InternalError", true),
            (503, "SlowDown", true),
            (429, "", true),
            (400, "RequestTimeout", true),
            (400, "InvalidPart", false),
            (403, "AccessDenied", false),
            (404, "NoSuchKey", false),
            (412, "PreconditionFailed", false),
        ] {
            assert_eq!(may_pass(StatusCode::from_u16(status).unwrap(), code), passes, "{status}");
        }
    }

    #[test]
    fn errors_say_whose_fault_they_are() {
        let refused = |status, code: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            BlobError::from(CallError::Refused { status, code: code.to_owned() })
        };
        assert!(matches!(refused(404, "NoSuchKey"), BlobError::NotFound));
        assert!(matches!(refused(404, "NoSuchBucket"), BlobError::Unavailable(_)));
        assert!(matches!(refused(403, "AccessDenied"), BlobError::Unavailable(_)));
        assert!(matches!(refused(403, "QuotaExceeded"), BlobError::Full(_)));
        assert!(matches!(refused(507, ""), BlobError::Full(_)));
        assert!(matches!(refused(416, "InvalidRange"), BlobError::Corrupt));
    }
}
