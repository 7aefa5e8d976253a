use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;

use crate::{ObjectPath, Policy, Secret, canonical};

/// What is signed: the decoded path, `?`, the query. Shown by tools that explain a signature.
pub fn string_to_sign(path: &ObjectPath, policy: &Policy) -> String {
    format!("{path}?{}", policy.to_query())
}

/// The signature of a policy for a path: 43 characters of URL-safe base64.
pub fn signature_of(key: &Secret, path: &ObjectPath, policy: &Policy) -> String {
    let mac = canonical::mac(key, path.as_str(), &policy.to_query());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// A signed URL below `public_url` (scheme and host, without a path).
///
/// The policy is signed as it is: call [`Policy::check`] first on values that a user typed.
pub fn sign_url(key: &Secret, public_url: &str, path: &ObjectPath, policy: &Policy) -> String {
    format!(
        "{}/{}?{}&signature={}",
        public_url.trim_end_matches('/'),
        path.to_encoded(),
        policy.to_query(),
        signature_of(key, path, policy)
    )
}
