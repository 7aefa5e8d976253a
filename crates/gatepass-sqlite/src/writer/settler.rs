//! The thread that writes to SQLite: some time later what was published, at once all else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatepass_core::port::CatalogError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::apply::apply;
use super::{Change, Outcome, Report, commit_error, unavailable};
use crate::connection::catalog_error;
use crate::journal::Accepted;
use crate::watch::Watch;

/// Records that are written in one transaction under load: with more, pages that several of them
/// touch are written less often, and changes of other kinds wait longer.
const SETTLE_AT: usize = 1_024;
/// How long nothing is tried after SQLite has refused.
const RETRY_AFTER: Duration = Duration::from_secs(1);

type Reply = oneshot::Sender<Outcome<(), CatalogError>>;

enum Message {
    /// These are durable.
    Records(Vec<Accepted>),
    /// Make these changes; dropping the sender tells that they are made, or are not.
    Change(Vec<Change>, Sender<()>),
    /// Write everything, and tell these of it; if there are none, only unless SQLite has just
    /// refused.
    Settle(Vec<Reply>),
    /// Notice what other processes have changed.
    Look,
}

/// A handle on the thread. Dropping it ends the thread, after what waits is done.
pub(super) struct Settler {
    messages: Option<Sender<Message>>,
    /// Records that SQLite does not have yet.
    behind: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Settler {
    pub(super) fn spawn(connection: Connection, watch: Watch) -> std::io::Result<Self> {
        let (messages, receiver) = mpsc::channel();
        let behind = Arc::new(AtomicUsize::new(0));
        let work = Work {
            connection,
            watch,
            waiting: Vec::new(),
            behind: Arc::clone(&behind),
            synced: true,
            not_before: None,
        };
        let thread = std::thread::Builder::new()
            .name("catalog-settler".to_owned())
            .spawn(move || work.run(&receiver))?;
        Ok(Self { messages: Some(messages), behind, thread: Some(thread) })
    }

    /// Takes records that are durable.
    pub(super) fn take(&self, records: Vec<Accepted>) {
        if !records.is_empty() {
            self.behind.fetch_add(records.len(), Ordering::Relaxed);
            self.send(Message::Records(records));
        }
    }

    /// Whether SQLite lacks anything.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed) > 0
    }

    /// Waits until SQLite is less than so many records behind.
    pub(super) fn catch_up(&self, max: usize) -> Result<(), CatalogError> {
        if self.behind.load(Ordering::Relaxed) < max {
            return Ok(());
        }
        let (sender, receiver) = oneshot::channel();
        self.settle(vec![sender]);
        receiver.blocking_recv().unwrap_or_else(|_| Err(super::dropped()))
    }

    /// Makes changes, after what was published before, and waits until they have been told.
    pub(super) fn change(&self, changes: Vec<Change>) {
        let (done, made) = mpsc::channel();
        self.send(Message::Change(changes, done));
        let _ = made.recv();
    }

    pub(super) fn settle(&self, replies: Vec<Reply>) {
        self.send(Message::Settle(replies));
    }

    pub(super) fn look(&self) {
        self.send(Message::Look);
    }

    /// A thread that is gone has dropped what it was told, and drops this.
    fn send(&self, message: Message) {
        if let Some(messages) = &self.messages {
            let _ = messages.send(message);
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    connection: Connection,
    watch: Watch,
    waiting: Vec<Accepted>,
    behind: Arc<AtomicUsize>,
    /// Whether each commit is synced.
    synced: bool,
    /// When SQLite may be asked again, after it has refused.
    not_before: Option<Instant>,
}

impl Work {
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            match message {
                Message::Records(records) => {
                    self.waiting.extend(records);
                    if self.waiting.len() >= SETTLE_AT {
                        self.settle_unless_refused();
                    }
                }
                Message::Change(changes, _done) => self.change(changes),
                Message::Settle(replies) if replies.is_empty() => self.settle_unless_refused(),
                Message::Settle(replies) => self.settle_for(replies),
                Message::Look => self.look_for_others(),
            }
        }
        self.settle_for(Vec::new());
    }

