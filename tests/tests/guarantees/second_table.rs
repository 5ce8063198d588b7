//! The same story on the embedded table and on another implementation of DynamoDB, which `HUITOU_TABLE_ENDPOINT`
//! names: every answer, every row and every account must be the same to the last byte.

mod tickets;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, Projection, Put,
    TimeToLiveSpecification, TransactWriteItem,
};
use futures_util::future::join_all;
use huitou::app::App;
use huitou::aws::{Aws, Endpoints, Retries, Signer};
use huitou::cases::Who;
use huitou::clock::SystemClock;
use huitou::domain::earning;
use huitou::domain::posting::Posted;
use huitou::domain::purchase::Refunded;
use huitou::entropy::SystemEntropy;
use huitou::table::{
    ChildKeys, Freshness, Hot, Identity, Lost, Outcome, Part, RefundTally, StoredPart, StoredVersion, metered,
};
use huitou::transport::{Authorities, Connections, HttpTransport};
use huitou::values::{
    Actor, CampaignId, ChildId, Code, Fen, ForeignId, LocalDay, MemberId, Moment, Points, Reason, RowKey, SomePoints,
    Source,
};
use local::in_process::{Faults, sdk_http_client};
use local::table::Embedded;
use local::template::{KeyPart, LOCAL_REGION, Table, Template};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use crate::yard::Yard;
use crate::yard::doings::{Doing, PEOPLE, doing};
use crate::yard::world::World;

const SEED: u64 = 20_260_303;
/// Requests of the story.
const REQUESTS: usize = 150;

/// Everything that was answered, line by line.
#[derive(Default)]
struct Transcript(Vec<String>);

impl Transcript {
    fn note(&mut self, what: &str, answer: impl Debug) {
        self.0.push(format!("{what}: {answer:?}"));
    }
}

fn member_id(n: u8) -> MemberId {
    MemberId::from_random([n; 16])
}

/// A movement on an account, decided but not written.
async fn a_gift(app: &App, hot: &Hot, key: &str) -> Posted {
    let rules = app.rulebook().await.unwrap();
    let (row, by) = (RowKey::of("gift", &[key]), Actor::parse("staff:lin").unwrap());
    earning::adjust(&hot.account, 5, Reason::parse("kulanz").unwrap(), row, &rules, app.now(), by).unwrap()
}

/// How a transaction ended, with the whole of what the table showed of the reason.
fn ended(outcome: Result<Outcome, huitou::table::Trouble>) -> String {
    match outcome {
        Ok(Outcome::Lost(Lost::RowExists(entry))) => format!("row exists: {}", entry.text().unwrap()),
        other => format!("{other:?}"),
    }
}

/// Tells the whole story and writes down what was answered.
async fn story(yard: Yard) -> Vec<String> {
    let mut transcript = Transcript::default();
    let mut world = World::new(yard).with_a_coupon().await;
    requests(&mut world, &mut transcript).await;
    transactions(&world, &mut transcript).await;
    reads(&world, &mut transcript).await;
    settings(&world.yard.process(), &mut transcript).await;
    tickets::tickets(&world.yard, &mut transcript).await;
    let rows = all_rows(&world).await;
    transcript.note("rows", rows);
    at_once(&world, &mut transcript).await;
    transcript.0
}

/// Random requests through the use cases, with what each one cost.
async fn requests(world: &mut World, transcript: &mut Transcript) {
    let mut runner = TestRunner::deterministic();
    for n in 0..REQUESTS {
        let doing = if n < PEOPLE { Doing::buys(n, 30_000) } else { doing().new_tree(&mut runner).unwrap().current() };
        let (said, cost) = metered(world.does(&doing)).await;
        transcript.note(&format!("{n} {doing:?} with {} calls", cost.calls), said);
        if n % 15 == 14 {
            world.check_thoroughly().await;
            transcript.note("everybody", world.everybody().await);
        }
    }
}

