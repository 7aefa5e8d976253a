use clap::{Args, Subcommand};
use gatepass_core::project::Domain;
use serde_json::{Value, json};

use super::open;
use crate::output;
use crate::settings::Flags;

#[derive(Debug, Subcommand)]
pub(crate) enum Domains {
    /// List the domains
    #[command(alias = "list")]
    Ls {
        #[command(flatten)]
        flags: Flags<true>,
    },
    /// Give a host to a project
    Add(Add),
    /// Take a host away
    #[command(alias = "remove")]
    Rm {
        /// The host
        host: String,
        #[command(flatten)]
        flags: Flags<true>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The host, with its port if it is not the scheme's own
    host: String,
    /// Scheme and host by which files are linked; https:// and the host if not given
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Id or name of the project
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    flags: Flags<true>,
}

impl Domains {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::Ls { flags } => list(flags, as_json).await,
            Self::Add(add) => add.run(as_json).await,
            Self::Rm { host, flags } => {
                let (_, node) = open(flags).await?;
                node.admin().remove_domain(host).await?;
                if as_json {
                    output::json(&json!({ "removed": host }));
                } else {
                    output::line(&format!("{host} is removed"));
                }
                Ok(())
            }
        }
    }
}

impl Add {
    async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let (_, node) = open(&self.flags).await?;
        let admin = node.admin();
        let project = admin.find_project(self.project.as_deref()).await?;
        let domain = admin.add_domain(&project.id, &self.host, self.link.as_deref()).await?;
        if as_json {
            output::json(&view(&domain));
        } else {
            output::line(&format!(
                "{} serves {} as {}",
                domain.host, project.name, domain.public_url
            ));
        }
        Ok(())
    }
}

async fn list(flags: &Flags<true>, as_json: bool) -> anyhow::Result<()> {
    let (_, node) = open(flags).await?;
    let domains = node.admin().settings().await?.domains;
    if as_json {
        output::json(&Value::Array(domains.iter().map(view).collect()));
        return Ok(());
    }
    let row = |domain: &Domain| {
        vec![domain.host.clone(), domain.project.to_string(), domain.public_url.clone()]
    };
    output::table(&["host", "project", "links"], &domains.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn view(domain: &Domain) -> Value {
    json!({
        "host": domain.host,
        "project": domain.project,
        "public_url": domain.public_url,
        "created": domain.created.to_string(),
    })
}
