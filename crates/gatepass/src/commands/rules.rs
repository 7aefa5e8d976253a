use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use gatepass_core::project::Project;
use gatepass_sign::{AccessRule, Visibility};
use serde_json::{Value, json};

use super::open;
use crate::output;
use crate::settings::Flags;

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// List the rules, longest prefix first
    #[command(alias = "list")]
    Ls(Ls),
    /// Make the files within a prefix public or private
    Set(Set),
    /// Take a rule away
    #[command(alias = "remove")]
    Rm(Rm),
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The prefix, such as private/; "" for all files
    prefix: String,
    /// public or private
    visibility: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The prefix, as the rule has it
    prefix: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Id or name of the project
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    flags: Flags<true>,
}

impl Rules {
    pub(crate) async fn run(&self, as_json: bool) -> anyhow::Result<()> {
        let (Self::Ls(Ls { common }) | Self::Set(Set { common, .. }) | Self::Rm(Rm { common, .. })) =
            self;
        let (_, node) = open(&common.flags).await?;
        let admin = node.admin();
        let project = admin.find_project(common.project.as_deref()).await?;
        let project = match self {
            Self::Ls(_) => project,
            Self::Set(set) => admin.put_rule(&project.id, set.rule()?).await?,
            Self::Rm(rm) => admin.remove_rule(&project.id, &rm.prefix).await?,
        };
        show(&project, as_json);
        Ok(())
    }
}

impl Set {
    fn rule(&self) -> anyhow::Result<AccessRule> {
        let visibility = match self.visibility.as_str() {
            "public" => Visibility::Public,
            "private" => Visibility::Private,
            _ => bail!("a rule is public or private"),
        };
        AccessRule::new(&self.prefix, visibility)
            .with_context(|| format!("{:?} is no prefix of a path", self.prefix))
    }
}

fn show(project: &Project, as_json: bool) {
    let rules = project.access_rules.as_slice();
    if as_json {
        output::json(&Value::Array(rules.iter().map(view).collect()));
        return;
    }
    let row = |rule: &AccessRule| vec![rule.prefix.clone(), rule.visibility.as_str().to_owned()];
    output::table(&["prefix", "visibility"], &rules.iter().map(row).collect::<Vec<_>>());
}

fn view(rule: &AccessRule) -> Value {
    json!({ "prefix": rule.prefix, "visibility": rule.visibility })
}
