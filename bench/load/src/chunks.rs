//! One file in chunks, several at once, as each kind of server takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::http::{Answer, Connection};
use crate::target::{Dialect, Target};

#[derive(Args, Clone)]
pub(crate) struct Chunks {
    /// Bytes of the file
    #[arg(long, default_value_t = 256 << 20)]
    size: u64,
    /// Bytes of a chunk
    #[arg(long, default_value_t = 16 << 20)]
    chunk: u64,
    /// Chunks at once
    #[arg(long, default_value_t = 4)]
    clients: u64,
    /// Bytes that are kept back of a file whose last chunk completes it, to time that call by
    /// itself; with 0 whichever chunk comes last completes it
    #[arg(long, default_value_t = 64 << 10)]
    last: u64,
    /// Its path
    #[arg(long, default_value = "bench/large.bin")]
    name: String,
}

/// What a server's protocol makes of it.
enum Way {
    /// `Content-Range`, to one path; the last chunk completes it.
    Ranges,
    /// As so many files: nothing completes them.
    Files,
    /// S3's multipart upload, by its id.
    Multipart(String),
    /// tus: an upload for each client, which are joined.
    Partial { locations: Vec<String>, each: u64 },
}

struct Upload {
    target: Arc<Target>,
    chunks: Chunks,
    way: Way,
    /// Bytes that the clients send: all but what is kept back.
    body: u64,
    next: AtomicU64,
}

/// Uploads the file; reports when all bytes were acknowledged, and how long completing it took.
pub(crate) async fn run(target: Arc<Target>, chunks: Chunks) -> anyhow::Result<Value> {
    let start = Instant::now();
    let mut connection = Connection::open(target.server).await?;
    let way = begin(&target, &chunks, &mut connection).await?;
    let kept_back = if matches!(way, Way::Ranges) { chunks.last } else { 0 };
    let body = chunks.size - kept_back;
    let upload = Arc::new(Upload { target, chunks, way, body, next: AtomicU64::new(0) });
    let mut clients = JoinSet::new();
    for client in 0..upload.chunks.clients {
        clients.spawn(send(upload.clone(), client));
    }
    let mut tags = Vec::new();
    while let Some(one) = clients.join_next().await {
        tags.extend(one??);
    }
    tags.sort();
    let sent = start.elapsed();
    // A new one: servers end those that were silent for long.
    let mut connection = Connection::open(upload.target.server).await?;
    let finish = finish(&upload, &mut connection, tags).await?;
    Ok(json!({
        "seconds": start.elapsed().as_secs_f64(),
        "sent_seconds": sent.as_secs_f64(),
        "finish_ms": finish,
        "bytes": upload.chunks.size,
        "requests": upload.count(),
    }))
}

async fn begin(
    target: &Target,
    chunks: &Chunks,
    connection: &mut Connection,
) -> anyhow::Result<Way> {
    Ok(match target.dialect {
        Dialect::Gatepass => Way::Ranges,
        Dialect::Plain | Dialect::SecureLink => Way::Files,
        Dialect::S3 => {
            let answer = connection.send(&target.s3_begin(&chunks.name)?, "").await?.success()?;
            Way::Multipart(Target::s3_upload_id(&answer.body)?)
        }
        Dialect::Tus => {
            let whole = chunks.size.div_ceil(chunks.chunk).div_ceil(chunks.clients);
            let each = whole * chunks.chunk;
            let mut locations = Vec::new();
            for first in (0..chunks.size).step_by(usize::try_from(each)?) {
                let length = each.min(chunks.size - first);
                let head = target.tus_create(length, 0, "Upload-Concat: partial\r\n");
                let answer = connection.send(&head, "").await?.success()?;
                locations.push(answer.location.unwrap_or_default());
            }
            Way::Partial { locations, each }
        }
    })
}

/// Sends chunks until none is left; returns the entity tag of each.
async fn send(upload: Arc<Upload>, client: u64) -> anyhow::Result<Vec<(u64, String)>> {
    let mut connection = Connection::open(upload.target.server).await?;
    let mut tags = Vec::new();
    let mut own = 0;
    while let Some(number) = upload.take(client, &mut own) {
        let (first, end) = upload.span(number);
        let head = upload.head(number, first, end)?;
        let answer = connection.upload(&head, end - first).await?.success()?;
        tags.push((number, answer.etag.unwrap_or_default()));
    }
    Ok(tags)
}

impl Upload {
    fn count(&self) -> u64 {
        self.body.div_ceil(self.chunks.chunk)
    }

    /// Number of the chunk that a client sends next.
    fn take(&self, client: u64, own: &mut u64) -> Option<u64> {
        let number = match &self.way {
            Way::Partial { each, .. } => {
                let count = each / self.chunks.chunk;
                *own += 1;
                (*own <= count).then_some(client * count + *own - 1)?
            }
            _ => self.next.fetch_add(1, Ordering::Relaxed),
        };
        (number < self.count()).then_some(number)
    }

    fn span(&self, number: u64) -> (u64, u64) {
        let first = number * self.chunks.chunk;
        (first, (first + self.chunks.chunk).min(self.body))
    }

    fn head(&self, number: u64, first: u64, end: u64) -> anyhow::Result<String> {
        let (target, name) = (&self.target, &self.chunks.name);
        match &self.way {
            Way::Ranges => target.range(name, first, end, self.chunks.size),
            Way::Files => target.put(&format!("{name}.{number}"), end - first),
            Way::Multipart(id) => target.s3_part(name, u16::try_from(number + 1)?, id, end - first),
            Way::Partial { locations, each } => {
                let location = &locations[usize::try_from(first / each)?];
                Ok(target.tus_patch(location, first % each, end - first))
            }
        }
    }
}

/// Completes the file; returns the milliseconds from the last byte of that call to its answer.
async fn finish(
    upload: &Upload,
    connection: &mut Connection,
    tags: Vec<(u64, String)>,
) -> anyhow::Result<Option<f64>> {
    let (target, name, size) = (&upload.target, &upload.chunks.name, upload.chunks.size);
    let answer: Answer = match &upload.way {
        Way::Files => return Ok(None),
        Way::Ranges if upload.body == size => return Ok(None),
        Way::Ranges => {
            let last = size - upload.body;
            connection.upload(&target.range(name, upload.body, size, size)?, last).await?
        }
        Way::Multipart(id) => {
            let tags: Vec<_> = tags.into_iter().map(|(_, tag)| tag).collect();
            let (head, body) = target.s3_complete(name, id, &tags)?;
            connection.send(&head, &body).await?
        }
        Way::Partial { locations, .. } => connection.send(&target.tus_join(locations), "").await?,
    };
    let taken = connection.sent.elapsed();
    let answer = answer.success()?;
    let text = String::from_utf8_lossy(&answer.body);
    anyhow::ensure!(!text.contains("<Error>"), "not completed: {text}");
    Ok(Some(taken.as_secs_f64() * 1_000.0))
}
