use crate::PathError;

/// Why a request was not let in.
///
/// The public text never tells whether a key, a project or a file exists: a wrong signature, an
/// unknown key and another project's key are one and the same error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The path breaks the grammar; nothing was verified.
    #[error("path is malformed: {0}")]
    PathInvalid(#[from] PathError),
    /// The query breaks the grammar, or no active key made this signature.
    #[error("signature does not match")]
    SignatureInvalid,
    /// The signature is right, but a signed parameter has a value that makes no sense. Only
    /// somebody who holds the key can see this error.
    #[error("signed parameter {parameter} is malformed: {reason}")]
    PolicyMalformed {
        /// Name of the parameter.
        parameter: String,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// The signature is right; its time is over.
    #[error("signed URL has expired")]
    Expired {
        /// The URL's expiry in Unix seconds.
        expiry: u64,
    },
    /// The signature is right; its time is further away than the project allows.
    #[error("signed URL expires too far in the future")]
    ExpiryTooFar {
        /// The project's limit in seconds from now.
        max_seconds: u64,
    },
    /// The signature is right, but grants another action than this method asks for.
    #[error("the signed URL does not permit this method")]
    MethodNotPermitted,
    /// The key that signed, or the API key itself, may not do this or not at this path.
    #[error("API key lacks permission")]
    ScopeInsufficient,
    /// Neither a signature nor an API key came with the request.
    #[error("a signed URL or an API key is required")]
    CredentialsMissing,
    /// The API key is unknown, revoked, paused or malformed.
    #[error("API key not accepted")]
    BearerInvalid,
}

/// The kinds of [`VerifyError`], closed so that a caller can match all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each kind is the variant of VerifyError with the same name")]
pub enum VerifyErrorKind {
    PathInvalid,
    SignatureInvalid,
    PolicyMalformed,
    Expired,
    ExpiryTooFar,
    MethodNotPermitted,
    ScopeInsufficient,
    CredentialsMissing,
    BearerInvalid,
}

impl VerifyError {
    /// The error's kind.
    pub fn kind(&self) -> VerifyErrorKind {
        match self {
            Self::PathInvalid(_) => VerifyErrorKind::PathInvalid,
            Self::SignatureInvalid => VerifyErrorKind::SignatureInvalid,
            Self::PolicyMalformed { .. } => VerifyErrorKind::PolicyMalformed,
            Self::Expired { .. } => VerifyErrorKind::Expired,
            Self::ExpiryTooFar { .. } => VerifyErrorKind::ExpiryTooFar,
            Self::MethodNotPermitted => VerifyErrorKind::MethodNotPermitted,
            Self::ScopeInsufficient => VerifyErrorKind::ScopeInsufficient,
            Self::CredentialsMissing => VerifyErrorKind::CredentialsMissing,
            Self::BearerInvalid => VerifyErrorKind::BearerInvalid,
        }
    }
}
