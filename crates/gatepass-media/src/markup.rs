//! Markup: what a browser could take for a document is recognised, so that it is never served as
//! anything harmless.

/// The type of a text that starts with a tag.
pub(crate) fn sniff(head: &[u8]) -> Option<&'static str> {
    let text = skip_prologue(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head));
    let name = tag_name(text.strip_prefix(b"<")?);
    let looks_like_xml = head_starts_with_declaration(head);
    match name.to_ascii_lowercase().as_slice() {
        b"svg" => Some("image/svg+xml"),
        name if name.ends_with(b":svg") => Some("image/svg+xml"),
        b"!doctype" => Some(doctype(text)),
        b"html" | b"head" | b"body" | b"script" | b"iframe" | b"style" | b"title" | b"table"
        | b"div" | b"a" | b"b" | b"br" | b"p" | b"h1" | b"font" | b"img" | b"meta" | b"link"
        | b"base" | b"form" | b"input" | b"object" | b"embed" | b"video" | b"audio" => {
            Some(if looks_like_xml { "application/xhtml+xml" } else { "text/html" })
        }
        b"" => None,
        _ => looks_like_xml.then_some("text/xml"),
    }
}

fn head_starts_with_declaration(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    text.starts_with(b"<?xml")
}

/// Skips blanks, comments and processing instructions.
pub(crate) fn skip_prologue(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        let end: &[u8] = if text.starts_with(b"<!--") {
            b"-->"
        } else if text.starts_with(b"<?") {
            b"?>"
        } else {
            return text;
        };
        match text.windows(end.len()).position(|window| window == end) {
            Some(at) => text = text.get(at + end.len()..).unwrap_or_default(),
            None => return b"",
        }
    }
}

pub(crate) fn tag_name(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| byte.is_ascii_whitespace() || b">/".contains(byte));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// The root that a document type names; HTML unless it says otherwise.
fn doctype(text: &[u8]) -> &'static str {
    let rest = text.get("<!doctype".len()..).unwrap_or_default().trim_ascii_start();
    match tag_name(rest).to_ascii_lowercase().as_slice() {
        b"svg" => "image/svg+xml",
        b"html" => "text/html",
        _ => "text/xml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_recognised_behind_their_prologue() {
        for (text, expected) in [
            ("<svg onload=alert(1)>", Some("image/svg+xml")),
            ("\u{feff} <?xml version='1.0'?><!-- x --><svg xmlns='...'>", Some("image/svg+xml")),
            ("<!DOCTYPE svg PUBLIC '...'><svg>", Some("image/svg+xml")),
            ("<?xml version='1.0'?><x:svg xmlns:x='...'>", Some("image/svg+xml")),
            ("<!doctype html>", Some("text/html")),
            ("  \n<HTML>", Some("text/html")),
            ("<script>alert(1)</script>", Some("text/html")),
            ("<?xml version='1.0'?><html xmlns='...'>", Some("application/xhtml+xml")),
            ("<?xml version='1.0'?><xsl:stylesheet>", Some("text/xml")),
            ("<?xml version='1.0'?><rss>", Some("text/xml")),
            ("<unclosed comment <!--", None),
            ("a < b", None),
            ("<", None),
        ] {
            assert_eq!(sniff(text.as_bytes()), expected, "{text}");
        }
    }
}
