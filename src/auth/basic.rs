//! `Authorization: Basic`: user name and password on every request (RFC 7617).

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;

use super::cache::Print;
use super::{Auth, Proof, refused, sign_in};
use crate::model::fault::Outcome;

/// Proves user name and password. `token` is what follows the scheme's name, `print` stands for the whole header.
pub async fn prove(auth: &Auth, print: Print, token: &[u8], from: Option<IpAddr>) -> Outcome<Arc<Proof>> {
    let (name, password) = decode(token).ok_or_else(refused)?;
    sign_in::by_password(auth, Some(print), name, password, from).await
}

/// Name and password; both UTF-8, or both Latin-1 as older clients send them. `DOMAIN\user` stays whole.
fn decode(token: &[u8]) -> Option<(String, String)> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(token.trim_ascii()).ok()?;
    let text = String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes() {
        type Pair = Option<(&'static str, &'static str)>;
        let cases: &[(&[u8], Pair)] = &[
            (b"YWRtaW46c2VjcmV0", Some(("admin", "secret"))),
            (b" YWRtaW46c2VjcmV0 ", Some(("admin", "secret"))),
            (b"YTpiOmM=", Some(("a", "b:c"))),
            (b"OmI=", Some(("", "b"))),
            (b"w7w6w58=", Some(("ü", "ß"))),
            (b"/Drf", Some(("ü", "ß"))),
            (b"RFxhOmI=", Some(("D\\a", "b"))),
            (b"YWRtaW4=", None),
            (b"YWRtaW46c2Vjc", None),
            (b"\xff", None),
            (b"", None),
        ];
        for (token, expected) in cases {
            let found = decode(token);
            assert_eq!(
                found.as_ref().map(|(name, password)| (name.as_str(), password.as_str())),
                *expected,
                "{token:?}"
            );
        }
    }
}
