use super::*;

const WHOLE: &str = r#"
server = "http://127.0.0.1:8080/"
name = "build-1"
tags = ["gpu", "big-disk"]
priority = -3
slots = 4
work_dir = "/tmp/runner"

[kinds.hello]
command = ["/bin/sh", "-c", "wc -l <$0", "{input}"]
seconds = 10
memory_mb = 64
output_mb = 1
env = ["GREETING=hello=you", "NOBODY_HAS_THIS_VARIABLE"]
progress = true
dashes = true
content_type = "text/plain;charset=utf-8"

[kinds."image.resize"]
command = ["/bin/cp", "{input}", "{output}"]
"#;

fn with_token(name: &str) -> Option<String> {
    (name == TOKEN).then(|| " odo_token\n".to_owned())
}

#[test]
fn every_key_is_read() {
    let config = read("runner.toml", WHOLE, with_token).unwrap();
    assert_eq!((config.server.as_str(), config.name.as_str()), ("http://127.0.0.1:8080", "build-1"));
    assert_eq!((config.token.as_str(), config.priority, config.slots), ("odo_token", -3, 4));
    assert_eq!(config.tags, ["gpu", "big-disk"]);
    assert_eq!(config.work_dir, Path::new("/tmp/runner"));
    let hello = &config.kinds["hello"];
    assert_eq!((hello.seconds, hello.memory_mb, hello.output_mb), (10, Some(64), 1));
    assert_eq!(hello.command.len(), 4);
    assert_eq!(
        hello.env[1..],
        [("GREETING".to_owned(), "hello=you".to_owned())],
        "beside PATH only what was named"
    );
    assert_eq!(hello.env[0].0, "PATH");
    assert!(hello.progress && hello.dashes);
    assert_eq!(hello.content_type, "text/plain;charset=utf-8");
    let resize = &config.kinds["image.resize"];
    assert_eq!((resize.seconds, resize.memory_mb, resize.output_mb), (3600, None, 256));
    assert!(!resize.progress && !resize.dashes && resize.env.len() == 1);
}

#[test]
fn faults_are_named_with_their_lines() {
    const GOOD: &str = "server = \"https://h\"\n[kinds.a]\ncommand = [\"/bin/true\"]\n";
    for (file, expected) in [
        ("", &["1: server: is missing", "1: there is no section [kinds.NAME]"][..]),
        (
            "\nserver = \"ftp://h\"\n[kinds]",
            &["2: server: is an http://", "3: there is no section [kinds.NAME]"],
        ),
        ("server = \"https://h\"\nkinds = 1", &["2: kinds: is a section"]),
        ("server = \"https://h\"\n[kinds]\na = 1", &["3: kinds.a: is a section"]),
        ("server = \"https://h\"\n[kinds.a]\n", &["2: kinds.a: has no command"]),
        (
            "server = \"https://h\"\n[kinds.\"a b\"]\ncommand = [\"/bin/true\"]",
            &["2: kinds: `a b` is no name"],
        ),
        (
            "server = \"https://h\"\n[kinds.external]\ncommand = [\"/bin/true\"]",
            &["2: kinds: `external` is no name"],
        ),
        ("server =\n[kinds.a]", &["1: "]),
        (
            "server = \"https://h\"\n[kinds.a]\ncommand = [\"/bin/true\"]\n[kind.b]",
            &["4: kind: there is no such key"],
        ),
    ] {
        check(file, expected);
    }
    for (line, expected) in [
        ("slots = 0", "1: slots: is a number from 1 to 256"),
        ("slots = \"1\"", "1: slots: is a number"),
        ("priority = 101", "1: priority: is a number from -100 to 100"),
        ("tags = \"gpu\"", "1: tags: is a list of texts"),
        ("tags = [\"a,b\"]", "1: tags: is a list of at most 20 words"),
        ("name = \"\"", "1: name: is a text"),
        ("name = \"a b\"", "1: name: is a name"),
        ("plain = 1", "1: plain: is true or false"),
        ("sevrer = \"x\"", "1: sevrer: there is no such key"),
        ("token = \"x\"", "1: token: there is no such key"),
    ] {
        check(&format!("{line}\n{GOOD}"), &[expected]);
    }
    for (line, expected) in [
        ("seconds = 0", "seconds: is a number from 1 to 604800"),
        ("memory_mb = 0", "memory_mb: is a number from 1"),
        ("output_mb = 2049", "output_mb: is a number from 1 to 2048"),
        ("env = \"PATH\"", "env: is a list of texts"),
        ("env = [\"=x\"]", "env: `=x`: is NAME or NAME=VALUE"),
        ("env = [\"ODONATA_RUNNER_TOKEN\"]", "env: ODONATA_RUNNER_TOKEN is the runner's own"),
        ("progress = \"yes\"", "progress: is true or false"),
        ("dashes = 1", "dashes: is true or false"),
        ("content_type = \"text\"", "content_type: is a media type"),
        ("content_type = \"text/plain\\r\\nX: y\"", "content_type: is a media type"),
        ("cwd = \"/\"", "cwd: there is no such key"),
        ("shell = true", "shell: there is no such key"),
    ] {
        check(&format!("{GOOD}{line}"), &[&format!("4: kinds.a.{expected}")]);
    }
    for (command, expected) in [
        ("\"/bin/true -x\"", "is a list of texts"),
        ("[]", "names no program"),
        ("[1]", "is a list of texts"),
        ("[\"true\"]", "true: a program is named by its whole path"),
        ("[\"./true\"]", "./true: a program is named by its whole path"),
        ("[\"/bin/nobody has this\"]", "/bin/nobody has this: No such file"),
        ("[\"/etc/passwd\"]", "/etc/passwd: is not a program"),
        ("[\"/bin\"]", "/bin: is not a program"),
        ("[\"{arguments.program}\"]", "has a place in its program"),
        ("[\"/bin/{arguments.program}\"]", "has a place in its program"),
        ("[\"/bin/echo\", \"{arg}\"]", "there is no {arg}"),
        ("[\"/bin/echo\", \"{\"]", "`{` has a single {"),
    ] {
        let file = format!("server = \"https://h\"\n[kinds.a]\nseconds = 1\ncommand = {command}");
        check(&file, &[&format!("4: kinds.a.command: {expected}")]);
    }
}

