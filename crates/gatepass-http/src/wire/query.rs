//! Query parameters of management calls. Those of signed URLs have their own grammar, in
//! `gatepass-sign`.

use crate::problem::{ErrorCode, Problem};

/// Parameters as browsers and client libraries encode them.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(raw: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The one value of a parameter; `None` if it is not there. Other parameters are not ours.
    pub(crate) fn get(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        let Some((_, value)) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(malformed(name, "stands twice"));
        }
        // What is not UTF-8 was decoded to this.
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(malformed(name, "is not UTF-8"));
        }
        Ok(Some(value))
    }

    /// The same, where it must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Problem> {
        self.get(name)?.ok_or_else(|| malformed(name, "is missing"))
    }

    /// A whole number from 1 to `max`.
    pub(crate) fn number(&self, name: &'static str, max: u64) -> Result<Option<u64>, Problem> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| value.parse().ok()).flatten();
        let within = number.filter(|number| (1..=max).contains(number));
        let rule = || malformed(name, &format!("must be a whole number from 1 to {max}"));
        within.map(Some).ok_or_else(rule)
    }
}

fn malformed(name: &str, reason: &str) -> Problem {
    Problem::new(ErrorCode::ParameterInvalid).field(name).detail(format!("{name} {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_stand_once() {
        let query = Query::parse(Some("folder=a%2Fb+c&x=1&x=2&y=%ff&empty="));
        assert_eq!(query.get("folder").ok(), Some(Some("a/b c")));
        assert_eq!(query.get("empty").ok(), Some(Some("")));
        assert_eq!(query.get("none").ok(), Some(None));
        assert!(query.get("x").is_err() && query.get("y").is_err());
    }

    #[test]
    fn hostile_queries_never_panic() {
        let samples: &[&[u8]] = &[b"page=1&limit=20&prefix=a%2F", b"page=%31&page&=&&%"];
        gatepass_testkit::fuzz::fuzz(samples, |input| {
            let Ok(text) = std::str::from_utf8(input) else { return };
            let query = Query::parse(Some(text));
            let _ = query.get("prefix");
            assert!(query.number("page", 9).map_or(true, |page| page.is_none_or(|p| p <= 9)));
        });
    }
}
