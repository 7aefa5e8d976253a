//! Moving a catalog and its blobs into others.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use futures_util::StreamExt as _;
use gatepass_core::port::{BlobStore, Catalog};
use gatepass_engine::transfer::{Intake, Progress};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::files;
use crate::node::{Node, Side, open_to_fill};
use crate::output;
use crate::progress;
use crate::settings::{CatalogAt, Flags, Raw, Settings, Source, StoreAt};

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The catalog to fill: `postgres://...`, or `sqlite:` in --to-data
    #[arg(long, value_name = "URL")]
    to_catalog: Option<String>,
    /// The store to fill: `s3://...`, or `file:` in --to-data; the same store if not given
    #[arg(long, value_name = "URL")]
    to_store: Option<String>,
    /// The data directory of a catalog or store to fill
    #[arg(long, value_name = "DIR")]
    to_data: Option<String>,
    /// Only copy blobs, beside servers that go on: what is copied now need not be later
    #[arg(long)]
    blobs_only: bool,
    /// Leave unfinished uploads behind that cannot be moved: their clients begin again
    #[arg(long)]
    drop_unfinished: bool,
    #[command(flatten)]
    flags: Flags<true>,
}

/// The catalog and store that are only read.
struct Origin {
    settings: Settings,
    catalog: Arc<dyn Catalog>,
    store: Arc<dyn BlobStore>,
}

impl Migrate {
    /// 1. the source, for this process alone where it is in a data directory;
    /// 2. the target, empty or left over from a try at the same;
    /// 3. bytes and records, some at a time;
    /// 4. the source once more, where others could have changed it; the target, read back.
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let raw = self.flags.gather()?;
        let settings = Settings::resolve(&raw)?;
        let target = self.target(&raw)?;
        let _locks = self.locks(&settings, &target)?;
        let node = Node::open(&settings, false).await.context("the source")?;
        let origin =
            Origin { store: node.store(&settings)?, catalog: Arc::clone(&node.catalog), settings };
        let (catalog, store) = open_to_fill(&target, Side::Target).await.context("the target")?;
        let from = self.moves_blobs().then(|| Arc::clone(&origin.store));
        let mut intake = Intake::new(catalog, store, from);
        intake.drop_unfinished = self.drop_unfinished;
        let told = Arc::clone(&intake.progress);
        let telling = progress::tell(as_json, Arc::new(move || counts(&told)));
        if self.blobs_only {
            copy_blobs(&origin, &intake).await?;
        } else {
            move_all(&origin, &mut intake).await?;
        }
        let done = counts(&intake.progress);
        if !self.blobs_only {
            intake.end().await?;
        }
        drop(telling);
        self.report(&done, as_json);
        Ok(())
    }

    fn moves_blobs(&self) -> bool {
        self.to_store.is_some()
    }

    /// The source's settings with the target's places.
    fn target(&self, raw: &[Raw]) -> anyhow::Result<Settings> {
        ensure!(
            self.to_catalog.is_some() || self.to_store.is_some(),
            "give --to-catalog, --to-store, or both"
        );
        ensure!(!self.blobs_only || self.moves_blobs(), "--blobs-only needs --to-store");
        let places =
            [("catalog", &self.to_catalog), ("store", &self.to_store), ("data", &self.to_data)];
        let proxy = Some("proxy".to_owned());
        let places = places.into_iter().chain([("delivery", &proxy)]);
        let mut raw = raw.to_vec();
        for (name, value) in places {
            if let (Some(value), Some(place)) =
                (value, raw.iter_mut().find(|raw| raw.setting.name == name))
            {
                place.value = Some(value.clone());
                place.source = Source::Flag;
            }
        }
        Settings::resolve(&raw)
    }

    /// What is in a data directory is held, so that no server runs on it.
    fn locks(&self, source: &Settings, target: &Settings) -> anyhow::Result<Vec<File>> {
        let fills_data = self.to_catalog.as_deref() == Some("sqlite:")
            || self.to_store.as_deref() == Some("file:");
        if fills_data && (self.to_data.is_none() || source.data == target.data) {
            bail!("--to-data names another data directory for what is to be in one");
        }
        let mut locks = Vec::new();
        if !self.blobs_only && in_data(source) {
            let lock = files::lock_data_directory(&source.data);
            locks.push(lock.context("the source must not be served while it is moved")?);
        }
        if fills_data {
            locks.extend(lock(target)?);
        }
        Ok(locks)
    }

    fn report(&self, done: &Value, as_json: bool) {
        if as_json {
            output::json(&json!({ "blobs_only": self.blobs_only, "done": done }));
            return;
        }
        output::line(&format!("moved and compared: {}", progress::line(done)));
        output::line(if self.blobs_only {
            "Stop the source and run this again without --blobs-only: that moves the rest."
        } else {
            "Start with --catalog and --store of the target, and the master key file of the source. The source is as it was: do not serve it any more."
        });
    }
}

fn in_data(settings: &Settings) -> bool {
    matches!(settings.catalog, CatalogAt::Embedded) || matches!(settings.store, StoreAt::Data)
}

/// Makes and holds the data directory of what is to be filled, if anything is in one.
pub(crate) fn lock(settings: &Settings) -> anyhow::Result<Option<File>> {
    if !in_data(settings) {
        return Ok(None);
    }
    files::make_data_directory(&settings.data)?;
    files::lock_data_directory(&settings.data).map(Some)
}

async fn move_all(origin: &Origin, intake: &mut Intake) -> anyhow::Result<()> {
    intake.begin(&format!("a migration of {}", name_of(origin).await?)).await?;
    let mut reader = origin.catalog.export().await?;
    while let Some(batch) = reader.next().await {
        intake.take(batch?).await?;
    }
    // Nobody can be kept from a shared catalog; but that somebody was there shows.
    if matches!(origin.settings.catalog, CatalogAt::Postgres(_)) {
        let now = intake.digest_of(origin.catalog.export().await?).await?;
        ensure!(
            now == intake.taken(),
            "the source has changed while it was moved: stop all of its nodes, and begin again with an empty target"
        );
    }
    Ok(())
}

async fn copy_blobs(origin: &Origin, intake: &Intake) -> anyhow::Result<()> {
    let mut reader = origin.catalog.export().await?;
    while let Some(batch) = reader.next().await {
        intake.copy_only(origin.catalog.as_ref(), batch?).await?;
    }
    Ok(())
}

/// What tells this source from any other: its projects, whose ids are random.
async fn name_of(origin: &Origin) -> anyhow::Result<String> {
    let projects = origin.catalog.load_settings().await?.projects;
    let mut ids: Vec<&str> = projects.iter().map(|project| project.id.as_str()).collect();
    ids.sort_unstable();
    let digest: [u8; 32] = Sha256::digest(ids.join(" ")).into();
    Ok(gatepass_sign::hex(&digest[..8]))
}

pub(crate) fn counts(progress: &Progress) -> Value {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    json!({
        "records": count(&progress.records),
        "files": count(&progress.files),
        "files_there_already": count(&progress.skipped),
        "blobs_written": count(&progress.blobs),
        "bytes": count(&progress.bytes),
        "unfinished_uploads": count(&progress.uploads),
        "unfinished_uploads_left_behind": count(&progress.uploads_dropped),
    })
}
