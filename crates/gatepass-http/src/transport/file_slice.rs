//! Files that the system sends by itself, from its cache to the socket: they are not copied into
//! this process, and a slow reader holds none of its memory.
//!
//! hyper writes bytes in memory and knows nothing else. In place of a file's bytes it is given
//! [`stand_in`]s: slices of one region of zeros that nobody ever reads. It counts them, divides them
//! and holds them back as it would bytes; when it writes them, [`TimedIo`](super::io) knows them by
//! where they lie, and has as many bytes of the file sent. It writes what it was given from where
//! that lies, for the stream takes several slices at once.

use std::future::Future as _;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gatepass_core::ByteRange;
use gatepass_core::port::OpenSlice;
use rustix::fs::{Advice, fadvise, sendfile};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes of a file that are sent, or looked for in the system's cache, at once.
const WINDOW_BYTES: usize = 1 << 20;
/// Bytes that are read at once to get them into the cache.
const READ_BYTES: usize = 64 << 10;
/// At the start of a window, each read is of a page.
const PAGE_BYTES: usize = 4 << 10;
/// Most bytes that somebody reads who wants no more than these: nothing is read ahead for him.
const SINGLE_READ_BYTES: u64 = 256 << 10;

/// Never touched, so that it takes addresses and no memory.
static STAND_INS: LazyLock<&[u8]> = LazyLock::new(|| vec![0; WINDOW_BYTES].leak());

/// What stands for the next bytes of a file, of which `left` are to be sent.
pub(crate) fn stand_in(left: u64) -> Bytes {
    let length = usize::try_from(left).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES);
    Bytes::from_static(&STAND_INS[..length])
}

/// Whether a slice is a stand-in, or what is left of one.
pub(super) fn is_stand_in(slice: &[u8]) -> bool {
    !slice.is_empty() && STAND_INS.as_ptr_range().contains(&slice.as_ptr())
}

/// What is left to send of a range of a file.
pub(crate) struct FileSlice {
    file: Arc<OwnedFd>,
    next: u64,
    end: u64,
    /// Up to here it was found in the system's cache.
    cached_until: u64,
    /// Whether the file system can tell what is there. If not, each byte is read first, once.
    is_told: bool,
    reading: Option<JoinHandle<io::Result<()>>>,
}

