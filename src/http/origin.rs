//! Where the client found the server: the beginning of every absolute URL in an answer (HTP-6).

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};

use super::app::Config;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::PREFIX_BYTES;

/// Longest host: a DNS name of 253 characters, and a port.
const HOST_BYTES: usize = 260;

/// Addresses that proxies have: one, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `192.0.2.7`, `10.0.0.0/8`, `::1` or `fd00::/8`.
    pub fn read(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        (bits <= all).then_some(Network { address, bits })
    }

    fn contains(&self, peer: IpAddr) -> bool {
        let bits = |address| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        self.address.is_ipv4() == peer.is_ipv4() && (bits(self.address) ^ bits(peer)).leading_zeros() >= self.bits
    }
}

/// `http://host:port`, or more with a prefix, without a slash at the end: the setting, else what a trusted proxy says, else what
/// the request says, else the address it came to.
///
/// # Errors
/// 400 for a host that is none, and whatever else would be wrong in every URL of the answer.
pub fn origin(config: &Config, request: &HttpRequest) -> Outcome<String> {
    if let Some(url) = &config.public_url {
        return Ok(url.clone());
    }
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    let is_trusted = peer.is_some_and(|peer| config.trusted_proxies.iter().any(|proxies| proxies.contains(peer)));
    let said = if is_trusted {
        Said::read(request.headers())?
    } else {
        Said::default()
    };
    let own = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => text(request.headers(), header::HOST.as_str())?,
    };
    let scheme = said.scheme.unwrap_or("http");
    let local;
    let host = match said.host.or(own) {
        Some(host) if is_host(host) => host,
        Some(_) => return Err(bad(header::HOST.as_str(), "a host")),
        None => {
            local = request.app_config().local_addr().to_string();
            &local
        }
    };
    let prefix = said.prefix;
    Ok(match said.port {
        None => format!("{scheme}://{host}{prefix}"),
        Some(port) if port == default_port(scheme) => format!("{scheme}://{}{prefix}", split_port(host).0),
        Some(port) => format!("{scheme}://{}:{port}{prefix}", split_port(host).0),
    })
}

/// Who asks: the peer, or the one that trusted proxies name. Each of them adds its own peer at the end of `X-Forwarded-For`, so it is
/// read from there; what stands before somebody who is not trusted is that one's own invention.
pub fn client(config: &Config, request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let is_trusted = |address: IpAddr| config.trusted_proxies.iter().any(|proxies| proxies.contains(address));
    if !is_trusted(peer) {
        return Some(peer);
    }
    let lines: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|line| line.to_str().ok())
        .collect();
    let named = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut client = peer;
    for address in named {
        let Some(address) = read_address(address.trim()) else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    Some(client)
}

/// An address, as some proxies write it with a port.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>().ok();
    let address = bare.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

/// What a proxy says about the request that it got.
#[derive(Debug, Default)]
struct Said<'a> {
    scheme: Option<&'static str>,
    host: Option<&'a str>,
    /// None where the host has its own.
    port: Option<u16>,
    prefix: &'a str,
}

impl<'a> Said<'a> {
    /// From `X-Forwarded-*`; without any of proto, host and port from `Forwarded` (RFC 7239). Most proxies set the former and hand
    /// on the latter as the client made it up, so the two are never mixed. Of several proxies the first, the client's, counts.
    fn read(headers: &'a HeaderMap) -> Outcome<Said<'a>> {
        let scheme = first(headers, "x-forwarded-proto")?;
        let host = first(headers, "x-forwarded-host")?;
        let port = first(headers, "x-forwarded-port")?;
        let prefix = first(headers, "x-forwarded-prefix")?.unwrap_or("").trim_end_matches('/');
        if !is_prefix(prefix) {
            return Err(bad("x-forwarded-prefix", "a path"));
        }
        let mut said = Said { prefix, ..Said::default() };
        if let (None, None, None) = (scheme, host, port) {
            let whole = text(headers, "forwarded")?.unwrap_or("");
            let element = outside_quotes(whole, ',').next().unwrap_or("");
            for pair in outside_quotes(element, ';') {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                let value = value.trim();
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
                match name.trim() {
                    name if name.eq_ignore_ascii_case("proto") => said.scheme = Some(read_scheme("forwarded", value)?),
                    name if name.eq_ignore_ascii_case("host") => said.host = Some(read_host("forwarded", value)?),
                    _ => {}
                }
            }
            return Ok(said);
        }
        said.scheme = scheme.map(|scheme| read_scheme("x-forwarded-proto", scheme)).transpose()?;
        said.host = host.map(|host| read_host("x-forwarded-host", host)).transpose()?;
        let port = port.map(|port| read_port(port).ok_or_else(|| bad("x-forwarded-port", "a port")));
        said.port = port
            .transpose()?
            .filter(|_| said.host.is_none_or(|host| split_port(host).1.is_none()));
        Ok(said)
    }
}

/// A header's text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Outcome<Option<&'a str>> {
    let value = headers.get(name);
    value.map(|value| value.to_str().map_err(|_| bad(name, "text"))).transpose()
}

