//! What mails say. Plain text; the third line is the link, where there is one.

/// A mail that is to be written.
#[derive(Debug, Clone, Copy)]
pub enum Letter<'a> {
    /// To who has signed up.
    Activation { name: &'a str, link: &'a str },
    /// To who has signed up with an address that has an account.
    HasAccount { name: &'a str },
    /// To who has signed up under a name that is taken.
    NameTaken { name: &'a str },
    /// To who has forgotten the password.
    Reset { name: &'a str, link: &'a str },
    /// To who has a new password.
    PasswordChanged { name: &'a str },
    /// To who is invited.
    Invitation { name: &'a str, link: &'a str },
    /// To a new address.
    NewMail { name: &'a str, link: &'a str },
    /// To the address that was the user's before.
    MailChanged { name: &'a str },
}

impl Letter<'_> {
    /// Subject and text.
    pub fn write(self) -> (&'static str, String) {
        match self {
            Letter::Activation { name, link } => (
                "Activate your account",
                format!(
                    "Somebody, hopefully you, has signed up as {name}. To activate the account, open this page:\n\n{link}\n\nOtherwise do nothing.\n"
                ),
            ),
            Letter::HasAccount { name } => (
                "You have an account already",
                format!(
                    "Somebody, hopefully you, has signed up with this address, but it has an account already: {name}.\n\nIf you do not know its password any more, ask for a new one. Otherwise do nothing.\n"
                ),
            ),
            Letter::NameTaken { name } => (
                "This name is not free",
                format!(
                    "Somebody, hopefully you, has signed up as {name}, but this name is not free. No account was made.\n\nPlease sign up again under another name.\n"
                ),
            ),
            Letter::Reset { name, link } => (
                "Choose a new password",
                format!(
                    "Somebody, hopefully you, has asked for a new password of {name}. To choose one, open this page:\n\n{link}\n\nOtherwise do nothing; the password stays as it is.\n"
                ),
            ),
            Letter::PasswordChanged { name } => (
                "Your password was changed",
                format!(
                    "The password of {name} was changed.\n\nIf that was not you, ask for a new password at once, and tell an administrator.\n"
                ),
            ),
            Letter::Invitation { name, link } => (
                "You are invited",
                format!(
                    "An administrator has made an account for you: {name}. To take it up and choose a password, open this page:\n\n{link}\n\nIf you do not want it, do nothing.\n"
                ),
            ),
            Letter::NewMail { name, link } => (
                "Confirm your new address",
                format!(
                    "Somebody, hopefully you, wants this to be the address of {name}. To confirm that, open this page:\n\n{link}\n\nOtherwise do nothing.\n"
                ),
            ),
            Letter::MailChanged { name } => (
                "Your address was changed",
                format!(
                    "The mail address of {name} was changed; this was the old one.\n\nIf that was not you, tell an administrator at once.\n"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_line_is_the_link() {
        let (name, link) = ("anna", "https://h/activate?token=t");
        for letter in [
            Letter::Activation { name, link },
            Letter::Reset { name, link },
            Letter::Invitation { name, link },
            Letter::NewMail { name, link },
        ] {
            let (subject, text) = letter.write();
            assert_eq!(text.lines().nth(2), Some(link), "{subject}");
            assert!(text.contains("anna") && text.is_ascii(), "{subject}");
        }
    }
}
