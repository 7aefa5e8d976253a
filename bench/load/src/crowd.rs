//! Many connections that upload at a trickle, or do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::target::Target;

/// Connections that are being opened at once.
const OPENING: usize = 64;
/// Longer than any run: nobody finishes.
const BODY_SECONDS: u64 = 3_600;

#[derive(Args, Clone)]
pub(crate) struct Crowd {
    /// Connections
    #[arg(long, default_value_t = 1_000)]
    clients: u64,
    /// Bytes that each sends in a second; 0 for connections that are idle after one request
    #[arg(long, default_value_t = 1_024)]
    rate: u64,
}

#[derive(Default)]
struct State {
    open: AtomicU64,
    gone: AtomicU64,
    stop: AtomicBool,
}

/// Opens the connections, prints how many there are, and keeps them until standard input ends.
#[expect(clippy::print_stdout, reason = "whoever runs it waits for this line")]
pub(crate) async fn run(target: Arc<Target>, crowd: Crowd) -> anyhow::Result<Value> {
    let state = Arc::new(State::default());
    let opening = Arc::new(Semaphore::new(OPENING));
    let mut clients = JoinSet::new();
    for number in 0..crowd.clients {
        let (target, crowd, state, opening) =
            (target.clone(), crowd.clone(), state.clone(), opening.clone());
        clients.spawn(async move {
            if one(&target, &crowd, number, &state, &opening).await.is_err() {
                state.gone.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    while state.open.load(Ordering::SeqCst) + state.gone.load(Ordering::SeqCst) < crowd.clients {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{}", json!({ "open": state.open.load(Ordering::SeqCst) }));
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    state.stop.store(true, Ordering::SeqCst);
    let alive = crowd.clients - state.gone.load(Ordering::SeqCst);
    clients.abort_all();
    Ok(json!({ "clients": crowd.clients, "alive": alive }))
}

/// One connection; an error when the server ends it or answers.
async fn one(
    target: &Target,
    crowd: &Crowd,
    number: u64,
    state: &State,
    opening: &Semaphore,
) -> anyhow::Result<()> {
    let permit = opening.acquire().await?;
    let mut stream = TcpStream::connect(target.server).await?;
    if crowd.rate == 0 {
        stream.write_all(target.get("none.bin", None)?.as_bytes()).await?;
        let count = stream.read(&mut [0; 4_096]).await?;
        anyhow::ensure!(count > 0, "the connection ended");
    } else {
        let name = crate::rate::name("slow", number);
        let head = target.put(&name, crowd.rate * BODY_SECONDS)?;
        stream.write_all(head.as_bytes()).await?;
    }
    drop(permit);
    state.open.fetch_add(1, Ordering::SeqCst);
    // The phase differs from one to the next, so that the load is even.
    tokio::time::sleep(Duration::from_millis(number * 7_919 % 1_000)).await;
    let piece = vec![b'x'; usize::try_from(crowd.rate)?];
    let mut answer = [0; 256];
    while !state.stop.load(Ordering::SeqCst) {
        stream.write_all(&piece).await?;
        tokio::select! {
            read = stream.read(&mut answer) => {
                anyhow::bail!("the server ended it: {:?}", read.map(|count| answer[..count].to_vec()))
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
    Ok(())
}
