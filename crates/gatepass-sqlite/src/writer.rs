//! The one writer.

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::Duration;

use gatepass_core::port::CatalogError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::cache::Cache;
use crate::connection::catalog_error;
use crate::watch::Watch;

/// Changes that may wait.
const QUEUE_MAX: usize = 4_096;
/// Changes that share one transaction.
const GROUP_MAX: usize = 256;
/// How long a change waits for its place in the queue.
const QUEUE_WAIT: Duration = Duration::from_secs(5);

/// What a change returns: its own refusal, or a fault of the catalog.
pub(crate) type Outcome<T, E> = Result<T, E>;

/// One change: runs inside the transaction, then tells its caller how that ended.
type Change = Box<dyn FnOnce(&Transaction<'_>) -> Report + Send>;
/// Called with the fate of the transaction.
type Report = Box<dyn FnOnce(Result<(), &rusqlite::Error>) + Send>;

/// A handle on the thread that writes. Dropping it ends the thread, after what waits is done.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Change>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn spawn(mut connection: Connection, cache: Cache) -> std::io::Result<Self> {
        let watch = Watch::on(&mut connection, cache).map_err(std::io::Error::other)?;
        let (queue, changes) = mpsc::channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("catalog-writer".to_owned())
            .spawn(move || write_all(connection, changes, watch))?;
        Ok(Self { queue: Some(queue), thread: Mutex::new(Some(thread)) })
    }

    /// Lets the thread notice what other processes have changed, as it does with each group.
    pub(crate) fn wake(&self) {
        let nothing: Change = Box::new(|_| Box::new(|_| ()));
        if let Some(queue) = &self.queue {
            // A queue that is full wakes it as well.
            let _ = queue.try_send(nothing);
        }
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
        let job: Change = Box::new(move |transaction| {
            let outcome = in_savepoint(transaction, change);
            Box::new(move |committed| {
                let outcome = match committed {
                    Ok(()) => outcome,
                    Err(error) => Err(E::from(commit_error(error))),
                };
                // A caller that has gone away is not told; its change stands.
                let _ = sender.send(outcome);
            })
        });
        let queue = self.queue.as_ref().ok_or_else(|| E::from(unavailable("closed")))?;
        let sent = tokio::time::timeout(QUEUE_WAIT, queue.send(job)).await;
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(E::from(unavailable("the writer has stopped"))),
            Err(_) => return Err(E::from(unavailable("too many changes wait"))),
        }
        receiver.await.unwrap_or_else(|_| Err(E::from(unavailable("the change was dropped"))))
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

fn unavailable(reason: &'static str) -> CatalogError {
    CatalogError::Unavailable(reason.into())
}

/// A commit's error goes to many callers: each gets the text of it.
fn commit_error(error: &rusqlite::Error) -> CatalogError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => CatalogError::Full(error.to_string().into()),
        _ => CatalogError::Unavailable(error.to_string().into()),
    }
}

fn write_all(mut connection: Connection, mut changes: mpsc::Receiver<Change>, mut watch: Watch) {
    let mut group = Vec::new();
    while changes.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        let size = u32::try_from(group.len()).unwrap_or(u32::MAX);
        metrics::histogram!("gatepass_catalog_group_size").record(f64::from(size));
        write_group(&mut connection, &mut watch, std::mem::take(&mut group));
    }
}

/// One transaction for all; nobody is told anything before its end.
fn write_group(connection: &mut Connection, watch: &mut Watch, group: Vec<Change>) {
    if let Err(error) = watch.look_for_others(connection) {
        tracing::warn!(%error, "it is not known what other processes have changed");
    }
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            // The callers learn of it by their dropped jobs.
            tracing::warn!(%error, "no transaction could begin");
            return;
        }
    };
    let reports: Vec<Report> = group.into_iter().map(|change| change(&transaction)).collect();
    let committed = transaction.commit();
    if let Err(error) = &committed {
        tracing::error!(%error, "a transaction was not committed");
    }
    watch.tell();
    for report in reports {
        report(committed.as_ref().copied());
    }
}

/// Runs a change so that its failure, or its panic, undoes only itself.
///
/// Some faults, as a full disk, make SQLite roll back the whole transaction. What came after that
/// would be a transaction of its own, and made although its caller is told that it was not.
fn in_savepoint<T, E: From<CatalogError>>(
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
