//! E-mail by SMTP (RFC 5321), for whoever sends mail through a server of their own: in the China partition, where SES has
//! no region, that is what most providers of mail offer.
//!
//! Which answer means what is decided by how far the talk had come. Until the server has asked for the message by its
//! answer to `DATA`, nothing can have gone out, whatever breaks. From then on only an answer tells: a line that is lost
//! before it leaves the message's fate unknown, and an SMTP server keeps no records that could be asked. What happens
//! after it has taken a message, it tells by mail to the sender's address, which nobody here reads: a bounce is not
//! known, and suppresses nothing. Who wants to know takes a provider with receipts.
//!
//! A line is kept for the next message after an answer that the message was taken, and never after anything else: it is
//! either known to be ready for another one or not used again. The server may close it meanwhile; whoever finds that out
//! has sent nothing yet, and goes on by a new line.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Account, Fault, Known, Message, Outcome, Sender, Sent};
use crate::clock::Clock;
use crate::domain::campaign::content::Rendered;
use crate::domain::traits::Channel;
use crate::values::Moment;

/// How long one message may take, from the first byte out to the server's last answer.
const TIMEOUT: Duration = Duration::from_secs(8);

/// How long a line is kept that nobody uses: servers wait for five minutes at least (RFC 5321, 4.5.3.2.7), and what lies
/// between may forget sooner.
const KEPT_FOR: Duration = Duration::from_mins(1);

/// The most lines that are kept: as many as messages go side by side in one process, more would only stand in the way of
/// others at servers that count them.
const MOST_KEPT: usize = 8;

/// The most messages on one line: servers end those that go on for long.
const MOST_MESSAGES: u32 = 50;

/// How long a kept line may take to show that it is still there.
const SILENCE: Duration = Duration::from_secs(2);

/// How long a line that has done its work waits to be let go in due form.
const GOODBYE: Duration = Duration::from_millis(200);

/// How long a recipient is left alone for whom the server takes nothing just now: greylisting lets go after less.
const BUSY_FOR: Duration = Duration::from_mins(30);

/// How a line to the server is kept from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// By TLS from the first byte on (RFC 8314), port 465.
    #[default]
    Implicit,
    /// By TLS before anything is said; a server that does not offer it gets nothing. Port 587.
    Starttls,
    /// By nothing; for a server on this machine alone.
    None,
}

/// A server of mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpServer {
    /// Its name, as its certificate has it.
    pub host: String,
    /// Its port; 465 or 587 by the encryption when left out. Lambda lets nothing out to port 25.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the line is kept from others.
    #[serde(default)]
    pub encryption: Encryption,
    /// The address that mail comes from, with or without a name: `回头客 <news@example.cn>`.
    pub from: String,
}

impl SmtpServer {
    /// What is wrong with the settings; none when they can be used.
    #[must_use]
    pub fn flaw(&self) -> Option<&'static str> {
        if self.from.parse::<Mailbox>().is_err() {
            return Some("from must be an e-mail address, with or without a name");
        }
        let plain = self.encryption == Encryption::None;
        (plain && !self.is_here()).then_some("encryption none is for a server on this machine")
    }

    fn is_here(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(match self.encryption {
            Encryption::Implicit => 465,
            Encryption::Starttls => 587,
            Encryption::None => 25,
        })
    }
}

/// E-mail by SMTP.
pub struct Smtp {
    server: SmtpServer,
    account: Account,
    from: Mailbox,
    clock: Arc<dyn Clock>,
    /// Made by the first message: the platform's authorities take their time to load.
    trust: OnceLock<TlsParameters>,
    /// Lines that are ready for another message, the one used last at the end.
    kept: Mutex<Vec<Talk>>,
}

/// A line to the server on which we have said who we are.
struct Talk {
    line: AsyncSmtpConnection,
    messages: u32,
    used_at: Instant,
}

