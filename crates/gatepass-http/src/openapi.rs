//! The OpenAPI 3.1 document: the management API, and what can be done at the paths of a delivery
//! domain. Paths, methods and scopes of the former come from the table of routes, bodies and
//! answers from the types that are read and written, errors from their table; so only what no type
//! can say is said here.
//!
//! The form of an answer depends on its version, so each version has a document of its own, with
//! one form for each answer.

mod delivery;
mod operation;
mod page;
mod schema;

use serde_json::{Map, Value, json};

use crate::answer::Version;
use crate::api::ROUTES;
use schema::Schemas;

pub(crate) use page::page;

const ABOUT: &str = "Signed uploads, self-hosted. Files are uploaded to, and read from, their \
    paths on the delivery domains (`/{path}`, which has a server of its own); everything else is \
    the management API, for backends that hold an API key. docs/protocol.md tells it in words.\n\n\
    This document is for one answer version; ask for it with the `Accept-Version` of another one \
    to get that one's. Every `GET` answers `HEAD`, too.";
const ABOUT_SIGNED: &str = "The signature of a signed URL: an HMAC over path and query by an API \
    key, as docs/signing.md tells. It stands last. The URL may carry `meta.NAME` parameters, too.";

/// The document for answers of this version. `public_url` is that of a delivery domain.
pub(crate) fn document(version: Version, public_url: &str) -> Value {
    let mut schemas = Schemas::new(version);
    let mut paths = Map::new();
    for route in ROUTES {
        let operation = operation::of(route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    let files = delivery::path_item(public_url, &mut schemas);
    paths.insert(delivery::PATH.to_owned(), files);
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Gatepass",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas.into_components(),
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "bearer", "description": "An API key." },
                "signedUrl": {
                    "type": "apiKey", "in": "query", "name": "signature",
                    "description": ABOUT_SIGNED,
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const VERSIONS: [Version; 3] =
        [Version::V2025_01_01, Version::V2025_07_01, Version::V2025_08_20];

    const METHODS: [&str; 6] = ["get", "head", "put", "patch", "post", "delete"];

    #[test]
    fn every_route_has_an_operation_with_a_name_of_its_own() {
        for version in VERSIONS {
            let document = document(version, "http://x");
            for route in ROUTES {
                let method = route.method.as_str().to_ascii_lowercase();
                let operation = &document["paths"][route.path][method];
                assert!(operation["summary"].is_string(), "{route:?}");
            }
            let paths = document["paths"].as_object().unwrap().values();
            let operations = paths.flat_map(|path| METHODS.iter().map(|method| &path[*method]));
            let names: Vec<_> =
                operations.filter_map(|operation| operation["operationId"].as_str()).collect();
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
            assert_eq!(names.len(), ROUTES.len() + 4);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for version in VERSIONS {
            let document = document(version, "http://x");
            let text = document.to_string();
            let references = text.split("\"$ref\":\"#").skip(1);
            let references: Vec<&str> =
                references.filter_map(|rest| rest.split('"').next()).collect();
            assert!(references.len() > 20);
            for reference in references {
                assert!(document.pointer(reference).is_some(), "{reference}");
            }
        }
    }

    #[test]
    fn the_page_shows_every_operation_and_loads_nothing() {
        let page = page("http://x");
        for route in ROUTES {
            assert!(
                page.contains(&format!("<b>{}</b> {}<", route.method, route.path)),
                "{route:?}"
            );
        }
        assert!(page.contains("<b>PUT</b> /{path}<"));
        for loading in ["<script", "src=", "@import", "<link", "url("] {
            assert!(!page.contains(loading), "{loading}");
        }
    }
}
