//! How long to wait before trying again: full jitter, so that many clients do not come back at
//! the same moment.

use std::time::Duration;

/// Most tries of a call, the first one included.
pub(crate) const TRIES_MAX: u32 = 4;
/// How long all tries of a call may take together, unless one try takes longer.
pub(crate) const TRYING_MAX: Duration = Duration::from_secs(30);

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Longest wait after a number of failed tries.
fn ceiling(failed: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failed.saturating_sub(1).min(16));
    doubled.min(LONGEST)
}

/// A wait between nothing and the longest, by a random number.
fn jittered(failed: u32, random: u32) -> Duration {
    ceiling(failed).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// How long to wait after a number of failed tries.
pub(crate) fn wait(failed: u32) -> Duration {
    jittered(failed, getrandom::u32().unwrap_or(u32::MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_are_anything_below_it() {
        assert_eq!(ceiling(1), FIRST);
        assert_eq!(ceiling(2), FIRST * 2);
        assert_eq!(ceiling(40), LONGEST);
        assert_eq!(jittered(3, 0), Duration::ZERO);
        assert_eq!(jittered(3, u32::MAX), FIRST * 4);
    }
}