impl Talk {
    /// Tells of a letter, until the server waits for its text. Nothing has gone out by then, whatever breaks.
    async fn announce(&mut self, letter: &Letter) -> Result<(), (Step, Error)> {
        let sender = Mail::new(letter.envelope.from().cloned(), Vec::new());
        self.line.command(sender).await.map_err(|error| (Step::Sender, error))?;
        for to in letter.envelope.to() {
            let recipient = Rcpt::new(to.clone(), Vec::new());
            self.line.command(recipient).await.map_err(|error| (Step::Recipient, error))?;
        }
        self.line.command(Data).await.map_err(|error| (Step::Text, error))?;
        Ok(())
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("server", &self.server).field("account", &self.account).finish_non_exhaustive()
    }
}

/// A message as the server gets it.
struct Letter {
    envelope: Envelope,
    /// Headers and body, in ASCII.
    text: Vec<u8>,
}

impl Smtp {
    /// A client of a server; none when its settings can't be used. No connection is made.
    #[must_use]
    pub fn new(server: SmtpServer, account: Account, clock: Arc<dyn Clock>) -> Option<Self> {
        if server.flaw().is_some() {
            return None;
        }
        let from = server.from.parse().ok()?;
        Some(Self { server, account, from, clock, trust: OnceLock::new(), kept: Mutex::default() })
    }

    /// The message in the form of RFC 5322. Its id is that of the send, by which the server's log names it.
    fn letter(&self, message: &Message) -> Result<Letter, Outcome> {
        let Rendered::Email { subject, text, html, unsubscribe } = &message.content else {
            return Err(Outcome::permanent(Fault::Content, "not_an_email"));
        };
        let unfit = || Outcome::permanent(Fault::Content, "unfit_for_mail");
        let to = message.to.as_str().parse().map_err(|_| Outcome::permanent(Fault::Recipient, "bad_address"))?;
        let mut letter = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(subject))
            .date(on(self.clock.wall()))
            .message_id(Some(format!("<{}@{}>", message.send, self.from.email.domain())));
        for (name, value) in super::mail_headers(unsubscribe.as_deref()) {
            let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|_| unfit())?;
            letter = letter.raw_header(HeaderValue::new(name, one_line(&value)));
        }
        let letter = match html {
            Some(html) => letter.multipart(MultiPart::alternative_plain_html(text.clone(), html.clone())),
            None => letter.singlepart(SinglePart::plain(text.clone())),
        };
        let letter = letter.map_err(|_| unfit())?;
        Ok(Letter { envelope: letter.envelope().clone(), text: letter.formatted() })
    }

    fn trust(&self) -> Result<TlsParameters, Outcome> {
        if let Some(trust) = self.trust.get() {
            return Ok(trust.clone());
        }
        let made = TlsParameters::new(self.server.host.clone());
        let made = made.map_err(|_| Outcome::permanent(Fault::Account, "no_tls"))?;
        Ok(self.trust.get_or_init(|| made).clone())
    }

    /// A line to the server, encrypted, on which we have said who we are.
    async fn connected(&self) -> Result<Talk, Outcome> {
        let us = ClientId::Domain(self.from.email.domain().to_owned());
        let encryption = self.server.encryption;
        let implicit = if encryption == Encryption::Implicit { Some(self.trust()?) } else { None };
        let server = (self.server.host.as_str(), self.server.port());
        let line = AsyncSmtpConnection::connect_tokio1(server, Some(TIMEOUT), &us, implicit, None).await;
        let mut line = line.map_err(|error| not_sent(Step::Connecting, &error))?;
        if encryption == Encryption::Starttls {
            let upgraded = line.starttls(self.trust()?, &us).await;
            upgraded.map_err(|error| not_sent(Step::Connecting, &error))?;
        }
        let (mechanisms, Account { key, secret }) = ([Mechanism::Plain, Mechanism::Login], self.account.clone());
        let known = line.auth(&mechanisms, &Credentials::new(key, secret)).await;
        known.map_err(|error| not_sent(Step::LoggingIn, &error))?;
        Ok(Talk { line, messages: 0, used_at: Instant::now() })
    }

    /// A line on which the server waits for this letter's text: a kept one that is still there, or a new one.
    async fn announced(&self, letter: &Letter) -> Result<Talk, Outcome> {
        while let Some(mut talk) = self.ready() {
            match timeout(SILENCE, talk.announce(letter)).await {
                Ok(Ok(())) => return Ok(talk),
                Ok(Err((step, error))) if !is_gone(&error) => return Err(not_sent(step, &error)),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        let mut talk = self.connected().await?;
        talk.announce(letter).await.map_err(|(step, error)| not_sent(step, &error))?;
        Ok(talk)
    }

    /// The kept line that was used last, and nobody's from now on; those that are too old are let go.
    fn ready(&self) -> Option<Talk> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|talk| talk.used_at.elapsed() < KEPT_FOR);
        kept.pop()
    }

    /// Keeps a line on which the server has just taken a message; gives back one that is to be let go.
    fn keep(&self, talk: Talk) -> Option<Talk> {
        let talk = Talk { messages: talk.messages.saturating_add(1), used_at: Instant::now(), ..talk };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if talk.messages >= MOST_MESSAGES || kept.len() >= MOST_KEPT {
            return Some(talk);
        }
        kept.push(talk);
        None
    }
}

