//! What becomes of jobs, written from the documentation: times are seconds, states are words, and nothing is stored.

use std::collections::BTreeMap;

use super::acts::{AT_ONCE, Act, Claim, KINDS, Maker, ROOT, RULES, WORKERS};
use super::moves::{Refused, is_end, is_held, target};

/// How long an ended job is kept.
const KEPT: i64 = 90 * 86_400;

/// What an act gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Nothing that is looked at.
    Nothing,
    /// A job: new, or known.
    Job(usize),
    /// A job and the number of its attempt; none waits.
    Claim(Option<(usize, i64)>),
    /// Whether to stop, and until when the lease holds.
    Word(bool, i64),
}

/// A row of the history: job, from, to, attempt.
pub type Moved = (usize, &'static str, &'static str, i64);

/// A job.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Job {
    pub maker: Maker,
    pub state: &'static str,
    pub attempt: i64,
    pub failures: i64,
    pub losses: i64,
    /// Most failures.
    pub attempts: i64,
    lease: i64,
    timeout: Option<i64>,
    due: i64,
    turn: Option<i64>,
    holder: usize,
    lease_until: i64,
    timeout_at: Option<i64>,
    started: i64,
    deadline: Option<i64>,
    killed_at: i64,
    ended_at: i64,
    remove: bool,
    /// Nobody else may be like this one.
    unique: bool,
}

/// All jobs.
#[derive(Debug, Default)]
pub struct Reference {
    /// Now.
    pub now: i64,
    /// By their numbers in order of creation; what was removed is not there.
    pub jobs: BTreeMap<usize, Job>,
    /// The number of the next one.
    pub next: usize,
    /// The tenant that is not the root is under maintenance.
    pub paused: bool,
    /// The history of this act.
    pub moved: Vec<Moved>,
}

impl Reference {
    /// Does something; what is refused changes nothing.
    pub fn act(&mut self, act: &Act) -> Result<Given, Refused> {
        self.moved.clear();
        match act {
            Act::Create(maker) => return self.create(maker),
            Act::Submit(id) => self.submit(*id)?,
            Act::Kill(id) => self.kill(*id)?,
            Act::Remove(id) => self.remove(*id)?,
            Act::Restart(id, user) => return self.restart(*id, *user),
            Act::Retry(id) => self.retry(*id)?,
            Act::Result(id, succeeded) => self.result(*id, *succeeded)?,
            Act::Claim(worker) => return Ok(Given::Claim(self.claim(*worker))),
            Act::Heartbeat(claim) => return self.heartbeat(claim),
            Act::Finish(claim) => {
                self.held(claim)?;
                self.step(claim.job, "done", "")?;
                self.ended(claim.job);
            }
            Act::Fail(claim, retry) => {
                self.held(claim)?;
                self.fail(claim.job, *retry);
            }
            Act::Defer(claim, seconds) => self.defer(claim, *seconds)?,
            Act::GiveBack(claim) => {
                self.held(claim)?;
                match self.jobs[&claim.job].state {
                    "stopping" => self.fail(claim.job, false),
                    _ => self.step(claim.job, "lose", "")?,
                }
            }
            Act::Advance(seconds) => self.now += seconds,
            Act::Pause(paused) => self.paused = *paused,
            Act::Sweep => self.sweep(),
        }
        Ok(Given::Nothing)
    }

    /// Those that wait to be claimed, the next first.
    pub fn queue(&self) -> Vec<usize> {
        let queued = self.jobs.iter().filter(|(_, job)| job.state == "queued");
        let mut queue: Vec<(i64, i64, usize)> = queued.map(|(id, job)| (-job.maker.priority, job.turn.unwrap_or(-1), *id)).collect();
        queue.sort_unstable();
        queue.into_iter().map(|(_, _, id)| id).collect()
    }

    fn job(&mut self, id: usize) -> Result<&mut Job, Refused> {
        self.jobs.get_mut(&id).ok_or(404)
    }

    /// One move, and its row in the history.
    fn step(&mut self, id: usize, what: &str, to: &'static str) -> Result<(), Refused> {
        let (now, moved) = (self.now, &mut self.moved);
        let job = self.jobs.get_mut(&id).ok_or(404_u16)?;
        let (from, mut next) = (job.state, target(what, job.state)?);
        if next == "?" {
            next = to;
        }
        if next != from {
            moved.push((id, from, next, job.attempt));
        }
        job.state = next;
        if is_end(next) {
            (job.turn, job.unique, job.ended_at) = (None, false, now);
        }
        Ok(())
    }

