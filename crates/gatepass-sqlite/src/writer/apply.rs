//! Writes to SQLite what the journal has.

use rusqlite::{Connection, params};

use crate::files;
use crate::journal::{Accepted, Cursor, Kind};
use crate::rows;

/// Writes records in their order, and up to where of the journal that is.
pub(crate) fn apply(connection: &Connection, records: &[Accepted]) -> rusqlite::Result<()> {
    for record in records {
        apply_one(connection, record)?;
    }
    records.last().map_or(Ok(()), |record| note(connection, record.next))
}

fn apply_one(connection: &Connection, accepted: &Accepted) -> rusqlite::Result<()> {
    let Accepted { kind, file, retired, place, .. } = accepted;
    match kind {
        Kind::Published => rows::put_file(connection, file, *place)?,
        Kind::Added => rows::add_file(connection, file, *place)?,
        Kind::Moved => rows::move_bytes(connection, file, *place)?,
    }
    match retired {
        Some(blob) => files::retire(connection, blob, file.updated),
        None => Ok(()),
    }
}

/// Notes up to where of the journal everything is in SQLite.
pub(crate) fn note(connection: &Connection, cursor: Cursor) -> rusqlite::Result<()> {
    let row = params![
        cursor.segment.cast_signed(),
        cursor.place.cast_signed(),
        cursor.chain.cast_signed()
    ];
    connection
        .prepare_cached("UPDATE journal SET segment = ?1, place = ?2, chain = ?3 WHERE one = 1")?
        .execute(row)?;
    Ok(())
}

/// Up to where it is.
pub(crate) fn noted(connection: &Connection) -> rusqlite::Result<Cursor> {
    connection.prepare_cached("SELECT segment, place, chain FROM journal WHERE one = 1")?.query_row(
        [],
        |row| {
            Ok(Cursor {
                segment: row.get::<_, i64>(0)?.cast_unsigned(),
                place: row.get::<_, i64>(1)?.cast_unsigned(),
                chain: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        },
    )
}
