//! `Content-Range` of a request (RFC 9110, section 14.4): which bytes of the file its body is.
//!
//! Two departures, both for the sake of a published example that clients were copied from: the
//! unit may be followed by `=` in place of the blank, and then LAST may be counted one too far,
//! which the length of the body tells.

use gatepass_core::ByteRange;
use http::header;

use crate::problem::{ErrorCode, Problem};

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentRange {
    /// `bytes FIRST-LAST/TOTAL`
    Bytes(Span),
    /// `bytes */TOTAL`: no bytes, a question.
    Question {
        /// TOTAL; `None` for `*`.
        total: Option<u64>,
    },
}

/// FIRST, LAST and TOTAL as they stand. FIRST is not behind LAST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    first: u64,
    last: u64,
    /// TOTAL; `None` for `*`.
    pub(crate) total: Option<u64>,
    with_equals_sign: bool,
}

/// Reads the header's value.
pub(crate) fn parse(value: &str) -> Result<ContentRange, Problem> {
    let (unit, with_equals_sign, rest) = split_unit(value).ok_or_else(|| malformed(FORM))?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return Err(malformed("the only unit is bytes"));
    }
    let (range, total) = rest.split_once('/').ok_or_else(|| malformed(FORM))?;
    let total = match total {
        "*" => None,
        total => Some(position(total)?),
    };
    if range == "*" {
        return Ok(ContentRange::Question { total });
    }
    let (first, last) = range.split_once('-').ok_or_else(|| malformed(FORM))?;
    let (first, last) = (position(first)?, position(last)?);
    if first > last {
        return Err(malformed("FIRST is behind LAST"));
    }
    Ok(ContentRange::Bytes(Span { first, last, total, with_equals_sign }))
}

const FORM: &str = "write bytes FIRST-LAST/TOTAL, such as bytes 0-16777215/50000000";

impl Span {
    /// The range, held against the length of the body where that is declared.
    pub(crate) fn range(self, body_length: Option<u64>) -> Result<ByteRange, Problem> {
        let distance = self.last - self.first;
        let exclusive = self.with_equals_sign && distance > 0 && body_length == Some(distance);
        let end = if exclusive { self.last } else { self.last.saturating_add(1) };
        let range = ByteRange::new(self.first, end).ok_or_else(|| malformed(FORM))?;
        if self.total.is_some_and(|total| end > total) {
            return Err(malformed("LAST must be less than TOTAL: it is the last byte's position"));
        }
        match body_length {
            Some(length) if length != range.length() => Err(malformed(format!(
                "the range is {} bytes, the body {length}; LAST is the position of the last byte, \
                 FIRST + length - 1",
                range.length()
            ))),
            _ => Ok(range),
        }
    }
}

fn split_unit(value: &str) -> Option<(&str, bool, &str)> {
    let at = value.find([' ', '='])?;
    Some((&value[..at], value[at..].starts_with('='), &value[at + 1..]))
}

/// Digits only, at most 2^63 - 1: no catalog can hold more.
fn position(text: &str) -> Result<u64, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse::<i64>().ok()).flatten();
    let number = number.and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| malformed(FORM))
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::ContentRangeInvalid)
        .field(header::CONTENT_RANGE.as_str())
        .detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The range and the total that a value means with a body of this length.
    fn read(value: &str, body_length: u64) -> Option<(u64, u64, Option<u64>)> {
        let Ok(ContentRange::Bytes(span)) = parse(value) else { return None };
        let range = span.range(Some(body_length)).ok()?;
        Some((range.start(), range.end(), span.total))
    }

    #[test]
    fn reads_what_the_rfc_says() {
        assert_eq!(read("bytes 0-9/10", 10), Some((0, 10, Some(10))));
        assert_eq!(read("Bytes 5-5/10", 1), Some((5, 6, Some(10))));
        assert_eq!(read("bytes 0-9/*", 10), Some((0, 10, None)));
        let far = i64::MAX.unsigned_abs();
        let value = format!("bytes {}-{}/{far}", far - 1, far - 1);
        assert_eq!(read(&value, 1), Some((far - 1, far, Some(far))));
        for (value, total) in [("bytes */10", Some(10)), ("bytes */*", None), ("bytes=*/*", None)] {
            assert_eq!(parse(value).ok(), Some(ContentRange::Question { total }), "{value}");
        }
    }

    #[test]
    fn last_may_be_one_too_far_after_an_equals_sign_only() {
        assert_eq!(read("bytes=0-9/10", 10), Some((0, 10, Some(10))));
        assert_eq!(
            read("bytes=0-16777216/100000000", 16_777_216),
            Some((0, 16_777_216, Some(100_000_000)))
        );
        assert_eq!(read("bytes=5-10/10", 5), Some((5, 10, Some(10))));
        assert_eq!(read("bytes 5-10/10", 5), None);
        assert_eq!(read("bytes 0-10/20", 10), None);
        assert_eq!(read("bytes=0-10/20", 9), None);
        assert_eq!(read("bytes=5-5/10", 0), None);
    }

    #[test]
    fn refuses_everything_else() {
        for (value, length) in [
            ("bytes 5-4/10", 0),
            ("bytes 0-10/10", 11),
            ("bytes 0-9/10", 9),
            ("bytes 0-9/10", 11),
            ("bytes -1-5/10", 6),
            ("bytes 0-18446744073709551616/99999999999999999999", 1),
            ("bytes 0-9223372036854775807/9223372036854775808", 1),
            ("bytes 0-/10", 10),
            ("bytes -5/10", 5),
            ("bytes 0-9", 10),
            ("bytes 0-9/", 10),
            ("bytes  0-9/10", 10),
            ("bytes= 0-9/10", 10),
            ("bytes 0-9/10 ", 10),
            ("bytes 0 - 9/10", 10),
            ("bytes +0-9/10", 10),
            ("bytes 0x0-9/10", 10),
            ("bytes 0-4,5-9/10", 10),
            ("items 0-9/10", 10),
            ("bytes", 0),
            ("", 0),
            ("bytes ０-9/10", 10),
        ] {
            assert_eq!(read(value, length), None, "{value}");
        }
    }
}