impl FileSlice {
    pub(crate) fn new(open: OpenSlice, range: ByteRange) -> Self {
        let OpenSlice { file, begin } = open;
        let (next, end) = (begin.saturating_add(range.start()), begin.saturating_add(range.end()));
        Self { file, next, end, cached_until: next, is_told: true, reading: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next >= self.end
    }

    /// Sends up to `length_max` bytes. That the file has no more is an error: it is damaged.
    pub(super) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        stream: &TcpStream,
        length_max: usize,
    ) -> Poll<io::Result<usize>> {
        let length = usize::try_from(self.end - self.next).unwrap_or(usize::MAX).min(length_max);
        loop {
            ready!(self.poll_cached(context)).inspect_err(log)?;
            ready!(stream.poll_write_ready(context))?;
            let mut next = self.next;
            let sent = stream.try_io(Interest::WRITABLE, || {
                sendfile(stream, &self.file, Some(&mut next), length).map_err(io::Error::from)
            });
            match sent {
                Ok(0) => {
                    let error = io::ErrorKind::UnexpectedEof.into();
                    log(&error);
                    return Poll::Ready(Err(error));
                }
                Ok(count) => {
                    self.next += count as u64;
                    return Poll::Ready(Ok(count));
                }
                // While the client takes its time, the cache may forget.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.is_told {
                        self.cached_until = self.next;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Has what comes next read into the system's cache if it is not there: sending would wait for
    /// the disk, on a thread that has other clients to serve.
    fn poll_cached(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let window = self.next..self.end.min(self.next.saturating_add(WINDOW_BYTES as u64));
        if let Some(reading) = &mut self.reading {
            let read = ready!(Pin::new(reading).poll(context));
            self.reading = None;
            read.map_err(io::Error::other)??;
        } else if self.next < self.cached_until {
            return Poll::Ready(Ok(()));
        } else if !self.may_be_cached(&window) {
            let file = Arc::clone(&self.file);
            let (start, end) = (window.start, window.end);
            let reading = self.reading.insert(spawn_blocking(move || read(&file, start, end)));
            let read = ready!(Pin::new(reading).poll(context));
            self.reading = None;
            read.map_err(io::Error::other)??;
        }
        self.cached_until = window.end;
        Poll::Ready(Ok(()))
    }

    fn may_be_cached(&mut self, window: &Range<u64>) -> bool {
        let cached = may_be_cached(&self.file, window);
        self.is_told = cached.is_some();
        cached.unwrap_or(false)
    }
}

fn log(error: &io::Error) {
    tracing::error!(%error, "a file could not be read to its end; connection cut");
}

/// Whether a window can be had without waiting for the disk, as far as its ends tell. The last byte
/// alone would not do: the last page of an upload goes through the cache when the others bypass it.
/// `None` if the file system cannot tell.
fn may_be_cached(file: &OwnedFd, window: &Range<u64>) -> Option<bool> {
    Some(is_cached(file, window.start)? && is_cached(file, window.end - 1)?)
}

/// Whether a byte can be had without waiting for the disk. One that is not there can.
fn is_cached(file: &OwnedFd, at: u64) -> Option<bool> {
    let mut byte = [0];
    match preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) {
        Err(Errno::OPNOTSUPP) => None,
        read => Some(read.is_ok()),
    }
}

/// Reads bytes for the system to keep them, up to the end of the file.
///
/// Linux keeps what a reader runs into in pages of 4 KiB, and what it has read ahead for him in ever
/// larger ones, which take a fifth less time to send. It begins to read ahead with the second page:
/// so the first reads are small. What it is told that it will need (`WILLNEED`) is in small pages.
fn read(file: &OwnedFd, start: u64, end: u64) -> io::Result<()> {
    let is_long = end - start > SINGLE_READ_BYTES;
    if is_long {
        // Only a hint, to have more read ahead.
        let _ = fadvise(file, 0, None, Advice::Sequential);
    }
    let mut piece = vec![0; READ_BYTES];
    let mut next = start;
    while next < end {
        let is_begun = next - start >= READ_BYTES as u64;
        let length = if is_long && !is_begun { PAGE_BYTES } else { READ_BYTES };
        let length = usize::try_from(end - next).unwrap_or(length).min(length);
        match pread(file, &mut piece[..length], next) {
            Ok(0) => return Ok(()),
            Ok(count) => next += count as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;
    use std::time::{Duration, Instant};

    use super::*;

    const FILE_BYTES: usize = 64 << 10;
    const WINDOW: Range<u64> = 0..FILE_BYTES as u64;

    /// A file of which one page is cached, and nothing else. It lies beside the sources: temporary
    /// files may be in memory alone, which forgets nothing.
    fn with_cached(page: usize) -> OwnedFd {
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all_at(&vec![7; FILE_BYTES], 0).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        // Otherwise more would be read than what is asked for.
        fadvise(&file, 0, None, Advice::Random).unwrap();
        read_byte(&file, (page * PAGE_BYTES) as u64);
        file.into()
    }

    /// The system may be slow to forget. (To look at a page has it read, so that is done once.)
    fn is_read_first(page: usize) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            match may_be_cached(&with_cached(page), &WINDOW) {
                Some(true) => {}
                Some(false) => return true,
                None => panic!("not run: this file system cannot tell what is cached"),
            }
        }
        false
    }

    fn read_byte(file: &File, at: u64) {
        file.read_exact_at(&mut [0], at).unwrap();
    }

    #[test]
    fn a_window_with_one_end_on_the_disk_alone_is_read_first() {
        let last = FILE_BYTES / PAGE_BYTES - 1;
        assert!(is_read_first(0));
        assert!(is_read_first(last));
        let file = File::from(with_cached(last));
        for page in 0..=last {
            read_byte(&file, (page * PAGE_BYTES) as u64);
        }
        assert_eq!(may_be_cached(&file.into(), &WINDOW), Some(true));
    }
}
