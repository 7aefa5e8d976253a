//! Connections: a bounded number, each for one attempt at a time, none waited for without end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod};
use gatepass_core::port::CatalogError;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Failure, OpenError, catalog_error};
use crate::options::Options;

/// A connection, for one attempt.
pub(crate) type Session = Arc<Object>;

/// How long a call waits for its answer in all.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long one attempt at a change may take: there has to be time left to settle it.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);
/// How long a change of the schema may take.
const MIGRATION_MAX: Duration = Duration::from_hours(24);
/// How long bringing some records in, or folding counts, may take.
const LONG_MAX: Duration = Duration::from_mins(5);
/// Before another attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// The connections of a node.
pub(crate) struct Sessions {
    pool: Pool,
}

impl Sessions {
    pub(crate) fn new(options: &Options) -> Result<Self, OpenError> {
        let tls = MakeRustlsConnect::new(options.tls()?);
        // One that broke is noticed when it is used; the attempt is made again.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(options.config.clone(), tls, recycling);
        let pool = Pool::builder(manager)
            .max_size(options.connections)
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::Pool(error.to_string()))?;
        Ok(Self { pool })
    }

    /// Reads: the same again on another connection if one breaks.
    pub(crate) async fn read<T, F>(&self, query: impl Fn(Session) -> F) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, Failure<CatalogError>>>,
    {
        self.run(WAIT_MAX, WAIT_MAX, |session, _| query(session)).await
    }

    /// Makes a change. An attempt is told whether an earlier one is in doubt.
    pub(crate) async fn change<T, E, F>(&self, attempt: impl Fn(Session, bool) -> F) -> Result<T, E>
    where
        E: From<CatalogError>,
        F: Future<Output = Result<T, Failure<E>>>,
    {
        self.run(WAIT_MAX, ATTEMPT_MAX, attempt).await
    }

    /// Changes the schema, which may take its time.
    pub(crate) async fn migrate<T, F>(
        &self,
        attempt: impl Fn(Session) -> F,
    ) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, Failure<CatalogError>>>,
    {
        self.run(MIGRATION_MAX, MIGRATION_MAX, |session, _| attempt(session)).await
    }

    /// For what may take longer than a change, and does no harm when it is tried again.
    pub(crate) async fn long<F>(&self, attempt: impl Fn(Session) -> F) -> Result<(), CatalogError>
    where
        F: Future<Output = Result<(), Failure<CatalogError>>>,
    {
        self.run(LONG_MAX, LONG_MAX, |session, _| attempt(session)).await
    }

    /// A connection for something long.
    pub(crate) async fn take(&self) -> Result<Lease, CatalogError> {
        self.lease(Instant::now() + WAIT_MAX).await
    }

    async fn run<T, E, F>(
        &self,
        in_all_max: Duration,
        attempt_max: Duration,
        attempt: impl Fn(Session, bool) -> F,
    ) -> Result<T, E>
    where
        E: From<CatalogError>,
        F: Future<Output = Result<T, Failure<E>>>,
    {
        let deadline = Instant::now() + in_all_max;
        let mut in_doubt = false;
        loop {
            let lease = self.lease(deadline.min(Instant::now() + WAIT_MAX)).await?;
            let until = deadline.min(Instant::now() + attempt_max);
            let outcome = timeout_at(until, attempt(lease.session()?, in_doubt)).await;
            let error = match outcome {
                Ok(Ok(made)) => {
                    lease.give_back();
                    return Ok(made);
                }
                Ok(Err(Failure::Final(refusal))) => {
                    lease.roll_back(until).await;
                    return Err(refusal);
                }
                Ok(Err(Failure::Again(error))) => {
                    lease.roll_back(until).await;
                    catalog_error(error)
                }
                Ok(Err(Failure::Lost(error))) => {
                    in_doubt = true;
                    catalog_error(error)
                }
                Err(_) => {
                    in_doubt = true;
                    // What is idle may be as dead, and would cost each attempt as much.
                    self.pool.retain(|_, _| false);
                    unavailable("no answer in time")
                }
            };
            metrics::counter!("gatepass_catalog_retries_total").increment(1);
            if Instant::now() + PAUSE >= deadline {
                return Err(error.into());
            }
            tracing::debug!(%error, in_doubt, "the catalog is tried again");
            sleep(PAUSE).await;
        }
    }

    /// A connection, before the deadline. One that cannot be made now is tried again until then.
    async fn lease(&self, deadline: Instant) -> Result<Lease, CatalogError> {
        let begun = Instant::now();
        let lease = self.lease_before(deadline).await;
        metrics::histogram!("gatepass_catalog_connection_wait_seconds", "engine" => "postgres")
            .record(begun.elapsed().as_secs_f64());
        let status = self.pool.status();
        #[expect(clippy::cast_precision_loss, reason = "there are few connections")]
        for (state, count) in [
            ("busy", status.size.saturating_sub(status.available)),
            ("idle", status.available),
            ("waited_for", status.waiting),
        ] {
            metrics::gauge!("gatepass_catalog_connections", "engine" => "postgres", "state" => state)
                .set(count as f64);
        }
        lease
    }

    async fn lease_before(&self, deadline: Instant) -> Result<Lease, CatalogError> {
        loop {
            let error = match timeout_at(deadline, self.pool.get()).await {
                Err(_) => return Err(unavailable("no connection in time")),
                Ok(Ok(object)) => return Ok(Lease(Some(Arc::new(object)))),
                Ok(Err(PoolError::Backend(error))) => match Failure::<CatalogError>::from(error) {
                    Failure::Final(error) => return Err(error),
                    Failure::Lost(error) | Failure::Again(error) => catalog_error(error),
                },
                Ok(Err(error)) => return Err(CatalogError::Unavailable(Box::new(error))),
            };
            if Instant::now() + PAUSE >= deadline {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
    }
}

/// A connection on loan. What is not given back in order is closed, and PostgreSQL rolls back what
/// was going on in it: so it is when the caller goes away in the middle.
pub(crate) struct Lease(Option<Session>);

impl Lease {
    pub(crate) fn session(&self) -> Result<Session, CatalogError> {
        self.0.clone().ok_or_else(|| unavailable("the connection is gone"))
    }

    pub(crate) fn give_back(mut self) {
        self.0 = None;
    }

    /// After a refusal, when nothing was to be changed.
    async fn roll_back(self, until: Instant) {
        let Some(session) = &self.0 else { return };
        if matches!(timeout_at(until, session.batch_execute("ROLLBACK")).await, Ok(Ok(()))) {
            self.give_back();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.0.take().and_then(Arc::into_inner) {
            drop(Object::take(object));
        }
    }
}

pub(crate) fn unavailable(reason: &str) -> CatalogError {
    CatalogError::Unavailable(reason.into())
}
