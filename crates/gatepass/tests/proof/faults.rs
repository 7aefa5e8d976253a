//! Every call of the kernel that matters fails in turn: each of several calls, at its first,
//! second, third ... time, with each of several faults, in each of several scenarios.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatepass_sign::Action;

use crate::client::{Client, Stop, sign};
use crate::content::version;
use crate::history::{Found, Slot, Upload};
use crate::lane::{check_blobs, wait_for_sweep};
use crate::support::{Server, Start};

const CALLS: [&str; 6] = ["pwritev", "pwrite64", "fdatasync", "fsync", "openat", "unlinkat"];
const FAULTS: [&str; 3] = ["error=EIO", "error=ENOSPC", "signal=KILL"];
/// Calls of one thread that fail in turn; no scenario makes more of one kind that differ.
const TIMES: u64 = 6;
/// How often strace is begun, and how long each may take to reach every thread.
const ATTACH_TIMES: u32 = 10;
const ATTACH_WITHIN: Duration = Duration::from_secs(3);

/// A scenario prepares a path, then does one thing to it.
#[derive(Debug, Clone, Copy)]
enum Scenario {
    PutInline,
    PutSmall,
    PutLarge,
    PutEmpty,
    Replace,
    ReplaceInline,
    Delete,
    FirstChunk,
    MiddleChunk,
    LastChunk,
    RepeatedChunk,
    OverlappingChunk,
    Abort,
    Read,
    /// What the catalog keeps, and is large for that.
    PutMiddle,
    ReplaceMiddle,
}

impl Scenario {
    /// Up to which size the catalog keeps files.
    fn kept(self) -> &'static str {
        match self {
            Self::PutMiddle | Self::ReplaceMiddle => "256KiB",
            _ => "4KiB",
        }
    }
}

const SCENARIOS: [Scenario; 14] = [
    Scenario::PutInline,
    Scenario::PutSmall,
    Scenario::PutLarge,
    Scenario::PutEmpty,
    Scenario::Replace,
    Scenario::ReplaceInline,
    Scenario::Delete,
    Scenario::FirstChunk,
    Scenario::MiddleChunk,
    Scenario::LastChunk,
    Scenario::RepeatedChunk,
    Scenario::OverlappingChunk,
    Scenario::Abort,
    Scenario::Read,
];
const MIDDLE: [Scenario; 2] = [Scenario::PutMiddle, Scenario::ReplaceMiddle];

#[test]
fn every_call_may_fail() {
    if crate::support::left_out("strace", "faults of system calls") {
        return;
    }
    let begun = Instant::now();
    let lanes: Vec<&[Scenario]> = SCENARIOS.chunks(4).chain([&MIDDLE[..]]).collect();
    let (runs, hits) = std::thread::scope(|scope| {
        let lanes: Vec<_> = lanes.into_iter().map(|part| scope.spawn(|| lane(part))).collect();
        let counts = lanes.into_iter().map(|lane| lane.join().unwrap());
        counts.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    });
    crate::report("call-site faults", 0, runs, begun, &format!(",\"faults_hit\":{hits}"));
    assert!(hits * 4 > runs, "hardly any fault was hit: {hits} of {runs}");
}

/// Runs scenarios on a server of their own; returns how many runs there were and how many met
/// their fault.
fn lane(scenarios: &[Scenario]) -> (u64, u64) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let kept = scenarios.first().map_or("0", |scenario| scenario.kept());
    let start = || Start::at(&data).for_proof().keeping(kept).run();
    let mut server = start();
    let (mut runs, mut hits) = (0, 0);
    for scenario in scenarios {
        for call in CALLS {
            for fault in FAULTS {
                for time in 1..=TIMES {
                    runs += 1;
                    let about = format!("{scenario:?}, {call} fails by {fault} at its {time}.");
                    let injection = format!("{call}:{fault}:when={time}");
                    let (still, hit) = run(server, *scenario, &injection, runs)
                        .unwrap_or_else(|text| panic!("{about}: {text}"));
                    server = still.unwrap_or_else(start);
                    hits += u64::from(hit);
                    if !hit {
                        break;
                    }
                }
            }
        }
    }
    server.terminate();
    let swept = check_blobs(&data, || {
        let server = start();
        wait_for_sweep(&server);
        server.terminate();
    });
    swept.unwrap();
    (runs, hits)
}

