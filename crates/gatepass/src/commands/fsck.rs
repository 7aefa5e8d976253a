//! Holding the catalog against the store.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use gatepass_core::File;
use gatepass_engine::fsck::{Finding, Fsck as Check, FsckError, Progress};
use serde_json::{Value, json};

use super::open;
use crate::output;
use crate::progress;
use crate::settings::Flags;
use crate::units::{parse_duration, show_size};

/// Findings that a JSON document holds; the rest is counted.
const FINDINGS_MAX: usize = 1_000;
/// Least age of an orphan: that from which on the server's own sweeper takes it.
const GRACE_MIN: Duration = Duration::from_hours(1);
/// Orphans that one run removes at most.
const ORPHANS_MAX: usize = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Fsck {
    /// Read all contents and compare them with their checksums
    #[arg(long)]
    checksums: bool,
    /// Remove blobs that nothing points to and that are older than the grace time
    #[arg(long)]
    repair: bool,
    /// From what age on a blob that nothing points to is wrong; 1h at least
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = grace)]
    grace: Duration,
    #[command(flatten)]
    flags: Flags<true>,
}

fn grace(text: &str) -> anyhow::Result<Duration> {
    let grace = parse_duration(text)?;
    anyhow::ensure!(grace >= GRACE_MIN, "younger blobs may be on their way: give 1h or more");
    Ok(grace)
}

impl Fsck {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        let (settings, node) = open(&self.flags).await?;
        let progress = Arc::new(Progress::default());
        let check = Check {
            catalog: Arc::clone(&node.catalog),
            store: node.store(&settings)?,
            clock: Arc::clone(&node.clock),
            checksums: self.checksums,
            orphan_age_min: self.grace,
            repair: self.repair,
            orphans_max: ORPHANS_MAX,
            progress: Arc::clone(&progress),
        };
        let counted = Arc::clone(&progress);
        let telling = progress::tell(as_json, Arc::new(move || counts(&counted)));
        let (mut findings, mut kept) = (0_u64, Vec::new());
        let outcome = check
            .run(|finding| {
                findings += 1;
                if !as_json {
                    telling.say(&text(&finding));
                } else if kept.len() < FINDINGS_MAX {
                    kept.push(view(&finding));
                }
            })
            .await;
        drop(telling);
        let not_repaired = match outcome {
            Err(FsckError::NotRepaired(reason)) => Some(FsckError::NotRepaired(reason).to_string()),
            outcome => outcome.map(|()| None)?,
        };
        let removed = progress.removed.load(Ordering::Relaxed);
        let clean = findings == removed;
        if as_json {
            let looked_at = counts(&progress);
            let left_out = findings - kept.len() as u64;
            output::json(&json!({
                "clean": clean,
                "checksums": self.checksums,
                "looked_at": looked_at,
                "findings": kept,
                "findings_left_out": left_out,
                "not_repaired": not_repaired,
            }));
        } else {
            summary(&progress, findings, clean, not_repaired.as_deref());
        }
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn counts(progress: &Progress) -> Value {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    json!({
        "files": count(&progress.files),
        "bytes": count(&progress.bytes),
        "uploads": count(&progress.uploads),
        "blobs": count(&progress.blobs),
        "young_blobs": count(&progress.young),
        "removed": count(&progress.removed),
    })
}

fn summary(progress: &Progress, findings: u64, clean: bool, not_repaired: Option<&str>) {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    output::line(&format!(
        "{} files and {} unfinished uploads in the catalog, {} blobs in the store, {} read and compared",
        count(&progress.files),
        count(&progress.uploads),
        count(&progress.blobs),
        show_size(count(&progress.bytes)),
    ));
    let young = count(&progress.young);
    if young > 0 {
        output::line(&format!(
            "{young} young blobs belong to nothing yet; what is left over of them is swept by the server"
        ));
    }
    let removed = count(&progress.removed);
    if removed > 0 {
        output::line(&format!("{removed} orphans removed"));
    }
    if let Some(reason) = not_repaired {
        output::line(reason);
    }
    output::line(&if clean {
        "clean".to_owned()
    } else {
        format!("{} findings", findings - removed)
    });
}

fn of(file: &File) -> String {
    format!("{} ({}, blob {})", file.path, file.id, file.blob)
}

fn text(finding: &Finding) -> String {
    match finding {
        Finding::Missing(file) => format!("MISSING   {}: the store has no blob", of(file)),
        Finding::WrongSize { file, found } => {
            format!("SIZE      {}: {} bytes, and {found} in the store", of(file), file.size)
        }
        Finding::Damaged(file) => {
            format!("DAMAGED   {}: the bytes are not those that were uploaded", of(file))
        }
        Finding::UploadMissing(upload) => {
            let received = show_size(upload.parts.received());
            format!("UPLOAD    {}: {received} received, and nothing in the store", upload.path)
        }
        Finding::Orphan(entry) => format!(
            "ORPHAN    {}: nothing points to it, {}, since {}",
            entry.blob,
            show_size(entry.size),
            entry.modified
        ),
    }
}

fn view(finding: &Finding) -> Value {
    let of = |kind: &str, file: &File| {
        json!({
            "kind": kind,
            "project": file.project,
            "file": file.id,
            "path": file.path.as_str(),
            "blob": file.blob,
            "size": file.size,
        })
    };
    match finding {
        Finding::Missing(file) => of("missing", file),
        Finding::WrongSize { file, found } => {
            let mut view = of("wrong_size", file);
            view["found"] = (*found).into();
            view
        }
        Finding::Damaged(file) => of("damaged", file),
        Finding::UploadMissing(upload) => json!({
            "kind": "upload_missing",
            "project": upload.project,
            "path": upload.path.as_str(),
            "blob": upload.blob,
            "received": upload.parts.received(),
        }),
        Finding::Orphan(entry) => json!({
            "kind": "orphan",
            "blob": entry.blob,
            "size": entry.size,
            "modified": entry.modified.to_string(),
        }),
    }
}
