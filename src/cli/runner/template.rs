//! Arguments of commands with places for values: `{input}`, `{arguments.name}`. Each becomes exactly one argument of the process,
//! whatever the values are: there is no shell that could read more into them.

use std::ffi::OsString;
use std::path::Path;

use serde_json::{Map, Value};

/// One argument of a command, as the configuration says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Input,
    Output,
    Job,
    Attempt,
    Argument(String),
}

/// What stands for the places.
#[derive(Debug)]
pub struct Values<'a> {
    /// The file with the job's input.
    pub input: &'a Path,
    /// The file that becomes the job's output.
    pub output: &'a Path,
    /// The job's number.
    pub job: i64,
    /// The attempt's number.
    pub attempt: i32,
    /// Members of the job's parameters; the error says why there are none.
    pub arguments: &'a Result<Map<String, Value>, String>,
    /// Values may begin with `-`.
    pub dashes: bool,
}

impl Template {
    /// Reads one; `{{` and `}}` are the braces themselves.
    pub fn parse(text: &str) -> Result<Template, String> {
        if text.contains('\0') {
            return Err("an argument holds no NUL".to_owned());
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let inner = rest.split_once('}').filter(|_| brace == "{");
            let (name, after) = inner.ok_or_else(|| format!("`{text}` has a single {brace}; {brace}{brace} is the character itself"))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(place(name)?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template(pieces))
    }

    /// The text, where there is no place in it.
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether `{input}` is in it.
    pub fn takes_input(&self) -> bool {
        self.0.contains(&Piece::Input)
    }

    /// Whether `{output}` is in it.
    pub fn makes_output(&self) -> bool {
        self.0.contains(&Piece::Output)
    }

    /// The argument of the process.
    pub fn expand(&self, values: &Values<'_>) -> Result<OsString, String> {
        let mut out = OsString::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push(text),
                Piece::Input => out.push(values.input),
                Piece::Output => out.push(values.output),
                Piece::Job => out.push(values.job.to_string()),
                Piece::Attempt => out.push(values.attempt.to_string()),
                Piece::Argument(name) => out.push(argument(name, values)?),
            }
        }
        // Only what the configuration wrote itself may begin an option.
        let chosen = self.0.iter().find(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        if let Some(Piece::Argument(name)) = chosen
            && !values.dashes
            && out.as_encoded_bytes().starts_with(b"-")
        {
            return Err(format!(
                "the argument {name} begins with -, which would be an option of the command"
            ));
        }
        Ok(out)
    }
}

/// As the configuration says it, so that blanks in an argument can be told from those between two.
impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.0.iter().map(Piece::shown).collect();
        let plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "'\"\\".contains(c));
        if plain { f.write_str(&text) } else { write!(f, "{text:?}") }
    }
}

impl Piece {
    fn shown(&self) -> String {
        match self {
            Piece::Text(text) => text.replace('{', "{{").replace('}', "}}"),
            Piece::Input => "{input}".to_owned(),
            Piece::Output => "{output}".to_owned(),
            Piece::Job => "{job}".to_owned(),
            Piece::Attempt => "{attempt}".to_owned(),
            Piece::Argument(name) => format!("{{arguments.{name}}}"),
        }
    }
}

fn place(name: &str) -> Result<Piece, String> {
    let argument = name.strip_prefix("arguments.");
    Ok(match (name, argument) {
        ("input", _) => Piece::Input,
        ("output", _) => Piece::Output,
        ("job", _) => Piece::Job,
        ("attempt", _) => Piece::Attempt,
        (_, Some(member)) if is_member(member) => Piece::Argument(member.to_owned()),
        _ => {
            return Err(format!(
                "there is no {{{name}}}; there are {{input}}, {{output}}, {{job}}, {{attempt}} and {{arguments.NAME}}"
            ));
        }
    })
}