/// One run. Returns the server if it lives, and whether the fault was met.
fn run(
    server: Server,
    scenario: Scenario,
    injection: &str,
    number: u64,
) -> Result<(Option<Server>, bool), String> {
    let mut client = Client::new(server.delivery);
    let mut slot = Slot::new(format!("fault/{scenario:?}/{number}"));
    let at = prepare(&mut client, &mut slot, scenario, number)?;
    let tracer = Tracer::attach(&server, injection);
    let outcome = act(&mut client, &mut slot, scenario, &at);
    let mut hit = tracer.detach();
    if let Err(Stop::Violation(text)) = outcome {
        return Err(text);
    }
    let mut server = server;
    // Who was killed may take a while to go.
    let lives = !(hit && injection.contains("signal=KILL")) && server.lives();
    hit |= !lives;
    let mut after = if lives {
        // I6: what comes next succeeds, without a restart.
        recovered(&server)?;
        server
    } else {
        let data = server.kill();

        Start::at(&data.path).for_proof().keeping(scenario.kept()).run()
    };
    Client::new(after.delivery).check(&mut slot).map_err(told)?;
    if number.is_multiple_of(16) {
        let (_, data) = after.terminate();
        after = Start::at(&data.path).for_proof().keeping(scenario.kept()).run();
        Client::new(after.delivery).check(&mut slot).map_err(told)?;
    }
    if after.log().contains("panicked") {
        return Err(after.log());
    }
    Ok((Some(after), hit))
}

fn told(stop: Stop) -> String {
    match stop {
        Stop::Gone => "the server does not answer".to_owned(),
        Stop::Violation(text) => text,
    }
}

