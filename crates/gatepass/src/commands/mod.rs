//! One file for each command.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod domains;
pub(crate) mod files;
pub(crate) mod fsck;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod media_worker;
pub(crate) mod migrate;
pub(crate) mod projects;
pub(crate) mod put;
pub(crate) mod restore;
pub(crate) mod rules;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod uploads;

use crate::node::Node;
use crate::settings::{Flags, Settings};

/// The data directory that a command works on, beside a running server or without one.
async fn open(flags: &Flags<true>) -> anyhow::Result<(Settings, Node)> {
    let settings = Settings::resolve(&flags.gather()?)?;
    let node = Node::open(&settings, false).await?;
    Ok((settings, node))
}
