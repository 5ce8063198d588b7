//! A stand-in for a server of mail: as much of SMTP (RFC 5321) as a client of ours needs, without encryption, on a
//! loopback listener of its own. What it does with whom stands in [`super::recipients`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::providers::Providers;
use super::recipients::{Fate, hang};
use super::signatures;
use crate::stop::Stop;

/// Takes mail until it is time to end.
pub(super) async fn serve(listener: TcpListener, providers: Providers, stop: Stop) {
    let stopped = stop.asked();
    tokio::pin!(stopped);
    loop {
        let stream = tokio::select! {
            () = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        match stream {
            Ok((stream, _)) => {
                let talk = Talk::new(stream, providers.clone());
                tokio::spawn(async move {
                    if let Err(error) = talk.run().await {
                        tracing::debug!(%error, "somebody hung up on the stand-in for mail");
                    }
                });
            }
            Err(error) => tracing::error!(%error, "the stand-in for mail takes nobody in"),
        }
    }
}

/// One client's talk with the server.
struct Talk {
    stream: BufReader<TcpStream>,
    providers: Providers,
    known: bool,
    from: String,
    to: Option<(String, Fate)>,
}

impl Talk {
    fn new(stream: TcpStream, providers: Providers) -> Self {
        Self { stream: BufReader::new(stream), providers, known: false, from: String::new(), to: None }
    }

    async fn run(mut self) -> std::io::Result<()> {
        self.says("220 stand-in ESMTP").await?;
        while let Some(line) = self.line().await? {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.says("250-stand-in\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN").await?,
                "AUTH" => {
                    self.known = rest.strip_prefix("PLAIN ").is_some_and(is_ours);
                    let answer = if self.known { "235 2.7.0 stand-in" } else { "535 5.7.8 stand-in" };
                    self.says(answer).await?;
                }
                "MAIL" if !self.known => self.says("530 5.7.0 stand-in").await?,
                "MAIL" => {
                    (self.from, self.to) = (address(rest), None);
                    self.says("250 2.1.0 stand-in").await?;
                }
                "RCPT" => self.recipient(address(rest)).await?,
                "DATA" if self.to.is_none() => self.says("503 5.5.1 stand-in").await?,
                "DATA" => self.text().await?,
                "NOOP" | "RSET" => self.says("250 2.0.0 stand-in").await?,
                "QUIT" => return self.says("221 2.0.0 stand-in").await,
                _ => self.says("502 5.5.1 stand-in").await?,
            }
        }
        Ok(())
    }

    async fn recipient(&mut self, to: String) -> std::io::Result<()> {
        let fate = self.providers.modes.fate("smtp", &to).await;
        let refusal = match fate {
            Fate::Taken | Fate::Hangs | Fate::Content => None,
            Fate::Gone => Some("550 5.1.1 stand-in"),
            Fate::Refuses => Some("550 5.7.1 stand-in"),
            Fate::Limited => Some("450 4.2.1 stand-in"),
            Fate::Busy => Some("421 4.3.2 stand-in"),
            Fate::Account => Some("530 5.7.0 stand-in"),
        };
        if refusal.is_none() {
            self.to = Some((to, fate));
        }
        self.says(refusal.unwrap_or("250 2.1.5 stand-in")).await
    }

    async fn text(&mut self) -> std::io::Result<()> {
        self.says("354 stand-in").await?;
        let mut lines = Vec::new();
        while let Some(line) = self.line().await? {
            if line == "." {
                return self.take(&lines).await;
            }
            // A dot at the beginning was doubled on the way.
            lines.push(line.strip_prefix('.').unwrap_or(&line).to_owned());
        }
        Ok(())
    }

    async fn take(&mut self, lines: &[String]) -> std::io::Result<()> {
        let Some((to, fate)) = self.to.take() else { return Ok(()) };
        if fate == Fate::Content {
            return self.says("554 5.6.0 stand-in").await;
        }
        let subject = lines.iter().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
        let request = json!({ "from": self.from, "to": to, "message": lines.join("\n") });
        let number = self.providers.outbox.note("smtp", &to, subject, request);
        if fate == Fate::Hangs {
            hang().await;
        }
        self.says(&format!("250 2.0.0 queued as {number}")).await
    }

    /// The next line without its end; none when the client has hung up.
    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await?;
        Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn says(&mut self, answer: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{answer}\r\n").as_bytes()).await
    }
}

/// Whether these are the name and the secret that the stand-in knows, as `AUTH PLAIN` has them (RFC 4616).
fn is_ours(response: &str) -> bool {
    let wanted = format!("\0stand-in\0{}", signatures::SECRET);
    STANDARD.decode(response).is_ok_and(|given| given == wanted.as_bytes())
}

/// The address between angle brackets.
fn address(rest: &str) -> String {
    rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(address, _)| address).to_owned()
}
