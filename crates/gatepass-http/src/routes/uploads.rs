//! `GET /uploads`, `GET` and `DELETE /uploads/{id}`: unfinished uploads, for whoever has a key. Those
//! outside of the key's prefix are not there.

use gatepass_core::UploadId;
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
    let page = Page::of(&Query::parse(incoming.head.uri.query()))?;
    let found = uploads::list(&app.engine, caller.key(), page.offset(), page.limit).await?;
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
    let found = uploads::find(&app.engine, caller.key(), &known_form(id)?).await?;
    let upload = found.ok_or(ErrorCode::UploadNotFound)?;
    let object = upload_json(&upload, &caller.access().public_url);
    let links = upload_links(&upload);
    Ok(answer::json(StatusCode::OK, &object_json(&incoming.context, object, &links)))
}

pub(crate) async fn remove(
    app: &App,
    caller: &Caller,
    incoming: &Incoming,
    id: &str,
) -> Result<Answer, Problem> {
    let id = known_form(id)?;
    uploads::remove(&app.engine, caller.key(), &id).await?;
    let object = deleted(id.as_str());
    let links = Links { self_: None, parent: Some("/uploads".to_owned()) };
    Ok(answer::json(StatusCode::OK, &object_json(&incoming.context, object, &links)))
}

fn known_form(id: &str) -> Result<UploadId, Problem> {
    UploadId::parse(id).ok_or_else(|| ErrorCode::UploadNotFound.into())
}
