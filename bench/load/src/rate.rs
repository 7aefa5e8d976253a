//! Many requests by clients that each send the next one when the last was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::http::{Answer, Connection};
use crate::tally::Tally;
use crate::target::{Dialect, Target};

/// Bytes of a `PATCH`: what tus clients commonly send.
const TUS_CHUNK: u64 = 16 << 20;

#[derive(Args, Clone)]
pub(crate) struct Rate {
    /// Bytes of a file
    #[arg(long, default_value_t = 16_384)]
    size: u64,
    /// Clients at once
    #[arg(long, default_value_t = 1)]
    clients: u64,
    /// How long to go on beginning requests
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Most requests; 0 for no bound
    #[arg(long, default_value_t = 0)]
    requests: u64,
    /// Number of the first file
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// What all paths begin with
    #[arg(long, default_value = "bench")]
    prefix: String,
}

#[derive(Args, Clone)]
pub(crate) struct Read {
    #[command(flatten)]
    rate: Rate,
    /// Number of files that are there, of the same prefix
    #[arg(long, default_value_t = 1)]
    files: u64,
    /// Bytes of a range; 0 for whole files
    #[arg(long, default_value_t = 0)]
    range: u64,
}

/// Uploads, each to a path of its own.
pub(crate) async fn put(target: Arc<Target>, rate: Rate) -> anyhow::Result<Value> {
    let next = Arc::new(AtomicU64::new(rate.first));
    run(target, &rate, |_| Work::Put { next: next.clone() }).await
}

/// Downloads of files that are there.
pub(crate) async fn get(target: Arc<Target>, read: Read) -> anyhow::Result<Value> {
    let Read { rate, files, range } = read;
    run(target, &rate, |client| Work::Get { files, range, random: Random::new(client) }).await
}

/// What a client does again and again.
enum Work {
    Put { next: Arc<AtomicU64> },
    Get { files: u64, range: u64, random: Random },
}

impl Work {
    async fn once(
        &mut self,
        target: &Target,
        connection: &mut Connection,
        rate: &Rate,
    ) -> anyhow::Result<u64> {
        match self {
            Self::Put { next } => {
                let name = name(&rate.prefix, next.fetch_add(1, Ordering::Relaxed));
                put_one(target, connection, &name, rate.size).await?;
                Ok(rate.size)
            }
            Self::Get { files, range, random } => {
                let name = name(&rate.prefix, rate.first + random.below(*files));
                let first = random.below(rate.size.saturating_sub(*range) + 1);
                let span = (*range > 0).then_some((first, *range));
                let answer = connection.send(&target.get(&name, span)?, "").await?.success()?;
                let expected = span.map_or(rate.size, |(_, length)| length);
                let length = answer.length;
                anyhow::ensure!(length == expected, "{length} bytes instead of {expected}");
                Ok(length)
            }
        }
    }
}

/// Runs the clients until time or requests are over.
async fn run(
    target: Arc<Target>,
    rate: &Rate,
    work: impl Fn(u64) -> Work,
) -> anyhow::Result<Value> {
    let stop = Arc::new(AtomicBool::new(false));
    let taken = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..rate.clients {
        let (target, rate, work) = (target.clone(), rate.clone(), work(client));
        clients.spawn(one_client(target, rate, work, start, stop.clone(), taken.clone()));
    }
    let seconds = Duration::from_secs_f64(rate.seconds);
    let timer = tokio::spawn(async move {
        tokio::time::sleep(seconds).await;
        stop.store(true, Ordering::Relaxed);
    });
    let mut all = Tally::default();
    while let Some(one) = clients.join_next().await {
        all = all.merge(one??);
    }
    timer.abort();
    all.report(start.elapsed())
}

async fn one_client(
    target: Arc<Target>,
    rate: Rate,
    mut work: Work,
    start: Instant,
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
) -> anyhow::Result<Tally> {
    let bound = if rate.requests == 0 { u64::MAX } else { rate.requests };
    let mut tally = Tally::default();
    let mut connection = Connection::open(target.server).await?;
    while !stop.load(Ordering::Relaxed) && taken.fetch_add(1, Ordering::Relaxed) < bound {
        let begun = Instant::now();
        match work.once(&target, &mut connection, &rate).await {
            Ok(bytes) => tally.add(start, begun, bytes),
            Err(error) => {
                tally.fail(&error)?;
                connection = Connection::open(target.server).await?;
            }
        }
    }
    Ok(tally)
}

/// One upload of a whole file.
pub(crate) async fn put_one(
    target: &Target,
    connection: &mut Connection,
    name: &str,
    size: u64,
) -> anyhow::Result<Answer> {
    if target.dialect == Dialect::Tus && size > TUS_CHUNK {
        let answer = connection.send(&target.tus_create(size, 0, ""), "").await?.success()?;
        let location = answer.location.clone().unwrap_or_default();
        let mut offset = 0;
        while offset < size {
            let length = TUS_CHUNK.min(size - offset);
            let head = target.tus_patch(&location, offset, length);
            connection.upload(&head, length).await?.success()?;
            offset += length;
        }
        return Ok(answer);
    }
    connection.upload(&target.put(name, size)?, size).await?.success()
}

/// Files are spread over 256 folders, as an application's are.
pub(crate) fn name(prefix: &str, number: u64) -> String {
    let folder = number.wrapping_mul(0x9e37_79b9) >> 8 & 0xff;
    format!("{prefix}/{folder:02x}/{number:08}.bin")
}

/// A small generator: which file is read next need not be secret, but the same in each run.
struct Random(u64);

impl Random {
    fn new(client: u64) -> Self {
        Self((client + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }
}
