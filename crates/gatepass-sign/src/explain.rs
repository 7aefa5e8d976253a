use crate::query;
use crate::{Door, Grant, Method, ObjectPath, PathError, Request, VerifyError};

/// What happened to a URL at the door, told step by step to somebody who holds the key.
///
/// It names the rule that refuses and the string that the server expects to be signed, but never
/// an expected signature.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The strings over which a signature would be accepted: the path as it stands in the URL,
    /// then as decoded where that differs.
    pub strings_to_sign: Vec<String>,
    /// The URL's expiry in Unix seconds, where it has a readable one.
    pub expiry: Option<u64>,
    /// The rule of the grammar that the query breaks.
    pub broken_rule: Option<String>,
    /// What the door answers.
    pub outcome: Result<Grant, VerifyError>,
}

/// Explains how a door judges a URL, given as raw path (without leading slash) and raw query.
pub fn explain(door: &Door, method: Method, path: &str, query: &str, now: u64) -> Explanation {
    let request = Request { method, path, query: Some(query), bearer: None, continues: false };
    let decoded = ObjectPath::from_encoded(path);
    let parsed = query::parse(query);
    Explanation {
        strings_to_sign: strings_to_sign(path, &decoded, query),
        expiry: parsed.as_ref().ok().map(|signed| signed.expiry),
        broken_rule: decoded
            .err()
            .map(|error| error.to_string())
            .or_else(|| parsed.err().map(|error| error.to_string())),
        outcome: door.authorise(&request, now),
    }
}

fn strings_to_sign(raw: &str, decoded: &Result<ObjectPath, PathError>, query: &str) -> Vec<String> {
    let signed = query.split_once("&signature=").map_or(query, |(signed, _)| signed);
    let mut strings = vec![format!("{raw}?{signed}")];
    if let Ok(path) = decoded
        && path.as_str() != raw
    {
        strings.push(format!("{path}?{signed}"));
    }
    strings
}
