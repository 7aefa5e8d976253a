//! The thread that publishes: decides, one publication after the other, and makes what it decided
//! durable.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gatepass_core::port::{CatalogError, PublishError};
use gatepass_core::publication::{self, NewFile, Publication};
use gatepass_core::{File, ObjectPath, Payload, ProjectId};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::apply::note;
use super::settler::Settler;
use super::{Change, Job, Outcome, Queued, copy, journal_error, unavailable};
use crate::cache::Cache;
use crate::connection::catalog_error;
use crate::files;
use crate::journal::{Accepted, Journal, Kind, Record};

/// Publications that share one sync, and changes that share one transaction.
const GROUP_MAX: usize = 256;
/// A group of more tells that many come at once.
const BRISK_MAX: usize = 2;
/// Jobs that are further apart do not come one after the other.
const BRISK_WITHIN: Duration = Duration::from_millis(100);
/// Bytes of files after which nothing more joins a group: the disk is as fast with so many at once as
/// with more, and meanwhile others come in.
const GROUP_BYTES: usize = 2 << 20;
/// How long SQLite waits for what was published last when nothing more comes.
const SETTLE_AFTER: Duration = Duration::from_millis(20);
/// The same when more does come: other processes see no later than that.
const SETTLE_WITHIN: Duration = Duration::from_millis(200);
/// Records after which the settler is woken.
const OUTBOX_MAX: usize = 32;
/// Records that SQLite may be behind. Then publications wait for it. After a kill so many are read
/// again from the journal at the start.
const BEHIND_MAX: usize = 4_096;

/// A journal, and what SQLite has not seen of it yet.
pub(crate) struct Recovered {
    pub(crate) journal: Journal,
    pub(crate) accepted: Vec<Accepted>,
}

pub(super) struct Publisher {
    /// Sees what the settler has committed.
    reader: Connection,
    cache: Cache,
    journal: Option<Journal>,
    settler: Settler,
    /// Records that the settler has not been given yet: to wake it for each costs more than what
    /// it does.
    outbox: Vec<Accepted>,
    /// When the settler was last told to write everything.
    settled: Instant,
    /// When anything was done last.
    worked: Instant,
    /// Jobs that the last group had.
    crowd: usize,
    /// Whether the thread looks after a while whether there is something to settle.
    watched: bool,
    /// Projects that are there. None ever goes.
    projects: HashSet<ProjectId>,
}

type PublishReply = oneshot::Sender<Outcome<Publication, PublishError>>;
type Reply = oneshot::Sender<Outcome<(), CatalogError>>;
/// Tells a caller what was decided, or that it is not durable.
type Answer = Box<dyn FnOnce(Result<(), &CatalogError>)>;
/// Files of a group, which nobody else knows of yet.
type Decided = HashMap<(ProjectId, ObjectPath), Arc<File>>;