/// Transactions that the table itself has to refuse, each for another reason.
async fn transactions(world: &World, transcript: &mut Transcript) {
    let app = world.yard.process();
    let table = app.table();
    let hots = world.everybody().await;
    let (stale, other) = (&hots[0], &hots[1]);
    let first = a_gift(&app, stale, "first").await;
    let commit = async |transaction: huitou::table::Transaction<'_>| ended(transaction.commit().await);
    transcript.note("done", commit(table.transaction().movement(stale, &first).unwrap()).await);
    transcript.note("row exists, stale", commit(table.transaction().movement(stale, &first).unwrap()).await);
    let second = a_gift(&app, stale, "second").await;
    transcript.note("stale", commit(table.transaction().movement(stale, &second).unwrap()).await);
    let third = a_gift(&app, other, "first").await;
    transcript.note("row of another", commit(table.transaction().movement(other, &third).unwrap()).await);
    let unborn = Hot::new(stale.account.member);
    transcript.note("exists", commit(table.transaction().member(&unborn).unwrap()).await);
    let gone = Hot { version: 3, ..Hot::new(member_id(200)) };
    transcript.note("does not exist", commit(table.transaction().member(&gone).unwrap()).await);

    let identity = Identity([1; 32]);
    let claim = |n| table.transaction().claim_identity(&identity, member_id(n)).unwrap();
    transcript.note("claim", commit(claim(1)).await);
    transcript.note("claimed", commit(claim(2)).await);
    let pass = |from, to| table.transaction().move_identity(&identity, member_id(from), member_id(to)).unwrap();
    transcript.note("not the owner", commit(pass(2, 3)).await);
    transcript.note("pass", commit(pass(1, 3)).await);
    let taken = commit(claim(9).movement(other, &a_gift(&app, other, "with a claim").await).unwrap()).await;
    transcript.note("nothing of it remains", (taken, table.row(RowKey::of("gift", &["with a claim"])).await));

    let key = |n| table.transaction().key(member_id(n), &[7; 60]).unwrap();
    transcript.note("key", (commit(key(1)).await, commit(key(1)).await));
    let (source, order) = (Source::parse("till").unwrap(), ForeignId::parse("nothing").unwrap());
    let tally = async |before: &RefundTally, money: u64| {
        let after = Refunded { money: Fen::computed(money), points: Points::computed(1) };
        commit(table.transaction().refunded((&source, &order), before, after).unwrap()).await
    };
    let none = table.refund_tally(&source, &order).await.unwrap();
    transcript.note("refunds", (none, tally(&none, 5).await, tally(&none, 6).await));
    let once = table.refund_tally(&source, &order).await.unwrap();
    transcript.note("refunds", (once, tally(&once, 7).await, table.refund_tally(&source, &order).await));

    parts(&app, transcript).await;
}

/// Parts of profiles and their versions.
async fn parts(app: &App, transcript: &mut Transcript) {
    let table = app.table();
    let commit = async |part: &StoredPart| ended(table.transaction().part(part).unwrap().commit().await);
    let part = Part::Merge(RowKey::of("merge", &["1"]));
    let merge = StoredPart::new(member_id(1), part.clone(), "{\"at\":1}".to_owned());
    transcript.note("merge", (commit(&merge).await, commit(&merge).await));
    let read = table.part(member_id(1), &part).await.unwrap().unwrap();
    transcript.note("merge", (commit(&read).await, commit(&read).await, table.part(member_id(1), &part).await));
    for n in [3, 1, 2, 5, 4] {
        let at = Moment::from_millis(1_772_000_000_000 + n * 900_000_000).unwrap();
        let part = Part::Note(at, RowKey::of("note", &[&n.to_string()]));
        commit(&StoredPart::new(member_id(1), part, format!("note {n}"))).await;
    }
    transcript.note("notes", (table.notes(member_id(1), 3).await, table.notes(member_id(2), 3).await));
    let keys = async |change: &ChildKeys<'_>, n| {
        ended(table.transaction().child_keys(member_id(n), change).unwrap().commit().await)
    };
    let child = |n: &str| ChildId::of("child", &[n]);
    let add = ChildKeys::Add(child("a"), "sealed");
    transcript.note("a child's key", (keys(&add, 1).await, keys(&ChildKeys::Add(child("b"), "other"), 1).await));
    transcript.note("nobody's child", keys(&add, 99).await);
    for name in ["a", "b"] {
        commit(&StoredPart::new(member_id(1), Part::Child(child(name)), format!("child {name}"))).await;
    }
    let children = table.children(member_id(1)).await.unwrap();
    transcript.note("children", &children);
    let erase = async |part: &StoredPart| ended(table.transaction().without_part(part).unwrap().commit().await);
    let stale = StoredPart { version: 7, ..children[0].clone() };
    transcript.note("erase", (erase(&stale).await, erase(&children[0]).await, erase(&children[0]).await));
    transcript.note("destroyed", keys(&ChildKeys::Destroy(&[child("a"), child("c")]), 1).await);
    transcript.note("one child", (table.children(member_id(1)).await, table.children(member_id(2)).await));
    transcript.note("no profile, a key", table.profile_and_key(member_id(1), Freshness::Latest).await);
}

