//! Load for the benchmarks, as Gatepass and each of its peers take it. Prints one line of JSON.

mod chunks;
mod content;
mod crowd;
mod first;
mod floor;
mod http;
mod micro;
mod rate;
mod tally;
mod target;

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use target::{Dialect, Target};

#[derive(Parser)]
struct Arguments {
    /// The server
    #[arg(long, global = true, default_value = "127.0.0.1:8080")]
    server: SocketAddr,
    /// How it is spoken to
    #[arg(long, global = true, value_enum, default_value = "gatepass")]
    dialect: Dialect,
    /// Threads of this program
    #[arg(long, global = true, default_value_t = 1)]
    threads: usize,
    /// Also time until everything on this directory's file system is on the disk
    #[arg(long, global = true)]
    sync: Option<PathBuf>,
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Uploads, each to a path of its own
    Put(rate::Rate),
    /// Downloads of files that were uploaded with the same prefix
    Get(rate::Read),
    /// One file in chunks
    Chunks(chunks::Chunks),
    /// Many slow uploads
    Crowd(crowd::Crowd),
    /// From the start of a server to its first upload
    First(first::First),
    /// What the disk allows
    Floor(floor::Floor),
    /// Pure parts of a request, by themselves
    Micro(micro::Micro),
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut report = run(&arguments)?;
    if let Some(directory) = &arguments.sync {
        let begun = Instant::now();
        rustix::fs::syncfs(File::open(directory)?)?;
        let sync = begun.elapsed().as_secs_f64();
        report["durable_seconds"] = json!(report["seconds"].as_f64().unwrap_or(0.0) + sync);
    }
    println!("{report}");
    Ok(())
}

fn run(arguments: &Arguments) -> anyhow::Result<Value> {
    match &arguments.work {
        Work::Floor(work) => floor::run(work),
        Work::Micro(work) => micro::run(work),
        work => runtime(arguments.threads)?.block_on(network(arguments, work)),
    }
}

/// One thread unless told: each switch between threads is taken from the server's share.
fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build()
}

async fn network(arguments: &Arguments, work: &Work) -> anyhow::Result<Value> {
    let target = Arc::new(Target::new(arguments.server, arguments.dialect)?);
    match work {
        Work::Put(work) => rate::put(target, work.clone()).await,
        Work::Get(work) => rate::get(target, work.clone()).await,
        Work::Chunks(work) => chunks::run(target, work.clone()).await,
        Work::Crowd(work) => crowd::run(target, work.clone()).await,
        Work::First(work) => first::run(target, work.clone()).await,
        Work::Floor(_) | Work::Micro(_) => anyhow::bail!("no work for a network"),
    }
}
