//! `GET`, `PUT` and `DELETE /rules`: who may read what, for keys that may administer.

use gatepass_core::{AccessRule, KeyGrant, Visibility};
use gatepass_engine::rules;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{self, Answer, Links, Page, deleted, list_answer, object_json};
use crate::api::Caller;
use crate::problem::{ErrorCode, Problem};
use crate::service::{App, Incoming};
use crate::wire::json;
use crate::wire::query::Query;

/// The body of `PUT`.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RuleRequest")]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    /// Like a path; empty for everything.
    prefix: String,
    #[schemars(with = "String", extend("enum" = ["public", "private"]))]
    visibility: Visibility,
}

/// The Rule object.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Rule")]
pub(crate) struct RuleObject {
    object: &'static str,
    prefix: String,
    #[schemars(with = "String", extend("enum" = ["public", "private"]))]
    visibility: Visibility,
}

/// One page, longest prefix first: the order in which they decide.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    incoming: &Incoming,
) -> Result<Answer, Problem> {
    let key = unconfined(caller)?;
    let page = Page::of(&Query::parse(incoming.head.uri.query()))?;
    let rules = rules::list(&app.engine, key).await?;
    let all = rules.as_slice();
    let skipped = usize::try_from(page.offset()).unwrap_or(usize::MAX);
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let items = all.iter().skip(skipped).take(limit).map(view);
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    Ok(list_answer(&incoming.context, items.collect(), page, total, "/rules", &[]))
}

/// Sets one rule, in place of the one that had its prefix.
pub(crate) async fn put(app: &App, caller: &Caller, incoming: Incoming) -> Result<Answer, Problem> {
    let key = unconfined(caller)?;
    let context = incoming.context.clone();
    let body: Body = json::read(incoming).await?;
    let rule = AccessRule::new(&body.prefix, body.visibility).map_err(|reason| {
        Problem::new(ErrorCode::BodyInvalid).field("prefix").detail(format!("prefix: {reason}"))
    })?;
    let object = view(&rule);
    rules::put(&app.engine, key, rule).await?;
    let links = Links { self_: None, parent: Some("/rules".to_owned()) };
    Ok(answer::json(StatusCode::OK, &object_json(&context, object, &links)))
}

/// Removes the rule whose prefix the query names.
pub(crate) async fn remove(
    app: &App,
    caller: &Caller,
    incoming: &Incoming,
) -> Result<Answer, Problem> {
    let key = unconfined(caller)?;
    let query = Query::parse(incoming.head.uri.query());
    let prefix = query.required("prefix")?;
    rules::remove(&app.engine, key, prefix).await?;
    let object = deleted(format_args!("rule for {prefix}"));
    let links = Links { self_: None, parent: Some("/rules".to_owned()) };
    Ok(answer::json(StatusCode::OK, &object_json(&incoming.context, object, &links)))
}

/// The rules of a project reach beyond any prefix.
fn unconfined(caller: &Caller) -> Result<&KeyGrant, Problem> {
    let key = caller.key();
    if key.prefix().is_empty() { Ok(key) } else { Err(ErrorCode::ScopeInsufficient.into()) }
}

fn view(rule: &AccessRule) -> Value {
    let AccessRule { prefix, visibility } = rule.clone();
    json!(RuleObject { object: "rule", prefix, visibility })
}
