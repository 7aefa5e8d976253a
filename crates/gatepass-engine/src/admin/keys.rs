//! API keys.

use std::time::Duration;

use gatepass_core::project::{KeyState, SealedKey, SettingsChange, SettingsRecords};
use gatepass_core::{ProjectId, Scopes, Secret};
use gatepass_sign::{KEYS_TRIED_MAX, KeyRing, KeyText, VerifyingKey};

use super::{Admin, AdminError};
use crate::random;
use crate::vault::SealedFacts;

/// How long a rotated key verifies URLs it has signed, if nobody says: 7 days.
pub const ROTATION_OVERLAP: Duration = Duration::from_hours(7 * 24);

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

impl Admin {
    /// Makes a key, or imports one.
    pub async fn create_key(&self, new: NewKey) -> Result<MadeKey, AdminError> {
        let made = self.make_key(&new)?;
        self.change(|attempt| {
            if attempt.settings.keys.iter().any(|key| is_same(key, &made.key)) {
                return Ok((Vec::new(), made.clone()));
            }
            self.check_room_for_key(&new, attempt.settings)?;
            Ok((vec![SettingsChange::PutKey(made.key.clone())], made.clone()))
        })
        .await
    }

    /// All keys of a project, in whatever state, as if each might do everything: to tell who has
    /// signed something.
    pub async fn every_key(&self, project: &ProjectId) -> Result<KeyRing, AdminError> {
        let settings = self.settings().await?;
        let mut keys = settings.keys.iter().filter(|key| key.project == *project);
        keys.try_fold(KeyRing::new(project.clone()), |ring, key| {
            let secret = self.vault.open(key)?;
            Ok(ring.with_key(VerifyingKey::unrestricted(key.id.as_str(), secret)))
        })
    }

    /// The key with this id.
    pub async fn find_key(&self, id: &str) -> Result<SealedKey, AdminError> {
        find_key(&self.settings().await?, id)
    }

    /// Pauses, resumes or revokes a key. It works at once here, within seconds elsewhere.
    pub async fn set_key_state(&self, id: &str, state: KeyState) -> Result<SealedKey, AdminError> {
        self.change(|attempt| {
            let key = find_key(attempt.settings, id)?;
            if key.state == KeyState::Revoked && state != KeyState::Revoked {
                return Err(AdminError::KeyRevoked(key.id));
            }
            let key = SealedKey { state, ..key };
            Ok((vec![SettingsChange::PutKey(key.clone())], key))
        })
        .await
    }

    /// Makes a new key that may do the same; the old one goes on verifying the URLs it has
    /// signed for `overlap`, and is no longer accepted as a bearer token.
    pub async fn rotate_key(&self, id: &str, overlap: Duration) -> Result<MadeKey, AdminError> {
        let old = self.find_key(id).await?;
        let new = NewKey {
            project: old.project,
            name: old.name,
            scopes: old.scopes,
            prefix: old.prefix,
            import: None,
        };
        let made = self.make_key(&new)?;
        let verify_until = Some(self.clock.now().plus(overlap));
        self.change(|attempt| {
            if attempt.settings.keys.iter().any(|key| is_same(key, &made.key)) {
                return Ok((Vec::new(), made.clone()));
            }
            let old = find_key(attempt.settings, id)?;
            if old.state == KeyState::Revoked {
                return Err(AdminError::KeyRevoked(old.id));
            }
            self.check_room_for_key(&new, attempt.settings)?;
            let old = SealedKey { verify_until, ..old };
            let changes = [made.key.clone(), old].map(SettingsChange::PutKey);
            Ok((changes.into(), made.clone()))
        })
        .await
    }

    pub(super) fn make_key(&self, new: &NewKey) -> Result<MadeKey, AdminError> {
        let (fresh, generated) = KeyText::generate(random::bytes(), random::bytes());
        let (id, text) = match &new.import {
            None => (fresh, generated),
            Some(text) => (text.id().unwrap_or(fresh), text.clone()),
        };
        let facts =
            SealedFacts { id: &id, project: &new.project, scopes: new.scopes, prefix: &new.prefix };
        let seal = self.vault.seal(&facts, text.secret())?;
        let key = SealedKey {
            id,
            project: new.project.clone(),
            name: new.name.clone(),
            scopes: new.scopes,
            prefix: new.prefix.clone(),
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

    fn check_room_for_key(
        &self,
        new: &NewKey,
        settings: &SettingsRecords,
    ) -> Result<(), AdminError> {
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
}

fn find_key(settings: &SettingsRecords, id: &str) -> Result<SealedKey, AdminError> {
    let found = settings.keys.iter().find(|key| key.id.as_str() == id);
    found.cloned().ok_or_else(|| AdminError::NoSuchKey(id.to_owned()))
}

/// Whether it is this very key, and not another with its id: no two are sealed alike.
fn is_same(key: &SealedKey, made: &SealedKey) -> bool {
    key.id == made.id && key.nonce == made.nonce
}
