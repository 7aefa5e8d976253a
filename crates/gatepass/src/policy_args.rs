//! What a signed URL is to allow, as the command line says it.

use anyhow::{Context as _, bail};
use clap::Args;
use gatepass_core::port::Clock as _;
use gatepass_sign::{Action, Policy};

use crate::node::SystemClock;
use crate::units;

/// A smaller number is no second at which a URL ends, but a lifetime without its unit. It is a second
/// of 2001.
const UNIX_SECONDS_MIN: u64 = 1_000_000_000;

/// Options of a signed URL.
pub(crate) trait PolicyArgs {
    /// The policy, checked as the server will check it.
    fn policy(&self) -> anyhow::Result<Policy>;
}

/// What every signed URL has.
#[derive(Debug, Clone, Args)]
struct UrlArgs {
    /// How long the URL lives (1h, 7d), or the Unix second at which it ends
    #[arg(long, default_value = "1h", value_name = "TIME")]
    expires: String,
    /// Id of the key that signs
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
}

/// A URL for uploading.
#[derive(Debug, Clone, Args)]
pub(crate) struct PutPolicy {
    #[command(flatten)]
    url: UrlArgs,
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
}

/// A URL for reading.
#[derive(Debug, Clone, Args)]
pub(crate) struct GetPolicy {
    #[command(flatten)]
    url: UrlArgs,
    /// Have the file sent as a download, under this name if one is given
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    download: Option<String>,
}

/// A URL for deleting.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeletePolicy {
    #[command(flatten)]
    url: UrlArgs,
}

impl PolicyArgs for PutPolicy {
    fn policy(&self) -> anyhow::Result<Policy> {
        let sha256 = |text: &str| {
            gatepass_sign::parse_sha256(text).context("--sha256 must be 64 hexadecimal digits")
        };
        checked(Policy {
            max_size: self.max_size,
            size: self.size,
            types: self.types.clone(),
            sha256: self.sha256.as_deref().map(sha256).transpose()?,
            overwrite: !self.create_only,
            reference: self.reference.clone(),
            metadata: self.metadata.iter().cloned().collect(),
            ..self.url.policy(Action::Put)?
        })
    }
}

impl PolicyArgs for GetPolicy {
    fn policy(&self) -> anyhow::Result<Policy> {
        checked(Policy { download: self.download.clone(), ..self.url.policy(Action::Get)? })
    }
}

impl PolicyArgs for DeletePolicy {
    fn policy(&self) -> anyhow::Result<Policy> {
        checked(self.url.policy(Action::Delete)?)
    }
}

impl UrlArgs {
    fn policy(&self, action: Action) -> anyhow::Result<Policy> {
        Ok(Policy { key_id: self.kid.clone(), ..Policy::new(action, self.expiry()?) })
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

fn checked(policy: Policy) -> anyhow::Result<Policy> {
    policy.check()?;
    Ok(policy)
}

fn size(text: &str) -> Result<u64, String> {
    units::parse_size(text).map_err(|error| error.to_string())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
