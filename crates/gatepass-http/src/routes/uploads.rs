//! `GET /uploads`, `GET` and `DELETE /uploads/{id}`: unfinished uploads, for whoever has a key.

use gatepass_core::{KeyGrant, Upload, UploadId};
use gatepass_engine::uploads;
use http::StatusCode;

use super::upload::upload_links;
use crate::answer::{self, Answer, Links, Page, deleted, list_answer, object_json, upload_json};
use crate::api::Caller;
use crate::problem::{ErrorCode, Problem};
use crate::service::{App, Incoming};
use crate::wire::query::Query;

/// One page, newest first.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    incoming: &Incoming,
) -> Result<Answer, Problem> {
    let key = caller.key();
    // A page of a confined key would tell of what it may not see.
    if !key.prefix().is_empty() {
        return Err(ErrorCode::ScopeInsufficient.into());
    }
    let page = Page::of(&Query::parse(incoming.head.uri.query()))?;
    let found = uploads::list(&app.engine, key.project(), page.offset(), page.limit).await?;
    let public_url = &caller.access().public_url;
    let items = found.uploads.iter().map(|upload| upload_json(upload, public_url));
    Ok(list_answer(&incoming.context, items.collect(), page, found.total, "/uploads", &[]))
}

pub(crate) async fn find(
    app: &App,
    caller: &Caller,
    incoming: &Incoming,
    id: &str,
) -> Result<Answer, Problem> {
    let upload = find_visible(app, caller.key(), id).await?;
    let object = upload_json(&upload, &caller.access().public_url);
    let links = upload_links(&upload);
    Ok(answer::json(StatusCode::OK, &object_json(&incoming.context, object, &links, &[])))
}

pub(crate) async fn remove(
    app: &App,
    caller: &Caller,
    incoming: &Incoming,
    id: &str,
) -> Result<Answer, Problem> {
    let upload = find_visible(app, caller.key(), id).await?;
    uploads::remove(&app.engine, caller.key().project(), &upload.id).await?;
    let object = deleted(upload.id.as_str());
    let links = Links { self_: None, parent: Some("/uploads".to_owned()) };
    Ok(answer::json(StatusCode::OK, &object_json(&incoming.context, object, &links, &[])))
}

async fn find_visible(app: &App, key: &KeyGrant, id: &str) -> Result<Upload, Problem> {
    let Some(id) = UploadId::parse(id) else { return Err(ErrorCode::UploadNotFound.into()) };
    let found = uploads::find(&app.engine, key.project(), &id).await?;
    let visible = found.filter(|upload| upload.path.is_within(key.prefix()));
    visible.ok_or_else(|| ErrorCode::UploadNotFound.into())
}
