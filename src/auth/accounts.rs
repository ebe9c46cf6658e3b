//! What has to be done about the arguments of an operation before its job: counting attempts, testing and hashing passwords
//! ([`Mark`]); and accounts for those who do not come by way of an operation.

use std::net::IpAddr;

use super::guard::Attempt;
use super::{Auth, sign_in};
use crate::engine::Engine;
use crate::engine::accounts::people;
use crate::engine::audit::SignIn;
use crate::engine::operation::{self, Handler, Mark};
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::PASSWORD_BYTES;
use crate::store::{Session, Weight};

/// Who invokes an operation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker<'a> {
    /// None for an operation that is for everybody.
    pub caller: Option<&'a Caller>,
    /// From where.
    pub from: Option<IpAddr>,
}

/// The token of a mail that is shown: how it ends has to be said ([`Auth::settle`]).
#[derive(Debug)]
#[must_use]
pub struct Shown {
    attempt: Attempt,
    what: &'static str,
    from: Option<IpAddr>,
}

impl Auth {
    /// Does what the marks of a handler say about its arguments.
    ///
    /// # Errors
    /// `BAD_ARGUMENT`, `WEAK_PASSWORD`, 403 for a password that is not the caller's, 429, and what the handler says of the arguments
    /// without looking at the database.
    pub async fn prepare(&self, handler: &'static Handler, arguments: &mut [Value], asker: Asker<'_>) -> Outcome<Option<Shown>> {
        for (at, value) in arguments.iter().enumerate() {
            if handler.mark(at) == Mark::New {
                self.engine.accounts.password.check(password(value)?)?;
            }
        }
        if let Some(first) = handler.first {
            first(&self.engine, arguments)?;
        }
        let now = self.engine.clock.now();
        let mut shown = None;
        for (at, value) in arguments.iter().enumerate() {
            match (handler.mark(at), value) {
                (Mark::Token, _) => {
                    shown = Some(Shown {
                        attempt: self.guard.admit(None, asker.from, now)?,
                        what: handler.name,
                        from: asker.from,
                    });
                }
                (Mark::Mail, Value::Text(to)) => {
                    let stranger = asker.caller.is_none().then_some(asker.from);
                    self.guard.mail(to.trim(), stranger, now)?;
                }
                _ => {}
            }
        }
        for (at, value) in arguments.iter_mut().enumerate() {
            match handler.mark(at) {
                Mark::New => *value = Value::Text(self.hasher.hash(password(value)?.to_owned()).await?),
                Mark::Own => *value = self.own(password(value)?.to_owned(), asker).await?,
                _ => {}
            }
        }
        Ok(shown)
    }

    /// Tests the caller's own password; the hash that it was tested against.
    async fn own(&self, password: String, asker: Asker<'_>) -> Outcome<Value> {
        let caller = asker.caller.ok_or_else(|| Fault::internal("a password of nobody"))?;
        let (engine, user) = (self.engine.clone(), caller.user);
        // Before the test: what is changed in between makes the hash old, and the handler sees that.
        let account = self
            .db
            .read(Weight::Key, move |session| people::by_id(&engine, session, user))
            .await?;
        let not_yours = || Fault::new(&fault::FORBIDDEN, "This is not your password.");
        if let Some(account) = account.as_ref().filter(|account| account.internal) {
            return match sign_in::is_own(self, account, password, asker.from).await? {
                true => Ok(account.password_hash.clone().map_or(Value::Null, Value::Text)),
                false => Err(not_yours()),
            };
        }
        let proof = sign_in::by_password(self, None, caller.name.clone(), password, asker.from).await;
        match proof {
            Ok(proof) if proof.caller.user == user => {
                let hash = account.and_then(|account| account.password_hash);
                Ok(hash.map_or(Value::Null, Value::Text))
            }
            Err(fault) if fault.kind != &fault::UNAUTHENTICATED => Err(fault),
            _ => Err(not_yours()),
        }
    }

    /// Says how it ended with a token that was shown.
    pub fn settle(&self, shown: Option<Shown>, fault: Option<&Fault>) {
        let Some(shown) = shown else { return };
        match fault {
            Some(fault) if fault.kind == &fault::BAD_MAIL_TOKEN => {
                self.guard.failed(&shown.attempt, self.engine.clock.now());
                let failed = SignIn {
                    what: shown.what,
                    succeeded: false,
                    user: None,
                    from: shown.from,
                };
                self.engine.journal.note(failed, self.engine.clock.now());
            }
            _ => self.guard.untried(&shown.attempt),
        }
    }

    /// Carries something out that was answered already.
    ///
    /// # Errors
    /// 503 when too much of that waits.
    pub fn later(&self, job: impl FnOnce(&Engine, &mut Session<'_>) -> Outcome<()> + Send + 'static) -> Outcome<()> {
        let turn = self.later.clone().try_acquire_owned();
        let turn = turn.map_err(|_| Fault::new(&fault::BUSY, "Too many requests are being worked on."))?;
        let (engine, db) = (self.engine.clone(), self.db.clone());
        tokio::spawn(async move {
            let inner = engine.clone();
            let done = db.write(move |session| job(&inner, session)).await;
            if let Err(fault) = done {
                tracing::warn!(
                    code = fault.kind.code,
                    cause = fault.cause.as_deref().unwrap_or(""),
                    "what was answered already: {fault}"
                );
            }
            drop(turn);
        });
        Ok(())
    }

    /// Mails a token for a new password to the holder of an address, if there is one: answer nothing before it returns, and the same
    /// whatever the address. For log-in pages of other systems' shape.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` for what is no address, 429, 503.
    pub async fn request_reset(&self, mail: String, from: Option<IpAddr>) -> Outcome<()> {
        let handler = known("RequestPasswordReset")?;
        let mut arguments = vec![Value::Text(mail)];
        let asker = Asker { caller: None, from };
        self.settle(self.prepare(handler, &mut arguments, asker).await?, None);
        self.later(move |engine, session| handler.run_for_anybody(engine, session, &arguments))
    }

    /// Sets a password by the token of a mail.
    ///
    /// # Errors
    /// `WEAK_PASSWORD`, `BAD_MAIL_TOKEN`, 429.
    pub async fn reset_password(&self, token: String, password: String, from: Option<IpAddr>) -> Outcome<()> {
        let handler = known("ResetPassword")?;
        let mut arguments = vec![Value::Text(token), Value::Text(password)];
        let asker = Asker { caller: None, from };
        let shown = self.prepare(handler, &mut arguments, asker).await?;
        let engine = self.engine.clone();
        let done = self
            .db
            .write(move |session| handler.run_for_anybody(&engine, session, &arguments))
            .await;
        self.settle(shown, done.as_ref().err());
        done
    }
}

fn known(name: &str) -> Outcome<&'static Handler> {
    operation::handler(name).ok_or_else(|| Fault::internal(format!("no handler {name}")))
}

fn password(value: &Value) -> Outcome<&str> {
    match value {
        Value::Text(password) if password.len() <= PASSWORD_BYTES => Ok(password),
        Value::Text(_) => Err(Fault::new(
            &fault::TOO_LARGE,
            format!("A password has at most {PASSWORD_BYTES} bytes."),
        )),
        _ => Err(Fault::new(&fault::BAD_ARGUMENT, "A password is required.")),
    }
}
