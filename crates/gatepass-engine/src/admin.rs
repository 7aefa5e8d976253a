//! Projects, domains and keys: made, changed, listed. The command line works through this, beside
//! a running server or without one; a server notices the changes within seconds.

use std::sync::Arc;
use std::time::Duration;

use gatepass_core::port::{Catalog, CatalogError, Clock};
use gatepass_core::project::{
    Domain, KeyState, Project, SealedKey, SettingsChange, SettingsRecords,
};
use gatepass_core::{
    AccessRule, AccessRules, KeyId, LegacyUrls, ProjectId, Scopes, Secret, Visibility,
};
use gatepass_sign::{ACCESS_RULES_MAX, KEYS_TRIED_MAX, KeyText, KeyTextError};

use crate::random;
use crate::vault::{MasterKeys, SealedFacts, VaultError};

/// How long a rotated key verifies URLs it has signed, if nobody says: 7 days.
pub const ROTATION_OVERLAP: Duration = Duration::from_hours(7 * 24);

/// Changes settings.
#[derive(Clone)]
pub struct Admin {
    catalog: Arc<dyn Catalog>,
    vault: Arc<MasterKeys>,
    clock: Arc<dyn Clock>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The project.
    pub project: ProjectId,
    /// A name, for people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Paths it is confined to; empty for all.
    pub prefix: String,
    /// Its text, if it was made elsewhere.
    pub import: Option<KeyText>,
}