    fn turn(&self, id: usize) -> i64 {
        let own = &self.jobs[&id];
        if let Some(turn) = own.turn {
            return turn;
        }
        let peers = || self.jobs.values().filter(|job| job.maker.priority == own.maker.priority);
        let worked_on = peers().filter(|job| is_held(job.state)).filter_map(|job| job.turn).max();
        let first = || peers().filter(|job| job.state == "queued").filter_map(|job| job.turn).min();
        let now = worked_on.or_else(first).unwrap_or(0);
        let mine = peers()
            .filter(|job| job.maker.user == own.maker.user)
            .filter_map(|job| job.turn)
            .max();
        mine.map_or(now, |mine| now.max(mine + 1))
    }

    fn take_turn(&mut self, id: usize) {
        let turn = self.turn(id);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.turn = Some(turn);
        }
    }

    /// Where a job begins; none if something that it depends on has ended badly.
    fn beginning(&self, maker: &Maker) -> Result<&'static str, Refused> {
        let states = || maker.before.iter().filter_map(|id| self.jobs.get(id)).map(|job| job.state);
        if maker.kind == "external" {
            return Ok("idle");
        }
        if !maker.submitted {
            return Ok("draft");
        }
        if states().any(|state| is_end(state) && state != "succeeded") {
            return Err(409);
        }
        Ok(match states().all(|state| state == "succeeded") {
            false => "waiting",
            true if maker.due > self.now => "delayed",
            true => "queued",
        })
    }

    fn is_taken(&self, maker: &Maker) -> bool {
        let same = |job: &Job| (job.maker.tenant, job.maker.kind, job.maker.arguments) == (maker.tenant, maker.kind, maker.arguments);
        self.jobs.values().any(|job| job.unique && same(job))
    }

    fn create(&mut self, maker: &Maker) -> Result<Given, Refused> {
        let Some(defaults) = KINDS
            .iter()
            .find(|kind| kind.name == maker.kind && kind.tenant.is_none_or(|of| of == maker.tenant))
        else {
            return Err(400);
        };
        if !(-100..=100).contains(&maker.priority) || maker.before.iter().any(|id| !self.jobs.contains_key(id)) {
            return Err(400);
        }
        if let Some(key) = maker.key
            && let Some((id, known)) = self
                .jobs
                .iter()
                .find(|(_, job)| job.maker.key == Some(key) && job.maker.tenant == maker.tenant)
        {
            let of = |maker: &Maker| (maker.user, maker.kind, maker.arguments);
            return if of(&known.maker) == of(maker) {
                Ok(Given::Job(*id))
            } else {
                Err(409)
            };
        }
        if maker.unique && self.is_taken(maker) {
            return Err(409);
        }
        let state = self.beginning(maker)?;
        let id = self.next;
        self.next += 1;
        let job = Job {
            state,
            attempt: 0,
            failures: 0,
            losses: 0,
            attempts: maker.attempts.or(defaults.attempts).unwrap_or(1),
            lease: maker.lease.or(defaults.lease).unwrap_or(60),
            timeout: maker.timeout.or(defaults.timeout),
            due: maker.due,
            turn: None,
            holder: 0,
            lease_until: 0,
            timeout_at: None,
            started: 0,
            deadline: None,
            killed_at: 0,
            ended_at: 0,
            remove: false,
            unique: maker.unique,
            maker: maker.clone(),
        };
        self.moved.push((id, "", state, 0));
        self.jobs.insert(id, job);
        if state == "queued" {
            self.take_turn(id);
        }
        Ok(Given::Job(id))
    }

    fn submit(&mut self, id: usize) -> Result<(), Refused> {
        let job = self.job(id)?;
        target("submit", job.state)?;
        let mut maker = job.maker.clone();
        maker.submitted = true;
        let to = self.beginning(&maker)?;
        self.step(id, "submit", to)?;
        self.job(id)?.maker = maker;
        if to == "queued" {
            self.take_turn(id);
        }
        Ok(())
    }

    fn kill(&mut self, id: usize) -> Result<(), Refused> {
        let now = self.now;
        let job = self.job(id)?;
        if job.state == "stopping" {
            return Ok(());
        }
        job.killed_at = now;
        self.step(id, "kill", "")?;
        if self.jobs[&id].state == "killed" {
            self.ended(id);
        }
        Ok(())
    }

    fn remove(&mut self, id: usize) -> Result<(), Refused> {
        let job = self.job(id)?;
        if is_end(job.state) {
            self.delete(id);
            return Ok(());
        }
        job.remove = true;
        self.kill(id)
    }

    fn delete(&mut self, id: usize) {
        self.jobs.remove(&id);
        self.moved.retain(|moved| moved.0 != id);
        self.jobs
            .values_mut()
            .for_each(|job| job.maker.before.retain(|before| *before != id));
    }

    fn restart(&mut self, id: usize, user: i64) -> Result<Given, Refused> {
        let job = self.job(id)?;
        if !is_end(job.state) {
            target("restart", job.state)?;
            self.take_turn(id);
            self.step(id, "restart", "")?;
            return Ok(Given::Job(id));
        }
        let maker = Maker {
            user,
            attempts: Some(job.attempts),
            timeout: job.timeout,
            due: AT_ONCE,
            key: None,
            before: Vec::new(),
            submitted: true,
            ..job.maker.clone()
        };
        self.create(&maker)
    }

    fn retry(&mut self, id: usize) -> Result<(), Refused> {
        let job = self.job(id)?;
        target("retry", job.state)?;
        let maker = job.maker.clone();
        if maker.unique && self.is_taken(&maker) {
            return Err(409);
        }
        // As if it was made now, and due.
        let (submitted, due) = (true, AT_ONCE);
        let maker = Maker { submitted, due, ..maker };
        let to = self.beginning(&maker)?;
        if to == "queued" {
            self.take_turn(id);
        }
        self.step(id, "retry", to)?;
        let job = self.job(id)?;
        job.attempts = job.attempts.max(job.failures + 1);
        (job.losses, job.deadline, job.due, job.unique) = (0, None, AT_ONCE, maker.unique);
        job.maker = maker;
        Ok(())
    }

    fn result(&mut self, id: usize, succeeded: bool) -> Result<(), Refused> {
        let state = self.job(id)?.state;
        if succeeded {
            self.step(id, "done", "")?;
            self.ended(id);
        } else if is_end(state) {
            return Err(409);
        } else if is_held(state) {
            self.fail(id, true);
        }
        Ok(())
    }

    fn claim(&mut self, worker: usize) -> Option<(usize, i64)> {
        let asker = &WORKERS[worker];
        let has_room = |job: &Job| {
            let is_of =
                |rule: &super::acts::Rule, job: &Job| job.maker.kind == rule.kind && [ROOT, job.maker.tenant].contains(&rule.tenant);
            RULES.iter().filter(|rule| is_of(rule, job)).all(|rule| {
                let at_work = self.jobs.values().filter(|other| is_held(other.state) && is_of(rule, other));
                at_work.count() < rule.most
            })
        };
        let fits = |id: &usize| {
            let job = &self.jobs[id];
            let maker = &job.maker;
            asker.tenant.is_none_or(|tenant| tenant == maker.tenant)
                && asker.kinds.contains(&maker.kind)
                && maker.tags.iter().all(|tag| asker.tags.contains(tag))
                && !(self.paused && maker.tenant != ROOT)
                && has_room(job)
        };
        let id = self.queue().into_iter().find(fits)?;
        let now = self.now;
        let job = self.jobs.get_mut(&id)?;
        job.attempt += 1;
        (job.holder, job.started, job.lease_until) = (worker, now, now + job.lease);
        job.timeout_at = job.timeout.map(|timeout| now + timeout);
        let attempt = job.attempt;
        self.step(id, "claim", "").ok()?;
        Some((id, attempt))
    }

    fn held(&mut self, claim: &Claim) -> Result<(), Refused> {
        let job = self.job(claim.job)?;
        let same = job.attempt == claim.attempt && claim.worker.is_none_or(|worker| worker == job.holder);
        if is_held(job.state) && same { Ok(()) } else { Err(409) }
    }

    fn heartbeat(&mut self, claim: &Claim) -> Result<Given, Refused> {
        self.held(claim)?;
        self.step(claim.job, "word", "")?;
        let now = self.now;
        let job = self.job(claim.job)?;
        // Who is to stop has that long for it, however often he speaks.
        let from = if job.state == "stopping" { now.min(job.killed_at) } else { now };
        job.lease_until = from + job.lease;
        Ok(Given::Word(job.state == "stopping", job.lease_until))
    }

    fn fail(&mut self, id: usize, retry: bool) {
        let now = self.now;
        let Ok(job) = self.job(id) else { return };
        if job.state == "stopping" {
            let _ = self.step(id, "over", "");
            return self.ended(id);
        }
        job.failures += 1;
        if retry && job.failures < job.attempts {
            let doubled = (1..job.failures).fold(job.maker.retry, |wait, _| (wait * 2).min(86_400));
            job.due = now + doubled;
            let _ = self.step(id, "again", "");
        } else {
            let _ = self.step(id, "over", "");
            self.ended(id);
        }
    }

    fn defer(&mut self, claim: &Claim, seconds: i64) -> Result<(), Refused> {
        self.held(claim)?;
        let now = self.now;
        let job = self.job(claim.job)?;
        if job.state == "stopping" {
            self.fail(claim.job, false);
            return Ok(());
        }
        let deadline = *job.deadline.get_or_insert(job.started + job.maker.window);
        if now >= deadline {
            self.step(claim.job, "late", "")?;
            self.ended(claim.job);
            return Ok(());
        }
        job.due = now + seconds;
        self.step(claim.job, "later", "")
    }

    fn ended(&mut self, id: usize) {
        let Some(job) = self.jobs.get(&id).cloned() else { return };
        if job.state == "succeeded" && job.maker.chain {
            let next = Maker {
                attempts: Some(job.attempts),
                retry: job.maker.retry,
                ..Maker::plain(job.maker.tenant, job.maker.user, "a", job.maker.priority)
            };
            let _ = self.create(&next);
        }
        let mut ended = vec![id];
        while let Some(first) = ended.pop() {
            let state = self.jobs[&first].state;
            let behind = self
                .jobs
                .iter()
                .filter(|(_, job)| job.state == "waiting" && job.maker.before.contains(&first));
            for next in behind.map(|(id, _)| *id).collect::<Vec<_>>() {
                if state != "succeeded" {
                    let _ = self.step(next, "over", "");
                    ended.push(next);
                } else if let Ok(to @ ("queued" | "delayed")) = self.beginning(&self.jobs[&next].maker) {
                    if to == "queued" {
                        self.take_turn(next);
                    }
                    let _ = self.step(next, "release", to);
                }
            }
        }
        if job.remove {
            self.delete(id);
        }
    }

    /// Everything whose time has come, in the order of its time.
    fn sweep(&mut self) {
        let now = self.now;
        let due = |reference: &Reference, time: &dyn Fn(&Job) -> Option<i64>| {
            let times = reference.jobs.iter().filter_map(|(id, job)| Some((time(job)?, *id)));
            let mut due: Vec<(i64, usize)> = times.filter(|(time, _)| *time <= now).collect();
            due.sort_unstable();
            due.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
        };
        for id in due(self, &|job| {
            ["delayed", "retrying", "deferred"].contains(&job.state).then_some(job.due)
        }) {
            self.take_turn(id);
            let _ = self.step(id, "promote", "");
        }
        for id in due(self, &|job| is_held(job.state).then_some(job.lease_until)) {
            let Ok(job) = self.job(id) else { continue };
            if job.state == "stopping" {
                self.fail(id, false);
                continue;
            }
            job.losses += 1;
            if job.losses >= job.attempts.max(3) {
                let _ = self.step(id, "over", "");
                self.ended(id);
            } else {
                let _ = self.step(id, "lose", "");
            }
        }
        let is_timed = |job: &Job| ["claimed", "running"].contains(&job.state).then_some(job.timeout_at).flatten();
        for id in due(self, &is_timed) {
            self.fail(id, true);
        }
        for id in due(self, &|job| is_end(job.state).then_some(job.ended_at + KEPT)) {
            self.delete(id);
        }
    }
}
