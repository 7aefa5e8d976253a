//! Random sequences of requests against a model that keeps everything in memory, byte by byte.
//!
//! The model is the contract once more, as simply as it can be said. Every answer of the real
//! server has to be the one that the model gives.
//!
//!     GATEPASS_SEQUENCES=200000 cargo test --release -p gatepass --test proof model -- --nocapture

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gatepass_sign::Action;
use serde_json::Value;

use crate::client::{Client, ranges, sign};
use crate::random::Random;
use crate::support::{Data, Server, Start};

const OPERATIONS: u64 = 50;
const PATHS: u64 = 2;
const URLS: u64 = 2;
/// Longest file.
const BYTES: u64 = 60;

/// A request. Paths and URLs are numbers; contents come from a number, too.
#[derive(Debug, Clone)]
enum Operation {
    Put { path: u64, url: u64, content: u64, create: bool },
    Chunk { path: u64, url: u64, content: u64, first: u64, last: u64, total: Option<u64> },
    State { path: u64, url: u64, total: Option<u64> },
    Abort { path: u64, url: u64 },
    Delete { path: u64 },
    Get { path: u64, range: Option<(u64, u64)> },
    Expire,
    Restart,
}

/// What is answered: the status, and of an upload the ranges, of a file its bytes.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Status(u16),
    Kind(u16, &'static str),
    Ranges(Vec<(u64, u64)>),
    Bytes(Vec<u8>),
}

#[derive(Debug, Default)]
struct Model {
    files: BTreeMap<u64, Vec<u8>>,
    uploads: BTreeMap<(u64, u64), Upload>,
}

#[derive(Debug, Default, Clone)]
struct Upload {
    bytes: BTreeMap<u64, u8>,
    total: Option<u64>,
    /// The status that finishing it was answered with.
    complete: Option<u16>,
}

/// Byte `at` of content `content`.
fn byte(content: u64, at: u64) -> u8 {
    (content.wrapping_mul(31).wrapping_add(at).wrapping_mul(0x9e37_79b9) >> 11).to_le_bytes()[0]
}

impl Upload {
    fn end(&self) -> u64 {
        self.bytes.keys().last().map_or(0, |last| last + 1)
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for at in self.bytes.keys() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *at => *last = *at,
                _ => ranges.push((*at, *at)),
            }
        }
        ranges
    }

    fn agrees(&self, total: Option<u64>) -> bool {
        total.is_none_or(|total| self.total.is_none_or(|t| t == total) && self.end() <= total)
    }
}

impl Model {
    fn apply(&mut self, operation: &Operation) -> Answer {
        match operation {
            Operation::Put { path, content, create, .. } => {
                if *create && self.files.contains_key(path) {
                    return Answer::Kind(412, "precondition_failed");
                }
                let length = content % BYTES;
                let bytes = (0..length).map(|at| byte(*content, at)).collect();
                Answer::Status(self.publish(*path, bytes))
            }
            Operation::Chunk { path, url, content, first, last, total } => {
                self.chunk((*path, *url), *content, (*first, *last), *total)
            }
            Operation::State { path, url, total } => {
                let Some(upload) = self.uploads.get_mut(&(*path, *url)) else {
                    return Answer::Kind(404, "upload_not_found");
                };
                if !upload.agrees(*total) {
                    return Answer::Kind(409, "length_inconsistent");
                }
                if upload.complete.is_none() {
                    upload.total = upload.total.or(*total);
                }
                self.conclude((*path, *url))
            }
            Operation::Abort { path, url } => match self.uploads.get(&(*path, *url)) {
                None => Answer::Kind(404, "upload_not_found"),
                Some(upload) if upload.complete.is_some() => Answer::Kind(409, "upload_complete"),
                Some(_) => {
                    self.uploads.remove(&(*path, *url));
                    Answer::Status(204)
                }
            },
            Operation::Delete { path } => match self.files.remove(path) {
                None => Answer::Kind(404, "file_not_found"),
                Some(_) => Answer::Status(200),
            },
            Operation::Get { path, range } => self.get(*path, *range),
            Operation::Expire => {
                self.uploads.retain(|_, upload| upload.complete.is_some());
                Answer::Status(0)
            }
            Operation::Restart => Answer::Status(0),
        }
    }