fn is_member(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// The text of a member of the job's parameters. Lists and objects are their JSON.
fn argument(name: &str, values: &Values<'_>) -> Result<String, String> {
    let members = values.arguments.as_ref().map_err(String::clone)?;
    let text = match members.get(name) {
        None | Some(Value::Null) => return Err(format!("the argument {name} is missing in the job's Parameters")),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    if text.contains('\0') {
        return Err(format!("the argument {name} holds a NUL"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str, parameters: &str, dashes: bool) -> Result<String, String> {
        let arguments = match serde_json::from_str(parameters) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err("no object".to_owned()),
        };
        let values = Values {
            input: Path::new("/w/input"),
            output: Path::new("/w/output"),
            job: 17,
            attempt: 2,
            arguments: &arguments,
            dashes,
        };
        let item = Template::parse(template)?.expand(&values)?;
        Ok(item.into_string().unwrap())
    }

    #[test]
    fn places_are_filled() {
        for (template, parameters, expected) in [
            ("", "{}", ""),
            ("-l", "{}", "-l"),
            ("{input}", "{}", "/w/input"),
            ("--out={output}.tmp", "{}", "--out=/w/output.tmp"),
            ("{job}/{attempt}", "{}", "17/2"),
            ("{{input}} }}{{", "{}", "{input} }{"),
            ("{{{job}}}", "{}", "{17}"),
            ("{arguments.a}", r#"{"a":"x"}"#, "x"),
            ("{arguments.a}", r#"{"a":""}"#, ""),
            ("{arguments.größe_1-x}", r#"{"größe_1-x":1.5}"#, "1.5"),
            ("<{arguments.a}{arguments.b}>", r#"{"a":true,"b":[1, "x"]}"#, "<true[1,\"x\"]>"),
            ("{arguments.a}", r#"{"a":{"b":null}}"#, "{\"b\":null}"),
            // Whatever a value is, it stays one argument, and nothing in it is looked at again.
            ("{arguments.a}", r#"{"a":"x; rm -rf / #"}"#, "x; rm -rf / #"),
            ("{arguments.a}", r#"{"a":"$(id) `id` ${PATH} | > &"}"#, "$(id) `id` ${PATH} | > &"),
            ("{arguments.a}", r#"{"a":"a b\nc\t'\""}"#, "a b\nc\t'\""),
            ("{arguments.a}", r#"{"a":"{input} {arguments.b} {{"}"#, "{input} {arguments.b} {{"),
            // After text of the configuration's own, a dash begins no option.
            ("--name={arguments.a}", r#"{"a":"-rf"}"#, "--name=-rf"),
            ("./{arguments.a}", r#"{"a":"-rf"}"#, "./-rf"),
            ("-{arguments.a}", r#"{"a":"-x"}"#, "--x"),
            ("{job}{arguments.a}", r#"{"a":"-x"}"#, "17-x"),
        ] {
            assert_eq!(
                expand(template, parameters, false).as_deref(),
                Ok(expected),
                "{template} {parameters}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (template, parameters, expected) in [
            ("{arguments.a}", "{}", "the argument a is missing"),
            ("x{arguments.a}", r#"{"a":null}"#, "the argument a is missing"),
            ("{arguments.A}", r#"{"a":"x"}"#, "the argument A is missing"),
            ("{arguments.a}", "[]", "no object"),
            ("{arguments.a}", r#"{"a":"x\u0000y"}"#, "the argument a holds a NUL"),
            ("{arguments.a}", r#"{"a":"-rf"}"#, "the argument a begins with -"),
            ("{arguments.a}", r#"{"a":"--"}"#, "the argument a begins with -"),
            ("{arguments.a}", r#"{"a":-1}"#, "the argument a begins with -"),
            ("{arguments.a}.txt", r#"{"a":"-rf"}"#, "the argument a begins with -"),
            ("{arguments.a}{arguments.b}", r#"{"a":"","b":"-x"}"#, "the argument a begins with -"),
            ("{arguments.a}{job}", r#"{"a":"-"}"#, "the argument a begins with -"),
            ("{", "{}", "`{` has a single {"),
            ("a}b", "{}", "`a}b` has a single }"),
            ("{input", "{}", "`{input` has a single {"),
            ("{in put}", "{}", "there is no {in put}"),
            ("{}", "{}", "there is no {}"),
            ("{arguments.}", "{}", "there is no {arguments.}"),
            ("{arguments.a.b}", "{}", "there is no {arguments.a.b}"),
            ("{Input}", "{}", "there is no {Input}"),
            ("a\0", "{}", "an argument holds no NUL"),
        ] {
            let error = expand(template, parameters, false).unwrap_err();
            assert!(error.starts_with(expected), "{template} {parameters}: {error}");
        }
    }

    #[test]
    fn a_kind_may_allow_dashes() {
        for value in ["-rf", "--", "-1"] {
            let parameters = serde_json::json!({"a": value}).to_string();
            assert_eq!(expand("{arguments.a}", &parameters, true).as_deref(), Ok(value));
        }
    }
}
