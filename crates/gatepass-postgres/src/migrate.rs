use gatepass_core::port::CatalogError;

use crate::error::{Failure, OpenError};
use crate::session::Session;

/// Forward only. A migration that was released is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_importing.sql"),
    include_str!("migrations/0003_counts.sql"),
    include_str!("migrations/0004_turns.sql"),
];
/// "GPas": the advisory lock that nodes queue up at.
const LOCK: i64 = 0x4750_6173;

type Outcome = Result<Result<(), OpenError>, Failure<CatalogError>>;

/// Brings the schema up to date, all in one transaction. Any number of nodes may try at once.
pub(crate) async fn run(session: Session, place: &str) -> Outcome {
    // A long migration has to be let.
    session
        .batch_execute("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .await?;
    session.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let found = match schema_of(&session, place).await? {
        Ok(found) => found,
        Err(error) => {
            session.batch_execute("ROLLBACK").await?;
            return Ok(Err(error));
        }
    };
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        session.batch_execute(migration).await?;
    }
    if found < known() {
        session.execute("UPDATE gatepass_schema SET version = $1", &[&known()]).await?;
    }
    session.batch_execute("COMMIT").await?;
    Ok(Ok(()))
}

/// The schema of a database that is ours to use; none is 0.
async fn schema_of(
    session: &Session,
    place: &str,
) -> Result<Result<i32, OpenError>, Failure<CatalogError>> {
    let encoding: String = session.query_one("SHOW server_encoding", &[]).await?.try_get(0)?;
    if encoding != "UTF8" {
        return Ok(Err(OpenError::Encoding { place: place.to_owned(), found: encoding }));
    }
    let look = "SELECT count(*), count(*) FILTER (WHERE tablename = 'gatepass_schema') \
         FROM pg_tables WHERE schemaname = current_schema()";
    let row = session.query_one(look, &[]).await?;
    let (tables, ours): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if ours == 0 && tables > 0 {
        return Ok(Err(OpenError::Foreign(place.to_owned())));
    }
    if ours == 0 {
        let make = "CREATE TABLE gatepass_schema (version INTEGER NOT NULL); \
             INSERT INTO gatepass_schema (version) VALUES (0)";
        session.batch_execute(make).await?;
        return Ok(Ok(0));
    }
    let found: i32 =
        session.query_one("SELECT version FROM gatepass_schema", &[]).await?.try_get(0)?;
    if found > known() {
        return Ok(Err(OpenError::Newer { place: place.to_owned(), found, known: known() }));
    }
    Ok(Ok(found))
}

fn known() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}
