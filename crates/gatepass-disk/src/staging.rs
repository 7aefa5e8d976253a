//! Writing a blob.
//!
//! Bytes of a large blob are gathered in segments of memory (`memory.rs`), which the disk takes
//! them from. Those of a small one wait as they came, and so do those of a slow client, who must
//! not hold a segment. Both wait in a queue that is bounded in bytes. A job on a blocking thread
//! empties it, gathering what has come meanwhile into one write, and ends when nothing is left: an
//! upload that pauses holds no thread.
//!
//! A part of a blob is written the same way, from its offset on, into a file that other parts
//! are written to at the same time.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use gatepass_core::port::{BlobError, CommittedBlob, Piece, Staging};
use gatepass_core::{BlobId, ContentHasher, Memo};
use rustix::fs::{self, Mode, OFlags};
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_blocking;

use crate::folders::Folders;
use crate::memory::{Loose, Memory, SEGMENT_BYTES, Segment, loose_cost};
use crate::output::Output;
use crate::pace::Pace;
use crate::queue::{Item, gather};
use crate::room::Rooms;
use crate::store::{blob_error, off_thread, unlink};

/// What of one upload may wait for the disk, in bytes: what one write takes, and as much again
/// that comes in meanwhile.
const WAITING_BYTES_MAX: usize = 2 << 20;
/// The same while all uploads together have more than their share outside of segments.
const WAITING_BYTES_OF_MANY: usize = 64 << 10;
/// What all uploads together may have outside of segments before each has to do with less.
const LOOSE_BYTES_MAX: usize = 8 << 20;
/// Bytes of a fast client that may wait before a job starts, unless the end comes first.
const START_BYTES: usize = 16 << 10;
/// The same for a client that trickles: one of thousands, which make the server hold so much each.
const START_BYTES_OF_SLOW: usize = 4 << 10;
/// Files from this size on may bypass the system's cache. Smaller ones are likely to be read soon.
const DIRECT_FILE_BYTES: u64 = 1 << 20;

/// A blob that is being written.
pub(crate) struct DiskStaging {
    shared: Arc<Shared>,
    memory: Arc<Memory>,
    hasher: ContentHasher,
    pace: Pace,
    /// Where in the file the next byte belongs.
    at: u64,
    filling: Option<Segment>,
    /// What is filled after it.
    next: Option<Segment>,
    guard: Guard,
}

/// Gives up, in the background, what is dropped before it has ended.
struct Guard {
    shared: Arc<Shared>,
    has_ended: bool,
}

struct Shared {
    folders: Arc<Folders>,
    rooms: Arc<Rooms>,
    blob: BlobId,
    extent: Extent,
    state: Mutex<State>,
    /// Told when the queue got shorter or an error came.
    progress: Notify,
    /// Told when a job has ended.
    job_ended: Condvar,
    /// Set once the file is ours. Before that the name may be that of another blob, which giving
    /// up must not remove.
    created: AtomicBool,
}

/// How much of a blob is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, of so many bytes if that is known: nobody else has written to it, or will.
    Whole(Option<u64>),
    /// What begins at this offset.
    Part(u64),
}

/// Why nothing was committed.
enum Failure {
    /// The bytes were not written.
    Write(io::Error),
    /// They were written, but may be lost.
    Sync(io::Error),
}

struct State {
    queue: VecDeque<Item>,
    /// What the queue takes, and what is being written.
    waiting: usize,
    /// How many of these are segments.
    segments: usize,
    end: Option<oneshot::Sender<Result<(), Failure>>>,
    failed: Option<io::Error>,
    phase: Phase,
}

/// The file; none before the first bytes are to be written.
type Writer = Option<Output>;

/// Who has the file.
enum Phase {
    /// Nobody: a job can be started.
    Idle(Box<Writer>),
    /// A job.
    Running,
    /// Nobody will write to the file again: it is committed, or it failed.
    Ended,
}

