//! Projects, domains and keys: made, changed, listed. The command line works through this, beside
//! a running server or without one; a server notices the changes within seconds.

mod keys;

use std::sync::Arc;
use std::time::Duration;

use gatepass_core::port::{Catalog, CatalogError, Clock};
use gatepass_core::project::{Domain, Project, SealedKey, SettingsChange, SettingsRecords};
use gatepass_core::{AccessRule, AccessRules, KeyId, LegacyUrls, ProjectId, Scopes, Visibility};
use gatepass_sign::{ACCESS_RULES_MAX, KEYS_TRIED_MAX, KeyText, KeyTextError};
use tokio::time::{Instant, sleep};

use crate::random;
use crate::vault::{MasterKeys, VaultError};

pub use keys::{MadeKey, NewKey, ROTATION_OVERLAP};

/// How long a change is decided again because others changed settings between reading and writing.
pub(crate) const CHANGE_MAX: Duration = Duration::from_secs(10);
/// The longest pause before it is decided again. How long it is, chance says: nodes that change
/// settings one after the other fall into step otherwise, and one of them comes too late each time.
const PAUSE_MAX: Duration = Duration::from_millis(16);

/// Changes settings. What is decided by settings that were read is written only if they are still
/// those; else it is decided again by the new ones: several servers and command lines may be at it.
#[derive(Clone)]
pub struct Admin {
    catalog: Arc<dyn Catalog>,
    vault: Arc<MasterKeys>,
    clock: Arc<dyn Clock>,
}

/// What a change is decided by.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The settings as they are now.
    pub settings: &'a SettingsRecords,
    /// Whether an earlier attempt came too late, or was made and its answer lost: what was wanted
    /// may be there already.
    pub again: bool,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No project with this id or name.
    #[error("there is no project {0:?}")]
    NoSuchProject(String),
    /// No key with this id.
    #[error("there is no key {0:?}: `gatepass keys ls` shows their ids")]
    NoSuchKey(String),
    /// No domain with this host.
    #[error("there is no domain {0:?}")]
    NoSuchDomain(String),
    /// No access rule with this prefix.
    #[error("there is no rule for {0:?}: `gatepass rules ls` shows the prefixes")]
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
        let made = self.make_key(&new)?;
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
        let put = SettingsChange::PutProject(project.clone());
        self.catalog.change_settings(vec![put]).await?;
        Ok(project)
    }

    /// The project with this id or name; without either, the only one there is.
    pub async fn find_project(&self, wanted: Option<&str>) -> Result<Project, AdminError> {
        find_project(&self.settings().await?, wanted)
    }

    /// Changes a project's settings; `edit` may be called several times.
    pub async fn change_project<E: From<AdminError>>(
        &self,
        wanted: &str,
        edit: impl Fn(&mut Project, Attempt<'_>) -> Result<(), E>,
    ) -> Result<Project, E> {
        self.change(|attempt| {
            let mut project = find_project(attempt.settings, Some(wanted))?;
            edit(&mut project, attempt)?;
            Ok((vec![SettingsChange::PutProject(project.clone())], project))
        })
        .await
    }

    /// Sets who may read the files within a prefix.
    pub async fn put_rule(&self, id: &ProjectId, rule: AccessRule) -> Result<Project, AdminError> {
        self.change_project(id.as_str(), |project, _| {
            project.access_rules = project.access_rules.with(rule.clone());
            if project.access_rules.as_slice().len() > ACCESS_RULES_MAX {
                return Err(AdminError::TooManyRules);
            }
            Ok(())
        })
        .await
    }

    /// Takes the rule with this very prefix away; a shorter one decides from now on, or none.
    pub async fn remove_rule(&self, id: &ProjectId, prefix: &str) -> Result<Project, AdminError> {
        self.change_project(id.as_str(), |project, attempt| {
            if project.access_rules.find(prefix).is_none() && !attempt.again {
                return Err(AdminError::NoSuchRule(prefix.to_owned()));
            }
            project.access_rules = project.access_rules.without(prefix);
            Ok(())
        })
        .await
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
        let public_url = public_url.trim_end_matches('/').to_owned();
        let domain =
            Domain { host, project: project.clone(), public_url, created: self.clock.now() };
        let taken = |other: &Domain| other.host == domain.host && other.project != domain.project;
        self.change(|attempt| {
            if attempt.settings.domains.iter().any(taken) {
                return Err(AdminError::HostTaken(domain.host.clone()));
            }
            Ok((vec![SettingsChange::PutDomain(domain.clone())], domain.clone()))
        })
        .await
    }

    /// Takes a host away.
    pub async fn remove_domain(&self, host: &str) -> Result<(), AdminError> {
        let host = host.to_ascii_lowercase();
        self.change(|attempt| {
            let is_there = attempt.settings.domains.iter().any(|domain| domain.host == host);
            if !is_there && !attempt.again {
                return Err(AdminError::NoSuchDomain(host.clone()));
            }
            Ok((vec![SettingsChange::RemoveDomain(host.clone())], ()))
        })
        .await
    }

    /// Decides by the settings, and makes what was decided if they are still the same.
    async fn change<T, E: From<AdminError>>(
        &self,
        decide: impl Fn(Attempt<'_>) -> Result<(Vec<SettingsChange>, T), E>,
    ) -> Result<T, E> {
        let deadline = Instant::now() + CHANGE_MAX;
        let mut again = false;
        loop {
            let settings = self.settings().await?;
            let attempt = Attempt { settings: &settings, again };
            let (changes, outcome) = decide(attempt)?;
            let unchanged = SettingsChange::RequireVersion(settings.version);
            let changes = std::iter::once(unchanged).chain(changes).collect();
            match self.catalog.change_settings(changes).await {
                Ok(()) => return Ok(outcome),
                Err(CatalogError::Outdated) if Instant::now() < deadline => again = true,
                Err(error) => return Err(AdminError::from(error).into()),
            }
            sleep(random::share_of(PAUSE_MAX)).await;
        }
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
}

fn find_project(settings: &SettingsRecords, wanted: Option<&str>) -> Result<Project, AdminError> {
    let projects = &settings.projects;
    let found = match wanted {
        Some(text) => projects.iter().find(|p| p.id.as_str() == text || p.name == text),
        None if projects.len() == 1 => projects.first(),
        None => projects.iter().find(|p| p.name == "default"),
    };
    found.cloned().ok_or_else(|| AdminError::NoSuchProject(wanted.unwrap_or("default").to_owned()))
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
