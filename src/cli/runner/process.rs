//! One command from its start to its end: its own process group, nothing of the runner's environment, and limits that end it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use super::group;
use super::watch::{Order, Watch};
use crate::model::limits::RUNNER_LINE_BYTES;

/// How often limits are looked at.
const TICK: Duration = Duration::from_millis(100);
/// From TERM to KILL.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for what a dead group has written.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Begins a line about progress.
const PROGRESS: &[u8] = b"progress ";
/// Most characters of what goes with it.
const MESSAGE: usize = 1_000;

/// A command, ready to be started.
#[derive(Debug)]
pub struct Task<'a> {
    /// Program and arguments.
    pub items: Vec<OsString>,
    /// Its whole environment.
    pub env: &'a [(String, String)],
    /// Where it works.
    pub folder: &'a Path,
    /// Where its standard output goes; without it to the log.
    pub stdout: Option<&'a Path>,
    /// The file that it makes, when that is not its standard output.
    pub made: Option<&'a Path>,
    /// Standard output tells of progress.
    pub progress: bool,
    /// Longest run.
    pub time: Duration,
    /// Most memory of the group, in MiB.
    pub memory_mb: Option<u64>,
    /// Longest output, in MiB.
    pub output_mb: u64,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was told to.
    Ordered(Order),
    /// It took too long.
    Time,
    /// It took too much memory.
    Memory,
    /// It wrote too much.
    Output,
}

/// What the threads around one process know.
#[derive(Debug, Default)]
struct Flags {
    /// The process that was started has ended.
    ended: AtomicBool,
    /// It wrote more than it may.
    too_much: AtomicBool,
    /// Standard output and error that are still read.
    open: AtomicUsize,
}

/// Runs a command. The error is that it could not be started.
pub fn run(task: &Task<'_>, watch: &Arc<Watch>) -> Result<End, String> {
    let begin = Instant::now();
    let program = task.items.first().ok_or("the command is empty")?;
    let sink = task.stdout.map(File::create).transpose().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(&task.items[1..]).env_clear().current_dir(task.folder).process_group(0);
    command.envs(task.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
    let group = Pid::from_child(&child);
    // The byte more shows that it was too much.
    #[cfg(target_os = "linux")]
    group::bound_files(group, (task.output_mb << 20) + 1);
    let flags = Arc::new(Flags::default());
    listen(&mut child, task, sink, watch, &flags);
    wait(group, watch, &flags);

    let verdict = supervise(task, watch, &flags, group, begin);
    if verdict.is_some() && verdict != Some(End::Ordered(Order::Now)) {
        end(group, watch);
    }
    // The group's number is nobody else's until its first process is waited for: whatever is left of it ends here.
    group::kill(group);
    group::evict(task.folder);
    let status = child.wait().map_err(|error| error.to_string())?;
    let until = Instant::now() + LAST_WORDS;
    while flags.open.load(Ordering::Acquire) > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    if let Some(verdict) = verdict {
        return Ok(verdict);
    }
    let too_much = flags.too_much.load(Ordering::Acquire) || is_too_long(task) || status.signal() == Some(Signal::XFSZ.as_raw());
    Ok(if too_much { End::Output } else { End::Exited(status) })
}

/// Waits for its end, or for a reason to end it.
fn supervise(task: &Task<'_>, watch: &Watch, flags: &Flags, group: Pid, begin: Instant) -> Option<End> {
    loop {
        watch.pause(TICK, || {
            flags.ended.load(Ordering::Acquire) || flags.too_much.load(Ordering::Acquire)
        });
        if flags.ended.load(Ordering::Acquire) {
            return None;
        }
        if let Some(order) = watch.ordered() {
            return Some(End::Ordered(order));
        }
        if flags.too_much.load(Ordering::Acquire) || is_too_long(task) {
            return Some(End::Output);
        }
        if begin.elapsed() > task.time {
            return Some(End::Time);
        }
        let most = task.memory_mb.map(|most| most << 10);
        if let Some(most) = most
            && group::census(group).is_some_and(|census| census.memory_kib > most)
        {
            return Some(End::Memory);
        }
    }
}

fn is_too_long(task: &Task<'_>) -> bool {
    let found = task.made.and_then(|path| std::fs::metadata(path).ok());
    found.is_some_and(|found| found.len() > task.output_mb << 20)
}

/// TERM, and some time to follow it.
fn end(group: Pid, watch: &Watch) {
    group::terminate(group);
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until && watch.ordered() != Some(Order::Now) {
        if group::census(group).is_some_and(|census| census.alive == 0) {
            return;
        }
        std::thread::sleep(TICK / 4);
    }
}

/// Notes the end of the first process, without taking it from the table of processes.
fn wait(process: Pid, watch: &Arc<Watch>, flags: &Arc<Flags>) {
    let (watch, flags) = (watch.clone(), flags.clone());
    std::thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(process), options), Err(rustix::io::Errno::INTR)) {}
        flags.ended.store(true, Ordering::Release);
        watch.ring();
    });
}

