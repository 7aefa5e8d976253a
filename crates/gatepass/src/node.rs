//! The composition root: the one place where adapters meet the engine.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use gatepass_core::Timestamp;
use gatepass_core::port::{BlobStore, Catalog, Clock};
use gatepass_disk::{DiskOptions, DiskStore};
use gatepass_engine::admin::Admin;
use gatepass_engine::measured::{MeasuredCatalog, MeasuredStore};
use gatepass_engine::{MasterKeys, Ports};
use gatepass_fetch::Fetcher;
use gatepass_postgres::{Options, PostgresCatalog};
use gatepass_s3::{S3Credentials, S3Location, S3Options, S3Store};
use gatepass_sign::Secret;
use gatepass_sqlite::SqliteCatalog;
use rustix::fs::Mode;

use crate::commands::media_worker;
use crate::files;
use crate::settings::{CatalogAt, Settings, StoreAt};

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that the rule names")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Catalog and keys, opened.
pub(crate) struct Node {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) vault: Arc<MasterKeys>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Node {
    /// Opens catalog and keys of these settings. `create` allows to set new ones up.
    pub(crate) async fn open(settings: &Settings, create: bool) -> anyhow::Result<Self> {
        // Whatever is made below belongs to this user alone, the database's own files, too.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        if create {
            files::make_data_directory(&settings.data)?;
        }
        let (vault, catalog) = match &settings.catalog {
            CatalogAt::Embedded => open_embedded(settings, create)?,
            CatalogAt::Postgres(options) => open_postgres(settings, options).await?,
        };
        if let Some(what) = catalog.load_settings().await?.importing {
            anyhow::bail!(
                "the catalog is not whole: bringing in {what} has begun and not ended; \
                 run that command again to go on, or begin with an empty catalog"
            );
        }
        Ok(Self { catalog, vault: Arc::new(vault), clock: Arc::new(SystemClock) })
    }

    /// Where the blobs of these settings are. Has to be called within a runtime.
    pub(crate) fn store(&self, settings: &Settings) -> anyhow::Result<Arc<dyn BlobStore>> {
        open_store(settings, Arc::clone(&self.clock), Side::Own)
    }

    /// What changes settings.
    pub(crate) fn admin(&self) -> Admin {
        Admin::new(Arc::clone(&self.catalog), Arc::clone(&self.vault), Arc::clone(&self.clock))
    }

    /// What the engine works with. Has to be called within a runtime.
    pub(crate) fn ports(&self, settings: &Settings) -> anyhow::Result<Ports> {
        let store = self.store(settings)?;
        let ingest = &settings.ingest;
        let fetch = Fetcher::new(ingest.guard.clone(), ingest.name_server, ingest.limits);
        let catalog_engine = match settings.catalog {
            CatalogAt::Embedded => "sqlite",
            CatalogAt::Postgres(_) => "postgres",
        };
        let store_engine = match settings.store {
            StoreAt::Data => "disk",
            StoreAt::S3(_) => "s3",
        };
        Ok(Ports {
            catalog: Arc::new(MeasuredCatalog::new(Arc::clone(&self.catalog), catalog_engine)),
            store: Arc::new(MeasuredStore::new(store, store_engine)),
            probe: Arc::new(media_worker::probe()?),
            fetch: Arc::new(fetch),
            clock: Arc::clone(&self.clock),
        })
    }
}

type Opened = (MasterKeys, Arc<dyn Catalog>);

fn open_embedded(settings: &Settings, create: bool) -> anyhow::Result<Opened> {
    let database = settings.data.join("gatepass.db");
    if !create && !database.exists() {
        anyhow::bail!(
            "there is no catalog in {}: give the data directory with --data, or start `gatepass serve` once",
            settings.data.display()
        );
    }
    let own = settings.data.join("master.key");
    let key_path = settings.master_key_file.as_deref().unwrap_or(&own);
    // A new master key beside an old catalog would open none of its keys.
    let may_make = create && settings.master_key_file.is_none() && !database.exists();
    let make = may_make.then_some(MasterKeys::generate as fn() -> Secret);
    let vault = master_keys(key_path, make)?;
    Ok((vault, embedded_catalog(settings)?))
}

fn embedded_catalog(settings: &Settings) -> anyhow::Result<Arc<dyn Catalog>> {
    let database = settings.data.join("gatepass.db");
    Ok(Arc::new(SqliteCatalog::open(&database)?.keeping_free(settings.keep_free)))
}

/// All nodes have to have the same master key: none makes one of its own.
async fn open_postgres(settings: &Settings, options: &Options) -> anyhow::Result<Opened> {
    let key_path = settings.master_key_file.as_deref().context(
        "a shared catalog needs --master-key-file: every node is given the same file; \
         `gatepass keys master` prints a new one",
    )?;
    let vault = master_keys(key_path, None)?;
    let catalog = PostgresCatalog::open(options).await?;
    Ok((vault, Arc::new(catalog)))
}

fn master_keys(path: &Path, make: Option<fn() -> Secret>) -> anyhow::Result<MasterKeys> {
    let (text, _) = files::master_key(path, make)?;
    MasterKeys::parse(&text).with_context(|| format!("cannot use {}", path.display()))
}

/// Catalog and store to bring something into. No key is opened, and what is missing is made.
pub(crate) async fn open_to_fill(
    settings: &Settings,
    side: Side,
) -> anyhow::Result<(Arc<dyn Catalog>, Arc<dyn BlobStore>)> {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let catalog: Arc<dyn Catalog> = match &settings.catalog {
        CatalogAt::Embedded => embedded_catalog(settings)?,
        CatalogAt::Postgres(options) => Arc::new(PostgresCatalog::open(options).await?),
    };
    Ok((catalog, open_store(settings, Arc::new(SystemClock), side)?))
}

/// Whose credentials a store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// `AWS_ACCESS_KEY_ID` and so on.
    Own,
    /// `TO_AWS_ACCESS_KEY_ID` and so on, if it is set.
    Target,
}

fn open_store(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    side: Side,
) -> anyhow::Result<Arc<dyn BlobStore>> {
    match &settings.store {
        StoreAt::Data => disk_store(settings),
        StoreAt::S3(location) => s3_store(location, clock, side),
    }
}

/// `--store file:`.
fn disk_store(settings: &Settings) -> anyhow::Result<Arc<dyn BlobStore>> {
    let options = DiskOptions { keep_free_bytes: settings.keep_free };
    Ok(Arc::new(DiskStore::open(&settings.data.join("blobs"), options)?))
}

/// `--store s3://...`, with the credentials that every tool for S3 takes.
fn s3_store(
    location: &S3Location,
    clock: Arc<dyn Clock>,
    side: Side,
) -> anyhow::Result<Arc<dyn BlobStore>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let apart = side == Side::Target && set("TO_AWS_ACCESS_KEY_ID").is_some();
    let prefix = if apart { "TO_" } else { "" };
    let variable = |name: &str| set(&format!("{prefix}{name}"));
    let needed =
        |name| variable(name).with_context(|| format!("an s3:// store needs {prefix}{name}"));
    let credentials = S3Credentials {
        key_id: needed("AWS_ACCESS_KEY_ID")?,
        secret: Secret::new(needed("AWS_SECRET_ACCESS_KEY")?),
        session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
    };
    let store = S3Store::open(location.clone(), &credentials, clock, S3Options::default())?;
    Ok(Arc::new(store))
}
