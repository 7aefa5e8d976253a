//! What a trace of system calls says of the disk: which bytes and names were never synced.
//!
//! The format is that of `strace -f -y -v -s 0 -o FILE`. A call during which others were logged is
//! split into an `unfinished` and a `resumed` line; a sync covers what came before it began.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::random::Random;

/// The calls that matter.
pub(crate) const CALLS: &str = "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,write,\
     writev,pwrite64,pwritev,pwritev2,ftruncate,fallocate,fsync,fdatasync";

/// What would be gone if the power went now.
#[derive(Debug, Default)]
pub(crate) struct Volatile {
    /// Bytes of files that were written and not synced since.
    ranges: BTreeMap<PathBuf, BTreeSet<(u64, u64)>>,
    /// Names whose directory was not synced since they were made.
    names: BTreeSet<PathBuf>,
    /// Files and directories that were there before, or that were seen to be made.
    known: BTreeSet<PathBuf>,
    /// For each thread, its call that has not returned, and what it would sync.
    pending: BTreeMap<String, Pending>,
    /// How many syncs were seen.
    pub(crate) syncs: u64,
}

#[derive(Debug)]
struct Pending {
    call: String,
    ranges: BTreeSet<(u64, u64)>,
    names: BTreeSet<PathBuf>,
}

impl Volatile {
    /// Everything that is there now counts as synced.
    pub(crate) fn beginning_at(directory: &Path) -> Self {
        let mut known = BTreeSet::new();
        let mut rest: Vec<_> =
            directory.exists().then(|| directory.to_owned()).into_iter().collect();
        while let Some(path) = rest.pop() {
            if path.is_dir() {
                rest.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            known.insert(path);
        }
        Self { known, ..Self::default() }
    }

    pub(crate) fn read(&mut self, trace: &str) {
        for line in trace.lines() {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        let Some((thread, call)) = line.split_once(' ') else { return };
        let call = call.trim_start();
        if let Some(call) = call.strip_suffix(" <unfinished ...>") {
            let path = first_path(call).unwrap_or_default();
            let pending = Pending {
                call: call.to_owned(),
                ranges: self.ranges.get(&path).cloned().unwrap_or_default(),
                names: self.names_in(&path),
            };
            // What is not known to be over may be half done.
            if is_write(call) {
                self.wrote(call, None);
            }
            self.pending.insert(thread.to_owned(), pending);
        } else if call.starts_with("<... ") {
            let Some(pending) = self.pending.remove(thread) else { return };
            let Some((_, rest)) = call.split_once("resumed>") else { return };
            let whole = format!("{}{rest}", pending.call);
            self.call(&whole, Some(&pending));
        } else {
            self.call(call, None);
        }
    }

    fn call(&mut self, call: &str, began: Option<&Pending>) {
        let Some((call, result)) = call.rsplit_once(" = ") else { return };
        let call = call.trim_end();
        let failed = result.starts_with('-') || result.starts_with('?');
        let name = call.split('(').next().unwrap_or_default();
        match name {
            "fsync" | "fdatasync" if !failed && !result.contains("INJECTED") => {
                self.synced(call, began);
            }
            "openat" | "open" | "creat" if !failed && call.contains("O_CREAT") => {
                self.made(between(result, '<', '>').map(PathBuf::from));
            }
            "mkdirat" | "mkdir" if !failed => {
                let directory = first_path(call).unwrap_or_default();
                self.made(between(call, '"', '"').map(|name| directory.join(name)));
            }
            _ if is_write(call) && !failed => self.wrote(call, result.split(' ').next()),
            _ => {}
        }
    }

    fn made(&mut self, path: Option<PathBuf>) {
        let Some(path) = path else { return };
        if self.known.insert(path.clone()) {
            self.names.insert(path);
        }
    }

    fn wrote(&mut self, call: &str, result: Option<&str>) {
        let Some(path) = first_path(call) else { return };
        let arguments: Vec<&str> = call.trim_end_matches(')').rsplit(", ").collect();
        let number = |index: usize| arguments.get(index).and_then(|text| text.parse().ok());
        let range = match call.split('(').next().unwrap_or_default() {
            name @ ("pwrite64" | "pwritev") => {
                let offset: u64 = number(0).unwrap_or(0);
                let done = result.and_then(|text| text.parse().ok());
                let length = done.or_else(|| match name {
                    "pwritev" => vector_length(call),
                    _ => number(1),
                });
                // Bytes next to these may be durable long since: no more than was to be written.
                (offset, offset.saturating_add(length.unwrap_or(u64::MAX >> 1)))
            }
            // Without an offset it may be anywhere.
            _ => (0, u64::MAX >> 1),
        };
        self.ranges.entry(path).or_default().insert(range);
    }

    fn synced(&mut self, call: &str, began: Option<&Pending>) {
        let Some(path) = first_path(call) else { return };
        self.syncs += 1;
        let names = began.map_or_else(|| self.names_in(&path), |pending| pending.names.clone());
        self.names.retain(|name| !names.contains(name));
        match began {
            None => drop(self.ranges.remove(&path)),
            Some(pending) => {
                if let Some(ranges) = self.ranges.get_mut(&path) {
                    ranges.retain(|range| !pending.ranges.contains(range));
                }
            }
        }
    }

    fn names_in(&self, directory: &Path) -> BTreeSet<PathBuf> {
        self.names.iter().filter(|name| name.parent() == Some(directory)).cloned().collect()
    }

    /// Does to the disk what a power cut may do: what was never synced is gone, or some of it.
    pub(crate) fn forget(&self, random: &mut Random) -> u64 {
        let (mut harmed, loss) = (0, *random.pick(&Loss::ALL));
        for name in &self.names {
            if loss != Loss::All && random.chance(50) {
                continue;
            }
            if name.is_dir() {
                let _ = std::fs::remove_dir_all(name);
            } else {
                let _ = std::fs::remove_file(name);
            }
            harmed += 1;
        }
        for (path, ranges) in &self.ranges {
            let Ok(mut file) = OpenOptions::new().write(true).open(path) else { continue };
            let length = file.metadata().unwrap().len();
            for (start, end) in ranges {
                let end = (*end).min(length);
                if *start >= end || path.to_string_lossy().ends_with("-shm") {
                    continue;
                }
                for (start, end) in loss.of(*start, end, random) {
                    file.seek(SeekFrom::Start(start)).unwrap();
                    file.write_all(&vec![0; usize::try_from(end - start).unwrap()]).unwrap();
                    harmed += 1;
                }
            }
        }
        harmed
    }
}

/// How much of what was not synced is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    All,
    /// Some writes.
    Writes,
    /// Some pages of some writes.
    Pages,
}

impl Loss {
    const ALL: [Self; 3] = [Self::All, Self::Writes, Self::Pages];
    const PAGE: u64 = 4_096;

