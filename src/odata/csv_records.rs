//! CSV (RFC 4180), read a record at a time. Unlike most readers this one tells `,,` from `,"",`: the first is null here, the
//! second the empty string.

use std::io::BufRead;

/// Longest record: what a quote that is never closed can make of a file.
const RECORD_BYTES: usize = 64 * 1024 * 1024;

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Without the quotes around it.
    pub text: String,
    /// Stood in quotes.
    pub quoted: bool,
}

impl Field {
    /// Nothing at all: null.
    pub fn is_null(&self) -> bool {
        self.text.is_empty() && !self.quoted
    }
}

/// What cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// A sentence without a full stop.
    pub message: String,
}

/// Reads records.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    /// Lines read so far.
    lines: usize,
    bytes: Vec<u8>,
}

impl<R: BufRead> Records<R> {
    /// From its beginning, with or without a byte order mark.
    pub fn new(input: R) -> Records<R> {
        Records {
            input,
            lines: 0,
            bytes: Vec::new(),
        }
    }

    /// The next record and the line that it begins on; empty lines are passed over.
    pub fn record(&mut self) -> Result<Option<(usize, Vec<Field>)>, Fault> {
        loop {
            let line = self.lines + 1;
            let fault = |line: usize, message: &str| Fault {
                line,
                message: message.to_owned(),
            };
            if !self.fill(line)? {
                return Ok(None);
            }
            let text = std::str::from_utf8(&self.bytes).map_err(|error| {
                let before = self.bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
                fault(line + before, "this is not UTF-8")
            })?;
            let text = if line == 1 {
                text.strip_prefix('\u{feff}').unwrap_or(text)
            } else {
                text
            };
            let text = text.strip_suffix('\n').unwrap_or(text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if !text.is_empty() {
                return fields(text)
                    .map(|fields| Some((line, fields)))
                    .map_err(|message| fault(line, message));
            }
        }
    }

    /// Takes in lines until all quotes are closed; false at the end.
    fn fill(&mut self, line: usize) -> Result<bool, Fault> {
        self.bytes.clear();
        let mut quotes = 0;
        loop {
            let start = self.bytes.len();
            let read = self.input.read_until(b'\n', &mut self.bytes).map_err(|error| Fault {
                line,
                message: error.to_string(),
            })?;
            if read == 0 && quotes % 2 == 0 {
                return Ok(start > 0);
            }
            quotes += self.bytes[start..].iter().filter(|byte| **byte == b'"').count();
            if read == 0 || self.bytes.len() > RECORD_BYTES {
                return Err(Fault {
                    line,
                    message: "a quote in this record is not closed".to_owned(),
                });
            }
            self.lines += 1;
            if quotes % 2 == 0 {
                return Ok(true);
            }
        }
    }
}

/// Takes a record apart; its quotes are balanced.
fn fields(mut rest: &str) -> Result<Vec<Field>, &'static str> {
    let mut fields = Vec::new();
    loop {
        let end;
        if let Some(inner) = rest.strip_prefix('"') {
            let mut text = String::new();
            let mut from = inner;
            loop {
                let quote = from.find('"').ok_or("a quote in this record is not closed")?;
                text.push_str(&from[..quote]);
                from = &from[quote + 1..];
                match from.strip_prefix('"') {
                    Some(more) => {
                        text.push('"');
                        from = more;
                    }
                    None => break,
                }
            }
            fields.push(Field { text, quoted: true });
            end = from;
        } else {
            let comma = rest.find(',').unwrap_or(rest.len());
            if rest[..comma].contains('"') {
                return Err("a quote stands inside a field that does not begin with one");
            }
            fields.push(Field {
                text: rest[..comma].to_owned(),
                quoted: false,
            });
            end = &rest[comma..];
        }
        if end.is_empty() {
            return Ok(fields);
        }
        rest = end.strip_prefix(',').ok_or("something follows a closing quote")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = Vec<(usize, Vec<String>)>;

    /// Fields as `text`, in `<>` where they stood in quotes.
    fn read(text: &[u8]) -> Result<Lines, (usize, String)> {
        let mut reader = Records::new(text);
        let mut records = Vec::new();
        while let Some((line, fields)) = reader.record().map_err(|fault| (fault.line, fault.message))? {
            let show = |field: Field| if field.quoted { format!("<{}>", field.text) } else { field.text };
            records.push((line, fields.into_iter().map(show).collect()));
        }
        Ok(records)
    }

    #[test]
    fn records() {
        type Records<'a> = &'a [(usize, &'a [&'a str])];
        let cases: &[(&[u8], Records<'_>)] = &[
            (b"", &[]),
            (b"\n\r\n", &[]),
            (b"a,b\n1,2", &[(1, &["a", "b"]), (2, &["1", "2"])]),
            (b"\xef\xbb\xbfa\r\n\r\nb\r\n", &[(1, &["a"]), (3, &["b"])]),
            (b"a,,\"\"\n", &[(1, &["a", "", "<>"])]),
            (b",\n", &[(1, &["", ""])]),
            (b"\"a,\"\"b\"\"\r\nc\",d\ne\n", &[(1, &["<a,\"b\"\r\nc>", "d"]), (3, &["e"])]),
            (b" a , b \n", &[(1, &[" a ", " b "])]),
            (b"\"\"\"\"", &[(1, &["<\">"])]),
            ("ä,日\n".as_bytes(), &[(1, &["ä", "日"])]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(line, fields)| (*line, fields.iter().map(|field| (*field).to_owned()).collect()))
                .collect();
            assert_eq!(read(text), Ok(expected), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn faults() {
        let cases: &[(&[u8], usize, &str)] = &[
            (b"a\n\"b\nc\n", 2, "not closed"),
            (b"a\nb\"c\"\n", 2, "inside a field"),
            (b"\"a\"b\n", 1, "follows a closing quote"),
            (b"a\n\"x\n\xff\"\n", 3, "not UTF-8"),
        ];
        for (text, line, message) in cases {
            let (found, why) = read(text).unwrap_err();
            assert!(found == *line && why.contains(message), "{}: {found} {why}", text.escape_ascii());
        }
    }

    #[test]
    fn null_is_not_the_empty_text() {
        let field = |quoted| Field {
            text: String::new(),
            quoted,
        };
        assert!(field(false).is_null() && !field(true).is_null());
    }
}
