//! The strict grammar of a signed URL's query.
//!
//! What is accepted: `name=value` pairs with our names only, each at most once, then
//! `signature=...` last. After it, pairs with foreign names are ignored, because client
//! libraries append their own; one of our names there is refused. Everything else is refused
//! before any key is tried.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::{UploadId, policy};

/// Bytes of an HMAC-SHA256.
pub(crate) const SIGNATURE_BYTES: usize = 32;
/// Bytes of `&signature=` and its value, without padding.
pub(crate) const SIGNATURE_PARAMETER_BYTES: usize = "&signature=".len() + 43;
/// Longest query that is looked at, in bytes: 32 metadata entries of 1 KiB and the rest.
pub(crate) const QUERY_BYTES_MAX: usize = 48 * 1024;

/// URL-safe alphabet and no loose last bits: one signature, one spelling.
const STRICT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// A query that follows the grammar, not yet verified.
#[derive(Debug)]
pub(crate) struct SignedQuery<'a> {
    /// Everything before `&signature=`: what was signed.
    pub(crate) signed: &'a str,
    /// The signed pairs as they stand, values still escaped.
    pub(crate) pairs: Vec<(&'a str, &'a str)>,
    /// `expiry`, in Unix seconds.
    pub(crate) expiry: u64,
    /// The decoded signature.
    pub(crate) signature: [u8; SIGNATURE_BYTES],
}

/// The rule of the grammar that a query breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("the query is too long")]
    TooLong,
    #[error("the query holds a raw question mark")]
    QuestionMark,
    #[error("nothing stands before the signature")]
    NothingSigned,
    #[error("a parameter is not of the form name=value")]
    NotAPair,
    #[error("a parameter's name is none of ours")]
    UnknownName,
    #[error("a parameter stands twice")]
    Duplicate,
    #[error("one of our parameters stands after the signature")]
    AfterSignature,
    #[error("expiry is missing")]
    NoExpiry,
    #[error(
        "expiry is not a number of Unix seconds without sign, leading zero or more than 11 digits"
    )]
    BadExpiry,
    #[error("the signature is not 32 bytes in URL-safe base64")]
    BadSignature,
}

/// Whether the query claims to be a signed one.
pub(crate) fn is_signed(query: Option<&str>) -> bool {
    query.is_some_and(|query| names(query).any(|name| name == b"signature"))
}

/// The upload that an unsigned query names: `upload=ID` first. Names behind it are ignored, as
/// behind a signature.
pub(crate) fn upload_id(query: Option<&str>) -> Option<UploadId> {
    let pair = query?.split('&').next()?;
    UploadId::parse(pair.strip_prefix("upload=")?)
}

/// Reads a query that [`is_signed`].
pub(crate) fn parse(query: &str) -> Result<SignedQuery<'_>, QueryError> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(QueryError::TooLong);
    }
    if query.as_bytes().contains(&b'?') {
        return Err(QueryError::QuestionMark);
    }
    let (signed, tail) = split_at_signature(query).ok_or(QueryError::NothingSigned)?;
    let (signature, foreign) = split_at(tail, b'&').unwrap_or((tail, ""));
    if names(foreign).any(|name| std::str::from_utf8(name).is_ok_and(is_ours)) {
        return Err(QueryError::AfterSignature);
    }
    let pairs = signed_pairs(signed)?;
    let expiry = pairs.iter().find(|(name, _)| *name == "expiry").ok_or(QueryError::NoExpiry)?.1;
    Ok(SignedQuery {
        signed,
        expiry: parse_expiry(expiry).ok_or(QueryError::BadExpiry)?,
        signature: decode_signature(signature).ok_or(QueryError::BadSignature)?,
        pairs,
    })
}

fn signed_pairs(signed: &str) -> Result<Vec<(&str, &str)>, QueryError> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let mut rest = Some(signed);
    while let Some(text) = rest {
        let (pair, behind) = split_at(text, b'&').map_or((text, None), |(a, b)| (a, Some(b)));
        rest = behind;
        let (name, value) = split_at(pair, b'=').ok_or(QueryError::NotAPair)?;
        if name == "signature" || !is_ours(name) {
            return Err(QueryError::UnknownName);
        }
        if pairs.iter().any(|(earlier, _)| *earlier == name) {
            return Err(QueryError::Duplicate);
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// The names of a query's pairs. All that divides is ASCII, so that bytes will do; texts are so
/// short that looking at each byte is quicker than what `str` does to find one.
fn names(query: &str) -> impl Iterator<Item = &[u8]> {
    let pairs = query.as_bytes().split(|byte| *byte == b'&');
    pairs.map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or(pair))
}

/// What stands before and behind the first of an ASCII character.
fn split_at(text: &str, character: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == character)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// What stands before and behind the first `&signature=`.
fn split_at_signature(query: &str) -> Option<(&str, &str)> {
    const BETWEEN: &[u8; 11] = b"&signature=";
    let at = query.as_bytes().windows(BETWEEN.len()).position(|window| window == BETWEEN)?;
    Some((query.get(..at)?, query.get(at + BETWEEN.len()..)?))
}

fn is_ours(name: &str) -> bool {
    name == "signature" || policy::is_parameter(name)
}

/// `^[1-9][0-9]{0,10}$`
pub(crate) fn parse_expiry(text: &str) -> Option<u64> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits_only && !text.is_empty() && text.len() <= 11 && !text.starts_with('0'))
        .then(|| text.parse().ok())
        .flatten()
}

