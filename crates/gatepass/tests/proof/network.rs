//! A network that cuts, stalls, drops replies and sends requests twice.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Client, Stop};
use crate::history::Slot;
use crate::random::Random;
use crate::support::{Server, Start};

/// What the network does to a connection.
#[derive(Debug, Clone, Copy)]
enum Weather {
    Fair,
    /// Cuts after so many bytes of requests.
    Cut(usize),
    /// Lets requests through, and cuts when their reply comes.
    DropReply,
    /// Holds everything back for a while, now and then.
    Stall,
    /// Sends every request on a second connection, too; answers when both have.
    Duplicate,
}

#[test]
fn nothing_is_lost_by_the_network() {
    let steps = crate::setting("GATEPASS_STEPS", 4_000);
    let (seed, begun) = (Random::seed(), Instant::now());
    let server = Start::fresh().for_proof().run();
    let cuts = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let (server, cuts) = (&server, &cuts);
            scope.spawn(move || {
                let seed = seed.wrapping_add(lane);
                if let Err(text) = run(server, seed, lane, steps / 4, cuts) {
                    let command = format!("GATEPASS_SEED={seed} GATEPASS_STEPS={steps}");
                    panic!("{text}\nagain: {command} cargo test -p gatepass --test proof network");
                }
            });
        }
    });
    let cuts = cuts.load(Ordering::Relaxed);
    crate::report("network", seed, steps, begun, &format!(",\"connections_lost\":{cuts}"));
    assert!(cuts > steps / 20, "the network was too fair: {cuts}");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

fn run(server: &Server, seed: u64, lane: u64, steps: u64, cuts: &AtomicU64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut versions = (seed << 20) ^ (lane << 50);
    let mut slots: Vec<Slot> =
        (0..6).map(|number| Slot::new(format!("net/{lane}/{number}"))).collect();
    let proxy = Proxy::start(server.delivery, seed);
    let mut client = Client::new(proxy);
    for _ in 0..steps {
        let index = usize::try_from(random.below(slots.len() as u64)).unwrap();
        match client.step(&mut slots[index], &mut random, &mut versions) {
            Ok(()) => {}
            Err(Stop::Violation(text)) => return Err(text),
            Err(Stop::Gone) => {
                cuts.fetch_add(1, Ordering::Relaxed);
                client = Client::new(proxy);
                // On a line of its own, nothing may be missing.
                match Client::new(server.delivery).check(&mut slots[index]) {
                    Ok(()) => {}
                    Err(Stop::Violation(text)) => return Err(text),
                    Err(Stop::Gone) => return Err("the server does not answer".to_owned()),
                }
            }
        }
    }
    Ok(())
}

struct Proxy;

impl Proxy {
    /// Listens until the process ends.
    fn start(server: SocketAddr, seed: u64) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut random = Random::new(seed ^ 0x5a5a);
            for client in listener.incoming().flatten() {
                let weather = match random.below(10) {
                    0..2 => Weather::Cut(usize::try_from(random.below(30_000)).unwrap()),
                    2..4 => Weather::DropReply,
                    4 => Weather::Stall,
                    5..7 => Weather::Duplicate,
                    _ => Weather::Fair,
                };
                // How many exchanges until it strikes.
                let after = random.below(4);
                std::thread::spawn(move || relay(&client, server, weather, after));
            }
        });
        address
    }
}

/// Exchanges of a connection, so that there are many.
const EXCHANGES_MAX: u64 = 6;

/// Passes whole exchanges on, one after the other, until the weather strikes.
fn relay(client: &TcpStream, server: SocketAddr, weather: Weather, after: u64) {
    let Ok(upstream) = TcpStream::connect(server) else { return };
    let _ = client.set_read_timeout(Some(Duration::from_secs(5)));
    // What is cut off while a server works on it may have its effect after the client has looked.
    let _ = upstream.set_read_timeout(Some(Duration::from_mins(2)));
    let mut number = 0;
    while let Some(request) = message(client) {
        let strikes = number >= after;
        number += 1;
        match weather {
            Weather::Cut(bytes) if strikes => {
                let _ = (&upstream).write_all(&request[..bytes.min(request.len() - 1)]);
                let _ = upstream.shutdown(Shutdown::Both);
                break;
            }
            Weather::Stall if strikes => std::thread::sleep(Duration::from_millis(300)),
            _ => {}
        }
        if (&upstream).write_all(&request).is_err() {
            break;
        }
        if matches!(weather, Weather::Duplicate) && strikes {
            let second = TcpStream::connect(server).ok();
            if let Some(second) = second.filter(|mut second| second.write_all(&request).is_ok()) {
                let _ = second.set_read_timeout(Some(Duration::from_mins(2)));
                let _ = message(&second);
            }
        }
        let Some(reply) = message(&upstream) else { break };
        if matches!(weather, Weather::DropReply) && strikes {
            break;
        }
        if (&mut &*client).write_all(&reply).is_err() || number >= EXCHANGES_MAX {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// One whole message: its head, and as many bytes as the head says.
fn message(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = head {
            let text = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some(bytes);
            }
        }
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
}
