//! Sizes and times as people write them.

use std::time::Duration;

use anyhow::Context as _;

const SIZES: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

const TIMES: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `10MB`, `1.5GiB`, `4096`.
pub(crate) fn parse_size(text: &str) -> anyhow::Result<u64> {
    scaled(text, SIZES, 1).context("expected a size such as 10MB, 1.5GiB or 4096")
}

/// `500ms`, `90s`, `15m`, `1h`, `7d`.
pub(crate) fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    let millis = scaled(text, TIMES, 0).filter(|millis| *millis > 0);
    millis.map(Duration::from_millis).context("expected a time such as 500ms, 90s, 15m, 1h or 7d")
}

/// A number times its unit; without a unit times `plain`, where 0 asks for a unit.
fn scaled(text: &str, units: &[(&str, u64)], plain: u64) -> Option<u64> {
    let text = text.trim();
    let unit = units.iter().find(|(unit, _)| text.ends_with(unit));
    let (number, factor) = match unit {
        Some((unit, factor)) => (text.strip_suffix(unit)?.trim_end(), *factor),
        None if plain > 0 => (text, plain),
        None => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let (whole, tenths) = number.split_once('.')?;
    let digits = u32::try_from(tenths.len()).ok().filter(|digits| (1..=9).contains(digits))?;
    let fraction = tenths.parse::<u64>().ok()?.checked_mul(factor)? / 10_u64.pow(digits);
    whole.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(fraction)
}

/// A size for people: `1.5 MiB`.
#[expect(clippy::cast_precision_loss, reason = "a size for people has three digits")]
pub(crate) fn show_size(bytes: u64) -> String {
    let unit = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match unit.iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) => format!("{:.1} {unit}", bytes as f64 / *factor as f64),
        None => format!("{bytes} B"),
    }
}

/// A span for people: `59 min`.
pub(crate) fn show_seconds(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_as_people_write_them() {
        for (text, bytes) in [
            ("10MB", 10_000_000),
            ("10MiB", 10 << 20),
            ("1.5KiB", 1_536),
            ("4096", 4_096),
            ("7 B", 7),
            ("5TiB", 5 << 40),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for bad in ["", "MB", "-1", "1..5MB", "1.MB", "10 megabytes", "99999999999TiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_duration("1h").unwrap(), Duration::from_hours(1));
        assert_eq!(parse_duration("1.5s").unwrap(), Duration::from_millis(1_500));
        for bad in ["", "10", "0s", "1y", "-1s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
