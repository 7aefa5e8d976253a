use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gatepass_core::port::CatalogError;
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::connection::{catalog_error, open_reader};

/// Connections for reading, opened when they are needed and kept.
#[derive(Clone)]
pub(crate) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            path: Arc::new(path),
            idle: Arc::default(),
            places: Arc::new(Semaphore::new(cores.clamp(2, 8))),
        }
    }

    /// Where the database is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a query on a thread that may wait for the disk.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let unavailable = |error| CatalogError::Unavailable(error);
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|error| unavailable(error.into()))?;
        let readers = self.clone();
        let result = spawn_blocking(move || {
            let _place = place;
            readers.run(query)
        });
        result.await.map_err(|error| unavailable(error.into()))?.map_err(catalog_error)
    }

    fn run<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let result = query(&connection);
        self.keep(connection);
        result
    }

    /// Keeps a connection for the next query.
    pub(crate) fn keep(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}
