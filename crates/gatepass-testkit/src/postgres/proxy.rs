//! A bad network between a node and its PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How long a connection stays half open, unless the weather changes.
const HOLD_MAX: Duration = Duration::from_secs(20);

/// What it does to connections. Zero for each means that all is well.
#[derive(Default)]
pub struct Weather {
    /// Every so many commits, the answer is dropped and the connection cut.
    pub cut_answer_every: AtomicU32,
    /// Every so many commits, the answer never comes, and the connection stays open.
    pub hold_answer_every: AtomicU32,
    /// Every so many commits, the commit itself never arrives, and the connection stays open.
    pub hold_commit_every: AtomicU32,
    /// Every so many reads of bytes from the node, the connection is cut in the middle of them.
    pub cut_every: AtomicU32,
    /// Milliseconds that every piece takes longer.
    pub delay: AtomicU64,
    /// How often bytes came from the node after bytes had gone to it: round trips.
    pub turns: AtomicU32,
    /// How often something went wrong.
    pub faults: AtomicU32,
    answered: AtomicBool,
    commits: AtomicU32,
    pieces: AtomicU32,
    /// Connections that were made before this many silences are silent.
    silences: AtomicU32,
    cleared: Notify,
}

impl Weather {
    /// Nothing more comes through connections that there are now; they stay open. New ones are well.
    pub fn silence(&self) {
        self.silences.fetch_add(1, Ordering::Relaxed);
    }

    /// All is well from now on: what was half open is cut.
    pub fn clear(&self) {
        let every = [
            &self.cut_answer_every,
            &self.hold_answer_every,
            &self.hold_commit_every,
            &self.cut_every,
        ];
        for every in every {
            every.store(0, Ordering::Relaxed);
        }
        self.delay.store(0, Ordering::Relaxed);
        self.cleared.notify_waiters();
    }

    fn is_due(&self, every: &AtomicU32, count: u32) -> bool {
        let every = every.load(Ordering::Relaxed);
        let due = every > 0 && count.is_multiple_of(every);
        if due {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
        due
    }
}

/// Listens in front of a port of this machine, and returns where.
pub async fn start(to: u16, weather: Arc<Weather>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((node, _)) = listener.accept().await {
            let weather = Arc::clone(&weather);
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                carry(node, server, weather).await;
            });
        }
    });
    port
}

/// How an end of a connection goes on.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Cut,
    Hold,
}

async fn carry(node: TcpStream, server: TcpStream, weather: Arc<Weather>) {
    let (node_reads, node_writes) = node.into_split();
    let (server_reads, server_writes) = server.into_split();
    let silences = weather.silences.load(Ordering::Relaxed);
    let mute = Arc::new(Notify::new());
    let answers = answers(server_reads, node_writes, Arc::clone(&mute), Arc::clone(&weather));
    let answers = tokio::spawn(answers);
    let fate = questions(node_reads, server_writes, &mute, &weather, silences).await;
    if fate == Fate::Hold {
        // Half open: until the node gives up.
        let _ = tokio::time::timeout(HOLD_MAX, weather.cleared.notified()).await;
    }
    answers.abort();
}

/// From the node to the server.
async fn questions(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mute: &Notify,
    weather: &Weather,
    silences: u32,
) -> Fate {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return Fate::Cut };
        let bytes = &buffer[..count];
        if silences < weather.silences.load(Ordering::Relaxed) {
            weather.faults.fetch_add(1, Ordering::Relaxed);
            mute.notify_one();
            return Fate::Hold;
        }
        if weather.answered.swap(false, Ordering::Relaxed) {
            weather.turns.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(weather.delay.load(Ordering::Relaxed))).await;
        let piece = weather.pieces.fetch_add(1, Ordering::Relaxed) + 1;
        if weather.is_due(&weather.cut_every, piece) {
            let _ = to.write_all(&bytes[..count / 2]).await;
            return Fate::Cut;
        }
        if !bytes.windows(7).any(|window| window == b"COMMIT\0") {
            if to.write_all(bytes).await.is_err() {
                return Fate::Cut;
            }
            continue;
        }
        let commit = weather.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if weather.is_due(&weather.hold_commit_every, commit) {
            std::mem::forget(to);
            return Fate::Hold;
        }
        let cut = weather.is_due(&weather.cut_answer_every, commit);
        let hold = weather.is_due(&weather.hold_answer_every, commit);
        if cut || hold {
            mute.notify_one();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if to.write_all(bytes).await.is_err() {
            return Fate::Cut;
        }
        if cut || hold {
            tokio::time::sleep(Duration::from_millis(20)).await;
            return if cut { Fate::Cut } else { Fate::Hold };
        }
    }
}

/// From the server to the node, until told to be mute: then nothing more arrives.
async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mute: Arc<Notify>,
    weather: Arc<Weather>,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = tokio::select! {
            biased;
            () = mute.notified() => break,
            read = from.read(&mut buffer) => read,
        };
        let Ok(count @ 1..) = read else { return };
        weather.answered.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(weather.delay.load(Ordering::Relaxed))).await;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    // Both halves are kept until the connection's fate is decided.
    let _open = (from, to);
    std::future::pending::<()>().await;
}