fn decode_signature(text: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let padding = ["%3D", "%3d", "="];
    let bare = padding.iter().find_map(|padding| text.strip_suffix(padding)).unwrap_or(text);
    // 32 bytes take 43 characters; a second padding character would be left over here.
    if bare.len() != 43 {
        return None;
    }
    // Room is asked for as if there were padding.
    let mut bytes = [0; SIGNATURE_BYTES + 1];
    let length = STRICT.decode_slice(bare, &mut bytes).ok()?;
    bytes.get(..length)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: &str = "hQLqqkz5cMeqnuCxd8RZXvoaHFKG5i-I_uP6vxxCTXQ";

    fn error_of(query: &str) -> QueryError {
        parse(query).unwrap_err()
    }

    #[test]
    fn takes_our_names_and_ignores_foreign_ones_after_the_signature() {
        let query = format!("expiry=4102444800&method=put&signature={S}&resumableChunkNumber=1&x");
        let parsed = parse(&query).unwrap();
        assert_eq!(parsed.signed, "expiry=4102444800&method=put");
        assert_eq!(parsed.expiry, 4_102_444_800);
    }

    #[test]
    fn one_signature_has_one_spelling() {
        for last in ["R", "S", "T"] {
            let other = format!("expiry=1&signature={}{last}", &S[..42]);
            assert_eq!(error_of(&other), QueryError::BadSignature, "{last}");
        }
        for padded in [format!("{S}="), format!("{S}%3D"), S.to_owned()] {
            assert!(parse(&format!("expiry=1&signature={padded}")).is_ok(), "{padded}");
        }
        let standard = S.replace('-', "+").replace('_', "/");
        for wrong in [
            "",
            "A",
            &S[..20],
            &format!("{S}=="),
            &format!("{S}%3D%3D"),
            &format!("{S}=%3D"),
            &standard,
            &format!("{S} "),
            &S.replace('h', "%68"),
            &"A".repeat(10_000),
        ] {
            assert_eq!(error_of(&format!("expiry=1&signature={wrong}")), QueryError::BadSignature);
        }
    }

    #[test]
    fn refuses_what_could_smuggle() {
        for (query, error) in [
            (
                format!("expiry=9&method=put&x=?expiry=1&method=get&signature={S}"),
                QueryError::QuestionMark,
            ),
            (format!("expiry=9&x=1&signature={S}"), QueryError::UnknownName),
            (format!("expiry=1&expiry=9&signature={S}"), QueryError::Duplicate),
            (format!("expiry=1&Method=put&signature={S}"), QueryError::UnknownName),
            (format!("expiry[]=1&signature={S}"), QueryError::UnknownName),
            (format!("expiry=1;method=put&signature={S}"), QueryError::BadExpiry),
            (format!("expiry=1&signature={S}&expiry=9"), QueryError::AfterSignature),
            (format!("expiry=1&signature={S}&signature={S}"), QueryError::AfterSignature),
            (format!("signature={S}"), QueryError::NothingSigned),
            (format!("signature={S}&expiry=1"), QueryError::NothingSigned),
            (format!("method=put&signature={S}"), QueryError::NoExpiry),
            (format!("expiry=1&&signature={S}"), QueryError::NotAPair),
        ] {
            assert_eq!(error_of(&query), error, "{query}");
        }
    }

    #[test]
    fn expiry_is_plain_digits() {
        for bad in [
            "",
            "0",
            "01",
            "-1",
            "+1",
            "1e12",
            "0x7f",
            "1765432100000",
            " 1",
            "1 ",
            "1.5",
            "１７６５",
        ] {
            assert_eq!(parse_expiry(bad), None, "{bad}");
        }
        assert_eq!(parse_expiry("99999999999"), Some(99_999_999_999));
    }
}
