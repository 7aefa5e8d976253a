//! The parts of uploads that were looked at lately, so that each chunk need not read them all again.
//!
//! Nobody has to tell of changes: the row of an upload is read each time, and says which parts it has.
//! As long as bytes come, parts are only ever added: states of one upload that were committed and have
//! as many bytes have the same parts. Only what was committed is kept; what a transaction reads of
//! itself has more bytes than that, or the same parts. The time is compared for a database that somebody
//! has put back to an earlier state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatepass_core::{PartMap, Timestamp, Upload, UploadId, UploadStatus};
use lru::LruCache;

/// Parts that are kept, of all uploads: 1 to 2 MiB.
const PARTS_MAX: usize = 20_000;
/// An upload takes as much as so many parts beside its own.
const UPLOAD_COST: usize = 8;

#[derive(Clone, Default)]
pub(crate) struct KeptParts(Arc<Mutex<Kept>>);

struct Kept {
    /// The latest used last to go.
    uploads: LruCache<UploadId, PartsAt>,
    /// What all of them cost, in parts.
    cost: usize,
}

/// The parts of an upload at some moment.
struct PartsAt {
    received: u64,
    updated: Timestamp,
    parts: PartMap,
}

impl KeptParts {
    /// The parts of an upload whose row says this, if they are kept.
    pub(crate) fn find(&self, row: &Upload, received: u64) -> Option<PartMap> {
        let mut kept = self.lock();
        let found = kept.uploads.get(&row.id)?;
        let is_same = found.received == received && found.updated == row.updated;
        (is_same && has_parts(row)).then(|| found.parts.clone())
    }

    /// Keeps the parts of an upload as they were committed, unless later ones are kept.
    pub(crate) fn keep(&self, upload: &Upload) {
        if upload.parts.parts().is_empty() || !has_parts(upload) {
            return;
        }
        let (received, updated) = (upload.parts.received(), upload.updated);
        let mut kept = self.lock();
        let later = |kept: &PartsAt| (kept.received, kept.updated) >= (received, updated);
        if kept.uploads.peek(&upload.id).is_some_and(later) {
            return;
        }
        let parts = upload.parts.clone();
        let before = kept.uploads.put(upload.id.clone(), PartsAt { received, updated, parts });
        kept.cost += cost(&upload.parts);
        kept.cost -= before.map_or(0, |before| cost(&before.parts));
        while kept.cost > PARTS_MAX {
            let Some((_, oldest)) = kept.uploads.pop_lru() else { return };
            kept.cost -= cost(&oldest.parts);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self { uploads: LruCache::unbounded(), cost: 0 }
    }
}

fn cost(parts: &PartMap) -> usize {
    UPLOAD_COST + parts.parts().len()
}

/// An upload that was given up has none any more, whatever its row says.
fn has_parts(upload: &Upload) -> bool {
    matches!(upload.status, UploadStatus::Receiving | UploadStatus::Complete)
}

#[cfg(test)]
mod tests {
    use gatepass_core::{ByteRange, Memo, Part};
    use gatepass_testkit::builders::{time, upload};

    use super::*;

    /// With so many parts of one byte, of which the last came at this second.
    fn with_parts(upload: &Upload, count: u64, second: u64) -> Upload {
        let mut parts = PartMap::default();
        for at in 0..count {
            let range = ByteRange::new(at, at + 1).unwrap();
            parts.insert(Part { range, crc64: at, memo: Memo::default() }).unwrap();
        }
        Upload { parts, updated: time(second), ..upload.clone() }
    }

    #[test]
    fn parts_are_found_by_what_the_row_says() {
        let (kept, begun) = (KeptParts::default(), upload("a"));
        kept.keep(&begun);
        assert_eq!(kept.find(&begun, 0), None, "there is nothing to keep");
        let two = with_parts(&begun, 2, 5);
        kept.keep(&two);
        assert_eq!(kept.find(&two, 2), Some(two.parts.clone()));
        assert_eq!(kept.find(&two, 3), None, "there are more");
        let touched = Upload { updated: time(6), ..two.clone() };
        assert_eq!(kept.find(&touched, 2), None, "it was touched since");
        let aborted = Upload { status: UploadStatus::Aborted, ..two.clone() };
        assert_eq!(kept.find(&aborted, 2), None, "they are gone");
        assert_eq!(kept.find(&upload("a"), 2), None, "another upload");
        // Whoever comes late with what it has read does not replace what is later.
        kept.keep(&with_parts(&begun, 1, 4));
        assert_eq!(kept.find(&two, 2), Some(two.parts.clone()));
        kept.keep(&touched);
        assert_eq!(kept.find(&touched, 2), Some(two.parts));
    }

    #[test]
    fn their_number_is_bounded_and_the_oldest_go_first() {
        let kept = KeptParts::default();
        let half = u64::try_from(PARTS_MAX / 2 - UPLOAD_COST).unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|at| with_parts(&upload(at), half, 1));
        kept.keep(&a);
        kept.keep(&b);
        assert!(kept.find(&a, half).is_some());
        kept.keep(&c);
        assert!(kept.find(&b, half).is_none());
        assert!(kept.find(&a, half).is_some() && kept.find(&c, half).is_some());
        assert_eq!(kept.lock().cost, PARTS_MAX);
        kept.keep(&with_parts(&c, half + 1, 2));
        assert!(kept.find(&a, half).is_none());
        assert_eq!(kept.lock().cost, PARTS_MAX / 2 + 1);
    }
}
