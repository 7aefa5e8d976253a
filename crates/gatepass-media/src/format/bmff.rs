//! Boxes of the ISO base media file format (ISO/IEC 14496-12).

use crate::source::Source;

/// A box, without what it contains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atom {
    pub(super) kind: [u8; 4],
    /// Where its content begins.
    pub(super) start: u64,
    /// Where it ends; never behind the box around it.
    pub(super) end: u64,
}

impl Atom {
    /// The file itself.
    pub(super) fn file(source: &Source<'_>) -> Self {
        Self { kind: *b"file", start: 0, end: source.size() }
    }

    /// The same without the first bytes of its content.
    pub(super) fn skip(self, bytes: u64) -> Self {
        Self { start: self.start.saturating_add(bytes).min(self.end), ..self }
    }

    /// Bytes of its content.
    pub(super) fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The boxes in it.
    pub(super) fn children(self) -> Children {
        Children { at: self.start, end: self.end }
    }

    /// The first box of a kind in it.
    pub(super) fn child(self, source: &mut Source<'_>, kind: [u8; 4]) -> Option<Self> {
        let mut children = self.children();
        while let Some(child) = children.next(source) {
            if child.kind == kind {
                return Some(child);
            }
        }
        None
    }

    /// The first box at the end of a path of kinds.
    pub(super) fn descendant(self, source: &mut Source<'_>, path: &[[u8; 4]]) -> Option<Self> {
        path.iter().try_fold(self, |atom, kind| atom.child(source, *kind))
    }
}

/// Goes through the boxes beside each other.
pub(super) struct Children {
    at: u64,
    end: u64,
}

impl Children {
    pub(super) fn next(&mut self, source: &mut Source<'_>) -> Option<Atom> {
        if self.at.checked_add(8)? > self.end {
            return None;
        }
        let (short, kind) = (source.u32(self.at)?, source.array(self.at + 4)?);
        let (header, size) = match short {
            // Up to the end of what is around it.
            0 => (8, self.end - self.at),
            1 => (16, source.u64(self.at + 8)?),
            size => (8, size.into()),
        };
        if size < header {
            return None;
        }
        let start = self.at.checked_add(header)?;
        // A box that was cut off ends where the file does.
        let end = self.at.checked_add(size)?.min(self.end);
        self.at = end;
        (start <= end).then_some(Atom { kind, start, end })
    }
}
