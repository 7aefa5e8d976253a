//! Errors as clients see them.
//!
//! [`code`] is the one table of kinds, [`map`] turns every error of the engine into one of them,
//! [`render`] writes the answer.

pub mod code;
mod map;
mod render;

pub use code::ErrorCode;
pub(crate) use render::problem_answer;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// An error on its way to the client: a kind from the table, what may be said about it, and what
/// only the log may hear.
#[derive(Debug)]
pub struct Problem {
    pub(crate) code: ErrorCode,
    pub(crate) detail: Option<String>,
    pub(crate) members: Map<String, Value>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Problem {
    /// A problem of this kind, with the table's text.
    pub(crate) fn new(code: ErrorCode) -> Self {
        Self { code, detail: None, members: Map::new(), headers: Vec::new(), cause: None }
    }

    /// With words of its own for the client.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With one more member in the answer's error object.
    pub(crate) fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// With the field of the request that is wrong.
    pub(crate) fn field(self, name: &str) -> Self {
        self.member("field", name)
    }

    /// With a header; one that cannot be written is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// With a cause for the log.
    pub(crate) fn cause(
        mut self,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl From<ErrorCode> for Problem {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}
