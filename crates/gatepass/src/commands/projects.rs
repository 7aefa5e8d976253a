use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use gatepass_core::project::Project;
use gatepass_engine::admin::Attempt;
use gatepass_sign::{ACCESS_RULES_MAX, AccessRule, AccessRules, LegacyUrls, Visibility};
use serde_json::{Value, json};

use super::open;
use crate::output;
use crate::settings::Flags;
use crate::units;

#[derive(Debug, Subcommand)]
pub(crate) enum Projects {
    /// List the projects
    #[command(alias = "list")]
    Ls {
        #[command(flatten)]
        flags: Flags<true>,
    },
    /// Make a project
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        flags: Flags<true>,
    },
    /// Change a project's settings
    Set(Set),
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Id or name of the project
    project: String,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// What URLs without a method may do: put, both or off
    #[arg(long)]
    legacy_urls: Option<String>,
    /// Longest life of a signed URL; 0 for no bound
    #[arg(long, value_name = "TIME")]
    max_expiry: Option<String>,
    /// Largest file; 0 for the server's bound
    #[arg(long, value_name = "SIZE")]
    max_file_size: Option<String>,
    /// Make the files within this prefix private; can be given several times
    #[arg(long, value_name = "PREFIX")]
    private: Vec<String>,
    /// Make the files within this prefix public; can be given several times
    #[arg(long, value_name = "PREFIX")]
    public: Vec<String>,
    /// Whether the project answers for every host that is no project's domain
    #[arg(long, value_name = "BOOL")]
    catch_all: Option<bool>,
    #[command(flatten)]
    flags: Flags<true>,
}

impl Projects {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::Ls { flags } => list(flags, as_json).await,
            Self::Create { name, flags } => {
                let (_, node) = open(flags).await?;
                show(&node.admin().create_project(name).await?, as_json);
                Ok(())
            }
            Self::Set(set) => set.run(as_json).await,
        }
    }
}

async fn list(flags: &Flags<true>, as_json: bool) -> anyhow::Result<()> {
    let (_, node) = open(flags).await?;
    let projects = node.admin().settings().await?.projects;
    if as_json {
        output::json(&Value::Array(projects.iter().map(view).collect()));
        return Ok(());
    }
    let row = |project: &Project| {
        let private: Vec<&str> = rules(project, Visibility::Private);
        vec![
            project.id.to_string(),
            project.name.clone(),
            if project.catch_all { "any other" } else { "its domains" }.to_owned(),
            private.join(" "),
        ]
    };
    let rows: Vec<_> = projects.iter().map(row).collect();
    output::table(&["id", "name", "hosts", "private"], &rows);
    Ok(())
}

fn rules(project: &Project, wanted: Visibility) -> Vec<&str> {
    let rules = project.access_rules.as_slice().iter();
    rules.filter(|rule| rule.visibility == wanted).map(|rule| rule.prefix.as_str()).collect()
}

impl Set {
    async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let (_, node) = open(&self.flags).await?;
        let admin = node.admin();
        let edit = |project: &mut Project, attempt: Attempt<'_>| self.edit(project, attempt);
        show(&admin.change_project(&self.project, edit).await?, as_json);
        Ok(())
    }

    fn edit(&self, project: &mut Project, attempt: Attempt<'_>) -> anyhow::Result<()> {
        if let Some(name) = &self.name {
            project.name.clone_from(name);
        }
        if let Some(text) = &self.legacy_urls {
            project.legacy_urls = legacy_urls(text)?;
        }
        if let Some(text) = &self.max_expiry {
            project.max_expiry_seconds = match text.as_str() {
                "0" => None,
                text => Some(units::parse_duration(text)?.as_secs()),
            };
        }
        if let Some(text) = &self.max_file_size {
            project.file_bytes_max = Some(units::parse_size(text)?).filter(|bytes| *bytes > 0);
        }
        if let Some(catch_all) = self.catch_all {
            let all = &attempt.settings.projects;
            let other = all.iter().find(|other| other.catch_all && other.id != project.id);
            if let Some(other) = other.filter(|_| catch_all) {
                bail!(
                    "{} answers for all other hosts: take that from it first, with --catch-all false",
                    other.name
                );
            }
            project.catch_all = catch_all;
        }
        project.access_rules = self.changed_rules(&project.access_rules)?;
        Ok(())
    }

    fn changed_rules(&self, old: &AccessRules) -> anyhow::Result<AccessRules> {
        let private = self.private.iter().map(|prefix| (prefix, Visibility::Private));
        let public = self.public.iter().map(|prefix| (prefix, Visibility::Public));
        let mut rules = old.clone();
        for (prefix, visibility) in private.chain(public) {
            let rule = AccessRule::new(prefix, visibility)
                .with_context(|| format!("{prefix:?} is no prefix of a path"))?;
            rules = rules.with(rule);
        }
        if rules.as_slice().len() > ACCESS_RULES_MAX {
            bail!("a project has at most {ACCESS_RULES_MAX} access rules");
        }
        Ok(rules)
    }
}

fn legacy_urls(text: &str) -> anyhow::Result<LegacyUrls> {
    match text {
        "put" => Ok(LegacyUrls::Put),
        "both" => Ok(LegacyUrls::Both),
        "off" => Ok(LegacyUrls::Off),
        _ => bail!("--legacy-urls takes put, both or off"),
    }
}

fn view(project: &Project) -> Value {
    json!({
        "id": project.id,
        "name": project.name,
        "catch_all": project.catch_all,
        "legacy_urls": project.legacy_urls,
        "max_expiry_seconds": project.max_expiry_seconds,
        "max_file_bytes": project.file_bytes_max,
        "access_rules": project.access_rules,
        "created": project.created.to_string(),
    })
}

fn show(project: &Project, as_json: bool) {
    if as_json {
        output::json(&view(project));
        return;
    }
    let expiry = project.max_expiry_seconds.map_or("no bound".to_owned(), units::show_seconds);
    let size = project.file_bytes_max.map_or("the server's".to_owned(), units::show_size);
    output::facts(&[
        ("id", project.id.to_string()),
        ("name", project.name.clone()),
        ("old URLs", project.legacy_urls.as_str().to_owned()),
        ("longest expiry", expiry),
        ("largest file", size),
        ("private", rules(project, Visibility::Private).join(" ")),
        ("public", rules(project, Visibility::Public).join(" ")),
    ]);
}