/// Reads of many items, by pages, and of what is not there.
async fn reads(world: &World, transcript: &mut Transcript) {
    let app = world.yard.process();
    let table = app.table();
    let known: Vec<MemberId> = world.everybody().await.iter().map(|hot| hot.account.member).collect();
    let many: Vec<MemberId> = (1..=125).map(member_id).chain(known.iter().copied()).collect();
    let mut found = table.members(&many).await.unwrap();
    found.sort_by_key(|hot| hot.account.member);
    transcript.note("some of 128", found);
    transcript.note("nobody", table.member(member_id(1), Freshness::Recent).await);
    let identities: Vec<Identity> = (0..120).map(|n| Identity([n; 32])).collect();
    let owners = table.owners(&[identities.clone(), identities].concat()).await.unwrap();
    transcript.note("owners", owners.iter().flatten().collect::<Vec<_>>());
    for day in [LocalDay::FIRST, app.now().day(), LocalDay::LAST] {
        for shard in 0..huitou::table::DUE_SHARDS {
            let page = table.due(shard, day, None, 2).await.unwrap();
            let next = table.due(shard, day, page.next.as_ref(), 2).await.unwrap();
            transcript.note("due", (shard, page.members, next.members));
        }
    }
    transcript.note("no row", table.row(RowKey::of("no", &["row"])).await);
    transcript.note("a missing row", table.rows_from(vec![RowKey::of("no", &["row"])], 1).await);
    for member in known {
        let who = Who { member, session: None, by: Actor::parse("staff:lin").unwrap() };
        let mut links = None;
        for _ in 0..3 {
            let page = app.ledger().entries(&who, links, 5).await.unwrap();
            transcript.note("page", (&page.entries, &page.next));
            links = Some(page.next);
        }
        transcript.note("statement", app.ledger().statement(&who).await);
    }
    let until = app.wall().plus(Duration::from_mins(10));
    let digest = |n: u8| [n; 32];
    for n in [1, 2, 1] {
        transcript.note("signature", table.use_signature_once(&digest(n), until).await);
    }
}

/// Versions of settings, and slots of a rate.
async fn settings(app: &App, transcript: &mut Transcript) {
    let table = app.table();
    let version = |version, text: &str| StoredVersion::new("trial".to_owned(), version, text.to_owned());
    for (number, text) in [(2, "two"), (1, "one"), (10, "ten"), (2, "two again")] {
        let saved = table.transaction().version(&version(number, text)).unwrap().commit().await;
        transcript.note("version", ended(saved));
    }
    for revision in [0, 0, 1] {
        let over = StoredVersion { revision, ..version(10, "ten, over it") };
        transcript.note("over a version", table.replace_version(&over).await);
    }
    transcript.note("versions", (table.versions("trial", 1).await, table.versions("trial", 3).await));
    transcript.note("no versions", table.versions("nothing", 0).await);
    let campaign = CampaignId::of("trial", &["slots"]);
    for (from, many) in [(10, 1), (10, 3), (5, 2), (100, 4), (101, 1)] {
        transcript.note("slots", table.take_slots(campaign, from, many).await);
    }
    let newest = app.programs().newest().await.unwrap();
    let program = newest.program.clone();
    let by = || Actor::parse("staff:lin").unwrap();
    let save = async |seen| app.programs().save(program.clone(), seen, None, by()).await;
    transcript.note("programme", (save(newest.version).await, save(newest.version).await));
}

