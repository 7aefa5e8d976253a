//! The commands and their arguments.

use clap::{Parser, Subcommand};

use crate::commands::{
    backup, check, completions, config, doctor, domains, files, fsck, gc, get, health, keys,
    migrate, projects, put, restore, rules, serve, sign, uploads,
};

/// Self-hosted signed uploads.
#[derive(Debug, Parser)]
#[command(name = "gatepass", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the service
    Serve(serve::Serve),
    /// Make a signed URL
    #[command(subcommand)]
    Sign(sign::Sign),
    /// Upload a file to a signed URL, or to a path
    Put(put::Put),
    /// Download a file from a URL, or from a path
    Get(get::Get),
    /// Explain why a signed URL is accepted or not
    Check(check::Check),
    /// Make, list, pause, resume, revoke and rotate API keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Make, list and change projects
    #[command(subcommand)]
    Projects(projects::Projects),
    /// Add, list and remove domains
    #[command(subcommand)]
    Domains(domains::Domains),
    /// Say who may read what: list, set and remove access rules
    #[command(subcommand)]
    Rules(rules::Rules),
    /// List, show, rename, delete, upload and download files
    #[command(subcommand)]
    Files(files::Files),
    /// List unfinished uploads and give them up
    #[command(subcommand)]
    Uploads(uploads::Uploads),
    /// Look for what is wrong with an installation
    Doctor(doctor::Doctor),
    /// Hold the catalog against the store: is each file there, and is everything known?
    Fsck(fsck::Fsck),
    /// Remove at once what the server sweeps hourly
    Gc(gc::Gc),
    /// Write the catalog into one file, beside a running server or without one
    Backup(backup::Backup),
    /// Fill an empty catalog from a backup
    Restore(restore::Restore),
    /// Move a catalog, and its blobs, into another catalog and store
    Migrate(migrate::Migrate),
    /// Ask a server of this machine whether it can take uploads; for health checks
    Health(health::Health),
    /// Show the settings and where they come from
    #[command(subcommand)]
    Config(config::Config),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Look into files for the server; not for people
    #[command(name = "media-worker", hide = true)]
    MediaWorker,
}
