//! Sends what stands in the outbox ([`outbox`]).

use std::path::PathBuf;
use std::sync::Arc;

use lettre::Address;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};

use super::transport::{Failure, Transport};
use super::{AFTER_FAULT, LOOK, Stop, report};
use crate::engine::Engine;
use crate::engine::accounts::outbox::{self, Mail};
use crate::model::fault::Outcome;
use crate::model::limits::MAILS_AT_ONCE;
use crate::store::Db;

/// The section `[mail]` of the settings.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Who sends mails for us; without one they become files.
    pub server: Option<Server>,
    /// To sign in there.
    pub user: String,
    /// To sign in there.
    pub password: String,
    /// The sender, `Name <address>`.
    pub from: String,
    /// Where files go.
    pub folder: PathBuf,
    /// A file with certificates, in PEM, that are trusted beside the system's.
    pub certificates: Option<PathBuf>,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the conversation is kept secret.
    pub security: Security,
}

/// How a conversation with a mail server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all: only to this machine.
    None,
    /// It begins in the open, and nothing is said before it is encrypted.
    StartTls,
    /// From the first byte.
    Tls,
}

impl Server {
    /// Reads `smtp://host:port` and `smtps://host:port`. `smtp` is STARTTLS, but plain to this machine.
    pub fn read(text: &str) -> Option<Server> {
        let (scheme, rest) = text.split_once("://")?;
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !rest.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (rest, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = bare.parse::<std::net::IpAddr>();
        let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        if address.is_err() && !is_name {
            return None;
        }
        let is_here = address.map_or(host == "localhost", |address| address.is_loopback());
        let (security, standard) = match scheme {
            "smtp" if is_here => (Security::None, 25),
            "smtp" => (Security::StartTls, 587),
            "smtps" => (Security::Tls, 465),
            _ => return None,
        };
        Some(Server {
            host: bare.to_owned(),
            port: port.unwrap_or(standard),
            security,
        })
    }
}

/// Sends mails.
#[derive(Debug)]
pub struct Sender {
    engine: Arc<Engine>,
    db: Db,
    from: Mailbox,
    transport: Transport,
}

impl Sender {
    /// # Errors
    /// A setting cannot be used.
    pub fn new(engine: Arc<Engine>, db: Db, config: &Config) -> Result<Sender, String> {
        Ok(Sender {
            engine,
            db,
            from: mailbox(&config.from)?,
            transport: Transport::new(config)?,
        })
    }

    /// Looks for mails and sends them, until told to stop.
    pub(super) fn run(&self, stop: &Stop) {
        let engine = self.engine.clone();
        if let Err(fault) = self.db.write_now(move |session| outbox::release(&engine, session)) {
            report("the outbox cannot be looked at", &fault);
        }
        let mut pause = LOOK / 20;
        while !stop.wait(pause) {
            pause = match self.round() {
                Ok(()) => LOOK,
                Err(fault) => {
                    report("the outbox cannot be looked at", &fault);
                    AFTER_FAULT
                }
            };
        }
    }

    /// Sends what is due.
    fn round(&self) -> Outcome<()> {
        while self.db.read_now(|session| outbox::is_any_due(&self.engine, session))? {
            let engine = self.engine.clone();
            let claimed = self.db.write_now(move |session| outbox::claim(&engine, session, MAILS_AT_ONCE))?;
            if claimed.is_empty() {
                // Another instance was faster.
                return Ok(());
            }
            for mail in claimed {
                let sent = message(&self.from, &mail).and_then(|message| self.transport.send(&message, mail.id));
                self.write_down(mail, sent)?;
            }
        }
        Ok(())
    }

    fn write_down(&self, mail: Mail, sent: Result<(), Failure>) -> Outcome<()> {
        let engine = self.engine.clone();
        match sent {
            Ok(()) => tracing::info!(mail = mail.id, "a mail was sent"),
            Err(ref failure) => tracing::warn!(mail = mail.id, attempt = mail.attempts, "a mail was not sent: {}", failure.why),
        }
        self.db.write_now(move |session| match sent {
            Ok(()) => outbox::sent(&engine, session, mail.id),
            Err(failure) => outbox::failed(&engine, session, &mail, &failure.why, failure.is_final),
        })
    }
}

/// Reads the setting of the sender.
///
/// # Errors
/// It is no address.
pub fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse()
        .map_err(|_| "is an address, like Odonata <odonata@example.org>".to_owned())
}

/// The message. What a recipient or a subject holds cannot become a header of its own: the library's types write them.
fn message(from: &Mailbox, mail: &Mail) -> Result<Message, Failure> {
    let recipient = mail.recipient.parse::<Address>();
    let recipient = recipient.map_err(|_| Failure::last("the recipient is no mail address"))?;
    let id = format!("<{}@{}>", uuid::Uuid::new_v4(), from.email.domain());
    let message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, recipient))
        .subject(mail.subject.clone())
        .message_id(Some(id))
        .header(ContentType::TEXT_PLAIN)
        .body(mail.body.clone());
    message.map_err(|error| Failure::last(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(recipient: &str, subject: &str, body: &str) -> Mail {
        Mail {
            id: 1,
            recipient: recipient.to_owned(),
            subject: subject.to_owned(),
            body: body.to_owned(),
            attempts: 1,
        }
    }

    #[test]
    fn servers() {
        let server = |host: &str, port, security| {
            Some(Server {
                host: host.to_owned(),
                port,
                security,
            })
        };
        for (text, expected) in [
            ("smtp://mail.example.org", server("mail.example.org", 587, Security::StartTls)),
            ("smtp://mail.example.org:25", server("mail.example.org", 25, Security::StartTls)),
            ("smtps://mail.example.org/", server("mail.example.org", 465, Security::Tls)),
            ("smtp://localhost", server("localhost", 25, Security::None)),
            ("smtp://127.0.0.1:2525", server("127.0.0.1", 2525, Security::None)),
            ("smtp://[::1]:2525", server("::1", 2525, Security::None)),
            ("smtp://[::1]", server("::1", 25, Security::None)),
            ("smtps://localhost", server("localhost", 465, Security::Tls)),
            ("smtp://10.0.0.1", server("10.0.0.1", 587, Security::StartTls)),
            (
                "smtp://localhost.evil.example",
                server("localhost.evil.example", 587, Security::StartTls),
            ),
            ("http://mail.example.org", None),
            ("smtp://", None),
            ("smtp://user:secret@mail.example.org", None),
            ("smtp://mail.example.org:x", None),
            ("mail.example.org", None),
        ] {
            assert_eq!(Server::read(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_becomes_a_header() {
        let from = mailbox("Odonata <odonata@localhost>").unwrap();
        for recipient in [
            "a@b.c\r\nBcc: x@y.z",
            "a@b.c\nBcc: x@y.z",
            "a@b.c, x@y.z",
            "A <a@b.c>",
            "a@b.c\0",
            "",
        ] {
            assert!(message(&from, &mail(recipient, "s", "b")).is_err(), "{recipient:?}");
        }
        let sent = message(&from, &mail("a@b.c", "s\r\nBcc: x@y.z\r\n\r\nX-Evil: 1", "text\r\n.\r\nQUIT\r\n")).unwrap();
        let text = String::from_utf8(sent.formatted()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(
            !head.lines().any(|line| line.starts_with("Bcc") || line.starts_with("X-Evil")),
            "{head}"
        );
        assert_eq!(sent.envelope().to().len(), 1);
        assert!(mailbox("a@b.c\r\nBcc: x@y.z").is_err());
    }
}
