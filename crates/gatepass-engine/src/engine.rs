use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use gatepass_core::limits::Limits;
use gatepass_core::port::{BlobError, BlobStore, Catalog, CatalogError, Clock, Fetch, Probe};
use gatepass_core::project::SettingsChange;
use gatepass_core::{KeyId, Timestamp};

use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use crate::admin::Admin;
use crate::directory::{Directory, DirectoryError};
use crate::receive::attempts::Attempts;
use crate::receive::buffer::Buffers;
use crate::receive::finishing::Finishing;
use crate::vault::MasterKeys;

/// The adapters that the engine works with.
#[derive(Clone)]
pub struct Ports {
    /// Where paths point to.
    pub catalog: Arc<dyn Catalog>,
    /// Where bytes are.
    pub store: Arc<dyn BlobStore>,
    /// What finds types and media facts.
    pub probe: Arc<dyn Probe>,
    /// What gets files from URLs.
    pub fetch: Arc<dyn Fetch>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
}

/// Everything the use cases share. It holds no state of any upload: that is in the catalog and
/// the store only. What it holds are the turns of those who write at this moment.
pub struct Engine {
    pub(crate) ports: Ports,
    pub(crate) limits: Limits,
    vault: Arc<MasterKeys>,
    public_url: String,
    directory: ArcSwap<Directory>,
    keys_used: Mutex<HashMap<KeyId, Timestamp>>,
    /// Bytes that may wait in memory for the catalog.
    pub(crate) inline_room: Arc<Semaphore>,
    /// The memory itself, of larger ones.
    pub(crate) buffers: Arc<Buffers>,
    /// Held by whoever reads settings and writes them back.
    pub(crate) settings_turn: AsyncMutex<()>,
    /// Held by whoever reads settings for all requests: what was read first counts first.
    reading_turn: AsyncMutex<()>,
    /// Fetches that may run.
    pub(crate) ingest_room: Arc<Semaphore>,
    pub(crate) attempts: Attempts,
    pub(crate) finishing: Finishing,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The settings make no sense, or the master key is another one.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl Engine {
    /// Reads the settings. `public_url` links the files of projects without a domain.
    pub async fn start(
        ports: Ports,
        limits: Limits,
        vault: Arc<MasterKeys>,
        public_url: impl Into<String>,
    ) -> Result<Arc<Self>, StartError> {
        let public_url = public_url.into();
        let records = ports.catalog.load_settings().await?;
        let directory = Directory::build(&records, &vault, &public_url)?;
        Ok(Arc::new(Self {
            ports,
            limits,
            vault,
            public_url,
            directory: ArcSwap::from_pointee(directory),
            keys_used: Mutex::default(),
            inline_room: Arc::new(Semaphore::new(limits.inline_waiting_bytes_max)),
            buffers: Arc::default(),
            settings_turn: AsyncMutex::default(),
            reading_turn: AsyncMutex::default(),
            ingest_room: Arc::new(Semaphore::new(limits.ingests_max)),
            attempts: Attempts::default(),
            finishing: Finishing::default(),
        }))
    }

    /// Starts the work that goes on beside requests: noticing changed settings, noting when keys
    /// were used, sweeping. It ends with the engine.
    pub fn spawn_background(self: &Arc<Self>) {
        crate::background::spawn(self);
    }

    pub(crate) fn admin(&self) -> Admin {
        let Ports { catalog, clock, .. } = self.ports.clone();
        Admin::new(catalog, Arc::clone(&self.vault), clock)
    }

    /// What links the files of projects without a domain.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The projects, as they are now.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    /// Bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Whether uploads can be taken now: the catalog and the store answer.
    pub async fn check_ready(&self) -> Result<(), NotReady> {
        self.ports.catalog.check().await?;
        self.ports.store.check().await?;
        Ok(())
    }

    /// Notes that a key was used; written to the catalog about once a minute.
    pub fn note_key_used(&self, key: &KeyId) {
        let now = self.now();
        let mut used = self.keys_used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get_mut(key) {
            Some(last) => *last = now,
            None => drop(used.insert(key.clone(), now)),
        }
    }

    pub(crate) async fn flush_keys_used(&self) -> Result<(), CatalogError> {
        let used: Vec<_> = {
            let mut used = self.keys_used.lock().unwrap_or_else(PoisonError::into_inner);
            used.drain().collect()
        };
        if used.is_empty() {
            return Ok(());
        }
        self.ports.catalog.change_settings(vec![SettingsChange::TouchKeys(used)]).await
    }

    /// Takes over settings that somebody else has changed; says whether there were any.
    pub async fn reload_settings(&self) -> Result<bool, StartError> {
        let _turn = self.reading_turn.lock().await;
        if self.ports.catalog.settings_version().await? == self.directory.load().version() {
            return Ok(false);
        }
        let records = self.ports.catalog.load_settings().await?;
        let directory = Directory::build(&records, &self.vault, &self.public_url)?;
        self.directory.store(Arc::new(directory));
        Ok(true)
    }
}

/// What does not answer.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store.
    #[error(transparent)]
    Store(#[from] BlobError),
}