/// The first of the values in a header; an empty header says nothing.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Outcome<Option<&'a str>> {
    let text = text(headers, name)?.map(str::trim).filter(|text| !text.is_empty());
    Ok(text.and_then(|text| text.split(',').next()).map(str::trim))
}

/// The parts of a text between separators, where those in quotes do not count.
fn outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            '\\' if is_quoted => is_escaped = !was_escaped,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        c == separator && !is_quoted
    })
}

fn read_scheme(header: &str, text: &str) -> Outcome<&'static str> {
    let found = ["http", "https"].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme));
    found.ok_or_else(|| bad(header, "http or https"))
}

fn read_host<'a>(header: &str, text: &'a str) -> Outcome<&'a str> {
    is_host(text).then_some(text).ok_or_else(|| bad(header, "a host"))
}

fn read_port(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

/// The port that a URL of this scheme does not name.
pub fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

fn bad(header: &str, what: &str) -> Fault {
    Fault::new(&fault::BAD_REQUEST, format!("What the header `{header}` says is not {what}."))
}

/// A host and its port, if it has one.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    }
}

/// A name or an address, with or without a port.
pub fn is_host(text: &str) -> bool {
    let (name, port) = split_port(text);
    let inner = match name.strip_prefix('[') {
        Some(address) => address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
    };
    inner && text.len() <= HOST_BYTES && port.is_none_or(|port| read_port(port).is_some())
}

/// Nothing, or a path of any depth without a slash at its end; parentheses are characters like others (HTP-8).
fn is_prefix(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    let is_climbing = |text: &str| text.split('/').any(|segment| segment == "." || segment == "..");
    text.is_empty()
        || (text.starts_with('/')
            && !text.contains("//")
            && text.len() <= PREFIX_BYTES
            && text.bytes().all(is_plain)
            && text.split('%').skip(1).all(is_escape)
            && !is_climbing(text))
}

