use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::percent;
use crate::query::{QUERY_BYTES_MAX, SIGNATURE_PARAMETER_BYTES, parse_expiry};
use crate::{Action, VerifyError};

/// Largest number of bytes that `size` and `max_size` can name: 2^53 - 1, exact in every language.
pub const SIZE_MAX: u64 = (1 << 53) - 1;
/// Most content types in one `type` list.
pub const TYPES_MAX: usize = 32;
/// Most `meta.NAME` parameters in one URL.
pub const META_ENTRIES_MAX: usize = 32;
/// Longest NAME in `meta.NAME`, in bytes.
pub const META_NAME_BYTES_MAX: usize = 64;
/// Longest decoded value of `ref`, `download` and `meta.NAME`, in bytes.
pub const VALUE_BYTES_MAX: usize = 1_024;

/// Characters that stay as they are in a value: they cannot end it, and re-encoding by a client
/// library leaves them alone.
const VALUE_PLAIN: &[u8] = b"/*,:@";

/// What a signed URL allows: its query parameters, as values.
///
/// ```
/// use gatepass_sign::{Action, Policy};
///
/// let mut policy = Policy::new(Action::Put, 1_765_432_100);
/// policy.max_size = Some(10_000_000);
/// policy.types = vec!["image/*".into()];
/// assert_eq!(policy.to_query(), "expiry=1765432100&method=put&max_size=10000000&type=image/*");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Unix seconds after which no request may begin.
    pub expiry: u64,
    /// The action; `None` in URLs of the old form, see [`LegacyUrls`](crate::LegacyUrls).
    pub action: Option<Action>,
    /// Most bytes that may be uploaded.
    pub max_size: Option<u64>,
    /// Exact number of bytes that must be uploaded.
    pub size: Option<u64>,
    /// Content types allowed, `image/png` or `image/*`; empty allows all.
    pub types: Vec<String>,
    /// SHA-256 that the bytes must have.
    pub sha256: Option<[u8; 32]>,
    /// `false` when the upload may only create.
    pub overwrite: bool,
    /// The signer's own reference, kept on the File.
    pub reference: Option<String>,
    /// Metadata kept on the File.
    pub metadata: BTreeMap<String, String>,
    /// Send as attachment; a name that is not empty replaces the file's own.
    pub download: Option<String>,
    /// Id of the key that signs.
    pub key_id: Option<String>,
}

/// A signed parameter whose value makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {reason}")]
pub struct PolicyError {
    /// Name of the parameter.
    pub parameter: String,
    /// What is wrong with its value.
    pub reason: &'static str,
}

impl From<PolicyError> for VerifyError {
    fn from(error: PolicyError) -> Self {
        Self::PolicyMalformed { parameter: error.parameter, reason: error.reason }
    }
}

impl Policy {
    /// A policy with an action, an end and no further limits.
    pub fn new(action: Action, expiry: u64) -> Self {
        Self { expiry, action: Some(action), overwrite: true, ..Self::default() }
    }

    /// The query that is signed: `expiry`, `method`, then the rest by name.
    pub fn to_query(&self) -> String {
        let mut query = format!("expiry={}", self.expiry);
        if let Some(action) = self.action {
            let _ = write!(query, "&method={action}");
        }
        for (name, value) in self.parameters() {
            let _ = write!(query, "&{name}={}", percent::encode(&value, VALUE_PLAIN));
        }
        query
    }

