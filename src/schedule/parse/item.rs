//! The parts that operators join.

use std::cmp::Ordering;

use nom::Parser as _;
use nom::bytes::complete::{take_while, take_while1};

use super::Parser;
use crate::model::fault::Outcome;
use crate::schedule::condition::{ACTS, Act, Condition, Every, Span};
use crate::schedule::cron::Cron;
use crate::schedule::period::{Unit, Window};
use crate::schedule::print::UNITS;

/// How each kind of part begins, and how it goes on. A longer beginning stands before the shorter one that it contains.
type Rest = fn(&mut Parser<'_>) -> Outcome<Condition>;
const ITEMS: &[(&str, Rest)] = &[
    ("always true", |_| Ok(Condition::Constant(true))),
    ("always false", |_| Ok(Condition::Constant(false))),
    ("true", |_| Ok(Condition::Constant(true))),
    ("false", |_| Ok(Condition::Constant(false))),
    ("run", |parser| parser.cycle()),
    ("every", |parser| parser.every()),
    ("cron", |parser| parser.cron().map(Condition::Cron)),
    ("crontime", |parser| parser.cron().map(Condition::CronTime)),
    ("time of", |parser| parser.time_of()),
    ("once at", |parser| parser.moment().map(Condition::Once)),
    ("after any", |parser| parser.after(true)),
    ("after", |parser| parser.after(false)),
    ("has", |parser| parser.has(None)),
    ("while task", |parser| parser.running()),
    ("task", |parser| parser.task()),
    ("env", |parser| parser.name("value").map(Condition::Environment)),
    ("param", |parser| parser.param()),
    ("scheduler started", |parser| parser.started()),
    ("scheduler has run over", |parser| parser.delta().map(Condition::RunOver)),
    ("scheduler has", |parser| parser.cycles()),
    ("retry", |parser| parser.retry()),
    ("missed", |_| Ok(Condition::Missed)),
];

impl Parser<'_> {
    pub(super) fn item(&mut self) -> Outcome<Condition> {
        for (beginning, rest) in ITEMS {
            if self.words(beginning) {
                return rest(self);
            }
        }
        self.cycle()
    }

    /// `daily after 07:00`
    fn cycle(&mut self) -> Outcome<Condition> {
        for (unit, name, ..) in UNITS {
            if self.words(name) {
                return self.qualifier(*unit).map(Condition::Run);
            }
        }
        self.blanks();
        Err(self.expected("a condition, such as `daily after 07:00`, `every 10 minutes` or `after task 'name'`"))
    }

    fn every(&mut self) -> Outcome<Condition> {
        let mut every = Every {
            delta: self.delta()?,
            basis: Act::Started,
            anchored: false,
        };
        let mut has_basis = false;
        loop {
            if !every.anchored && self.words("anchored") {
                every.anchored = true;
            } else if !has_basis && self.words("based on") {
                let basis = ACTS.iter().find(|row| !row.2.is_empty() && self.words(row.2));
                self.blanks();
                every.basis = basis.ok_or_else(|| self.expected("`run`, `success`, `fail` or `finish`"))?.0;
                has_basis = true;
            } else {
                return Ok(Condition::Every(every));
            }
        }
    }

    fn cron(&mut self) -> Outcome<Cron> {
        self.blanks();
        let start = self.at();
        let is_field = |c: char| c.is_alphanumeric() || "*,-/?#".contains(c);
        if self.rest.starts_with('@') {
            let name = (nom::character::complete::char('@'), take_while(is_field));
            let name = self.token(nom::combinator::recognize(name)).unwrap_or_default();
            let what = "`@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` or `@annually`";
            return Cron::named(name).ok_or_else(|| self.expected_at(start, what));
        }
        let mut sets = [0; 5];
        for (index, set) in sets.iter_mut().enumerate() {
            self.blanks();
            let at = self.at();
            let field = self.token(take_while1(is_field).map(str::to_owned));
            let field = field.ok_or_else(|| self.expected("five fields: minute, hour, day of the month, month and weekday"))?;
            *set = Cron::field(index, &field).map_err(|(place, what)| self.expected_at(at + place, &what))?;
        }
        Cron::of(sets).ok_or_else(|| self.expected_at(start, "a date that there is"))
    }

    fn time_of(&mut self) -> Outcome<Condition> {
        let unit = UNITS.iter().find(|row| !row.2.is_empty() && self.words(row.2));
        self.blanks();
        let unit = unit.ok_or_else(|| self.expected("`minute`, `hour`, `day`, `week` or `month`"))?.0;
        let at = self.at();
        let period = self.qualifier(unit)?;
        match period.window {
            Window::Whole | Window::Starting(_) => Err(self.expected_at(at, "`between`, `before`, `after` or `on`")),
            _ => Ok(Condition::TimeOf(period)),
        }
    }

    fn after(&mut self, any: bool) -> Outcome<Condition> {
        if !self.words("tasks") && !self.words("task") {
            self.blanks();
            return Err(self.expected("`task` or `tasks`, and names"));
        }
        let mut tasks = vec![self.name("name of a task")?];
        while self.take(',') {
            self.part()?;
            tasks.push(self.name("name of a task")?);
        }
        let act = ACTS.iter().find(|row| row.0.is_outcome() && self.words(row.1));
        let act = act.map_or(Act::Succeeded, |row| row.0);
        Ok(Condition::After { tasks, any, act })
    }

    fn task(&mut self) -> Outcome<Condition> {
        let name = self.name("name of a task")?;
        if self.words("is running") {
            return Ok(Condition::Running(name));
        }
        if self.words("has") {
            return self.has(Some(name));
        }
        self.blanks();
        Err(self.expected("`has` or `is running`"))
    }

    fn running(&mut self) -> Outcome<Condition> {
        let name = self.name("name of a task")?;
        if self.words("is running") {
            return Ok(Condition::Running(name));
        }
        self.blanks();
        Err(self.expected("`is running`"))
    }

    fn has(&mut self, task: Option<String>) -> Outcome<Condition> {
        let act = ACTS.iter().find(|row| self.words(row.1));
        self.blanks();
        let act = act.ok_or_else(|| self.expected("`succeeded`, `failed`, `finished`, `started`, `terminated`, `inacted` or `crashed`"));
        let act = act?.0;
        let span = match UNITS.iter().find(|row| !row.3.is_empty() && self.words(row.3)) {
            Some(row) => self.span(row.0)?,
            None if self.words("in past") || self.words("past") => Span::Past(self.delta()?),
            None => Span::Own,
        };
        Ok(Condition::Has { task, act, span })
    }

    fn span(&mut self, unit: Unit) -> Outcome<Span> {
        self.qualifier(unit).map(Span::This)
    }

    fn param(&mut self) -> Outcome<Condition> {
        let key = self.name("name of a parameter")?;
        if self.words("exists") {
            return Ok(Condition::Parameter(key, None));
        }
        if self.words("is") {
            return Ok(Condition::Parameter(key, Some(self.name("value")?)));
        }
        self.blanks();
        Err(self.expected("`exists` or `is`"))
    }

    fn started(&mut self) -> Outcome<Condition> {
        let delta = self.delta()?;
        if self.words("ago") {
            return Ok(Condition::Started(delta));
        }
        self.blanks();
        Err(self.expected("`ago`"))
    }

    fn cycles(&mut self) -> Outcome<Condition> {
        let order = match () {
            () if self.words("more than") => Ordering::Greater,
            () if self.words("less than") => Ordering::Less,
            () => Ordering::Equal,
        };
        let count = self.number()?;
        if self.words("cycles") || self.words("cycle") {
            return Ok(Condition::Cycles(order, count));
        }
        self.blanks();
        Err(self.expected("`cycles`"))
    }

    fn retry(&mut self) -> Outcome<Condition> {
        if self.words("-1") {
            return Ok(Condition::Retry(None));
        }
        self.number().map(Some).map(Condition::Retry)
    }
}
