//! Finding a member, and everything about one.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::customers::Portrait;
use huitou::cases::people::Handle;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json};
use huitou::manners::fields::View;
use huitou::manners::problem::Problem;
use huitou::values::{Card, MemberId, OpenId, Phone};
use serde::Deserialize;

use crate::portrait::{Contact, Picture};

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

/// What a caller is shown. Nobody looks at somebody under 14 without saying why.
fn seen(caller: &Caller, portrait: Portrait) -> Result<Answer<Picture>, Problem> {
    if portrait.minor && caller.reason.is_none() {
        return Err(Problem::reason_missing());
    }
    Ok(Answer(Picture::of(portrait, View::of(caller.role))))
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
    let portrait = app.customers().find(&handle, &caller.sight(), &caller.actor).await?;
    seen(&caller, portrait)
}

/// Everything about a member, masked. The id of a merged member leads to the one who goes on.
#[utoipa::path(get, path = "/v1/members/{id}", tag = "customers", params(("id" = MemberId, Path)), responses((status = 200, body = Picture)))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
) -> Result<Answer<Picture>, Problem> {
    let portrait = app.customers().portrait(id, &caller.sight()).await?;
    seen(&caller, portrait)
}

/// How a member is reached, unmasked: say why in `X-Huitou-Reason`. It is on record before it is answered.
#[utoipa::path(get, path = "/v1/members/{id}/contact", tag = "customers", params(("id" = MemberId, Path), ("X-Huitou-Reason" = String, Header)), responses((status = 200, body = Contact)))]
pub(crate) async fn contact(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
) -> Result<Answer<Contact>, Problem> {
    let portrait = app.customers().portrait(id, &caller.sight()).await?;
    Ok(Answer(Contact::of(&portrait, View::for_a_reason(caller.role))))
}
