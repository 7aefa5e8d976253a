//! What of an upload waits for the disk.

use std::collections::VecDeque;

use crate::memory::{Loose, SEGMENT_BYTES, Segment};

/// Bytes gathered into one write.
const GATHER_BYTES: usize = 1 << 20;
/// Pieces gathered into one write; the system takes 1,024.
const GATHER_PIECES: usize = 256;

/// Bytes in the memory that they came in, or gathered.
pub(crate) enum Item {
    Loose(Loose),
    Gathered(Segment),
}

impl Item {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Loose(piece) => piece.bytes(),
            Self::Gathered(segment) => segment.bytes(),
        }
    }

    /// What it takes in memory.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Loose(piece) => piece.cost(),
            Self::Gathered(_) => SEGMENT_BYTES,
        }
    }

    pub(crate) fn is_gathered(&self) -> bool {
        matches!(self, Self::Gathered(_))
    }

    /// Whether what follows can be written with it: memory and file have to stay alike.
    fn goes_with(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Loose(_), Self::Loose(_)) => true,
            (Self::Gathered(segment), Self::Gathered(_)) => segment.is_full(),
            _ => false,
        }
    }
}

/// Takes items from the queue for one write.
pub(crate) fn gather(queue: &mut VecDeque<Item>) -> Vec<Item> {
    let mut batch: Vec<Item> = Vec::new();
    let mut length = 0;
    while let Some(item) = queue.front() {
        let full = length + item.bytes().len() > GATHER_BYTES || batch.len() == GATHER_PIECES;
        if batch.last().is_some_and(|last| full || !last.goes_with(item)) {
            break;
        }
        length += item.bytes().len();
        batch.extend(queue.pop_front());
    }
    batch
}
