//! A member's own points.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::ledger::Statement;
use huitou::domain::tier::NextTier;
use huitou::manners::caller::Me;
use huitou::manners::extract::{Json, Key, Onward, Query};
use huitou::manners::movement::{Movement, Movements};
use huitou::manners::problem::Problem;
use huitou::manners::standing::ShownStanding;
use huitou::values::{Code, LocalDay, Points, SomePoints};
use serde::{Deserialize, Serialize};

const ENTRIES: &str = "entries";
/// Rows on a page, at least; whole groups of eight are read.
const PAGE: usize = 24;

/// What a member has.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MyPoints {
    /// Can be spent now.
    available: Points,
    /// Earned, but the return window is still open.
    pending: Points,
    /// Reserved for checkouts.
    held: Points,
    /// Owed: taken back after they were spent; the next points pay it.
    debt: Points,
    /// What lapses at the end of which day, soonest first.
    expiring: Vec<DayPoints>,
    /// What can be spent from which day on, soonest first.
    maturing: Vec<DayPoints>,
    /// The tier held.
    tier: Option<Code>,
    /// Since when, and when it is reviewed.
    standing: Option<ShownStanding>,
    /// The tier that the next review would give if nothing more were bought.
    projected_tier: Option<Code>,
    /// What is missing for the next tier.
    next_tier: Option<NextTier>,
    /// Raised by every change.
    version: u64,
}

/// Points and a day.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DayPoints {
    /// The day.
    on: LocalDay,
    /// The points.
    points: Points,
}

fn days(lots: Vec<(LocalDay, Points)>) -> Vec<DayPoints> {
    lots.into_iter().map(|(on, points)| DayPoints { on, points }).collect()
}

impl From<Statement> for MyPoints {
    fn from(statement: Statement) -> Self {
        Self {
            available: statement.balance.available,
            pending: statement.balance.pending,
            held: statement.balance.held,
            debt: statement.balance.debt,
            expiring: days(statement.expiring),
            maturing: days(statement.maturing),
            tier: statement.standing.as_ref().map(|s| s.tier.clone()),
            standing: statement.standing.map(ShownStanding::from),
            projected_tier: statement.projected,
            next_tier: statement.next,
            version: statement.version,
        }
    }
}

/// Points, tier, and what comes next.
#[utoipa::path(get, path = "/v1/me/points", tag = "points", responses((status = 200, body = MyPoints)))]
pub(crate) async fn balance(State(app): State<App>, Me(me): Me) -> Result<Answer<MyPoints>, Problem> {
    Ok(Answer(app.ledger().statement(&me).await?.into()))
}

/// The journal, newest first.
#[utoipa::path(get, path = "/v1/me/points/entries", tag = "points", params(Onward), responses((status = 200, body = Movements)))]
pub(crate) async fn entries(
    State(app): State<App>,
    Me(me): Me,
    Query(from): Query<Onward>,
) -> Result<Answer<Movements>, Problem> {
    let owner = me.member.to_string();
    let cursors = app.parts().cursors.of(ENTRIES, &owner);
    let page = app.ledger().entries(&me, cursors.open(from.cursor.as_deref())?, PAGE).await?;
    let next = cursors.seal(Some(&page.next).filter(|links| !links.is_empty()))?;
    Ok(Answer(Movements { items: page.entries.into_iter().map(Movement::from).collect(), next }))
}

/// The daily check-in.
#[utoipa::path(post, path = "/v1/me/points/check-ins", tag = "points", params(("Idempotency-Key" = String, Header)), responses((status = 201, body = Movement)))]
pub(crate) async fn check_in(
    State(app): State<App>,
    Me(me): Me,
    Key(key): Key,
) -> Result<(StatusCode, Answer<Movement>), Problem> {
    let entry = app.ledger().check_in(&me, key.as_str()).await?;
    Ok((StatusCode::CREATED, Answer(entry.into())))
}

/// A reward to be had for points.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedeemReward {
    /// The reward's code, from the programme.
    reward: Code,
    /// How many, 1 to 100; one when left out.
    #[serde(default = "one", deserialize_with = "few")]
    #[schema(minimum = 1, maximum = 100)]
    quantity: u32,
}

const fn one() -> u32 {
    1
}

fn few<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if (1..=100).contains(&number) {
        Ok(number)
    } else {
        Err(serde::de::Error::custom("expected a quantity from 1 to 100"))
    }
}

/// Spend points on a reward. Lots that expire soonest go first. Safe to repeat with the same key.
#[utoipa::path(post, path = "/v1/me/points/redemptions", tag = "points", params(("Idempotency-Key" = String, Header)), request_body = RedeemReward, responses((status = 201, body = Movement)))]
pub(crate) async fn redeem(
    State(app): State<App>,
    Me(me): Me,
    Key(key): Key,
    Json(order): Json<RedeemReward>,
) -> Result<(StatusCode, Answer<Movement>), Problem> {
    let entry = app.ledger().redeem(&me, key.as_str(), &order.reward, order.quantity).await?;
    Ok((StatusCode::CREATED, Answer(entry.into())))
}

/// Points to be given to a cause.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Donate {
    /// The cause's code, from the programme.
    cause: Code,
    /// How many points.
    points: SomePoints,
}

/// Give points to a cause. Safe to repeat with the same key.
#[utoipa::path(post, path = "/v1/me/points/donations", tag = "points", params(("Idempotency-Key" = String, Header)), request_body = Donate, responses((status = 201, body = Movement)))]
pub(crate) async fn donate(
    State(app): State<App>,
    Me(me): Me,
    Key(key): Key,
    Json(gift): Json<Donate>,
) -> Result<(StatusCode, Answer<Movement>), Problem> {
    let entry = app.ledger().donate(&me, key.as_str(), &gift.cause, gift.points).await?;
    Ok((StatusCode::CREATED, Answer(entry.into())))
}