impl DiskStaging {
    pub(crate) fn new(
        folders: Arc<Folders>,
        rooms: Arc<Rooms>,
        memory: Arc<Memory>,
        blob: BlobId,
        extent: Extent,
        hasher: ContentHasher,
    ) -> Self {
        let state = State {
            queue: VecDeque::new(),
            waiting: 0,
            segments: 0,
            end: None,
            failed: None,
            phase: Phase::Idle(Box::default()),
        };
        let shared = Shared {
            folders,
            rooms,
            blob,
            extent,
            state: Mutex::new(state),
            progress: Notify::new(),
            job_ended: Condvar::new(),
            created: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        Self {
            guard: Guard { shared: Arc::clone(&shared), has_ended: false },
            shared,
            memory,
            hasher,
            pace: Pace::new(),
            at: extent.base(),
            filling: None,
            next: None,
        }
    }

    /// Takes bytes in, as many as there is room for; into segments if they are to be gathered.
    fn take(&mut self, bytes: &mut Bytes, is_fast: bool, gather: bool) -> Result<(), BlobError> {
        let mut state = self.shared.state();
        state.check()?;
        while !bytes.is_empty() {
            let before = bytes.len();
            if self.filling.is_none() && gather {
                self.filling = self.next.take().or_else(|| state.segment(&self.memory, self.at));
            }
            if let Some(segment) = &mut self.filling {
                segment.fill(bytes);
                if segment.is_full() {
                    state.push(self.filling.take());
                }
            } else if state.segments == 0 && state.has_room(loose_cost(bytes), self.loose_max()) {
                state.push_loose(self.memory.keep(std::mem::take(bytes)));
            } else {
                break;
            }
            self.at = self.at.saturating_add((before - bytes.len()) as u64);
        }
        if !gather {
            state.push(self.filling.take());
            self.next = None;
        }
        // What there is no room for waits until a job has written what waits before it.
        let is_stuck = !bytes.is_empty();
        let start = if is_fast { START_BYTES } else { START_BYTES_OF_SLOW };
        let is_enough = is_stuck || state.waiting > start;
        drop(state);
        if is_enough {
            start_job(&self.shared);
        }
        Ok(())
    }

    /// Sees to room for as many bytes again; says whether there is.
    fn make_room(&mut self, length: usize) -> Result<bool, BlobError> {
        let mut state = self.shared.state();
        state.check()?;
        if state.segments == 0 {
            return Ok(true);
        }
        let room = self.filling.as_ref().map_or(0, Segment::room);
        if room < length && self.next.is_none() {
            let at = self.at.saturating_add(room as u64);
            self.next = state.segment(&self.memory, at);
        }
        Ok(room >= length || self.next.is_some())
    }

    /// What may wait of one upload outside of segments.
    fn loose_max(&self) -> usize {
        let are_many = self.memory.loose() > LOOSE_BYTES_MAX;
        if are_many { WAITING_BYTES_OF_MANY } else { WAITING_BYTES_MAX }
    }
}

#[async_trait]
impl Staging for DiskStaging {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        let length = bytes.len();
        self.hasher.update(&bytes);
        let is_fast = self.pace.note(length, Instant::now());
        let gather = is_fast && self.shared.extent.may_be_direct();
        loop {
            self.take(&mut bytes, is_fast, gather)?;
            if bytes.is_empty() {
                break;
            }
            self.shared.progress.notified().await;
        }
        // While somebody holds what was read, the next bytes are read into fresh memory: waiting
        // is cheaper afterwards.
        drop(bytes);
        while gather && !self.make_room(length.min(SEGMENT_BYTES))? {
            self.shared.progress.notified().await;
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<CommittedBlob, BlobError> {
        let Self { shared, hasher, at, filling, mut guard, .. } = *self;
        let (sender, committed) = oneshot::channel();
        {
            let mut state = shared.state();
            state.check()?;
            state.push(filling);
            state.end = Some(sender);
        }
        start_job(&shared);
        let lost = |error| Err(Failure::Sync(io::Error::other(error)));
        let result = committed.await.unwrap_or_else(lost);
        guard.has_ended = result.is_ok();
        match (result, shared.extent) {
            (Ok(()), extent) => Ok(extent.committed(at, hasher)),
            (Err(Failure::Sync(error)), Extent::Part(_)) => Err(BlobError::SyncFailed(error)),
            // Nothing is lost but this blob, which nobody has heard of.
            (Err(Failure::Sync(error) | Failure::Write(error)), _) => Err(write_error(error)),
        }
    }

    async fn discard(mut self: Box<Self>) {
        self.guard.has_ended = true;
        let shared = Arc::clone(&self.shared);
        if let Err(error) = off_thread(move || shared.give_up()).await {
            tracing::warn!(%error, "an abandoned blob is left to the sweeper");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let shared = Arc::clone(&self.shared);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || shared.give_up());
        }
    }
}

/// Starts a job unless one runs. A running one looks at the queue again before it ends.
fn start_job(shared: &Arc<Shared>) {
    let Some(writer) = shared.state().take_writer() else { return };
    let shared = Arc::clone(shared);
    spawn_blocking(move || shared.empty_queue(writer));
}

impl State {
    fn take_writer(&mut self) -> Option<Box<Writer>> {
        match std::mem::replace(&mut self.phase, Phase::Running) {
            Phase::Idle(writer) => Some(writer),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// Whether something of this cost may wait, too. What is larger than all the room passes when
    /// nothing else waits.
    fn has_room(&self, cost: usize, max: usize) -> bool {
        self.waiting == 0 || self.waiting + cost <= max
    }

    /// One more segment, if there is room and memory for it.
    fn segment(&self, memory: &Arc<Memory>, at: u64) -> Option<Segment> {
        let has_room = self.has_room(SEGMENT_BYTES, WAITING_BYTES_MAX);
        has_room.then(|| memory.segment(at, self.segments)).flatten()
    }

    fn push(&mut self, segment: Option<Segment>) {
        if let Some(segment) = segment.filter(|segment| !segment.is_empty()) {
            self.waiting += SEGMENT_BYTES;
            self.segments += 1;
            self.queue.push_back(Item::Gathered(segment));
        }
    }

    fn push_loose(&mut self, piece: Loose) {
        self.waiting += piece.cost();
        self.queue.push_back(Item::Loose(piece));
    }

    /// The error of a job, if one has failed. It stays.
    fn check(&mut self) -> Result<(), BlobError> {
        let Some(error) = self.failed.take() else { return Ok(()) };
        self.failed = Some(io::Error::from(error.kind()));
        Err(write_error(error))
    }

    /// Counts no more what was written, or has been cleared meanwhile.
    fn note_written(&mut self, cost: usize, segments: usize) {
        self.waiting = self.waiting.saturating_sub(cost);
        self.segments = self.segments.saturating_sub(segments);
    }

    fn clear(&mut self) {
        self.queue.clear();
        (self.waiting, self.segments) = (0, 0);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job: writes until nothing waits, then commits if the end is there.
    fn empty_queue(&self, mut writer: Box<Writer>) {
        loop {
            let (batch, end) = {
                let mut state = self.state();
                let batch = gather(&mut state.queue);
                let end = if batch.is_empty() { state.end.take() } else { None };
                if batch.is_empty() && end.is_none() {
                    state.phase = Phase::Idle(writer);
                    self.job_ended.notify_all();
                    return;
                }
                (batch, end)
            };
            if let Some(end) = end {
                let result = self.commit(*writer);
                self.end();
                // The caller may have gone away; then the blob is given up.
                let _ = end.send(result);
                return;
            }
            let cost = batch.iter().map(Item::cost).sum();
            let segments = batch.iter().filter(|item| item.is_gathered()).count();
            let result = self.write(&mut writer, &batch);
            drop(batch);
            if let Err(error) = result {
                return self.fail(*writer, error);
            }
            self.state().note_written(cost, segments);
            self.progress.notify_one();
        }
    }

    fn write(&self, writer: &mut Writer, batch: &[Item]) -> io::Result<()> {
        let pieces: Vec<&[u8]> = batch.iter().map(Item::bytes).collect();
        let is_aligned = batch.first().is_some_and(Item::is_gathered);
        self.output(writer)?.write(&pieces, is_aligned)
    }

    /// The file, created when the first bytes are there to be written.
    fn output<'a>(&self, writer: &'a mut Writer) -> io::Result<&'a mut Output> {
        if writer.is_none() {
            *writer = Some(self.create()?);
        }
        writer.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self) -> io::Result<Output> {
        let mut flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Other parts may have made it.
        flags.set(OFlags::EXCL, self.extent.is_whole());
        let mode = Mode::RUSR | Mode::WUSR;
        let folder = self.folders.of(&self.blob)?;
        let file = fs::openat(folder, self.blob.as_str(), flags, mode)?;
        self.created.store(self.extent.is_whole(), Ordering::Release);
        let output = Output::new(file, self.extent.base(), self.extent.may_be_direct());
        Ok(match self.extent {
            Extent::Whole(_) => output,
            Extent::Part(_) => output.in_room(self.rooms.of(&self.blob)),
        })
    }

    /// The one door to durability: data first, then the name.
    fn commit(&self, mut writer: Writer) -> Result<(), Failure> {
        let output = self.output(&mut writer).map_err(Failure::Write)?;
        output.sync().map_err(Failure::Sync)?;
        self.folders.sync_name(&self.blob).map_err(Failure::Sync)
    }

    /// After an error nothing is tried on this file again.
    fn fail(&self, writer: Writer, error: io::Error) {
        drop(writer);
        self.end();
        let mut state = self.state();
        match state.end.take() {
            Some(end) => drop(end.send(Err(Failure::Write(error)))),
            None => state.failed = Some(error),
        }
        drop(state);
        self.progress.notify_one();
    }

    fn end(&self) {
        let mut state = self.state();
        state.clear();
        state.phase = Phase::Ended;
        self.job_ended.notify_all();
    }

    /// Removes what there is of a whole blob, once no job can write to it any more. Of a part
    /// nothing is to be removed.
    fn give_up(&self) -> io::Result<()> {
        let mut state = self.state();
        state.clear();
        while matches!(state.phase, Phase::Running) {
            state = self.job_ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.phase = Phase::Ended;
        drop(state);
        if !self.created.load(Ordering::Acquire) {
            return Ok(());
        }
        unlink(&self.folders, &self.blob)
    }
}

impl Extent {
    /// Where in the file it begins.
    fn base(self) -> u64 {
        match self {
            Self::Whole(_) => 0,
            Self::Part(offset) => offset,
        }
    }

    /// What is durable once everything up to this position is.
    fn committed(self, at: u64, hasher: ContentHasher) -> CommittedBlob {
        let (size, digests) = (at.saturating_sub(self.base()), hasher.finish());
        let piece = Piece { size, crc64: digests.crc64, memo: Memo::default() };
        let is_part = !self.is_whole();
        CommittedBlob { size, digests, pieces: is_part.then_some(piece).into_iter().collect() }
    }

    fn is_whole(self) -> bool {
        matches!(self, Self::Whole(_))
    }

    fn may_be_direct(self) -> bool {
        match self {
            Self::Whole(size) => size.is_none_or(|size| size >= DIRECT_FILE_BYTES),
            Self::Part(_) => true,
        }
    }
}

/// A folder that is gone makes writing impossible; it says nothing about a blob.
fn write_error(error: io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::NotFound => BlobError::Unavailable(error),
        _ => blob_error(error),
    }
}
