use anyhow::{Context as _, bail};
use clap::Subcommand;
use gatepass_core::port::{Clock as _, EndUpload, ListUploads};
use gatepass_core::{Upload, UploadId, UploadStatus};
use serde_json::{Value, json};

use super::open;
use crate::node::SystemClock;
use crate::output;
use crate::settings::Flags;
use crate::units::show_size;

#[derive(Debug, Subcommand)]
pub(crate) enum Uploads {
    /// List unfinished uploads, newest first
    #[command(alias = "list")]
    Ls {
        /// Most uploads to list
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Page of the list, from 1
        #[arg(long, default_value_t = 1)]
        page: u64,
        /// Id or name of the project
        #[arg(long)]
        project: Option<String>,
        #[command(flatten)]
        flags: Flags<true>,
    },
    /// Give an unfinished upload up; its bytes go
    #[command(alias = "remove")]
    Rm {
        /// Id of the upload
        id: String,
        /// Id or name of the project
        #[arg(long)]
        project: Option<String>,
        #[command(flatten)]
        flags: Flags<true>,
    },
}

impl Uploads {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::Ls { limit, page, project, flags } => {
                let offset = page.saturating_sub(1).saturating_mul(*limit);
                list(project.as_deref(), offset, *limit, flags, as_json).await
            }
            Self::Rm { id, project, flags } => remove(id, project.as_deref(), flags, as_json).await,
        }
    }
}

async fn list(
    project: Option<&str>,
    offset: u64,
    limit: u64,
    flags: &Flags<true>,
    as_json: bool,
) -> anyhow::Result<()> {
    let (_, node) = open(flags).await?;
    let project = node.admin().find_project(project).await?;
    let list = ListUploads { within: String::new(), offset, limit };
    let page = node.catalog.list_uploads(&project.id, &list).await?;
    if as_json {
        let uploads: Vec<Value> = page.uploads.iter().map(view).collect();
        output::json(&json!({ "uploads": uploads, "total": page.total }));
        return Ok(());
    }
    let row = |upload: &Upload| {
        vec![
            upload.path.to_string(),
            show_size(upload.parts.received()),
            upload.total.map_or("?".to_owned(), show_size),
            upload.updated.to_string(),
            upload.expires.to_string(),
            upload.id.as_str().to_owned(),
        ]
    };
    let rows: Vec<_> = page.uploads.iter().map(row).collect();
    output::table(&["path", "received", "of", "updated", "expires", "id"], &rows);
    output::line(&format!("{} of {}", page.uploads.len(), page.total));
    Ok(())
}

async fn remove(
    id: &str,
    project: Option<&str>,
    flags: &Flags<true>,
    as_json: bool,
) -> anyhow::Result<()> {
    let (_, node) = open(flags).await?;
    let project = node.admin().find_project(project).await?;
    let id = UploadId::parse(id).context("an upload's id is upl_ and 26 characters")?;
    let found = node.catalog.find_upload_by_id(&project.id, &id).await?;
    let upload = found.with_context(|| format!("{} has no such upload", project.name))?;
    let remember = gatepass_core::limits::Limits::default().upload_remember;
    let end = EndUpload { id, status: UploadStatus::Aborted, now: SystemClock.now(), remember };
    let ended = node.catalog.end_upload(end).await?;
    if ended.status != UploadStatus::Aborted {
        bail!("the upload to {} is {} already", upload.path, ended.status.as_str());
    }
    if as_json {
        output::json(&view(&ended));
    } else {
        output::line(&format!("the upload to {} is given up", upload.path));
    }
    Ok(())
}

fn view(upload: &Upload) -> Value {
    json!({
        "id": upload.id.as_str(),
        "path": upload.path.as_str(),
        "status": upload.status.as_str(),
        "received": upload.parts.received(),
        "size": upload.total,
        "created": upload.created.to_string(),
        "updated": upload.updated.to_string(),
        "expires": upload.expires.to_string(),
    })
}
