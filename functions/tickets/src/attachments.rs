//! Files for messages: announced here, uploaded by the link, named in the message.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::attachments::Upload;
use huitou::domain::attachment::Media;
use huitou::manners::caller::Me;
use huitou::manners::extract::Json;
use huitou::manners::problem::Problem;
use huitou::values::Moment;
use serde::{Deserialize, Serialize};

/// A file that is going to be attached.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnnounceFile {
    /// Its type.
    #[serde(rename = "type")]
    media: Media,
    /// Its size: pictures and documents up to 10 MB, videos up to 15 MB.
    bytes: u32,
}

/// Where to upload it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct UploadLink {
    /// What a message names it by.
    attachment: String,
    /// `PUT`, with these headers and the file as body; once, a second time answers 412.
    method: &'static str,
    /// The signed address.
    url: String,
    /// The headers to send.
    headers: UploadHeaders,
    /// From when on it does not count.
    expires_at: Moment,
}

/// Headers that are signed along.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct UploadHeaders {
    /// The type that was announced.
    content_type: Media,
    /// `*`: no file lies there yet.
    if_none_match: &'static str,
}

impl From<Upload> for UploadLink {
    fn from(upload: Upload) -> Self {
        Self {
            attachment: upload.name,
            method: "PUT",
            url: upload.link.url,
            headers: UploadHeaders { content_type: upload.attachment.media, if_none_match: "*" },
            expires_at: upload.link.expires_at,
        }
    }
}

/// Announce a file. The link counts for 15 minutes and for a file of this type and size only.
#[utoipa::path(post, path = "/v1/me/attachments", tag = "tickets", request_body = AnnounceFile, responses((status = 201, body = UploadLink)))]
pub(crate) async fn announce(
    State(app): State<App>,
    Me(me): Me,
    Json(file): Json<AnnounceFile>,
) -> Result<(StatusCode, Answer<UploadLink>), Problem> {
    let upload = app.attachments().announce(&me, file.media, file.bytes).await?;
    Ok((StatusCode::CREATED, Answer(upload.into())))
}
