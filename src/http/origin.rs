//! Where the client found the server: the beginning of every absolute URL in an answer.

use std::net::SocketAddr;

use crate::model::fault::{self, Fault, Outcome};

/// Longest host: a DNS name of 253 characters, and a port.
const HOST_BYTES: usize = 260;

/// `http://host:port`, without a slash at the end: the setting, else what the request says, else the address it came to.
///
/// # Errors
/// 400 for a host that is none: it would stand in every URL of the answer.
pub fn origin(public_url: Option<&str>, host: Option<&str>, local: SocketAddr) -> Outcome<String> {
    match (public_url, host) {
        (Some(url), _) => Ok(url.to_owned()),
        (None, Some(host)) if is_host(host) => Ok(format!("http://{host}")),
        (None, Some(_)) => Err(Fault::new(&fault::BAD_REQUEST, "The `Host` header is not a host.")),
        (None, None) => Ok(format!("http://{local}")),
    }
}

/// A name or an address, with or without a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let inner = match name.strip_prefix('[') {
        Some(address) => address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
    };
    inner && text.len() <= HOST_BYTES && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, expected) in [
            ("localhost", true),
            ("example.org:8080", true),
            ("127.0.0.1:1", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("", false),
            (":80", false),
            ("a:", false),
            ("a:70000", false),
            ("a/b", false),
            ("a@b", false),
            ("a\"b", false),
            ("::1", false),
            ("[x]", false),
        ] {
            assert_eq!(is_host(text), expected, "{text}");
        }
        assert!(is_host(&"a".repeat(HOST_BYTES)) && !is_host(&"a".repeat(HOST_BYTES + 1)));
    }

    #[test]
    fn the_setting_wins() {
        let local = SocketAddr::from(([127, 0, 0, 1], 8080));
        assert_eq!(origin(Some("https://x/y"), Some("evil/"), local).unwrap(), "https://x/y");
        assert_eq!(origin(None, Some("h:1"), local).unwrap(), "http://h:1");
        assert_eq!(origin(None, None, local).unwrap(), "http://127.0.0.1:8080");
        assert_eq!(origin(None, Some("evil/"), local).unwrap_err().kind.status, 400);
    }
}