/// Begins with two hexadecimal digits.
fn is_escape(text: &str) -> bool {
    matches!(text.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// An `http://` or `https://` address as the setting `public_url` takes it, in its parts: host with port, and prefix.
pub fn split_url(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (is_host(host) && is_prefix(prefix)).then_some((host, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

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
            ("a:+1", false),
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
    fn prefixes() {
        for (text, expected) in [
            ("", true),
            ("/odata", true),
            ("/V3/(S(readwrite))/OData/OData.svc", true),
            ("/a%20b", true),
            ("odata", false),
            ("/a%2", false),
            ("/a%zz", false),
            ("//evil.example", false),
            ("/a/../b", false),
            ("/a?b", false),
            ("/a b", false),
            ("/ä", false),
        ] {
            assert_eq!(is_prefix(text), expected, "{text}");
        }
        let long = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert!(is_prefix(&long(PREFIX_BYTES)) && !is_prefix(&long(PREFIX_BYTES + 1)));
    }

    #[test]
    fn networks() {
        for (text, peer, expected) in [
            ("192.0.2.7", "192.0.2.7", Some(true)),
            ("192.0.2.7", "192.0.2.8", Some(false)),
            ("10.0.0.0/8", "10.255.0.1", Some(true)),
            ("10.0.0.0/8", "11.0.0.1", Some(false)),
            ("0.0.0.0/0", "8.8.8.8", Some(true)),
            ("0.0.0.0/0", "::1", Some(false)),
            ("::1", "::1", Some(true)),
            ("fd00::/8", "fdab::1", Some(true)),
            ("fd00::/8", "fe00::1", Some(false)),
            ("10.0.0.0/33", "10.0.0.0", None),
            ("::/129", "::", None),
            ("10.0.0.0/", "10.0.0.0", None),
            ("proxy", "10.0.0.0", None),
            ("", "10.0.0.0", None),
        ] {
            let found = Network::read(text).map(|network| network.contains(peer.parse().unwrap()));
            assert_eq!(found, expected, "{text} {peer}");
        }
    }

    #[test]
    fn public_urls() {
        for (text, expected) in [
            ("https://h", Some(("h", ""))),
            ("http://h:1/V3/(S(id))/OData.svc", Some(("h:1", "/V3/(S(id))/OData.svc"))),
            ("https://", None),
            ("https://a@h", None),
            ("ftp://h", None),
            ("https://h/?a", None),
        ] {
            assert_eq!(split_url(text), expected, "{text}");
        }
    }

    /// The origin of a request from a peer with these headers, where 192.0.2.0/24 are proxies.
    fn found(public_url: Option<&str>, peer: &str, headers: &str) -> Result<String, u16> {
        let config = Config {
            public_url: public_url.map(str::to_owned),
            trusted_proxies: vec![Network::read("192.0.2.0/24").unwrap()],
            ..Config::default()
        };
        let mut request = TestRequest::default().peer_addr(format!("{peer}:1").parse().unwrap());
        for header in headers.lines() {
            request = request.insert_header(header.split_once(": ").unwrap());
        }
        origin(&config, &request.to_http_request()).map_err(|fault| fault.kind.status)
    }

    #[test]
    fn proxies_name_their_clients() {
        let config = Config {
            trusted_proxies: vec![Network::read("192.0.2.0/24").unwrap()],
            ..Config::default()
        };
        for (peer, headers, expected) in [
            ("198.51.100.1", &[][..], "198.51.100.1"),
            ("198.51.100.1", &["203.0.113.9"], "198.51.100.1"),
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["203.0.113.9"], "203.0.113.9"),
            ("[::ffff:192.0.2.1]", &["203.0.113.9"], "203.0.113.9"),
            ("192.0.2.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("192.0.2.1", &["1.1.1.1, 203.0.113.9, 192.0.2.2"], "203.0.113.9"),
            ("192.0.2.1", &["1.1.1.1", "203.0.113.9:4711", "192.0.2.2"], "203.0.113.9"),
            ("192.0.2.1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("192.0.2.1", &["203.0.113.9, nobody"], "192.0.2.1"),
            ("192.0.2.1", &["192.0.2.3, 192.0.2.2"], "192.0.2.3"),
        ] {
            let mut request = TestRequest::default().peer_addr(format!("{peer}:1").parse().unwrap());
            for header in headers {
                request = request.append_header(("X-Forwarded-For", *header));
            }
            assert_eq!(
                client(&config, &request.to_http_request()),
                Some(expected.parse().unwrap()),
                "{peer} {headers:?}"
            );
        }
    }

    #[test]
    fn the_setting_wins() {
        let headers = "Host: evil/\nX-Forwarded-Host: evil";
        let url = "https://x/V3/(S(id))";
        assert_eq!(found(Some(url), "192.0.2.1", headers).unwrap(), url);
        assert_eq!(found(None, "192.0.2.1", "").unwrap(), "http://127.0.0.1:8080");
    }

    #[test]
    fn proxies_are_believed_if_trusted() {
        for (headers, trusted, others) in [
            ("Host: h:1", Ok("http://h:1"), Ok("http://h:1")),
            ("Host: evil/", Err(400), Err(400)),
            ("Host: h\nX-Forwarded-Proto: https", Ok("https://h"), Ok("http://h")),
            ("Host: h\nX-Forwarded-Proto: HTTPS, http", Ok("https://h"), Ok("http://h")),
            ("Host: h\nX-Forwarded-Proto: ftp", Err(400), Ok("http://h")),
            (
                "Host: h\nX-Forwarded-Host: a.example:8443 , b",
                Ok("http://a.example:8443"),
                Ok("http://h"),
            ),
            ("Host: h\nX-Forwarded-Host: a/b", Err(400), Ok("http://h")),
            ("Host: h\nX-Forwarded-Host: ,a", Err(400), Ok("http://h")),
            ("Host: h\nX-Forwarded-Host: ", Ok("http://h"), Ok("http://h")),
            ("Host: h:8080\nX-Forwarded-Port: 444", Ok("http://h:444"), Ok("http://h:8080")),
            (
                "Host: h:8080\nX-Forwarded-Proto: https\nX-Forwarded-Port: 443",
                Ok("https://h"),
                Ok("http://h:8080"),
            ),
            (
                "Host: h\nX-Forwarded-Host: a:1\nX-Forwarded-Port: 2",
                Ok("http://a:1"),
                Ok("http://h"),
            ),
            (
                "Host: [::1]:8080\nX-Forwarded-Port: 2",
                Ok("http://[::1]:2"),
                Ok("http://[::1]:8080"),
            ),
            ("Host: h\nX-Forwarded-Port: 65536", Err(400), Ok("http://h")),
            ("Host: h\nX-Forwarded-Port: +1", Err(400), Ok("http://h")),
            ("Host: h\nX-Forwarded-Prefix: /o/(x)/", Ok("http://h/o/(x)"), Ok("http://h")),
            ("Host: h\nX-Forwarded-Prefix: /", Ok("http://h"), Ok("http://h")),
            ("Host: h\nX-Forwarded-Prefix: o", Err(400), Ok("http://h")),
            ("Host: h\nX-Forwarded-Prefix: //evil", Err(400), Ok("http://h")),
            (
                "Host: h\nForwarded: for=_x;Proto=https; host=\"a:1\", host=b",
                Ok("https://a:1"),
                Ok("http://h"),
            ),
            ("Host: h\nForwarded: by=\"a,b;host=x\\\"\";host=c", Ok("http://c"), Ok("http://h")),
            ("Host: h\nForwarded: host=\"a\\b\"", Err(400), Ok("http://h")),
            ("Host: h\nForwarded: proto=", Err(400), Ok("http://h")),
            (
                "Host: h\nForwarded: host=evil\nX-Forwarded-Proto: https",
                Ok("https://h"),
                Ok("http://h"),
            ),
            (
                "Host: h\nForwarded: host=a\nX-Forwarded-Prefix: /p",
                Ok("http://a/p"),
                Ok("http://h"),
            ),
        ] {
            for (peer, expected) in [("192.0.2.1", trusted), ("[::ffff:192.0.2.1]", trusted), ("198.51.100.1", others)] {
                assert_eq!(found(None, peer, headers), expected.map(str::to_owned), "{peer} {headers}");
            }
        }
    }
}
