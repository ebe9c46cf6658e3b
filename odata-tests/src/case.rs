//! The format of case files: requests and expected answers as text. `cases/README.md` explains it to authors.

use std::path::{Path, PathBuf};

/// A user that a file needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name; the password is [`User::password`].
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// Its role, if the line names one.
    pub role: Option<String>,
}

impl User {
    /// The password that the tests give to a user.
    pub fn password(name: &str) -> String {
        format!("password-of-{name}")
    }
}

/// A file of cases.
#[derive(Debug, Clone)]
pub struct CaseFile {
    /// Where it is.
    pub path: PathBuf,
    /// `@fixture`: folders of `fixtures/`, or `northwind`.
    pub fixtures: Vec<String>,
    /// `@user`.
    pub users: Vec<User>,
    /// `@env NAME=VALUE`: settings of the server.
    pub settings: Vec<(String, String)>,
    /// In order.
    pub cases: Vec<Case>,
}

/// What stands under one `###`.
#[derive(Debug, Clone)]
pub struct Case {
    /// Behind the `###`.
    pub title: String,
    /// In order.
    pub exchanges: Vec<Exchange>,
}

/// A request, and what must come back.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// Line of the request.
    pub line: usize,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// `as NAME`.
    pub user: Option<String>,
    /// The body.
    pub body: Option<String>,
    /// `lines LF`: the lines of a batch end with LF alone.
    pub bare_lines: bool,
    /// `ids MEMBER` before rows: which member the rows list.
    pub member: Option<String>,
    /// What must come back; in a table, of each row.
    pub expected: Vec<(usize, Expected)>,
    /// A table: text for `{row}`, and what must come back.
    pub rows: Vec<Row>,
}

impl Exchange {
    /// Whether the body is one of many requests.
    pub fn is_batch(&self) -> bool {
        let is_multipart = |(name, value): &(String, String)| name.eq_ignore_ascii_case("Content-Type") && value.contains("multipart/");
        self.headers.iter().any(is_multipart)
    }
}

/// A row of a table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its line.
    pub line: usize,
    /// For `{row}`.
    pub text: String,
    /// The right cell.
    pub expected: String,
}

/// One expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// One of these statuses.
    Status(Vec<u16>),
    /// A header: `*` is there, `-` is not, `~x` contains, else a text with `...`.
    Header(String, String),
    /// JSON that begins with `{` or `[`; with `~` in front only a subset.
    Json(String),
    /// `= text`: the whole body.
    Text(String),
    /// `contains text`
    Contains(String),
    /// `lacks text`
    Lacks(String),
    /// `order a | b | c`: all there, in this order.
    Order(Vec<String>),
    /// `ids MEMBER: a b c`: that member of each item.
    Ids(String, Vec<String>),
    /// `pages MEMBER: a b | c d | e`: the same over all pages, following next links.
    Pages(String, Vec<Vec<String>>),
    /// `empty`
    Empty,
    /// `parts 200 [201 204] 404`: the statuses in the answer to a batch, those of a change set in brackets.
    Parts(String),
    /// `part 2.1 …`: what must come back in that part of it, with a number behind the point in a change set.
    Part(String, Box<Expected>),
    /// `@capture NAME = header ETag` or `@capture NAME = body value/0/Id`
    Capture(String, String),
}

/// Reads a file; panics with the place of what it does not understand.
pub fn read(path: &Path) -> CaseFile {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(path, &text).unwrap_or_else(|(line, what)| panic!("{}:{line}: {what}", path.display()))
}

/// Reads the text of a file; the error is a line and a sentence.
pub fn parse(path: &Path, text: &str) -> Result<CaseFile, (usize, String)> {
    let mut file = CaseFile {
        path: path.to_owned(),
        fixtures: Vec::new(),
        users: Vec::new(),
        settings: Vec::new(),
        cases: Vec::new(),
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim_end();
        let fault = |what: &str| (at + 1, what.to_owned());
        if let Some(title) = line.strip_prefix("### ") {
            file.cases.push(Case {
                title: title.trim().to_owned(),
                exchanges: Vec::new(),
            });
            at += 1;
        } else if line.is_empty() || line == "#" || line.starts_with("# ") {
            at += 1;
        } else if let Some(case) = file.cases.last_mut() {
            if !is_request(line) {
                return Err(fault("expected a request line"));
            }
            let mut exchange = Exchange::default();
            at = read_exchange(&lines, at, &mut exchange)?;
            case.exchanges.push(exchange);
        } else {
            read_directive(line, &mut file).ok_or_else(|| fault("expected @fixture, @user, @env or ###"))?;
            at += 1;
        }
    }
    Ok(file)
}

