use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use gatepass_core::project::{KeyState, Project, SettingsRecords};
use gatepass_core::{Door, KeyGrant, ProjectId};
use gatepass_sign::{KeyRing, VerifyError, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::vault::{MasterKeys, VaultError};

/// All projects with their doors, by host and by key: what every request is judged by. A change
/// of settings makes a new one; requests that have begun keep theirs.
#[derive(Debug)]
pub struct Directory {
    version: u64,
    projects: HashMap<ProjectId, Arc<ProjectAccess>>,
    hosts: HashMap<String, Arc<ProjectAccess>>,
    catch_all: Option<ProjectId>,
    bearers: HashMap<[u8; 32], ProjectId>,
}

/// One project and its door.
#[derive(Debug, Clone)]
pub struct ProjectAccess {
    /// The project's settings.
    pub project: Project,
    /// Its keys and rules.
    pub door: Door,
    /// Scheme and host by which its files are linked: those of the domain that was asked, or of
    /// the project's oldest.
    pub public_url: String,
}

/// Why the settings do not make a directory.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A key does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Directory {
    /// Opens all keys and builds the look-up tables. `public_url` links the files of projects
    /// that have no domain.
    pub(crate) fn build(
        records: &SettingsRecords,
        vault: &MasterKeys,
        public_url: &str,
    ) -> Result<Self, DirectoryError> {
        let mut rings: HashMap<ProjectId, KeyRing> = HashMap::new();
        let mut bearers = HashMap::new();
        for key in records.keys.iter().filter(|key| key.state == KeyState::Active) {
            let secret = vault.open(key)?;
            bearers.insert(fingerprint(secret.expose()), key.project.clone());
            let ring =
                rings.remove(&key.project).unwrap_or_else(|| KeyRing::new(key.project.clone()));
            let verifying = VerifyingKey {
                id: key.id.clone(),
                secret,
                scopes: key.scopes,
                prefix: key.prefix.clone(),
                verify_until: key.verify_until.map(gatepass_core::Timestamp::unix_seconds),
            };
            rings.insert(key.project.clone(), ring.with_key(verifying));
        }
        let projects = records.projects.iter().map(|project| {
            let ring =
                rings.remove(&project.id).unwrap_or_else(|| KeyRing::new(project.id.clone()));
            let access = ProjectAccess {
                door: Door::new(ring)
                    .with_rules(project.access_rules.clone())
                    .with_legacy_urls(project.legacy_urls)
                    .with_max_expiry(project.max_expiry_seconds),
                public_url: public_url_of(project, records).unwrap_or(public_url).to_owned(),
                project: project.clone(),
            };
            (project.id.clone(), Arc::new(access))
        });
        let projects: HashMap<ProjectId, Arc<ProjectAccess>> = projects.collect();
        let hosts = records.domains.iter().filter_map(|domain| {
            let access = ProjectAccess::clone(projects.get(&domain.project)?);
            let access = ProjectAccess { public_url: domain.public_url.clone(), ..access };
            Some((domain.host.to_ascii_lowercase(), Arc::new(access)))
        });
        let catch_all = records.projects.iter().find(|project| project.catch_all);
        Ok(Self {
            version: records.version,
            hosts: hosts.collect(),
            projects,
            catch_all: catch_all.map(|project| project.id.clone()),
            bearers,
        })
    }

    /// The version of the settings that this was built from.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The project that answers for a host: by host and port, by host alone, or the one that
    /// catches all.
    pub fn by_host(&self, host: &str) -> Option<&Arc<ProjectAccess>> {
        let host = lower_case(host);
        let without_port = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
        let named = self.hosts.get(&*host).or_else(|| self.hosts.get(without_port));
        named.or_else(|| self.projects.get(self.catch_all.as_ref()?))
    }

    /// The project an API key belongs to, and the proof that it does.
    pub fn by_key(
        &self,
        bearer: Option<&str>,
    ) -> Result<(&Arc<ProjectAccess>, KeyGrant), VerifyError> {
        let token = bearer.ok_or(VerifyError::CredentialsMissing)?;
        let access = self
            .bearers
            .get(&fingerprint(token))
            .and_then(|id| self.projects.get(id))
            .ok_or(VerifyError::BearerInvalid)?;
        Ok((access, access.door.authorise_key(Some(token))?))
    }

    /// A project by its id.
    pub fn project(&self, id: &ProjectId) -> Option<&Arc<ProjectAccess>> {
        self.projects.get(id)
    }
}

fn lower_case(host: &str) -> Cow<'_, str> {
    let is_lower = !host.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_lower { host.into() } else { host.to_ascii_lowercase().into() }
}

fn public_url_of<'a>(project: &Project, records: &'a SettingsRecords) -> Option<&'a str> {
    let mut own: Vec<_> =
        records.domains.iter().filter(|domain| domain.project == project.id).collect();
    own.sort_by_key(|domain| domain.created);
    own.first().map(|domain| domain.public_url.as_str())
}

/// Looking a key up by a hash of it takes the same time for every wrong key.
fn fingerprint(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
