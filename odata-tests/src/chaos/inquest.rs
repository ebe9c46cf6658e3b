//! What must be true of jobs and their history after everything that has happened: read from the database, judged by moves of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use odonata::model::clock::SECOND;
use odonata::model::text::text_to_ticks;

use super::site::Site;
use crate::jobs::moves::{is_end, is_held};

/// A job, as the database has it.
#[derive(Debug, QueryableByName)]
#[allow(missing_docs)]
pub struct JobRow {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = BigInt)]
    pub attempt: i64,
    #[diesel(sql_type = BigInt)]
    pub priority: i64,
    #[diesel(sql_type = BigInt)]
    pub losses: i64,
    #[diesel(sql_type = BigInt)]
    pub maker: i64,
}

/// A row of the history.
#[derive(Debug, QueryableByName)]
#[allow(missing_docs)]
pub struct EventRow {
    #[diesel(sql_type = BigInt)]
    pub job: i64,
    #[diesel(sql_type = Text)]
    pub at: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub from_state: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub to_state: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub attempt: i64,
}

const JOBS: &str = r#"SELECT "Id" AS id, CAST("State" AS TEXT) AS state, CAST("Kind" AS TEXT) AS kind, CAST("Attempt" AS BIGINT) AS attempt,
  CAST("Priority" AS BIGINT) AS priority, CAST("Losses" AS BIGINT) AS losses, "CreatedById" AS maker FROM "JOBS" ORDER BY "Id""#;
const EVENTS: &str = r#"SELECT "JobId" AS job, CAST("At" AS TEXT) AS at, CAST("From" AS TEXT) AS from_state,
  CAST("To" AS TEXT) AS to_state, CAST("Attempt" AS BIGINT) AS attempt FROM "EVENTS" ORDER BY "JobId", "Id""#;

/// Which steps a job can take when nobody but its worker and the time moves it.
const STEPS: &[(&str, &str)] = &[
    ("", "queued"),
    ("queued", "claimed"),
    ("claimed", "running succeeded failed retrying deferred expired queued"),
    ("running", "succeeded failed retrying deferred expired queued"),
    ("retrying", "queued"),
    ("deferred", "queued"),
];

/// Claims that are closer to each other than this, in ticks, may have passed each other.
const SLACK: i64 = 2 * SECOND;

/// Everything that is there.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Evidence {
    pub jobs: Vec<JobRow>,
    pub events: Vec<EventRow>,
}

