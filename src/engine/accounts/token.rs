//! Tokens in mails: 32 random bytes, written down as a hash, for one purpose of one user, once, and not for long.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::Config;
use crate::engine::Engine;
use crate::model::clock::{SECOND, Ticks};
use crate::model::fault::{self, Fault, Outcome};
use crate::store::{Session, mail_token};

pub use crate::store::mail_token::MailToken;

/// What a token in a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Makes an account that signed up usable.
    Activation,
    /// Sets a password that was forgotten.
    Reset,
    /// Takes up an account that an administrator has made.
    Invitation,
    /// Proves that a new address is one's own.
    Mail,
}

impl Purpose {
    /// As it is written down.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Activation => "Activation",
            Purpose::Reset => "Reset",
            Purpose::Invitation => "Invitation",
            Purpose::Mail => "Mail",
        }
    }

    /// `{page}` in the link.
    pub fn page(self) -> &'static str {
        match self {
            Purpose::Activation | Purpose::Mail => "activate",
            Purpose::Reset => "resetPassword",
            Purpose::Invitation => "invitation",
        }
    }

    /// How long its tokens are good.
    fn life(self, config: &Config) -> Ticks {
        let seconds = match self {
            Purpose::Activation | Purpose::Mail => config.activation_hours * 3_600,
            Purpose::Reset => config.reset_minutes * 60,
            Purpose::Invitation => config.invitation_days * 86_400,
        };
        seconds * SECOND
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A new token of a user, which goes to an address.
pub fn issue(engine: &Engine, session: &mut Session<'_>, purpose: Purpose, user: i64, mail: &str) -> Outcome<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Fault::internal)?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let good_for = MailToken {
        purpose: purpose.name().to_owned(),
        user,
        mail: mail.to_owned(),
    };
    let expires = engine.clock.now() + purpose.life(&engine.accounts);
    mail_token::insert(session, &hash(&token), &good_for, expires)?;
    Ok(token)
}

/// Uses a token up: it, and all others of its purpose and user.
///
/// # Errors
/// `BAD_MAIL_TOKEN`, the same for every reason.
pub fn redeem(engine: &Engine, session: &mut Session<'_>, token: &str, purposes: &[Purpose]) -> Outcome<MailToken> {
    let names: Vec<&str> = purposes.iter().map(|purpose| purpose.name()).collect();
    let found = mail_token::take(session, &hash(token), &names, engine.clock.now())?.ok_or_else(bad)?;
    mail_token::end(session, found.user, &found.purpose)?;
    Ok(found)
}

/// Ends a user's tokens of a purpose.
pub fn end(session: &mut Session<'_>, user: i64, purpose: Purpose) -> Outcome<()> {
    mail_token::end(session, user, purpose.name())
}

/// A token that is not one, or not any more.
pub fn bad() -> Fault {
    Fault::new(&fault::BAD_MAIL_TOKEN, "The token is not right, was used already, or is too old.")
}
