//! The command line.

use std::path::PathBuf;

use crate::Outcome;

const HELP: &str = "\
Compares Odonata with a bare actix-web handler and a hand-written actix-web + SQLite program, on this machine.

Usage: cargo run --release -p odata-tests --bin bench -- [OPTIONS]

      --rows N         rows of the set that is read and changed [default: 1000000]
      --seconds N      measuring time over all cases and servers [default: 120]
      --rounds N       rounds of the interleaved run; figures are medians over them [default: 5]
      --only A,B       only cases whose name contains one of these words (also: walk, batch, identity, stream, queue, tasks, debug)
      --jobs N         jobs of the queue [default: 5000]
      --postgres URL   use this PostgreSQL database instead of starting one; its Bench tables are filled
      --no-postgres    leave PostgreSQL out
      --folder DIR     make the temporary folder here instead of in the system's
  -h, --help           this text
";

/// What the person at the terminal asked for.
pub struct Options {
    /// Rows of `Items`.
    pub rows: u64,
    /// Seconds of load over all slices.
    pub seconds: f64,
    /// Slices of each server in each case.
    pub rounds: usize,
    /// Jobs of the queue.
    pub jobs: i64,
    /// Words, one of which a case's name must contain.
    pub only: Vec<String>,
    /// A database that runs already.
    pub postgres: Option<String>,
    /// No PostgreSQL at all.
    pub no_postgres: bool,
    /// Where the temporary folder is made.
    pub folder: Option<PathBuf>,
}

impl Options {
    /// Reads the command line; none when it only asked for help.
    pub fn parse(arguments: &[String]) -> Outcome<Option<Options>> {
        let mut options = Options {
            rows: 1_000_000,
            seconds: 120.0,
            rounds: 5,
            jobs: 5_000,
            only: Vec::new(),
            postgres: None,
            no_postgres: false,
            folder: None,
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--rows" => options.rows = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--rounds" => options.rounds = value()?.parse()?,
                "--jobs" => options.jobs = value()?.parse()?,
                "--only" => options.only = value()?.split(',').map(str::to_lowercase).collect(),
                "--postgres" => options.postgres = Some(value()?.clone()),
                "--no-postgres" => options.no_postgres = true,
                "--folder" => options.folder = Some(PathBuf::from(value()?)),
                "-h" | "--help" => {
                    print!("{HELP}");
                    return Ok(None);
                }
                other => return Err(format!("{other} is not an option; see --help").into()),
            }
        }
        if options.jobs < 50 {
            return Err("the queue needs at least 50 jobs".into());
        }
        if options.rows < 10_000 || options.rounds == 0 || options.seconds <= 0.0 {
            return Err("at least 10,000 rows, one round and some time are needed".into());
        }
        Ok(Some(options))
    }

    /// Whether a case of this name is wanted.
    pub fn takes(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }
}
