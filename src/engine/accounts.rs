//! People's own accounts: what their settings allow, the tokens in mails, and the mails.

pub mod outbox;
pub mod people;
mod texts;
pub mod token;

use crate::model::caller::Guid;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::MAIL_ADDRESS_BYTES;

pub use texts::Letter;

/// The section `[accounts]` of the settings.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Anybody may make an account.
    pub sign_up: bool,
    /// In this tenant.
    pub sign_up_tenant: Option<Guid>,
    /// Domains that addresses of sign-ups and of changed mails may have, in lower case; none is any.
    pub domains: Vec<String>,
    /// What a password has to be like.
    pub password: PasswordRule,
    /// How long an activation's token is good.
    pub activation_hours: i64,
    /// How long a password reset's token is good.
    pub reset_minutes: i64,
    /// How long an invitation's token is good.
    pub invitation_days: i64,
    /// The links in mails, with `{public_url}`, `{page}` and `{token}`.
    pub link: String,
    /// For `{public_url}`.
    pub public_url: String,
    /// How long audit trails are kept; 0 is for ever.
    pub audit_days: i64,
}

/// What a password has to be like that somebody chooses over the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PasswordRule {
    /// Fewest characters.
    pub length: usize,
    /// It has a lower and an upper letter, a digit, and something else.
    pub classes: bool,
}

impl PasswordRule {
    /// # Errors
    /// `WEAK_PASSWORD`; the sentence never holds the password.
    pub fn check(self, password: &str) -> Outcome<()> {
        let weak = |what: String| Err(Fault::new(&fault::WEAK_PASSWORD, what));
        if password.chars().count() < self.length {
            return weak(format!("A password has at least {} characters.", self.length));
        }
        let is_other = |c: char| !c.is_lowercase() && !c.is_uppercase() && !c.is_numeric();
        let has = |kind: &dyn Fn(char) -> bool| password.chars().any(kind);
        if self.classes && !(has(&char::is_lowercase) && has(&char::is_uppercase) && has(&char::is_numeric) && has(&is_other)) {
            return weak("A password has a lower and an upper case letter, a digit and another character.".to_owned());
        }
        Ok(())
    }
}

impl Config {
    /// Whether people may have such an address: it is one, and its domain is allowed. Domains are compared whole; one that is below an
    /// allowed one is another.
    ///
    /// # Errors
    /// `BAD_ARGUMENT`.
    pub fn check_domain(&self, mail: &str) -> Outcome<()> {
        let domain = check_mail(mail)?.to_ascii_lowercase();
        match self.domains.is_empty() || self.domains.contains(&domain) {
            true => Ok(()),
            false => {
                let message = format!("Addresses are of {}.", self.domains.join(", "));
                Err(Fault::new(&fault::BAD_ARGUMENT, message).of("Mail"))
            }
        }
    }

    /// The link in a mail.
    pub fn link(&self, page: &str, token: &str) -> String {
        let link = self.link.replace("{public_url}", &self.public_url);
        link.replace("{page}", page).replace("{token}", token)
    }
}

/// The domain of a mail address: what RFC 5321 calls a dot-string, `@`, and a name of labels. Neither quoted names nor address
/// literals: nothing that could mean something else in a header.
///
/// # Errors
/// `BAD_ARGUMENT`.
pub fn check_mail(mail: &str) -> Outcome<&str> {
    let is_atom = |atom: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        !atom.is_empty() && atom.bytes().all(is_plain)
    };
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(is_plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    let parts = mail.split_once('@').filter(|_| mail.len() <= MAIL_ADDRESS_BYTES);
    let fits = |(local, domain): &(&str, &str)| local.len() <= 64 && local.split('.').all(is_atom) && domain.split('.').all(is_label);
    let domain = parts.filter(fits).map(|(_, domain)| domain);
    domain.ok_or_else(|| Fault::new(&fault::BAD_ARGUMENT, "This is not a mail address.").of("Mail"))
}

