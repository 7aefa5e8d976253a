use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use gatepass_core::port::CatalogError;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::journal::sync_directory;
use crate::migrate;

/// First version without the race in resetting the write-ahead log that can damage a database.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it waits between two tries, where SQLite does not wait by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Pages of 4 KiB after which the write-ahead log is emptied into the database: with more, a page
/// that changes often is written less often.
const CHECKPOINT_PAGES: i64 = 4_000;

/// Why a database is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The linked SQLite is too old.
    #[error("SQLite {0} is too old: 3.51.3 or later is needed")]
    SqliteTooOld(&'static str),
    /// A later version of Gatepass has changed the database.
    #[error(
        "the database {path} was made by a newer gatepass (schema {found}, this one knows {known}): use that version"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: i64,
        /// The newest schema we know.
        known: i64,
    },
    /// It is another program's database.
    #[error("{0} is a database, but not one of gatepass")]
    Foreign(String),
    /// It is no database, or a damaged one.
    #[error("the database {0} is damaged: restore it from a backup; the blobs are untouched")]
    Damaged(String),
    /// The journal beside it cannot be read or written.
    #[error("cannot open the journal {path}: {source}")]
    Journal {
        /// The directory.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// What the database's last process left cannot be made durable.
    #[error("cannot sync {path}: {source}")]
    Sync {
        /// The write-ahead log.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// There can be no thread.
    #[error("cannot start the thread that writes to the database: {source}")]
    Thread {
        /// The reason.
        source: std::io::Error,
    },
    /// The system or SQLite says no.
    #[error("cannot open the database {path}: {source}")]
    Failed {
        /// The file.
        path: String,
        /// The reason.
        source: rusqlite::Error,
    },
}

impl OpenError {
    pub(crate) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.display().to_string();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(path),
            _ => Self::Failed { path, source },
        }
    }
}

/// Opens the writer's connection and brings the schema up to date.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::SqliteTooOld(rusqlite::version()));
    }
    let failed = |error| OpenError::of(path, error);
    make_private(path);
    sync_log(path)?;
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // Before anything is written: what is not taken stays as it is.
    inspect(&mut connection, path)?;
    configure(&connection).map_err(failed)?;
    migrate::run(&mut connection, path)?;
    Ok(connection)
}

/// SQLite would make the file readable by everybody; its other files have the mode of this one.
/// A file that is there is not even opened: to close it would end the locks that other connections
/// of this process have on it. Why none can be made, SQLite tells.
fn make_private(path: &Path) {
    let _ = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
}

/// A process that was killed may have committed what it had not synced. This one would tell of it, as
/// of all that is there, so that it must not be lost from now on.
fn sync_log(database: &Path) -> Result<(), OpenError> {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    let sync = || {
        File::open(&path)?.sync_data()?;
        // SQLite does this when it syncs a log that it has made, and not for one that it finds.
        sync_directory(database.parent().unwrap_or(Path::new(".")))
    };
    match sync() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        synced => synced.map_err(|source| OpenError::Sync {
            path: Path::new(&path).display().to_string(),
            source,
        }),
    }
}

/// In one transaction: another process may be about to make the schema.
fn inspect(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::of(path, error);
    let transaction = connection.transaction().map_err(failed)?;
    if migrate::schema_of(&transaction, path)? > 0 {
        check_settings(&transaction).map_err(failed)?;
    }
    Ok(())
}

/// FULL, because an answer that was given must survive a power cut, and NORMAL may lose the last
/// transactions.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    enter_wal(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -4_000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Of several that switch a new database at once, SQLite lets one do it and refuses the others
/// without waiting.
fn enter_wal(connection: &Connection) -> rusqlite::Result<()> {
    let began = Instant::now();
    loop {
        let result = connection.pragma_update(None, "journal_mode", "WAL");
        let busy = result.as_ref().err().and_then(rusqlite::Error::sqlite_error_code)
            == Some(ErrorCode::DatabaseBusy);
        if !busy || began.elapsed() > BUSY_TIMEOUT {
            return result;
        }
        std::thread::sleep(BUSY_PAUSE);
    }
}

/// Reads the small tables through: damage there would show later, at the worst time.
fn check_settings(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["settings", "projects", "domains", "api_keys"] {
        let verdict: String =
            connection.query_row(&format!("PRAGMA quick_check({table})"), [], |row| row.get(0))?;
        if verdict != "ok" {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(code, Some(verdict)));
        }
    }
    Ok(())
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -2_000)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// What an error of SQLite means for the caller.
pub(crate) fn catalog_error(error: rusqlite::Error) -> CatalogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => CatalogError::Full(Box::new(error)),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            CatalogError::Corrupt(error.to_string())
        }
        _ => match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => {
                CatalogError::Corrupt(error.to_string())
            }
            error => CatalogError::Unavailable(Box::new(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(connection: &Connection, name: &str) -> String {
        let value = connection.pragma_query_value(None, name, |row| row.get(0));
        match value.unwrap() {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_durability_and_references_rest_on_is_in_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gatepass.db");
        for _new_then_again in 0..2 {
            let connection = open_writer(&path).unwrap();
            assert_eq!(pragma(&connection, "journal_mode"), "wal");
            assert_eq!(pragma(&connection, "synchronous"), "2", "2 is FULL");
            assert_eq!(pragma(&connection, "foreign_keys"), "1");
            assert_eq!(pragma(&connection, "busy_timeout"), "5000");
        }
    }

    #[test]
    fn a_reader_waits_likewise_and_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gatepass.db");
        let _writer = open_writer(&path).unwrap();
        let reader = open_reader(&path).unwrap();
        assert_eq!(pragma(&reader, "busy_timeout"), "5000");
        let refused = reader.execute("UPDATE settings SET version = 7", []).unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::ReadOnly));
    }
}
