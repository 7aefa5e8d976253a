//! Who writes to which bytes of an upload at this moment, in this process.
//!
//! Requests for disjoint ranges do not know of each other. Of two for the same bytes the newer one
//! gets its turn when the older has ended. It waits for one that is about to end; one whose client
//! has fallen silent, or that takes too long, is cut. So two requests never write the same bytes
//! at once, and a dead connection holds nobody up for long.
//!
//! This decides over turns only. What was received is in the catalog, and a restart forgets
//! nothing but who was writing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gatepass_core::{ByteRange, UploadId};
use tokio::sync::{Notify, watch};

/// A client that has sent nothing for this long is not waited for.
const SILENCE_MAX: Duration = Duration::from_millis(500);
/// How long the older attempt may go on once a newer one is there.
const TURN_MAX: Duration = Duration::from_millis(1_500);
/// Attempts that may be at the same bytes, or wait for them.
const ATTEMPTS_MAX: usize = 64;
/// How often the older attempt is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// All attempts of the process.
#[derive(Default)]
pub(crate) struct Attempts {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    uploads: Mutex<HashMap<UploadId, Vec<Arc<Entry>>>>,
    next: AtomicU64,
    ended: Notify,
}

struct Entry {
    number: u64,
    range: ByteRange,
    /// Whether its turn has come and its bytes are coming in: only then can it be cut.
    streaming: AtomicBool,
    begun: Instant,
    /// When bytes last came, in milliseconds after `begun`.
    progress: AtomicU64,
    cut: watch::Sender<bool>,
}

/// The right to write to a range. It ends when the last copy is dropped, so whatever may still
/// write holds one.
pub(crate) struct Attempt {
    shared: Arc<Shared>,
    upload: UploadId,
    entry: Arc<Entry>,
}

/// A newer attempt took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut;

impl Attempts {
    /// Waits for a turn at a range. Fails if a newer attempt comes meanwhile that need not wait, or
    /// if many wait already.
    pub(crate) async fn begin(
        &self,
        upload: &UploadId,
        range: ByteRange,
    ) -> Result<Arc<Attempt>, Cut> {
        let entry = self.shared.enter(upload, range);
        let upload = upload.clone();
        let attempt = Attempt { shared: Arc::clone(&self.shared), upload, entry };
        if attempt.older().len() >= ATTEMPTS_MAX {
            return Err(Cut);
        }
        attempt.wait_for_turn().await?;
        Ok(Arc::new(attempt))
    }

    /// Cuts every attempt at an upload, and waits until nobody writes to it.
    pub(crate) async fn stop(&self, upload: &UploadId) {
        self.stop_beyond(upload, 0).await;
    }

    /// Likewise those that go further than this.
    pub(crate) async fn stop_beyond(&self, upload: &UploadId, end: u64) {
        loop {
            let ended = self.shared.ended.notified();
            let active = self.shared.of(upload, |entry| entry.range.end() > end);
            if active.is_empty() {
                return;
            }
            for entry in active {
                entry.cut.send_replace(true);
            }
            let _ = tokio::time::timeout(LOOK_INTERVAL, ended).await;
        }
    }
}

impl Shared {
    fn uploads(&self) -> MutexGuard<'_, HashMap<UploadId, Vec<Arc<Entry>>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, upload: &UploadId, range: ByteRange) -> Arc<Entry> {
        let mut uploads = self.uploads();
        let entry = Arc::new(Entry {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            range,
            streaming: AtomicBool::new(false),
            begun: Instant::now(),
            progress: AtomicU64::new(0),
            cut: watch::Sender::new(false),
        });
        uploads.entry(upload.clone()).or_default().push(Arc::clone(&entry));
        entry
    }

    fn of(&self, upload: &UploadId, which: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let uploads = self.uploads();
        let entries = uploads.get(upload).map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter(|entry| which(entry)).cloned().collect()
    }

    fn leave(&self, upload: &UploadId, number: u64) {
        let mut uploads = self.uploads();
        if let Some(entries) = uploads.get_mut(upload) {
            entries.retain(|entry| entry.number != number);
            if entries.is_empty() {
                uploads.remove(upload);
            }
        }
        drop(uploads);
        self.ended.notify_waiters();
    }
}

impl Entry {
    fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.progress.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last)
    }

    fn note_progress(&self) {
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress.store(elapsed, Ordering::Relaxed);
    }
}

impl Attempt {
    async fn wait_for_turn(&self) -> Result<(), Cut> {
        loop {
            let ended = self.shared.ended.notified();
            let older = self.older();
            if older.is_empty() {
                self.entry.note_progress();
                self.entry.streaming.store(true, Ordering::Release);
                return Ok(());
            }
            let patience_is_over = self.entry.begun.elapsed() >= TURN_MAX;
            for entry in older.iter().filter(|entry| entry.streaming.load(Ordering::Acquire)) {
                if patience_is_over || entry.silent_for() >= SILENCE_MAX {
                    entry.cut.send_replace(true);
                }
            }
            tokio::select! {
                () = self.cut() => return Err(Cut),
                _ = tokio::time::timeout(LOOK_INTERVAL, ended) => {}
            }
        }
    }

