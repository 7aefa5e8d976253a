//! A catalog as one file: a backup, which every engine writes and reads.
//!
//! Lines of JSON, each with one member that names what it holds. The first is the header, the last
//! tells how many records there were and the SHA-256 of every byte before it. What an older version
//! does not know, it refuses. Neither blobs nor the master key are in it.

mod line;

use gatepass_core::{Record, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(crate) use line::Line;

/// The version of the form.
const FORM: u32 = 1;
/// Longest line that is read, in bytes: far above the largest record.
pub const LINE_BYTES_MAX: usize = 64 << 20;

/// What a backup begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    form: u32,
    /// When it was begun.
    pub created: Timestamp,
}

/// What a backup ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Records before it.
    pub records: u64,
    /// SHA-256 of all bytes before it, in hexadecimal digits.
    pub sha256: String,
}

/// Why a backup is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It does not begin like one.
    #[error("this is no backup of gatepass")]
    Foreign,
    /// A later version has written it.
    #[error(
        "the backup is of a newer gatepass (form {0}, this one knows {FORM}): use that version"
    )]
    Newer(u32),
    /// It ends before its last line.
    #[error("the backup is cut off: it lacks its last line")]
    CutOff,
    /// Something follows the last line.
    #[error("something follows the end of the backup")]
    TooLong,
    /// Its checksum is another one.
    #[error("the backup is damaged: its checksum does not match")]
    Damaged,
    /// A line makes no sense.
    #[error("line {line} of the backup makes no sense: {reason}")]
    Senseless {
        /// Its number, from 1 on.
        line: u64,
        /// What is wrong.
        reason: String,
    },
}

/// Makes the lines of a backup.
pub struct Writer {
    digest: Sha256,
    records: u64,
}

impl Writer {
    /// Begins one; returns its first line.
    pub fn begin(now: Timestamp) -> (Self, Vec<u8>) {
        let mut writer = Self { digest: Sha256::new(), records: 0 };
        let first = writer.line(&Line::Gatepass(Header { form: FORM, created: now }));
        (writer, first)
    }

    /// The line of a record.
    pub fn record(&mut self, record: &Record) -> Vec<u8> {
        self.records += 1;
        self.line(&Line::of(record))
    }

    /// The last line, and what it says.
    pub fn end(mut self) -> (Vec<u8>, End) {
        let sha256 = gatepass_sign::hex(&<[u8; 32]>::from(self.digest.clone().finalize()));
        let end = End { records: self.records, sha256 };
        (self.line(&Line::End(end.clone())), end)
    }

    fn line(&mut self, line: &Line) -> Vec<u8> {
        let line = line.to_bytes();
        self.digest.update(&line);
        line
    }
}

/// What a line of a backup is.
#[derive(Debug)]
pub enum Step {
    /// The first one.
    Header(Header),
    /// A record.
    Record(Box<Record>),
    /// The last one; everything before it is as it was written.
    End(End),
}

/// Reads the lines of a backup, and looks that nothing is missing or changed.
#[derive(Default)]
pub struct Reader {
    digest: Sha256,
    lines: u64,
    end: Option<End>,
}

impl Reader {
    /// Takes the next line, with its line end.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Step, ArchiveError> {
        if self.end.is_some() {
            return Err(ArchiveError::TooLong);
        }
        self.lines += 1;
        if self.lines == 1 {
            self.digest.update(bytes);
            return header(bytes).map(Step::Header);
        }
        if !bytes.ends_with(b"\n") {
            return Err(ArchiveError::CutOff);
        }
        match Line::parse(bytes).map_err(|reason| self.senseless(reason))? {
            Line::End(end) => self.check_end(end),
            line => {
                self.digest.update(bytes);
                let record = line.into_record().map_err(|reason| self.senseless(reason))?;
                Ok(Step::Record(Box::new(record)))
            }
        }
    }

    /// Whether it was read to its end.
    pub fn finish(self) -> Result<End, ArchiveError> {
        self.end.ok_or(ArchiveError::CutOff)
    }

    fn check_end(&mut self, end: End) -> Result<Step, ArchiveError> {
        let found = gatepass_sign::hex(&<[u8; 32]>::from(self.digest.clone().finalize()));
        if found != end.sha256 || end.records != self.lines - 2 {
            return Err(ArchiveError::Damaged);
        }
        self.end = Some(end.clone());
        Ok(Step::End(end))
    }

    fn senseless(&self, reason: String) -> ArchiveError {
        ArchiveError::Senseless { line: self.lines, reason }
    }
}

/// Of another version only the number has to be readable.
fn header(bytes: &[u8]) -> Result<Header, ArchiveError> {
    #[derive(Deserialize)]
    struct AnyHeader {
        gatepass: AnyForm,
    }
    #[derive(Deserialize)]
    struct AnyForm {
        form: u32,
    }
    let any: AnyHeader = serde_json::from_slice(bytes).map_err(|_| ArchiveError::Foreign)?;
    if any.gatepass.form != FORM {
        return Err(ArchiveError::Newer(any.gatepass.form));
    }
    match Line::parse(bytes) {
        Ok(Line::Gatepass(header)) => Ok(header),
        _ => Err(ArchiveError::Foreign),
    }
}
