//! Members who are merged while a provider is being asked about one of them: what comes of it goes to the one who goes on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use huitou::app::{App, Parts};
use huitou::cases::merges::Wish;
use huitou::cases::people::Handle;
use huitou::channels::{Busy, Known, Message, Outcome, Scope, Sender, Senders, Sent};
use huitou::domain::account::Membership;
use huitou::domain::consent::{Decision, Purpose};
use huitou::domain::reach::SuppressedBy;
use huitou::domain::traits::Channel;
use huitou::table::{Freshness, Hot, SendKey};
use huitou::values::{Card, MemberId, Reason};
use serde_json::json;

use super::{Dice, Turmoil, a_campaign, buys_first, launches, operator};
use crate::yard::Yard;

/// A provider during whose call two members are found to be one.
#[derive(Debug)]
struct Meanwhile {
    app: App,
    wish: Wish,
    says: Outcome,
    /// To whom its records were asked about.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Sender for Meanwhile {
    fn channel(&self) -> Channel {
        Channel::Webhook
    }

    fn send<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Outcome> {
        async move {
            self.app.merges().merge(&self.wish).await.unwrap();
            self.says.clone()
        }
        .boxed()
    }

    fn look_up<'a>(&'a self, sent: &'a Sent) -> BoxFuture<'a, Known> {
        self.asked.lock().unwrap().push(sent.to.as_str().to_owned());
        async { Known::NotSent }.boxed()
    }
}

/// Somebody with a card, who agrees to messages by the brand's webhook.
async fn with_card(app: &App, card: &str) -> MemberId {
    let member = buys_first(app, Handle::Card(Card::parse(card).unwrap()), card).await;
    let mut hot = read(app, member).await;
    let on = app.now().day();
    hot.account.traits.decide(Decision { purpose: Purpose::Webhook, granted: true, policy: 1, on });
    let _ = app.table().transaction().member(&hot).unwrap().commit().await.unwrap();
    member
}

async fn read(app: &App, member: MemberId) -> Hot {
    app.table().member(member, Freshness::Latest).await.unwrap().unwrap()
}

/// The survivor and the other one, after a provider has said this of the other one's copy while they were merged, and
/// its records were asked if that tells nothing; and about whom they were asked.
async fn merged_during_a_call_that_says(says: Outcome) -> (Hot, Hot, Vec<String>) {
    let yard = Yard::in_memory(41).await;
    let app = yard.process();
    let (survivor, absorbed) = (with_card(&app, "00001").await, with_card(&app, "00002").await);
    let changes = [("plan", json!(["webhook"])), ("holdout_percent", json!(0))];
    let campaign = launches(&app, "campaign-1", a_campaign(&changes)).await;
    Turmoil { yard: &yard, dice: Arc::new(Mutex::new(Dice(41))), troubled: false }.dispatches().await;
    let reason = Reason::parse("同一人").unwrap();
    let wish = Wish { survivor, absorbed, reason, by: operator() };
    let asked = Arc::default();
    let provider = Meanwhile { app: yard.process(), wish, says, asked: Arc::clone(&asked) };
    let sending = App::new(Parts { senders: Senders::new(vec![Arc::new(provider)]), ..app.parts().clone() });
    let key = SendKey { campaign, member: absorbed, occasion: None, paged: true };
    let _ = sending.sending().work(key).await.unwrap();
    yard.clock.advance(Duration::from_mins(6));
    if sending.table().send(key.id(), Freshness::Latest).await.unwrap().unwrap().send.standing() == "sent.unknown" {
        let _ = sending.sending().work(key).await.unwrap();
    }
    let (after, other) = (read(&app, survivor).await, read(&app, absorbed).await);
    assert_eq!(other.account.membership, Membership::MergedInto(survivor));
    let asked = asked.lock().unwrap().clone();
    (after, other, asked)
}

#[tokio::test]
async fn what_surely_did_not_go_out_counts_for_no_cap_of_the_one_who_goes_on() {
    let retry = Outcome::Retry { after: Duration::from_mins(1), busy: Busy::Provider };
    let (survivor, _, _) = merged_during_a_call_that_says(retry).await;
    assert_eq!(survivor.reach.touches(), []);
    let accepted = Outcome::Accepted(huitou::values::MessageId::parse("m-1").unwrap());
    let (survivor, _, _) = merged_during_a_call_that_says(accepted).await;
    assert_eq!(survivor.reach.touches().len(), 1, "and what did go out does");
}

#[tokio::test]
async fn what_a_member_does_not_want_the_one_who_goes_on_is_not_sent_either() {
    let scope = Scope::Channel(SuppressedBy::OptOut);
    let (survivor, other, _) = merged_during_a_call_that_says(Outcome::Refused { scope }).await;
    assert_eq!(survivor.reach.suppressed(Channel::Webhook), Some(SuppressedBy::OptOut));
    assert_eq!(other.reach.suppressed(Channel::Webhook), None, "nothing is written to who was taken over");
}

#[tokio::test]
async fn what_nobody_heard_is_asked_about_by_the_address_of_the_one_who_goes_on() {
    let (survivor, _, asked) = merged_during_a_call_that_says(Outcome::Unknown).await;
    assert_eq!(asked, [survivor.account.member.to_string()]);
    assert_eq!(survivor.reach.touches(), [], "and what was not sent counts for nothing");
}
