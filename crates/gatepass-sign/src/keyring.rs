use std::fmt;
use std::str::FromStr;

use hmac::Mac as _;
use subtle::ConstantTimeEq as _;

use crate::query::SIGNATURE_BYTES;
use crate::{Action, KeyId, ObjectPath, ProjectId, Secret, canonical};

/// Most keys of a project that a URL without `kid` is tried against.
pub const KEYS_TRIED_MAX: usize = 8;

/// One thing that an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Scope {
    /// `sign:put`: make URLs for uploads, and upload.
    SignPut,
    /// `sign:get`: make URLs for reading, and read.
    SignGet,
    /// `files:read`: list and read files.
    FilesRead,
    /// `files:write`: upload, rename and describe files.
    FilesWrite,
    /// `files:delete`: delete files, and make URLs that delete.
    FilesDelete,
    /// `ingest`: have the server fetch a file from a URL.
    Ingest,
    /// `admin`: everything else, and everything above.
    Admin,
}

const SCOPES: [(Scope, &str); 7] = [
    (Scope::SignPut, "sign:put"),
    (Scope::SignGet, "sign:get"),
    (Scope::FilesRead, "files:read"),
    (Scope::FilesWrite, "files:write"),
    (Scope::FilesDelete, "files:delete"),
    (Scope::Ingest, "ingest"),
    (Scope::Admin, "admin"),
];

impl Scope {
    /// The scope's name.
    pub fn as_str(self) -> &'static str {
        SCOPES.iter().find(|(scope, _)| *scope == self).map_or("", |(_, name)| name)
    }
}

/// A set of [`Scope`]s. `admin` contains all the others.
///
/// ```
/// use gatepass_sign::{Scope, Scopes};
///
/// let scopes: Scopes = "sign:put sign:get".parse().unwrap();
/// assert!(scopes.allow(Scope::SignPut));
/// assert!(!scopes.allow(Scope::FilesDelete));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

/// A word that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no scope; use sign:put, sign:get, files:read, files:write, files:delete, ingest or admin"
)]
pub struct ScopesError(String);

impl Scopes {
    /// Everything.
    pub const ALL: Self = Self(1 << Scope::Admin as u8);

    /// Whether the set contains this scope, or `admin`.
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0 || self.0 & Self::ALL.0 != 0
    }

    /// Whether a key with these scopes may perform, or sign for, an action on a path.
    pub fn allow_action(self, action: Action) -> bool {
        let (one, other) = match action {
            Action::Get => (Scope::SignGet, Scope::FilesRead),
            Action::Put => (Scope::SignPut, Scope::FilesWrite),
            Action::Delete => (Scope::FilesDelete, Scope::FilesDelete),
        };
        self.allow(one) || self.allow(other)
    }
}

impl FromStr for Scopes {
    type Err = ScopesError;

    /// Reads names divided by blanks or commas.
    fn from_str(text: &str) -> Result<Self, ScopesError> {
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        words.into_iter().try_fold(Self(0), |set, word| {
            let (scope, _) = SCOPES
                .iter()
                .find(|(_, name)| *name == word)
                .ok_or_else(|| ScopesError(word.to_owned()))?;
            Ok(Self(set.0 | 1 << *scope as u8))
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = SCOPES.iter().filter(|(scope, _)| self.0 & (1 << *scope as u8) != 0);
        f.write_str(&names.map(|(_, name)| *name).collect::<Vec<_>>().join(" "))
    }
}

/// A key that may verify: its secret and what it is allowed.
#[derive(Debug, Clone)]
pub struct VerifyingKey {
    /// The key's id.
    pub id: KeyId,
    /// The key's text.
    pub secret: Secret,
    /// What the key may do.
    pub scopes: Scopes,
    /// Paths the key is confined to; empty for all.
    pub prefix: String,
    /// Unix seconds from which on the key no longer counts; `None` for never. A rotated key has
    /// one: it verifies URLs a while longer, but is no longer accepted as a bearer token.
    pub verify_until: Option<u64>,
}

impl VerifyingKey {
    /// A key that may do everything, everywhere, for ever.
    pub fn unrestricted(id: impl AsRef<str>, secret: Secret) -> Self {
        Self {
            id: KeyId::new(id),
            secret,
            scopes: Scopes::ALL,
            prefix: String::new(),
            verify_until: None,
        }
    }

    /// Whether the key may perform, or sign for, this action at this path.
    pub fn allows(&self, action: Action, path: &ObjectPath) -> bool {
        self.scopes.allow_action(action) && path.is_within(&self.prefix)
    }

    fn counts_at(&self, now: u64) -> bool {
        self.verify_until.is_none_or(|until| now < until)
    }
}

/// The active keys of one project.
#[derive(Debug, Clone)]
pub struct KeyRing {
    project: ProjectId,
    keys: Vec<VerifyingKey>,
}

impl KeyRing {
    /// A ring without keys: it lets nobody in.
    pub fn new(project: ProjectId) -> Self {
        Self { project, keys: Vec::new() }
    }

    /// The ring with one more key.
    #[must_use]
    pub fn with_key(mut self, key: VerifyingKey) -> Self {
        self.keys.push(key);
        self
    }

    /// The project the keys belong to.
    pub fn project(&self) -> &ProjectId {
        &self.project
    }

    /// The keys.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The key whose text this is, if it may still be used as a bearer token. Every key is
    /// compared, in constant time.
    pub(crate) fn find_bearer(&self, token: &str) -> Option<&VerifyingKey> {
        self.keys.iter().filter(|key| key.verify_until.is_none()).fold(None, |found, key| {
            let same = key.secret.expose().as_bytes().ct_eq(token.as_bytes());
            if same.into() { Some(key) } else { found }
        })
    }

    /// The key that made this signature over one of the spellings of the path. All candidates are
    /// tried, found or not, so that the time taken does not tell which key it was.
    pub(crate) fn find_signer(
        &self,
        spellings: &[&str],
        signed: &str,
        signature: &[u8; SIGNATURE_BYTES],
        key_id: Option<&str>,
        now: u64,
    ) -> Option<&VerifyingKey> {
        let candidates = self
            .keys
            .iter()
            .filter(|key| key.counts_at(now))
            .filter(|key| key_id.is_none_or(|id| key.id.as_str() == id))
            .take(KEYS_TRIED_MAX);
        candidates.fold(None, |found, key| {
            let matches = spellings.iter().fold(false, |matched, path| {
                let mac = canonical::mac(&key.secret, path, signed);
                mac.verify_slice(signature).is_ok() | matched
            });
            if matches { Some(key) } else { found }
        })
    }
}
