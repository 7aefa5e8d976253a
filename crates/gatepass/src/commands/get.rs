use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use gatepass_client::{Client, Download};
use gatepass_sign::ObjectPath;
use serde_json::json;

use crate::client::{Target, environment_key, is_url, object_path, progress, url_for};
use crate::output;
use crate::policy_args::GetPolicy;
use crate::units::show_size;

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// A URL, or a path; a path is signed for if there is a key
    target: String,
    /// Where to write; - for standard output; the file's own name if not given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    policy: GetPolicy,
    #[command(flatten)]
    service: Target,
}

impl Get {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let url = self.url()?;
        let client = Client::new()?;
        if self.output.as_deref() == Some(Path::new("-")) {
            let download = Download::default();
            client.get_to(&url, tokio::io::stdout(), &download).await?;
            return Ok(());
        }
        let path = match &self.output {
            Some(path) => path.clone(),
            None => own_name(&url)?,
        };
        let (bar, on_progress) = progress(None, as_json);
        let download = Download { on_progress: Some(on_progress), ..Download::default() };
        let result = client.get_file(&url, &path, &download).await;
        bar.finish_and_clear();
        let done = result.context("not downloaded")?;
        if as_json {
            output::json(&json!({
                "file": path.display().to_string(),
                "bytes": done.bytes,
                "type": done.content_type,
            }));
        } else {
            output::line(&format!("{}  {}", path.display(), show_size(done.bytes)));
        }
        Ok(())
    }

    fn url(&self) -> anyhow::Result<String> {
        if is_url(&self.target) || environment_key()?.is_some() {
            return url_for(&self.target, &self.policy, &self.service);
        }
        let origin = self.service.public_url.trim_end_matches('/');
        Ok(format!("{origin}/{}", object_path(&self.target)?.to_encoded()))
    }
}

/// What is there is replaced only by somebody who says where to write.
fn own_name(url: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(filename(url)?);
    if path.exists() {
        let name = path.display();
        bail!("{name} is there already: `--output {name}` replaces it");
    }
    Ok(path)
}

fn filename(url: &str) -> anyhow::Result<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match ObjectPath::from_encoded(path) {
        Ok(path) => Ok(path.filename().to_owned()),
        Err(_) => bail!("the URL names no file: say where to write with --output"),
    }
}
