//! Filling an empty catalog from a backup.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use gatepass_core::{Batch, Record};
use gatepass_engine::archive::{End, LINE_BYTES_MAX, Reader, Step};
use gatepass_engine::transfer::Intake;
use serde_json::json;

use super::migrate::{counts, lock};
use crate::files::{Lines, read_lines};
use crate::node::{Side, open_to_fill};
use crate::output;
use crate::progress;
use crate::settings::{Flags, Settings};

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The file that `gatepass backup` has made
    file: PathBuf,
    #[command(flatten)]
    flags: Flags<true>,
}

impl Restore {
    /// 1. read the file through: nothing of one that is damaged is taken;
    /// 2. fill the catalog;
    /// 3. read it back and compare.
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let settings = Settings::resolve(&self.flags.gather()?)?;
        let named = || format!("cannot take {}", self.file.display());
        let end = self.read(|_| Ok(())).with_context(named)?;
        let _lock = lock(&settings)?;
        let (catalog, store) = open_to_fill(&settings, Side::Own).await?;
        let mut intake = Intake::new(catalog, store, None);
        let progress = Arc::clone(&intake.progress);
        let telling = progress::tell(as_json, Arc::new(move || counts(&progress)));
        intake.begin(&format!("the backup {}", &end.sha256[..16])).await?;
        self.fill(&mut intake).await?;
        let done = counts(&intake.progress);
        intake.end().await?;
        drop(telling);
        if as_json {
            output::json(&json!({ "records": end.records, "sha256": end.sha256, "done": done }));
        } else {
            output::line(&format!("restored and compared: {}", progress::line(&done)));
            output::line(
                "It needs the master key that its API keys were sealed with, and the blobs: `gatepass doctor` and `gatepass fsck` tell whether both are there.",
            );
        }
        Ok(())
    }

    fn lines(&self) -> anyhow::Result<Lines> {
        read_lines(&self.file, LINE_BYTES_MAX)
    }

    /// Reads everything.
    fn read(&self, mut take: impl FnMut(Record) -> anyhow::Result<()>) -> anyhow::Result<End> {
        let (mut lines, mut reader) = (self.lines()?, Reader::default());
        while let Some(line) = lines.next()? {
            if let Step::Record(record) = reader.line(&line)? {
                take(*record)?;
            }
        }
        Ok(reader.finish()?)
    }

    async fn fill(&self, intake: &mut Intake) -> anyhow::Result<()> {
        let (mut lines, mut reader) = (self.lines()?, Reader::default());
        let mut batch = Batch::default();
        while let Some(line) = lines.next()? {
            if let Step::Record(record) = reader.line(&line)?
                && let Some(full) = batch.push(*record)
            {
                intake.take(full).await?;
            }
        }
        reader.finish()?;
        Ok(intake.take(batch.take()).await?)
    }
}
