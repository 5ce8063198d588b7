//! Finding a member, and everything about one.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::people::Handle;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json};
use huitou::manners::problem::Problem;
use huitou::values::{Card, MemberId, OpenId, Phone};
use serde::Deserialize;

use crate::portrait::Picture;

/// By what a member is looked up: exactly one of these.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookUp {
    phone: Option<Phone>,
    openid: Option<OpenId>,
    card: Option<Card>,
}

impl LookUp {
    fn read(self) -> Option<Handle> {
        let named = [self.phone.map(Handle::Phone), self.openid.map(Handle::OpenId), self.card.map(Handle::Card)];
        let mut named = named.into_iter().flatten();
        named.next().filter(|_| named.next().is_none())
    }
}

/// Find a member by phone, openid or card. It stands in the body: no personal data in a URL.
#[utoipa::path(post, path = "/v1/members/lookup", tag = "customers", request_body = LookUp, responses((status = 200, body = Picture)))]
pub(crate) async fn look_up(
    State(app): State<App>,
    caller: Caller,
    Json(asked): Json<LookUp>,
) -> Result<Answer<Picture>, Problem> {
    let handle = asked.read();
    let handle =
        handle.ok_or_else(|| Problem::malformed("lookup_unclear", "Send exactly one of phone, openid, card."))?;
    let portrait = app.customers().find(&handle, &caller.sight()).await?;
    Ok(Answer(Picture::of(portrait, caller.role)))
}

/// Everything about a member, masked. The id of a merged member leads to the one who goes on.
#[utoipa::path(get, path = "/v1/members/{id}", tag = "customers", params(("id" = MemberId, Path)), responses((status = 200, body = Picture)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
) -> Result<Answer<Picture>, Problem> {
    let portrait = app.customers().portrait(id, &caller.sight()).await?;
    Ok(Answer(Picture::of(portrait, caller.role)))
}
