//! Names of people and of entries.

use std::fmt;
use std::net::IpAddr;

use ldap3::{dn_escape, ldap_escape, parse_filter};

/// A text that no log shows.
#[derive(Clone, Default)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// Who may know somebody.
#[derive(Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// The directory alone, by this name.
    Directory(&'a str),
    /// This server or the directory, by this name.
    Anybody(&'a str),
    /// Not the directory.
    Other,
}

/// Who may know `name`: `DOMAIN\user`, `user@domain` or a name without a domain.
pub fn whose<'a>(domains: &[String], name: &'a str) -> Whose<'a> {
    let ours = |domain: &str| domains.contains(&domain.to_lowercase());
    if let Some((domain, user)) = name.split_once('\\') {
        return if ours(domain) { Whose::Directory(user) } else { Whose::Other };
    }
    match name.rsplit_once('@') {
        Some((user, domain)) if ours(domain) => Whose::Directory(user),
        _ => Whose::Anybody(name),
    }
}

/// A filter for somebody (RFC 4515).
pub fn filter_of(template: &str, name: &str, dn: &str) -> String {
    fill(template, &[("{name}", &ldap_escape(name)), ("{dn}", &ldap_escape(dn))])
}

/// The DN of somebody (RFC 4514).
pub fn dn_of(template: &str, name: &str) -> String {
    fill(template, &[("{name}", &dn_escape(name))])
}

/// Puts values for placeholders, none of which is looked at again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while !rest.is_empty() {
        if let Some((place, value)) = values.iter().find(|(place, _)| rest.starts_with(place)) {
            text.push_str(value);
            rest = &rest[place.len()..];
        } else {
            let next = rest.char_indices().nth(1).map_or(rest.len(), |(at, _)| at);
            text.push_str(&rest[..next]);
            rest = &rest[next..];
        }
    }
    text
}

/// Whether a filter with placeholders is one.
pub fn check_template(template: &str) -> Result<(), String> {
    let fit = parse_filter(filter_of(template, "x", "cn=x")).is_ok();
    fit.then_some(()).ok_or("is not an LDAP filter".to_owned())
}