    /// What is lost of a write.
    fn of(self, start: u64, end: u64, random: &mut Random) -> Vec<(u64, u64)> {
        match self {
            Self::All => vec![(start, end)],
            Self::Writes if random.chance(50) => vec![(start, end)],
            Self::Writes => Vec::new(),
            Self::Pages => {
                let pages = start / Self::PAGE..end.div_ceil(Self::PAGE);
                let lost = pages.filter(|_| random.chance(50)).map(|page| {
                    ((page * Self::PAGE).max(start), ((page + 1) * Self::PAGE).min(end))
                });
                lost.collect()
            }
        }
    }
}

fn is_write(call: &str) -> bool {
    ["write(", "writev(", "pwrite64(", "pwritev("].iter().any(|name| call.starts_with(name))
}

/// The path behind the first descriptor: `18</data/blobs>`.
fn first_path(call: &str) -> Option<PathBuf> {
    let path = between(call, '<', '>')?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// How much a vector holds in all, which is known before the call returns.
fn vector_length(call: &str) -> Option<u64> {
    let mut sum = None;
    for rest in call.split("iov_len=").skip(1) {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        let length: u64 = digits.parse().ok()?;
        sum = Some(sum.unwrap_or(0) + length);
    }
    sum
}

fn between(text: &str, open: char, close: char) -> Option<&str> {
    let (_, rest) = text.split_once(open)?;
    Some(rest.split_once(close)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(trace: &str) -> Volatile {
        let mut volatile = Volatile::default();
        volatile.read(trace);
        volatile
    }

    #[test]
    fn what_is_synced_stays() {
        let made = "1 openat(3</d>, \"a\", O_WRONLY|O_CREAT|O_EXCL, 0600) = 9</d/a>\n";
        let wrote = "1 pwritev(9</d/a>, [...], 1, 0) = 6\n";
        let synced = "1 fdatasync(9</d/a>) = 0\n";
        let named = "1 fsync(3</d>)      = 0\n";
        let all = after(&[made, wrote, synced, named].concat());
        assert!(all.names.is_empty() && all.ranges.is_empty());
        assert_eq!(after(&[made, wrote, synced].concat()).names.len(), 1);
        assert_eq!(after(&[made, wrote, named].concat()).ranges.len(), 1);
        assert_eq!(after(&[made, wrote, named, synced].concat()).ranges.len(), 0);
        let injected = "1 fdatasync(9</d/a>) = 0 (INJECTED)\n";
        assert_eq!(after(&[made, wrote, injected].concat()).ranges.len(), 1);
        assert_eq!(after("1 fdatasync(9</d/a>) = -1 EIO (Input/output error)\n").syncs, 0);
    }

    #[test]
    fn a_sync_covers_what_came_before_it_began() {
        let trace = "1 pwrite64(9</d/a>, \"\"..., 10, 0) = 10\n\
                     2 fdatasync(9</d/a> <unfinished ...>\n\
                     1 pwrite64(9</d/a>, \"\"..., 10, 10) = 10\n\
                     2 <... fdatasync resumed>)         = 0\n";
        let left = after(trace);
        let ranges: Vec<_> = left.ranges[Path::new("/d/a")].iter().copied().collect();
        assert_eq!(ranges, [(10, 20)]);
        let split = "1 pwrite64(9</d/a>, \"\"..., 10, 20 <unfinished ...>\n\
                     1 <... pwrite64 resumed>)          = 10\n";
        assert_eq!(after(split).ranges[Path::new("/d/a")].first(), Some(&(20, 30)));
        let half = after("1 pwrite64(9</d/a>, \"\"..., 10, 5 <unfinished ...>\n");
        assert_eq!(half.ranges[Path::new("/d/a")].first(), Some(&(5, 15)));
        let vector = "1 pwritev(9</d/a>, [{iov_base=\"\"..., iov_len=7}, {iov_base=\"\"..., iov_len=3}], \
                      2, 5 <unfinished ...>\n";
        assert_eq!(after(vector).ranges[Path::new("/d/a")].first(), Some(&(5, 15)));
    }
}