    /// Every parameter but `expiry` and `method`, in the order of names.
    fn parameters(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                all.insert(name.to_owned(), value);
            }
        };
        put("max_size", self.max_size.map(|bytes| bytes.to_string()));
        put("size", self.size.map(|bytes| bytes.to_string()));
        put("type", (!self.types.is_empty()).then(|| self.types.join(",")));
        put("sha256", self.sha256.map(|digest| hex(&digest)));
        put("overwrite", (!self.overwrite).then(|| "false".to_owned()));
        put("ref", self.reference.clone());
        put("download", self.download.clone());
        put("kid", self.key_id.clone());
        for (name, value) in &self.metadata {
            put(&format!("meta.{name}"), Some(value.clone()));
        }
        all
    }

    /// Reads a query that [`Self::to_query`] wrote.
    pub fn parse_query(query: &str) -> Result<Self, PolicyError> {
        let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let expiry = pairs.iter().find(|(name, _)| *name == "expiry");
        let expiry = expiry.and_then(|(_, value)| parse_expiry(value));
        Self::from_pairs(expiry.ok_or(bad("expiry", "is missing or no number"))?, &pairs)
    }

    /// Checks every value, as the server will. A signer should call this before it signs.
    pub fn check(&self) -> Result<(), PolicyError> {
        let query = self.to_query();
        let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        if parse_expiry(&self.expiry.to_string()).is_none() {
            return Err(bad("expiry", "must be 1 to 99999999999 Unix seconds"));
        }
        if query.len() + SIGNATURE_PARAMETER_BYTES > QUERY_BYTES_MAX {
            return Err(bad("query", "all values together are longer than 48 KiB, encoded"));
        }
        let unknown = self.metadata.keys().find(|name| !is_parameter(&format!("meta.{name}")));
        if let Some(name) = unknown {
            return Err(bad(&format!("meta.{name}"), META_NAME_RULE));
        }
        Self::from_pairs(self.expiry, &pairs).map(|_| ())
    }

    /// Reads signed pairs, values still escaped.
    pub(crate) fn from_pairs(expiry: u64, pairs: &[(&str, &str)]) -> Result<Self, PolicyError> {
        let mut policy = Self { expiry, overwrite: true, ..Self::default() };
        for (name, raw) in pairs {
            let value = decode_value(name, raw)?;
            policy.read(name, value)?;
        }
        if policy.metadata.len() > META_ENTRIES_MAX {
            return Err(bad("meta", "at most 32 entries"));
        }
        Ok(policy)
    }

    fn read(&mut self, name: &str, value: Cow<'_, str>) -> Result<(), PolicyError> {
        match name {
            "method" => {
                let action =
                    Action::parse(&value).ok_or(bad(name, "must be get, put or delete"))?;
                self.action = Some(action);
            }
            "max_size" => self.max_size = Some(parse_size(name, &value)?),
            "size" => self.size = Some(parse_size(name, &value)?),
            "type" => self.types = parse_types(name, &value)?,
            "sha256" => {
                let digest =
                    parse_sha256(&value).ok_or(bad(name, "must be 64 hexadecimal digits"))?;
                self.sha256 = Some(digest);
            }
            "overwrite" => {
                let flag = value.parse().map_err(|_| bad(name, "must be true or false"))?;
                self.overwrite = flag;
            }
            "ref" => self.reference = Some(parse_text(name, value)?),
            "download" => self.download = Some(parse_text(name, value)?),
            "kid" => self.key_id = Some(parse_text(name, value)?),
            _ => self.read_metadata(name, value)?,
        }
        Ok(())
    }

    fn read_metadata(&mut self, name: &str, value: Cow<'_, str>) -> Result<(), PolicyError> {
        // `expiry` was read by the grammar; the grammar lets no other name through.
        if let Some(key) = name.strip_prefix("meta.") {
            self.metadata.insert(key.to_owned(), parse_text(name, value)?);
        }
        Ok(())
    }
}

const META_NAME_RULE: &str = "the name must be 1 to 64 letters, digits, _ or -";

/// Whether `name` is a parameter that a signature covers.
pub(crate) fn is_parameter(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "expiry",
        "method",
        "max_size",
        "size",
        "type",
        "sha256",
        "overwrite",
        "ref",
        "download",
        "kid",
    ];
    NAMES.contains(&name) || name.strip_prefix("meta.").is_some_and(is_meta_name)
}

