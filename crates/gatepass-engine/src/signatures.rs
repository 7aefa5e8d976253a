//! Making signed URLs for an app that holds an API key.

use gatepass_core::sanitise::{SanitiseError, SanitisedName, sanitise};
use gatepass_core::{Action, KeyGrant, Policy};
use gatepass_sign::VerifyError;

use crate::directory::ProjectAccess;
use crate::engine::Engine;

/// How long a URL lives if the app does not say: 60 minutes.
pub const DEFAULT_LIFETIME_SECONDS: u64 = 60 * 60;

/// What an app asks for.
#[derive(Debug, Clone, Default)]
pub struct SignatureRequest {
    /// The filename, as a user may have chosen it.
    pub filename: String,
    /// The folder, likewise.
    pub folder: Option<String>,
    /// Unix seconds; `None` for the default lifetime.
    pub expiry: Option<u64>,
    /// The action; `None` for `get`.
    pub action: Option<Action>,
    /// Everything else that the URL is to carry.
    pub policy: Policy,
}

/// What the app gets.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Host of the project, as its files are linked.
    pub domain: String,
    /// The sanitised name.
    pub name: SanitisedName,
    /// Unix seconds.
    pub expiry: u64,
    /// What the URL allows.
    pub action: Action,
    /// The signature: as secret as the URL.
    pub signature: gatepass_core::Secret,
    /// The signed URL.
    pub url: gatepass_core::Secret,
}

/// Why no URL was made.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The filename or the folder.
    #[error(transparent)]
    Name(#[from] SanitiseError),
    /// The expiry is not in the future.
    #[error("expiry must be in the future: Unix seconds, not milliseconds")]
    Expiry,
    /// The expiry is further away than the project allows.
    #[error("expiry is further in the future than the project allows")]
    ExpiryTooFar,
    /// A policy value, or what the key may sign.
    #[error(transparent)]
    Refused(#[from] VerifyError),
}

/// Signs what the key may sign.
pub fn create(
    engine: &Engine,
    access: &ProjectAccess,
    key: &KeyGrant,
    request: SignatureRequest,
) -> Result<Signature, SignatureError> {
    let name = sanitise(&request.filename, request.folder.as_deref())?;
    let now = engine.now().unix_seconds();
    let expiry = request.expiry.unwrap_or(now.saturating_add(DEFAULT_LIFETIME_SECONDS));
    if expiry <= now || expiry > 99_999_999_999 {
        return Err(SignatureError::Expiry);
    }
    let too_far = |max: u64| expiry > now.saturating_add(max);
    if access.project.max_expiry_seconds.is_some_and(too_far) {
        return Err(SignatureError::ExpiryTooFar);
    }
    let action = request.action.unwrap_or(Action::Get);
    let policy = Policy { expiry, action: Some(action), ..request.policy };
    let url = key.sign(&access.public_url, &name.path, &policy)?;
    let signature = key.signature(&name.path, &policy)?;
    Ok(Signature {
        domain: host_of(&access.public_url).to_owned(),
        name,
        expiry,
        action,
        signature: gatepass_core::Secret::new(signature),
        url: gatepass_core::Secret::new(url),
    })
}

fn host_of(public_url: &str) -> &str {
    public_url.split_once("://").map_or(public_url, |(_, rest)| rest).trim_end_matches('/')
}
