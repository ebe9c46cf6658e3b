//! Answers to `$batch` as a client reads them: by the letter, lines end with CRLF. Shares nothing with the server's reader.

/// Names and values as written.
pub type Headers = Vec<(String, String)>;

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// In their order.
    pub headers: Headers,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The first header of that name, in just these letters: there are clients that look for `Content-ID` so.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What stands in the place of one part of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Of a request outside of a change set.
    Single(Answer),
    /// Of a change set.
    ChangeSet(Vec<Answer>),
}

impl Piece {
    /// All answers in it.
    pub fn answers(&self) -> &[Answer] {
        match self {
            Piece::Single(answer) => std::slice::from_ref(answer),
            Piece::ChangeSet(answers) => answers,
        }
    }
}

/// Reads an answer with its `Content-Type`.
pub fn read(content_type: &str, text: &str) -> Result<Vec<Piece>, String> {
    let boundary = boundary(content_type, "batchresponse_")?;
    let read_part = |part: &str| -> Result<Piece, String> {
        let (headers, content) = head(part)?;
        match headers.as_slice() {
            [(name, value)] if name == "Content-Type" => {
                let inner = self::boundary(value, "changesetresponse_")?;
                let answers = split(content, inner)?.into_iter().map(|part| {
                    let (headers, content) = head(part)?;
                    answer(&headers, content)
                });
                answers.collect::<Result<_, _>>().map(Piece::ChangeSet)
            }
            _ => answer(&headers, content).map(Piece::Single),
        }
    };
    split(text, boundary)?.into_iter().map(read_part).collect()
}

fn boundary<'a>(content_type: &'a str, start: &str) -> Result<&'a str, String> {
    let boundary = content_type.strip_prefix("multipart/mixed; boundary=");
    boundary
        .filter(|boundary| boundary.starts_with(start))
        .ok_or_else(|| format!("'{content_type}' is not multipart/mixed with a boundary of {start}…"))
}

fn split<'a>(text: &'a str, boundary: &str) -> Result<Vec<&'a str>, String> {
    let delimiter = format!("\r\n--{boundary}");
    let first = text
        .strip_prefix(&delimiter[2..])
        .ok_or_else(|| format!("the answer does not begin with --{boundary}"))?;
    let mut parts: Vec<&str> = first.split(delimiter.as_str()).collect();
    match parts.pop() {
        Some("--" | "--\r\n") => {}
        last => return Err(format!("--{boundary} does not end with --, but with {last:?}")),
    }
    let line = |part: &'a str| {
        part.strip_prefix("\r\n")
            .ok_or_else(|| format!("--{boundary} is followed by {part:?}"))
    };
    parts.into_iter().map(line).collect()
}

fn head(text: &str) -> Result<(Headers, &str), String> {
    let (head, rest) = text.split_once("\r\n\r\n").ok_or_else(|| format!("no blank line in {text:?}"))?;
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").ok_or_else(|| format!("'{line}' is no header"))?;
        Ok::<_, String>((name.to_owned(), value.to_owned()))
    };
    let headers = head.split("\r\n").map(header).collect::<Result<_, _>>()?;
    Ok((headers, rest))
}

fn answer(outer: &[(String, String)], content: &str) -> Result<Answer, String> {
    let expected = [("Content-Type", "application/http"), ("Content-Transfer-Encoding", "binary")];
    if !outer.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected) {
        return Err(format!("an answer in a part of {outer:?}"));
    }
    let (line, rest) = content.split_once("\r\n").unwrap_or((content, ""));
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next()?.parse().ok());
    let status = status.ok_or_else(|| format!("'{line}' is no status"))?;
    // Without headers, the blank line follows at once.
    let (headers, body) = match rest.strip_prefix("\r\n") {
        Some(body) => (Vec::new(), body),
        None => head(rest)?,
    };
    Ok(Answer {
        status,
        headers,
        body: body.to_owned(),
    })
}
