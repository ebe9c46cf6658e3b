//! Text in XML documents.
//!
//! Characters that XML 1.0 cannot hold, not even as a reference (most controls, U+FFFE, U+FFFF), are left out (PRM-7): one of them
//! would make the whole document unreadable. So a text that holds some does not survive a way through XML; JSON carries them.

/// The beginning of a document.
pub(super) const XML_HEAD: &[u8] = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>";

/// Writes text between tags.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    write(text, |byte| matches!(byte, b'<' | b'>' | b'&' | b'\r') || is_odd(byte), out);
}

/// Writes text into an attribute in double quotes; line breaks and tabs as references, for readers make blanks of them.
pub(super) fn write_attribute(text: &str, out: &mut Vec<u8>) {
    write(
        text,
        |byte| matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\r' | b'\n' | b'\t') || is_odd(byte),
        out,
    );
}

/// Controls, and the first byte of U+FFFE and U+FFFF (and of others, which then turn out to be harmless).
fn is_odd(byte: u8) -> bool {
    (byte < 0x20 && !matches!(byte, b'\n' | b'\t' | b'\r')) || byte == 0xEF
}

fn write(text: &str, is_special: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    // Without an early exit the compiler looks at many bytes at once; almost all text ends here.
    if !text.bytes().fold(false, |found, byte| found | is_special(byte)) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(&is_special) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        // What is special is ASCII or the first byte of a character.
        let Some(c) = special.chars().next() else { break };
        match c {
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '&' => out.extend_from_slice(b"&amp;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\r' => out.extend_from_slice(b"&#xD;"),
            '\n' => out.extend_from_slice(b"&#xA;"),
            '\t' => out.extend_from_slice(b"&#x9;"),
            '\u{0}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => {}
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &special[c.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (text, between_tags, attribute) in [
            ("", "", ""),
            ("a b ä€😀", "a b ä€😀", "a b ä€😀"),
            ("<a&b>\"'", "&lt;a&amp;b&gt;\"'", "&lt;a&amp;b&gt;&quot;'"),
            ("a\r\n\tb", "a&#xD;\n\tb", "a&#xD;&#xA;&#x9;b"),
            ("\u{0}\u{1}x\u{1F}\u{FFFE}\u{FFFF}", "x", "x"),
            (
                "\u{7F}\u{85}\u{FEFF}\u{FF21}",
                "\u{7F}\u{85}\u{FEFF}\u{FF21}",
                "\u{7F}\u{85}\u{FEFF}\u{FF21}",
            ),
        ] {
            let (mut first, mut second) = (Vec::new(), Vec::new());
            write_text(text, &mut first);
            write_attribute(text, &mut second);
            assert_eq!(String::from_utf8(first).unwrap(), between_tags);
            assert_eq!(String::from_utf8(second).unwrap(), attribute);
        }
    }
}
