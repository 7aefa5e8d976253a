//! A client that does all there is to do at one path, and remembers what it was told.

use std::fmt::Write as _;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use gatepass_sign::{Action, ObjectPath, Policy, Secret, sign_url};
use serde_json::Value;

use crate::content::{identify, version};
use crate::history::{Found, Slot, Upload};
use crate::random::Random;
use crate::support::{KEY, read_head};

const EXPIRY: u64 = 4_102_444_800;

/// An answer that arrived whole.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// What is in the envelope.
    pub(crate) fn object(&self) -> Value {
        serde_json::from_slice::<Value>(&self.body).unwrap_or_default()["data"].clone()
    }
}

/// Where the next request goes; `None` if nobody is there.
pub(crate) type Route = Box<dyn FnMut() -> Option<SocketAddr> + Send>;

/// How long an answer may take, where the disk is slow as well.
const PATIENCE: Duration = Duration::from_mins(5);

/// One kept connection, or one for each request.
pub(crate) struct Client {
    route: Route,
    keeps: bool,
    patience: Duration,
    stream: Option<BufReader<TcpStream>>,
    /// Answers that blame the server for good.
    pub(crate) internal_errors: u64,
}

/// Why a client stops: the server is gone, or something is wrong with it.
#[derive(Debug)]
pub(crate) enum Stop {
    Gone,
    Violation(String),
}

fn violation(text: String) -> Stop {
    Stop::Violation(text)
}

