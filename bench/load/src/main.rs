//! Load for the benchmarks. Each client is a thread with one connection that it keeps, and sends
//! the next request when the last is answered. Prints one line of JSON.

mod floor;
mod http;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde_json::json;

use http::Connection;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    work: Work,
    /// Bytes of a request
    #[arg(long, global = true, default_value_t = 16_384)]
    size: u64,
    /// Clients at once
    #[arg(long, global = true, default_value_t = 1)]
    clients: usize,
    /// How long to go on beginning requests
    #[arg(long, global = true, default_value_t = 1.0)]
    seconds: f64,
    /// Most requests of a client; 0 for no bound
    #[arg(long, global = true, default_value_t = 0)]
    requests: u64,
}

#[derive(Subcommand, Clone)]
enum Work {
    /// PUT to a path of its own each time, signed if `GATEPASS_API_KEY` is set
    Put { server: SocketAddr },
    /// GET of a path
    Get { server: SocketAddr, path: String },
    /// What the disk allows: create, write, fdatasync, fsync of the directory
    Floor { directory: PathBuf },
}

/// What one client did.
#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    bytes: u64,
    errors: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..arguments.clients)
            .map(|client| {
                let (arguments, stop) = (&arguments, &stop);
                scope.spawn(move || run(arguments, client, stop))
            })
            .collect();
        while begun.elapsed().as_secs_f64() < arguments.seconds
            && !clients.iter().all(std::thread::ScopedJoinHandle::is_finished)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::SeqCst);
        clients
            .into_iter()
            .map(|client| client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?)
            .collect::<anyhow::Result<_>>()
    })?;
    report(&arguments, begun.elapsed(), &tallies)
}

fn run(arguments: &Arguments, client: usize, stop: &AtomicBool) -> anyhow::Result<Tally> {
    let mut work = Client::new(arguments, client)?;
    let mut tally = Tally::default();
    let mut number = 0;
    loop {
        let begun = Instant::now();
        match work.once(number) {
            Ok(bytes) => {
                tally.latencies.push(begun.elapsed());
                tally.bytes += bytes;
            }
            Err(error) => {
                tally.errors += 1;
                anyhow::ensure!(tally.errors < 10, "{error:#}");
                work = Client::new(arguments, client)?;
            }
        }
        number += 1;
        let enough = arguments.requests > 0 && number >= arguments.requests;
        if enough || stop.load(Ordering::Relaxed) {
            return Ok(tally);
        }
    }
}

/// One client's side of the work.
enum Client {
    Put { connection: Connection, size: u64, name: String },
    Get { connection: Connection, path: String },
    Floor(floor::Writer),
}

impl Client {
    fn new(arguments: &Arguments, client: usize) -> anyhow::Result<Self> {
        let size = arguments.size;
        let name = format!("bench/{}-{client}", std::process::id());
        Ok(match &arguments.work {
            Work::Put { server } => {
                Self::Put { connection: Connection::open(*server)?, size, name }
            }
            Work::Get { server, path } => {
                Self::Get { connection: Connection::open(*server)?, path: path.clone() }
            }
            Work::Floor { directory } => {
                Self::Floor(floor::Writer::new(directory, client, size).context("floor")?)
            }
        })
    }

    fn once(&mut self, number: u64) -> anyhow::Result<u64> {
        match self {
            Self::Put { connection, size, name } => {
                connection.put(&format!("{name}-{number}"), *size)
            }
            Self::Get { connection, path } => connection.get(path),
            Self::Floor(writer) => Ok(writer.write(number)?),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the report is the output")]
fn report(arguments: &Arguments, elapsed: Duration, tallies: &[Tally]) -> anyhow::Result<()> {
    let mut latencies: Vec<Duration> =
        tallies.iter().flat_map(|tally| tally.latencies.iter().copied()).collect();
    latencies.sort_unstable();
    anyhow::ensure!(!latencies.is_empty(), "no request succeeded");
    let at = |share: usize| {
        let index = (latencies.len() * share / 100).min(latencies.len() - 1);
        latencies[index].as_secs_f64() * 1_000.0
    };
    let bytes: u64 = tallies.iter().map(|tally| tally.bytes).sum();
    let report = json!({
        "clients": arguments.clients,
        "size": arguments.size,
        "seconds": elapsed.as_secs_f64(),
        "requests": latencies.len(),
        "errors": tallies.iter().map(|tally| tally.errors).sum::<u64>(),
        "bytes": bytes,
        "p50_ms": at(50),
        "p95_ms": at(95),
        "p99_ms": at(99),
    });
    println!("{report}");
    Ok(())
}