fn recovered(server: &Server) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let target = sign(Action::Put, "after", 0);
    loop {
        let reply = Client::new(server.delivery).send("PUT", &target, "", &version(1));
        match reply.map(|reply| reply.status) {
            Some(200 | 201) => return Ok(()),
            status if Instant::now() >= deadline => {
                return Err(format!("10 s later an upload still fails: {status:?}"));
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// The versions of a scenario: the first is there before, the second is what is done.
struct At {
    before: u64,
    after: u64,
    upload: String,
}

fn prepare(
    client: &mut Client,
    slot: &mut Slot,
    scenario: Scenario,
    number: u64,
) -> Result<At, String> {
    let path = slot.path.clone();
    // The length of a version follows from its number: look for one that suits.
    let find = |from: u64, lengths: std::ops::Range<usize>| {
        (from..from + 500).find(|n| lengths.contains(&crate::content::length(*n))).unwrap()
    };
    let (inline, small, large) = (16..4_000, 5_000..10_000, 100_000..400_000);
    let middle = 70_000..256 << 10;
    let base = number * 1_000;
    let after = match scenario {
        Scenario::PutInline => find(base, inline.clone()),
        Scenario::PutSmall | Scenario::PutEmpty => find(base, small.clone()),
        Scenario::PutMiddle | Scenario::ReplaceMiddle => find(base, middle),
        _ => find(base, large),
    };
    let is_inline = matches!(scenario, Scenario::ReplaceInline);
    let before = find(base + 500, if is_inline { inline } else { small });
    let at = At { before, after, upload: sign(Action::Put, &path, number) };
    let replaces =
        matches!(scenario, Scenario::Replace | Scenario::ReplaceInline | Scenario::ReplaceMiddle);
    if replaces || matches!(scenario, Scenario::Delete | Scenario::Read) {
        let reply = client.send("PUT", &sign(Action::Put, &path, 0), "", &version(at.before));
        reply.filter(|reply| reply.status == 201).ok_or("it cannot be prepared")?;
        slot.settle(Found::Version(at.before));
    }
    let chunks: &[usize] = match scenario {
        Scenario::MiddleChunk
        | Scenario::RepeatedChunk
        | Scenario::OverlappingChunk
        | Scenario::Abort => &[0],
        Scenario::LastChunk => &[0, 2],
        _ => &[],
    };
    for chunk in chunks {
        send_chunk(client, slot, &at, *chunk).map_err(told)?;
    }
    Ok(at)
}

fn act(client: &mut Client, slot: &mut Slot, scenario: Scenario, at: &At) -> Result<(), Stop> {
    let path = slot.path.clone();
    match scenario {
        Scenario::PutInline
        | Scenario::PutSmall
        | Scenario::PutLarge
        | Scenario::Replace
        | Scenario::ReplaceInline
        | Scenario::PutMiddle
        | Scenario::ReplaceMiddle => {
            let reply = client.send("PUT", &sign(Action::Put, &path, 0), "", &version(at.after));
            Client::conclude(slot, Found::Version(at.after), reply, &[200, 201])
        }
        Scenario::PutEmpty => {
            // Empty files tell no version: only that they are refused or taken is looked at.
            let reply = client.send("PUT", &sign(Action::Put, "fault/empty", 0), "", b"");
            match reply.map(|reply| reply.status) {
                None | Some(200 | 201 | 500 | 503 | 507) => Ok(()),
                Some(status) => Err(Stop::Violation(format!("empty: {status}"))),
            }
        }
        Scenario::Delete => {
            let reply = client.send("DELETE", &sign(Action::Delete, &path, 0), "", b"");
            Client::conclude(slot, Found::Absent, reply, &[200])
        }
        Scenario::FirstChunk | Scenario::RepeatedChunk => send_chunk(client, slot, at, 0),
        Scenario::MiddleChunk | Scenario::LastChunk => send_chunk(client, slot, at, 1),
        Scenario::OverlappingChunk => send_chunk(client, slot, at, 3),
        Scenario::Abort => {
            let reply = client.send("DELETE", &at.upload, "", b"");
            match reply.map(|reply| reply.status) {
                // Given up or not: nothing is promised of its chunks any more.
                None | Some(204 | 500 | 503 | 507) => {
                    slot.upload = None;
                    Ok(())
                }
                Some(status) => Err(Stop::Violation(format!("abort: {status}"))),
            }
        }
        Scenario::Read => match client.look(&path) {
            // A broken read is no answer, which a client can see.
            Err(Stop::Gone) => Ok(()),
            Err(Stop::Violation(text)) if text.contains("answered 50") => Ok(()),
            found => slot.check(found?).map_err(Stop::Violation),
        },
    }
}

/// Chunks 0, 1 and 2 are thirds; 3 is what follows after the middle of the first.
fn send_chunk(client: &mut Client, slot: &mut Slot, at: &At, chunk: usize) -> Result<(), Stop> {
    let content = version(at.after);
    let third = content.len() / 3;
    let cuts = vec![third, 2 * third, content.len()];
    let (first, past) = match chunk {
        0 => (0, third),
        1 => (third, 2 * third),
        2 => (2 * third, content.len()),
        _ => (third / 2, 2 * third),
    };
    let upload = slot.upload.get_or_insert_with(|| Upload::new(at.upload.clone(), at.after, cuts));
    let covered = if chunk == 3 { 1 } else { chunk };
    upload.sent.insert(covered);
    let complete = upload.may_be_complete();
    let range = format!("Content-Range: bytes {first}-{}/{}\r\n", past - 1, content.len());
    let reply = client.send("PUT", &at.upload, &range, &content[first..past]);
    if complete {
        slot.may_be_finished();
    }
    match reply.map(|reply| (reply.status, reply.body)) {
        None => Err(Stop::Gone),
        Some((202, _)) => {
            if let Some(upload) = &mut slot.upload {
                upload.reported.insert(covered);
            }
            Ok(())
        }
        Some((200 | 201, _)) => {
            slot.finish();
            Ok(())
        }
        // A failed sync ends the upload: nothing is promised of it any more.
        Some((503 | 507, _)) => {
            if let Some(upload) = &mut slot.upload {
                upload.reported.clear();
            }
            Ok(())
        }
        Some((500, _)) => Ok(()),
        Some((status, body)) => {
            Err(Stop::Violation(format!("{status} {}", String::from_utf8_lossy(&body))))
        }
    }
}

/// strace, attached while the scenario runs.
pub(crate) struct Tracer {
    child: Child,
    log: tempfile::NamedTempFile,
    errors: tempfile::NamedTempFile,
}

impl Tracer {
    /// strace lists the threads once, so that it misses one which a thread begins that it has not
    /// reached yet. Then it is told to go, and begun again.
    pub(crate) fn attach(server: &Server, injection: &str) -> Self {
        let mut said = String::new();
        for _ in 0..ATTACH_TIMES {
            let mut tracer = Self::begin(server, injection);
            if tracer.reaches_all(server) {
                return tracer;
            }
            tracer.end();
            said = std::fs::read_to_string(tracer.errors.path()).unwrap_or_default();
        }
        panic!("strace does not attach to every thread, {ATTACH_TIMES} times: {said}");
    }

    fn begin(server: &Server, injection: &str) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let errors = tempfile::NamedTempFile::new().unwrap();
        let call = injection.split(':').next().unwrap();
        let child = Command::new("strace")
            .args(["-f", "-s", "0", "-o"])
            .arg(log.path())
            .args(["-e", &format!("trace={call}"), "-e", &format!("inject={injection}")])
            .args(["-p", &server.pid().to_string()])
            .stdout(Stdio::null())
            .stderr(errors.reopen().unwrap())
            .spawn()
            .unwrap();
        Self { child, log, errors }
    }

    fn reaches_all(&mut self, server: &Server) -> bool {
        let deadline = Instant::now() + ATTACH_WITHIN;
        while !traces_all(server) {
            if Instant::now() > deadline || self.child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Whether anything was injected.
    pub(crate) fn detach(mut self) -> bool {
        self.end();
        let text = std::fs::read_to_string(self.log.path()).unwrap_or_default();
        text.contains("INJECTED") || text.contains("killed by SIGKILL")
    }

    fn end(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        // After it has killed what it traced it does not always notice that it may go.
        let deadline = Instant::now() + Duration::from_millis(300);
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() >= deadline {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether every thread of the server is traced. One that is dead is not, and need not be: a call
/// in the background may meet a fault that kills before the last thread is reached.
fn traces_all(server: &Server) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    tasks.map(|task| task.unwrap().path().join("status")).all(|task| {
        let text = std::fs::read_to_string(task).unwrap_or_default();
        text.contains("State:\tZ") || !text.contains("TracerPid:\t0\n")
    })
}
