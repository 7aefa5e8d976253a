//! The syntax of headers: each has its file, is parsed once, strictly, and becomes a value.

pub(crate) mod condition;
pub(crate) mod content_disposition;
pub(crate) mod content_range;
pub(crate) mod digest;
pub(crate) mod host;
pub(crate) mod json;
pub(crate) mod query;
pub(crate) mod range;

#[cfg(test)]
mod fuzz;

use http::{HeaderMap, HeaderName};

use crate::problem::{ErrorCode, Problem};

/// The one value of a header that must not be repeated.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(malformed(name).detail(format!("{name} stands twice")));
    }
    first.map(|value| value.to_str().map_err(|_| malformed(name))).transpose()
}

/// A header that does not parse.
pub(crate) fn malformed(name: &HeaderName) -> Problem {
    Problem::new(ErrorCode::HeaderInvalid)
        .field(name.as_str())
        .detail(format!("{name} is malformed"))
}
