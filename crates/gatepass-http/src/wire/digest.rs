//! `Content-Digest` and `Repr-Digest` (RFC 9530), `Content-MD5` (RFC 1864).
//!
//! A digest that cannot be verified is refused, never ignored: a client that sends one relies on
//! it. For a whole file both digests of RFC 9530 mean the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepass_core::ExpectedDigests;
use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::{malformed, single};
use crate::problem::Problem;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// The digests that a request's headers demand of a whole file.
pub(crate) fn expected(headers: &HeaderMap) -> Result<ExpectedDigests, Problem> {
    let mut expected = ExpectedDigests::default();
    for name in [CONTENT_DIGEST, REPR_DIGEST] {
        if let Some(value) = single(headers, &name)? {
            read_dictionary(&name, value, &mut expected)?;
        }
    }
    if let Some(value) = single(headers, &CONTENT_MD5)? {
        let bytes = STANDARD.decode(value.trim()).map_err(|_| malformed(&CONTENT_MD5))?;
        demand(&CONTENT_MD5, &mut expected.md5, &bytes)?;
    }
    Ok(expected)
}

fn read_dictionary(
    name: &HeaderName,
    value: &str,
    expected: &mut ExpectedDigests,
) -> Result<(), Problem> {
    let dictionary: Dictionary = Parser::new(value).parse().map_err(|_| malformed(name))?;
    if dictionary.is_empty() {
        return Err(malformed(name));
    }
    for (algorithm, entry) in &dictionary {
        let ListEntry::Item(item) = entry else { return Err(malformed(name)) };
        let BareItem::ByteSequence(bytes) = &item.bare_item else { return Err(malformed(name)) };
        match algorithm.as_str() {
            "sha-256" => demand(name, &mut expected.sha256, bytes)?,
            "sha-512" => demand(name, &mut expected.sha512, bytes)?,
            _ => {
                return Err(malformed(name)
                    .detail(format!("{name}: only sha-256 and sha-512 can be verified here")));
            }
        }
    }
    Ok(())
}

/// Two demands on one algorithm must agree.
fn demand<const N: usize>(
    name: &HeaderName,
    slot: &mut Option<[u8; N]>,
    bytes: &[u8],
) -> Result<(), Problem> {
    let digest: [u8; N] = bytes.try_into().map_err(|_| malformed(name))?;
    match slot.replace(digest) {
        Some(other) if other != digest => {
            Err(malformed(name).detail("two headers demand different digests"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &str) -> Result<ExpectedDigests, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        expected(&headers)
    }

    #[test]
    fn takes_what_it_can_verify() {
        let sha256 = STANDARD.encode([1; 32]);
        let sha512 = STANDARD.encode([2; 64]);
        let both = read("content-digest", &format!("sha-256=:{sha256}:, sha-512=:{sha512}:"));
        let both = both.unwrap();
        assert_eq!((both.sha256, both.sha512), (Some([1; 32]), Some([2; 64])));
        let md5 = read("content-md5", &STANDARD.encode([3; 16])).unwrap();
        assert_eq!(md5.md5, Some([3; 16]));
    }

    #[test]
    fn refuses_the_rest() {
        let short = STANDARD.encode([1; 31]);
        for (name, value) in [
            ("content-digest", "md5=:AAAA:".to_owned()),
            ("content-digest", format!("sha-256=:{short}:")),
            ("content-digest", "sha-256=1".to_owned()),
            ("content-digest", "sha-256".to_owned()),
            ("repr-digest", String::new()),
            ("repr-digest", "sha-256=(1 2)".to_owned()),
            ("content-md5", "not base64".to_owned()),
            ("content-md5", STANDARD.encode([1; 15])),
        ] {
            assert!(read(name, &value).is_err(), "{name}: {value}");
        }
    }
}