#[test]
fn all_faults_are_named_at_once() {
    check(
        "slots = 0\nserver = \"http://elsewhere.example\"\n[kinds.a]\nx = 1\ncommand = []\n[kinds.b]\nseconds = -1",
        &[
            "1: slots: is a number",
            "2: server: the token would cross the network without TLS",
            "4: kinds.a.x: there is no such key",
            "5: kinds.a.command: names no program",
            "6: kinds.b: has no command",
            "7: kinds.b.seconds: is a number",
        ],
    );
}

fn check(file: &str, expected: &[&str]) {
    let error = read("runner.toml", file, with_token).err().unwrap_or_default();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{file}\n{error}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("runner.toml:{expected}")), "{file}\n{error}");
    }
}

#[test]
fn the_token_crosses_no_network_unseen() {
    for (server, plain, expected) in [
        ("https://h.example/odata", false, true),
        ("http://localhost:1", false, true),
        ("http://127.0.0.1:1/x", false, true),
        ("http://h.example", false, false),
        ("http://h.example", true, true),
        ("http://user:secret@h.example", true, false),
        ("https://h.example/?a", true, false),
        ("h.example", true, false),
        ("https://", true, false),
    ] {
        let file = format!("server = \"{server}\"\nplain = {plain}\n[kinds.a]\ncommand = [\"/bin/true\"]");
        assert_eq!(read("runner.toml", &file, with_token).is_ok(), expected, "{server} {plain}");
    }
}

#[test]
fn the_token_comes_from_the_environment_or_a_file() {
    let file = std::env::temp_dir().join(format!("odonata-token-{}", uuid::Uuid::new_v4()));
    std::fs::write(&file, "odo_file\n").unwrap();
    let text = |file: &str| format!("server = \"https://h\"\ntoken_file = \"{file}\"\n[kinds.a]\ncommand = [\"/bin/true\"]");
    let named = text(file.to_str().unwrap());
    assert_eq!(read("f", &named, |_| None).unwrap().token, "odo_file");
    assert_eq!(read("f", &named, with_token).unwrap().token, "odo_token");
    std::fs::write(&file, " \n").unwrap();
    for (text, expected) in [
        (named.as_str(), "f:2: token_file: there is no token in it"),
        (&text("/nobody/has/this"), "f:2: token_file: /nobody/has/this: No such file"),
        (
            "server = \"https://h\"\n[kinds.a]\ncommand = [\"/bin/true\"]",
            "f:1: token_file: is missing, and so is ODONATA_RUNNER_TOKEN",
        ),
    ] {
        let error = read("f", text, |_| None).err().unwrap();
        assert!(error.starts_with(expected), "{error}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn defaults_are_values() {
    let config: Config = with_defaults(RUNNER);
    assert_eq!((config.name.as_str(), config.slots), ("runner", 1));
    let kind: Kind = with_defaults(KIND);
    assert_eq!((kind.seconds, kind.output_mb), (3600, 256));
}
