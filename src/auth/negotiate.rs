//! `Authorization: Negotiate`: Kerberos tickets in SPNEGO (RFC 4559, RFC 4178). Only in servers built with the feature `kerberos`.
//!
//! Every ticket comes with an authenticator that is good once: a header that was sent before is refused, and nothing is remembered under it.
//! So every request with such a header costs a conversation with the Kerberos library; clients that ask more than once sign in by
//! `Authentications/NegotiateLogin` and go on with the token that they get.

#[cfg(feature = "kerberos")]
mod acceptor;

#[cfg(feature = "kerberos")]
pub use acceptor::{Acceptor, prove, read_keytab};

use crate::model::caller::Guid;

/// The section `[kerberos]` of the settings.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// File with the keys of the service; empty when nobody signs in so.
    pub keytab: String,
    /// The service, `HTTP` or `HTTP@host`.
    pub service: String,
    /// Realms whose people are taken.
    pub realms: Vec<String>,
    /// Users that are made are called `alice` for `alice@REALM`.
    pub strip_realm: bool,
    /// The tenant whose users they are; without it they may be users of any.
    pub tenant: Option<Guid>,
    /// Unknown people become users.
    pub provision: bool,
}
