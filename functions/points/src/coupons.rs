//! Coupons: what a member has, and what tills do with them.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::coupons::Offered;
use huitou::domain::coupon::{Checkout, CouponState, Discount};
use huitou::manners::caller::{Caller, Me};
use huitou::manners::extract::{Ids, Json, Key};
use huitou::manners::movement::Movement;
use huitou::manners::problem::Problem;
use huitou::values::{Code, Fen, LocalDay, MemberId, Moment, Name, RowKey};
use serde::{Deserialize, Serialize};

/// A member's coupons.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MyCoupons {
    /// In the programme's order.
    items: Vec<MyCoupon>,
}

/// A coupon as it stands for a member.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MyCoupon {
    /// Its code, to be shown at the till.
    code: Code,
    /// Its name.
    name: Name,
    /// What it gives.
    gives: Discount,
    /// The amount of an order from which it can be used.
    at_least: Fen,
    /// The first day on which it can be used.
    from: LocalDay,
    /// The last one.
    until: LocalDay,
    /// Its rule, to be shown as it is.
    terms: String,
    /// Whether it can be used now, or why not.
    state: CouponState,
    /// What the member has reserved and redeemed of it.
    uses: Vec<MyUse>,
}

/// A coupon that was reserved or redeemed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MyUse {
    /// The reservation.
    reservation: RowKey,
    /// The money off.
    off: Fen,
    /// When the reservation ends by itself; absent once it was redeemed.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Moment>,
}

impl From<Offered> for MyCoupon {
    fn from(offered: Offered) -> Self {
        let Offered { coupon, terms, state, uses } = offered;
        let uses = uses.into_iter().map(|one| MyUse { reservation: one.reservation, off: one.off, until: one.until });
        Self {
            code: coupon.id,
            name: coupon.name,
            gives: coupon.gives,
            at_least: coupon.at_least,
            from: coupon.from,
            until: coupon.until,
            terms,
            state,
            uses: uses.collect(),
        }
    }
}

/// The programme's coupons as they stand for the member, with their rules to be shown.
#[utoipa::path(get, path = "/v1/me/coupons", tag = "coupons", responses((status = 200, body = MyCoupons)))]
pub(crate) async fn mine(State(app): State<App>, Me(me): Me) -> Result<Answer<MyCoupons>, Problem> {
    let offered = app.coupons().of(&me).await?;
    Ok(Answer(MyCoupons { items: offered.into_iter().map(MyCoupon::from).collect() }))
}

/// For whom, and for which order.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReserveCoupon {
    /// The member who shows it.
    member_id: MemberId,
    /// The order's amount before the coupon, in fen.
    amount: Fen,
    /// For how long; 15 minutes when left out, at most what the programme allows for holds.
    #[serde(default = "quarter_hour")]
    minutes: u32,
}

const fn quarter_hour() -> u32 {
    15
}

/// Reserve a coupon for a checkout, and learn how much less the order costs. It goes back by itself when the time is over.
#[utoipa::path(post, path = "/v1/coupons/{code}/reserve", tag = "coupons", params(("code" = Code, Path), ("Idempotency-Key" = String, Header)), request_body = ReserveCoupon, responses((status = 201, body = Movement)))]
pub(crate) async fn reserve(
    State(app): State<App>,
    caller: Caller,
    Ids(code): Ids<Code>,
    Key(key): Key,
    Json(order): Json<ReserveCoupon>,
) -> Result<(StatusCode, Answer<Movement>), Problem> {
    let (who, checkout) = (caller.on(order.member_id), Checkout { amount: order.amount, minutes: order.minutes });
    let entry = app.coupons().reserve(&who, key.as_str(), &code, checkout).await?;
    Ok((StatusCode::CREATED, Answer(entry.into())))
}

/// Which reservation.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReservedCoupon {
    /// The reservation, as reserving answered it.
    reservation: RowKey,
}

/// The order was paid: the coupon is used. Repeating it is safe.
#[utoipa::path(post, path = "/v1/coupons/{code}/redeem", tag = "coupons", params(("code" = Code, Path)), request_body = ReservedCoupon, responses((status = 200, body = Movement)))]
pub(crate) async fn redeem(
    State(app): State<App>,
    caller: Caller,
    Ids(code): Ids<Code>,
    Json(of): Json<ReservedCoupon>,
) -> Result<Answer<Movement>, Problem> {
    Ok(Answer(app.coupons().redeem(caller.actor, &code, of.reservation).await?.into()))
}

/// The order was given up or sent back: the member may use the coupon again. Repeating it is safe.
#[utoipa::path(post, path = "/v1/coupons/{code}/rollback", tag = "coupons", params(("code" = Code, Path)), request_body = ReservedCoupon, responses((status = 200, body = Movement)))]
pub(crate) async fn roll_back(
    State(app): State<App>,
    caller: Caller,
    Ids(code): Ids<Code>,
    Json(of): Json<ReservedCoupon>,
) -> Result<Answer<Movement>, Problem> {
    Ok(Answer(app.coupons().roll_back(caller.actor, &code, of.reservation).await?.into()))
}