    /// Attempts at the same bytes that began earlier.
    fn older(&self) -> Vec<Arc<Entry>> {
        self.shared.of(&self.upload, |entry| {
            entry.number < self.entry.number && entry.range.overlaps(self.entry.range)
        })
    }

    /// Returns when this attempt has to let go.
    pub(crate) async fn cut(&self) {
        let mut cut = self.entry.cut.subscribe();
        // The sender lives as long as this attempt.
        let _ = cut.wait_for(|cut| *cut).await;
    }

    /// Tells that the client is alive.
    pub(crate) fn note_progress(&self) {
        self.entry.note_progress();
    }

    /// Tells that all bytes are there: from now on nobody needs to wait for a client.
    pub(crate) fn note_received(&self) {
        self.entry.streaming.store(false, Ordering::Release);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.leave(&self.upload, self.entry.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::FuturesUnordered;
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    fn id(byte: u8) -> UploadId {
        UploadId::from_random([byte; 26])
    }

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).unwrap()
    }

    #[tokio::test]
    async fn disjoint_ranges_and_other_uploads_do_not_wait() {
        let attempts = Attempts::default();
        let _first = attempts.begin(&id(1), range(0, 10)).await.ok().unwrap();
        let _second = attempts.begin(&id(1), range(10, 20)).await.ok().unwrap();
        let _other = attempts.begin(&id(2), range(0, 10)).await.ok().unwrap();
    }

    #[tokio::test]
    async fn a_silent_attempt_is_cut_and_the_newer_one_waits_until_it_let_go() {
        let (attempts, id) = (Attempts::default(), id(1));
        let first = attempts.begin(&id, range(0, 10)).await.ok().unwrap();
        let newer = attempts.begin(&id, range(5, 6));
        tokio::pin!(newer);
        tokio::select! {
            _ = &mut newer => panic!("it did not wait"),
            () = first.cut() => {}
        }
        let writer = Arc::clone(&first);
        drop(first);
        let early = tokio::time::timeout(Duration::from_millis(200), &mut newer).await;
        assert!(early.is_err(), "somebody may still write");
        drop(writer);
        assert!(newer.await.is_ok());
    }

    #[tokio::test]
    async fn one_that_has_all_its_bytes_is_waited_for() {
        let (attempts, id) = (Attempts::default(), id(1));
        let first = attempts.begin(&id, range(0, 10)).await.ok().unwrap();
        first.note_received();
        let newer = attempts.begin(&id, range(0, 10));
        tokio::pin!(newer);
        let waited = tokio::time::timeout(TURN_MAX + SILENCE_MAX, &mut newer).await;
        assert!(waited.is_err());
        let cut = tokio::time::timeout(Duration::from_millis(10), first.cut()).await;
        assert!(cut.is_err(), "it was cut");
        drop(first);
        assert!(newer.await.is_ok());
    }

    #[tokio::test]
    async fn many_get_their_turn_one_after_the_other() {
        let attempts = Arc::new(Attempts::default());
        let all = (0..32).map(|_| {
            let attempts = Arc::clone(&attempts);
            tokio::spawn(async move {
                let attempt = attempts.begin(&id(1), range(0, 10)).await.ok().unwrap();
                attempt.note_received();
                tokio::time::sleep(Duration::from_millis(5)).await;
            })
        });
        for attempt in all.collect::<Vec<_>>() {
            attempt.await.unwrap();
        }
        assert!(attempts.shared.uploads().is_empty(), "nothing is left behind");
    }

    #[tokio::test]
    async fn so_many_wait_and_no_more() {
        let (attempts, id) = (Attempts::default(), id(1));
        let first = attempts.begin(&id, range(0, 10)).await.ok().unwrap();
        first.note_received();
        let mut waiting = FuturesUnordered::new();
        for _ in 1..ATTEMPTS_MAX {
            waiting.push(attempts.begin(&id, range(5, 6)));
        }
        assert!(waiting.next().now_or_never().is_none(), "they wait");
        assert!(attempts.begin(&id, range(0, 10)).await.is_err());
        assert!(attempts.begin(&id, range(10, 20)).await.is_ok(), "these are other bytes");
    }

    #[tokio::test]
    async fn stopping_waits_for_everybody() {
        let (attempts, id) = (Attempts::default(), id(1));
        let first = attempts.begin(&id, range(0, 10)).await.ok().unwrap();
        let stop = attempts.stop(&id);
        tokio::pin!(stop);
        tokio::select! {
            () = &mut stop => panic!("it did not wait"),
            () = first.cut() => {}
        }
        drop(first);
        stop.await;
    }
}
