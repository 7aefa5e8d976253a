//! What client commands share: the key they sign with, the URL they talk to, the progress bar.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use gatepass_client::{OnProgress, OnRetry};
use gatepass_core::port::Clock as _;
use gatepass_sign::{Action, ObjectPath, Policy, Secret, sign_url};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::files;
use crate::node::SystemClock;
use crate::units;

const DEFAULT_PUBLIC_URL: &str = "http://127.0.0.1:8080";

/// A smaller number is no second at which a URL ends, but a lifetime without its unit. It is a second
/// of 2001.
const UNIX_SECONDS_MIN: u64 = 1_000_000_000;

/// Where the service is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Scheme and host of the service
    #[arg(long, env = "GATEPASS_PUBLIC_URL", default_value = DEFAULT_PUBLIC_URL)]
    pub(crate) public_url: String,
}

/// What a signed URL is to allow.
#[derive(Debug, Clone, Args)]
pub(crate) struct PolicyArgs {
    /// How long the URL lives (1h, 7d), or the Unix second at which it ends
    #[arg(long, default_value = "1h", value_name = "TIME")]
    expires: String,
    /// Most bytes of the upload: 10MB, 10MiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Exact number of bytes of the upload
    #[arg(long, value_name = "SIZE", value_parser = size)]
    size: Option<u64>,
    /// Content types allowed, as found in the bytes: 'image/*,application/pdf'
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// SHA-256 that the bytes must have, in hexadecimal digits
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Refuse to replace a file
    #[arg(long)]
    create_only: bool,
    /// The app's own reference, kept on the File
    #[arg(long = "ref", value_name = "TEXT")]
    reference: Option<String>,
    /// Metadata kept on the File; can be given several times
    #[arg(long = "meta", value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// Have the file sent as a download, under this name if one is given
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    download: Option<String>,
    /// Id of the key that signs
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
}

fn size(text: &str) -> Result<u64, String> {
    units::parse_size(text).map_err(|error| error.to_string())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl PolicyArgs {
    /// The policy, checked as the server will check it.
    pub(crate) fn policy(&self, action: Action) -> anyhow::Result<Policy> {
        let sha256 = |text: &str| {
            gatepass_sign::parse_sha256(text).context("--sha256 must be 64 hexadecimal digits")
        };
        let policy = Policy {
            max_size: self.max_size,
            size: self.size,
            types: self.types.clone(),
            sha256: self.sha256.as_deref().map(sha256).transpose()?,
            overwrite: !self.create_only,
            reference: self.reference.clone(),
            metadata: self.metadata.iter().cloned().collect(),
            download: self.download.clone(),
            key_id: self.kid.clone(),
            ..Policy::new(action, self.expiry()?)
        };
        policy.check()?;
        Ok(policy)
    }

    fn expiry(&self) -> anyhow::Result<u64> {
        if let Ok(unix) = self.expires.parse() {
            if unix < UNIX_SECONDS_MIN {
                bail!(
                    "--expires {unix} would be a second of long ago: for a lifetime write {unix}s"
                );
            }
            return Ok(unix);
        }
        let lifetime = units::parse_duration(&self.expires)
            .context("--expires takes 90s, 15m, 1h, 7d or a Unix second")?;
        Ok(SystemClock.now().plus(lifetime).unix_seconds())
    }
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
    action: Action,
    policy: &PolicyArgs,
    service: &Target,
) -> anyhow::Result<String> {
    if is_url(target) {
        return Ok(target.to_owned());
    }
    let path = object_path(target)?;
    Ok(sign_url(&required_key()?, &service.public_url, &path, &policy.policy(action)?))
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
