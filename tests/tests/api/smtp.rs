//! Mail by SMTP to a server that is not ours: `tests/judges/smtp.sh` starts it, and tells where it is.

use std::path::PathBuf;
use std::sync::Arc;

use huitou::channels::smtp::{Encryption, SmtpServer};
use huitou::channels::{Account, Address, Busy, Fault, Message, Outcome, Sender as _, Smtp};
use huitou::clock::SystemClock;
use huitou::domain::campaign::content::Rendered;
use huitou::domain::traits::Channel;
use huitou::values::{CampaignId, SendId};
use serde_json::Value;

/// What the judge writes down.
fn judge() -> PathBuf {
    PathBuf::from(std::env::var("SMTP_JUDGE").expect("tests/judges/smtp.sh sets it"))
}

/// Everything that was taken for somebody, as the judge read it.
fn received(to: &str) -> Vec<Value> {
    let lines = std::fs::read_to_string(judge().join("received.jsonl")).unwrap_or_default();
    let letters = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    letters.filter(|letter| letter["to"][0] == to).collect()
}

fn client(server: &str, secret: &str) -> Smtp {
    let ports: Value = serde_json::from_str(&std::fs::read_to_string(judge().join("ports.json")).unwrap()).unwrap();
    let encryption = if matches!(server, "implicit" | "foreign") { Encryption::Implicit } else { Encryption::Starttls };
    let server = SmtpServer {
        host: "localhost".to_owned(),
        port: Some(u16::try_from(ports[server].as_u64().unwrap()).unwrap()),
        encryption,
        from: "回头客 <news@example.cn>".to_owned(),
    };
    let account = Account { key: "news@example.cn".to_owned(), secret: secret.to_owned() };
    Smtp::new(server, account, Arc::new(SystemClock)).unwrap()
}

fn letter(to: &str, subject: &str) -> Message {
    Message {
        send: SendId::of("test", &[to]),
        campaign: CampaignId::of("test", &["campaign"]),
        channel: Channel::Email,
        to: Address::new(to.to_owned()),
        content: Rendered::Email {
            subject: subject.to_owned(),
            text: "小明，好久不见。\n.\n..一行只有一个点\nhttps://m.example.cn/r/1".to_owned(),
            html: Some("<p>小明，好久不见。</p>".to_owned()),
            unsubscribe: Some("https://m.example.cn/u/1".to_owned()),
        },
    }
}

