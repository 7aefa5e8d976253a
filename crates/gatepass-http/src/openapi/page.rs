//! The document as a page for people: written here whole, so that it needs no script.

use std::fmt::Write as _;

use serde_json::Value;

use crate::answer::Version;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;\
    padding:0 1rem}h2{border-top:1px solid;padding-top:1rem;font:1.1rem ui-monospace,monospace}\
    pre{overflow:auto;padding:.5rem;background:#8882}dt{font-family:ui-monospace,monospace}\
    summary{cursor:pointer}:root{color-scheme:light dark}";

/// The page for the default answer version.
pub(crate) fn page(public_url: &str) -> String {
    let document = super::document(Version::default(), public_url);
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Gatepass API</title>\
         <meta name=viewport content=\"width=device-width\"><style>{STYLE}</style>\
         <h1>Gatepass API</h1><p>{}</p><p><a href=openapi.json>openapi.json</a></p>",
        escaped(text(&document["info"]["description"])),
    );
    for (path, operations) in members(&document["paths"]) {
        let operations = members(operations);
        for (method, operation) in operations.filter(|(_, value)| value["operationId"].is_string())
        {
            operation_section(&mut page, path, method, operation);
        }
    }
    page.push_str("<h2>Schemas</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        json_block(&mut page, name, schema);
    }
    page
}

fn operation_section(page: &mut String, path: &str, method: &str, operation: &Value) {
    let method = method.to_ascii_uppercase();
    let _ = write!(page, "<h2><b>{method}</b> {}</h2>", escaped(path));
    for about in ["summary", "description"] {
        if let Some(text) = operation[about].as_str() {
            let _ = write!(page, "<p>{}</p>", escaped(text));
        }
    }
    page.push_str("<dl>");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = escaped(text(&parameter["name"]));
        let place = escaped(text(&parameter["in"]));
        let _ = write!(
            page,
            "<dt>{name}</dt><dd>{place} {}</dd>",
            escaped(&parameter["schema"].to_string())
        );
    }
    page.push_str("</dl>");
    if operation["requestBody"].is_object() {
        json_block(page, "Body", &operation["requestBody"]["content"]);
    }
    for (status, response) in members(&operation["responses"]) {
        if status == "200" {
            json_block(page, status, &response["content"]);
        } else {
            let about = escaped(text(&response["description"]));
            let _ = write!(page, "<details><summary>{status}</summary><p>{about}</p></details>");
        }
    }
}

fn json_block(page: &mut String, title: &str, value: &Value) {
    let json = serde_json::to_string_pretty(value).unwrap_or_default();
    let _ = write!(
        page,
        "<details><summary>{}</summary><pre>{}</pre></details>",
        escaped(title),
        escaped(&json)
    );
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
