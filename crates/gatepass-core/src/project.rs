//! Projects, their domains and their keys, as the catalog keeps them.

use std::fmt;

use crate::{AccessRules, KeyId, LegacyUrls, ProjectId, Scopes, Timestamp};

/// A project: a name space of paths with its own keys and rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The organisation it belongs to, shown in answers.
    pub org: String,
    /// Its name, for people.
    pub name: String,
    /// Whether it answers for hosts that no domain names.
    pub catch_all: bool,
    /// What URLs without a `method` may do.
    pub legacy_urls: LegacyUrls,
    /// How many seconds in the future an expiry may lie; `None` for no bound.
    pub max_expiry_seconds: Option<u64>,
    /// Largest file in bytes; `None` for the server's bound.
    pub file_bytes_max: Option<u64>,
    /// Who may read what.
    pub access_rules: AccessRules,
    /// When it was made.
    pub created: Timestamp,
}

/// A host name that belongs to a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Host, and port if it is not the scheme's own, in lower case: `cdn.example.net:8443`.
    pub host: String,
    /// The project.
    pub project: ProjectId,
    /// Scheme and host by which files are linked: `https://cdn.example.net`.
    pub public_url: String,
    /// When it was added.
    pub created: Timestamp,
}

/// Whether a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Signs, verifies, and is accepted as a bearer token.
    Active,
    /// Nothing, until it is resumed.
    Paused,
    /// Nothing, for ever.
    Revoked,
}

impl KeyState {
    /// The state's name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Revoked => "revoked",
        }
    }

    /// Reads [`Self::as_str`]'s answer again; anything else is revoked, so that a damaged row
    /// fails closed.
    pub fn parse(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "paused" => Self::Paused,
            _ => Self::Revoked,
        }
    }
}

/// An API key as the catalog keeps it: its text is sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// Its id.
    pub id: KeyId,
    /// Its project.
    pub project: ProjectId,
    /// A name, for people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Paths it is confined to; empty for all.
    pub prefix: String,
    /// Whether it counts.
    pub state: KeyState,
    /// From when on a rotated key counts no longer; until then it verifies URLs only.
    pub verify_until: Option<Timestamp>,
    /// When it was made or imported.
    pub created: Timestamp,
    /// When it was last used, give or take a minute.
    pub last_used: Option<Timestamp>,
    /// Id of the master key that seals it.
    pub master_id: String,
    /// The nonce of the seal, 24 bytes.
    pub nonce: Vec<u8>,
    /// The sealed text.
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedKey")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// All settings of all projects: small, and read at once.
#[derive(Debug, Clone, Default)]
pub struct SettingsRecords {
    /// Rises with each change.
    pub version: u64,
    /// The projects.
    pub projects: Vec<Project>,
    /// The domains.
    pub domains: Vec<Domain>,
    /// The keys, revoked ones too.
    pub keys: Vec<SealedKey>,
    /// What is being brought in, if an import has begun and not ended. Until then nobody serves
    /// the catalog.
    pub importing: Option<String>,
}

/// One change of settings.
#[derive(Debug, Clone)]
pub enum SettingsChange {
    /// Changes nothing, unless the settings have this version: nothing of what goes with it is
    /// made if somebody else was faster.
    RequireVersion(u64),
    /// Adds a project, or replaces the one with its id.
    PutProject(Project),
    /// Adds a domain, or replaces the one with its host.
    PutDomain(Domain),
    /// Removes the domain with this host.
    RemoveDomain(String),
    /// Adds a key, or replaces the one with its id.
    PutKey(SealedKey),
    /// Notes when keys were last used; it does not raise the version.
    TouchKeys(Vec<(KeyId, Timestamp)>),
    /// Notes what is being brought in, or with `None` that all of it is there.
    SetImporting(Option<String>),
}