fn read_directive(line: &str, file: &mut CaseFile) -> Option<()> {
    let mut words = line.split_whitespace();
    match words.next()? {
        "@fixture" => file.fixtures.extend(words.map(str::to_owned)),
        "@env" => {
            let (name, value) = words.next()?.split_once('=')?;
            file.settings.push((name.to_owned(), value.to_owned()));
        }
        "@user" => file.users.push(User {
            name: words.next()?.to_owned(),
            tenant: words.next()?.to_owned(),
            role: words.next().map(str::to_owned),
        }),
        _ => return None,
    }
    Some(())
}

/// A method in capitals (or that of a row), a blank, a target.
fn is_request(line: &str) -> bool {
    let Some((method, target)) = line.split_once(' ') else {
        return false;
    };
    let is_method = method == "{row}" || !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    is_method && (target.starts_with('/') || target.starts_with('{'))
}

/// Reads from the request line to before the next request, `###` or the end, and says where that is.
fn read_exchange(lines: &[&str], start: usize, exchange: &mut Exchange) -> Result<usize, (usize, String)> {
    let (method, target) = lines[start].trim_end().split_once(' ').unwrap_or_default();
    exchange.line = start + 1;
    exchange.method = method.to_owned();
    exchange.target = target.to_owned();
    let mut at = start + 1;
    while at < lines.len() && !lines[at].trim().is_empty() {
        let line = lines[at].trim();
        if line.starts_with("->") || line.starts_with("| ") {
            break;
        }
        if line == "lines LF" {
            exchange.bare_lines = true;
        } else if let Some(name) = line.strip_prefix("as ") {
            exchange.user = Some(name.trim().to_owned());
        } else if let Some(member) = line.strip_prefix("ids ") {
            exchange.member = Some(member.trim().to_owned());
        } else if let Some((name, value)) = line.split_once(':') {
            exchange.headers.push((name.to_owned(), value.trim().to_owned()));
        } else if !line.starts_with("# ") {
            return Err((at + 1, "expected a header, `as`, `ids`, `lines LF`, `->` or a row".to_owned()));
        }
        at += 1;
    }
    let is_batch = exchange.is_batch();
    let mut body = Vec::new();
    while at < lines.len() && !lines[at].starts_with("->") && !lines[at].starts_with("| ") {
        if lines[at].starts_with("### ") || (!is_batch && is_request(lines[at])) {
            return Err((at + 1, format!("the request of line {} has no `->`", start + 1)));
        }
        body.push(lines[at]);
        at += 1;
    }
    let body = body.join("\n");
    if !body.trim().is_empty() {
        exchange.body = Some(body.trim_matches('\n').to_owned());
    }
    read_answer(lines, at, exchange)
}

fn read_answer(lines: &[&str], mut at: usize, exchange: &mut Exchange) -> Result<usize, (usize, String)> {
    while at < lines.len() {
        let line = lines[at].trim_end();
        if line.starts_with("### ") || is_request(line) {
            break;
        }
        let number = at + 1;
        at += 1;
        if line.is_empty() || line == "#" || line.starts_with("# ") {
            continue;
        }
        if let Some(row) = line.strip_prefix("| ") {
            let (text, expected) = row.rsplit_once(" | ").ok_or((number, "a row is `| text | expected`".to_owned()))?;
            exchange.rows.push(Row {
                line: number,
                text: text.trim().to_owned(),
                expected: expected.trim().to_owned(),
            });
            continue;
        }
        let mut whole = line.to_owned();
        if line.starts_with(['{', '[', '~']) {
            while at < lines.len() && !is_complete(&whole) {
                whole.push('\n');
                whole.push_str(lines[at]);
                at += 1;
            }
        }
        let expected = read_expected(&whole).ok_or((number, format!("not an expectation: {line}")))?;
        exchange.expected.push((number, expected));
    }
    if exchange.expected.is_empty() && exchange.rows.is_empty() {
        return Err((exchange.line, "the request expects nothing".to_owned()));
    }
    Ok(at)
}

/// Every bracket outside strings is closed.
fn is_complete(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    for c in json.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '{' | '[' if !in_string => depth += 1,
            '}' | ']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    depth <= 0
}

