//! The process that looks into uploaded files: this program again, confined.

use std::path::PathBuf;

use anyhow::Context as _;
use gatepass_media::{MediaProbe, worker};

/// The name of the command.
const NAME: &str = "media-worker";

/// Answers the server's questions about files.
pub(crate) fn run() -> anyhow::Result<()> {
    Ok(worker::serve(std::io::stdin().lock(), std::io::stdout().lock())?)
}

/// A probe whose workers are this command.
pub(crate) fn probe() -> anyhow::Result<MediaProbe> {
    let program = if cfg!(target_os = "linux") {
        // This very program, even when its file was replaced by an update.
        PathBuf::from("/proc/self/exe")
    } else {
        std::env::current_exe().context("cannot find this program")?
    };
    Ok(MediaProbe::new(program, vec![NAME.into()]))
}