/// The host that an LDAP URL of a host and a port names, IPv6 addresses without brackets.
pub fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("ldap://").or_else(|| url.strip_prefix("ldaps://"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    let fit = !host.is_empty() && host.bytes().all(plain) && port.is_none_or(|port| port.parse::<u16>().is_ok());
    fit.then_some(host)
}

/// Whether what goes to a host stays on this machine.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A DN as it is compared: without blanks at separators, in lower case, with one way of escaping.
pub fn normal_dn(dn: &str) -> String {
    let mut normal: Vec<u8> = Vec::with_capacity(dn.len());
    // Blanks count when something other than a separator follows.
    let mut blanks = 0;
    let mut bytes = dn.bytes();
    while let Some(byte) = bytes.next() {
        let at_start = normal.last().is_none_or(|last| b",+=".contains(last));
        match byte {
            b' ' if at_start => {}
            b' ' => blanks += 1,
            b',' | b';' | b'+' | b'=' => {
                blanks = 0;
                normal.push(if byte == b';' { b',' } else { byte });
            }
            _ => {
                normal.extend(std::iter::repeat_n(b' ', std::mem::take(&mut blanks)));
                match byte {
                    b'\\' => escape(&mut normal, unescape(&mut bytes)),
                    plain => normal.push(plain),
                }
            }
        }
    }
    String::from_utf8_lossy(&normal).to_lowercase()
}

/// The byte that stands behind a backslash, be it itself or two digits.
fn unescape(rest: &mut std::str::Bytes<'_>) -> u8 {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut ahead = rest.clone();
    let first = ahead.next();
    match (digit(first), digit(ahead.next())) {
        (Some(high), Some(low)) => {
            *rest = ahead;
            (high * 16 + low) as u8
        }
        _ => {
            rest.next();
            first.unwrap_or(b'\\')
        }
    }
}

fn escape(normal: &mut Vec<u8>, byte: u8) {
    match byte {
        b',' | b';' | b'+' | b'=' | b'\\' | b' ' => normal.extend(format!("\\{byte:02x}").bytes()),
        plain => normal.push(plain),
    }
}

/// The text of an attribute's value: `objectGUID` as a Guid, what is not text as hexadecimal digits.
pub fn text_of(attribute: &str, value: &[u8]) -> String {
    if attribute.eq_ignore_ascii_case("objectGUID")
        && let Ok(bytes) = value.try_into()
    {
        return uuid::Uuid::from_bytes_le(bytes).to_string();
    }
    match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => value.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_say_whose_somebody_is() {
        let domains = ["corp".to_owned(), "corp.example".to_owned()];
        for (name, expected) in [
            ("alice", Whose::Anybody("alice")),
            ("CORP\\alice", Whose::Directory("alice")),
            ("Corp.Example\\alice", Whose::Directory("alice")),
            ("alice@CORP.example", Whose::Directory("alice")),
            ("a@b@corp", Whose::Directory("a@b")),
            ("alice@elsewhere", Whose::Anybody("alice@elsewhere")),
            ("OTHER\\alice", Whose::Other),
            ("OTHER\\alice@corp", Whose::Other),
            ("\\alice", Whose::Other),
            ("corp\\", Whose::Directory("")),
            ("@corp", Whose::Directory("")),
            ("", Whose::Anybody("")),
        ] {
            assert_eq!(whose(&domains, name), expected, "{name}");
        }
    }

    #[test]
    fn names_do_not_break_out() {
        for (name, filter, dn) in [
            ("a", "(&(uid=a)(x=a))", "uid=a,dc=x"),
            ("*", "(&(uid=\\2a)(x=\\2a))", "uid=*,dc=x"),
            (")(uid=*", "(&(uid=\\29\\28uid=\\2a)(x=\\29\\28uid=\\2a))", "uid=)(uid\\3d*,dc=x"),
            ("a\0b", "(&(uid=a\\00b)(x=a\\00b))", "uid=a\\00b,dc=x"),
            ("a\\b", "(&(uid=a\\5cb)(x=a\\5cb))", "uid=a\\5cb,dc=x"),
            ("a,dc=y", "(&(uid=a,dc=y)(x=a,dc=y))", "uid=a\\2cdc\\3dy,dc=x"),
            ("{dn}", "(&(uid={dn})(x={dn}))", "uid={dn},dc=x"),
            ("ü", "(&(uid=ü)(x=ü))", "uid=ü,dc=x"),
        ] {
            assert_eq!(filter_of("(&(uid={name})(x={name}))", name, "DN"), filter, "{name:?}");
            assert_eq!(dn_of("uid={name},dc=x", name), dn, "{name:?}");
        }
        assert_eq!(
            filter_of("(|(m={dn})(u={name}))", "{dn}", "cn=a*,dc=x"),
            "(|(m=cn=a\\2a,dc=x)(u={dn}))"
        );
        assert!(check_template("(uid={name})").is_ok());
        assert!(check_template("(uid={name}").is_err());
    }

    #[test]
    fn urls_name_a_host() {
        for (url, expected, loopback) in [
            ("ldap://localhost", Some("localhost"), true),
            ("ldap://127.0.0.5:3389/", Some("127.0.0.5"), true),
            ("ldaps://[::1]:636", Some("::1"), true),
            ("ldaps://dc1.example.org", Some("dc1.example.org"), false),
            ("ldap://127.0.0.1.example.org", Some("127.0.0.1.example.org"), false),
            ("ldap://", None, false),
            ("ldap:x", None, false),
            ("ldap:///dc=x", None, false),
            ("ldap://a@b", None, false),
            ("ldap://a:99999", None, false),
            ("ldap://a/dc=x", None, false),
            ("ldapi://x", None, false),
            ("http://x", None, false),
        ] {
            assert_eq!(host(url), expected, "{url}");
            assert_eq!(host(url).is_some_and(is_loopback), loopback, "{url}");
        }
    }

    #[test]
    fn the_same_dn_in_other_letters() {
        for (one, other, same) in [
            ("cn=Admins,dc=x", "CN = admins , DC=X", true),
            ("cn=a\\,b,dc=x", "cn=a\\2Cb,dc=x", true),
            ("cn=a\\2c b,dc=x", "cn=a\\, b,dc=x", true),
            ("cn=ü,dc=x", "cn=\\C3\\BC,dc=x", true),
            ("cn=a b,dc=x", "cn=ab,dc=x", false),
            ("cn=a\\,dc=x", "cn=a,dc=x", false),
            ("cn=a\\3ddc", "cn=a=dc", false),
            ("cn=a,dc=x", "cn=a,dc=x,dc=y", false),
            ("cn=a;dc=x", "cn=a,dc=x", true),
            ("cn=a\\", "cn=a\\5c", true),
        ] {
            assert_eq!(normal_dn(one) == normal_dn(other), same, "{one} {other}");
        }
    }

    #[test]
    fn values_become_text() {
        let guid: Vec<u8> = (0..16).collect();
        for (attribute, value, expected) in [
            ("uid", &b"alice"[..], "alice"),
            ("ObjectGuid", &guid, "03020100-0504-0706-0809-0a0b0c0d0e0f"),
            ("objectSid", b"\x01\x05\xff", "0105ff"),
            ("objectSid", b"\x01\x05\x00", "010500"),
            ("cn", "ü".as_bytes(), "ü"),
        ] {
            assert_eq!(text_of(attribute, value), expected, "{attribute}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        assert!(!format!("{:?}", Secret("hunter2".into())).contains("hunter2"));
    }
}
