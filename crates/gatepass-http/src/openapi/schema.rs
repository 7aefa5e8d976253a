//! Schemas of bodies, from their types, and of the envelopes around them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::answer::Version;
use crate::problem::ErrorCode;

/// Where the document keeps schemas that have a name.
const COMPONENTS: &str = "/components/schemas";

/// Collects the schemas that operations refer to.
pub(super) struct Schemas {
    version: Version,
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new(version: Version) -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = COMPONENTS.into();
            settings.meta_schema = None;
        });
        let answers = settings.clone().for_serialize().into_generator();
        Self { version, requests: settings.for_deserialize().into_generator(), answers }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// A body that is read.
    pub(super) fn request<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().to_value()
    }

    /// What is written, without an envelope.
    pub(super) fn plain<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    /// One object, in the envelope of the version.
    pub(super) fn object<T: JsonSchema>(&mut self) -> Value {
        let object = self.plain::<T>();
        self.enveloped(object, "Meta", "Links")
    }

    /// What was uploaded; the receipt of a signed upload is beside it.
    pub(super) fn received<T: JsonSchema>(&mut self) -> Value {
        let object = self.plain::<T>();
        self.enveloped(object, "ReceivedMeta", "Links")
    }

    /// One page of a list, likewise.
    pub(super) fn list<T: JsonSchema>(&mut self) -> Value {
        let items = self.plain::<T>();
        self.enveloped(json!({ "type": "array", "items": items }), "ListMeta", "ListLinks")
    }

    fn enveloped(&self, data: Value, meta: &str, links: &str) -> Value {
        let members = [("meta", named(meta)), ("data", data), ("links", named(links))];
        match self.version {
            Version::V2025_08_20 => {
                let [_, (_, data), _] = members;
                data
            }
            Version::V2025_01_01 => closed(members),
            Version::V2025_07_01 => {
                let [meta, data, links] = members;
                closed([meta, data, ("error", json!({ "type": "null" })), links])
            }
        }
    }

    /// Everything that was referred to, by name.
    pub(super) fn into_components(mut self) -> Map<String, Value> {
        let mut all = self.requests.take_definitions(true);
        all.extend(self.answers.take_definitions(true));
        for (name, schema) in [
            ("Error", error(self.version)),
            ("DefaultError", error(Version::default())),
            ("Meta", meta([])),
            ("ReceivedMeta", received_meta()),
            ("ListMeta", list_meta()),
            ("Links", links(["self", "parent"])),
            ("ListLinks", links(["self", "first", "prev", "next", "last"])),
        ] {
            all.insert(name.to_owned(), schema);
        }
        all
    }
}

/// A reference to a schema with a name.
pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#{COMPONENTS}/{name}") })
}

/// An object with these members, all of them and no others.
fn closed<const N: usize>(members: [(&str, Value); N]) -> Value {
    let names = members.each_ref().map(|(name, _)| *name).to_vec();
    let properties: Map<String, Value> =
        members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({
        "type": "object", "properties": properties, "required": names,
        "additionalProperties": false,
    })
}

fn meta<const N: usize>(more: [&str; N]) -> Value {
    let text = || json!({ "type": ["string", "null"] });
    let mut schema = closed([
        ("request_id", json!({ "type": "string", "pattern": "^req_[0-9a-z]{20}$" })),
        ("org_id", text()),
        ("project_id", text()),
        ("version", json!({ "type": "string" })),
        ("type", json!({ "enum": ["object", "list", "error"] })),
    ]);
    for name in more {
        schema["properties"][name] = json!({ "type": "integer", "minimum": 0 });
        if let Some(required) = schema["required"].as_array_mut() {
            required.push(name.into());
        }
    }
    schema
}

fn received_meta() -> Value {
    let mut schema = meta([]);
    schema["properties"]["receipt"] = json!({ "type": "string" });
    schema
}

fn list_meta() -> Value {
    meta(["limit", "total", "page", "pages"])
}

fn links<const N: usize>(names: [&str; N]) -> Value {
    closed(names.map(|name| (name, json!({ "type": ["string", "null"] }))))
}

/// The body of every error.
fn error(version: Version) -> Value {
    let kinds: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.kind()).collect();
    let kind = json!({ "enum": kinds });
    let message = json!({ "type": "string" });
    let detail = json!({
        "type": "object",
        "properties": {
            "kind": kind, "message": message,
            "field": { "type": "string", "description": "What the error is about." },
            "hint": { "type": "string", "description": "What to look at." },
        },
        "required": ["kind", "message"],
    });
    if version == Version::V2025_08_20 {
        return closed([("kind", kind), ("message", message), ("error", detail)]);
    }
    let null = json!({ "type": "null" });
    closed([("meta", named("Meta")), ("data", null), ("error", detail), ("links", named("Links"))])
}
