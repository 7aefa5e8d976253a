//! What the journal has that SQLite has not: after a kill, and after a power cut.

use std::io;

use rusqlite::{Connection, TransactionBehavior};

use crate::connection::OpenError;
use crate::files::unreadable;
use crate::journal::{Accepted, Cursor, Journal, Owner, Scan, Segments};
use crate::writer::{Recovered, apply, noted};

/// Records that are taken to memory. The writer takes them to SQLite: a server can start although
/// that is not possible yet.
const IN_MEMORY_MAX: usize = 1_024;

/// Takes the journal, if nobody else has it, and finds what SQLite does not have.
pub(crate) fn recover(
    connection: &mut Connection,
    segments: &Segments,
) -> Result<Option<Recovered>, OpenError> {
    let failed =
        |source| OpenError::Journal { path: segments.directory().display().to_string(), source };
    let Some(owner) = Owner::claim(segments).map_err(failed)? else { return Ok(None) };
    let from = noted(connection).map_err(io::Error::other).map_err(failed)?;
    let mut scan = Scan::from(segments, from).map_err(failed)?;
    let mut accepted = Vec::new();
    while let Some(found) = scan.next().map_err(failed)? {
        accepted.push(Accepted::of(found.record, found.place, found.next));
        if accepted.len() == IN_MEMORY_MAX {
            // Only after a kill under load, or if the database is older than its journal. What it takes
            // must not be lost here: it may be that only the system's memory has it.
            segments.sync(from.segment..=scan.at().segment).map_err(failed)?;
            settle(connection, &accepted).map_err(io::Error::other).map_err(failed)?;
            accepted.clear();
        }
    }
    let journal = Journal::resume(segments.clone(), owner, from, scan.at()).map_err(failed)?;
    Ok(Some(Recovered { journal, accepted }))
}

fn settle(connection: &mut Connection, accepted: &[Accepted]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    apply(&transaction, accepted)?;
    transaction.commit()
}

/// Where the records end that the process with the journal has written.
pub(crate) fn end(connection: &Connection, segments: &Segments) -> rusqlite::Result<Cursor> {
    let unreadable = |error: std::io::Error| unreadable(&error);
    let mut scan = Scan::from(segments, noted(connection)?).map_err(unreadable)?;
    while scan.next().map_err(unreadable)?.is_some() {}
    Ok(scan.at())
}

/// Whether the database has everything up to there.
pub(crate) fn is_noted(connection: &Connection, end: Cursor) -> rusqlite::Result<bool> {
    let noted = noted(connection)?;
    Ok((noted.segment, noted.place) >= (end.segment, end.place))
}
