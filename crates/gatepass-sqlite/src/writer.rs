//! What changes the catalog: two threads, one after the other.
//!
//! The publisher decides on publications and makes them durable in the [journal](crate::journal).
//! While they come one by one, whoever brings one does that on its own thread, in the publisher's place.
//! From it the settler takes them to SQLite, many in one transaction that is not synced. Every other
//! change is a transaction of the settler's own, which is synced, and made while the publisher
//! waits. So SQLite always has what the journal has up to some record, and has noted up to which, in
//! the same transaction.

mod apply;
mod publisher;
mod settler;
#[cfg(test)]
mod tests;

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use gatepass_core::port::{CatalogError, PublishError};
use gatepass_core::publication::{NewFile, Publication};
use rusqlite::{Connection, Transaction};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::block_in_place;

use crate::cache::Cache;
use crate::journal::Record;
use crate::watch::Watch;
use publisher::Publisher;
use settler::{Settler, in_savepoint};

pub(crate) use apply::{apply, noted};
pub(crate) use publisher::Recovered;

/// Changes that may wait.
const QUEUE_MAX: usize = 4_096;
/// How long a change waits for its place in the queue.
const QUEUE_WAIT: Duration = Duration::from_secs(5);

/// What a change returns: its own refusal, or a fault of the catalog.
pub(crate) type Outcome<T, E> = Result<T, E>;

