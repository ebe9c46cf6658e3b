//! What may happen to jobs, and random choices of it.

use super::reference::Reference;
use crate::random::Random;

/// The root tenant.
pub const ROOT: usize = 0;
/// Due before everything.
pub const AT_ONCE: i64 = i64::MIN / 2;
/// How many tenants there are.
pub const TENANTS: usize = 2;

/// What is known of a kind; the first that fits holds.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Kind {
    pub name: &'static str,
    /// Of this tenant alone.
    pub tenant: Option<usize>,
    pub attempts: Option<i64>,
    pub lease: Option<i64>,
    pub timeout: Option<i64>,
    pub most: Option<i64>,
}

const fn kind(name: &'static str, tenant: Option<usize>) -> Kind {
    Kind {
        name,
        tenant,
        attempts: None,
        lease: None,
        timeout: None,
        most: None,
    }
}

/// What jobs ask for.
const TAGS: &[&[&str]] = &[&[], &[], &["x"], &["y"], &["x", "y"]];

/// Every kind.
pub const KINDS: &[Kind] = &[
    kind("a", None),
    Kind {
        attempts: Some(2),
        lease: Some(30),
        most: Some(2),
        ..kind("b", None)
    },
    Kind {
        attempts: Some(3),
        timeout: Some(100),
        most: Some(1),
        ..kind("c", Some(1))
    },
    kind("c", None),
    kind("external", None),
];

/// Only so many at once.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Rule {
    pub kind: &'static str,
    /// The root's is for all together.
    pub tenant: usize,
    pub most: usize,
}

/// Those of [`KINDS`].
pub const RULES: &[Rule] = &[
    Rule {
        kind: "b",
        tenant: ROOT,
        most: 2,
    },
    Rule {
        kind: "c",
        tenant: 1,
        most: 1,
    },
];

/// Who works.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Worker {
    /// None: everybody's jobs.
    pub tenant: Option<usize>,
    pub kinds: &'static [&'static str],
    pub tags: &'static [&'static str],
}

/// All of them.
pub const WORKERS: &[Worker] = &[
    Worker {
        tenant: None,
        kinds: &["a", "b", "c"],
        tags: &[],
    },
    Worker {
        tenant: None,
        kinds: &["a"],
        tags: &["x"],
    },
    Worker {
        tenant: Some(1),
        kinds: &["b", "c"],
        tags: &["x", "y"],
    },
    Worker {
        tenant: Some(ROOT),
        kinds: &["c", "a"],
        tags: &["y"],
    },
];

/// What somebody wants to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Maker {
    pub tenant: usize,
    pub user: i64,
    pub kind: &'static str,
    pub arguments: &'static str,
    pub priority: i64,
    pub attempts: Option<i64>,
    pub due: i64,
    pub retry: i64,
    pub window: i64,
    pub timeout: Option<i64>,
    pub lease: Option<i64>,
    pub tags: &'static [&'static str],
    pub unique: bool,
    pub key: Option<u8>,
    pub before: Vec<usize>,
    pub chain: bool,
    pub submitted: bool,
}

impl Maker {
    /// Says no more than it must.
    pub fn plain(tenant: usize, user: i64, kind: &'static str, priority: i64) -> Maker {
        Maker {
            tenant,
            user,
            kind,
            arguments: "{}",
            priority,
            attempts: None,
            due: AT_ONCE,
            retry: 600,
            window: 3_600,
            timeout: None,
            lease: None,
            tags: &[],
            unique: false,
            key: None,
            before: Vec::new(),
            chain: false,
            submitted: true,
        }
    }