impl Sender for Smtp {
    fn channel(&self) -> Channel {
        Channel::Email
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let letter = match self.letter(message) {
                Ok(letter) => letter,
                Err(outcome) => return outcome,
            };
            let deadline = Instant::now() + TIMEOUT;
            let mut talk = match timeout_at(deadline, self.announced(&letter)).await {
                Ok(Ok(talk)) => talk,
                Ok(Err(outcome)) => return outcome,
                Err(_) => return Outcome::provider_busy(Duration::ZERO),
            };
            // From here on only an answer tells that it did not go out.
            match timeout_at(deadline, talk.line.message(&letter.text)).await {
                Ok(Ok(_)) => {
                    if let Some(mut talk) = self.keep(talk) {
                        // It has the message; whether it hears that we go changes nothing.
                        let _ = timeout(GOODBYE, talk.line.quit()).await;
                    }
                    Outcome::accepted(None, message.send)
                }
                Ok(Err(error)) if error.status().is_some() => not_sent(Step::Text, &error),
                Ok(Err(_)) | Err(_) => Outcome::Unknown,
            }
        })
    }

    /// An SMTP server keeps no records that could be asked.
    fn look_up<'a>(&'a self, _: &'a Sent) -> BoxFuture<'a, Known> {
        Box::pin(async { Known::Never })
    }
}

/// A header's value in one line: what would begin another header is a blank.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn on(moment: Moment) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(moment.seconds()).unwrap_or(0))
}

/// How far the talk with a server had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connecting,
    LoggingIn,
    Sender,
    Recipient,
    /// Whether it wants the text, and whether it takes it.
    Text,
}

/// Whether the line has come to its end: broken, or given up by the server (RFC 5321, 3.8).
fn is_gone(error: &Error) -> bool {
    error.status().is_none_or(|status| u16::from(status) == 421)
}

/// What it means that a server said no, or nothing, at a step at which nothing has gone out.
fn not_sent(step: Step, error: &Error) -> Outcome {
    let Some(status) = error.status() else {
        // What the server does not offer, it will not offer the next time.
        return match step {
            Step::Connecting | Step::LoggingIn if error.is_client() => {
                Outcome::permanent(Fault::Account, "not_offered")
            }
            _ => Outcome::provider_busy(Duration::ZERO),
        };
    };
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    judged(step, status.into(), &said)
}