/// A key that was just made: the only time its text is seen.
#[derive(Debug, Clone)]
pub struct MadeKey {
    /// The key as it is kept.
    pub key: SealedKey,
    /// Its text.
    pub text: Secret,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No project with this id or name.
    #[error("there is no project {0:?}")]
    NoSuchProject(String),
    /// No key with this id.
    #[error("there is no key {0:?}")]
    NoSuchKey(String),
    /// No domain with this host.
    #[error("there is no domain {0:?}")]
    NoSuchDomain(String),
    /// No access rule with this prefix.
    #[error("there is no rule for {0:?}")]
    NoSuchRule(String),
    /// Every request goes through all rules.
    #[error("the project has {ACCESS_RULES_MAX} access rules already: remove one first")]
    TooManyRules,
    /// A revoked key stays revoked.
    #[error("key {0} is revoked; make a new one")]
    KeyRevoked(KeyId),
    /// The host belongs to another project already.
    #[error("the host {0:?} belongs to another project")]
    HostTaken(String),
    /// The host is malformed.
    #[error(
        "{0:?} is no host: give a name such as files.example.net, with a port if it is not the scheme's own"
    )]
    BadHost(String),
    /// The public URL is malformed.
    #[error("{0:?} is no public URL: give scheme and host, such as https://files.example.net")]
    BadPublicUrl(String),
    /// The project has as many keys as a URL is tried against.
    #[error("the project has {KEYS_TRIED_MAX} active keys already: revoke one first")]
    TooManyKeys,
    /// The same text is a key already: a URL must be valid in one project only.
    #[error("this key is in use already")]
    KeyInUse,
    /// The text is no key.
    #[error(transparent)]
    KeyText(#[from] KeyTextError),
    /// The master key does not fit.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Admin {
    /// Works on a catalog with the master keys it was set up with.
    pub fn new(catalog: Arc<dyn Catalog>, vault: Arc<MasterKeys>, clock: Arc<dyn Clock>) -> Self {
        Self { catalog, vault, clock }
    }

    /// All settings.
    pub async fn settings(&self) -> Result<SettingsRecords, AdminError> {
        Ok(self.catalog.load_settings().await?)
    }

    /// Sets up an empty catalog: the default project, which answers for every host and keeps
    /// `private/` private, and its first key. `None` if there is a project already.
    pub async fn bootstrap(&self, import: Option<KeyText>) -> Result<Option<MadeKey>, AdminError> {
        let settings = self.settings().await?;
        if !settings.projects.is_empty() {
            return Ok(None);
        }
        let private = AccessRule { prefix: "private/".to_owned(), visibility: Visibility::Private };
        let project = Project {
            catch_all: true,
            access_rules: AccessRules::new(vec![private]),
            ..self.blank_project("default")
        };
        let new = NewKey {
            project: project.id.clone(),
            name: "first".to_owned(),
            scopes: Scopes::ALL,
            prefix: String::new(),
            import,
        };
        let made = self.make_key(new)?;
        // Of several nodes that start with an empty catalog one sets it up.
        let changes = vec![
            SettingsChange::RequireVersion(settings.version),
            SettingsChange::PutProject(project),
            SettingsChange::PutKey(made.key.clone()),
        ];
        match self.catalog.change_settings(changes).await {
            Ok(()) => Ok(Some(made)),
            Err(CatalogError::Outdated) => {
                let ours = |key: &SealedKey| key.id == made.key.id;
                let is_ours = self.settings().await?.keys.iter().any(ours);
                Ok(is_ours.then_some(made))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a project without keys.
    pub async fn create_project(&self, name: &str) -> Result<Project, AdminError> {
        let project = self.blank_project(name);
        self.put_project(project.clone()).await?;
        Ok(project)
    }

    /// Replaces a project's settings.
    pub async fn put_project(&self, project: Project) -> Result<(), AdminError> {
        Ok(self.catalog.change_settings(vec![SettingsChange::PutProject(project)]).await?)
    }

    /// The project with this id or name; without either, the only one there is.
    pub async fn find_project(&self, wanted: Option<&str>) -> Result<Project, AdminError> {
        let projects = self.settings().await?.projects;
        let found = match wanted {
            Some(text) => projects.iter().find(|p| p.id.as_str() == text || p.name == text),
            None if projects.len() == 1 => projects.first(),
            None => projects.iter().find(|p| p.name == "default"),
        };
        found
            .cloned()
            .ok_or_else(|| AdminError::NoSuchProject(wanted.unwrap_or("default").to_owned()))
    }

    /// Sets who may read the files within a prefix.
    pub async fn put_rule(&self, id: &ProjectId, rule: AccessRule) -> Result<Project, AdminError> {
        let project = self.find_project(Some(id.as_str())).await?;
        let access_rules = project.access_rules.with(rule);
        if access_rules.as_slice().len() > ACCESS_RULES_MAX {
            return Err(AdminError::TooManyRules);
        }
        let project = Project { access_rules, ..project };
        self.put_project(project.clone()).await?;
        Ok(project)
    }

    /// Takes the rule with this very prefix away; a shorter one decides from now on, or none.
    pub async fn remove_rule(&self, id: &ProjectId, prefix: &str) -> Result<Project, AdminError> {
        let project = self.find_project(Some(id.as_str())).await?;
        if project.access_rules.find(prefix).is_none() {
            return Err(AdminError::NoSuchRule(prefix.to_owned()));
        }
        let access_rules = project.access_rules.without(prefix);
        let project = Project { access_rules, ..project };
        self.put_project(project.clone()).await?;
        Ok(project)
    }

    /// Gives a host to a project.
    pub async fn add_domain(
        &self,
        project: &ProjectId,
        host: &str,
        public_url: Option<&str>,
    ) -> Result<Domain, AdminError> {
        let host = host.to_ascii_lowercase();
        if !is_host(&host) {
            return Err(AdminError::BadHost(host));
        }
        let public_url = public_url.map_or_else(|| format!("https://{host}"), str::to_owned);
        if !is_public_url(&public_url) {
            return Err(AdminError::BadPublicUrl(public_url));
        }
        let taken = |domain: &Domain| domain.host == host && domain.project != *project;
        if self.settings().await?.domains.iter().any(taken) {
            return Err(AdminError::HostTaken(host));
        }
        let public_url = public_url.trim_end_matches('/').to_owned();
        let domain =
            Domain { host, project: project.clone(), public_url, created: self.clock.now() };
        self.catalog.change_settings(vec![SettingsChange::PutDomain(domain.clone())]).await?;
        Ok(domain)
    }

    /// Takes a host away.
    pub async fn remove_domain(&self, host: &str) -> Result<(), AdminError> {
        let host = host.to_ascii_lowercase();
        if !self.settings().await?.domains.iter().any(|domain| domain.host == host) {
            return Err(AdminError::NoSuchDomain(host));
        }
        Ok(self.catalog.change_settings(vec![SettingsChange::RemoveDomain(host)]).await?)
    }

    /// Makes a key, or imports one.
    pub async fn create_key(&self, new: NewKey) -> Result<MadeKey, AdminError> {
        self.check_room_for_key(&new).await?;
        let made = self.make_key(new)?;
        self.put_key(made.key.clone()).await?;
        Ok(made)
    }

    /// The key with this id.
    pub async fn find_key(&self, id: &str) -> Result<SealedKey, AdminError> {
        let keys = self.settings().await?.keys;
        keys.into_iter()
            .find(|key| key.id.as_str() == id)
            .ok_or_else(|| AdminError::NoSuchKey(id.to_owned()))
    }

    /// Pauses, resumes or revokes a key. It works at once here, within seconds elsewhere.
    pub async fn set_key_state(&self, id: &str, state: KeyState) -> Result<SealedKey, AdminError> {
        let key = self.find_key(id).await?;
        if key.state == KeyState::Revoked && state != KeyState::Revoked {
            return Err(AdminError::KeyRevoked(key.id));
        }
        let key = SealedKey { state, ..key };
        self.put_key(key.clone()).await?;
        Ok(key)
    }

    /// Makes a new key that may do the same; the old one goes on verifying the URLs it has
    /// signed for `overlap`, and is no longer accepted as a bearer token.
    pub async fn rotate_key(&self, id: &str, overlap: Duration) -> Result<MadeKey, AdminError> {
        let old = self.find_key(id).await?;
        if old.state == KeyState::Revoked {
            return Err(AdminError::KeyRevoked(old.id));
        }
        let new = NewKey {
            project: old.project.clone(),
            name: old.name.clone(),
            scopes: old.scopes,
            prefix: old.prefix.clone(),
            import: None,
        };
        self.check_room_for_key(&new).await?;
        let made = self.make_key(new)?;
        let old = SealedKey { verify_until: Some(self.clock.now().plus(overlap)), ..old };
        let changes = vec![SettingsChange::PutKey(made.key.clone()), SettingsChange::PutKey(old)];
        self.catalog.change_settings(changes).await?;
        Ok(made)
    }

    fn blank_project(&self, name: &str) -> Project {
        let random = gatepass_core::RequestId::from_random(random::bytes());
        let id = random.as_str().replacen("req_", "proj_", 1);
        Project {
            id: ProjectId::new(id.get(..17).unwrap_or(&id)),
            org: "org_local".to_owned(),
            name: name.to_owned(),
            catch_all: false,
            legacy_urls: LegacyUrls::default(),
            max_expiry_seconds: None,
            file_bytes_max: None,
            access_rules: AccessRules::default(),
            created: self.clock.now(),
        }
    }

    fn make_key(&self, new: NewKey) -> Result<MadeKey, AdminError> {
        let (id, text) = match new.import {
            None => KeyText::generate(random::bytes(), random::bytes()),
            Some(text) => {
                let (fresh, _) = KeyText::generate(random::bytes(), random::bytes());
                (text.id().unwrap_or(fresh), text)
            }
        };
        let facts =
            SealedFacts { id: &id, project: &new.project, scopes: new.scopes, prefix: &new.prefix };
        let seal = self.vault.seal(&facts, text.secret())?;
        let key = SealedKey {
            id,
            project: new.project,
            name: new.name,
            scopes: new.scopes,
            prefix: new.prefix,
            state: KeyState::Active,
            verify_until: None,
            created: self.clock.now(),
            last_used: None,
            master_id: seal.master_id,
            nonce: seal.nonce,
            ciphertext: seal.ciphertext,
        };
        Ok(MadeKey { key, text: text.secret().clone() })
    }

    async fn check_room_for_key(&self, new: &NewKey) -> Result<(), AdminError> {
        let settings = self.settings().await?;
        let now = self.clock.now();
        let counting = |key: &&SealedKey| {
            key.project == new.project
                && key.state != KeyState::Revoked
                && key.verify_until.is_none_or(|until| until > now)
        };
        if settings.keys.iter().filter(counting).count() >= KEYS_TRIED_MAX {
            return Err(AdminError::TooManyKeys);
        }
        let Some(text) = &new.import else { return Ok(()) };
        let known = settings.keys.iter().filter(|key| key.state != KeyState::Revoked);
        for key in known {
            if self.vault.open(key)? == *text.secret() {
                return Err(AdminError::KeyInUse);
            }
        }
        Ok(())
    }

    async fn put_key(&self, key: SealedKey) -> Result<(), AdminError> {
        Ok(self.catalog.change_settings(vec![SettingsChange::PutKey(key)]).await?)
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(n, p)| (n, Some(p)));
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= 253
        && name.split('.').all(label)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0))
}

fn is_public_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| is_host(&rest.trim_end_matches('/').to_ascii_lowercase()))
}
