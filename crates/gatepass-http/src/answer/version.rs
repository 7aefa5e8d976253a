use http::{HeaderMap, HeaderName};

const ACCEPT_VERSION: HeaderName = HeaderName::from_static("accept-version");
/// Its other spelling.
const ACCEPT_VERSION_ALSO: HeaderName = HeaderName::from_static("accept_version");

/// The form of answers, chosen by the `Accept-Version` header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Version {
    /// Enveloped; no `error` member on success.
    V2025_01_01,
    /// Enveloped; `error` is null on success.
    #[default]
    V2025_07_01,
    /// The object itself.
    V2025_08_20,
}

/// The header names no version of ours.
#[derive(Debug)]
pub(crate) struct UnknownVersion;

impl Version {
    /// Reads `Accept-Version`, or its other spelling `ACCEPT_VERSION`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, UnknownVersion> {
        let value = headers.get(ACCEPT_VERSION).or_else(|| headers.get(ACCEPT_VERSION_ALSO));
        match value.map(http::HeaderValue::as_bytes) {
            None | Some(b"2025-07-01") => Ok(Self::V2025_07_01),
            Some(b"2025-01-01") => Ok(Self::V2025_01_01),
            Some(b"2025-08-20" | b"latest") => Ok(Self::V2025_08_20),
            Some(_) => Err(UnknownVersion),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V2025_01_01 => "2025-01-01",
            Self::V2025_07_01 => "2025-07-01",
            Self::V2025_08_20 => "2025-08-20",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &'static str, value: &'static str) -> Option<Version> {
        let headers = [(http::HeaderName::from_static(name), value.parse().unwrap())];
        Version::of(&headers.into_iter().collect()).ok()
    }

    #[test]
    fn both_spellings_of_the_header_count() {
        assert_eq!(Version::of(&HeaderMap::new()).ok(), Some(Version::V2025_07_01));
        assert_eq!(of("accept-version", "2025-01-01"), Some(Version::V2025_01_01));
        assert_eq!(of("accept_version", "latest"), Some(Version::V2025_08_20));
        assert_eq!(of("accept-version", "2024-01-01"), None);
        assert_eq!(of("accept-version", ""), None);
    }
}