#[tokio::test]
#[ignore = "needs the judge: tests/judges/smtp.sh"]
async fn a_letter_arrives_as_it_was_meant_over_either_kind_of_encryption() {
    for server in ["implicit", "starttls"] {
        let to = format!("{server}@example.com");
        let message = letter(&to, "好久不见，回来看看吧：满一百减二十，只到十一月三十日，全国门店和小程序都能用");
        let outcome = client(server, "hush").send(&message).await;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{server}: {outcome:?}");
        let letters = received(&to);
        let [taken] = letters.as_slice() else { panic!("{server}: {letters:?}") };
        assert_eq!((&taken["sender"], &taken["defects"]), (&"news@example.cn".into(), &Value::Array(Vec::new())));
        let headers = &taken["headers"];
        let Rendered::Email { subject, text, .. } = &message.content else { panic!() };
        assert_eq!(headers["Subject"], subject.as_str());
        assert_eq!(headers["From"], "回头客 <news@example.cn>");
        assert_eq!(headers["Message-ID"], format!("<{}@example.cn>", message.send));
        assert_eq!(headers["List-Unsubscribe"], "<https://m.example.cn/u/1>");
        assert_eq!(headers["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
        let plain = taken["plain"].as_str().unwrap().replace("\r\n", "\n");
        assert_eq!(plain.trim_end(), text);
        assert_eq!(taken["html"].as_str().unwrap().trim_end(), "<p>小明，好久不见。</p>");
    }
}

#[tokio::test]
#[ignore = "needs the judge: tests/judges/smtp.sh"]
async fn a_name_with_a_line_break_adds_no_header_and_no_recipient() {
    let subject = "anna\r\nBcc: all@example.com\r\n\r\nbuy now";
    let outcome = client("implicit", "hush").send(&letter("injected@example.com", subject)).await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    let letters = received("injected@example.com");
    assert_eq!((letters.len(), letters[0]["to"].as_array().unwrap().len()), (1, 1));
    assert_eq!(letters[0]["headers"]["Bcc"], Value::Null);
    assert!(!letters[0]["plain"].as_str().unwrap().contains("buy now"));
}

#[tokio::test]
#[ignore = "needs the judge: tests/judges/smtp.sh"]
async fn whoever_sits_on_the_line_gets_neither_letter_nor_secret() {
    // Where the offer of encryption is gone, and where somebody else's certificate is shown.
    let outcome = client("stripped", "hush").send(&letter("stripped@example.com", "x")).await;
    assert!(matches!(&outcome, Outcome::Permanent { reason } if reason.of == Fault::Account), "{outcome:?}");
    let outcome = client("foreign", "hush").send(&letter("foreign@example.com", "x")).await;
    assert!(matches!(outcome, Outcome::Retry { busy: Busy::Provider, .. }), "{outcome:?}");
    for to in ["stripped@example.com", "foreign@example.com"] {
        assert_eq!(received(to), Vec::<Value>::new());
    }
}

#[tokio::test]
#[ignore = "needs the judge: tests/judges/smtp.sh"]
async fn a_line_that_breaks_after_the_text_leaves_it_unknown_whether_it_went() {
    let outcome = client("implicit", "hush").send(&letter("vanishes@example.com", "x")).await;
    assert_eq!(outcome, Outcome::Unknown);
    assert_eq!(received("vanishes@example.com").len(), 1, "and here it did");
}

/// The line on which somebody's only letter came.
fn line(to: &str) -> Value {
    let letters = received(to);
    let [letter] = letters.as_slice() else { panic!("{to}: {letters:?}") };
    letter["line"].clone()
}

#[tokio::test]
#[ignore = "needs the judge: tests/judges/smtp.sh"]
async fn messages_one_after_the_other_share_a_line() {
    for server in ["implicit", "starttls"] {
        let client = client(server, "hush");
        let to = |n: u32| format!("shared-{server}-{n}@example.com");
        for n in 0..4 {
            let outcome = client.send(&letter(&to(n), "x")).await;
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        }
        for n in 1..4 {
            assert_eq!(line(&to(n)), line(&to(0)));
        }
    }
}

#[tokio::test]
#[ignore = "needs the judge: tests/judges/smtp.sh"]
async fn a_kept_line_that_the_server_has_closed_loses_no_message_and_repeats_none() {
    // It breaks off, says that it goes, and refused what came before.
    for before in ["leaves", "ends", "gone"] {
        let client = client("implicit", "hush");
        let (first, second) = (format!("{before}-before@example.com"), format!("{before}-after@example.com"));
        let _ = client.send(&letter(&first, "x")).await;
        let outcome = client.send(&letter(&second.replace("gone", "came"), "x")).await;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{before}: {outcome:?}");
        if before != "gone" {
            assert_ne!(line(&second), line(&first), "{before}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the judge: tests/judges/smtp.sh"]
async fn a_line_on_which_an_answer_was_lost_is_not_used_again() {
    let client = client("implicit", "hush");
    assert_eq!(client.send(&letter("vanishes-first@example.com", "x")).await, Outcome::Unknown);
    let outcome = client.send(&letter("then@example.com", "x")).await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    assert_eq!((received("vanishes-first@example.com").len(), received("then@example.com").len()), (1, 1));
}

#[tokio::test]
#[ignore = "needs the judge: tests/judges/smtp.sh"]
async fn a_servers_no_is_told_apart_by_what_may_be_done_next() {
    for (to, secret, wanted) in [
        ("gone@example.com", "hush", "Recipient"),
        ("greylisted@example.com", "hush", "busy: Recipient"),
        ("spam@example.com", "hush", "Content"),
        ("anna@example.com", "wrong", "Account"),
    ] {
        let outcome = client("implicit", secret).send(&letter(to, "x")).await;
        assert!(!matches!(outcome, Outcome::Accepted(_) | Outcome::Unknown), "{to}: {outcome:?}");
        assert!(format!("{outcome:?}").contains(wanted), "{to}: {outcome:?}");
    }
    assert_eq!(received("anna@example.com"), Vec::<Value>::new());
}
