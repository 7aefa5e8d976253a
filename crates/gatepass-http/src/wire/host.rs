//! The host a request is for (RFC 9110, section 7.2).

use http::{HeaderMap, Uri, header};

use crate::problem::{ErrorCode, Problem};

/// Exactly one `Host`, equal to the authority of an absolute-form target.
pub(crate) fn host<'a>(uri: &Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    let mut values = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (values.next(), values.next()) else {
        return Err(ErrorCode::HostInvalid.into());
    };
    let host = host.to_str().map_err(|_| Problem::new(ErrorCode::HostInvalid))?;
    let contradicted = uri.authority().is_some_and(|a| !a.as_str().eq_ignore_ascii_case(host));
    if !is_host(host) || contradicted {
        return Err(ErrorCode::HostInvalid.into());
    }
    Ok(host)
}

/// A name or an address, with or without a port.
fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(hosts: &[&str]) -> HeaderMap {
        hosts.iter().map(|host| (header::HOST, host.parse().unwrap())).collect()
    }

    #[test]
    fn one_host_and_no_contradiction() {
        let origin = Uri::from_static("/a");
        let absolute = Uri::from_static("http://a.example/a");
        assert_eq!(host(&origin, &headers(&["a.example"])).unwrap(), "a.example");
        assert_eq!(host(&absolute, &headers(&["A.example"])).unwrap(), "A.example");
        assert!(host(&origin, &headers(&[])).is_err());
        assert!(host(&origin, &headers(&["a.example", "b.example"])).is_err());
        assert!(host(&absolute, &headers(&["b.example"])).is_err());
        for bad in ["", "a b", "a/b", "a@b", "a,b", "a\tb"] {
            assert!(host(&origin, &headers(&[bad])).is_err(), "{bad}");
        }
        for good in ["a.example:8080", "[::1]:8080", "127.0.0.1", "a_b"] {
            assert!(host(&origin, &headers(&[good])).is_ok(), "{good}");
        }
    }
}
