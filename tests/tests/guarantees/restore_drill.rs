//! The drill: a backup is made while the host works, restored into an empty directory, and everything is there: books,
//! members, the due index, queues and files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use huitou::values::Moment;
use local::backup::{back_up, restore};
use local::host::{Host, Options, Store};
use local::queue::Draft;
use serde_json::{Value, json};
use tests::{House, Member, a_house_in, order};

const DEAD: &str = "SendDeadLetters";
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

/// A directory of its own, gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("huitou-drill-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn a_house_over(data: &Path) -> House {
    a_house_in(Store::Directory(data.to_owned()), "2026-03-02T10:00:00+08:00").await
}

/// The keys are kept apart from every backup.
fn hand_over_the_keys(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for key in ["secret", "master.key"] {
        fs::copy(from.join(key), to.join(key)).unwrap();
    }
}

/// Everything that is stored, by table.
async fn stored(house: &House) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for table in &house.host.surroundings.template.tables {
        let request = json!({ "TableName": table.name }).to_string();
        let call = house.call("POST", "/dev/aws").header("x-amz-target", "DynamoDB_20120810.Scan");
        let page = call.text("application/x-amz-json-1.0", request).send().await.expect(200);
        let items = page["Items"].as_array().unwrap().iter().map(Value::to_string).collect();
        let _ = all.insert(table.name.clone(), items);
    }
    all
}

/// Whom the due index names, and for which day.
async fn due(house: &House) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for shard in 0..huitou::table::DUE_SHARDS {
        let due = house.host.app.table().due(shard, huitou::values::LocalDay::LAST, None, 100).await.unwrap();
        found.extend(due.members.iter().map(|place| format!("{} {}", place.member, place.due_on)));
    }
    found
}

async fn queues(house: &House) -> Value {
    house.call("GET", "/dev/queues").send().await.expect(200)
}

fn path_of(link: &Value) -> String {
    let url = link["url"].as_str().unwrap();
    url.split_once("://").unwrap().1.split_once('/').map(|(_, path)| format!("/{path}")).unwrap()
}