impl Evidence {
    /// Reads it.
    pub fn read(url: &str) -> Evidence {
        let schema = odonata::plugin::load(None).expect("the built-in schema is good");
        let core = schema.endpoint("Core").expect("there is one");
        let table = |set: &str| {
            let ty = schema.sets[core.set_names[set]].entity_type;
            &schema.tables[schema.types[ty].table.expect("it has one")].name
        };
        let jobs = diesel::sql_query(JOBS.replace("JOBS", table("Jobs")));
        let events = diesel::sql_query(EVENTS.replace("EVENTS", table("JobEvents")));
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).expect("it opens");
                Evidence {
                    jobs: jobs.load(&mut connection).expect("jobs can be read"),
                    events: events.load(&mut connection).expect("the history can be read"),
                }
            }
            None => {
                let mut connection = PgConnection::establish(url).expect("it opens");
                Evidence {
                    jobs: jobs.load(&mut connection).expect("jobs can be read"),
                    events: events.load(&mut connection).expect("the history can be read"),
                }
            }
        }
    }

    /// How many jobs are in each state.
    pub fn states(&self) -> BTreeMap<&str, usize> {
        let mut states = BTreeMap::new();
        for job in &self.jobs {
            *states.entry(job.state.as_str()).or_default() += 1;
        }
        states
    }

    /// How often jobs went to a state.
    pub fn entries(&self, state: &str) -> usize {
        self.events.iter().filter(|event| event.to_state.as_deref() == Some(state)).count()
    }

    /// What is not as it must be.
    pub fn faults(&self, site: &Site) -> Vec<String> {
        let mut faults = self.losses(site);
        faults.extend(self.paths());
        faults.extend(self.sums());
        faults.extend(self.broken_words(site));
        faults.extend(self.disorder());
        faults
    }

    fn losses(&self, site: &Site) -> Vec<String> {
        let made = site.made.lock().expect("nobody panics with it");
        let there: BTreeSet<i64> = self.jobs.iter().map(|job| job.id).collect();
        let lost = made.keys().filter(|id| !there.contains(id));
        let mut faults: Vec<String> = lost.map(|id| format!("job {id} was acknowledged and is not there")).collect();
        let more = there.iter().filter(|id| !made.contains_key(id));
        faults.extend(more.map(|id| format!("job {id} is there and nobody was told")));
        let alive = self.jobs.iter().filter(|job| !is_end(&job.state));
        faults.extend(alive.map(|job| format!("job {} is {}", job.id, job.state)));
        faults
    }

    /// Each job's history is a path, claims count its attempts, and each attempt ends once.
    fn paths(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for job in &self.jobs {
            let (mut state, mut attempt) = ("", 0);
            let mut ended = BTreeSet::new();
            for event in self.of(job.id) {
                let from = event.from_state.as_deref().unwrap_or_default();
                let to = event.to_state.as_deref().unwrap_or_default();
                let is_step = STEPS.iter().any(|row| row.0 == from && row.1.split(' ').any(|next| next == to));
                if from != state || !is_step {
                    faults.push(format!("job {}: a step from {from} to {to} when it was {state}", job.id));
                }
                attempt += i64::from(to == "claimed");
                if event.attempt != attempt {
                    faults.push(format!("job {}: attempt {} after {attempt} claims", job.id, event.attempt));
                }
                if is_held(from) && !is_held(to) && !ended.insert(attempt) {
                    faults.push(format!("job {}: attempt {attempt} has ended twice", job.id));
                }
                state = to;
            }
            if (state, attempt) != (job.state.as_str(), job.attempt) {
                faults.push(format!(
                    "job {} is {} after {state}, attempt {} after {attempt}",
                    job.id, job.state, job.attempt
                ));
            }
        }
        faults
    }

    fn of(&self, job: i64) -> &[EventRow] {
        let begin = self.events.partition_point(|event| event.job < job);
        let end = self.events.partition_point(|event| event.job <= job);
        &self.events[begin..end]
    }

    /// As many jobs are in a state as have come into it and not left it.
    fn sums(&self) -> Vec<String> {
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        for event in &self.events {
            *sums.entry(event.to_state.as_deref().unwrap_or_default()).or_default() += 1;
            *sums.entry(event.from_state.as_deref().unwrap_or_default()).or_default() -= 1;
        }
        let states = self.states();
        let counted = sums.iter().filter(|(state, _)| !state.is_empty());
        let wrong = counted.filter(|(state, sum)| states.get(**state).copied().unwrap_or(0) as i64 != **sum);
        wrong
            .map(|(state, sum)| format!("{sum} jobs are {state} by the history, and {:?} are", states.get(*state)))
            .collect()
    }

    /// What a worker was told to be taken is in the history, of that attempt; and nobody else was told the same.
    fn broken_words(&self, site: &Site) -> Vec<String> {
        let words = site.words.lock().expect("nobody panics with it");
        let mut told: HashMap<(i64, i64), usize> = HashMap::new();
        let mut faults = Vec::new();
        for word in words.iter() {
            *told.entry((word.job, word.attempt)).or_default() += 1;
            let fits = |to: &str| match word.succeeded {
                true => to == "succeeded",
                false => to == "failed" || to == "retrying",
            };
            let is_there = |event: &EventRow| {
                let from = event.from_state.as_deref().unwrap_or_default();
                event.attempt == word.attempt && is_held(from) && fits(event.to_state.as_deref().unwrap_or_default())
            };
            if !self.of(word.job).iter().any(is_there) {
                faults.push(format!("{word:?} was acknowledged and is not in the history"));
            }
        }
        let twice = told.into_iter().filter(|(_, count)| *count > 1);
        faults.extend(twice.map(|((job, attempt), count)| format!("attempt {attempt} of job {job} was acknowledged {count} times")));
        faults
    }

    /// Nobody gets a job while one waits that comes before it: of a higher priority, or of the same user and priority and made before.
    fn disorder(&self) -> Vec<String> {
        let mut waits = Vec::new();
        for job in &self.jobs {
            let mut since = None;
            for event in self.of(job.id) {
                let at = text_to_ticks(&event.at).expect("a time");
                match event.to_state.as_deref() {
                    Some("queued") => since = Some(at),
                    Some("claimed") => waits.extend(since.take().map(|since| (job, since, at))),
                    _ => {}
                }
            }
        }
        let mut faults = Vec::new();
        for (second, _, claimed) in &waits {
            let passed = waits.iter().find(|(first, since, until)| {
                let is_before = first.priority > second.priority
                    || (first.priority, first.maker) == (second.priority, second.maker) && first.id < second.id;
                // The servers do `Echo`, the runners everything else.
                let is_other_work = (first.kind == "Echo") != (second.kind == "Echo") || first.kind == "later" || second.kind == "later";
                !is_other_work && is_before && since + SLACK < *claimed && claimed + SLACK < *until
            });
            if let Some((first, ..)) = passed {
                faults.push(format!("job {} was claimed while job {} waited before it", second.id, first.id));
            }
        }
        faults
    }
}
