//! `gatepass files`: the files of a project, in the data directory itself.

mod show;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use gatepass_core::condition::Conditions;
use gatepass_core::file_change::{ChangeRefusal, Edit, FileChange};
use gatepass_core::port::{
    ChangeError, ChangeFile, Clock as _, ListFiles, RemoveError, RemoveFile,
};
use gatepass_core::project::Project;
use gatepass_core::{File, FileId};
use serde_json::{Value, json};

use super::{get, open, put};
use crate::client::object_path;
use crate::node::{Node, SystemClock};
use crate::output;
use crate::settings::{Flags, Settings};

#[derive(Debug, Subcommand)]
pub(crate) enum Files {
    /// List files, newest first, or, with a prefix, by path
    #[command(alias = "list")]
    Ls {
        /// Only files whose path starts with this
        #[arg(default_value = "")]
        prefix: String,
        /// Most files to list
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Page of the list, from 1
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        page: u64,
        #[command(flatten)]
        place: Place,
    },
    /// Show what is known of a file
    #[command(alias = "show")]
    Info {
        /// Path or id of the file
        file: String,
        #[command(flatten)]
        place: Place,
    },
    /// Delete files
    #[command(alias = "remove", alias = "delete")]
    Rm {
        /// Paths or ids of the files
        #[arg(required = true)]
        files: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Rename a file; its id stays, its old URL ends
    #[command(alias = "rename")]
    Mv {
        /// Path or id of the file
        from: String,
        /// Its new path; one that ends in / is a folder for it
        to: String,
        #[command(flatten)]
        place: Place,
    },
    /// Upload a file: the same as gatepass put
    Put(put::Put),
    /// Download a file: the same as gatepass get
    Get(get::Get),
}

/// Where the files are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Id or name of the project
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    flags: Flags<true>,
}

/// A project's files, opened.
struct Opened {
    settings: Settings,
    node: Node,
    project: Project,
}

impl Place {
    async fn open(&self) -> anyhow::Result<Opened> {
        let (settings, node) = open(&self.flags).await?;
        let project = node.admin().find_project(self.project.as_deref()).await?;
        Ok(Opened { settings, node, project })
    }
}

impl Files {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        match self {
            Self::Ls { prefix, limit, page, place } => {
                let offset = page.saturating_sub(1).saturating_mul(*limit);
                let (prefix, limit) = (prefix.clone(), *limit);
                let list = ListFiles { prefix, offset, limit, ..ListFiles::default() };
                list_files(&place.open().await?, &list, as_json).await?;
            }
            Self::Info { file, place } => info(&place.open().await?, file, as_json).await?,
            Self::Rm { files, place } => remove(&place.open().await?, files, as_json).await?,
            Self::Mv { from, to, place } => rename(&place.open().await?, from, to, as_json).await?,
            Self::Put(put) => return put.run(as_json).await,
            Self::Get(get) => get.run(as_json).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Opened {
    /// The file with this id or at this path.
    async fn find(&self, wanted: &str) -> anyhow::Result<File> {
        let (catalog, project) = (&self.node.catalog, &self.project.id);
        if wanted.starts_with("file_") {
            let found = catalog.find_file_by_id(project, &FileId::from_text(wanted)).await?;
            if let Some(file) = found {
                return Ok(file);
            }
        }
        let found = catalog.find_file(project, &object_path(wanted)?).await?;
        found.with_context(|| self.nothing_at(wanted))
    }

    fn nothing_at(&self, wanted: &str) -> String {
        let name = &self.project.name;
        format!("project {name} has no file {wanted:?}; `gatepass files ls` shows those it has")
    }

    /// Scheme and host by which the project's files are linked.
    async fn public_url(&self) -> anyhow::Result<String> {
        let domains = self.node.admin().settings().await?.domains;
        let own = domains.into_iter().find(|domain| domain.project == self.project.id);
        let default = || format!("http://{}", self.settings.listen);
        Ok(match own {
            Some(domain) => domain.public_url,
            None => self.settings.public_url.clone().unwrap_or_else(default),
        })
    }
}

async fn list_files(at: &Opened, list: &ListFiles, as_json: bool) -> anyhow::Result<()> {
    let page = at.node.catalog.list_files(&at.project.id, list).await?;
    if as_json {
        let files: Vec<Value> = page.files.iter().map(show::json_of).collect();
        output::json(&json!({ "files": files, "total": page.total }));
        return Ok(());
    }
    show::table(&page.files);
    let shown = page.files.len() as u64;
    output::line(&format!("{shown} of {}", page.total));
    let next = list.offset.saturating_add(list.limit);
    if shown > 0 && next < page.total {
        let number = next / list.limit.max(1) + 1;
        output::line(&format!("more: --page {number}"));
    }
    Ok(())
}

async fn info(at: &Opened, wanted: &str, as_json: bool) -> anyhow::Result<()> {
    let file = at.find(wanted).await?;
    let url = format!("{}/{}", at.public_url().await?, file.path.to_encoded());
    if as_json {
        let mut value = show::json_of(&file);
        value["url"] = url.into();
        output::json(&value);
    } else {
        output::facts(&show::facts(&file, url));
    }
    Ok(())
}

/// All are looked for before any is deleted.
async fn remove(at: &Opened, wanted: &[String], as_json: bool) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for wanted in wanted {
        files.push(at.find(wanted).await?);
    }
    let mut removed = Vec::new();
    for file in &files {
        let remove = RemoveFile {
            project: at.project.id.clone(),
            id: file.id.clone(),
            within: String::new(),
            conditions: Conditions::default(),
            now: SystemClock.now(),
        };
        match at.node.catalog.remove_file_by_id(remove).await {
            Ok(file) => removed.push(file),
            // Named twice, or somebody else was faster.
            Err(RemoveError::NotFound) => {}
            Err(error) => return Err(error).context(format!("{} is not deleted", file.path)),
        }
        if !as_json {
            output::line(&format!("deleted {}", file.path));
        }
    }
    if as_json {
        output::json(&json!({ "deleted": removed.iter().map(show::json_of).collect::<Vec<_>>() }));
    }
    Ok(())
}

async fn rename(at: &Opened, from: &str, to: &str, as_json: bool) -> anyhow::Result<()> {
    let old = at.find(from).await?;
    let change = ChangeFile {
        project: at.project.id.clone(),
        id: old.id.clone(),
        within: String::new(),
        change: new_place(to),
        conditions: Conditions::default(),
        now: SystemClock.now(),
    };
    let new = match at.node.catalog.change_file(change).await {
        Ok(file) => file,
        Err(ChangeError::NotFound) => bail!(at.nothing_at(from)),
        Err(ChangeError::Refused(ChangeRefusal::FileExists)) => bail!(
            "a file is at {to:?} already: choose another path, or delete it first with \
             `gatepass files rm`"
        ),
        Err(error) => return Err(error).context(format!("{from:?} is not renamed to {to:?}")),
    };
    if as_json {
        output::json(&show::json_of(&new));
    } else {
        output::line(&format!("{} -> {}", old.path, new.path));
    }
    Ok(())
}

/// A path that ends in a slash is a folder; the filename stays then.
fn new_place(to: &str) -> FileChange {
    let (folder, filename) = to.rsplit_once('/').unwrap_or(("", to));
    let filename = if filename.is_empty() { Edit::Keep } else { Edit::Set(filename.to_owned()) };
    FileChange { folder: Edit::Set(folder.to_owned()), filename, ..FileChange::default() }
}
