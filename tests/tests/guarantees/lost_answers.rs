//! WeChat hangs, refuses or loses answers, and the process dies on the way: nobody becomes half a member.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use huitou::app::App;
use huitou::cases::Error;
use huitou::cases::intake::Customer;
use huitou::cases::people::{Acquisition, Handle};
use huitou::cases::sign_up::{LogIn, LoggedIn};
use huitou::domain::account::Membership;
use huitou::domain::entry::{Entry, What};
use huitou::domain::order::Order;
use huitou::domain::proof::prove;
use huitou::table::{Freshness, Hot, MembersPage, ScanShard};
use huitou::transport::{HttpTransport, Request, Response, Transport, TransportError};
use huitou::values::{Actor, Fen, ForeignId, MemberId, OpenId, Phone, Source, UnionId};
use local::standin::StandIns;
use local::stop::StopSource;

use crate::yard::Yard;

const SEED: u64 = 20_260_304;
/// More calls than a log-in takes.
const MOST_CALLS: u64 = 40;
const PHONE: &str = "13800138000";

/// What becomes of one call to WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// It is not sent.
    NotSent,
    /// It hangs until it is given up, and never arrives.
    Hangs,
    /// It arrives, and its answer is lost.
    AnswerLost,
    /// A proxy on the way answers instead.
    Nonsense,
}

/// A way to WeChat on which one call can be lost.
#[derive(Debug)]
struct Way {
    http: HttpTransport,
    /// Calls until the loss, and the loss.
    plan: Mutex<Option<(u64, Loss)>>,
}

impl Way {
    fn lose(&self, nth: u64, loss: Loss) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some((nth, loss));
    }

    fn heal(&self) -> bool {
        let left = self.plan.lock().unwrap_or_else(PoisonError::into_inner).take();
        left.is_none()
    }

    /// What becomes of the next call.
    fn next(&self) -> Option<Loss> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let (nth, loss) = (*plan)?;
        *plan = nth.checked_sub(1).filter(|left| *left > 0).map(|left| (left, loss));
        (nth == 1).then_some(loss)
    }
}

impl Transport for Way {
    fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let loss = self.next();
        Box::pin(async move {
            match loss {
                None => self.http.call(request).await,
                Some(Loss::NotSent) => Err(TransportError::NotSent("a fault set by a test".to_owned())),
                Some(Loss::Hangs) => Err(TransportError::Unknown("a fault set by a test".to_owned())),
                Some(Loss::AnswerLost) => {
                    self.http.call(request).await?;
                    Err(TransportError::Unknown("a fault set by a test".to_owned()))
                }
                Some(Loss::Nonsense) => {
                    let answer = self.http.call(request).await?;
                    Ok(Response { body: "<html>502 Bad Gateway</html>".into(), ..answer })
                }
            }
        })
    }
}

/// A yard with WeChat beside it.
struct Street {
    yard: Yard,
    way: Arc<Way>,
    standins: Option<StandIns>,
    _stop: StopSource,
}

impl Drop for Street {
    fn drop(&mut self) {
        if let Some(standins) = self.standins.take() {
            standins.end();
        }
    }
}

async fn a_street() -> Street {
    let stop = StopSource::new();
    let standins = StandIns::start(stop.listen()).await.unwrap();
    let way = Arc::new(Way { http: HttpTransport::new(), plan: Mutex::new(None) });
    let transport = Arc::clone(&way) as Arc<dyn Transport>;
    let yard = Yard::in_memory(SEED).await.with_wechat(standins.wechat_url(), transport);
    Street { yard, way, standins: Some(standins), _stop: stop }
}

/// Anna comes with her openid, her unionid and, by the phone button, her number.
fn anna(code: &str) -> LogIn {
    LogIn {
        code: code.to_owned(),
        phone_code: Some(format!("dev:{PHONE}")),
        invite: None,
        source: Acquisition::default(),
    }
}

