use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use clap::Args;
use gatepass_client::{ChunkedUpload, Client, OnUploadUrl, Upload, Uploaded};
use serde_json::{Value, json};

use crate::client::{Target, is_url, progress, retries, url_for};
use crate::output;
use crate::policy_args::PutPolicy;
use crate::resume::Resume;
use crate::units::{parse_size, show_size};

/// Files from this size on go up in chunks.
const CHUNKED_BYTES_MIN: u64 = 100_000_000;
/// What shells say of a program that was interrupted.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The file; - for standard input
    file: PathBuf,
    /// A signed URL, the URL of an upload to go on with, or a path to sign for; one that ends with /
    /// is a folder
    target: String,
    /// Content type to declare
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Bytes of a chunk; 16MiB, and only for files of 100 MB and more, if not given
    #[arg(long, value_name = "SIZE", value_parser = size)]
    chunk_size: Option<u64>,
    /// Most chunks at once
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    connections: usize,
    /// Send the file in one request, however large it is
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    policy: PutPolicy,
    #[command(flatten)]
    service: Target,
}

fn size(text: &str) -> anyhow::Result<u64> {
    parse_size(text)
}

impl Put {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        let uploaded = if self.in_chunks().await {
            let Some(uploaded) = self.upload_in_chunks(as_json).await? else {
                return Ok(ExitCode::from(INTERRUPTED));
            };
            uploaded
        } else {
            self.upload(as_json).await?
        };
        let receipt = uploaded.receipt.as_deref();
        if as_json {
            output::json(&json!({
                "file": uploaded.file,
                "created": uploaded.created,
                "receipt": receipt,
            }));
        } else {
            show(&uploaded.file, uploaded.created);
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn in_chunks(&self) -> bool {
        if self.whole || self.file == Path::new("-") {
            return false;
        }
        let goes_on = self.target.contains("?upload=upl_");
        let size = tokio::fs::metadata(&self.file).await.map_or(0, |metadata| metadata.len());
        size > 0 && (goes_on || self.chunk_size.is_some() || size >= CHUNKED_BYTES_MIN)
    }

    /// As with `cp`: in a folder the file keeps its name.
    fn target(&self) -> anyhow::Result<String> {
        if is_url(&self.target) || !self.target.ends_with('/') {
            return Ok(self.target.clone());
        }
        let name = self.file.file_name().filter(|_| self.file != Path::new("-"));
        let name =
            name.with_context(|| format!("{:?} is a folder: name a file in it", self.target))?;
        Ok(format!("{}{}", self.target, name.to_string_lossy()))
    }

    async fn upload(&self, as_json: bool) -> anyhow::Result<Uploaded> {
        let url = url_for(&self.target()?, &self.policy, &self.service)?;
        let client = Client::new()?;
        let (bar, on_progress) = progress(None, as_json);
        let upload = Upload {
            content_type: self.content_type.clone(),
            on_progress: Some(on_progress),
            ..Upload::default()
        };
        let uploaded = if self.file == Path::new("-") {
            client.put_reader(&url, tokio::io::stdin(), None, &upload).await
        } else {
            client.put_file(&url, &self.file, &upload).await
        };
        bar.finish_and_clear();
        uploaded.context("not uploaded")
    }

    /// `None` after Ctrl-C: the upload can be gone on with.
    async fn upload_in_chunks(&self, as_json: bool) -> anyhow::Result<Option<Uploaded>> {
        // A path is signed anew each time, and each URL is an upload of its own: so the upload's
        // own URL is remembered until it is complete.
        let target = self.target()?;
        let resume = if is_url(&target) {
            None
        } else {
            Some(Resume::of(&self.file, &target, &self.service.public_url)?)
        };
        let url = match resume.as_ref().and_then(Resume::url) {
            Some(url) => url,
            None => url_for(&target, &self.policy, &self.service)?,
        };
        let (bar, on_progress) = progress(None, as_json);
        let own_url = Arc::new(Mutex::new(None));
        let how = ChunkedUpload {
            upload: Upload {
                content_type: self.content_type.clone(),
                on_progress: Some(on_progress),
                ..Upload::default()
            },
            chunk_bytes: self.chunk_size.unwrap_or(ChunkedUpload::default().chunk_bytes),
            connections_max: self.connections,
            on_upload_url: Some(remember(&own_url, resume.clone())),
            on_retry: Some(retries(&bar, as_json)),
            ..ChunkedUpload::default()
        };
        let client = Client::new()?;
        let uploaded = tokio::select! {
            uploaded = client.put_file_in_chunks(&url, &self.file, &how) => uploaded,
            _ = tokio::signal::ctrl_c() => {
                bar.abandon();
                let own_url = own_url.lock().unwrap_or_else(PoisonError::into_inner).clone();
                self.tell_how_to_go_on(own_url.as_deref(), as_json);
                return Ok(None);
            }
        };
        bar.finish_and_clear();
        let over = match &uploaded {
            Ok(_) => true,
            Err(error) => !error.may_heal(),
        };
        if let Some(resume) = resume.filter(|_| over) {
            resume.forget();
        }
        uploaded.map(Some).context("not uploaded; the same command goes on where this one ended")
    }

    fn tell_how_to_go_on(&self, own_url: Option<&str>, as_json: bool) {
        let file = self.file.display();
        let again = match own_url {
            Some(url) => format!("gatepass put {file} '{url}'"),
            None => format!("gatepass put {file} {}", self.target),
        };
        if as_json {
            output::json(&json!({ "interrupted": true, "upload_url": own_url }));
        } else {
            output::line("Interrupted. What the server has it keeps for a day. To go on:");
            output::line(&format!("  {again}"));
        }
    }
}

fn remember(own_url: &Arc<Mutex<Option<String>>>, resume: Option<Resume>) -> OnUploadUrl {
    let own_url = Arc::clone(own_url);
    Arc::new(move |url: &str| {
        let known = own_url.lock().unwrap_or_else(PoisonError::into_inner).replace(url.to_owned());
        if let Some(resume) = resume.as_ref().filter(|_| known.as_deref() != Some(url)) {
            resume.note(url);
        }
    })
}

fn show(file: &Value, created: bool) {
    let text = |name: &str| file[name].as_str().unwrap_or_default().to_owned();
    let mut facts = vec![
        (if created { "created" } else { "replaced" }, text("url")),
        ("id", text("id")),
        ("type", text("type")),
        ("size", show_size(file["filesize"].as_u64().unwrap_or_default())),
    ];
    if let (Some(width), Some(height)) = (file["width"].as_u64(), file["height"].as_u64()) {
        facts.push(("pixels", format!("{width} x {height}")));
    }
    output::facts(&facts);
}
