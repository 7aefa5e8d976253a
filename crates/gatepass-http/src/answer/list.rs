use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{Answer, Context, Version};
use crate::problem::Problem;
use crate::wire::query::Query;

const LINKS: HeaderName = HeaderName::from_static("links");
const LIMIT_DEFAULT: u64 = 20;
const LIMIT_MAX: u64 = 100;

/// Which page of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: u64,
    /// Items on a page.
    pub(crate) limit: u64,
}

impl Page {
    /// Reads `page` and `limit` (1 to 100).
    pub(crate) fn of(query: &Query) -> Result<Self, Problem> {
        Ok(Self {
            number: query.number("page", u64::from(u32::MAX))?.unwrap_or(1),
            limit: query.number("limit", LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT),
        })
    }

    /// Items before this page.
    pub(crate) fn offset(self) -> u64 {
        self.number.saturating_sub(1).saturating_mul(self.limit)
    }
}

/// A link to a page, which asks for the same items.
fn link(base: &str, filters: &[(&str, &str)], number: u64, limit: u64) -> String {
    let mut link = format!("{base}?page={number}&limit={limit}");
    if !filters.is_empty() {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(filters).finish();
        link = format!("{link}&{query}");
    }
    link
}

/// One page of a list that is at `base`; `filters` are the parameters that chose its items.
pub(crate) fn list_answer(
    context: &Context,
    items: Vec<Value>,
    page: Page,
    total: u64,
    base: &str,
    filters: &[(&str, &str)],
) -> Answer {
    let pages = total.div_ceil(page.limit);
    let link = |number: u64| link(base, filters, number, page.limit);
    let on_list = |number: u64| (1..=pages).contains(&number).then(|| link(number));
    let links = [
        ("self", Some(link(page.number))),
        ("first", on_list(1)),
        ("prev", page.number.checked_sub(1).and_then(on_list)),
        ("next", on_list(page.number.saturating_add(1))),
        ("last", on_list(pages)),
    ];
    if context.version == Version::V2025_08_20 {
        let mut answer = super::json(StatusCode::OK, &Value::Array(items));
        let relations: Vec<String> = links
            .iter()
            .filter_map(|(name, url)| Some(format!("<{}>; rel=\"{name}\"", url.as_ref()?)))
            .collect();
        if let Ok(value) = HeaderValue::from_str(&relations.join(", ")) {
            answer.headers_mut().insert(header::LINK, value.clone());
            answer.headers_mut().insert(LINKS, value);
        }
        return answer;
    }
    let mut meta = json!(context.meta("list"));
    for (name, value) in
        [("limit", page.limit), ("total", total), ("page", page.number), ("pages", pages)]
    {
        meta[name] = value.into();
    }
    let links: serde_json::Map<String, Value> =
        links.into_iter().map(|(name, url)| (name.to_owned(), url.into())).collect();
    let mut body = json!({ "meta": meta, "data": items, "links": links });
    if context.version == Version::V2025_07_01 {
        body["error"] = Value::Null;
    }
    super::json(StatusCode::OK, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ErrorCode;

    #[test]
    fn pages_are_numbered_from_one() {
        let of = |query| Page::of(&Query::parse(query));
        assert_eq!(of(None).ok(), Some(Page { number: 1, limit: 20 }));
        let third = of(Some("page=3&limit=100&x=1")).ok().unwrap();
        assert_eq!(third.offset(), 200);
        for bad in [
            "page=0",
            "limit=0",
            "limit=101",
            "page=-1",
            "page=a",
            "page=",
            "limit=1e1",
            "page=1&page=1",
        ] {
            assert_eq!(of(Some(bad)).unwrap_err().code, ErrorCode::ParameterInvalid, "{bad}");
        }
    }

    #[test]
    fn links_repeat_the_filters() {
        assert_eq!(link("/files", &[], 2, 20), "/files?page=2&limit=20");
        let filters = [("folder", "a b"), ("prefix", "x&y=/\u{e9}")];
        let linked = link("/files", &filters, 2, 20);
        assert_eq!(linked, "/files?page=2&limit=20&folder=a+b&prefix=x%26y%3D%2F%C3%A9");
    }
}
