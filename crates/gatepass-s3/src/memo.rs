//! What the catalog remembers for this store: texts whose fields are divided by spaces.

use std::io;

use gatepass_core::Memo;
use gatepass_core::port::BlobError;

use crate::api::Written;
use crate::grid::Grid;

/// The form of a blob's memo.
const VERSION: &str = "1";

/// What is remembered of a blob in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlobMemo {
    pub(crate) grid: Grid,
    /// The token in the metadata of the blob.
    pub(crate) token: String,
    pub(crate) upload_id: String,
}

impl BlobMemo {
    pub(crate) fn to_memo(&self) -> Memo {
        let total = self.grid.total.map_or("-".to_owned(), |total| total.to_string());
        let (cell, token, id) = (self.grid.cell_bytes, &self.token, &self.upload_id);
        Memo::new(format!("{VERSION} {cell} {total} {token} {id}"))
    }

    pub(crate) fn parse(memo: &Memo) -> Result<Self, BlobError> {
        parse_blob(memo.as_str()).ok_or_else(|| senseless(memo))
    }
}

fn parse_blob(text: &str) -> Option<BlobMemo> {
    let mut fields = text.splitn(5, ' ');
    let mut next = || fields.next().filter(|field| !field.is_empty());
    if next()? != VERSION {
        return None;
    }
    let cell_bytes = next()?.parse().ok().filter(|bytes| *bytes > 0)?;
    let total = match next()? {
        "-" => None,
        total => Some(total.parse().ok()?),
    };
    let (token, upload_id) = (next()?.to_owned(), next()?.to_owned());
    Some(BlobMemo { grid: Grid { cell_bytes, total }, token, upload_id })
}

/// Where a piece of a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PieceMemo {
    /// It is a part of the multipart upload, with this number and entity tag.
    Cell(Written),
    /// It is an object of its own, by this attempt.
    Loose(String),
}

impl PieceMemo {
    pub(crate) fn to_memo(&self) -> Memo {
        match self {
            Self::Cell((number, etag)) => Memo::new(format!("cell {number} {etag}")),
            Self::Loose(attempt) => Memo::new(format!("loose {attempt}")),
        }
    }

    pub(crate) fn parse(memo: &Memo) -> Result<Self, BlobError> {
        parse_piece(memo.as_str()).ok_or_else(|| senseless(memo))
    }
}

fn parse_piece(text: &str) -> Option<PieceMemo> {
    match text.split_once(' ')? {
        ("cell", part) => {
            let (number, etag) = part.split_once(' ')?;
            Some(PieceMemo::Cell((number.parse().ok()?, etag.to_owned())))
        }
        ("loose", attempt) => Some(PieceMemo::Loose(attempt.to_owned())),
        _ => None,
    }
}

/// It is of another store, such as the one that was used before.
fn senseless(memo: &Memo) -> BlobError {
    let text = format!("the catalog's memo {memo:?} is not of this store");
    BlobError::Unavailable(io::Error::new(io::ErrorKind::InvalidData, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memos_come_back() {
        for total in [None, Some(0), Some(u64::MAX)] {
            let memo = BlobMemo {
                grid: Grid { cell_bytes: 7, total },
                token: "token".to_owned(),
                upload_id: "any text, with spaces".to_owned(),
            };
            assert_eq!(BlobMemo::parse(&memo.to_memo()).unwrap(), memo);
        }
        for memo in [PieceMemo::Cell((7, "\"tag\"".to_owned())), PieceMemo::Loose("ab".to_owned())]
        {
            assert_eq!(PieceMemo::parse(&memo.to_memo()).unwrap(), memo);
        }
        for text in ["", "1", "2 7 - t i", "1 0 - t i", "1 7 x t i", "1 7 - t", "1 7 - t "] {
            assert!(BlobMemo::parse(&Memo::new(text)).is_err(), "{text:?}");
            assert!(PieceMemo::parse(&Memo::new(text)).is_err(), "{text:?}");
        }
    }
}
