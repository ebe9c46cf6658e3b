//! A media resource or named stream: what the entity's row says of the bytes that are kept outside of it.

/// What a row holds of one stream; none is a stream that was never written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Names the bytes. Every upload makes a new one, so it also tells versions apart.
    pub id: [u8; 16],
    /// Bytes.
    pub length: u64,
    /// `Content-Type` as it was sent.
    pub content_type: String,
}

impl Media {
    /// As a cell has it: 32 hexadecimal digits, the length, the content type.
    pub fn to_text(&self) -> String {
        let id: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{id} {} {}", self.length, self.content_type)
    }

    /// Reads a cell; none for what this server never writes.
    pub fn parse(text: &str) -> Option<Media> {
        let mut parts = text.splitn(3, ' ');
        let (id, length, content_type) = (parts.next()?, parts.next()?, parts.next()?);
        if id.len() != 32 || !id.is_ascii() {
            return None;
        }
        let mut bytes = [0; 16];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&id[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Media {
            id: bytes,
            length: length.parse().ok()?,
            content_type: content_type.to_owned(),
        })
    }

    /// Its own ETag (WR-72); strong, for the bytes of an upload never change.
    pub fn etag(&self) -> String {
        let id: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("\"{id}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let media = Media {
            id: [0xab; 16],
            length: 5,
            content_type: "text/plain; charset=utf-8".into(),
        };
        assert_eq!(Media::parse(&media.to_text()), Some(media.clone()));
        assert_eq!(media.etag(), format!("\"{}\"", "ab".repeat(16)));
        for text in [
            "",
            "ab 5 x",
            &format!("{} x y", "ab".repeat(16)),
            &format!("{} 5", "ab".repeat(16)),
            &"é".repeat(16),
        ] {
            assert_eq!(Media::parse(text), None, "{text}");
        }
    }
}
