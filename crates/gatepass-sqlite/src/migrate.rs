use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::connection::OpenError;

/// "GPas": tells our files from other programs'.
const APPLICATION_ID: i64 = 0x4750_6173;
/// Forward only. A migration that was released is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_uploads.sql"),
    include_str!("migrations/0003_inline.sql"),
    include_str!("migrations/0004_memos.sql"),
    include_str!("migrations/0005_counts.sql"),
    include_str!("migrations/0006_importing.sql"),
    include_str!("migrations/0007_journal.sql"),
];

/// Brings the schema up to date, each step in one transaction. Several processes may try at once.
///
/// References between tables do not act meanwhile: to make a table anew would take along the rows of
/// others that refer to it.
pub(crate) fn run(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::of(path, error);
    connection.pragma_update(None, "foreign_keys", false).map_err(failed)?;
    migrate(connection, path)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::of(path, error);
    let known = known();
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = schema_of(&transaction, path)?;
    if found == known {
        return Ok(());
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// The schema of a database that is ours to use; none is 0. Only reads.
pub(crate) fn schema_of(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let failed = |error| OpenError::of(path, error);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(failed)?;
    let found = pragma("user_version").map_err(failed)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    let is_new = tables == 0 && application == 0 && found == 0;
    if application != APPLICATION_ID && !is_new {
        return Err(OpenError::Foreign(path.display().to_string()));
    }
    if found > known() {
        let path = path.display().to_string();
        return Err(OpenError::Newer { path, found, known: known() });
    }
    Ok(found)
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}