/// The publisher's own thread. Ends when nobody can ask for anything any more, or after a panic.
pub(super) fn run(publisher: &Mutex<Publisher>, jobs: &Receiver<Queued>) {
    let mut watches = true;
    loop {
        let first = if watches {
            jobs.recv_timeout(SETTLE_AFTER)
        } else {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        let Ok(mut publisher) = publisher.lock() else { return };
        match first {
            Ok(first) => publisher.work(group(first, jobs)),
            Err(RecvTimeoutError::Timeout) => publisher.settle_if_quiet(),
            Err(RecvTimeoutError::Disconnected) => return publisher.settle(Vec::new()),
        }
        watches = publisher.is_unsettled();
        publisher.watched = watches;
    }
}

impl Publisher {
    pub(super) fn new(
        reader: Connection,
        cache: Cache,
        recovered: Option<Recovered>,
        settler: Settler,
    ) -> Self {
        let (journal, accepted) = match recovered {
            Some(recovered) => (Some(recovered.journal), recovered.accepted),
            None => (None, Vec::new()),
        };
        let now = Instant::now();
        let mut publisher = Self {
            reader,
            cache,
            journal,
            settler,
            outbox: Vec::new(),
            settled: now,
            worked: now,
            crowd: 0,
            watched: true,
            projects: HashSet::new(),
        };
        publisher.accept(accepted);
        publisher
    }

    /// The same as [`work`](Self::work) on another thread than the publisher's own; returns whether
    /// that has to be told, as it does not know yet that something is to be settled.
    pub(super) fn work_aside(&mut self, group: Vec<Queued>) -> bool {
        self.work(group);
        let unknown = !self.watched && self.is_unsettled();
        self.watched |= unknown;
        unknown
    }

    /// Whether jobs come one by one, and soon after one another. (To publish where they come from
    /// takes a thread more, which a server that has little to do is spared.)
    pub(super) fn is_brisk(&self) -> bool {
        self.crowd <= BRISK_MAX && self.worked.elapsed() < BRISK_WITHIN
    }

    fn is_unsettled(&self) -> bool {
        !self.outbox.is_empty() || self.settler.is_behind()
    }

    /// After a while in which nothing was asked for, unless somebody else has worked meanwhile.
    fn settle_if_quiet(&mut self) {
        if self.worked.elapsed() >= SETTLE_AFTER {
            self.settle(Vec::new());
        }
    }

    fn settle(&mut self, replies: Vec<Reply>) {
        self.hand_over();
        self.settler.settle(replies);
        self.settled = Instant::now();
    }

    fn hand_over(&mut self) {
        self.settler.take(std::mem::take(&mut self.outbox));
    }

    /// Those of a group are at once: nobody has been told anything before its end.
    fn work(&mut self, group: Vec<Queued>) {
        let size = u32::try_from(group.len()).unwrap_or(u32::MAX);
        metrics::histogram!("gatepass_catalog_group_size").record(f64::from(size));
        let mut records = Records::default();
        let (mut changes, mut settles): (Vec<Change>, Vec<Reply>) = (Vec::new(), Vec::new());
        (self.worked, self.crowd) = (Instant::now(), group.len());
        if self.worked - self.settled >= SETTLE_WITHIN {
            self.settle(Vec::new());
        } else if self.outbox.len() >= OUTBOX_MAX {
            self.hand_over();
        }
        let room = self.settler.catch_up(BEHIND_MAX);
        for Queued { job, .. } in group {
            match job {
                Job::Publish(new, reply) => self.publish(&mut records, &room, *new, reply),
                Job::Append(decided, reply) => self.take(&mut records, &room, decided, reply),
                Job::Change(change) => changes.push(change),
                Job::Settle(reply) => settles.push(reply),
                Job::Look => self.settler.look(),
            }
        }
        self.append(records);
        if !changes.is_empty() {
            // What comes later is decided on what these have left.
            self.hand_over();
            self.settler.change(changes);
        }
        if !settles.is_empty() {
            self.settle(settles);
        }
    }

    fn publish(
        &mut self,
        records: &mut Records,
        room: &Result<(), CatalogError>,
        new: NewFile,
        reply: PublishReply,
    ) {
        let payload = new.payload.clone();
        let decide = || {
            room.as_ref().map_err(copy)?;
            self.decide(&records.decided, new)
        };
        let outcome = catch_unwind(AssertUnwindSafe(decide))
            .unwrap_or_else(|_| Err(unavailable("the publication panicked").into()));
        if let Ok(publication) = &outcome {
            records.push(publication, payload);
        }
        records.answers.push(Box::new(move |durable| {
            let outcome = match durable {
                Ok(()) => outcome,
                Err(error) => Err(copy(error).into()),
            };
            // A caller that has gone away is not told; its publication stands.
            let _ = reply.send(outcome);
        }));
    }

    fn decide(&mut self, decided: &Decided, new: NewFile) -> Outcome<Publication, PublishError> {
        self.check_project(&new.project)?;
        let key = (new.project.clone(), new.path.clone());
        let existing = match decided.get(&key) {
            Some(file) => Some(file.as_ref().clone()),
            None => self.find(&key.0, &key.1).map_err(catalog_error)?,
        };
        Ok(publication::publish(new, existing)?)
    }

    fn find(&self, project: &ProjectId, path: &ObjectPath) -> rusqlite::Result<Option<File>> {
        match self.cache.accepted(project, path) {
            Some(accepted) => Ok(Some(accepted.file.as_ref().clone())),
            None => files::find(&self.reader, project, path),
        }
    }

    fn check_project(&mut self, project: &ProjectId) -> Result<(), CatalogError> {
        if self.projects.contains(project) {
            return Ok(());
        }
        let found = self
            .reader
            .prepare_cached("SELECT 1 FROM projects WHERE id = ?1")
            .and_then(|mut statement| statement.exists([project.as_str()]))
            .map_err(catalog_error)?;
        if !found {
            return Err(unavailable("there is no such project"));
        }
        self.projects.insert(project.clone());
        Ok(())
    }

    /// Takes records that were decided elsewhere.
    fn take(
        &mut self,
        records: &mut Records,
        room: &Result<(), CatalogError>,
        decided: Vec<Record>,
        reply: Reply,
    ) {
        let mut projects = decided.iter().map(|record| &record.file.project);
        let known = room.as_ref().map_err(copy);
        let known = known.and_then(|()| projects.try_for_each(|id| self.check_project(id)));
        if known.is_ok() {
            records.all.extend(decided);
        }
        records.answers.push(Box::new(move |durable| {
            let _ = reply.send(durable.map_err(copy).and(known));
        }));
    }

    /// Makes records durable, and tells whoever waits for them.
    fn append(&mut self, records: Records) {
        let durable = if records.all.is_empty() { Ok(()) } else { self.append_all(records.all) };
        if let Err(error) = &durable {
            tracing::error!(%error, "publications were not made durable");
        }
        for answer in records.answers {
            answer(durable.as_ref().copied());
        }
    }

    fn append_all(&mut self, records: Vec<Record>) -> Result<(), CatalogError> {
        self.leave_failed_segment()?;
        let journal = self.journal.as_mut().ok_or_else(|| unavailable("there is no journal"))?;
        let accepted = journal.append(records).map_err(|error| journal_error(&error))?;
        self.accept(accepted);
        Ok(())
    }

    /// What is durable is to be seen at once, and goes to SQLite.
    fn accept(&mut self, accepted: Vec<Accepted>) {
        self.cache.accept(accepted.iter().filter(|accepted| accepted.kind == Kind::Published));
        self.outbox.extend(accepted);
    }

    /// After a failed sync it is not known what the segment holds behind the last record that
    /// counts. So the next one is begun, and SQLite told to look there alone.
    fn leave_failed_segment(&mut self) -> Result<(), CatalogError> {
        let Some(journal) = self.journal.as_mut().filter(|journal| journal.has_failed()) else {
            return Ok(());
        };
        journal.begin_segment().map_err(|error| journal_error(&error))?;
        let begin = journal.end();
        let (sender, receiver) = oneshot::channel();
        let change: Change = Box::new(move |begun| {
            let noted = match begun {
                Ok(transaction) => note(transaction, begin).map_err(catalog_error),
                Err(error) => Err(super::commit_error(error)),
            };
            Box::new(move |committed| {
                let committed = committed.map_err(super::commit_error);
                let _ = sender.send(committed.and(noted));
            })
        });
        self.settler.take(std::mem::take(&mut self.outbox));
        self.settler.change(vec![change]);
        receiver.blocking_recv().unwrap_or_else(|_| Err(super::dropped()))?;
        journal.noted();
        Ok(())
    }
}

/// What waits, up to a group.
fn group(first: Queued, jobs: &Receiver<Queued>) -> Vec<Queued> {
    let mut bytes = first.job.bytes();
    let mut group = vec![first];
    while group.len() < GROUP_MAX && bytes < GROUP_BYTES {
        let Ok(next) = jobs.try_recv() else { break };
        bytes += next.job.bytes();
        group.push(next);
    }
    group
}

/// The records of a group.
#[derive(Default)]
struct Records {
    all: Vec<Record>,
    decided: Decided,
    answers: Vec<Answer>,
}

impl Records {
    fn push(&mut self, publication: &Publication, payload: Payload) {
        let bytes = match payload {
            Payload::Inline(bytes) => Some(bytes),
            Payload::Stored => None,
        };
        let file = Arc::new(publication.file.clone());
        self.decided.insert((file.project.clone(), file.path.clone()), Arc::clone(&file));
        let retired = publication.retired.clone();
        self.all.push(Record { kind: Kind::Published, file, bytes, retired });
    }
}