/// What a reply means, by its code (RFC 5321, 4.2) and the finer one that its text may begin with (RFC 3463).
fn judged(step: Step, status: u16, said: &str) -> Outcome {
    let finer = said.split(' ').next().filter(|word| is_finer(word)).unwrap_or_default();
    let code = format!("{status}{}{finer}", if finer.is_empty() { "" } else { "-" });
    let about_recipient = finer.starts_with("5.1.") || finer.starts_with("5.2.");
    match (status, step) {
        // Unless the server goes away or has no room.
        (400..=499, Step::Recipient) if status != 421 && status != 452 => Outcome::recipient_busy(BUSY_FOR),
        (400..=499, _) => Outcome::provider_busy(Duration::ZERO),
        // Who we are is not known or not good enough, whenever the server says so.
        (530 | 534 | 535 | 538, _) | (_, Step::Connecting | Step::LoggingIn | Step::Sender) => {
            Outcome::permanent(Fault::Account, &code)
        }
        (_, Step::Recipient) => Outcome::permanent(Fault::Recipient, &code),
        (_, Step::Text) if about_recipient || (finer.is_empty() && status == 550) => {
            Outcome::permanent(Fault::Recipient, &code)
        }
        (_, Step::Text) => Outcome::permanent(Fault::Content, &code),
    }
}

