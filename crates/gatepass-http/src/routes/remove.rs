//! `DELETE /{path}` with a URL signed for deleting, or an API key that may.

use gatepass_engine::remove;
use gatepass_sign::Grant;
use http::StatusCode;

use crate::answer::{self, Answer, Links, deleted, object_json};
use crate::problem::Problem;
use crate::service::{App, Incoming};
use crate::wire::condition;

pub(crate) async fn respond(
    app: &App,
    grant: &Grant,
    incoming: &Incoming,
) -> Result<Answer, Problem> {
    let conditions = condition::conditions(&incoming.head.headers)?;
    let file = remove::remove(&app.engine, grant, &conditions).await?;
    let object = deleted(&file.id);
    let links = Links { self_: None, parent: Some("/files".to_owned()) };
    Ok(answer::json(StatusCode::OK, &object_json(&incoming.context, object, &links)))
}
