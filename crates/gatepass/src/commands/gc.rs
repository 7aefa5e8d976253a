//! Sweeping at once, without waiting for a server's next sweep.

use std::sync::Arc;

use clap::Args;
use gatepass_engine::{Engine, sweep};
use serde_json::json;

use super::open;
use crate::output;
use crate::settings::Flags;
use crate::units::show_size;

#[derive(Debug, Args)]
pub(crate) struct Gc {
    #[command(flatten)]
    flags: Flags<true>,
}

impl Gc {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let (settings, node) = open(&self.flags).await?;
        let ports = node.ports(&settings)?;
        let engine = Engine::start(ports, settings.limits, Arc::clone(&node.vault), "").await?;
        let swept = sweep::run(&engine).await?;
        if as_json {
            output::json(&json!({
                "expired_uploads": swept.uploads,
                "retired_blobs": swept.retired,
                "orphans": swept.orphans,
                "orphan_bytes": swept.bytes,
            }));
        } else {
            output::facts(&[
                ("expired uploads", swept.uploads.to_string()),
                ("blobs of deleted files", swept.retired.to_string()),
                ("orphans", format!("{} ({})", swept.orphans, show_size(swept.bytes))),
            ]);
        }
        Ok(())
    }
}
