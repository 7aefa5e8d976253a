use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::{Secret, canonical};

/// `{"alg":"HS256","typ":"JWT"}` in base64url.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// Longest token that is read, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// What a receipt states about an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptClaims {
    /// The file's id.
    pub sub: String,
    /// The file's path, decoded.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its content type.
    #[serde(rename = "type")]
    pub content_type: String,
    /// Its entity tag, without quotes.
    pub etag: String,
    /// When it was issued, in Unix seconds.
    pub iat: u64,
    /// When it ends, in Unix seconds.
    pub exp: u64,
}

/// A signed statement about an upload: a JWT (RFC 7519) with HS256, keyed by the API key that
/// signed the upload's URL. The client hands it to the app's backend, which can trust it without
/// a call. It does not print.
///
/// ```
/// use gatepass_sign::{Receipt, ReceiptClaims, Secret};
///
/// let key = Secret::new("gp_live_example");
/// let claims = ReceiptClaims {
///     sub: "file_1".into(), path: "a.png".into(), size: 5, content_type: "image/png".into(),
///     etag: "x".into(), iat: 1_765_432_000, exp: 1_765_435_600,
/// };
/// let receipt = Receipt::issue(&key, &claims);
/// assert_eq!(Receipt::verify(&key, receipt.token(), 1_765_432_100), Ok(claims));
/// ```
#[derive(Clone)]
pub struct Receipt(Secret);

/// Why a receipt is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It is no JWT with exactly our header, or its claims are not ours.
    #[error("the receipt is malformed")]
    Malformed,
    /// Another key signed it, or it was changed.
    #[error("the receipt's signature does not match")]
    SignatureInvalid,
    /// Its time is over.
    #[error("the receipt has expired")]
    Expired,
}

impl Receipt {
    /// Signs the claims.
    pub fn issue(key: &Secret, claims: &ReceiptClaims) -> Self {
        let payload = serde_json::to_vec(claims).unwrap_or_default();
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = signature_of(key, &signed);
        Self(Secret::new(format!("{signed}.{signature}")))
    }

    /// The token, as it travels.
    pub fn token(&self) -> &str {
        self.0.expose()
    }

    /// Verifies a token: header, signature, then time. `now` is in Unix seconds.
    pub fn verify(key: &Secret, token: &str, now: u64) -> Result<ReceiptClaims, ReceiptError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(ReceiptError::Malformed);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ReceiptError::Malformed);
        };
        // The algorithm is never taken from the token: only this one header is ours.
        if header != HEADER {
            return Err(ReceiptError::Malformed);
        }
        // Compared as text, so that a signature has one spelling.
        let expected = signature_of(key, &format!("{header}.{payload}"));
        if !bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
            return Err(ReceiptError::SignatureInvalid);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| ReceiptError::Malformed)?;
        let claims: ReceiptClaims =
            serde_json::from_slice(&payload).map_err(|_| ReceiptError::Malformed)?;
        if now >= claims.exp { Err(ReceiptError::Expired) } else { Ok(claims) }
    }
}

/// The signature of a token's first two parts, in base64url.
fn signature_of(key: &Secret, signed: &str) -> String {
    let mut mac = canonical::keyed(key);
    mac.update(signed.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receipt(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> ReceiptClaims {
        ReceiptClaims {
            sub: "file_0123456789abcdef".into(),
            path: "a b.png".into(),
            size: 7,
            content_type: "image/png".into(),
            etag: "v1".into(),
            iat: 100,
            exp: 200,
        }
    }

    #[test]
    fn foreign_headers_are_refused() {
        let key = Secret::new("k");
        let token = Receipt::issue(&key, &claims());
        let payload = token.token().split('.').nth(1).unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        assert_eq!(
            Receipt::verify(&key, &format!("{none}.{payload}."), 100),
            Err(ReceiptError::Malformed)
        );
    }

    #[test]
    fn another_key_a_change_and_the_time_are_noticed() {
        let key = Secret::new("k");
        let receipt = Receipt::issue(&key, &claims());
        let token = receipt.token();
        assert_eq!(Receipt::verify(&key, token, 199), Ok(claims()));
        assert_eq!(Receipt::verify(&key, token, 200), Err(ReceiptError::Expired));
        let other = Receipt::verify(&Secret::new("j"), token, 100);
        assert_eq!(other, Err(ReceiptError::SignatureInvalid));
        let changed = token.replacen(".eyJ", ".eyK", 1);
        assert_eq!(Receipt::verify(&key, &changed, 100), Err(ReceiptError::SignatureInvalid));
    }
}
