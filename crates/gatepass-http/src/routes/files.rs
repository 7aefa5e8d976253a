//! `GET /files`, `GET`, `PATCH` and `DELETE /files/{id}`: finished files, for whoever has a key.

use std::collections::BTreeMap;

use gatepass_core::file_change::{Edit, FileChange};
use gatepass_core::{File, FileId};
use gatepass_engine::files;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::answer::{
    self, Answer, Context, Links, Page, deleted, file_json, file_links, file_object, list_answer,
    object_json,
};
use crate::api::Caller;
use crate::problem::Problem;
use crate::service::{App, Incoming};
use crate::wire::query::Query;
use crate::wire::{condition, json};

/// One page: all files newest first, those with a prefix by path.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    incoming: &Incoming,
) -> Result<Answer, Problem> {
    let query = Query::parse(incoming.head.uri.query());
    let page = Page::of(&query)?;
    let filters = Filters { folder: query.get("folder")?, prefix: query.get("prefix")? };
    let prefix = filters.path_prefix();
    let found = files::list(&app.engine, caller.key(), prefix, page.offset(), page.limit).await?;
    let public_url = &caller.access().public_url;
    let items = found.files.iter().map(|file| file_json(file, public_url)).collect();
    Ok(list_answer(&incoming.context, items, page, found.total, "/files", &filters.pairs()))
}

pub(crate) async fn find(
    app: &App,
    caller: &Caller,
    incoming: &Incoming,
    id: &str,
) -> Result<Answer, Problem> {
    let file = files::find(&app.engine, caller.key(), &FileId::from_text(id)).await?;
    Ok(file_answer(&incoming.context, caller, &file))
}

/// Renames a file, describes it anew, or both.
pub(crate) async fn change(
    app: &App,
    caller: &Caller,
    incoming: Incoming,
    id: &str,
) -> Result<Answer, Problem> {
    let context = incoming.context.clone();
    let conditions = condition::conditions(&incoming.head.headers)?;
    let change = json::read::<Body>(incoming).await?.into();
    let id = FileId::from_text(id);
    let file = files::change(&app.engine, caller.key(), id, change, conditions).await?;
    Ok(file_answer(&context, caller, &file))
}

pub(crate) async fn remove(
    app: &App,
    caller: &Caller,
    incoming: &Incoming,
    id: &str,
) -> Result<Answer, Problem> {
    let conditions = condition::conditions(&incoming.head.headers)?;
    let file = files::remove(&app.engine, caller.key(), FileId::from_text(id), conditions).await?;
    let object = deleted(&file.id);
    let links = Links { self_: None, parent: Some("/files".to_owned()) };
    Ok(answer::json(StatusCode::OK, &object_json(&incoming.context, object, &links)))
}

fn file_answer(context: &Context, caller: &Caller, file: &File) -> Answer {
    let object = file_object(file, &caller.access().public_url);
    answer::json(StatusCode::OK, &object_json(context, object, &file_links(file)))
}

/// Which files of a list are asked for.
struct Filters<'a> {
    /// Those in this folder and below it.
    folder: Option<&'a str>,
    /// Those whose path, below the folder, starts with this.
    prefix: Option<&'a str>,
}

impl Filters<'_> {
    fn path_prefix(&self) -> String {
        let folder = self.folder.unwrap_or_default().trim_matches('/');
        let prefix = self.prefix.unwrap_or_default();
        if folder.is_empty() { prefix.to_owned() } else { format!("{folder}/{prefix}") }
    }

    /// As the links of a page repeat them.
    fn pairs(&self) -> Vec<(&str, &str)> {
        let named = [("folder", self.folder), ("prefix", self.prefix)];
        named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// The body of a change, as a merge patch (RFC 7396): what is not named stays, null takes away.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "FileChange")]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    /// Null for the top.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<String>")]
    folder: Edit,
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "String")]
    filename: Edit,
    #[serde(default, rename = "ref", deserialize_with = "edit")]
    #[schemars(with = "Option<String>")]
    reference: Edit,
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<String>")]
    label: Edit,
    /// Members that are not named stay; null takes one away.
    #[serde(default, deserialize_with = "edit")]
    #[schemars(with = "Option<BTreeMap<String, Option<String>>>")]
    metadata: Edit<BTreeMap<String, Option<String>>>,
}

fn edit<'de, D, T>(deserializer: D) -> Result<Edit<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.map_or(Edit::Clear, Edit::Set))
}

impl From<Body> for FileChange {
    fn from(body: Body) -> Self {
        let Body { folder, filename, reference, label, metadata } = body;
        let member = |value: Option<String>| value.map_or(Edit::Clear, Edit::Set);
        let metadata = match metadata {
            Edit::Keep => Edit::Keep,
            Edit::Clear => Edit::Clear,
            Edit::Set(members) => {
                Edit::Set(members.into_iter().map(|(name, value)| (name, member(value))).collect())
            }
        };
        Self { folder, filename, reference, label, metadata }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<FileChange, Problem> {
        json::parse::<Body>(body.as_bytes()).map(FileChange::from)
    }

    #[test]
    fn null_takes_away_and_silence_keeps() {
        let change = parse(r#"{"folder":null,"label":"l","metadata":{"a":null}}"#).unwrap();
        assert_eq!((change.folder, change.filename), (Edit::Clear, Edit::Keep));
        assert_eq!(change.label, Edit::Set("l".to_owned()));
        assert_eq!(change.metadata, Edit::Set([("a".to_owned(), Edit::Clear)].into()));
        assert_eq!(parse(r#"{"metadata":null}"#).unwrap().metadata, Edit::Clear);
        assert_eq!(parse("{}").unwrap(), FileChange::default());
    }

    #[test]
    fn hostile_bodies_never_panic() {
        let samples: &[&[u8]] = &[
            br#"{"folder":"a/b","filename":"c.png","ref":null,"label":"x"}"#,
            br#"{"metadata":{"a":"b","c":null}}"#,
        ];
        gatepass_testkit::fuzz::fuzz(samples, |input| {
            let _ = json::parse::<Body>(input).map(FileChange::from);
        });
    }

    #[test]
    fn filters_join() {
        let prefix = |folder, prefix| Filters { folder, prefix }.path_prefix();
        assert_eq!(prefix(None, None), "");
        assert_eq!(prefix(Some("a/b/"), None), "a/b/");
        assert_eq!(prefix(Some("/a"), Some("x")), "a/x");
        assert_eq!(prefix(Some(""), Some("a/x")), "a/x");
    }
}