pub(crate) fn sign(action: Action, path: &str, nonce: u64) -> String {
    let path = ObjectPath::from_decoded(path).unwrap();
    let mut policy = Policy::new(action, EXPIRY);
    if nonce > 0 {
        policy.reference = Some(nonce.to_string());
    }
    sign_url(&Secret::new(KEY), "", &path, &policy)
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let route = Box::new(move || Some(address));
        Self { route, keeps: true, patience: PATIENCE, stream: None, internal_errors: 0 }
    }

    /// One that asks for the way before each request, and waits so long for an answer.
    pub(crate) fn routed(route: Route, patience: Duration) -> Self {
        Self { route, keeps: false, patience, stream: None, internal_errors: 0 }
    }

    /// Sends a request; `None` if no whole answer came.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> Option<Reply> {
        let reply = self.try_send(method, target, headers, body);
        match &reply {
            None => self.stream = None,
            Some(reply) => self.internal_errors += u64::from(reply.status == 500),
        }
        reply
    }

    fn try_send(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> Option<Reply> {
        if self.stream.is_none() || !self.keeps {
            let stream = TcpStream::connect((self.route)()?).ok()?;
            stream.set_nodelay(true).ok()?;
            stream.set_read_timeout(Some(self.patience)).ok()?;
            stream.set_write_timeout(Some(self.patience)).ok()?;
            self.stream = Some(BufReader::with_capacity(64 << 10, stream));
        }
        let stream = self.stream.as_mut()?;
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}");
        if method == "PUT" {
            let _ = write!(request, "Content-Length: {}\r\n", body.len());
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        stream.get_mut().write_all(&bytes).ok()?;
        let (status, headers) = read_head(stream)?;
        let length = headers.get("content-length").and_then(|text| text.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).ok()?;
        if headers.get("connection").is_some_and(|value| value == "close") {
            self.stream = None;
        }
        Some(Reply { status, body })
    }

    /// What is at a path now.
    pub(crate) fn look(&mut self, path: &str) -> Result<Found, Stop> {
        let reply = self.send("GET", &format!("/{path}"), "", b"").ok_or(Stop::Gone)?;
        match reply.status {
            404 => Ok(Found::Absent),
            200 => {
                if let Some(number) = identify(&reply.body) {
                    Ok(Found::Version(number))
                } else {
                    let length = reply.body.len();
                    Err(violation(format!("{path}: {length} bytes that are no version")))
                }
            }
            503 => Err(Stop::Gone),
            status => Err(violation(format!("{path}: GET is answered {status}"))),
        }
    }

    /// One step at a slot, at random.
    pub(crate) fn step(
        &mut self,
        slot: &mut Slot,
        random: &mut Random,
        next_version: &mut u64,
    ) -> Result<(), Stop> {
        match random.below(100) {
            0..30 => self.put(slot, fresh(next_version)),
            30..65 => self.chunk(slot, random, next_version),
            65..75 => self.delete(slot),
            _ => {
                let found = self.look(&slot.path)?;
                slot.note(format!("GET: {found:?}"));
                slot.check(found).map_err(violation)
            }
        }
    }

    fn put(&mut self, slot: &mut Slot, number: u64) -> Result<(), Stop> {
        let target = sign(Action::Put, &slot.path, 0);
        let reply = self.send("PUT", &target, "", &version(number));
        slot.note(format!("PUT of {number}: {}", told(reply.as_ref())));
        Self::conclude(slot, Found::Version(number), reply, &[200, 201])
    }

    fn delete(&mut self, slot: &mut Slot) -> Result<(), Stop> {
        let target = sign(Action::Delete, &slot.path, 0);
        let reply = self.send("DELETE", &target, "", b"");
        slot.note(format!("DELETE: {}", told(reply.as_ref())));
        Self::conclude(slot, Found::Absent, reply, &[200, 404])
    }

    pub(crate) fn conclude(
        slot: &mut Slot,
        effect: Found,
        reply: Option<Reply>,
        expected: &[u16],
    ) -> Result<(), Stop> {
        match reply {
            Some(reply) if expected.contains(&reply.status) => {
                slot.settle(effect);
                Ok(())
            }
            // It may have had its effect before the fault came.
            None => {
                slot.may_become(effect);
                Err(Stop::Gone)
            }
            Some(Reply { status: 500 | 503 | 507, .. }) => {
                slot.may_become(effect);
                Ok(())
            }
            Some(Reply { status, body }) => Err(violation(format!(
                "{}: {status} {}",
                slot.path,
                String::from_utf8_lossy(&body)
            ))),
        }
    }

    /// Sends one chunk of the slot's upload, which begins if there is none.
    pub(crate) fn chunk(
        &mut self,
        slot: &mut Slot,
        random: &mut Random,
        next_version: &mut u64,
    ) -> Result<(), Stop> {
        if slot.upload.is_none() {
            slot.upload = Some(begin(&slot.path, fresh(next_version), random));
        }
        let upload = slot.upload.as_mut().unwrap();
        let missing: Vec<usize> =
            (0..upload.cuts.len()).filter(|chunk| !upload.reported.contains(chunk)).collect();
        // Now and then one that is there already.
        let again: Vec<usize> = upload.reported.iter().copied().collect();
        let from = if !again.is_empty() && random.chance(20) { &again } else { &missing };
        let chunk = *random.pick(from);
        let (first, past) = upload.range(chunk);
        let content = version(upload.version);
        let range = format!("Content-Range: bytes {first}-{}/{}\r\n", past - 1, content.len());
        upload.sent.insert(chunk);
        let (number, may_be_complete) = (upload.version, upload.may_be_complete());
        let url = upload.url.clone();
        let reply = self.send("PUT", &url, &range, &content[first..past]);
        let all = if may_be_complete { ", all sent" } else { "" };
        slot.note(format!("chunk {chunk} of {number}{all}: {}", told(reply.as_ref())));
        if may_be_complete {
            slot.may_be_finished();
        }
        let Some(reply) = reply else { return Err(Stop::Gone) };
        match reply.status {
            202 => {
                let upload = slot.upload.as_mut().unwrap();
                upload.reported.insert(chunk);
                let ranges = ranges(&reply.object()["ranges"]);
                slot.check_ranges(&ranges).map_err(violation)
            }
            200 | 201 => {
                slot.finish();
                Ok(())
            }
            500 | 503 | 507 => Ok(()),
            status => {
                let text = String::from_utf8_lossy(&reply.body).into_owned();
                Err(violation(format!("{}: chunk {chunk}: {status} {text}", slot.path)))
            }
        }
    }

    /// Looks at everything about a slot after a fault.
    pub(crate) fn check(&mut self, slot: &mut Slot) -> Result<(), Stop> {
        if let Some(upload) = slot.upload.clone() {
            let question = "Content-Range: bytes */*\r\n";
            let reply = self.send("PUT", &upload.url, question, b"").ok_or(Stop::Gone)?;
            match reply.status {
                202 => {
                    let ranges = ranges(&reply.object()["ranges"]);
                    slot.check_ranges(&ranges).map_err(violation)?;
                }
                200 | 201 if upload.may_be_complete() => {
                    slot.upload = None;
                    // Asking may itself have finished it.
                    slot.may_become(Found::Version(upload.version));
                }
                404 if upload.reported.is_empty() => {}
                503 => return Err(Stop::Gone),
                status => {
                    let text = String::from_utf8_lossy(&reply.body).into_owned();
                    return Err(violation(format!("{}: state: {status} {text}", slot.path)));
                }
            }
        }
        let found = self.look(&slot.path)?;
        slot.check(found).map_err(violation)
    }
}

/// An answer, for people.
fn told(reply: Option<&Reply>) -> String {
    reply.map_or_else(|| "no answer".to_owned(), |reply| reply.status.to_string())
}

fn fresh(next_version: &mut u64) -> u64 {
    *next_version += 1;
    *next_version
}

/// Two to five chunks of uneven length. The version is in the URL, so that each is an upload of
/// its own.
fn begin(path: &str, number: u64, random: &mut Random) -> Upload {
    let length = crate::content::length(number);
    let mut cuts: Vec<usize> = (0..random.below(4))
        .map(|_| 1 + usize::try_from(random.below(length as u64 - 1)).unwrap())
        .chain([length])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    Upload::new(sign(Action::Put, path, number), number, cuts)
}

pub(crate) fn ranges(value: &Value) -> Vec<(u64, u64)> {
    let pairs = value.as_array().into_iter().flatten();
    pairs.filter_map(|pair| Some((pair[0].as_u64()?, pair[1].as_u64()?))).collect()
}