    fn random(random: &mut Random, reference: &Reference) -> Maker {
        let (tenant, user) = (random.below(TENANTS), 2 + random.below(3) as i64);
        let kind = random.pick(&["a", "a", "a", "a", "b", "b", "b", "c", "c", "external"]);
        let mut maker = Maker::plain(tenant, user, kind, *random.pick(&[0, 0, 0, 5, -100, 100]));
        match random.below(60) {
            0 => maker.kind = "nobody's",
            1 => maker.priority = 101,
            _ => {}
        }
        maker.arguments = *random.pick(&["{}", r#"{"x":1}"#]);
        maker.attempts = *random.pick(&[None, None, Some(1), Some(2), Some(4)]);
        maker.due = *random.pick(&[
            AT_ONCE,
            AT_ONCE,
            AT_ONCE,
            reference.now - 5,
            reference.now + 30,
            reference.now + 200,
        ]);
        maker.retry = *random.pick(&[0, 10, 60]);
        maker.window = *random.pick(&[0, 100, 3_600]);
        maker.timeout = *random.pick(&[None, None, Some(40)]);
        maker.lease = *random.pick(&[None, Some(20), Some(300)]);
        maker.tags = *random.pick(TAGS);
        maker.unique = random.one_in(5);
        maker.key = random.one_in(8).then(|| random.below(4) as u8);
        let peers: Vec<usize> = reference
            .jobs
            .iter()
            .filter(|(_, job)| job.maker.tenant == tenant)
            .map(|(id, _)| *id)
            .collect();
        if random.one_in(3) && !peers.is_empty() {
            let recent = &peers[peers.len().saturating_sub(6)..];
            maker.before = (0..=random.below(2)).map(|_| *random.pick(recent)).collect();
            maker.before.sort_unstable();
            maker.before.dedup();
        }
        maker.chain = random.one_in(8);
        maker.submitted = !random.one_in(8);
        maker
    }
}

/// What somebody shows who says that he works on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Claim {
    pub job: usize,
    pub attempt: i64,
    /// None: only knows the attempt.
    pub worker: Option<usize>,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Act {
    Create(Maker),
    Submit(usize),
    Kill(usize),
    Remove(usize),
    Restart(usize, i64),
    Retry(usize),
    Result(usize, bool),
    Claim(usize),
    Heartbeat(Claim),
    Finish(Claim),
    Fail(Claim, bool),
    Defer(Claim, i64),
    GiveBack(Claim),
    Advance(i64),
    Pause(bool),
    Sweep,
}

/// How often what happens.
const WEIGHTS: &[(usize, &str)] = &[
    (24, "create"),
    (3, "submit"),
    (4, "kill"),
    (3, "remove"),
    (4, "restart"),
    (5, "retry"),
    (3, "result"),
    (24, "claim"),
    (9, "heartbeat"),
    (12, "finish"),
    (9, "fail"),
    (6, "defer"),
    (3, "give back"),
    (10, "advance"),
    (1, "pause"),
    (8, "sweep"),
];

/// The act that a number stands for, in the state that a reference is in: so a sequence of numbers still means something when some of
/// them are dropped.
pub fn choose(number: u64, reference: &Reference, claims: &[Claim]) -> Act {
    let random = &mut Random::new(number);
    let sum: usize = WEIGHTS.iter().map(|row| row.0).sum();
    let mut at = random.below(sum);
    let what = WEIGHTS.iter().find(|(weight, _)| {
        let is_here = at < *weight;
        at = at.saturating_sub(*weight);
        is_here
    });
    let what = what.map_or("sweep", |row| row.1);
    // Mostly one that is in a state where this is possible.
    let likely: &[&str] = match what {
        "submit" => &["draft"],
        "restart" => &["delayed", "retrying", "deferred", "succeeded", "failed"],
        "retry" => &["failed", "killed", "expired"],
        _ => &[],
    };
    let of_state: Vec<usize> = reference
        .jobs
        .iter()
        .filter(|(_, job)| likely.contains(&job.state))
        .map(|(id, _)| *id)
        .collect();
    let job = match random.below(8) {
        0 => random.below(reference.next + 1),
        1..=6 if !of_state.is_empty() => *random.pick(&of_state),
        _ => reference.jobs.keys().nth(random.below(reference.jobs.len())).copied().unwrap_or(0),
    };
    let claim = |random: &mut Random| {
        let is_live = |claim: &&Claim| {
            reference
                .jobs
                .get(&claim.job)
                .is_some_and(|job| job.attempt == claim.attempt && ["claimed", "running", "stopping"].contains(&job.state))
        };
        let live: Vec<&Claim> = claims.iter().filter(is_live).collect();
        let mut claim = match (random.below(8), live.is_empty(), claims.is_empty()) {
            (1.., false, _) => (*random.pick(&live)).clone(),
            (_, _, false) => random.pick(claims).clone(),
            _ => {
                return Claim {
                    job,
                    attempt: 1,
                    worker: Some(0),
                };
            }
        };
        match random.below(12) {
            0 => claim.worker = Some(random.below(WORKERS.len())),
            1 => claim.attempt -= 1,
            2 => claim.worker = None,
            _ => {}
        }
        claim
    };
    match what {
        "create" => Act::Create(Maker::random(random, reference)),
        "submit" => Act::Submit(job),
        "kill" => Act::Kill(job),
        "remove" => Act::Remove(job),
        "restart" => Act::Restart(job, 2 + random.below(3) as i64),
        "retry" => Act::Retry(job),
        "result" => Act::Result(job, random.one_in(2)),
        "claim" => Act::Claim(random.below(WORKERS.len())),
        "heartbeat" => Act::Heartbeat(claim(random)),
        "finish" => Act::Finish(claim(random)),
        "fail" => Act::Fail(claim(random), !random.one_in(4)),
        "defer" => Act::Defer(claim(random), *random.pick(&[0, 10, 100])),
        "give back" => Act::GiveBack(claim(random)),
        "advance" => Act::Advance(*random.pick(&[1, 1, 7, 20, 45, 90, 400, -30, 86_400 * 91])),
        "pause" => Act::Pause(!reference.paused),
        _ => Act::Sweep,
    }
}
