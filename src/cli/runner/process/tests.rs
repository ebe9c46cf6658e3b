use std::path::PathBuf;

use super::*;

/// A folder, and a command in it.
struct Bench {
    folder: PathBuf,
    watch: Arc<Watch>,
}

impl Bench {
    fn new() -> Bench {
        let folder = std::env::temp_dir().join(format!("odonata-process-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::create_dir(folder.join("work")).unwrap();
        Bench {
            folder,
            watch: Arc::new(Watch::new(Duration::from_secs(600))),
        }
    }

    fn run(&self, script: &str, change: impl FnOnce(&mut Task<'_>)) -> Result<End, String> {
        let (output, work) = (self.folder.join("output"), self.folder.join("work"));
        let env = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
        let mut task = Task {
            items: ["/bin/sh", "-c", script, "sh"].map(OsString::from).to_vec(),
            env: &env,
            folder: &work,
            stdout: Some(&output),
            made: None,
            progress: false,
            time: Duration::from_secs(60),
            memory_mb: None,
            output_mb: 1,
        };
        change(&mut task);
        run(&task, &self.watch)
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.folder.join("output")).unwrap_or_default()
    }

    /// Processes whose numbers are in a file of the working folder, and which still run.
    fn alive(&self, file: &str) -> Vec<String> {
        let pids = std::fs::read_to_string(self.folder.join("work").join(file)).unwrap_or_default();
        assert!(!pids.is_empty(), "{file} has the number of a process");
        let runs = |pid: &&str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        pids.split_whitespace().filter(runs).map(str::to_owned).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn code(end: End) -> Option<i32> {
    match end {
        End::Exited(status) => status.code(),
        _ => None,
    }
}

#[test]
fn output_lines_and_exit_code_are_kept() {
    let bench = Bench::new();
    let end = bench.run("echo out; echo 'first \u{7}line' >&2; echo second >&2; exit 3", |_| {});
    assert_eq!(code(end.unwrap()), Some(3));
    assert_eq!(bench.output(), "out\n");
    assert_eq!(bench.watch.news().lines, ["first \u{FFFD}line", "second"]);
    assert_eq!(bench.watch.tail(), "first \u{FFFD}line\nsecond");
}

#[test]
fn a_command_sees_nothing_of_the_runner() {
    let bench = Bench::new();
    bench.run("env; pwd; cat; ls -l /proc/self/fd | wc -l", |_| {}).unwrap();
    let output = bench.output();
    // `sh` adds PWD and its like by itself.
    for variable in ["HOME=", "CARGO", "USER="] {
        assert!(!output.contains(variable), "{output}");
    }
    assert!(output.contains("PATH=/usr/bin:/bin\n"), "{output}");
    assert!(output.contains(&format!("{}\n", bench.folder.join("work").display())), "{output}");
}

#[test]
fn arguments_are_arguments() {
    let bench = Bench::new();
    let given = ["; touch x", "$(touch x)", "a b", "", "'\"", "*"];
    bench
        .run("for item; do printf '<%s>' \"$item\"; done", |task| {
            task.items.extend(given.map(OsString::from));
        })
        .unwrap();
    let expected: String = given.iter().map(|item| format!("<{item}>")).collect();
    assert_eq!(bench.output(), expected);
    assert!(!bench.folder.join("work/x").exists());
}

#[test]
fn who_cannot_be_started_is_an_error() {
    let bench = Bench::new();
    let error = bench.run("", |task| task.items = vec!["/nobody/has/this".into()]).unwrap_err();
    assert!(error.starts_with("/nobody/has/this: "), "{error}");
}

#[test]
fn limits_end_the_whole_group() {
    // A child and a grandchild, the one in the background.
    const FAMILY: &str = "echo $$ >pids; (sleep 60 & echo $! >>pids; sh -c 'echo $$ >>pids; sleep 60'; true) & echo $! >>pids; ";
    type Change = fn(&mut Task<'_>);
    let cases: &[(&str, Change, End)] = &[
        ("sleep 60; true", |task| task.time = Duration::from_millis(500), End::Time),
        ("yes", |_| {}, End::Output),
        ("yes >../output; sleep 60", |task| task.made = task.stdout.take(), End::Output),
        (
            "x=$(head -c 60000000 /dev/zero | tr '\\0' x); sleep 60; true $x",
            |task| task.memory_mb = Some(20),
            End::Memory,
        ),
        (
            "x=; sleep 1; (x=$(head -c 30000000 /dev/zero | tr '\\0' x); sleep 60) & (x=$(head -c 30000000 /dev/zero | tr '\\0' x); sleep 60)",
            |task| task.memory_mb = Some(50),
            End::Memory,
        ),
    ];
    std::thread::scope(|scope| {
        for (script, change, expected) in cases {
            scope.spawn(move || {
                let bench = Bench::new();
                let begin = Instant::now();
                let end = bench.run(&format!("{FAMILY}{script}"), change);
                assert_eq!(end, Ok(*expected), "{script}");
                assert!(begin.elapsed() < Duration::from_secs(30), "{script}");
                assert_eq!(bench.alive("pids"), [""; 0], "{script}");
            });
        }
    });
}

#[test]
fn no_file_grows_past_the_limit() {
    let bench = Bench::new();
    assert_eq!(code(bench.run("sleep 1; yes >big; echo on", |_| {}).unwrap()), Some(0));
    assert_eq!(std::fs::metadata(bench.folder.join("work/big")).unwrap().len(), (1 << 20) + 1);
    assert_eq!(bench.run("sleep 1; exec yes >big", |_| {}), Ok(End::Output));
    // Whoever was started before anybody could bound it is bounded a moment later.
    for _ in 0..5 {
        assert_eq!(
            bench.run("yes >big & yes >bigger & yes >biggest; true", |_| {}).map(code),
            Ok(Some(0))
        );
        assert_eq!(
            bench.run("yes >big & (yes >bigger & wait) & wait; echo on", |_| {}).map(code),
            Ok(Some(0))
        );
    }
}

#[test]
fn what_is_left_behind_ends_with_the_command() {
    let bench = Bench::new();
    // One in the group, and one that has left it and stays in the folder.
    let script = "sleep 60 & echo $! >pids; setsid sh -c 'echo $$ >>pids; sleep 60' & sleep 0.5; echo done";
    let begin = Instant::now();
    assert_eq!(code(bench.run(script, |_| {}).unwrap()), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert_eq!(bench.output(), "done\n");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(bench.alive("pids"), [""; 0]);
}

#[test]
fn orders_end_it_softly_and_then_hard() {
    for (order, script, softly) in [
        (
            Order::Stop,
            "trap 'echo bye; exit 0' TERM; echo $$ >pids; while :; do sleep 0.1; done",
            true,
        ),
        (Order::Leave, "trap '' TERM; echo $$ >pids; while :; do sleep 0.1; done", false),
        (
            Order::Now,
            "trap 'sleep 2; echo bye' TERM; echo $$ >pids; while :; do sleep 0.1; done",
            false,
        ),
    ] {
        let bench = Bench::new();
        let watch = bench.watch.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            watch.order(order);
        });
        let begin = Instant::now();
        assert_eq!(bench.run(script, |_| {}), Ok(End::Ordered(order)));
        let took = begin.elapsed();
        assert_eq!(bench.output() == "bye\n", softly, "{order:?}");
        let hard = order == Order::Leave;
        assert_eq!(took > PATIENCE, hard, "{order:?} after {took:?}");
        assert_eq!(bench.alive("pids"), [""; 0], "{order:?}");
    }
}

#[test]
fn progress_is_told_and_no_output() {
    let bench = Bench::new();
    let script = "echo progress 0.25 a quarter; echo text; echo progress 2 too far; echo progress x; echo progress 0.5; printf 'progress 0.9 unended'";
    bench.run(script, |task| task.progress = true).unwrap();
    let news = bench.watch.news();
    assert_eq!((news.progress, news.message.as_deref()), (Some(0.5), None));
    assert_eq!(bench.output(), "text\nprogress 2 too far\nprogress x\nprogress 0.9 unended");

    let bench = Bench::new();
    bench.run("echo progress 0.25; echo text", |_| {}).unwrap();
    assert_eq!(bench.output(), "progress 0.25\ntext\n");
    assert_eq!(bench.watch.news().progress, None);

    // Without an output of its own, standard output goes to the log.
    let bench = Bench::new();
    let log = |task: &mut Task<'_>| (task.progress, task.stdout) = (true, None);
    bench.run("echo progress 1 done; echo text", log).unwrap();
    let news = bench.watch.news();
    assert_eq!((news.progress, news.message.as_deref()), (Some(1.0), Some("done")));
    assert_eq!(news.lines, ["text"]);
}

#[test]
fn bytes_are_kept_as_they_are() {
    for progress in [false, true] {
        let bench = Bench::new();
        let script = "head -c 300000 /dev/zero; printf '\\377\\n\\n'; head -c 5000 /dev/zero | tr '\\0' y";
        bench.run(script, |task| task.progress = progress).unwrap();
        let kept = std::fs::read(bench.folder.join("output")).unwrap();
        let expected = [vec![0; 300_000], b"\xff\n\n".to_vec(), vec![b'y'; 5000]].concat();
        assert!(kept == expected, "{progress}: {} bytes", kept.len());
    }
}

#[test]
fn lines_are_cut() {
    let bench = Bench::new();
    bench
        .run(
            "head -c 10000 /dev/zero | tr '\\0' y >&2; echo >&2; echo next >&2; printf last >&2",
            |_| {},
        )
        .unwrap();
    let lines = bench.watch.news().lines;
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0].len(), RUNNER_LINE_BYTES + "…".len());
    assert_eq!((lines[1].as_str(), lines[2].as_str()), ("next", "last"));
}
