//! Writing a blob.
//!
//! Pieces of a body wait in a queue that is bounded in bytes. A job on a blocking thread empties
//! it, gathering what has come meanwhile into one write, and ends when nothing is left: an upload
//! that pauses holds no thread. A small upload is one job in all, because the job starts only
//! when enough waits or the end is there: create, write, sync.
//!
//! A part of a blob is written the same way, from its offset on, into a file that other parts
//! are written to at the same time.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gatepass_core::port::{BlobError, CommittedBlob, Piece, Staging};
use gatepass_core::{BlobId, ContentHasher, Memo};
use rustix::fs::{self, Advice, Mode, OFlags};
use rustix::io::{Errno, pwritev};
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_blocking;

use crate::folders::Folders;
use crate::store::{blob_error, off_thread, unlink};

/// What of one upload may wait for the disk, in bytes.
const QUEUE_BYTES_MAX: usize = 4 << 20;
/// What a piece takes beside its bytes: a client may send them one by one.
const PIECE_BYTES: usize = 64;
/// Bytes that may wait before a job starts, unless the end comes first.
const START_BYTES: usize = 16 << 10;
/// The same for a client that trickles: one of thousands, which make the server hold so much each.
const START_BYTES_OF_SLOW: usize = 4 << 10;
/// Who sends so little at once trickles. A fast client's first and last piece may be as small.
const SLOW_PIECE_BYTES: usize = 4 << 10;
/// Bytes gathered into one write.
const GATHER_BYTES: usize = 1 << 20;
/// Bytes after which the system is told to begin writing them to the disk, so that the sync at the
/// end of a large upload has little left to wait for.
const WRITEBACK_BYTES: u64 = 8 << 20;
/// Pieces gathered into one write; the system takes 1,024.
const GATHER_PIECES: usize = 256;

/// A blob that is being written.
pub(crate) struct DiskStaging {
    shared: Arc<Shared>,
    committed: bool,
}

struct Shared {
    folders: Arc<Folders>,
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
    /// All of it: nobody else has written to it, or will.
    Whole,
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
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    end: Option<oneshot::Sender<Result<CommittedBlob, Failure>>>,
    failed: Option<io::Error>,
    phase: Phase,
}

/// Who has the writer.
enum Phase {
    /// Nobody: a job can be started.
    Idle(Box<Writer>),
    /// A job.
    Running,
    /// Nobody will write to the file again: it is committed, or it failed.
    Ended,
}

/// The file, and what is known of its content.
struct Writer {
    file: Option<OwnedFd>,
    written: u64,
    /// Of these, how many are on their way to the disk for sure.
    begun: u64,
    hasher: ContentHasher,
}

impl DiskStaging {
    pub(crate) fn new(
        folders: Arc<Folders>,
        blob: BlobId,
        extent: Extent,
        hasher: ContentHasher,
    ) -> Self {
        let writer = Box::new(Writer { file: None, written: 0, begun: 0, hasher });
        let state = State {
            queue: VecDeque::new(),
            queued_bytes: 0,
            end: None,
            failed: None,
            phase: Phase::Idle(writer),
        };
        let shared = Shared {
            folders,
            blob,
            extent,
            state: Mutex::new(state),
            progress: Notify::new(),
            job_ended: Condvar::new(),
            created: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared), committed: false }
    }

    /// Waits until there is room. A piece larger than the whole queue passes when it is empty.
    async fn wait_for_room(&self, cost: usize) -> Result<(), BlobError> {
        loop {
            let progress = self.shared.progress.notified();
            {
                let mut state = self.shared.state();
                if let Some(error) = state.failed.take() {
                    state.failed = Some(io::Error::from(error.kind()));
                    return Err(write_error(error));
                }
                if state.queued_bytes == 0 || state.queued_bytes + cost <= QUEUE_BYTES_MAX {
                    return Ok(());
                }
            }
            progress.await;
        }
    }
}

