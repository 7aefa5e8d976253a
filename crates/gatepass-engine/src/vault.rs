//! API keys at rest.
//!
//! The server needs a key's text to compute HMACs, so it cannot be hashed as a password would be.
//! Each is sealed with XChaCha20-Poly1305 under a key derived from the master key. The seal covers
//! what the key may do as well: whoever edits scopes in the database gets a row that does not
//! open. A dump of the database alone reveals no key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use gatepass_core::project::SealedKey;
use gatepass_core::{KeyId, ProjectId, Scopes, Secret};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::random;

const WRAP_LABEL: &[u8] = b"gatepass/wrap/v1";
const SEAL_VERSION: u8 = 1;
const MASTER_KEY_BYTES: usize = 32;

/// The master keys: the first seals, all open.
///
/// Their text has one key a line, `id:43 characters of URL-safe base64`; lines that start with
/// `#` are skipped.
pub struct MasterKeys(Vec<MasterKey>);

struct MasterKey {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// Why keys cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The master key's text is not in its form.
    #[error(
        "the master key file is malformed: it needs lines of the form id:base64url of 32 bytes"
    )]
    Malformed,
    /// No master key has the id that the sealed key names.
    #[error(
        "the master key {0:?} that sealed the API keys is missing: give the file that this data directory was set up with"
    )]
    UnknownMaster(String),
    /// The seal does not open: another master key with the same id, or an edited row.
    #[error(
        "API key {0} does not open under this master key: give the file that this data directory was set up with"
    )]
    DoesNotOpen(KeyId),
}

/// What a seal binds a key's text to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedFacts<'a> {
    pub(crate) id: &'a KeyId,
    pub(crate) project: &'a ProjectId,
    pub(crate) scopes: Scopes,
    pub(crate) prefix: &'a str,
}

/// A sealed text.
pub(crate) struct Seal {
    pub(crate) master_id: String,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

impl MasterKeys {
    /// The text of a new master key file.
    pub fn generate() -> Secret {
        let key: Zeroizing<[u8; MASTER_KEY_BYTES]> = Zeroizing::new(random::bytes());
        let id = URL_SAFE_NO_PAD.encode(random::bytes::<6>());
        Secret::new(format!("m_{id}:{}\n", URL_SAFE_NO_PAD.encode(*key)))
    }

    /// Reads the text of a master key file.
    pub fn parse(text: &Secret) -> Result<Self, VaultError> {
        let lines = text.expose().lines().map(str::trim);
        let keys: Vec<MasterKey> = lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(parse_line)
            .collect::<Option<_>>()
            .ok_or(VaultError::Malformed)?;
        if keys.is_empty() { Err(VaultError::Malformed) } else { Ok(Self(keys)) }
    }

    pub(crate) fn seal(&self, facts: &SealedFacts<'_>, text: &Secret) -> Result<Seal, VaultError> {
        let master = self.0.first().ok_or(VaultError::Malformed)?;
        let nonce: [u8; 24] = random::bytes();
        let aad = associated_data(facts);
        let payload = Payload { msg: text.expose().as_bytes(), aad: &aad };
        let ciphertext = master
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| VaultError::Malformed)?;
        Ok(Seal { master_id: master.id.clone(), nonce: nonce.to_vec(), ciphertext })
    }

    pub(crate) fn open(&self, key: &SealedKey) -> Result<Secret, VaultError> {
        let master = self
            .0
            .iter()
            .find(|master| master.id == key.master_id)
            .ok_or_else(|| VaultError::UnknownMaster(key.master_id.clone()))?;
        let does_not_open = || VaultError::DoesNotOpen(key.id.clone());
        let nonce: [u8; 24] = key.nonce.as_slice().try_into().map_err(|_| does_not_open())?;
        let aad = associated_data(&SealedFacts {
            id: &key.id,
            project: &key.project,
            scopes: key.scopes,
            prefix: &key.prefix,
        });
        let payload = Payload { msg: &key.ciphertext, aad: &aad };
        let text =
            master.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| does_not_open())?;
        String::from_utf8(text).map(Secret::new).map_err(|_| does_not_open())
    }
}

fn parse_line(line: &str) -> Option<MasterKey> {
    let (id, key) = line.split_once(':')?;
    let key = Zeroizing::new(URL_SAFE_NO_PAD.decode(key).ok()?);
    if id.is_empty() || key.len() != MASTER_KEY_BYTES {
        return None;
    }
    let mut wrapping = Zeroizing::new([0; MASTER_KEY_BYTES]);
    Hkdf::<Sha256>::new(None, &key).expand(WRAP_LABEL, wrapping.as_mut_slice()).ok()?;
    let cipher = XChaCha20Poly1305::new_from_slice(wrapping.as_slice()).ok()?;
    Some(MasterKey { id: id.to_owned(), cipher })
}

/// Every field with its length in front, so that no two sets of facts look alike.
fn associated_data(facts: &SealedFacts<'_>) -> Vec<u8> {
    let scopes = facts.scopes.to_string();
    let mut data = vec![SEAL_VERSION];
    for field in [facts.id.as_str(), facts.project.as_str(), &scopes, facts.prefix] {
        data.extend((field.len() as u64).to_be_bytes());
        data.extend(field.as_bytes());
    }
    data
}
