//! `Range` (RFC 9110, section 14.2).
//!
//! One range is served. Several, other units and everything malformed are ignored, as the RFC
//! allows: the client gets the whole file. That also leaves nothing to amplify.

use gatepass_core::byte_range::RangeSpec;

/// Reads the header's value; `None` if it is to be ignored.
pub fn parse(value: &str) -> Option<RangeSpec> {
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    match (first, last) {
        ("", suffix) => Some(RangeSpec::Suffix { length: position(suffix)? }),
        (first, "") => Some(RangeSpec::From { first: position(first)?, last: None }),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            (first <= last).then_some(RangeSpec::From { first, last: Some(last) })
        }
    }
}

/// Digits only. A number beyond 64 bits lies beyond every file: it counts as the largest.
fn position(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_well_formed_range_counts() {
        let from = |first, last| Some(RangeSpec::From { first, last });
        for (value, expected) in [
            ("bytes=0-0", from(0, Some(0))),
            ("bytes=5-", from(5, None)),
            ("Bytes= 5-9 ", from(5, Some(9))),
            ("bytes=-5", Some(RangeSpec::Suffix { length: 5 })),
            ("bytes=0-18446744073709551615", from(0, Some(u64::MAX))),
            ("bytes=-99999999999999999999", Some(RangeSpec::Suffix { length: u64::MAX })),
            ("bytes=-0", Some(RangeSpec::Suffix { length: 0 })),
        ] {
            assert_eq!(parse(value), expected, "{value}");
        }
    }

    #[test]
    fn everything_else_is_ignored() {
        for value in [
            "bytes=5-4",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-2,3-4",
            "items=0-1",
            "bytes",
            "bytes=--1",
            "bytes=+1-2",
            "bytes=1-2-3",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
        assert_eq!(parse(&format!("bytes={}", "0-,".repeat(1_300))), None);
    }
}
