use std::time::{Duration, Instant};

/// How often the pace is looked at.
const WINDOW: Duration = Duration::from_millis(250);
/// Bytes that a fast client sends in that time: 1 MiB/s.
const FAST_BYTES: usize = 256 << 10;
/// Who begins with so little at once is taken for slow until the window has passed. A fast
/// client's first and last piece may be as small.
const FIRST_BYTES: usize = 4 << 10;

/// Whether a client is fast. A slow one is one of thousands, and must not hold what a fast one
/// could use.
pub(crate) struct Pace {
    since: Option<Instant>,
    bytes: usize,
    is_fast: bool,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { since: None, bytes: 0, is_fast: false }
    }

    /// Notes a piece that has come, and says whether its sender is fast.
    pub(crate) fn note(&mut self, length: usize, now: Instant) -> bool {
        let since = *self.since.get_or_insert_with(|| {
            self.is_fast = length >= FIRST_BYTES;
            now
        });
        self.bytes += length;
        if now.saturating_duration_since(since) >= WINDOW {
            self.is_fast = self.bytes >= FAST_BYTES;
            (self.since, self.bytes) = (Some(now), 0);
        } else if self.bytes >= FAST_BYTES {
            self.is_fast = true;
        }
        self.is_fast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the last of some pieces, so many milliseconds apart, is one of a fast client.
    fn is_fast(pieces: &[usize], apart: u64) -> bool {
        let (mut pace, begun) = (Pace::new(), Instant::now());
        let times = (0..).map(|index| begun + Duration::from_millis(index * apart));
        pieces.iter().zip(times).fold(false, |_, (length, now)| pace.note(*length, now))
    }

    #[test]
    fn who_trickles_is_slow_and_who_hurries_is_fast() {
        assert!(is_fast(&[8_000], 0));
        assert!(!is_fast(&[1_000], 0));
        assert!(!is_fast(&[1_000; 10], 100));
        assert!(!is_fast(&[8_000; 10], 100), "80 KB/s");
        assert!(is_fast(&[1_400; 400], 1), "1.4 MB/s in small pieces");
        assert!(is_fast(&[1_000; 263], 0), "many at once");
    }

    #[test]
    fn the_pace_may_change() {
        let (mut pace, begun) = (Pace::new(), Instant::now());
        let after = |millis| begun + Duration::from_millis(millis);
        assert!(pace.note(100_000, after(0)));
        assert!(!pace.note(1_000, after(300)));
        assert!(!pace.note(100_000, after(310)));
        assert!(pace.note(200_000, after(320)));
    }
}
