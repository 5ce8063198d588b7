//! A local host full of members, and what they and the tills ask of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use huitou::clock::{Clock as _, SystemClock};
use huitou::domain::rulebook::Rulebook;
use huitou::table::{Names, Table};
use huitou::trust::signature::{KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use huitou::values::MemberId;
use local::data_dir::{DataDir, secret};
use local::host::{Host, Options, Store};
use local::in_process::Service as _;
use local::table::Embedded;
use local::template::Template;
use local::wire::{self, Bearer};
use serde_json::json;
use tests::Call;
use tests::members::{AT_ONCE, a_member, write};

use crate::Server;
use crate::driver::Numbers;

/// Members whose tokens are made beforehand, spread over the whole house.
const WITH_TOKENS: u32 = 2_000;

/// Members who have come by the API, with all that belongs to them; nobody may have more than thirty tickets.
const WITH_TICKETS: usize = 4_000;

/// The most orders of one request.
const ORDERS_AT_ONCE: usize = 25;

type Made = Arc<dyn Fn(u64) -> Request<Full<Bytes>> + Send + Sync>;

/// One kind of request.
#[derive(Clone)]
pub(crate) struct Ask {
    /// What it is, for the table.
    pub(crate) name: &'static str,
    made: Made,
    numbers: Numbers,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Ask {
    /// The n-th request is made by this.
    pub(crate) fn new(name: &'static str, made: impl Fn(u64) -> Request<Full<Bytes>> + Send + Sync + 'static) -> Self {
        Self { name, made: Arc::new(made), numbers: Numbers::default() }
    }

    /// One that was not sent before.
    pub(crate) fn next(&self) -> Request<Full<Bytes>> {
        (self.made)(self.numbers.next())
    }
}

/// A directory that is gone when the measurement is over.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes one.
pub(crate) fn scratch() -> Scratch {
    let path = std::env::temp_dir().join(format!("huitou-load-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    Scratch(path)
}

/// The id of the n-th member: as far from those of its neighbours as random ones are.
fn id(number: u32) -> MemberId {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    MemberId::from_random(spread.to_be_bytes())
}

/// What a new house judges by.
async fn rules() -> Rulebook {
    let house = Host::start(&Options { port: 0, store: Store::Memory, clock: None, binaries: None, concurrency: None })
        .await
        .unwrap();
    let rules = house.app.rulebook().await.unwrap();
    house.stop().await;
    rules
}

/// A host and who belongs to it.
#[derive(Debug)]
pub(crate) struct Brand {
    /// The host.
    pub(crate) host: Server,
    /// How many there are.
    pub(crate) members: u32,
    secret: [u8; 32],
}

impl Brand {
    /// Writes so many members, each of whom has bought once, straight into the table, and starts the host over it.
    pub(crate) async fn with_members(members: u32, directory: &Path, local: &Path) -> Self {
        let data = DataDir::open(directory).unwrap();
        let template = Template::shipped().unwrap();
        let embedded = Embedded::open(Some(&data.file("table.sqlite")), &template.tables).unwrap();
        let variables = &template.functions.first().unwrap().environment;
        let names = Names::from_environment(|name| variables.get(name).cloned()).unwrap();
        let table = Table::new(embedded.aws(), names);
        let (rules, now) = (rules().await, SystemClock.now());
        for first in (0..members).step_by(AT_ONCE as usize) {
            let some: Vec<_> =
                (first..members.min(first + AT_ONCE)).map(|n| a_member(id(n), n, &rules, &[now])).collect();
            write(&table, &some).await;
        }
        let secret = secret(directory).unwrap();
        drop((table, embedded, data));
        let host = Server::start(Command::new(local).args(["--port", "0", "--data"]).arg(directory));
        Self { host, members, secret }
    }

    fn token(&self, member: MemberId) -> String {
        let bearer = Bearer { role: "member".to_owned(), member: Some(member.to_string()), subject: None };
        format!("Bearer {}", wire::token(&self.secret, &bearer).unwrap())
    }

    /// A balance, a till's order, a ticket.
    pub(crate) async fn requests(&self) -> Vec<Ask> {
        let several = u64::from(self.members.min(WITH_TOKENS));
        let whose = |n: u64| id(u32::try_from(n * u64::from(self.members) / several).unwrap());
        let tokens: Arc<[String]> = (0..several).map(|n| self.token(whose(n))).collect();
        let balance = Ask::new("balance", move |n| {
            let owner = usize::try_from(n * 1_009 % several).unwrap();
            Request::get("/v1/me/points")
                .header(header::HOST, "local")
                .header(header::AUTHORIZATION, &tokens[owner])
                .body(Full::default())
                .unwrap()
        });
        vec![balance, self.purchase(), ticket(self.newcomers().await)]
    }

    /// Tokens of members whom a first order has made.
    async fn newcomers(&self) -> Arc<[String]> {
        let key = wire::system_key(&self.secret).unwrap();
        let mut tokens = Vec::new();
        for first in (0..WITH_TICKETS).step_by(ORDERS_AT_ONCE) {
            let (now, timestamp) = (SystemClock.now(), SystemClock.wall().seconds());
            let sale =
                |n| tests::order(&format!("first-{n}"), &json!({ "card": format!("{n:05}") }), &now.to_string(), 99_00);
            let sales: Vec<_> = (first..first + ORDERS_AT_ONCE).map(sale).collect();
            let call = Call::new(self.host.address, "POST", "/v1/orders").json(&json!({ "orders": sales }));
            let answer = call.signed(wire::SYSTEM, &key, timestamp).send().await.expect(200);
            let buyers = answer["results"].as_array().unwrap().iter();
            tokens
                .extend(buyers.map(|buyer| self.token(MemberId::parse(buyer["member_id"].as_str().unwrap()).unwrap())));
        }
        tokens.into()
    }

    /// An order of anybody in the house, signed as a till signs.
    fn purchase(&self) -> Ask {
        let key = wire::system_key(&self.secret).unwrap();
        let members = u64::from(self.members);
        let run = SystemClock.wall().seconds();
        Ask::new("purchase", move |n| {
            let (now, timestamp) = (SystemClock.now(), SystemClock.wall().seconds());
            let buyer = id(u32::try_from(n * 1_000_003 % members).unwrap());
            let sale = tests::order(&format!("{run}-{n}"), &json!({ "member_id": buyer }), &now.to_string(), 199_00);
            let body = Bytes::from(json!({ "orders": [sale] }).to_string());
            let signature = sign(key.as_bytes(), timestamp, &Method::POST, "/v1/orders", &body);
            Request::post("/v1/orders")
                .header(header::HOST, "local")
                .header(header::CONTENT_TYPE, "application/json")
                .header(KEY_HEADER, wire::SYSTEM)
                .header(TIMESTAMP_HEADER, timestamp.to_string())
                .header(SIGNATURE_HEADER, signature)
                .body(Full::new(body))
                .unwrap()
        })
    }
}

/// A ticket, of one member after the other.
fn ticket(owners: Arc<[String]>) -> Ask {
    let run = SystemClock.wall().seconds();
    Ask::new("ticket", move |n| {
        let owner = usize::try_from(n).unwrap() % owners.len();
        let body = json!({ "type": "quality", "text": "鞋底开胶" }).to_string();
        Request::post("/v1/me/tickets")
            .header(header::HOST, "local")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, &owners[owner])
            .header("idempotency-key", format!("ticket-{run}-{n}"))
            .body(Full::new(Bytes::from(body)))
            .unwrap()
    })
}