/// One change: runs inside the transaction, then tells its caller how that ended. Where there is no
/// transaction it tells why.
type Change = Box<dyn FnOnce(Result<&Transaction<'_>, &rusqlite::Error>) -> Report + Send>;
/// Called with the fate of the transaction.
type Report = Box<dyn FnOnce(Result<(), &rusqlite::Error>) + Send>;

/// What the publisher is asked for.
enum Job {
    /// To decide on a publication, and to make it durable.
    Publish(Box<NewFile>, oneshot::Sender<Outcome<Publication, PublishError>>),
    /// To make records durable that are decided.
    Append(Vec<Record>, oneshot::Sender<Outcome<(), CatalogError>>),
    /// To change SQLite.
    Change(Change),
    /// To write to SQLite what is in the journal alone.
    Settle(oneshot::Sender<Outcome<(), CatalogError>>),
    /// To notice what other processes have changed, as with each group.
    Look,
}

impl Job {
    /// Bytes of files that it makes durable.
    fn bytes(&self) -> usize {
        match self {
            Self::Publish(new, _) => new.payload.bytes().len(),
            Self::Append(records, _) => records.iter().map(|record| record.bytes().len()).sum(),
            Self::Change(_) | Self::Settle(_) | Self::Look => 0,
        }
    }
}

/// A job with its place in the queue.
struct Queued {
    job: Job,
    _place: OwnedSemaphorePermit,
}

/// A handle on the threads. Dropping it ends them, after what waits is done.
pub(crate) struct Writer {
    queue: Option<Sender<Queued>>,
    places: Arc<Semaphore>,
    /// Held by whoever publishes.
    publisher: Arc<Mutex<Publisher>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    has_journal: bool,
}

impl Writer {
    /// `recovered` is the journal, with what SQLite has not seen of it; without it nothing can be
    /// published: another process does that.
    pub(crate) fn spawn(
        mut connection: Connection,
        reader: Connection,
        cache: Cache,
        recovered: Option<Recovered>,
    ) -> std::io::Result<Self> {
        let watch = Watch::on(&mut connection, cache.clone()).map_err(std::io::Error::other)?;
        let has_journal = recovered.is_some();
        let settler = Settler::spawn(connection, watch)?;
        let publisher = Publisher::new(reader, cache, recovered, settler);
        let publisher = Arc::new(Mutex::new(publisher));
        let (queue, jobs) = mpsc::channel();
        let shared = Arc::clone(&publisher);
        let thread = std::thread::Builder::new()
            .name("catalog-writer".to_owned())
            .spawn(move || publisher::run(&shared, &jobs))?;
        let places = Arc::new(Semaphore::new(QUEUE_MAX));
        let (queue, thread) = (Some(queue), Mutex::new(Some(thread)));
        Ok(Self { queue, places, publisher, thread, has_journal })
    }

    /// Whether this process has the journal. While another has, what it has published last is known
    /// to it alone.
    pub(crate) fn publishes(&self) -> bool {
        self.has_journal
    }

    fn check_journal(&self) -> Result<(), CatalogError> {
        let elsewhere = "another process has the journal: it is the one that publishes";
        if self.has_journal { Ok(()) } else { Err(unavailable(elsewhere)) }
    }

    /// Lets the settler notice what other processes have changed, as it does with each group.
    pub(crate) fn wake(&self) {
        // A queue that is full wakes it as well.
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            let _ = self.send(Job::Look, place);
        }
    }

    /// Publishes a file and waits until that is durable.
    pub(crate) async fn publish(&self, new: NewFile) -> Outcome<Publication, PublishError> {
        self.check_journal()?;
        let (sender, receiver) = oneshot::channel();
        if let Some(job) = self.do_here(Job::Publish(Box::new(new), sender)) {
            self.enqueue(job).await?;
        }
        receiver.await.unwrap_or_else(|_| Err(dropped().into()))
    }

    /// Does a job on this thread, if nobody is at work and nothing waits: to hand it over to another
    /// and to be woken by it takes almost as long as the disk. Returns what cannot be done here.
    ///
    /// The disk may take its time, or hang: another thread goes on in the place of this one, and only
    /// one thread at a time can be here.
    fn do_here(&self, job: Job) -> Option<Job> {
        if !may_block() {
            return Some(job);
        }
        let Ok(mut publisher) = self.publisher.try_lock() else { return Some(job) };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Some(job) };
        // Nothing overtakes what waits already; and those who come many at once share a sync.
        if self.places.available_permits() < QUEUE_MAX - 1 || !publisher.is_brisk() {
            return Some(job);
        }
        let group = vec![Queued { job, _place: place }];
        let nobody_watches = block_in_place(|| publisher.work_aside(group));
        drop(publisher);
        if nobody_watches {
            self.wake();
        }
        None
    }

    /// Makes records durable.
    pub(crate) async fn append(&self, records: Vec<Record>) -> Outcome<(), CatalogError> {
        self.check_journal()?;
        let (sender, receiver) = oneshot::channel();
        self.enqueue(Job::Append(records, sender)).await?;
        receiver.await.unwrap_or_else(|_| Err(dropped()))
    }

    /// Waits until SQLite has everything that is durable now.
    pub(crate) async fn settle(&self) -> Outcome<(), CatalogError> {
        let (sender, receiver) = oneshot::channel();
        self.enqueue(Job::Settle(sender)).await?;
        receiver.await.unwrap_or_else(|_| Err(dropped()))
    }

    /// Makes a change and waits until it is durable. A change that refuses leaves no trace.
    pub(crate) async fn change<T, E>(
        &self,
        change: impl FnOnce(&Connection) -> Outcome<T, E> + Send + 'static,
    ) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: From<CatalogError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let change: Change = Box::new(move |begun| {
            let outcome = match begun {
                Ok(transaction) => in_savepoint(transaction, change),
                Err(error) => Err(E::from(commit_error(error))),
            };
            Box::new(move |committed| {
                let outcome = match committed {
                    Ok(()) => outcome,
                    Err(error) => Err(E::from(commit_error(error))),
                };
                // A caller that has gone away is not told; its change stands.
                let _ = sender.send(outcome);
            })
        });
        self.enqueue(Job::Change(change)).await?;
        receiver.await.unwrap_or_else(|_| Err(E::from(dropped())))
    }

    async fn enqueue(&self, job: Job) -> Result<(), CatalogError> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(QUEUE_WAIT, place).await;
        let place = place.map_err(|_| unavailable("too many changes wait"))?;
        self.send(job, place.map_err(|_| unavailable("closed"))?)
    }

    fn send(&self, job: Job, place: OwnedSemaphorePermit) -> Result<(), CatalogError> {
        let queue = self.queue.as_ref().ok_or_else(|| unavailable("closed"))?;
        let sent = queue.send(Queued { job, _place: place });
        sent.map_err(|_| unavailable("the writer has stopped"))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// Whether this thread can wait for the disk while another goes on in its place.
fn may_block() -> bool {
    Handle::try_current().is_ok_and(|runtime| {
        runtime.runtime_flavor() == RuntimeFlavor::MultiThread
            && runtime.metrics().num_workers() > 1
    })
}

fn unavailable(reason: &'static str) -> CatalogError {
    CatalogError::Unavailable(reason.into())
}

fn dropped() -> CatalogError {
    unavailable("the change was dropped")
}

/// A commit's error goes to many callers: each gets the text of it.
fn commit_error(error: &rusqlite::Error) -> CatalogError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => CatalogError::Full(error.to_string().into()),
        _ => CatalogError::Unavailable(error.to_string().into()),
    }
}

/// A fault that several callers are told of.
fn copy(error: &CatalogError) -> CatalogError {
    match error {
        CatalogError::Full(error) => CatalogError::Full(error.to_string().into()),
        other => CatalogError::Unavailable(other.to_string().into()),
    }
}

fn journal_error(error: &std::io::Error) -> CatalogError {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let text = format!("the journal cannot be written: {error}").into();
    match error.kind() {
        StorageFull | QuotaExceeded => CatalogError::Full(text),
        _ => CatalogError::Unavailable(text),
    }
}
