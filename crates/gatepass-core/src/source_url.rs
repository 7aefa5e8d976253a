//! URLs that files are fetched from.

use std::fmt;

use url::{Host, Url};

use crate::ObjectPath;

/// Longest URL in bytes: presigned URLs of object stores take some 2,000.
pub const SOURCE_URL_BYTES_MAX: usize = 8_192;

/// An absolute `http` or `https` URL without credentials. Nothing is repaired: what two readers
/// could understand differently is refused.
///
/// Where its host may be is not decided here; that depends on what the name resolves to.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUrl(Url);

/// Why a text is no [`SourceUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceUrlError {
    /// More than [`SOURCE_URL_BYTES_MAX`] bytes.
    #[error("the URL is longer than {SOURCE_URL_BYTES_MAX} bytes")]
    TooLong,
    /// It does not parse, or has blanks, control characters or backslashes.
    #[error("the URL is malformed")]
    Malformed,
    /// Another scheme than `http` and `https`.
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    /// A user name or a password.
    #[error("the URL must not hold a user name or a password")]
    Credentials,
}

impl SourceUrl {
    /// Checks a URL as somebody gave it.
    pub fn parse(text: &str) -> Result<Self, SourceUrlError> {
        check_text(text)?;
        Self::check(Url::parse(text).map_err(|_| SourceUrlError::Malformed)?)
    }

    /// The URL that a redirect leads to, which may be relative to this one.
    pub fn join(&self, location: &str) -> Result<Self, SourceUrlError> {
        check_text(location)?;
        Self::check(self.0.join(location).map_err(|_| SourceUrlError::Malformed)?)
    }

    fn check(mut url: Url) -> Result<Self, SourceUrlError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SourceUrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SourceUrlError::Credentials);
        }
        if url.as_str().len() > SOURCE_URL_BYTES_MAX {
            return Err(SourceUrlError::TooLong);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// Whether it is an `https` URL.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host: a name, or an address in whatever spelling it was written. An `http` URL that
    /// parses has one.
    pub fn host(&self) -> Option<Host<&str>> {
        self.0.host()
    }

    /// The port, given or the scheme's.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(0)
    }

    /// Host and port as the `Host` header has them.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Path and query as the request line has them.
    pub fn target(&self) -> String {
        let path = self.0.path();
        self.0.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }

    /// What the last segment calls the file, decoded where that is possible in one way.
    pub fn filename(&self) -> Option<String> {
        let segment = self.0.path_segments()?.next_back()?;
        let decoded = ObjectPath::from_encoded(segment).map(|path| path.as_str().to_owned());
        (!segment.is_empty()).then(|| decoded.unwrap_or_else(|_| segment.to_owned()))
    }
}

fn check_text(text: &str) -> Result<(), SourceUrlError> {
    if text.len() > SOURCE_URL_BYTES_MAX {
        return Err(SourceUrlError::TooLong);
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(SourceUrlError::Malformed);
    }
    Ok(())
}

impl fmt::Debug for SourceUrl {
    /// Scheme, host and port: paths and queries of presigned URLs are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> SourceUrlError {
        SourceUrl::parse(text).unwrap_err()
    }

    #[test]
    fn only_plain_http_urls_count() {
        for scheme in ["file:///etc/passwd", "gopher://h/1", "ftp://h/a", "data:,x", "JAVASCRIPT:x"]
        {
            assert_eq!(error(scheme), SourceUrlError::Scheme, "{scheme}");
        }
        for credentials in ["http://ok@127.0.0.1", "http://a:b@h/", "https://:p@h/"] {
            assert_eq!(error(credentials), SourceUrlError::Credentials, "{credentials}");
        }
        for malformed in [
            "",
            "example.com/a",
            "//example.com/a",
            "http://",
            "http://h:99999/",
            "http://[fe80::1%eth0]/",
            "http://[::1/",
            "http://a b/",
            "http://h/\r\nX: y",
            "http:\\\\h\\a",
            "http://ok.example\\@127.0.0.1/",
            "http://1.2.3.256/",
        ] {
            assert_eq!(error(malformed), SourceUrlError::Malformed, "{malformed:?}");
        }
        assert_eq!(error(&format!("http://h/{}", "a".repeat(9_000))), SourceUrlError::TooLong);
    }

    #[test]
    fn addresses_are_read_in_every_spelling() {
        let loopback = Some(Host::Ipv4("127.0.0.1".parse().unwrap()));
        for odd in ["0x7f.1", "2130706433", "0177.0.0.1", "127.1", "127.0.0.1.", "①②⑦.⓪.⓪.①"]
        {
            let url = SourceUrl::parse(&format!("http://{odd}/")).unwrap();
            assert_eq!(url.host(), loopback, "{odd}");
        }
        let mapped = SourceUrl::parse("http://[::ffff:7f00:1]/").unwrap();
        assert_eq!(mapped.host(), Some(Host::Ipv6("::ffff:127.0.0.1".parse().unwrap())));
    }

    #[test]
    fn a_request_is_made_of_its_parts() {
        let url = SourceUrl::parse("https://files.example:8443/a%20b/c?x=1&y=%2F#part").unwrap();
        assert!(url.is_https());
        assert_eq!((url.port(), url.authority().as_str()), (8443, "files.example:8443"));
        assert_eq!(url.target(), "/a%20b/c?x=1&y=%2F");
        assert_eq!(format!("{url:?}"), "https://files.example:8443");
        let next = url.join("../d?z").unwrap();
        assert_eq!((next.target().as_str(), next.port()), ("/d?z", 8443));
        assert_eq!(url.join("//other.example/e").unwrap().authority(), "other.example");
        assert_eq!(url.join("gopher://h/"), Err(SourceUrlError::Scheme));
        assert_eq!(url.join("http://a:b@h/"), Err(SourceUrlError::Credentials));
    }

    #[test]
    fn the_last_segment_names_the_file() {
        for (url, name) in [
            ("http://h/a/b.png", Some("b.png")),
            ("http://h/a/b%20c.png?x=/d", Some("b c.png")),
            ("http://h/%E6%97%A5.png#x", Some("日.png")),
            ("http://h/a%2Fb.png", Some("a%2Fb.png")),
            ("http://h/..%2f..%2fetc", Some("..%2f..%2fetc")),
            ("http://h", None),
            ("http://h/a/", None),
        ] {
            assert_eq!(SourceUrl::parse(url).unwrap().filename().as_deref(), name, "{url}");
        }
    }
}