fn annas_handles() -> [Handle; 3] {
    [
        Handle::OpenId(OpenId::parse("anna").unwrap()),
        Handle::UnionId(UnionId::parse("annas-union").unwrap()),
        Handle::Phone(Phone::parse(&format!("+86{PHONE}")).unwrap()),
    ]
}

async fn comes(app: &App, asked: &LogIn) -> Result<LoggedIn, Error> {
    app.sign_up().log_in(asked).await
}

async fn everybody(app: &App) -> Vec<Hot> {
    let MembersPage { members, next, .. } = app.table().page_of_members(ScanShard::WHOLE, None, 100).await.unwrap();
    assert_eq!(next, None);
    members
}

/// Nothing of Anna is anywhere.
async fn assert_nobody(app: &App) {
    assert_eq!(everybody(app).await, []);
    assert_eq!(app.people().owners(&annas_handles()).await.unwrap(), [None, None, None]);
}

/// The journal of a member, proved.
async fn journal(app: &App, hot: &Hot) -> Vec<Entry> {
    let rows = app.table().whole_journal(&hot.account).await.unwrap();
    assert_eq!(prove(hot.account.member, &rows, &hot.account).fault, None);
    rows.iter().map(|row| Entry::read(row.key, &row.text).unwrap()).collect()
}

async fn joined(app: &App, hot: &Hot) -> usize {
    let rows = journal(app, hot).await;
    rows.iter().filter(|entry| matches!(entry.what, What::Joined { .. })).count()
}

async fn member(app: &App, member: MemberId) -> Hot {
    app.table().member(member, Freshness::Latest).await.unwrap().unwrap()
}

/// Anna is one whole member: all her handles lead to her, her profile holds them, and she was welcomed once.
async fn assert_whole(app: &App, anna: MemberId) {
    assert_eq!(app.people().owners(&annas_handles()).await.unwrap(), [Some(anna); 3]);
    let hot = member(app, anna).await;
    assert_eq!(hot.account.membership, Membership::Claimed);
    assert_eq!(joined(app, &hot).await, 1, "welcomed once");
    let opened = app.people().open(anna, Freshness::Latest).await.unwrap();
    let handles: Vec<Handle> = opened.handles().unwrap().into_iter().map(|(_, handle)| handle).collect();
    assert!(annas_handles().iter().all(|handle| handles.contains(handle)), "{handles:?}");
    assert_eq!(handles.len(), 4, "three handles and the invite code");
}

