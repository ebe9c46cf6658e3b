//! `[mail]`: how mails are sent.

use std::path::PathBuf;

use super::{From, Setting};
use crate::jobs::mail::{Server, mailbox};

pub const MAIL: &[Setting] = &[
    Setting {
        key: "mail.server",
        from: From::FileOrEnvironment,
        value: "URL",
        default: "",
        help: "smtp://HOST:PORT (with STARTTLS, but plain to this machine) or smtps://HOST:PORT; without it mails become files",
        set: |settings, text| {
            let server = Server::read(text).ok_or("is smtp://HOST:PORT or smtps://HOST:PORT, without user and password")?;
            settings.mail.server = Some(server);
            Ok(())
        },
    },
    Setting {
        key: "mail.user",
        from: From::FileOrEnvironment,
        value: "NAME",
        default: "",
        help: "To sign in to the mail server",
        set: |settings, text| {
            settings.mail.user = text.to_owned();
            Ok(())
        },
    },
    Setting {
        key: "mail.password",
        from: From::FileOrEnvironment,
        value: "PASSWORD",
        default: "",
        help: "To sign in to the mail server",
        set: |settings, text| {
            settings.mail.password = text.to_owned();
            Ok(())
        },
    },
    Setting {
        key: "mail.from",
        from: From::FileOrEnvironment,
        value: "ADDRESS",
        default: "Odonata <odonata@localhost>",
        help: "The sender of mails",
        set: |settings, text| {
            settings.mail.from = text.to_owned();
            mailbox(text).map(drop)
        },
    },
    Setting {
        key: "mail.folder",
        from: From::FileOrEnvironment,
        value: "FOLDER",
        default: "data/mail",
        help: "Where mails become files, without a mail server",
        set: |settings, text| {
            settings.mail.folder = PathBuf::from(text);
            Ok(())
        },
    },
    Setting {
        key: "mail.certificates",
        from: From::FileOrEnvironment,
        value: "FILE",
        default: "",
        help: "Certificates (PEM) of authorities that are trusted to vouch for the mail server, beside the system's",
        set: |settings, text| {
            settings.mail.certificates = Some(PathBuf::from(text)).filter(|_| !text.is_empty());
            Ok(())
        },
    },
];
