//! What must hold of a path after a fault: the one checker of all harnesses.
//!
//! A path has one client at a time, which makes the rule simple. What was acknowledged last is
//! there (I1), whole (I2), or what was on its way when the fault came (I3). Of an unfinished
//! upload everything that was reported is there still (I4).
//!
//! What was on its way to a server that was killed has had its effect by the time of the check, or
//! never has it. Where a server may only have stopped for a while, it may come late, once.

use std::collections::{BTreeSet, VecDeque};

/// How many of the last events are told.
const EVENTS_TOLD: usize = 40;

/// What can be at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    Absent,
    Version(u64),
}

/// One path and all that may be there.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) path: String,
    /// What the last acknowledged request left.
    settled: Found,
    /// What requests of unknown outcome would have left.
    pending: BTreeSet<Found>,
    /// Whether what is pending may still come after something else was seen.
    pub(crate) comes_late: bool,
    pub(crate) upload: Option<Upload>,
    /// What happened, the latest first; told when something is wrong.
    events: VecDeque<String>,
}

/// An upload in chunks that is not finished yet.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) url: String,
    pub(crate) version: u64,
    /// Where it is cut, the length at the end.
    pub(crate) cuts: Vec<usize>,
    /// Chunks that the server has reported.
    pub(crate) reported: BTreeSet<usize>,
    /// Chunks that were sent, acknowledged or not.
    pub(crate) sent: BTreeSet<usize>,
    /// Whether something else may have come to the path since it may be complete.
    pub(crate) is_overtaken: bool,
}

impl Upload {
    /// One of which nothing was sent yet.
    pub(crate) fn new(url: String, version: u64, cuts: Vec<usize>) -> Self {
        let (reported, sent) = (BTreeSet::new(), BTreeSet::new());
        Self { url, version, cuts, reported, sent, is_overtaken: false }
    }

    /// Where a chunk begins and ends.
    pub(crate) fn range(&self, chunk: usize) -> (usize, usize) {
        (if chunk == 0 { 0 } else { self.cuts[chunk - 1] }, self.cuts[chunk])
    }

    pub(crate) fn may_be_complete(&self) -> bool {
        self.sent.len() == self.cuts.len()
    }
}

impl Slot {
    pub(crate) fn new(path: String) -> Self {
        Self {
            path,
            settled: Found::Absent,
            pending: BTreeSet::new(),
            comes_late: false,
            upload: None,
            events: VecDeque::new(),
        }
    }

    /// Remembers what happened, for whoever has to find out why something is wrong.
    pub(crate) fn note(&mut self, event: impl Into<String>) {
        self.events.truncate(EVENTS_TOLD - 1);
        self.events.push_front(event.into());
    }

    /// A request was acknowledged.
    pub(crate) fn settle(&mut self, found: Found) {
        self.overtake();
        self.leave(found);
    }

    fn leave(&mut self, found: Found) {
        self.settled = found;
        if !self.comes_late {
            self.pending.clear();
        } else if found != Found::Absent {
            // Once: but of several removals nobody can tell which it was.
            self.pending.remove(&found);
        }
    }

    /// A request's answer is not known.
    pub(crate) fn may_become(&mut self, found: Found) {
        self.overtake();
        self.pending.insert(found);
    }

    /// Something else has come to the path, or may have: if an upload is finished by now, nobody
    /// can tell which was first.
    fn overtake(&mut self) {
        if let Some(upload) = &mut self.upload {
            upload.is_overtaken |= upload.may_be_complete();
        }
    }

    /// All of the upload was sent, and the answer is not known.
    pub(crate) fn may_be_finished(&mut self) {
        if let Some(upload) = &self.upload {
            self.pending.insert(Found::Version(upload.version));
        }
    }

    /// The upload is finished: by this request, or by an earlier one whose answer was lost. A
    /// repeat gets the same File, even where something else has replaced it.
    pub(crate) fn finish(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        let found = Found::Version(upload.version);
        if upload.is_overtaken {
            self.pending.insert(found);
        } else {
            self.leave(found);
        }
    }

    /// Looks at what is there; from now on that is what is settled.
    pub(crate) fn check(&mut self, found: Found) -> Result<(), String> {
        if found != self.settled && !self.pending.contains(&found) {
            let events: Vec<&str> = self.events.iter().rev().map(String::as_str).collect();
            return Err(format!(
                "{}: found {found:?}, acknowledged was {:?}, possible {:?}; before:\n{}",
                self.path,
                self.settled,
                self.pending,
                events.join("\n")
            ));
        }
        if found != self.settled {
            self.overtake();
        }
        self.leave(found);
        Ok(())
    }

    /// Looks at what the server says of the unfinished upload: ranges, inclusive.
    pub(crate) fn check_ranges(&self, ranges: &[(u64, u64)]) -> Result<(), String> {
        let Some(upload) = &self.upload else { return Ok(()) };
        for chunk in &upload.reported {
            let (first, past) = upload.range(*chunk);
            let there = ranges.iter().any(|(a, b)| *a <= first as u64 && past as u64 - 1 <= *b);
            if !there {
                return Err(format!(
                    "{}: chunk {chunk} was reported; there is {ranges:?}",
                    self.path
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checker_catches_what_it_is_for() {
        let mut slot = Slot::new("a".into());
        slot.settle(Found::Version(1));
        assert!(slot.check(Found::Absent).is_err(), "lost");
        assert!(slot.check(Found::Version(2)).is_err(), "nobody wrote that");
        slot.may_become(Found::Version(2));
        assert!(slot.check(Found::Version(2)).is_ok());
        assert!(slot.check(Found::Version(1)).is_err(), "it went back");
        slot.comes_late = true;
        slot.may_become(Found::Version(3));
        slot.settle(Found::Version(4));
        assert!(slot.check(Found::Version(3)).is_ok(), "it came late");
        assert!(slot.check(Found::Version(4)).is_err(), "that one was replaced");
        assert!(slot.check(Found::Absent).is_err(), "lost");
        slot.settle(Found::Version(5));
        assert!(slot.check(Found::Version(3)).is_err(), "it came twice");
        slot.comes_late = false;
        let (reported, sent) = ([1].into(), [1].into());
        slot.upload =
            Some(Upload { reported, sent, ..Upload::new(String::new(), 3, vec![10, 20]) });
        assert!(slot.check_ranges(&[(10, 19)]).is_ok());
        assert!(slot.check_ranges(&[(0, 19)]).is_ok());
        assert!(slot.check_ranges(&[(10, 18)]).is_err());
        assert!(slot.check_ranges(&[]).is_err());
    }
    #[test]
    fn a_repeat_may_tell_of_a_file_that_was_replaced() {
        let uploading = || {
            let mut slot = Slot::new("a".into());
            let sent = [0].into();
            slot.upload = Some(Upload { sent, ..Upload::new(String::new(), 1, vec![10]) });
            slot.may_be_finished();
            slot
        };
        let mut slot = uploading();
        slot.finish();
        assert!(slot.check(Found::Absent).is_err(), "nothing came after it");
        let mut slot = uploading();
        slot.settle(Found::Version(2));
        slot.finish();
        assert!(slot.check(Found::Version(2)).is_ok(), "it had been finished before");
        let mut slot = uploading();
        slot.settle(Found::Version(2));
        slot.finish();
        assert!(slot.check(Found::Version(1)).is_ok(), "it was finished now");
        assert!(slot.check(Found::Version(2)).is_err(), "it went back");
    }
}