    fn settle_unless_refused(&mut self) {
        if self.not_before.is_none_or(|time| Instant::now() >= time) {
            self.settle_for(Vec::new());
        }
    }

    fn settle_for(&mut self, replies: Vec<Reply>) {
        self.look_for_others();
        let settled = self.settle();
        if let Err(error) = &settled {
            tracing::warn!(%error, "the database does not take what is in the journal");
        }
        for reply in replies {
            let _ = reply.send(settled.as_ref().copied().map_err(commit_error));
        }
    }

    /// Writes what waits. That need not be synced: the journal is.
    fn settle(&mut self) -> rusqlite::Result<()> {
        if self.waiting.is_empty() { Ok(()) } else { self.transact(false, |_| ()) }
    }

    /// One transaction for all, after what was published before.
    fn change(&mut self, changes: Vec<Change>) {
        self.look_for_others();
        let (mut untried, mut reports) = (changes, Vec::<Report>::new());
        let committed = self.transact(true, |transaction| {
            reports.extend(untried.drain(..).map(|change| change(Ok(transaction))));
        });
        if let Err(error) = &committed {
            tracing::error!(%error, "a transaction was not committed");
            reports.extend(untried.into_iter().map(|change| change(Err(error))));
        }
        for report in reports {
            report(committed.as_ref().copied());
        }
    }

    fn transact(
        &mut self,
        synced: bool,
        change: impl FnOnce(&Transaction<'_>),
    ) -> rusqlite::Result<()> {
        self.sync_commits(synced)?;
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let made = begun.and_then(|transaction| {
            apply(&transaction, &self.waiting)?;
            change(&transaction);
            transaction.commit()
        });
        if made.is_ok() {
            self.settled();
        } else {
            self.watch.tell();
            self.not_before = Some(Instant::now() + RETRY_AFTER);
        }
        made
    }

    fn settled(&mut self) {
        self.watch.tell_settled(&self.waiting);
        self.behind.fetch_sub(self.waiting.len(), Ordering::Relaxed);
        self.waiting.clear();
        self.not_before = None;
    }

    /// FULL syncs with each commit, NORMAL when the log is emptied: what NORMAL may lose is
    /// always the latest.
    fn sync_commits(&mut self, synced: bool) -> rusqlite::Result<()> {
        if self.synced != synced {
            let mode = if synced { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", mode)?;
            self.synced = synced;
        }
        Ok(())
    }

    fn look_for_others(&mut self) {
        if let Err(error) = self.watch.look_for_others(&self.connection) {
            tracing::warn!(%error, "it is not known what other processes have changed");
        }
    }
}

/// Runs a change so that its failure, or its panic, undoes only itself.
///
/// Some faults, as a full disk, make SQLite roll back the whole transaction. What came after that
/// would be a transaction of its own, and made although its caller is told that it was not.
pub(super) fn in_savepoint<T, E: From<CatalogError>>(
    transaction: &Connection,
    change: impl FnOnce(&Connection) -> Outcome<T, E>,
) -> Outcome<T, E> {
    let lost = || Err(E::from(unavailable("the transaction was rolled back")));
    if transaction.is_autocommit() {
        return lost();
    }
    transaction.execute_batch("SAVEPOINT one_change").map_err(catalog_error)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| change(transaction)))
        .unwrap_or_else(|_| Err(E::from(unavailable("the change panicked"))));
    if transaction.is_autocommit() {
        return outcome.and_then(|_| lost());
    }
    let end = match &outcome {
        Ok(_) => "RELEASE one_change",
        Err(_) => "ROLLBACK TO one_change; RELEASE one_change",
    };
    transaction.execute_batch(end).map_err(catalog_error)?;
    outcome
}
