//! Writing the catalog into one file.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use futures_util::StreamExt as _;
use gatepass_core::port::{Catalog, Clock as _};
use gatepass_engine::archive::{End, Writer};
use serde_json::json;

use super::open;
use crate::files::NewFile;
use crate::node::SystemClock;
use crate::output;
use crate::progress;
use crate::settings::Flags;
use crate::units::show_size;

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file to make; - for standard output
    file: PathBuf,
    #[command(flatten)]
    flags: Flags<true>,
}

/// Where the lines go.
enum Out {
    File(NewFile),
    Pipe(std::io::Stdout),
}

impl Backup {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let (_, node) = open(&self.flags).await?;
        let piped = self.file == Path::new("-");
        let out = if piped {
            Out::Pipe(std::io::stdout())
        } else {
            Out::File(NewFile::create(&self.file)?)
        };
        let (records, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (r, b) = (Arc::clone(&records), Arc::clone(&bytes));
        let counts = move || json!({ "records": r.load(Ordering::Relaxed), "bytes": b.load(Ordering::Relaxed) });
        let telling = progress::tell(as_json, Arc::new(counts));
        let end = write(node.catalog.as_ref(), out, &records, &bytes).await?;
        drop(telling);
        let bytes = bytes.load(Ordering::Relaxed);
        if piped {
            return Ok(());
        }
        if as_json {
            output::json(&json!({
                "file": self.file.display().to_string(),
                "records": end.records,
                "bytes": bytes,
                "sha256": end.sha256,
            }));
        } else {
            let (records, size) = (end.records, show_size(bytes));
            output::line(&format!("{}: {records} records, {size}", self.file.display()));
            output::line("Neither the blobs nor the master key are in it: keep those, too.");
        }
        Ok(())
    }
}

async fn write(
    catalog: &dyn Catalog,
    mut out: Out,
    records: &AtomicU64,
    bytes: &AtomicU64,
) -> anyhow::Result<End> {
    let mut put = |line: &[u8]| -> anyhow::Result<()> {
        bytes.fetch_add(line.len() as u64, Ordering::Relaxed);
        match &mut out {
            Out::File(file) => file.write(line),
            Out::Pipe(pipe) => Ok(pipe.write_all(line)?),
        }
    };
    let (mut writer, first) = Writer::begin(SystemClock.now());
    put(&first)?;
    let mut reader = catalog.export().await?;
    while let Some(batch) = reader.next().await {
        for record in batch? {
            put(&writer.record(&record))?;
            records.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (last, end) = writer.end();
    put(&last)?;
    match out {
        Out::File(file) => file.finish()?,
        Out::Pipe(mut pipe) => pipe.flush()?,
    }
    Ok(end)
}