/// A name that a stranger chooses: it stands in mails to others, so it holds nothing that a reader could take for a link or a line.
///
/// # Errors
/// `BAD_ARGUMENT`.
pub fn check_name(name: &str) -> Outcome<()> {
    let is_plain = |c: char| c.is_alphanumeric() || " .-_@'".contains(c);
    let fits = !name.is_empty() && name == name.trim() && name.chars().count() <= 64 && name.chars().all(is_plain);
    match fits {
        true => Ok(()),
        false => {
            let message = "A name has at most 64 letters, digits and characters of `.-_@'` or blanks between them.";
            Err(Fault::new(&fault::BAD_ARGUMENT, message).of("Name"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (mail, expected) in [
            ("a@test.com", Some("test.com")),
            ("a.b+c@sub.test.com", Some("sub.test.com")),
            ("o'neil@localhost", Some("localhost")),
            ("a@test.com\r\nBcc: b@test.com", None),
            ("a@test.com\n", None),
            ("a@@test.com", None),
            ("\"a b\"@test.com", None),
            ("a@[127.0.0.1]", None),
            ("a b@test.com", None),
            (".a@test.com", None),
            ("a..b@test.com", None),
            ("a@-test.com", None),
            ("a@test..com", None),
            ("a@test.com.", None),
            ("A <a@test.com>", None),
            ("a@test.com,b@test.com", None),
            ("ä@test.com", None),
            ("a@", None),
            ("@b", None),
            ("", None),
        ] {
            assert_eq!(check_mail(mail).ok(), expected, "{mail:?}");
        }
        let long = |length: usize| format!("a@{}", "bcde.".repeat(60)[..length - 3].to_owned() + "x");
        assert!(check_mail(&long(MAIL_ADDRESS_BYTES)).is_ok() && check_mail(&long(MAIL_ADDRESS_BYTES + 1)).is_err());
        assert!(check_mail(&format!("{}@b.c", "a".repeat(64))).is_ok() && check_mail(&format!("{}@b.c", "a".repeat(65))).is_err());
    }

    #[test]
    fn domains_are_compared_whole() {
        let config = Config {
            domains: vec!["test.com".to_owned()],
            ..Config::default()
        };
        for (mail, expected) in [
            ("a@test.com", true),
            ("a@TEST.com", true),
            ("a@testXcom", false),
            ("a@testxcom", false),
            ("a@sub.test.com", false),
            ("a@test.com.evil.org", false),
            ("a@eviltest.com", false),
            ("a@test", false),
        ] {
            assert_eq!(config.check_domain(mail).is_ok(), expected, "{mail}");
        }
        assert!(Config::default().check_domain("a@any.where").is_ok());
    }

    #[test]
    fn passwords() {
        let plain = PasswordRule {
            length: 12,
            classes: false,
        };
        let strict = PasswordRule { classes: true, ..plain };
        for (password, by_length, by_classes) in [
            ("12345678901", false, false),
            ("123456789012", true, false),
            ("äöüäöüäöüäöü", true, false),
            ("Aa1-Aa1-Aa1-", true, true),
            ("Aa1Aa1Aa1Aa1", true, false),
            ("aa1-aa1-aa1-", true, false),
            ("Aa--Aa--Aa--", true, false),
            ("", false, false),
        ] {
            assert_eq!(plain.check(password).is_ok(), by_length, "{password}");
            assert_eq!(strict.check(password).is_ok(), by_classes, "{password}");
        }
    }

    #[test]
    fn names_of_strangers() {
        for (name, expected) in [
            ("anna", true),
            ("Änne O'Neil-Müller_2@home", true),
            ("", false),
            (" a", false),
            ("a\nb", false),
            ("see http://evil.example", false),
            ("a<b", false),
        ] {
            assert_eq!(check_name(name).is_ok(), expected, "{name:?}");
        }
        assert!(check_name(&"ä".repeat(64)).is_ok() && check_name(&"a".repeat(65)).is_err());
    }

    #[test]
    fn links() {
        let config = Config {
            link: "{public_url}/{page}?token={token}".to_owned(),
            public_url: "https://h/p".to_owned(),
            ..Config::default()
        };
        assert_eq!(config.link("activate", "t"), "https://h/p/activate?token=t");
    }
}
