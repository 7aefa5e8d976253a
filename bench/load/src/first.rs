//! From the start of a process to the first upload that it accepts.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::http::Connection;
use crate::rate::put_one;
use crate::target::Target;

const LONGEST: Duration = Duration::from_secs(30);
const SIZE: u64 = 16 << 10;

#[derive(Args, Clone)]
pub(crate) struct First {
    /// The server's command line
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Starts the server, asks until it takes an upload, and stops it.
pub(crate) async fn run(target: Arc<Target>, first: First) -> anyhow::Result<Value> {
    let (program, arguments) = first.command.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut server = command.spawn()?;
    let taken = accepted(&target, begun).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let resident = resident_kib(server.id());
    if let Some(pid) = i32::try_from(server.id()).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::TERM)?;
    }
    server.wait()?;
    Ok(json!({ "first_ms": taken?.as_secs_f64() * 1_000.0, "idle_kib": resident }))
}

async fn accepted(target: &Target, begun: Instant) -> anyhow::Result<Duration> {
    // A name that no earlier run has used.
    let name = format!("first/{}.bin", std::process::id());
    loop {
        let tried = try_once(target, &name).await;
        match tried {
            Ok(()) => return Ok(begun.elapsed()),
            Err(error) if begun.elapsed() > LONGEST => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_micros(300)).await,
        }
    }
}

async fn try_once(target: &Target, name: &str) -> anyhow::Result<()> {
    let mut connection = Connection::open(target.server).await?;
    put_one(target, &mut connection, name, SIZE).await?;
    Ok(())
}

/// Of a process and those that it has started.
#[expect(clippy::disallowed_methods, reason = "these are no files of the service")]
fn resident_kib(process: u32) -> Option<u64> {
    let directory = format!("/proc/{process}");
    let status = std::fs::read_to_string(format!("{directory}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let own: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    let children = std::fs::read_to_string(format!("{directory}/task/{process}/children")).ok()?;
    let below = children.split_whitespace().filter_map(|child| resident_kib(child.parse().ok()?));
    Some(own + below.sum::<u64>())
}
