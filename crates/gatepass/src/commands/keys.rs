use std::time::Duration;

use clap::{Args, Subcommand};
use gatepass_core::project::{KeyState, SealedKey};
use gatepass_engine::MasterKeys;
use gatepass_engine::admin::{MadeKey, NewKey, ROTATION_OVERLAP};
use gatepass_sign::{KeyText, Scopes};
use serde_json::{Value, json};

use super::open;
use crate::files;
use crate::output;
use crate::settings::Flags;
use crate::units;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the keys of a project
    #[command(alias = "list")]
    Ls {
        /// Id or name of the project
        #[arg(long)]
        project: Option<String>,
        #[command(flatten)]
        flags: Flags<true>,
    },
    /// Make a key and print it: the only time it is shown
    Create(Create),
    /// Print a new master key: the file that all nodes of a shared catalog are given
    Master,
    /// Stop a key from working until it is resumed
    Pause(One),
    /// Let a paused key work again
    Resume(One),
    /// Stop a key from working for ever
    Revoke(One),
    /// Make a new key like an old one, which goes on verifying its URLs for a while
    Rotate {
        /// Id of the old key
        id: String,
        /// How long the old key verifies URLs
        #[arg(long, value_name = "TIME")]
        overlap: Option<String>,
        #[command(flatten)]
        flags: Flags<true>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// A name, for people
    #[arg(long, default_value = "")]
    name: String,
    /// What the key may do: sign:put sign:get files:read files:write files:delete ingest admin
    #[arg(long, default_value = "admin")]
    scopes: Scopes,
    /// Confine the key to paths within this prefix
    #[arg(long, default_value = "")]
    prefix: String,
    /// Import the key in this file instead of making one
    #[arg(long, value_name = "FILE")]
    import_file: Option<std::path::PathBuf>,
    /// Take an imported key of less than 128 bits
    #[arg(long)]
    allow_weak_key: bool,
    /// Id or name of the project
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    flags: Flags<true>,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id of the key
    id: String,
    #[command(flatten)]
    flags: Flags<true>,
}

impl Keys {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::Ls { project, flags } => list(project.as_deref(), flags, as_json).await,
            Self::Create(create) => create.run(as_json).await,
            Self::Master => {
                output::line(MasterKeys::generate().expose().trim_end());
                Ok(())
            }
            Self::Pause(one) => one.set(KeyState::Paused, as_json).await,
            Self::Resume(one) => one.set(KeyState::Active, as_json).await,
            Self::Revoke(one) => one.set(KeyState::Revoked, as_json).await,
            Self::Rotate { id, overlap, flags } => {
                let overlap = overlap.as_deref().map(units::parse_duration).transpose()?;
                rotate(id, overlap.unwrap_or(ROTATION_OVERLAP), flags, as_json).await
            }
        }
    }
}

async fn list(project: Option<&str>, flags: &Flags<true>, as_json: bool) -> anyhow::Result<()> {
    let (_, node) = open(flags).await?;
    let admin = node.admin();
    let project = admin.find_project(project).await?;
    let keys = admin.settings().await?.keys;
    let keys: Vec<&SealedKey> = keys.iter().filter(|key| key.project == project.id).collect();
    if as_json {
        output::json(&Value::Array(keys.into_iter().map(view).collect()));
        return Ok(());
    }
    let row = |key: &&SealedKey| {
        let used = key.last_used.map_or("never".to_owned(), |at| at.to_string());
        let prefix = if key.prefix.is_empty() { "/" } else { &key.prefix };
        vec![
            key.id.to_string(),
            key.name.clone(),
            state(key).to_owned(),
            key.scopes.to_string(),
            prefix.to_owned(),
            used,
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    output::table(&["id", "name", "state", "scopes", "within", "last used"], &rows);
    Ok(())
}

pub(super) fn state(key: &SealedKey) -> &'static str {
    match (key.state, key.verify_until) {
        (KeyState::Active, Some(_)) => "rotated",
        (state, _) => state.as_str(),
    }
}

fn view(key: &SealedKey) -> Value {
    json!({
        "id": key.id,
        "project": key.project,
        "name": key.name,
        "state": state(key),
        "scopes": key.scopes.to_string(),
        "prefix": key.prefix,
        "created": key.created.to_string(),
        "verify_until": key.verify_until.map(|at| at.to_string()),
        "last_used": key.last_used.map(|at| at.to_string()),
    })
}

impl Create {
    async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let (_, node) = open(&self.flags).await?;
        let admin = node.admin();
        let import = match &self.import_file {
            None => None,
            Some(path) => Some(KeyText::import(&files::read_secret(path)?, self.allow_weak_key)?),
        };
        let new = NewKey {
            project: admin.find_project(self.project.as_deref()).await?.id,
            name: self.name.clone(),
            scopes: self.scopes,
            prefix: self.prefix.clone(),
            import,
        };
        show_made(&admin.create_key(new).await?, as_json);
        Ok(())
    }
}

async fn rotate(
    id: &str,
    overlap: Duration,
    flags: &Flags<true>,
    as_json: bool,
) -> anyhow::Result<()> {
    let (_, node) = open(flags).await?;
    show_made(&node.admin().rotate_key(id, overlap).await?, as_json);
    Ok(())
}

/// The one place, beside the first start, where a key's text is printed.
fn show_made(made: &MadeKey, as_json: bool) {
    if as_json {
        let mut view = view(&made.key);
        view["key"] = made.text.expose().into();
        output::json(&view);
    } else {
        let text = made.text.expose().to_owned();
        output::facts(&[("id", made.key.id.to_string()), ("key", text)]);
        output::line("Keep the key now: it is not shown again.");
    }
}

impl One {
    async fn set(&self, wanted: KeyState, as_json: bool) -> anyhow::Result<()> {
        let (_, node) = open(&self.flags).await?;
        let key = node.admin().set_key_state(&self.id, wanted).await?;
        if as_json {
            output::json(&view(&key));
        } else {
            output::line(&format!("{} is {}", key.id, state(&key)));
        }
        Ok(())
    }
}
