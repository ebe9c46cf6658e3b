//! The command line: `odonata serve` and its companions. Every command opens the house the same way.

mod check;
mod import;
mod load;
mod load_json;
#[cfg(unix)]
mod runner;
mod serve;
mod user;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::auth::password;
use crate::engine::{Engine, bootstrap, model_rows};
use crate::model::clock::Clock;
use crate::model::fault::{Fault, Outcome};
use crate::model::schema::Schema;
use crate::plugin;
use crate::settings::{self, Settings};
use crate::store::Db;

/// The settings file, when `--config` names no other.
const SETTINGS_FILE: &str = "odonata.toml";

#[derive(Debug, Parser)]
#[command(name = "odonata", version, about = "An OData v3 entity server in one binary.")]
#[command(
    after_help = "Without a command the server is started. A setting stands in odonata.toml under the name of its option, with _ for -;\n\
    the environment comes before the file, and the command line before both."
)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (the default)
    Serve,
    /// Make a plugin folder of a $metadata document; it is served at the next start
    Import(import::Arguments),
    /// Load rows from a CSV or JSON file
    Load(load::Arguments),
    /// Check the schema files and the database against them, changing no table of theirs
    Check,
    /// Do jobs of a server: run the commands that the runner's own file allows
    #[cfg(unix)]
    Runner(runner::Arguments),
    /// Manage users
    #[command(subcommand)]
    User(user::Command),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    // Whoever speaks TLS in this process takes this. A program around the server may have chosen already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let matches = command().get_matches();
    let done = Line::from_arg_matches(&matches)
        .map_err(|error| error.to_string())
        .and_then(|line| {
            #[cfg(unix)]
            if let Some(Command::Runner(arguments)) = &line.command {
                return Ok(runner(&matches, arguments));
            }
            let settings = settings(&matches)?;
            log(&settings.log)?;
            let done = match line.command.unwrap_or(Command::Serve) {
                Command::Serve => serve::run(&settings),
                Command::Import(arguments) => import::run(&settings, &arguments),
                Command::Load(arguments) => load::run(&settings, &arguments),
                Command::Check => check::run(&settings),
                #[cfg(unix)]
                Command::Runner(_) => Ok(()),
                Command::User(command) => user::run(&settings, &command),
            };
            done.map(|()| ExitCode::SUCCESS)
        });
    match done {
        Ok(code) => code,
        Err(message) => {
            eprintln!("odonata: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Options of the server that the runner does not have.
#[cfg(unix)]
fn foreign() -> impl Iterator<Item = &'static settings::Setting> {
    settings::all().filter(|row| row.option().is_some() && row.key != "log")
}

/// The runner is no part of the server: of its settings it has the log only.
#[cfg(unix)]
fn runner(matches: &ArgMatches, arguments: &runner::Arguments) -> ExitCode {
    let mut foreign = foreign().filter(|row| matches.get_one::<String>(row.key).is_some());
    let wrong = foreign.find_map(settings::Setting::option);
    let filter = matches
        .get_one::<String>("log")
        .cloned()
        .or_else(|| std::env::var("ODONATA_LOG").ok());
    let done = match wrong {
        Some(option) => Err(format!("--{option} is a setting of the server").into()),
        None => log(&filter.unwrap_or_else(|| Settings::defaults().log))
            .map_err(runner::Failure::from)
            .and_then(|()| runner::run(arguments)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("odonata: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// The commands, and an option for each setting that has one.
fn command() -> clap::Command {
    let option = |row: &'static settings::Setting| Some(Arg::new(row.key).long(row.option()?).value_name(row.value).help(row.text()));
    let options = settings::all().filter_map(option);
    let others = |from: settings::From| -> String {
        let rows = settings::all().filter(|row| row.from == from);
        rows.map(|row| format!("  {:28} {}\n", row.key, row.text())).collect()
    };
    let issuers: String = settings::issuer::ISSUER.iter().map(settings::issuer::help).collect();
    let file = format!("File with settings [default: {SETTINGS_FILE}, if it is there] [env: ODONATA_CONFIG]");
    let file = Arg::new("config").long("config").value_name("FILE").help(file);
    let line = Line::command();
    #[cfg(unix)]
    let line = line.mut_subcommand("runner", |runner| {
        runner.args(foreign().filter_map(option).map(|option| option.hide(true)))
    });
    line.args(options.chain([file]).map(|option| option.global(true).help_heading("Settings")))
        .after_long_help(format!(
            "Only in {SETTINGS_FILE} (`a.b` is b in section [a]) or the environment:\n{}\nIn a section [issuer.NAME] for each issuer of tokens, \
             or the environment:\n{}\nOnly in the environment:\n{}",
            others(settings::From::FileOrEnvironment),
            issuers,
            others(settings::From::Environment)
        ))
}

fn settings(matches: &ArgMatches) -> Result<Settings, String> {
    let given = |key: &str| matches.get_one::<String>(key).cloned();
    let environment = |name: &str| std::env::var(name).ok();
    let named = given("config").or_else(|| environment("ODONATA_CONFIG"));
    let path = named.as_deref().unwrap_or(SETTINGS_FILE);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => None,
        Err(error) => return Err(format!("{path}: {error}")),
    };
    Settings::gather(text.as_deref().map(|text| (path, text)), environment, given)
}

/// The log goes to standard error; standard output is for what commands have to say.
fn log(filter: &str) -> Result<(), String> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| format!("log: {error}"))?;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second call in one process is a test's; the first log stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .try_init();
    Ok(())
}

/// Schema, database and engine, ready for work.
struct House {
    engine: Arc<Engine>,
    db: Db,
}

impl House {
    /// Loads the schema, opens the database, makes what is missing in it, and, the first time, the first administrator.
    fn open(settings: &Settings) -> Result<House, String> {
        let schema = Arc::new(schema(&settings.plugins)?);
        let db = Db::open(&settings.database).map_err(|fault| told(&fault))?;
        let made = db.prepare(&schema).map_err(|differences| {
            format!(
                "the database does not fit the schema:\n  {}\nWrite a migration for it; nothing was changed.",
                differences.join("\n  ")
            )
        })?;
        // The first start makes dozens of tables: how many says enough.
        match made.len() {
            0 => {}
            1..=5 => tracing::info!("made in the database: {}", made.join(", ")),
            many => tracing::info!("made in the database: {many} tables, columns and indexes"),
        }
        let mut engine = Engine::new(schema, Clock::System, settings.page_size);
        engine.accounts = settings.accounts.clone();
        let own = || format!("http://{}", settings.listen);
        engine.accounts.public_url = settings.public_url.clone().unwrap_or_else(own);
        let engine = Arc::new(engine);
        first_start(&engine, &db, settings.admin_password.clone()).map_err(|fault| told(&fault))?;
        Ok(House { engine, db })
    }

    fn schema(&self) -> &Schema {
        &self.engine.schema
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.db.close();
    }
}

fn schema(plugins: &Path) -> Result<Schema, String> {
    plugin::load(Some(plugins)).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        format!("the schema files have faults:\n{}", problems.join("\n"))
    })
}

fn first_start(engine: &Arc<Engine>, db: &Db, password: Option<String>) -> Outcome<()> {
    let random = if password.is_none() { Some(password::random()?) } else { None };
    let password = password.or_else(|| random.clone()).unwrap_or_default();
    let engine = engine.clone();
    let made = db.write_alone(move |session| {
        let made = bootstrap::first_start(&engine, session, || password::hash(&password))?;
        model_rows::refresh(&engine, session)?;
        Ok(made)
    })?;
    if let (true, Some(password)) = (made, random) {
        eprintln!(
            "The first user is {}, with the password {password}\nIt is not shown again.",
            bootstrap::ADMINISTRATOR
        );
    }
    Ok(())
}

/// A fault for the person at the terminal, who is the one to read the cause.
fn told(fault: &Fault) -> String {
    match &fault.cause {
        Some(cause) => format!("{fault} ({cause})"),
        None => fault.to_string(),
    }
}

/// Writes a line to standard output, at once. Nobody reading it is no fault.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself() {
        fn look(mut command: clap::Command) {
            let help = command.render_long_help().to_string();
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let all = settings::all().filter(|row| command.get_name() != "runner" || row.key == "log");
            for row in all {
                let shown = match row.option() {
                    Some(option) => help.contains(&format!("--{option}")) && help.contains(&row.variable()),
                    None => command.get_name() != "odonata" || help.contains(&row.variable()),
                };
                assert!(shown, "{}: {help}", row.key);
            }
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command
                .get_subcommands()
                .filter(|inner| inner.get_name() != "help")
                .cloned()
                .for_each(look);
        }
        let mut command = command();
        command.build();
        look(command);
    }

    #[test]
    fn settings_stand_anywhere() {
        for line in [
            &["odonata", "--page-size", "7"][..],
            &["odonata", "serve", "--page-size", "7"],
            &["odonata", "user", "list", "--page-size", "7"],
        ] {
            let matches = command().try_get_matches_from(line).unwrap();
            assert_eq!(settings(&matches).unwrap().page_size, 7, "{line:?}");
        }
    }
}
