//! Clients at work.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client::{Client, Stop};
use crate::content::identify;
use crate::history::Slot;
use crate::ledger::{Entry, Uploading};
use crate::random::Random;
use crate::rig::Rig;

/// How long clients wait for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// What all clients share.
pub(crate) struct Load {
    pub(crate) rig: Arc<Rig>,
    pub(crate) is_over: AtomicBool,
    /// Whether a node is being killed or stopped at this moment.
    pub(crate) a_node_fails: AtomicBool,
    pub(crate) answered: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) internal_errors: AtomicU64,
    /// How long it took after a node had failed a client until another had taken its chunk.
    pub(crate) takeovers: Mutex<Vec<Duration>>,
    pub(crate) entries: Mutex<Vec<Entry>>,
}

impl Load {
    pub(crate) fn new(rig: Arc<Rig>) -> Self {
        Self {
            rig,
            is_over: AtomicBool::new(false),
            a_node_fails: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            internal_errors: AtomicU64::new(0),
            takeovers: Mutex::default(),
            entries: Mutex::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn client(&self, random: &mut Random) -> Client {
        self.rig.client(random.next(), PATIENCE)
    }

    fn leave(&self, client: &Client) {
        self.internal_errors.fetch_add(client.internal_errors, Ordering::Relaxed);
    }

    /// Overwrites, chunks, deletions and reads at paths of its own.
    pub(crate) fn change(&self, slots: &mut [Slot], seed: u64) -> Result<(), String> {
        let (mut random, mut versions) = (Random::new(seed), seed << 16);
        let mut client = self.client(&mut random);
        let mut outcome = Ok(());
        while !self.is_over() && outcome.is_ok() {
            let index = usize::try_from(random.below(slots.len() as u64)).unwrap();
            outcome = self.step(&mut client, &mut slots[index], &mut random, &mut versions);
        }
        self.leave(&client);
        outcome
    }

    fn step(
        &self,
        client: &mut Client,
        slot: &mut Slot,
        random: &mut Random,
        versions: &mut u64,
    ) -> Result<(), String> {
        match client.step(slot, random, versions) {
            Ok(()) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Err(Stop::Violation(text)) => return Err(text),
            Err(Stop::Gone) => {}
        }
        self.repeated.fetch_add(1, Ordering::Relaxed);
        let counts = self.a_node_fails.load(Ordering::SeqCst) && slot.upload.is_some();
        let begun = Instant::now();
        while slot.upload.is_some() && !self.is_over() {
            match client.chunk(slot, random, versions) {
                Ok(()) => break,
                Err(Stop::Violation(text)) => return Err(text),
                Err(Stop::Gone) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        if counts && !self.is_over() {
            self.takeovers.lock().unwrap().push(begun.elapsed());
        }
        Ok(())
    }

    /// Uploads to paths that nobody else uploads to.
    pub(crate) fn upload(&self, name: &str, seed: u64) -> Result<(), String> {
        let mut random = Random::new(seed);
        let mut client = self.client(&mut random);
        let mut number = 0;
        while !self.is_over() {
            number += 1;
            let is_over = || self.is_over();
            let mut uploading = Uploading {
                client: &mut client,
                random: &mut random,
                is_over: &is_over,
                repeats: 0,
            };
            let uploaded = uploading.upload(&format!("{name}/{number}"));
            self.repeated.fetch_add(uploading.repeats, Ordering::Relaxed);
            if let Some(entry) = uploaded? {
                self.answered.fetch_add(1, Ordering::Relaxed);
                self.entries.lock().unwrap().push(entry);
            }
        }
        self.leave(&client);
        Ok(())
    }

    /// Reads what others write: it is always one version, whole.
    pub(crate) fn read(&self, paths: &[String], seed: u64) -> Result<(), String> {
        let mut random = Random::new(seed);
        let mut client = self.client(&mut random);
        while !self.is_over() {
            let entry = {
                let entries = self.entries.lock().unwrap();
                (!entries.is_empty()).then(|| random.pick(&entries).clone())
            };
            if let Some(entry) = entry {
                self.read_entry(&mut client, &entry)?;
            }
            let path = random.pick(paths);
            if let Some(reply) = client.send("GET", &format!("/{path}"), "", b"") {
                let torn = reply.status == 200 && identify(&reply.body).is_none();
                if torn || !matches!(reply.status, 200 | 404 | 503) {
                    let length = reply.body.len();
                    return Err(format!("{path}: torn: {} with {length} bytes", reply.status));
                }
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.leave(&client);
        Ok(())
    }

    /// Whether it was answered.
    pub(crate) fn read_entry(&self, client: &mut Client, entry: &Entry) -> Result<bool, String> {
        match client.send("GET", &format!("/{}", entry.path), "", b"") {
            None => Ok(false),
            Some(reply) if reply.status == 503 => Ok(false),
            Some(reply) if reply.status == 200 => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                entry.check(&reply.body).map(|()| true)
            }
            Some(reply) => Err(format!("{}: GET is answered {}", entry.path, reply.status)),
        }
    }
}
