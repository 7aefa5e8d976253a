//! Signed URLs, from both sides: making them and proving them.
//!
//! A signed URL grants one path, one action, until one time. It is an ordinary URL whose last
//! query parameter is an HMAC over everything before it:
//!
//! ```text
//! string_to_sign = path "?" query            (no leading slash, no host)
//! signature      = base64url( HMAC-SHA256( API key, string_to_sign ) )
//! url            = public_url "/" path "?" query "&signature=" signature
//! ```
//!
//! This crate does no input or output, reads no clock and knows no HTTP library: bytes and time
//! come in as values, a [`Grant`] or a [`VerifyError`] comes out.
//!
//! # Signing
//!
//! ```
//! use gatepass_sign::{Action, ObjectPath, Policy, Secret};
//!
//! let key = Secret::new("ittybit_test_key");
//! let path = ObjectPath::from_decoded("image.png").unwrap();
//! let policy = Policy::new(Action::Put, 1_765_432_100);
//! let url = gatepass_sign::sign_url(&key, "https://you.example.net", &path, &policy);
//! assert_eq!(
//!     url,
//!     "https://you.example.net/image.png?expiry=1765432100&method=put\
//!      &signature=yE1U0o_JlwyxRC3KJ5cNdny-cC_ovK3WlD_c1PWQSoc"
//! );
//! ```
//!
//! # Verifying
//!
//! ```
//! use gatepass_sign::{Door, KeyRing, Method, Operation, ProjectId, Request, Secret, VerifyingKey};
//!
//! let ring = KeyRing::new(ProjectId::new("proj_demo"))
//!     .with_key(VerifyingKey::unrestricted("key_1", Secret::new("ittybit_test_key")));
//! let door = Door::new(ring);
//! let request = Request {
//!     method: Method::Put,
//!     path: "image.png",
//!     query: Some(
//!         "expiry=1765432100&method=put&signature=yE1U0o_JlwyxRC3KJ5cNdny-cC_ovK3WlD_c1PWQSoc",
//!     ),
//!     bearer: None,
//!     continues: false,
//! };
//! let grant = door.authorise(&request, 1_765_432_000).unwrap();
//! assert_eq!(grant.operation(), Operation::Upload);
//! assert_eq!(grant.path().as_str(), "image.png");
//! ```

mod access;
mod action;
mod canonical;
mod error;
mod explain;
mod grant;
mod key;
mod keyring;
mod path;
mod percent;
mod policy;
mod query;
mod receipt;
mod secret;
mod signer;
mod upload_id;

pub use access::{ACCESS_RULES_MAX, AccessRule, AccessRules, Visibility};
pub use action::{Action, LegacyUrls, Method, Operation};
pub use error::{VerifyError, VerifyErrorKind};
pub use explain::{Explanation, explain};
pub use grant::{Door, EXPIRY_LEEWAY_SECONDS, Grant, KeyGrant, Proof, Request};
pub use key::{KeyId, KeyText, KeyTextError, ProjectId};
pub use keyring::{KEYS_TRIED_MAX, KeyRing, Scope, Scopes, ScopesError, VerifyingKey};
pub use path::{ObjectPath, PATH_BYTES_MAX, PathError, SEGMENT_BYTES_MAX};
pub use policy::{
    META_ENTRIES_MAX, META_NAME_BYTES_MAX, Policy, PolicyError, SIZE_MAX, TYPES_MAX,
    VALUE_BYTES_MAX, hex, is_meta_name, parse_sha256,
};
pub use receipt::{Receipt, ReceiptClaims, ReceiptError};
pub use secret::Secret;
pub use signer::{sign_url, signature_of, string_to_sign};
pub use upload_id::UploadId;