#[tokio::test]
async fn a_call_to_wechat_that_fails_makes_nobody_and_the_next_one_a_whole_member() {
    for loss in [Loss::NotSent, Loss::Hangs, Loss::AnswerLost, Loss::Nonsense] {
        // The login, the access token and the phone number are one call each.
        for nth in 1..=3 {
            let street = a_street().await;
            let app = street.yard.process();
            street.way.lose(nth, loss);
            let refused = comes(&app, &anna(&format!("once:anna+annas-union-{nth}"))).await;
            assert!(street.way.heal(), "{loss:?} did not happen to call {nth}");
            if loss == Loss::NotSent && refused.is_ok() {
                continue; // What was not sent may be sent again at once.
            }
            match (nth, refused.unwrap_err()) {
                (1, Error::Login(_)) | (2 | 3, Error::PhoneCode(_)) => {}
                (_, other) => panic!("{loss:?} of call {nth}: {other:?}"),
            }
            assert_nobody(&app).await;
            let new = comes(&app, &anna("dev:anna+annas-union")).await.unwrap();
            assert!(new.is_new);
            assert_whole(&app, new.member).await;
            assert_eq!(everybody(&app).await.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_code_that_wechat_refuses_makes_nobody() {
    let street = a_street().await;
    let app = street.yard.process();
    for code in ["dev-busy", "dev-limit", "dev-blocked", "nonsense", ""] {
        assert!(matches!(comes(&app, &anna(code)).await, Err(Error::Login(_))), "{code}");
    }
    let wrong_phone = LogIn { phone_code: Some("nonsense".to_owned()), ..anna("dev:anna+annas-union") };
    assert!(matches!(comes(&app, &wrong_phone).await, Err(Error::PhoneCode(_))));
    assert_nobody(&app).await;
}

/// What happened before Anna comes.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// Nothing: she is unknown.
    Nothing,
    /// She has bought with her phone number, so that there is a member whom nobody has claimed.
    Bought,
    /// She came without her phone, and has bought with it elsewhere: two members who are one person.
    Both,
}

async fn prepare(street: &Street, before: Before) {
    let app = street.yard.process();
    if matches!(before, Before::Bought | Before::Both) {
        let order = Order {
            source: Source::parse("till").unwrap(),
            id: ForeignId::parse("1").unwrap(),
            paid_at: street.yard.now(),
            amount: Fen::computed(30_000),
            currency: None,
            lines: Vec::new(),
            store: None,
            guide: None,
        };
        let [_, _, phone] = annas_handles();
        let till = Actor::parse("till:1").unwrap();
        let taken = app.intake().orders(&[(Customer::Handle(phone), order)], &till).await.unwrap();
        assert!(taken[0].is_ok());
    }
    if matches!(before, Before::Both) {
        let without_phone = LogIn { phone_code: None, ..anna("dev:anna+annas-union") };
        comes(&app, &without_phone).await.unwrap();
    }
    // A friend whose invitation Anna follows.
    comes(&app, &LogIn { phone_code: None, ..anna("dev:bert") }).await.unwrap();
}

async fn berts_code(app: &App) -> String {
    let bert = Handle::OpenId(OpenId::parse("bert").unwrap());
    let bert = app.people().owners(&[bert]).await.unwrap()[0].unwrap();
    let opened = app.people().open(bert, Freshness::Latest).await.unwrap();
    let code = opened.handles().unwrap().into_iter().find(|(_, handle)| handle.kind() == "invite");
    code.unwrap().1.value().to_owned()
}

/// Anna and whoever else: everybody proved, Bert rewarded once, all points of the order hers.
async fn assert_arrived(app: &App, anna: MemberId, before: Before) {
    assert_whole(app, anna).await;
    let (mut rewards, mut orders) = (0, 0);
    for hot in everybody(app).await {
        let rows = journal(app, &hot).await;
        rewards += rows.iter().filter(|entry| matches!(entry.what, What::Invited { .. })).count();
        orders += rows.iter().filter(|entry| matches!(entry.what, What::Order { .. })).count();
    }
    let hot = member(app, anna).await;
    let bought = u32::from(!matches!(before, Before::Nothing));
    let days: u32 = hot.account.days.days().iter().map(|day| day.orders).sum();
    assert_eq!((days, orders), (bought, bought as usize), "what was bought is hers");
    // Somebody who had signed up before is not new, so nobody is rewarded.
    assert_eq!(rewards, usize::from(!matches!(before, Before::Both)), "one reward for one friend");
}

#[tokio::test]
async fn a_log_in_survives_a_death_at_any_call() {
    for before in [Before::Nothing, Before::Bought, Before::Both] {
        let mut needed = 0;
        for call in 1..=MOST_CALLS {
            let mut met = false;
            for during in [false, true] {
                let street = a_street().await;
                prepare(&street, before).await;
                let invite = Some(berts_code(&street.yard.process()).await);
                let asked = LogIn { invite, ..anna("dev:anna+annas-union") };
                let faults = &street.yard.faults;
                if during {
                    faults.die_during_call(call);
                } else {
                    faults.die_before_call(call);
                }
                let first = comes(&street.yard.dying_process(), &asked).await;
                met |= faults.calls() >= call;
                faults.heal();
                let app = street.yard.process();
                match &first {
                    Ok(_) | Err(Error::Unavailable(_)) => {}
                    Err(other) => panic!("{before:?}, call {call}: {other:?}"),
                }
                let again = comes(&app, &asked).await.unwrap();
                if let Ok(first) = first {
                    assert_eq!(first.member, again.member);
                }
                assert_arrived(&app, again.member, before).await;
            }
            if !met {
                needed = call;
                break;
            }
        }
        assert!(needed > 3, "{before:?}: ran through at a death before call {needed}");
    }
}
