//! Reading JSON into a tree that keeps what the usual one drops: the text of every number (Int64 and Decimal are exact to the last
//! digit, PRM-23), and the position of a fault. Duplicate members are a fault (JL-36), as is nesting beyond
//! [`BODY_DEPTH`](crate::model::limits::BODY_DEPTH).

use std::borrow::Cow;
use std::collections::HashSet;

use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::BODY_DEPTH;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Json<'a> {
    Null,
    Boolean(bool),
    /// As written, well-formed by the JSON grammar.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    /// In the order of the text.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// A member of an object.
    pub fn member(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(members) => members.iter().find(|(member, _)| member == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Members up to which duplicates are looked for one by one.
const FEW_MEMBERS: usize = 16;

/// Reads one JSON text in UTF-8, with or without byte order mark (CON-9). Faults are `bad_body` with the byte position.
pub fn parse(bytes: &[u8]) -> Outcome<Json<'_>> {
    let skipped = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let text = std::str::from_utf8(&bytes[skipped..])
        .map_err(|e| Fault::new(&fault::BAD_BODY, "The body is not UTF-8.").at(skipped + e.valid_up_to()))?;
    let mut reader = Reader { text, at: 0 };
    let whole = reader.value(0).and_then(|value| {
        reader.blanks();
        if reader.at == text.len() {
            Ok(value)
        } else {
            Err(reader.fault("Nothing may follow the JSON value."))
        }
    });
    whole.map_err(|mut fault| {
        fault.position = fault.position.map(|at| at + skipped);
        fault
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn fault(&self, message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(&fault::BAD_BODY, message).at(self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Outcome<Json<'a>> {
        if depth > BODY_DEPTH {
            return Err(Fault::new(&fault::TOO_LARGE, format!("The body nests deeper than {BODY_DEPTH} levels.")).at(self.at));
        }
        self.blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(_) => self.word(),
            None => Err(self.fault("The JSON text ends too early.")),
        }
    }

    fn word(&mut self) -> Outcome<Json<'a>> {
        let words = [("null", Json::Null), ("true", Json::Boolean(true)), ("false", Json::Boolean(false))];
        for (word, value) in words {
            if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.fault("A JSON value is expected here."))
    }

    fn array(&mut self, depth: usize) -> Outcome<Json<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.eat(b']') {
                return Ok(Json::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.fault("A comma or `]` is expected here."));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Outcome<Json<'a>> {
        self.at += 1;
        let mut members: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        let mut names: HashSet<Cow<'a, str>> = HashSet::new();
        self.blanks();
        if self.eat(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.blanks();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.fault("A member's name in quotes is expected here."));
            }
            let name = self.string()?;
            // Large objects are looked up by hash: comparing each with each would cost the square of what the client sends.
            let is_double = if members.len() < FEW_MEMBERS {
                members.iter().any(|(other, _)| *other == name)
            } else {
                if names.is_empty() {
                    names.extend(members.iter().map(|(name, _)| name.clone()));
                }
                !names.insert(name.clone())
            };
            if is_double {
                let fault = Fault::new(&fault::BAD_BODY, format!("The member `{name}` is there twice."));
                return Err(fault.at(start).of(name.into_owned()));
            }
            self.blanks();
            if !self.eat(b':') {
                return Err(self.fault("A colon is expected here."));
            }
            members.push((name, self.value(depth + 1)?));
            self.blanks();
            if self.eat(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.fault("A comma or `}` is expected here."));
            }
        }
    }

    fn digits(&mut self) -> Outcome<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(self.fault("A digit is expected here."))
        }
    }

    fn number(&mut self) -> Outcome<&'a str> {
        let start = self.at;
        self.eat(b'-');
        if self.eat(b'0') {
            if let Some(b'0'..=b'9') = self.peek() {
                return Err(self.fault("A number does not begin with 0."));
            }
        } else {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn string(&mut self) -> Outcome<Cow<'a, str>> {
        self.at += 1;
        let mut start = self.at;
        let mut owned = String::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    let rest = &self.text[start..self.at];
                    self.at += 1;
                    if owned.is_empty() {
                        return Ok(Cow::Borrowed(rest));
                    }
                    owned.push_str(rest);
                    return Ok(Cow::Owned(owned));
                }
                Some(b'\\') => {
                    owned.push_str(&self.text[start..self.at]);
                    owned.push(self.escape()?);
                    start = self.at;
                }
                Some(0..=0x1F) => return Err(self.fault("A control character in a string must be escaped.")),
                // Bytes inside a character are never one of those above.
                Some(_) => self.at += 1,
                None => return Err(self.fault("The string has no end.")),
            }
        }
    }

    fn escape(&mut self) -> Outcome<char> {
        let start = self.at;
        self.at += 2;
        Ok(match self.text.as_bytes().get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.hex()?;
                let pair = (0xD800..0xDC00).contains(&first) && self.text.as_bytes()[self.at..].starts_with(b"\\u");
                let code = if pair {
                    self.at += 2;
                    let second = self.hex()?;
                    // A wrong second half gives a code that is no character.
                    match second.checked_sub(0xDC00) {
                        Some(low) if low < 0x400 => 0x10000 + ((first - 0xD800) << 10) + low,
                        _ => first,
                    }
                } else {
                    first
                };
                match char::from_u32(code) {
                    Some(c) => c,
                    None => {
                        self.at = start;
                        return Err(self.fault("Half a surrogate pair is no character."));
                    }
                }
            }
            _ => {
                self.at = start;
                return Err(self.fault("This is no escape of JSON."));
            }
        })
    }

    fn hex(&mut self) -> Outcome<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        let all = digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit);
        let code = all
            .then(|| {
                digits
                    .iter()
                    .fold(0, |code, digit| code * 16 + (*digit as char).to_digit(16).unwrap_or(0))
            })
            .ok_or_else(|| self.fault("Four hexadecimal digits are expected here."))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Json<'_> {
        Json::String(Cow::Borrowed(value))
    }

    #[test]
    fn values() {
        let cases = [
            ("null", Json::Null),
            (" true ", Json::Boolean(true)),
            ("\u{feff}false", Json::Boolean(false)),
            ("-0.50e+3", Json::Number("-0.50e+3")),
            ("79228162514264337593543950335", Json::Number("79228162514264337593543950335")),
            (r#""a\"\\\/\b\f\n\r\té\u00e4\ud83d\ude00""#, text("a\"\\/\u{8}\u{c}\n\r\téä😀")),
            (r#""""#, text("")),
            ("[ ]", Json::Array(vec![])),
            ("[1,[]]", Json::Array(vec![Json::Number("1"), Json::Array(vec![])])),
            ("{ }", Json::Object(vec![])),
            (
                r#"{"a" : 1 , "":null}"#,
                Json::Object(vec![("a".into(), Json::Number("1")), ("".into(), Json::Null)]),
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(parse(input.as_bytes()).unwrap(), expected, "{input}");
        }
    }

    #[test]
    fn faults_have_a_position() {
        let cases: &[(&[u8], usize)] = &[
            (b"", 0),
            (b"  ", 2),
            (b"nul", 0),
            (b"[1,]", 3),
            (b"[1 2]", 3),
            (b"{a:1}", 1),
            (b"{\"a\" 1}", 5),
            (b"{\"a\":1,}", 7),
            (b"01", 1),
            (b"1.", 2),
            (b"-", 1),
            (b"1e", 2),
            (b"1 x", 2),
            (b"\"a", 2),
            (b"\"a\nb\"", 2),
            (b"\"\\x\"", 1),
            (b"\"\\", 1),
            (b"\"\\u12", 3),
            (b"\"\\ud800\"", 1),
            (b"\"\\ud800\\u0041\"", 1),
            (b"\"\xff\"", 1),
            (b"\xEF\xBB\xBF[", 4),
            (b"{\"a\":1,\"a\":2}", 7),
            (b"{\"b\":{\"a\":1,\"\\u0061\":2}}", 12),
        ];
        for (input, position) in cases {
            let fault = parse(input).unwrap_err();
            assert_eq!(
                (fault.kind.code, fault.position),
                ("bad_body", Some(*position)),
                "{}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn duplicates_in_large_objects() {
        let mut members: Vec<String> = (0..100).map(|i| format!("\"m{i}\":{i}")).collect();
        assert!(parse(format!("{{{}}}", members.join(",")).as_bytes()).is_ok());
        members.push("\"m3\":0".to_owned());
        let fault = parse(format!("{{{}}}", members.join(",")).as_bytes()).unwrap_err();
        assert_eq!(fault.property.as_deref(), Some("m3"));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(BODY_DEPTH + 1).as_bytes()).is_ok());
        assert_eq!(parse(nested(BODY_DEPTH + 2).as_bytes()).unwrap_err().kind.code, "limit_exceeded");
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }
}
