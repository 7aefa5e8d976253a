//! `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, `If-Range` (RFC 9110,
//! section 13.1).

use gatepass_core::Timestamp;
use gatepass_core::condition::{ClientTag, Conditions, TagList};
use http::{HeaderMap, header};

use super::{malformed, single};
use crate::problem::Problem;

/// Most tags in one list.
const TAGS_MAX: usize = 64;

/// Reads the conditions of a request. A tag list that does not parse is an error, for a write
/// must not go on as if it had none; a date that does not parse is ignored, as the RFC wants.
pub(crate) fn conditions(headers: &HeaderMap) -> Result<Conditions, Problem> {
    let tags = |name| -> Result<Option<TagList>, Problem> {
        let lines: Vec<&[u8]> =
            headers.get_all(&name).iter().map(http::HeaderValue::as_bytes).collect();
        if lines.is_empty() {
            return Ok(None);
        }
        // Tags may hold any byte above the ASCII ones; ours hold none.
        let joined = String::from_utf8_lossy(&lines.join(&b","[..])).into_owned();
        tag_list(&joined).map(Some).ok_or_else(|| malformed(&name))
    };
    let date = |name| {
        let mut values = headers.get_all(name).iter();
        let only = values.next().filter(|_| values.next().is_none());
        only.and_then(|value| value.to_str().ok()).and_then(http_date)
    };
    Ok(Conditions {
        if_match: tags(header::IF_MATCH)?,
        if_none_match: tags(header::IF_NONE_MATCH)?,
        if_modified_since: date(header::IF_MODIFIED_SINCE),
        if_unmodified_since: date(header::IF_UNMODIFIED_SINCE),
    })
}

/// Reads `If-Range`. A date is no strong validator here, for a file can change twice within a
/// second: it counts as a tag that matches nothing, so that the whole file is sent.
pub(crate) fn if_range(headers: &HeaderMap) -> Result<Option<ClientTag>, Problem> {
    let Some(value) = single(headers, &header::IF_RANGE)? else { return Ok(None) };
    let never = ClientTag { weak: true, opaque: String::new() };
    let tag = entity_tag(value.trim()).filter(|(_, rest)| rest.is_empty());
    Ok(Some(tag.map_or(never, |(tag, _)| tag)))
}

fn http_date(value: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(value).ok()?;
    let since_epoch = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix_seconds(since_epoch.as_secs()))
}

fn tag_list(value: &str) -> Option<TagList> {
    if value.trim() == "*" {
        return Some(TagList::Any);
    }
    let mut tags = Vec::new();
    let mut rest = value;
    loop {
        // Empty members are none.
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return (!tags.is_empty()).then_some(TagList::Tags(tags));
        }
        let (tag, after) = entity_tag(rest)?;
        tags.push(tag);
        rest = after.trim_start_matches([' ', '\t']);
        if tags.len() > TAGS_MAX || !(rest.is_empty() || rest.starts_with(',')) {
            return None;
        }
    }
}

/// The tag that a text begins with, and what follows. A comma inside the quotes is part of it.
fn entity_tag(text: &str) -> Option<(ClientTag, &str)> {
    let (weak, quoted) = text.strip_prefix("W/").map_or((false, text), |rest| (true, rest));
    let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
    let legal = opaque.chars().all(|c| c > ' ' && c != '\u{7f}');
    legal.then(|| (ClientTag { weak, opaque: opaque.to_owned() }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tag_lists() {
        let tag = |weak, opaque: &str| ClientTag { weak, opaque: opaque.into() };
        assert_eq!(tag_list(" * "), Some(TagList::Any));
        assert_eq!(
            tag_list("\"a\", W/\"b\""),
            Some(TagList::Tags(vec![tag(false, "a"), tag(true, "b")]))
        );
        assert_eq!(
            tag_list(", \"a,b\",, \"\" ,"),
            Some(TagList::Tags(vec![tag(false, "a,b"), tag(false, "")]))
        );
        for bad in
            ["", ",", "a", "\"a", "\"a\" \"b\"", "\"a\"\"b\"", "\"a b\"", "*, \"a\"", "w/\"a\""]
        {
            assert_eq!(tag_list(bad), None, "{bad}");
        }
    }
}