/// Reads what it says, each on a thread of its own.
fn listen(child: &mut Child, task: &Task<'_>, sink: Option<File>, watch: &Arc<Watch>, flags: &Arc<Flags>) {
    let start = |read: Box<dyn FnOnce(&Watch, &Flags) + Send>| {
        let (watch, flags) = (watch.clone(), flags.clone());
        flags.open.fetch_add(1, Ordering::AcqRel);
        std::thread::spawn(move || {
            read(&watch, &flags);
            flags.open.fetch_sub(1, Ordering::AcqRel);
        });
    };
    if let Some(stderr) = child.stderr.take() {
        start(Box::new(move |watch, _| log(stderr, true, false, watch)));
    }
    if let Some(stdout) = child.stdout.take() {
        let (progress, most) = (task.progress, task.output_mb << 20);
        start(Box::new(move |watch, flags| match sink {
            Some(sink) => {
                if !keep(stdout, sink, most, progress, watch) {
                    flags.too_much.store(true, Ordering::Release);
                    watch.ring();
                }
            }
            None => log(stdout, false, progress, watch),
        }));
    }
}

/// Every line into the log.
fn log(from: impl Read, is_error: bool, progress: bool, watch: &Watch) {
    let mut from = BufReader::new(from);
    let mut piece = Vec::new();
    let mut begins = true;
    while next_piece(&mut from, &mut piece) {
        let ends = piece.ends_with(b"\n");
        if begins && !(progress && take_progress(&piece, watch)) {
            let cut = if ends || piece.len() < RUNNER_LINE_BYTES { "" } else { "…" };
            watch.line(shown(&piece) + cut, is_error);
        }
        begins = ends;
    }
}

/// Everything into the file, but lines about progress. Whether it was not too much; a full disk is too much as well.
fn keep(from: impl Read, mut into: File, most: u64, progress: bool, watch: &Watch) -> bool {
    let mut from = BufReader::with_capacity(65_536, from);
    let mut piece = Vec::new();
    let (mut begins, mut kept) = (true, 0);
    while if progress {
        next_piece(&mut from, &mut piece)
    } else {
        next_bytes(&mut from, &mut piece)
    } {
        if progress && begins && take_progress(&piece, watch) {
            continue;
        }
        begins = piece.ends_with(b"\n");
        kept += piece.len() as u64;
        if kept > most {
            return false;
        }
        if let Err(error) = into.write_all(&piece) {
            watch.line(format!("the runner cannot keep the output: {error}"), true);
            return false;
        }
    }
    true
}

fn next_bytes(from: &mut impl BufRead, piece: &mut Vec<u8>) -> bool {
    piece.clear();
    let Ok(found) = from.fill_buf() else { return false };
    piece.extend_from_slice(found);
    let many = found.len();
    from.consume(many);
    many > 0
}

/// A line, or as much of it as a line may have.
fn next_piece(from: &mut impl BufRead, piece: &mut Vec<u8>) -> bool {
    piece.clear();
    let read = from.by_ref().take(RUNNER_LINE_BYTES as u64).read_until(b'\n', piece);
    read.is_ok_and(|many| many > 0)
}

/// Takes `progress 0.4 text`. Whether the line was that.
fn take_progress(line: &[u8], watch: &Watch) -> bool {
    let Some(rest) = line.strip_prefix(PROGRESS).filter(|_| line.ends_with(b"\n")) else {
        return false;
    };
    let rest = shown(rest);
    let (number, text) = rest.split_once(' ').unwrap_or((&rest, ""));
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let Some(number) = number.parse::<f64>().ok().filter(|number| plain && (0.0..=1.0).contains(number)) else {
        return false;
    };
    watch.progress(number, (!text.is_empty()).then(|| text.chars().take(MESSAGE).collect()));
    true
}

/// A line as it may stand in a log: no characters that steer a terminal, and none that a database refuses.
fn shown(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches(['\r', '\n']);
    let plain = |c: char| {
        if c.is_control() && c != '\t' {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    line.chars().map(plain).collect()
}

#[cfg(test)]
mod tests;