/// One line (or JSON) under `->`.
fn read_expected(line: &str) -> Option<Expected> {
    let words = |text: &str| -> Vec<String> { text.split_whitespace().filter(|word| *word != "-").map(str::to_owned).collect() };
    if let Some(statuses) = line.strip_prefix("->") {
        let statuses: Result<Vec<u16>, _> = statuses.trim().split('|').map(|code| code.trim().parse()).collect();
        return statuses.ok().map(Expected::Status);
    }
    if line.starts_with(['{', '[', '~']) {
        return Some(Expected::Json(line.to_owned()));
    }
    if line == "empty" {
        return Some(Expected::Empty);
    }
    if line == "=" {
        return Some(Expected::Text(String::new()));
    }
    let (kind, rest) = line.split_once(' ')?;
    Some(match kind {
        "=" => Expected::Text(rest.to_owned()),
        "contains" => Expected::Contains(rest.to_owned()),
        "lacks" => Expected::Lacks(rest.to_owned()),
        "order" => Expected::Order(rest.split(" | ").map(|part| part.trim().to_owned()).collect()),
        "ids" => {
            let (member, ids) = rest.split_once(':')?;
            Expected::Ids(member.trim().to_owned(), words(ids))
        }
        "pages" => {
            let (member, pages) = rest.split_once(':')?;
            Expected::Pages(member.trim().to_owned(), pages.split('|').map(words).collect())
        }
        "parts" => Expected::Parts(rest.trim().to_owned()),
        "part" => {
            let (place, inner) = rest.split_once(' ')?;
            Expected::Part(place.to_owned(), Box::new(read_expected(inner.trim())?))
        }
        "@capture" => {
            let (name, from) = rest.split_once('=')?;
            Expected::Capture(name.trim().to_owned(), from.trim().to_owned())
        }
        header if header.ends_with(':') => Expected::Header(header.trim_end_matches(':').to_owned(), rest.trim().to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "@fixture shop desk\n@user bob 22222222-2222-2222-2222-222222222222 CloudUser\n\n# a remark\n### PTH-10 one\n\
        POST /api/Shop/Products\nas bob\nX-A: b:c\n\n{\n\n \"a\": 1 }\n\n-> 201\nETag: *\n~ {\"a\":\n 1}\n\n@capture x = header ETag\n\
        GET /api/x\n-> 200|404\npages Id: 1 2 | 3\nempty\n\n### two\nGET /api/Shop/Products?$filter={row}\nids Id\n| a | b | 1 2\n| c | -\n";

    #[test]
    fn a_file_is_read() {
        let file = parse(Path::new("x.http"), TEXT).unwrap();
        assert_eq!(file.fixtures, ["shop", "desk"]);
        assert_eq!(file.users[0].role.as_deref(), Some("CloudUser"));
        let [one, two] = file.cases.as_slice() else { panic!("two cases") };
        assert_eq!((one.title.as_str(), one.exchanges.len()), ("PTH-10 one", 2));
        let post = &one.exchanges[0];
        assert_eq!(
            (post.user.as_deref(), post.body.as_deref()),
            (Some("bob"), Some("{\n\n \"a\": 1 }"))
        );
        assert_eq!(post.headers, [("X-A".to_owned(), "b:c".to_owned())]);
        let kinds: Vec<Expected> = post.expected.iter().map(|(_, expected)| expected.clone()).collect();
        assert_eq!(
            kinds,
            [
                Expected::Status(vec![201]),
                Expected::Header("ETag".to_owned(), "*".to_owned()),
                Expected::Json("~ {\"a\":\n 1}".to_owned()),
                Expected::Capture("x".to_owned(), "header ETag".to_owned()),
            ]
        );
        let pages = vec![vec!["1".to_owned(), "2".to_owned()], vec!["3".to_owned()]];
        assert_eq!(one.exchanges[1].expected[1].1, Expected::Pages("Id".to_owned(), pages));
        let rows = &two.exchanges[0].rows;
        assert_eq!(
            (rows[0].text.as_str(), rows[0].expected.as_str(), rows[1].expected.as_str()),
            ("a | b", "1 2", "-")
        );
    }

    #[test]
    fn bodies_of_batches_hold_requests() {
        let text = "### a\nPOST /api/Shop/$batch\nlines LF\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nGET /x HTTP/1.1\n\n--b--\n\n\
            -> 202\nparts 200 [204]\npart 2.1 ETag: *\n";
        let file = parse(Path::new("x.http"), text).unwrap();
        let exchange = &file.cases[0].exchanges[0];
        assert!(exchange.is_batch() && exchange.bare_lines);
        assert_eq!(exchange.body.as_deref(), Some("--b\n\nGET /x HTTP/1.1\n\n--b--"));
        let tag = Expected::Header("ETag".to_owned(), "*".to_owned());
        let expected: Vec<&Expected> = exchange.expected.iter().map(|(_, expected)| expected).collect();
        assert_eq!(
            expected,
            [
                &Expected::Status(vec![202]),
                &Expected::Parts("200 [204]".to_owned()),
                &Expected::Part("2.1".to_owned(), Box::new(tag)),
            ]
        );
    }

    #[test]
    fn faults_name_the_line() {
        for (text, line) in [
            ("nonsense", 1),
            ("### a\nnonsense", 2),
            ("### a\nGET /x\n\n### b", 4),
            ("### a\nGET /x\n-> 200\nwhat", 4),
        ] {
            assert_eq!(parse(Path::new("x"), text).unwrap_err().0, line, "{text}");
        }
    }
}
