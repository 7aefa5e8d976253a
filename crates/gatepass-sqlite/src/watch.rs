//! What changes in the database, for the cache.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use crate::cache::Cache;
use crate::journal::Accepted;

/// Watches the writer's connection: through it all changes of this process go.
pub(crate) struct Watch {
    cache: Cache,
    /// Rows of files that were touched since the cache was told.
    touched: Arc<Mutex<Vec<i64>>>,
    /// Changes with each transaction of another connection.
    data_version: Option<i64>,
}

impl Watch {
    pub(crate) fn on(connection: &mut Connection, cache: Cache) -> rusqlite::Result<Self> {
        let touched = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&touched);
        connection.update_hook(Some(move |_, _: &str, table: &str, row| {
            if table == "files" {
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(row);
            }
        }))?;
        Ok(Self { cache, touched, data_version: None })
    }

    /// Forgets everything if another process has changed anything, or if that cannot be told.
    pub(crate) fn look_for_others(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let found = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        let version = found.as_ref().ok().copied();
        if version.is_none() || version != self.data_version {
            self.cache.clear();
            self.data_version = version;
        }
        found.map(|_| ())
    }

    /// Tells the cache what the transaction that has just ended touched, committed or not.
    pub(crate) fn tell(&self) {
        self.cache.touched(&self.take());
    }

    /// Tells it that the transaction also wrote these records.
    pub(crate) fn tell_settled(&self, records: &[Accepted]) {
        self.cache.settled(records, &self.take());
    }

    fn take(&self) -> Vec<i64> {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