/// All rows of all members as they are stored, oldest first.
async fn all_rows(world: &World) -> Vec<(RowKey, String)> {
    let app = world.yard.process();
    let mut rows = Vec::new();
    for hot in world.everybody().await {
        let journal = app.table().whole_journal(&hot.account).await.unwrap();
        rows.extend(journal.into_iter().map(|row| (row.key, row.text)));
    }
    rows
}

/// Twelve donations at once, of which five are paid for; which ones is left to chance.
async fn at_once(world: &World, transcript: &mut Transcript) {
    let member = world.everybody().await[0].account.member;
    let who = Who { member, session: None, by: Actor::parse("staff:lin").unwrap() };
    let app = world.yard.process();
    let has = app.ledger().statement(&who).await.unwrap().balance.available.number();
    let reason = Reason::parse("kulanz").unwrap();
    app.ledger().adjust(&who, "to five hundred", 500, &reason).await.unwrap();
    if has > 0 {
        let all = SomePoints::new(has).unwrap();
        app.ledger().donate(&who, "the rest", &Code::parse("library").unwrap(), all).await.unwrap();
    }
    let processes: Vec<App> = (0..12).map(|_| world.yard.process()).collect();
    let donations = processes.iter().enumerate().map(|(n, app)| {
        let (who, key) = (who.clone(), format!("at once {n}"));
        async move {
            let library = Code::parse("library").unwrap();
            app.ledger().donate(&who, &key, &library, SomePoints::new(100).unwrap()).await.is_ok()
        }
    });
    let paid = join_all(donations).await.into_iter().filter(|paid| *paid).count();
    transcript.note("paid for", (paid, app.ledger().statement(&who).await.unwrap().balance));
    assert_eq!(app.ledger().proof(&who).await.unwrap().proof.fault, None);
}

/// The tables of one run on the other implementation; nobody else uses their names.
struct Remote {
    client: Client,
    aws: Aws,
    prefix: String,
    tables: Vec<Table>,
}

impl Remote {
    async fn create() -> Self {
        let endpoint = std::env::var("HUITOU_TABLE_ENDPOINT").unwrap();
        let transport = Arc::new(HttpTransport::over(Connections::new(&Authorities::Platform).unwrap()));
        let credentials = Credentials::new("test", "test", None, None, "test");
        let signer = Signer { identity: credentials.clone().into(), region: LOCAL_REGION.to_owned() };
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(LOCAL_REGION))
            .endpoint_url(&endpoint)
            .credentials_provider(credentials)
            .http_client(sdk_http_client(transport.clone()));
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let remote = Self {
            client: Client::from_conf(config.build()),
            aws: Aws {
                transport,
                clock: Arc::new(SystemClock),
                entropy: Arc::new(SystemEntropy),
                signer: Some(signer),
                endpoints: Endpoints::at(endpoint),
                retries: Retries::ORDINARY,
            },
            prefix: format!("run-{started}-{}-", std::process::id()),
            tables: Template::shipped().unwrap().tables,
        };
        for table in &remote.tables {
            remote.create_table(table).await;
        }
        remote
    }

    async fn create_table(&self, table: &Table) {
        let mut parts: Vec<&KeyPart> = table.key.iter().chain(table.indexes.iter().flat_map(|i| &i.key)).collect();
        parts.sort_by_key(|part| &part.attribute);
        parts.dedup_by_key(|part| &part.attribute);
        let definition = |part: &&KeyPart| {
            let kind = part.kind.as_str().into();
            AttributeDefinition::builder().attribute_name(&part.attribute).attribute_type(kind).build().unwrap()
        };
        let schema = |key: &[KeyPart]| -> Vec<KeySchemaElement> {
            let element = |part: &KeyPart| {
                let role = part.role.as_str().into();
                KeySchemaElement::builder().attribute_name(&part.attribute).key_type(role).build().unwrap()
            };
            key.iter().map(element).collect()
        };
        let indexes: Vec<GlobalSecondaryIndex> = (table.indexes.iter())
            .map(|index| {
                let included = Some(index.included.clone()).filter(|names| !names.is_empty());
                let projection = Projection::builder()
                    .projection_type(index.projection.as_str().into())
                    .set_non_key_attributes(included)
                    .build();
                GlobalSecondaryIndex::builder()
                    .index_name(&index.name)
                    .set_key_schema(Some(schema(&index.key)))
                    .projection(projection)
                    .build()
                    .unwrap()
            })
            .collect();
        let name = format!("{}{}", self.prefix, table.name);
        self.client
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(schema(&table.key)))
            .set_attribute_definitions(Some(parts.iter().map(definition).collect()))
            .set_global_secondary_indexes(Some(indexes).filter(|indexes| !indexes.is_empty()))
            .send()
            .await
            .unwrap();
        if let Some(attribute) = &table.expires_by {
            let specification = TimeToLiveSpecification::builder().enabled(true).attribute_name(attribute);
            let request = self.client.update_time_to_live().table_name(&name);
            request.time_to_live_specification(specification.build().unwrap()).send().await.unwrap();
        }
    }

    async fn delete(self) {
        for table in &self.tables {
            self.client.delete_table().table_name(format!("{}{}", self.prefix, table.name)).send().await.unwrap();
        }
    }
}

