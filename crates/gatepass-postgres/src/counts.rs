//! Counts of files, which the schema keeps (`migrations/0003_counts.sql`). Changes are noted there
//! row by row; here is when they are folded into the counts.

use std::sync::atomic::{AtomicU64, Ordering};

use gatepass_core::port::CatalogError;

use crate::session::Sessions;

/// Changes after which a node folds: a list reads the ones that are not folded, some thousand in a
/// millisecond, and folding costs about as much for one as for many.
const FOLD_AFTER: u64 = 1_000;
const FOLD: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; \
     SET LOCAL statement_timeout = '4min'; \
     SELECT fold_file_changes(); \
     COMMIT";

/// How many changes a node has made since it folded.
#[derive(Debug, Default)]
pub(crate) struct Unfolded(AtomicU64);

impl Unfolded {
    /// Notes changes; true when it is time to fold.
    pub(crate) fn note(&self, changes: u64) -> bool {
        let before = self.0.fetch_add(changes, Ordering::Relaxed);
        let due = before.saturating_add(changes) >= FOLD_AFTER;
        if due {
            self.0.store(0, Ordering::Relaxed);
        }
        due
    }
}

/// Folds. Whoever changes files meanwhile does not wait.
pub(crate) async fn fold(sessions: &Sessions) -> Result<(), CatalogError> {
    sessions.long(|session| async move { Ok(session.batch_execute(FOLD).await?) }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_is_due_now_and_then() {
        let unfolded = Unfolded::default();
        let due = (0..2 * FOLD_AFTER).filter(|_| unfolded.note(1)).count();
        assert_eq!(due, 2);
        assert!(unfolded.note(u64::MAX));
    }
}