    fn publish(&mut self, path: u64, bytes: Vec<u8>) -> u16 {
        if self.files.insert(path, bytes).is_none() { 201 } else { 200 }
    }

    fn get(&self, path: u64, range: Option<(u64, u64)>) -> Answer {
        let Some(bytes) = self.files.get(&path) else {
            return Answer::Kind(404, "file_not_found");
        };
        let length = bytes.len() as u64;
        let part = |start: u64, end: u64| {
            let bounds = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
            Answer::Bytes(bytes[bounds].to_vec())
        };
        match range {
            None => part(0, length),
            Some((first, _)) if first >= length => Answer::Kind(416, "range_unsatisfiable"),
            Some((first, last)) => part(first, (last + 1).min(length)),
        }
    }

    fn chunk(
        &mut self,
        key: (u64, u64),
        content: u64,
        (first, last): (u64, u64),
        total: Option<u64>,
    ) -> Answer {
        if total.is_some_and(|total| last >= total) {
            return Answer::Kind(400, "content_range_invalid");
        }
        let new = Upload { total, ..Upload::default() };
        let upload = self.uploads.entry(key).or_insert(new);
        if !upload.agrees(total) || upload.total.is_some_and(|total| last >= total) {
            return Answer::Kind(409, "length_inconsistent");
        }
        let differs = |at: &u64| upload.bytes.get(at).is_some_and(|b| *b != byte(content, *at));
        if (first..=last).any(|at| differs(&at)) {
            let complete = upload.complete.is_some();
            return Answer::Kind(409, if complete { "upload_complete" } else { "part_conflict" });
        }
        if upload.complete.is_none() {
            upload.bytes.extend((first..=last).map(|at| (at, byte(content, at))));
            upload.total = upload.total.or(total);
        }
        self.conclude(key)
    }

    /// The state, or the file if nothing is missing.
    fn conclude(&mut self, key: (u64, u64)) -> Answer {
        let upload = self.uploads[&key].clone();
        if let Some(status) = upload.complete {
            return Answer::Status(status);
        }
        if upload.total != Some(upload.bytes.len() as u64) {
            return Answer::Ranges(upload.ranges());
        }
        let status = self.publish(key.0, upload.bytes.values().copied().collect());
        if let Some(upload) = self.uploads.get_mut(&key) {
            upload.complete = Some(status);
        }
        Answer::Status(status)
    }
}

fn random_operation(random: &mut Random) -> Operation {
    let (path, url) = (random.below(PATHS), 1 + random.below(URLS));
    // Mostly the content that belongs to the URL, so that uploads come to an end.
    let content = if random.chance(92) { path * 10 + url } else { random.below(1_000) };
    let size = 20 + (path * 10 + url) % 20;
    let total = match random.below(20) {
        0 => Some(size + 1),
        1..6 => None,
        _ => Some(size),
    };
    match random.below(100) {
        0..12 => {
            Operation::Put { path, url, content: random.below(1_000), create: random.chance(20) }
        }
        12..68 => {
            let first = random.below(size);
            let last = (first + random.below(12)).min(size);
            let last = if random.chance(95) { last.min(size - 1) } else { last };
            Operation::Chunk { path, url, content, first, last, total }
        }
        68..76 => Operation::State { path, url, total },
        76..79 => Operation::Abort { path, url },
        79..83 => Operation::Delete { path },
        83..98 => {
            let first = random.below(BYTES);
            let range = random.chance(50).then(|| (first, first + random.below(30)));
            Operation::Get { path, range }
        }
        98 => Operation::Expire,
        _ => Operation::Restart,
    }
}

/// The real thing.
struct Real {
    server: Option<Server>,
    client: Client,
    /// Names of this sequence only.
    prefix: String,
    nonce: u64,
}

impl Real {
    fn path(&self, path: u64) -> String {
        format!("{}/{path}", self.prefix)
    }

