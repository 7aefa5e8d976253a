//! One data directory, its server, and the clients that work on it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::client::{Client, Stop};
use crate::history::Slot;
use crate::random::Random;
use crate::support::Server;

const CLIENTS: usize = 2;
const SLOTS: u64 = 12;

pub(crate) struct Lane {
    pub(crate) data: PathBuf,
    pub(crate) slots: Vec<Slot>,
    pub(crate) random: Random,
    next_version: u64,
    _directory: tempfile::TempDir,
}

impl Lane {
    pub(crate) fn new(seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            data: directory.path().join("data"),
            slots: (0..SLOTS).map(|number| Slot::new(format!("slot/{number}"))).collect(),
            random: Random::new(seed),
            // Versions of different lanes differ as well.
            next_version: seed << 32,
            _directory: directory,
        }
    }

    /// Works on a server until it is gone, each client on slots of its own. Returns what was
    /// found to be wrong, and how many requests were answered.
    pub(crate) fn work(
        &mut self,
        address: std::net::SocketAddr,
        meanwhile: impl FnOnce(),
    ) -> Result<u64, String> {
        let share = self.slots.len().div_ceil(CLIENTS);
        let mut seeds = Vec::new();
        for _ in 0..CLIENTS {
            self.next_version += 10_000;
            seeds.push((self.random.next(), self.next_version));
        }
        std::thread::scope(|scope| {
            let clients: Vec<_> = self
                .slots
                .chunks_mut(share)
                .zip(seeds)
                .map(|(slots, (seed, versions))| {
                    scope.spawn(move || run(address, slots, seed, versions))
                })
                .collect();
            meanwhile();
            let mut answered = 0;
            for client in clients {
                answered += client.join().map_err(|_| "a client panicked".to_owned())??;
            }
            Ok(answered)
        })
    }

    /// Everything that was acknowledged is there.
    pub(crate) fn check(&mut self, server: &Server) -> Result<(), String> {
        let mut client = Client::new(server.delivery);
        for slot in &mut self.slots {
            client.check(slot).map_err(|stop| match stop {
                Stop::Gone => format!("{}: the server does not answer", slot.path),
                Stop::Violation(text) => text,
            })?;
        }
        Ok(())
    }
}

fn run(
    address: std::net::SocketAddr,
    slots: &mut [Slot],
    seed: u64,
    mut versions: u64,
) -> Result<u64, String> {
    let mut random = Random::new(seed);
    let mut client = Client::new(address);
    let mut answered = 0;
    loop {
        let index = usize::try_from(random.below(slots.len() as u64)).unwrap();
        match client.step(&mut slots[index], &mut random, &mut versions) {
            Ok(()) => answered += 1,
            Err(Stop::Gone) => return Ok(answered),
            Err(Stop::Violation(text)) => return Err(text),
        }
    }
}

/// I7: after a sweep there is a blob for every row and a row for every blob. The server is down.
pub(crate) fn check_blobs(data: &Path, sweep: impl FnOnce()) -> Result<(), String> {
    let mut touch = Command::new("find");
    touch.arg(data.join("blobs")).args(["-type", "f", "-exec"]);
    let aged = touch.args(["touch", "-d", "3 hours ago", "{}", "+"]).status().unwrap();
    assert!(aged.success());
    let database = rusqlite::Connection::open(data.join("gatepass.db")).unwrap();
    database.execute("UPDATE retired_blobs SET retired = 0", []).unwrap();
    drop(database);
    sweep();
    let database = rusqlite::Connection::open(data.join("gatepass.db")).unwrap();
    let kept = names(&database, "SELECT blob FROM files WHERE segment > 0 AND place > 0");
    if kept != names(&database, "SELECT blob FROM files WHERE inline") {
        return Err("the catalog keeps the bytes of other files than it says".to_owned());
    }
    let files = names(&database, FILES);
    if let Some(missing) = files.difference(&blobs_there(data)).next() {
        return Err(format!("the blob {missing} is missing"));
    }
    match orphans(data).pop_first() {
        Some(orphan) => Err(format!("the orphan {orphan} was not swept")),
        None => Ok(()),
    }
}

/// Waits until a server that has just started has swept. It says so only if there was something to
/// sweep; otherwise it gets the time that a sweep takes. One that never sweeps is found out by what
/// it leaves.
pub(crate) fn wait_for_sweep(server: &Server) {
    let begun = Instant::now();
    while !server.log().contains("swept") && begun.elapsed() < Duration::from_mins(1) {
        if begun.elapsed() > Duration::from_secs(3) && orphans(&server.data).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

const FILES: &str = "SELECT blob FROM files WHERE NOT inline";

/// Blobs that belong to no row.
fn orphans(data: &Path) -> BTreeSet<String> {
    let there = blobs_there(data);
    let database = rusqlite::Connection::open(data.join("gatepass.db")).unwrap();
    let files = names(&database, FILES);
    let receiving = names(&database, "SELECT blob FROM uploads WHERE status = 'receiving'");
    there.into_iter().filter(|blob| !files.contains(blob) && !receiving.contains(blob)).collect()
}

fn names(database: &rusqlite::Connection, query: &str) -> BTreeSet<String> {
    let mut statement = database.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn blobs_there(data: &Path) -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    for folder in std::fs::read_dir(data.join("blobs")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            there.insert(file.unwrap().file_name().into_string().unwrap());
        }
    }
    there
}
