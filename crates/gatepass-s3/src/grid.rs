//! The grid of a blob in parts: cells of one size, of which only the last may be smaller, because
//! some services take no other parts. It is fixed when the blob begins.

use gatepass_core::ByteRange;
use gatepass_core::port::Outlook;

/// Smallest part that services take, but for the last: 5 MiB.
pub const CELL_BYTES_MIN: u64 = 5 << 20;
/// Cells where nothing speaks for another size: 8 MiB, small enough to be kept in memory and sent
/// again, large enough that the requests do not matter.
pub const CELL_BYTES: u64 = 8 << 20;
/// Largest cell, for it is kept in memory while it is filled: 64 MiB.
pub const CELL_BYTES_MAX: u64 = 64 << 20;
/// Most parts of a multipart upload.
pub const CELLS_MAX: u64 = 10_000;
/// Largest blob: 625 GiB.
pub const BLOB_BYTES_MAX: u64 = CELL_BYTES_MAX * CELLS_MAX;

/// Cells of one size that cover a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Bytes of every cell but the last.
    pub cell_bytes: u64,
    /// Size of the blob, if it was known when the grid was chosen.
    pub total: Option<u64>,
}

impl Grid {
    /// The grid on which the parts that are to be expected fill whole cells, if there is one;
    /// `None` for a blob that is too large for any.
    pub fn choose(outlook: Outlook) -> Option<Self> {
        let total = outlook.total;
        let needed = total.unwrap_or(0).div_ceil(CELLS_MAX).max(CELL_BYTES_MIN);
        if needed > CELL_BYTES_MAX {
            return None;
        }
        let fitting = fitting(usual_part(outlook), needed);
        Some(Self { cell_bytes: fitting.unwrap_or(needed.max(CELL_BYTES)), total })
    }

    /// Largest blob on this grid, in bytes.
    pub fn bytes_max(&self) -> u64 {
        self.cell_bytes * CELLS_MAX
    }

    /// The cell with this number, from 0 on, as far as the blob is known to reach.
    pub fn cell(&self, number: u64) -> ByteRange {
        let start = self.cell_bytes.saturating_mul(number);
        let end = start.saturating_add(self.cell_bytes).min(self.total.unwrap_or(u64::MAX));
        ByteRange::new(start, end).unwrap_or(ByteRange::first(0))
    }

    /// The number, from 0 on, of the part that one attempt at a cell is sent as. A cell has as many
    /// numbers as there are for each, and an attempt takes any: so two attempts that do not know of
    /// each other, on two nodes, do not replace each other's parts, unless there are so many cells
    /// that each has a single number.
    pub fn part_number(&self, cell: u64, random: u64) -> u64 {
        let cells = self.total.map_or(CELLS_MAX, |total| total.div_ceil(self.cell_bytes));
        let each = (CELLS_MAX / cells.max(1)).max(1);
        cell.saturating_mul(each).saturating_add(random % each)
    }

    /// The number of the cell that a byte is in.
    pub fn number_of(&self, at: u64) -> u64 {
        at / self.cell_bytes
    }
}

/// What parts will look like: the last one is shorter, but begins at a multiple of the usual.
fn usual_part(outlook: Outlook) -> u64 {
    let first = outlook.first;
    if first.start() > 0 && Some(first.end()) == outlook.total { 0 } else { first.length() }
}

/// The smallest cell of at least `needed` bytes that divides a part, or that such parts fill.
fn fitting(part: u64, needed: u64) -> Option<u64> {
    if part == 0 {
        return None;
    }
    let divided = (1..=part / needed).rev().find(|cells| part.is_multiple_of(*cells));
    let cell = divided.map_or(part.saturating_mul(needed.div_ceil(part)), |cells| part / cells);
    (cell <= CELL_BYTES_MAX).then_some(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn cell(total: Option<u64>, start: u64, end: u64) -> Option<u64> {
        let first = ByteRange::new(start, end).unwrap();
        Grid::choose(Outlook { total, first }).map(|grid| grid.cell_bytes)
    }

    #[test]
    fn parts_fill_cells() {
        for (part, expected) in [
            (16 * MIB, 8 * MIB),
            (8 * MIB, 8 * MIB),
            (5 * MIB, 5 * MIB),
            (10 * MIB, 5 * MIB),
            (100 * MIB, 5 * MIB),
            (5_000_000, 10_000_000),
            (1_000_000, 6_000_000),
            (6 * MIB + 1, 6 * MIB + 1),
        ] {
            assert_eq!(cell(Some(1 << 30), 0, part), Some(expected), "{part}");
            assert_eq!(cell(None, 0, part), Some(expected), "{part}");
        }
    }

    #[test]
    fn the_last_part_says_nothing_of_others() {
        assert_eq!(cell(Some(33 * MIB), 32 * MIB, 33 * MIB), Some(CELL_BYTES));
        assert_eq!(cell(None, 0, 0), Some(CELL_BYTES));
    }

    #[test]
    fn large_blobs_have_large_cells_and_an_end() {
        assert_eq!(cell(Some(200 << 30), 0, 16 * MIB), Some(32 * MIB));
        assert_eq!(cell(Some(BLOB_BYTES_MAX), 0, 16 * MIB), Some(64 * MIB));
        assert_eq!(cell(Some(BLOB_BYTES_MAX + 1), 0, 16 * MIB), None);
        for part in 1..400 {
            let total = 600 << 30;
            let cell = cell(Some(total), 0, part * MIB / 3).unwrap();
            assert!(cell <= CELL_BYTES_MAX && total.div_ceil(cell) <= CELLS_MAX, "{part}: {cell}");
        }
    }

    #[test]
    fn attempts_at_one_cell_have_numbers_of_their_own() {
        let grid = |total| Grid { cell_bytes: 10, total };
        let small = grid(Some(25));
        assert_eq!([0, 1, 3_332, 3_333].map(|n| small.part_number(0, n)), [0, 1, 3_332, 0]);
        assert_eq!([0, 3_332].map(|n| small.part_number(2, n)), [6_666, 9_998]);
        for total in [None, Some(10 * CELLS_MAX), Some(10 * CELLS_MAX - 15)] {
            assert_eq!(grid(total).part_number(7, 99), 7, "{total:?}");
        }
        assert_eq!(grid(Some(5 * CELLS_MAX)).part_number(4_999, 1), 9_999);
        assert!(grid(Some(0)).part_number(0, u64::MAX) < CELLS_MAX);
    }

    #[test]
    fn cells_end_with_the_blob() {
        let grid = Grid { cell_bytes: 10, total: Some(25) };
        assert_eq!(grid.cell(2), ByteRange::new(20, 25).unwrap());
        assert_eq!(grid.number_of(24), 2);
        let open = Grid { total: None, ..grid };
        assert_eq!(open.cell(2), ByteRange::new(20, 30).unwrap());
    }
}