    fn url(&self, path: u64, url: u64) -> String {
        sign(Action::Put, &self.path(path), self.nonce + url)
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    fn apply(&mut self, operation: &Operation) -> Answer {
        match operation {
            Operation::Put { path, url, content, create } => {
                let body: Vec<u8> = (0..content % BYTES).map(|at| byte(*content, at)).collect();
                let header = if *create { "If-None-Match: *\r\n" } else { "" };
                self.ask("PUT", &self.url(*path, *url), header, &body)
            }
            Operation::Chunk { path, url, content, first, last, total } => {
                let body: Vec<u8> = (*first..=*last).map(|at| byte(*content, at)).collect();
                let total = total.map_or("*".to_owned(), |total| total.to_string());
                let header = format!("Content-Range: bytes {first}-{last}/{total}\r\n");
                self.ask("PUT", &self.url(*path, *url), &header, &body)
            }
            Operation::State { path, url, total } => {
                let total = total.map_or("*".to_owned(), |total| total.to_string());
                let header = format!("Content-Range: bytes */{total}\r\n");
                self.ask("PUT", &self.url(*path, *url), &header, b"")
            }
            Operation::Abort { path, url } => self.ask("DELETE", &self.url(*path, *url), "", b""),
            Operation::Delete { path } => {
                let target = sign(Action::Delete, &self.path(*path), 0);
                self.ask("DELETE", &target, "", b"")
            }
            Operation::Get { path, range } => {
                let header = range.map(|(first, last)| format!("Range: bytes={first}-{last}\r\n"));
                let target = format!("/{}", self.path(*path));
                self.ask("GET", &target, &header.unwrap_or_default(), b"")
            }
            Operation::Expire => {
                let database = self.server().data.join("gatepass.db");
                let database = rusqlite::Connection::open(database).unwrap();
                database.busy_timeout(std::time::Duration::from_mins(1)).unwrap();
                let pattern = format!("{}/%", self.prefix);
                let expire = "UPDATE uploads SET expires = 0 \
                     WHERE status = 'receiving' AND path LIKE ?1";
                database.execute(expire, [pattern]).unwrap();
                Answer::Status(0)
            }
            Operation::Restart => {
                let data = self.server.take().unwrap().kill();
                self.start(data);
                Answer::Status(0)
            }
        }
    }

    fn start(&mut self, data: Data) {
        let server = start(Start::at(&data.path));
        self.client = Client::new(server.delivery);
        self.server = Some(server.keeping(data));
    }

    fn ask(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let reply = self.client.send(method, target, headers, body).expect("an answer");
        let json = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
        match (reply.status, method) {
            (200 | 206, "GET") => Answer::Bytes(reply.body),
            (202, _) => Answer::Ranges(ranges(&json["data"]["ranges"])),
            (status, _) if status < 300 => Answer::Status(status),
            (status, _) => {
                let kind = json["error"]["kind"].as_str().unwrap_or_default().to_owned();
                Answer::Kind(status, kind.leak())
            }
        }
    }
}

/// Uploads that a sequence leaves open stay.
fn start(start: Start) -> Server {
    start.for_proof().variable("GATEPASS_MAX_OPEN_UPLOADS", "1000000000").run()
}

#[test]
fn the_server_does_what_the_model_does() {
    let sequences = crate::setting("GATEPASS_SEQUENCES", 2_000);
    let (seed, begun) = (Random::seed(), Instant::now());
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let server = start(Start::fresh());
                let client = Client::new(server.delivery);
                let prefix = String::new();
                let mut real = Real { server: Some(server), client, prefix, nonce: 0 };
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= sequences {
                        assert!(!real.server().log().contains("panicked"));
                        return;
                    }
                    run(&mut real, seed.wrapping_add(number));
                }
            });
        }
    });
    let operations = sequences * OPERATIONS;
    crate::report("model", seed, sequences, begun, &format!(",\"operations\":{operations}"));
}

fn run(real: &mut Real, seed: u64) {
    let mut random = Random::new(seed);
    let mut model = Model::default();
    real.prefix = format!("model/{seed}");
    real.nonce = (seed << 8) + 1;
    let mut done = Vec::new();
    for _ in 0..OPERATIONS {
        let operation = random_operation(&mut random);
        let expected = model.apply(&operation);
        let found = real.apply(&operation);
        done.push(format!("{operation:?}"));
        assert!(
            found == expected,
            "the model says {expected:?}, the server {found:?}, after\n  {}\nagain: GATEPASS_SEED={seed} \
             GATEPASS_SEQUENCES=1 cargo test -p gatepass --test proof model",
            done.join("\n  ")
        );
    }
}
