//! Every header parser against hostile bytes: no panic, and what is accepted keeps its promise.

use gatepass_testkit::fuzz::fuzz;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::content_range::ContentRange;
use super::{condition, content_disposition, content_range, digest, host, range};

fn headers(name: &'static str, value: &[u8]) -> Option<HeaderMap> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some([(HeaderName::from_static(name), value)].into_iter().collect())
}

#[test]
fn content_range_holds_its_promise() {
    let samples: &[&[u8]] =
        &[b"bytes 0-9/10", b"bytes=0-16777216/100000000", b"bytes */*", b"bytes 5-9/*"];
    fuzz(samples, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let Ok(ContentRange::Bytes(span)) = content_range::parse(text) else { return };
        for length in [None, Some(0), Some(1), Some(10), Some(u64::MAX)] {
            let Ok(range) = span.range(length) else { continue };
            assert!(!range.is_empty() && range.end() <= 1 << 63);
            assert!(span.total.is_none_or(|total| range.end() <= total));
            assert!(length.is_none_or(|length| length == range.length()));
        }
        let digits = text.bytes().filter(|b| !b.is_ascii_digit()).collect::<Vec<_>>();
        let form = String::from_utf8(digits).unwrap().to_lowercase();
        let strict = ["bytes -/", "bytes=-/", "bytes -/*", "bytes=-/*"];
        assert!(strict.contains(&&*form), "{text}");
    });
}

#[test]
fn range_never_fails() {
    let samples: &[&[u8]] = &[b"bytes=0-9", b"bytes=-5", b"bytes=5-", b"bytes=0-1,5-6"];
    fuzz(samples, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Some(spec) = range::parse(text) {
            for length in [0, 1, 10, u64::MAX] {
                let _ = gatepass_core::byte_range::resolve(spec, length);
            }
        }
    });
}

#[test]
fn digests_and_conditions_never_fail() {
    let sha = b"sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    for name in ["content-digest", "repr-digest", "content-md5"] {
        fuzz(
            &[&sha[..], b"sha-512=:AA==:, sha-256=:AA==:", b"XUFAKrxLKna5cZ2REBfFkg=="],
            |input| {
                let _ = headers(name, input).map(|headers| digest::expected(&headers));
            },
        );
    }
    for name in
        ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"]
    {
        let samples: &[&[u8]] = &[b"\"abc\", W/\"def\"", b"*", b"Sun, 06 Nov 1994 08:49:37 GMT"];
        fuzz(samples, |input| {
            let Some(headers) = headers(name, input) else { return };
            let _ = condition::conditions(&headers);
            let _ = condition::if_range(&headers);
        });
    }
}

#[test]
fn hosts_and_names_never_fail() {
    let target = Uri::from_static("/a");
    fuzz(&[b"a.example:8080", b"[::1]:80"], |input| {
        let Some(headers) = headers("host", input) else { return };
        if let Ok(host) = host::host(&target, &headers) {
            assert!(!host.is_empty() && !host.contains([' ', '/', '@', '\t']));
        }
    });
    fuzz(&["photo é.jpg".as_bytes(), b"a\"b\\c"], |input| {
        let name = String::from_utf8_lossy(input);
        let shown = content_disposition::value(
            gatepass_core::safe_serving::disposition("application/pdf", true),
            &name,
        );
        assert!(!shown.as_bytes().iter().any(u8::is_ascii_control));
    });
}
