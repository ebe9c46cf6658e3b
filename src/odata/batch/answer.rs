//! The answer to a batch (BCH-30..BCH-32, BCH-41).

use uuid::Uuid;

/// The answer to one request of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The status.
    pub status: u16,
    /// The request's Content-ID.
    pub content_id: Option<&'a str>,
    /// Other headers, names in any letter case.
    pub headers: &'a [(&'a str, &'a str)],
    /// Nothing, for a status without a body.
    pub body: &'a [u8],
}

/// Writes answers in the order of the batch's parts.
#[derive(Debug)]
pub struct Writer {
    boundary: String,
    out: Vec<u8>,
}

/// Headers as clients expect them written: some look them up by just these letters.
const SPELLINGS: &[&str] = &[
    "Allow",
    "Cache-Control",
    "Content-Type",
    "DataServiceId",
    "DataServiceVersion",
    "ETag",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "WWW-Authenticate",
    "X-Content-Type-Options",
    "X-Request-ID",
];

impl Default for Writer {
    fn default() -> Writer {
        Writer::new()
    }
}

impl Writer {
    /// With a boundary that no other answer has. Some clients know an answer by its beginning.
    pub fn new() -> Writer {
        Writer {
            boundary: format!("batchresponse_{}", Uuid::new_v4()),
            out: Vec::new(),
        }
    }

    /// `Content-Type` of the answer, whose status is 202 (CON-17).
    pub fn content_type(&self) -> String {
        multipart(&self.boundary)
    }

    /// Bytes so far.
    pub fn size(&self) -> usize {
        self.out.len()
    }

    /// The answer to a request outside of a change set, good or bad.
    pub fn single(&mut self, response: &Response<'_>) {
        write_part(&self.boundary, response, &mut self.out);
    }

    /// The answers to a change set: one for each of its requests in their order, or the only one of the request that failed and
    /// all others with it. That one stands in the same place, with or without Content-ID: there are clients that wait for ever, or
    /// report success, when it does not (BCH-41).
    pub fn change_set(&mut self, responses: &[Response<'_>]) {
        let boundary = format!("changesetresponse_{}", Uuid::new_v4());
        write_line(&["--", &self.boundary], &mut self.out);
        write_line(&["Content-Type: ", &multipart(&boundary)], &mut self.out);
        write_line(&[], &mut self.out);
        for response in responses {
            write_part(&boundary, response, &mut self.out);
        }
        write_line(&["--", &boundary, "--"], &mut self.out);
    }

    /// The body.
    pub fn finish(mut self) -> Vec<u8> {
        write_line(&["--", &self.boundary, "--"], &mut self.out);
        self.out
    }
}

fn multipart(boundary: &str) -> String {
    format!("multipart/mixed; boundary={boundary}")
}

fn write_line(texts: &[&str], out: &mut Vec<u8>) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn write_part(boundary: &str, response: &Response<'_>, out: &mut Vec<u8>) {
    write_line(&["--", boundary], out);
    write_line(&["Content-Type: application/http"], out);
    write_line(&["Content-Transfer-Encoding: binary"], out);
    write_line(&[], out);
    write_line(&["HTTP/1.1 ", &response.status.to_string(), " ", reason(response.status)], out);
    let id = response.content_id.map(|id| ("Content-ID", id));
    for (name, value) in id.iter().chain(response.headers) {
        let spelling = SPELLINGS.iter().find(|spelling| spelling.eq_ignore_ascii_case(name));
        write_line(&[spelling.unwrap_or(name), ": ", value], out);
    }
    write_line(&[], out);
    out.extend_from_slice(response.body);
    write_line(&[], out);
}

/// The phrase after a status (ERR-1).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}
