//! Conditional requests (RFC 9110, section 13), decided without knowing HTTP's spelling of them.

use crate::{ETag, Timestamp};

/// An entity tag as a client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTag {
    /// Whether it was marked `W/`.
    pub weak: bool,
    /// The text between the quotes.
    pub opaque: String,
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagList {
    /// `*`: anything that exists.
    Any,
    /// These tags.
    Tags(Vec<ClientTag>),
}

/// The conditions of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`.
    pub if_match: Option<TagList>,
    /// `If-None-Match`.
    pub if_none_match: Option<TagList>,
    /// `If-Modified-Since`, whole seconds.
    pub if_modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`, whole seconds.
    pub if_unmodified_since: Option<Timestamp>,
}

/// What is stored at the path now.
#[derive(Debug, Clone, Copy)]
pub struct Current<'a> {
    /// Its entity tag.
    pub etag: &'a ETag,
    /// When it was last replaced.
    pub updated: Timestamp,
}

/// What a request that reads is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadVerdict {
    /// Send the file.
    Proceed,
    /// The client has it already: 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// Evaluates a read, in the order of RFC 9110, section 13.2.2.
pub fn evaluate_read(conditions: &Conditions, current: Current<'_>) -> ReadVerdict {
    if !unchanged_as_asked(conditions, Some(current)) {
        return ReadVerdict::PreconditionFailed;
    }
    let known = match (&conditions.if_none_match, conditions.if_modified_since) {
        (Some(list), _) => matches_weakly(list, current.etag),
        (None, Some(since)) => current.updated.floor_to_seconds() <= since,
        (None, None) => false,
    };
    if known { ReadVerdict::NotModified } else { ReadVerdict::Proceed }
}

/// Whether a write may go on. `None`: there is no file at the path.
pub fn allows_write(conditions: &Conditions, current: Option<Current<'_>>) -> bool {
    let absent_as_asked = match (&conditions.if_none_match, current) {
        (Some(list), Some(current)) => !matches_weakly(list, current.etag),
        _ => true,
    };
    absent_as_asked && unchanged_as_asked(conditions, current)
}

/// Whether `If-Range` lets a range be served: the tag must match strongly.
pub fn range_applies(if_range: Option<&ClientTag>, etag: &ETag) -> bool {
    if_range.is_none_or(|tag| !tag.weak && tag.opaque == etag.as_str())
}

fn unchanged_as_asked(conditions: &Conditions, current: Option<Current<'_>>) -> bool {
    match (&conditions.if_match, conditions.if_unmodified_since, current) {
        (Some(list), _, Some(current)) => matches_strongly(list, current.etag),
        (Some(_), _, None) => false,
        (None, Some(since), Some(current)) => current.updated.floor_to_seconds() <= since,
        (None, _, _) => true,
    }
}

fn matches_strongly(list: &TagList, etag: &ETag) -> bool {
    match list {
        TagList::Any => true,
        TagList::Tags(tags) => tags.iter().any(|tag| !tag.weak && tag.opaque == etag.as_str()),
    }
}

fn matches_weakly(list: &TagList, etag: &ETag) -> bool {
    match list {
        TagList::Any => true,
        TagList::Tags(tags) => tags.iter().any(|tag| tag.opaque == etag.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::ReadVerdict::{NotModified, PreconditionFailed, Proceed};
    use super::*;

    fn tag(weak: bool, opaque: &str) -> ClientTag {
        ClientTag { weak, opaque: opaque.into() }
    }

    fn seconds(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn reads_follow_the_order_of_the_rfc() {
        let etag = ETag::from_text("v1");
        let updated = Timestamp::from_unix_millis(100_900);
        let current = Current { etag: &etag, updated };
        let none = Conditions::default;
        for (conditions, verdict) in [
            (none(), Proceed),
            (
                Conditions { if_none_match: Some(TagList::Tags(vec![tag(true, "v1")])), ..none() },
                NotModified,
            ),
            (Conditions { if_none_match: Some(TagList::Any), ..none() }, NotModified),
            (
                Conditions { if_none_match: Some(TagList::Tags(vec![tag(false, "v2")])), ..none() },
                Proceed,
            ),
            (Conditions { if_modified_since: Some(seconds(100)), ..none() }, NotModified),
            (Conditions { if_modified_since: Some(seconds(99)), ..none() }, Proceed),
            // If-None-Match outranks the date.
            (
                Conditions {
                    if_none_match: Some(TagList::Tags(vec![tag(false, "v2")])),
                    if_modified_since: Some(seconds(500)),
                    ..none()
                },
                Proceed,
            ),
            (
                Conditions { if_match: Some(TagList::Tags(vec![tag(false, "v1")])), ..none() },
                Proceed,
            ),
            (
                Conditions { if_match: Some(TagList::Tags(vec![tag(true, "v1")])), ..none() },
                PreconditionFailed,
            ),
            (Conditions { if_unmodified_since: Some(seconds(99)), ..none() }, PreconditionFailed),
            // If-Match outranks the date.
            (
                Conditions {
                    if_match: Some(TagList::Tags(vec![tag(false, "v1")])),
                    if_unmodified_since: Some(seconds(1)),
                    ..none()
                },
                Proceed,
            ),
        ] {
            assert_eq!(evaluate_read(&conditions, current), verdict, "{conditions:?}");
        }
    }

    #[test]
    fn writes_can_ask_for_absence_and_for_a_version() {
        let etag = ETag::from_text("v1");
        let current = Some(Current { etag: &etag, updated: Timestamp::default() });
        let create_only = Conditions { if_none_match: Some(TagList::Any), ..Conditions::default() };
        assert!(allows_write(&create_only, None));
        assert!(!allows_write(&create_only, current));
        let replace = Conditions {
            if_match: Some(TagList::Tags(vec![tag(false, "v1")])),
            ..Conditions::default()
        };
        assert!(allows_write(&replace, current));
        assert!(!allows_write(&replace, None));
        let stale = Conditions {
            if_match: Some(TagList::Tags(vec![tag(false, "v0")])),
            ..Conditions::default()
        };
        assert!(!allows_write(&stale, current));
    }

    #[test]
    fn if_range_wants_a_strong_match() {
        let etag = ETag::from_text("v1");
        assert!(range_applies(None, &etag));
        assert!(range_applies(Some(&tag(false, "v1")), &etag));
        assert!(!range_applies(Some(&tag(true, "v1")), &etag));
        assert!(!range_applies(Some(&tag(false, "v2")), &etag));
    }
}