/// Whether a text can be the name of a member of metadata: 1 to [`META_NAME_BYTES_MAX`] letters,
/// digits, `_` and `-`.
pub fn is_meta_name(name: &str) -> bool {
    (1..=META_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn bad(parameter: &str, reason: &'static str) -> PolicyError {
    PolicyError { parameter: parameter.to_owned(), reason }
}

/// A raw `+` is refused: some encoders mean a blank by it, others a plus.
fn decode_value<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, PolicyError> {
    if raw.as_bytes().contains(&b'+') {
        return Err(bad(name, "write a blank as %20 and a plus as %2B"));
    }
    if !raw.as_bytes().contains(&b'%') {
        return Ok(Cow::Borrowed(raw));
    }
    percent::decode(raw)
        .map(Cow::Owned)
        .map_err(|_| bad(name, "has a bad percent escape or is not UTF-8"))
}

fn parse_size(name: &str, value: &str) -> Result<u64, PolicyError> {
    let plain = value == "0" || !value.starts_with('0');
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = (plain && digits).then(|| value.parse::<u64>().ok()).flatten();
    bytes
        .filter(|bytes| *bytes <= SIZE_MAX)
        .ok_or(bad(name, "must be a whole number of bytes, at most 2^53 - 1"))
}

fn parse_types(name: &str, value: &str) -> Result<Vec<String>, PolicyError> {
    let types: Vec<String> = value.split(',').map(str::to_ascii_lowercase).collect();
    if types.len() > TYPES_MAX {
        return Err(bad(name, "at most 32 types"));
    }
    if !types.iter().all(|pattern| is_type_pattern(pattern)) {
        return Err(bad(name, "must be a comma list of types such as image/png or image/*"));
    }
    Ok(types)
}

fn is_type_pattern(pattern: &str) -> bool {
    let token = |text: &str| {
        !text.is_empty()
            && text.len() <= 127
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    pattern.split_once('/').is_some_and(|(main, sub)| token(main) && (token(sub) || sub == "*"))
}

fn parse_text(name: &str, value: Cow<'_, str>) -> Result<String, PolicyError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(bad(name, "longer than 1024 bytes"));
    }
    if value.chars().any(char::is_control) {
        return Err(bad(name, "has a control character"));
    }
    Ok(value.into_owned())
}

/// Reads a SHA-256 of 64 hexadecimal digits, in either case.
pub fn parse_sha256(value: &str) -> Option<[u8; 32]> {
    if value.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(value.as_bytes().chunks_exact(2)) {
        let digits =
            pair.iter().map(|c| char::from(*c).to_digit(16)).collect::<Option<Vec<_>>>()?;
        *byte = u8::try_from(digits.iter().fold(0, |value, digit| value * 16 + digit)).ok()?;
    }
    Some(digest)
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Policy, PolicyError> {
        Policy::from_pairs(1, &[(name, value)])
    }

    #[test]
    fn every_parameter_survives_a_round_trip() {
        let policy = Policy {
            expiry: 1_765_432_100,
            action: Some(Action::Put),
            max_size: Some(10),
            size: Some(0),
            types: vec!["image/*".into(), "application/pdf".into()],
            sha256: Some([0xab; 32]),
            overwrite: false,
            reference: Some("order 7 & more=é".into()),
            metadata: BTreeMap::from([("user_id".into(), "a+b/c?".into())]),
            download: Some(String::new()),
            key_id: Some("key_1".into()),
        };
        let query = policy.to_query();
        let pairs: Vec<_> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
        assert_eq!(Policy::from_pairs(policy.expiry, &pairs), Ok(policy.clone()));
        assert_eq!(Policy::parse_query(&query), Ok(policy.clone()));
        assert_eq!(policy.check(), Ok(()));
    }

    #[test]
    fn refuses_values_that_make_no_sense() {
        for (name, value) in [
            ("method", "PUT"),
            ("method", "post"),
            ("method", ""),
            ("max_size", "10MB"),
            ("max_size", "-1"),
            ("max_size", "+1"),
            ("max_size", "007"),
            ("max_size", ""),
            ("max_size", "9007199254740992"),
            ("size", "1e3"),
            ("size", "18446744073709551616"),
            ("type", ""),
            ("type", "image"),
            ("type", "*/*"),
            ("type", "image/png,"),
            ("type", "image/ png"),
            ("sha256", "abc"),
            ("sha256", &"g".repeat(64)),
            ("overwrite", "no"),
            ("overwrite", ""),
            ("ref", "a+b"),
            ("ref", "%zz"),
            ("ref", "%ff"),
            ("ref", "%0a"),
            ("ref", &"a".repeat(1_025)),
        ] {
            assert!(read(name, value).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn metadata_is_bounded() {
        let names: Vec<String> = (0..=META_ENTRIES_MAX).map(|n| format!("meta.n{n}")).collect();
        let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
        assert!(Policy::from_pairs(1, &pairs).is_err());
        assert!(Policy::from_pairs(1, &pairs[1..]).is_ok());
        assert!(!is_parameter("meta."));
        assert!(!is_parameter("meta.a b"));
        assert!(!is_parameter(&format!("meta.{}", "a".repeat(65))));
    }
}
