//! `odonata runner`: does jobs of a server by running commands that its own file allows. It speaks HTTP with the server and knows nothing of
//! what is behind it. Argument vectors only, never a shell.

mod attempt;
mod config;
mod group;
mod process;
mod scratch;
mod server;
mod shift;
mod template;
mod watch;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::say;
use attempt::Ended;
use config::{Config, KIND, Key, RUNNER, TOKEN};
use scratch::Scratch;
use server::{Fault, Outcome};
use shift::{Leave, Shift};

/// Exit code of a runner that the server refuses: starting it again changes nothing.
const REFUSED: u8 = 3;

/// Arguments of `odonata runner`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = keys())]
pub struct Arguments {
    /// The runner's configuration
    #[arg(long, value_name = "FILE", default_value = "runner.toml")]
    config: String,
    /// Do one job, if there is one within half a minute, and end
    #[arg(long)]
    once: bool,
    /// Only read the configuration, and say what would be run
    #[arg(long)]
    check: bool,
    /// Take the place of a registration of this runner that is alive
    #[arg(long)]
    force: bool,
    /// How long jobs may go on after SIGTERM or Ctrl-C; those that have not ended then fail, and may be tried again. A second signal ends everything
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u32,
}

/// Why it did not end well.
pub struct Failure {
    /// Of the process.
    pub code: u8,
    /// For the person at the terminal.
    pub message: String,
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure { code: 1, message }
    }
}

/// The keys of the configuration, for help.
fn keys() -> String {
    fn rows<T>(keys: &[Key<T>]) -> String {
        let row = |key: &Key<T>| {
            let default = match key.default {
                "" => String::new(),
                default => format!(" [default: {default}]"),
            };
            format!("  {:32} {}{default}\n", format!("{} = {}", key.name, key.value), key.help)
        };
        keys.iter().map(row).collect()
    }
    format!(
        "In the configuration:\n{}\nIn a section [kinds.NAME] for each kind of job that it does:\n{}\n\
        Only in the environment, or in `token_file`:\n  {TOKEN:32} The token that CreateRunner gave\n\n\
        Exit codes: 0 when it was asked to end, 1 for a fault (with --once also of its job), {REFUSED} when the server refuses the runner",
        rows(RUNNER),
        rows(KIND)
    )
}

/// Works until told to stop.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let file = &arguments.config;
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let config = config::read(file, &text, |name| std::env::var(name).ok())?;
    if arguments.check {
        plan(&config).iter().for_each(|line| say(line));
        return Ok(());
    }
    // What commands of the same user read of this process would hold the token.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).map_err(|error| error.to_string())?;
    let scratch = Scratch::open(&config.work_dir)?;
    let shift = Arc::new(Shift::new(config, scratch, arguments.force, arguments.once));
    hear(&shift)?;
    match shift.work(Duration::from_secs(arguments.grace.into())) {
        Ok(Some((job, ended))) if arguments.once => one(job, &ended),
        Ok(_) => Ok(()),
        Err(Leave::Refused(fault)) => Err(refused(&fault)),
        Err(_) => Err("ended at once; what ran is claimed again when its lease is over".to_owned().into()),
    }
}

fn refused(fault: &Fault) -> Failure {
    let message = match fault {
        Fault::Gone(why) => format!("the server does not know this runner any more: {why}"),
        Fault::Token(why) => format!("the token does not count, or no longer: {why}"),
        fault => format!("the server refuses the runner: {fault}"),
    };
    Failure { code: REFUSED, message }
}

/// What became of the one job of `--once`.
fn one(job: i64, ended: &Ended) -> Result<(), Failure> {
    match ended {
        Ended::Told(Outcome::Done(_)) => Ok(()),
        Ended::Told(Outcome::Failed { why, .. }) => Err(format!("job {job} failed: {why}").into()),
        Ended::Lost => Err(format!("job {job} is lost: its result is nobody's").into()),
        Ended::Revoked(why) => Err(refused(&Fault::Token(why.clone()))),
    }
}

/// What would be run.
fn plan(config: &Config) -> Vec<String> {
    let tags = if config.tags.is_empty() {
        String::new()
    } else {
        format!(", tags {}", config.tags.join(", "))
    };
    let mut lines = vec![
        format!(
            "{} at {}: {} at once, priority {}{tags}",
            config.name, config.server, config.slots, config.priority
        ),
        format!("work_dir: {}", config.work_dir.display()),
    ];
    for (name, kind) in &config.kinds {
        let memory = kind
            .memory_mb
            .map_or("any memory".to_owned(), |most| format!("{most} MiB of memory"));
        let env: Vec<&str> = kind.env.iter().map(|(name, _)| name.as_str()).collect();
        lines.push(format!(
            "{name}: {}",
            kind.command.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        ));
        lines.push(format!(
            "  {} s, {memory}, {} MiB of output; variables: {}",
            kind.seconds,
            kind.output_mb,
            env.join(", ")
        ));
    }
    lines
}

/// Has signals tell the runner to end.
fn hear(shift: &Arc<Shift>) -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let fault = |error: std::io::Error| format!("signals cannot be heard: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fault)?;
    let shift = shift.clone();
    let (mut term, mut int) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate()).map_err(fault)?,
            signal(SignalKind::interrupt()).map_err(fault)?,
        )
    };
    std::thread::spawn(move || {
        loop {
            let either = |context: &mut Context<'_>| match (term.poll_recv(context), int.poll_recv(context)) {
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                _ => Poll::Ready(()),
            };
            runtime.block_on(std::future::poll_fn(either));
            shift.signal();
        }
    });
    Ok(())
}