async fn a_ticket_with_a_picture(house: &House, anna: &Member) -> String {
    let file = json!({ "type": "image/png", "bytes": PICTURE.len() });
    let link = house.as_member(anna, "POST", "/v1/me/attachments").json(&file).send().await.expect(201);
    let upload = house.call("PUT", &path_of(&link)).header("if-none-match", "*").text("image/png", PICTURE);
    assert_eq!(upload.send().await.status, 200);
    let body = json!({ "type": "quality", "text": "鞋底开胶", "attachments": [link["attachment"]] });
    let call = house.as_member(anna, "POST", "/v1/me/tickets").key("a-ticket").json(&body);
    call.send().await.expect(201)["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_backup_of_a_running_host_restores_everything_into_an_empty_directory() {
    let scratch = Scratch::new("all");
    let (old, new, file) = (scratch.at("old"), scratch.at("new"), scratch.at("huitou.backup"));
    let house = a_house_over(&old).await;
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    let told = json!({ "name": "安娜", "city": "上海" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    for member in house.members(5).await {
        let _ = house.buys(&member, 199_00).await;
    }
    let _ = house.buys(&anna, 399_00).await;
    let ticket = a_ticket_with_a_picture(&house, &anna).await;
    let letter = Draft { body: "a letter that nobody could read".to_owned(), ..Draft::default() };
    let _ = house.host.queues.send(DEAD, &[letter]).unwrap();
    let before = (stored(&house).await, due(&house).await, queues(&house).await);
    let (books, proof) = (house.books(&anna).await, house.proof(&anna).await);

    let copied = back_up(&file, &old).unwrap();
    assert_eq!(copied.parts, 4, "table, queue, and the picture as it was uploaded and as it stays");
    let _ = house.buys(&anna, 1_00).await;
    house.host.stop().await;

    hand_over_the_keys(&old, &new);
    assert_eq!(restore(&file, &new).unwrap(), copied);
    let house = a_house_over(&new).await;
    assert_eq!((stored(&house).await, due(&house).await, queues(&house).await), before);
    assert_eq!((house.books(&anna).await, house.proof(&anna).await), (books, proof));
    assert_eq!(house.profile(&anna).await["name"], "安娜", "what was sealed opens");
    let shown = house.as_member(&anna, "GET", &format!("/v1/me/tickets/{ticket}")).send().await.expect(200);
    let picture = house.call("GET", &path_of(&shown["messages"][0]["attachments"][0])).send().await;
    assert_eq!(picture.text.as_ref(), PICTURE);
    let back = house.logs_in("dev:anna", &json!({})).await.expect(200);
    assert_eq!(back["member"]["id"], anna.id, "ids lead to whom they led");
    house.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_in_the_midst_of_orders_is_of_one_instant() {
    let scratch = Scratch::new("midst");
    let (old, new, file) = (scratch.at("old"), scratch.at("new"), scratch.at("huitou.backup"));
    let house = Arc::new(a_house_over(&old).await);
    let members = house.members(4).await;
    for member in &members {
        let _ = house.buys(member, 10_00).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let till = {
        let (house, members, over) = (Arc::clone(&house), members.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            let mut n = 0;
            while !over.load(Ordering::Relaxed) {
                for member in &members {
                    n += 1;
                    let sale = order(&format!("M-{n}"), &json!({ "member_id": member.id }), &house.now(), 5_00);
                    let _ = house.sells(sale).await;
                }
            }
            n
        })
    };
    let (from, to) = (old.clone(), file.clone());
    let copied = tokio::task::spawn_blocking(move || back_up(&to, &from)).await.unwrap();
    over.store(true, Ordering::Relaxed);
    let sold = till.await.unwrap();
    copied.unwrap();
    assert!(sold > 0);
    Arc::try_unwrap(house).unwrap().host.stop().await;

    hand_over_the_keys(&old, &new);
    restore(&file, &new).unwrap();
    let house = a_house_over(&new).await;
    for member in &members {
        let proof = house.proof(member).await;
        assert_eq!(proof["balanced"], true, "{proof}");
        assert!(proof["entries"].as_u64() >= Some(2), "what was acknowledged before is there: {proof}");
    }
    house.host.stop().await;
}

#[tokio::test]
async fn what_cannot_be_backed_up_or_restored_is_said_in_a_sentence_and_nothing_is_overwritten() {
    let scratch = Scratch::new("refused");
    let (old, new, file) = (scratch.at("old"), scratch.at("new"), scratch.at("huitou.backup"));
    let refuses = |result: Result<_, local::backup::BackupError>, part: &str| {
        let sentence = result.map(|_: local::backup::Copied| ()).unwrap_err().to_string();
        assert!(sentence.contains(part) && sentence.ends_with('.'), "{sentence}");
    };
    refuses(back_up(&file, &old), "There is no data in");
    let house = a_house_over(&old).await;
    let anna = house.a_member("00001").await;
    let _ = house.buys(&anna, 10_00).await;
    back_up(&file, &old).unwrap();
    house.host.stop().await;
    refuses(back_up(&file, &old), "is there already");
    refuses(restore(&file, &old), "There is data in");
    refuses(restore(&scratch.at("nowhere"), &new), "can't be read");
    refuses(restore(&file, &new), "is missing, and a backup holds none");
    hand_over_the_keys(&old, &new);
    fs::write(new.join("master.key"), [7; 32]).unwrap();
    refuses(restore(&file, &new), "is another one than that of the backup");
    hand_over_the_keys(&old, &new);

    let text = fs::read(&file).unwrap();
    let secret = fs::read(old.join("master.key")).unwrap();
    assert!(!text.windows(secret.len()).any(|part| part == secret), "no key is in a backup");
    // One byte of the table's copy, somewhere in the middle.
    let broken = scratch.at("broken.backup");
    let mut changed = text.clone();
    let needle = anna.id.as_bytes();
    let place = changed.windows(needle.len()).position(|part| part == needle).unwrap();
    changed[place] ^= 1;
    fs::write(&broken, changed).unwrap();
    refuses(restore(&broken, &new), "is damaged in table.sqlite");
    fs::write(&broken, b"no database at all").unwrap();
    refuses(restore(&broken, &new), "is no backup that can be read");
    assert!(!new.join("table.sqlite").exists());

    // A restore that was cut short leaves what it had gathered, and is started again.
    fs::create_dir_all(new.join("restoring")).unwrap();
    fs::write(new.join("queue.sqlite"), b"half").unwrap();
    restore(&file, &new).unwrap();
    let options = Options {
        port: 0,
        store: Store::Directory(new.clone()),
        clock: Moment::parse("2026-03-02T11:00:00+08:00").ok(),
        binaries: None,
        concurrency: None,
    };
    Host::start(&options).await.unwrap().stop().await;
}