/// The same lines; the first difference is shown with what stands around it.
fn assert_same(first: &[String], second: &[String]) {
    const AROUND: usize = 200;
    for (one, other) in first.iter().zip(second) {
        let differs = one.chars().zip(other.chars()).position(|(a, b)| a != b);
        let differs = differs.or_else(|| (one.len() != other.len()).then(|| one.len().min(other.len())));
        let Some(place) = differs else { continue };
        let around =
            |line: &String| line.chars().skip(place.saturating_sub(AROUND)).take(2 * AROUND).collect::<String>();
        let title: String = one.chars().take(AROUND).collect();
        panic!("{title}\n...\none:   {}\nother: {}", around(one), around(other));
    }
    assert_eq!(first.len(), second.len());
}

/// A transaction half of which goes into a table that is not there: how it was refused, and whether the other half was
/// written.
async fn half_into_nowhere(client: &Client, prefix: &str) -> (Option<String>, bool) {
    let members = format!("{prefix}Members");
    let half = AttributeValue::S("half".to_owned());
    let put = |table: &str, key: &str| {
        let put = Put::builder().table_name(table).item(key, half.clone()).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let items = vec![put(&members, "member"), put(&format!("{prefix}Nowhere"), "thing")];
    let refused = client.transact_write_items().set_transact_items(Some(items)).send().await.unwrap_err();
    let left = client.get_item().table_name(&members).key("member", half.clone()).send().await.unwrap();
    (refused.code().map(str::to_owned), left.item.is_some())
}

#[tokio::test]
async fn a_transaction_into_a_table_that_is_not_there_is_refused_as_a_whole() {
    let table = Embedded::open(None, &Template::shipped().unwrap().tables).unwrap();
    let refused = half_into_nowhere(&table.sdk(), "").await;
    assert_eq!(refused, (Some("ResourceNotFoundException".to_owned()), false));
}

#[tokio::test]
async fn the_embedded_table_tells_the_same_story_twice() {
    let first = story(Yard::in_memory(SEED).await).await;
    assert!(first.len() > REQUESTS);
    assert_same(&first, &story(Yard::in_memory(SEED).await).await);
}

#[tokio::test]
#[ignore = "needs another DynamoDB; tests/judges/dynamodb-local.sh starts one, and .ci/run runs this on it"]
async fn another_dynamodb_tells_the_same_story_as_the_embedded_table() {
    let embedded = story(Yard::in_memory(SEED).await).await;
    let remote = Remote::create().await;
    let yard = Yard::over(remote.aws.clone(), Faults::none(), &remote.prefix, SEED).await;
    assert_same(&embedded, &story(yard).await);
    let refused = half_into_nowhere(&remote.client, &remote.prefix).await;
    assert_eq!(refused, (Some("ResourceNotFoundException".to_owned()), false));
    remote.delete().await;
}
