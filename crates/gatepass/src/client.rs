//! What client commands share: the key they sign with, the URL they talk to, the progress bar.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use gatepass_client::{OnProgress, OnRetry};
use gatepass_sign::{ObjectPath, Secret, sign_url};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::files;
use crate::policy_args::PolicyArgs;

const DEFAULT_PUBLIC_URL: &str = "http://127.0.0.1:8080";

/// Where the service is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Scheme and host of the service
    #[arg(long, env = "GATEPASS_PUBLIC_URL", default_value = DEFAULT_PUBLIC_URL)]
    pub(crate) public_url: String,
}

/// The key of the environment: `GATEPASS_API_KEY`, its `_FILE` twin, then `ITTYBIT_API_KEY`.
pub(crate) fn environment_key() -> anyhow::Result<Option<Secret>> {
    let text = |name| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    if let Some(key) = text("GATEPASS_API_KEY") {
        return Ok(Some(Secret::new(key.trim())));
    }
    if let Some(path) = std::env::var_os("GATEPASS_API_KEY_FILE") {
        return Ok(Some(Secret::new(files::read_secret(path.as_ref())?)));
    }
    Ok(text("ITTYBIT_API_KEY").map(|key| Secret::new(key.trim())))
}

/// The same, where there must be one.
pub(crate) fn required_key() -> anyhow::Result<Secret> {
    environment_key()?.context(
        "there is no API key to sign with: set GATEPASS_API_KEY (or GATEPASS_API_KEY_FILE)",
    )
}

/// Whether the argument is a URL and not a path.
pub(crate) fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// A URL as it is, or one signed for a path.
pub(crate) fn url_for(
    target: &str,
    policy: &impl PolicyArgs,
    service: &Target,
) -> anyhow::Result<String> {
    if is_url(target) {
        return Ok(target.to_owned());
    }
    let path = object_path(target)?;
    Ok(sign_url(&required_key()?, &service.public_url, &path, &policy.policy()?))
}

/// A path that may be signed.
pub(crate) fn object_path(text: &str) -> anyhow::Result<ObjectPath> {
    let path = text.strip_prefix('/').unwrap_or(text);
    match ObjectPath::from_decoded(path) {
        Ok(path) => Ok(path),
        Err(_) if path.ends_with('/') => bail!("{text:?} is a folder: name a file in it"),
        Err(error) => bail!("{text:?} cannot be signed: {error}"),
    }
}

/// How often progress is told to programs.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// A bar on the terminal, a line of JSON each second for programs, both on standard error;
/// nothing elsewhere.
pub(crate) fn progress(length: Option<u64>, as_json: bool) -> (ProgressBar, OnProgress) {
    if as_json {
        return (ProgressBar::hidden(), progress_lines());
    }
    let bar = if std::io::stderr().is_terminal() {
        length.map_or_else(ProgressBar::new_spinner, ProgressBar::new)
    } else {
        ProgressBar::hidden()
    };
    let template = "{wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let told = bar.clone();
    let on_progress: OnProgress = Arc::new(move |done, all| {
        if let Some(all) = all {
            told.set_length(all);
        }
        told.set_position(done);
    });
    (bar, on_progress)
}

/// Says why something is tried again, on standard error: else it would look as if nothing happened.
pub(crate) fn retries(bar: &ProgressBar, as_json: bool) -> OnRetry {
    let bar = bar.clone();
    Arc::new(move |error| {
        let line = if as_json {
            json!({ "retry": error.to_string() }).to_string()
        } else {
            format!("gatepass: {error}; trying again")
        };
        bar.suspend(|| drop(writeln!(std::io::stderr(), "{line}")));
    })
}

fn progress_lines() -> OnProgress {
    let last = Mutex::new(Instant::now());
    Arc::new(move |done, all| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= TELL_INTERVAL {
            *last = Instant::now();
            let line = json!({ "progress": { "bytes": done, "of": all } });
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    })
}
