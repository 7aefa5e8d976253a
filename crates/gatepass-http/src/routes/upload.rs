//! `HEAD` and `DELETE` of a URL that is for uploading, `GET` and `HEAD` of an upload's own URL.

use gatepass_core::Upload;
use gatepass_engine::receive::Progress;
use gatepass_engine::{ProjectAccess, uploads};
use gatepass_sign::Grant;
use http::{HeaderValue, Method, StatusCode, header};

use super::chunk::progress_answer;
use crate::answer::{
    self, Answer, Context, Links, UPLOAD_COMPLETE, UPLOAD_LENGTH, UPLOAD_OFFSET, object_json,
    put_offset, upload_json, upload_url,
};
use crate::problem::Problem;
use crate::service::{App, Incoming};

/// How far the upload is: as headers for `HEAD`, as the Upload or the File for `GET`.
pub(crate) async fn state(
    app: &App,
    access: &ProjectAccess,
    grant: &Grant,
    incoming: &Incoming,
) -> Result<Answer, Problem> {
    let progress = uploads::state(&app.engine, grant, None).await?;
    if incoming.head.method != Method::HEAD {
        return Ok(progress_answer(&incoming.context, access, &progress));
    }
    let mut answer = answer::bare(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    match &progress {
        Progress::Receiving(upload) => put_offset(headers, upload),
        Progress::Finished(received) => {
            headers.insert(UPLOAD_OFFSET, HeaderValue::from(received.file.size));
            headers.insert(UPLOAD_LENGTH, HeaderValue::from(received.file.size));
            headers.insert(UPLOAD_COMPLETE, HeaderValue::from_static("?1"));
        }
    }
    Ok(answer)
}

/// Gives the unfinished upload up.
pub(crate) async fn abort(app: &App, grant: &Grant) -> Result<Answer, Problem> {
    uploads::abort(&app.engine, grant).await?;
    Ok(answer::bare(StatusCode::NO_CONTENT))
}

/// 202 with the Upload and its own URL.
pub(crate) fn receiving_answer(
    context: &Context,
    access: &ProjectAccess,
    upload: &Upload,
) -> Answer {
    let object = upload_json(upload, &access.public_url);
    let links = upload_links(upload);
    let body = object_json(context, object, &links);
    let mut answer = answer::json(StatusCode::ACCEPTED, &body);
    put_offset(answer.headers_mut(), upload);
    if let Ok(value) = HeaderValue::from_str(&upload_url(upload, &access.public_url)) {
        answer.headers_mut().insert(header::LOCATION, value);
    }
    answer
}

pub(crate) fn upload_links(upload: &Upload) -> Links {
    Links {
        self_: Some(format!("/uploads/{}", upload.id.as_str())),
        parent: Some("/uploads".to_owned()),
    }
}
