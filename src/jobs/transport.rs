//! The ways that a mail leaves: by SMTP, or as a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport as _};

use super::mail::{Config, Security, Server, mailbox};

/// Longest wait for one answer of a mail server.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server says of a recipient that will not be any other later.
const FINAL: &[u16] = &[550, 551, 553, 555];

/// Where mails go.
#[derive(Debug)]
pub enum Transport {
    Smtp(Box<SmtpTransport>),
    Folder(PathBuf),
}

/// A mail was not sent.
#[derive(Debug)]
pub struct Failure {
    pub why: String,
    /// There is no sense in another attempt.
    pub is_final: bool,
}

impl Failure {
    /// One after which there is no other attempt.
    pub fn last(why: &str) -> Failure {
        Failure {
            why: why.to_owned(),
            is_final: true,
        }
    }
}

impl Transport {
    /// # Errors
    /// A setting cannot be used.
    pub fn new(config: &Config) -> Result<Transport, String> {
        let Some(server) = &config.server else {
            return Ok(Transport::Folder(config.folder.clone()));
        };
        let own = mailbox(&config.from)?.email.domain().to_owned();
        let mut smtp = SmtpTransport::builder_dangerous(&server.host)
            .port(server.port)
            .hello_name(ClientId::Domain(own))
            .timeout(Some(PATIENCE))
            .tls(tls(config, server)?);
        if !config.user.is_empty() {
            smtp = smtp.credentials(Credentials::new(config.user.clone(), config.password.clone()));
        }
        Ok(Transport::Smtp(Box::new(smtp.build())))
    }

    /// Sends it. A file has the number of its mail, so that writing it twice makes one.
    pub fn send(&self, message: &Message, number: i64) -> Result<(), Failure> {
        match self {
            Transport::Smtp(smtp) => match smtp.send(message) {
                Ok(_) => Ok(()),
                Err(error) => {
                    let status = error.status().map(u16::from);
                    let is_final = status.is_some_and(|status| FINAL.contains(&status));
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                    Err(Failure {
                        why: format!("{error}{}", cause.unwrap_or_default()),
                        is_final,
                    })
                }
            },
            Transport::Folder(folder) => write(folder, &message.formatted(), number).map_err(|error| Failure {
                why: format!("{}: {error}", folder.display()),
                is_final: false,
            }),
        }
    }
}

fn tls(config: &Config, server: &Server) -> Result<Tls, String> {
    if server.security == Security::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(server.host.clone());
    if let Some(file) = &config.certificates {
        let cannot = |why: String| format!("mail.certificates: {}: {why}", file.display());
        let pem = std::fs::read(file).map_err(|error| cannot(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| cannot(error.to_string()))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters.build_rustls().map_err(|error| format!("mail.server: {error}"))?;
    Ok(match server.security {
        Security::Tls => Tls::Wrapper(parameters),
        _ => Tls::Required(parameters),
    })
}

/// Writes a file that nobody sees half. Only the server's own user may read it: it may hold a token.
fn write(folder: &Path, bytes: &[u8], number: i64) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let (half, whole) = (folder.join(format!("{number}.part")), folder.join(format!("{number}.eml")));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&half)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(half, whole)
}
