//! Whose turn it is at a chore that one node does for all.

use gatepass_core::port::{CatalogError, TakeTurn};

use crate::error::Failure;
use crate::session::Session;

/// The database's clock alone counts: those of nodes may differ.
const TAKE: &str = "INSERT INTO turns AS turn (chore, node, ends) \
     VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond') \
     ON CONFLICT (chore) DO UPDATE SET node = excluded.node, ends = excluded.ends \
         WHERE turn.node = excluded.node OR turn.ends < clock_timestamp()";

/// To take it twice is to keep it: so nothing is in doubt when an answer is lost.
pub(crate) async fn take(session: Session, turn: &TakeTurn) -> Result<bool, Failure<CatalogError>> {
    let take = session.prepare_cached(TAKE).await?;
    let lasts = turn.lasts.as_secs_f64() * 1_000.0;
    let taken = session.execute(&take, &[&turn.chore, &turn.node, &lasts]).await?;
    Ok(taken == 1)
}