#[async_trait]
impl Staging for DiskStaging {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.wait_for_room(cost(&bytes)).await?;
        let start = {
            let mut state = self.shared.state();
            state.queued_bytes += cost(&bytes);
            let is_slow = bytes.len() < SLOW_PIECE_BYTES;
            state.queue.push_back(bytes);
            state.queued_bytes > if is_slow { START_BYTES_OF_SLOW } else { START_BYTES }
        };
        if start {
            start_job(&self.shared);
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<CommittedBlob, BlobError> {
        let (sender, committed) = oneshot::channel();
        {
            let mut state = self.shared.state();
            if let Some(error) = state.failed.take() {
                return Err(write_error(error));
            }
            state.end = Some(sender);
        }
        start_job(&self.shared);
        let lost = |error| Err(Failure::Sync(io::Error::other(error)));
        let result = committed.await.unwrap_or_else(lost);
        self.committed = result.is_ok();
        result.map_err(|failure| match (failure, self.shared.extent) {
            (Failure::Sync(error), Extent::Part(_)) => BlobError::SyncFailed(error),
            // Nothing is lost but this blob, which nobody has heard of.
            (Failure::Sync(error) | Failure::Write(error), _) => write_error(error),
        })
    }

    async fn discard(mut self: Box<Self>) {
        self.committed = true;
        let shared = Arc::clone(&self.shared);
        if let Err(error) = off_thread(move || shared.give_up()).await {
            tracing::warn!(%error, "an abandoned blob is left to the sweeper");
        }
    }
}

impl Drop for DiskStaging {
    /// What was not committed is given up, in the background.
    fn drop(&mut self) {
        if self.committed {
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
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job: writes until nothing waits, then commits if the end is there.
    fn empty_queue(&self, mut writer: Box<Writer>) {
        loop {
            let (pieces, end) = {
                let mut state = self.state();
                let pieces = gather(&mut state.queue);
                let end = if pieces.is_empty() { state.end.take() } else { None };
                if pieces.is_empty() && end.is_none() {
                    state.phase = Phase::Idle(writer);
                    self.job_ended.notify_all();
                    return;
                }
                (pieces, end)
            };
            if let Some(end) = end {
                let result = self.commit(writer);
                self.end();
                // The caller may have gone away; then the blob is given up.
                let _ = end.send(result);
                return;
            }
            let taken: usize = pieces.iter().map(cost).sum();
            let result = self.write(&mut writer, &pieces);
            drop(pieces);
            if let Err(error) = result {
                return self.fail(writer, error);
            }
            let mut state = self.state();
            state.queued_bytes = state.queued_bytes.saturating_sub(taken);
            drop(state);
            self.progress.notify_one();
        }
    }

    fn write(&self, writer: &mut Writer, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            writer.hasher.update(piece);
        }
        let base = self.extent.base();
        let at = base.saturating_add(writer.written);
        let file = self.file(writer)?;
        writer.written = write_all_at(file, pieces, at)?.saturating_sub(base);
        self.begin_writeback(writer);
        Ok(())
    }

    /// "Don't need" makes Linux begin to write dirty pages out, and drop clean ones: at this moment
    /// these are dirty, and stay in the cache. It is advice, so that nothing depends on it.
    fn begin_writeback(&self, writer: &mut Writer) {
        let fresh = writer.written.saturating_sub(writer.begun);
        let Some(file) = writer.file.as_ref().filter(|_| fresh >= WRITEBACK_BYTES) else { return };
        let from = self.extent.base().saturating_add(writer.begun);
        let _ = fs::fadvise(file, from, NonZeroU64::new(fresh), Advice::DontNeed);
        writer.begun = writer.written;
    }

    /// The file, created when the first bytes are there to be written.
    fn file<'a>(&self, writer: &'a mut Writer) -> io::Result<&'a OwnedFd> {
        if writer.file.is_none() {
            let mut flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // Other parts may have made it.
            flags.set(OFlags::EXCL, self.extent == Extent::Whole);
            let mode = Mode::RUSR | Mode::WUSR;
            let folder = self.folders.of(&self.blob)?;
            writer.file = Some(fs::openat(folder, self.blob.as_str(), flags, mode)?);
            self.created.store(self.extent == Extent::Whole, Ordering::Release);
        }
        writer.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The one door to durability: data first, then the name.
    fn commit(&self, mut writer: Box<Writer>) -> Result<CommittedBlob, Failure> {
        let file = self.file(&mut writer).map_err(Failure::Write)?;
        fs::fdatasync(file).map_err(|error| Failure::Sync(error.into()))?;
        let folder = self.folders.of(&self.blob).map_err(Failure::Write)?;
        fs::fsync(folder).map_err(|error| Failure::Sync(error.into()))?;
        let (size, digests) = (writer.written, writer.hasher.finish());
        let piece = Piece { size, crc64: digests.crc64, memo: Memo::default() };
        let is_part = self.extent != Extent::Whole;
        Ok(CommittedBlob { size, digests, pieces: is_part.then_some(piece).into_iter().collect() })
    }

    /// After an error nothing is tried on this file again.
    fn fail(&self, writer: Box<Writer>, error: io::Error) {
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
        state.queue.clear();
        state.queued_bytes = 0;
        state.phase = Phase::Ended;
        self.job_ended.notify_all();
    }

    /// Removes what there is of a whole blob, once no job can write to it any more. Of a part
    /// nothing is to be removed.
    fn give_up(&self) -> io::Result<()> {
        let mut state = self.state();
        state.queue.clear();
        state.queued_bytes = 0;
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
            Self::Whole => 0,
            Self::Part(offset) => offset,
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

/// What a piece takes in the queue.
fn cost(piece: &Bytes) -> usize {
    piece.len() + PIECE_BYTES
}

/// Takes pieces from the queue for one write.
fn gather(queue: &mut VecDeque<Bytes>) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut length = 0;
    while let Some(piece) = queue.front() {
        let full = length + piece.len() > GATHER_BYTES || pieces.len() == GATHER_PIECES;
        if full && !pieces.is_empty() {
            break;
        }
        length += piece.len();
        pieces.extend(queue.pop_front());
    }
    pieces
}

/// Writes all pieces from a position on and returns the position after them.
fn write_all_at(file: &OwnedFd, pieces: &[Bytes], at: u64) -> io::Result<u64> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    let mut at = at;
    // Empty slices at the front would look like a write that makes no progress.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match pwritev(file, rest, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                at += count as u64;
                IoSlice::advance_slices(&mut rest, count);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(at)
}
