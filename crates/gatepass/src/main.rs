//! `gatepass`: the service and its command line.

mod cli;
mod client;
mod commands;
mod files;
mod logging;
mod node;
mod output;
mod policy_args;
mod progress;
mod resume;
mod settings;
mod units;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // One provider for all of TLS; a second installation would be the only way to fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            report(&error, cli.json);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let json = cli.json;
    match &cli.command {
        Command::Serve(serve) => serving_runtime()?.block_on(serve.run(json))?,
        Command::Sign(sign) => sign.run(json)?,
        Command::Put(put) => return runtime()?.block_on(put.run(json)),
        Command::Get(get) => runtime()?.block_on(get.run(json))?,
        Command::Check(check) => return runtime()?.block_on(check.run(json)),
        Command::Keys(keys) => runtime()?.block_on(keys.run(json))?,
        Command::Projects(projects) => runtime()?.block_on(projects.run(json))?,
        Command::Domains(domains) => runtime()?.block_on(domains.run(json))?,
        Command::Rules(rules) => runtime()?.block_on(rules.run(json))?,
        Command::Uploads(uploads) => runtime()?.block_on(uploads.run(json))?,
        Command::Files(files) => return runtime()?.block_on(files.run(json)),
        Command::Doctor(doctor) => return runtime()?.block_on(doctor.run(json)),
        Command::Gc(gc) => runtime()?.block_on(gc.run(json))?,
        Command::Fsck(fsck) => return runtime()?.block_on(fsck.run(json)),
        Command::Backup(backup) => runtime()?.block_on(backup.run(json))?,
        Command::Restore(restore) => runtime()?.block_on(restore.run(json))?,
        Command::Migrate(migrate) => runtime()?.block_on(migrate.run(json))?,
        Command::Health(health) => return runtime()?.block_on(health.run(json)),
        Command::Config(config) => config.run(json)?,
        Command::Completions(completions) => completions.run(),
        Command::MediaWorker => commands::media_worker::run()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Threads that wait for the disk. They are started as needed; what finds none waits for its turn.
/// tokio's own 512 take 25 MB when thousands of slow uploads write at the same moment, and no disk
/// is faster for it.
const BLOCKING_THREADS_MAX: usize = 64;

/// Threads that serve clients, for each processor. Sending a file, the system may wait for the disk
/// in the middle, and a large one keeps a thread for as long as the copying takes: others go on.
const WORKERS_OF_PROCESSOR: usize = 2;

fn serving_runtime() -> anyhow::Result<Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    build(Builder::new_multi_thread().worker_threads(processors * WORKERS_OF_PROCESSOR))
}

fn runtime() -> anyhow::Result<Runtime> {
    build(&mut Builder::new_multi_thread())
}

fn build(builder: &mut Builder) -> anyhow::Result<Runtime> {
    Ok(builder.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build()?)
}

/// One line for people; causes behind it, each once.
fn report(error: &anyhow::Error, json: bool) {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some libraries' errors tell their cause themselves.
        if text.ends_with(&cause) {
            continue;
        }
        let colon = if text.is_empty() { "" } else { ": " };
        text = text + colon + &cause;
    }
    let line = if json {
        serde_json::json!({ "error": facts(error, &text) }).to_string()
    } else {
        format!("gatepass: {text}")
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What programs read of an error: beside its text what the server said, if it was the server's.
fn facts(error: &anyhow::Error, text: &str) -> serde_json::Value {
    use gatepass_client::ClientError::Refused;
    match error.downcast_ref() {
        Some(Refused { status, kind, request_id, .. }) => serde_json::json!({
            "message": text, "kind": kind, "status": status, "request_id": request_id,
        }),
        _ => serde_json::json!({ "message": text }),
    }
}
