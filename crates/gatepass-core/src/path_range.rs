//! Prefixes as ranges of paths: what a catalog can look up by its index, without patterns.

/// Paths from `start` on and before `end`, compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRange {
    /// The first path.
    pub start: String,
    /// The first path that is not in the range any more; `None` for no end.
    pub end: Option<String>,
}

impl PathRange {
    /// Paths that start with this text.
    fn of_prefix(prefix: &str) -> Self {
        Self { start: prefix.to_owned(), end: successor(prefix) }
    }

    /// One path.
    fn of_path(path: &str) -> Self {
        Self { start: path.to_owned(), end: Some(format!("{path}\0")) }
    }
}

/// The paths that start with `prefix` and are within `within`, as
/// [`ObjectPath::is_within`](crate::ObjectPath::is_within) understands it: at most two ranges, in
/// their order, which do not overlap.
pub fn ranges(prefix: &str, within: &str) -> Vec<PathRange> {
    if within.is_empty() || within.ends_with('/') {
        return longer(prefix, within).map(PathRange::of_prefix).into_iter().collect();
    }
    let itself = within.starts_with(prefix).then(|| PathRange::of_path(within));
    let below = format!("{within}/");
    itself.into_iter().chain(longer(prefix, &below).map(PathRange::of_prefix)).collect()
}

/// What is within something, as [`ObjectPath::is_within`](crate::ObjectPath::is_within)
/// understands it: a path, and those from `start` on and before `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// The path itself; no path at all if it ends with a slash.
    pub itself: String,
    /// The first path below.
    pub start: String,
    /// The first path that is not below any more.
    pub end: String,
}

impl Within {
    /// `None` for everything.
    pub fn new(within: &str) -> Option<Self> {
        let above = within.strip_suffix('/').unwrap_or(within);
        // `0` follows `/`.
        let (start, end) = (format!("{above}/"), format!("{above}0"));
        (!within.is_empty()).then(|| Self { itself: within.to_owned(), start, end })
    }
}

/// The prefix of all texts that have both prefixes.
fn longer<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    match (one.starts_with(other), other.starts_with(one)) {
        (true, _) => Some(one),
        (false, true) => Some(other),
        (false, false) => None,
    }
}

/// The least text above all texts with this prefix; none above the empty one.
fn successor(prefix: &str) -> Option<String> {
    let mut rest: Vec<char> = prefix.chars().collect();
    while let Some(last) = rest.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            rest.push(next);
            return Some(rest.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ObjectPath;

    #[test]
    fn a_prefix_becomes_a_range() {
        assert_eq!(successor(""), None);
        assert_eq!(successor("a/"), Some("a0".to_owned()));
        assert_eq!(successor("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(successor("\u{d7ff}"), Some("\u{e000}".to_owned()));
    }

    const TEXTS: [&str; 11] =
        ["a", "a!", "a/", "a/b", "a/b/c", "a/bc", "a0", "ab", "b", "b/a", "b/a/x"];

    #[test]
    fn within_is_the_path_itself_and_those_below() {
        assert_eq!(Within::new(""), None);
        for within in TEXTS {
            let Within { itself, start, end } = Within::new(within).unwrap();
            for text in TEXTS {
                let Ok(path) = ObjectPath::from_decoded(text) else { continue };
                let inside = text == itself || (*start <= *text && *text < *end);
                assert_eq!(inside, path.is_within(within), "{text:?} in {within:?}");
            }
        }
    }

    #[test]
    fn ranges_hold_what_has_the_prefix_and_is_within() {
        let texts = TEXTS;
        for prefix in texts.into_iter().chain([""]) {
            for within in texts.into_iter().chain([""]) {
                let ranges = ranges(prefix, within);
                for text in texts {
                    let Ok(path) = ObjectPath::from_decoded(text) else { continue };
                    let inside = ranges.iter().filter(|range| {
                        let before_end = |end: &String| text < end.as_str();
                        *range.start <= *text && range.end.as_ref().is_none_or(before_end)
                    });
                    let wanted = text.starts_with(prefix) && path.is_within(within);
                    let times = usize::from(wanted);
                    assert_eq!(inside.count(), times, "{text:?}: {prefix:?} in {within:?}");
                }
            }
        }
    }
}