/// Whether a word is an enhanced status code, as `5.1.1`.
fn is_finer(word: &str) -> bool {
    let digits = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    word.split('.').count() == 3 && word.split('.').all(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channels::tests::Evening;
    use crate::channels::{Address, Busy};
    use crate::values::{CampaignId, SendId};

    fn smtp(from: &str) -> Smtp {
        let server = SmtpServer {
            host: "smtp.example.cn".to_owned(),
            port: None,
            encryption: Encryption::Implicit,
            from: from.to_owned(),
        };
        let account = Account { key: "news@example.cn".to_owned(), secret: "hush".to_owned() };
        Smtp::new(server, account, Arc::new(Evening)).unwrap()
    }

    fn message(to: &str, subject: &str, text: &str, html: Option<&str>) -> Message {
        Message {
            send: SendId::of("test", &["one"]),
            campaign: CampaignId::of("test", &["campaign"]),
            channel: Channel::Email,
            to: Address::new(to.to_owned()),
            content: Rendered::Email {
                subject: subject.to_owned(),
                text: text.to_owned(),
                html: html.map(ToOwned::to_owned),
                unsubscribe: Some("https://m.example.cn/u/0123456789abcdef0123456789abcdef".to_owned()),
            },
        }
    }

    fn text_of(message: &Message) -> String {
        let letter = smtp("回头客 <news@example.cn>").letter(message).unwrap();
        String::from_utf8(letter.text).unwrap()
    }

    /// The names of a letter's headers, and its body.
    fn parts(text: &str) -> (Vec<&str>, &str) {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let begins = |line: &&str| !line.starts_with([' ', '\t']);
        (head.split("\r\n").filter(begins).map(|line| line.split(':').next().unwrap()).collect(), body)
    }

    #[test]
    fn a_letter_names_its_send_and_shows_the_way_out() {
        let message = message("anna@example.com", "好久不见", "您好", None);
        let text = text_of(&message);
        let id = format!("Message-ID: <{}@example.cn>\r\n", message.send);
        let out = "List-Unsubscribe: <https://m.example.cn/u/0123456789abcdef0123456789abcdef>\r\n";
        for line in [
            id.as_str(),
            out,
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            "Date: Sat, 14 Nov 2026 12:00:00",
            "To: anna@example.com\r\n",
            "<news@example.cn>\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(text.is_ascii());
    }

    #[test]
    fn what_has_html_comes_as_text_too() {
        let text = text_of(&message("anna@example.com", "Hello", "plain words", Some("<p>other words</p>")));
        assert!(text.contains("multipart/alternative"), "{text}");
        assert!(text.find("plain words").unwrap() < text.find("<p>other words</p>").unwrap(), "{text}");
    }

    #[test]
    fn a_name_with_a_line_break_begins_no_header_and_no_body() {
        let subject = "anna\r\nBcc: all@example.com\r\n\r\nbuy now";
        let text = text_of(&message("anna@example.com", subject, "hello", None));
        let (names, body) = parts(&text);
        assert!(!names.contains(&"Bcc") && !body.contains("buy now"), "{text}");
    }

    #[test]
    fn an_address_that_is_none_is_the_recipients_fault_and_reaches_no_server() {
        for to in ["", "anna", "a b@example.com", "anna@example.com\r\nRCPT TO:<all@example.com>", "a@b>@c.cn"] {
            let refused = smtp("news@example.cn").letter(&message(to, "s", "t", None)).err();
            let wanted = Some(Outcome::permanent(Fault::Recipient, "bad_address"));
            assert_eq!(refused, wanted, "{to}");
        }
    }

    proptest! {
        /// Whatever stands in a subject, a letter has the headers that we gave it and no other.
        #[test]
        fn no_subject_adds_a_header(subject in "(.|\\r|\\n|\u{0}|Bcc: ){0,80}") {
            let text = text_of(&message("anna@example.com", &subject, "hello", None));
            let (names, body) = parts(&text);
            let wanted = ["From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post",
                "MIME-Version", "Content-Type", "Content-Transfer-Encoding"];
            prop_assert!(names.iter().all(|name| wanted.contains(name)), "{:?}", names);
            prop_assert_eq!(body.trim_end(), "hello");
        }
    }

    fn class(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Retry { busy: Busy::Provider, .. } => "provider".to_owned(),
            Outcome::Retry { busy: Busy::Recipient, .. } => "enough".to_owned(),
            Outcome::Permanent { reason } => format!("{:?} {}", reason.of, reason.code),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_reply_means_what_its_code_and_its_step_say() {
        for (step, status, said, wanted) in [
            (Step::Connecting, 554, "no service", "Account 554"),
            (Step::Connecting, 421, "too many", "provider"),
            (Step::LoggingIn, 535, "5.7.8 who", "Account 535-5.7.8"),
            (Step::LoggingIn, 454, "4.7.0 later", "provider"),
            (Step::Sender, 553, "not yours", "Account 553"),
            (Step::Sender, 451, "", "provider"),
            (Step::Recipient, 550, "5.1.1 nobody", "Recipient 550-5.1.1"),
            (Step::Recipient, 530, "5.7.0 log in", "Account 530-5.7.0"),
            (Step::Recipient, 450, "4.2.1 greylisted", "enough"),
            (Step::Recipient, 452, "4.3.1 full", "provider"),
            (Step::Recipient, 421, "4.3.2 closing", "provider"),
            (Step::Text, 451, "", "provider"),
            (Step::Text, 554, "5.7.1 spam", "Content 554-5.7.1"),
            (Step::Text, 554, "Reject by content spam", "Content 554"),
            (Step::Text, 552, "5.3.4 too big", "Content 552-5.3.4"),
            (Step::Text, 550, "5.1.1 nobody", "Recipient 550-5.1.1"),
            (Step::Text, 550, "no such user", "Recipient 550"),
        ] {
            assert_eq!(class(&judged(step, status, said)), wanted, "{step:?} {status} {said}");
        }
    }

    #[test]
    fn a_line_that_anybody_can_read_leads_to_this_machine_only() {
        let server = |host: &str| SmtpServer {
            host: host.to_owned(),
            port: None,
            encryption: Encryption::None,
            from: "a@b.cn".to_owned(),
        };
        for (host, good) in [("127.0.0.1", true), ("::1", true), ("localhost", true), ("smtp.example.cn", false)] {
            assert_eq!(server(host).flaw().is_none(), good, "{host}");
        }
        assert!(!format!("{:?}", smtp("a@b.cn")).contains("hush"));
    }
}
