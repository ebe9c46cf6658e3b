//! Three instances on PostgreSQL, six runners, thousands of jobs; instances and runners are killed and the database crashes again and again.
//! On SQLite it is one instance, as a file has one process that writes it: that is its database, and crashes with it. Afterwards every job has ended, no attempt has ended twice, nothing that was acknowledged is lost, claims came in
//! order, and the history adds up. `CHAOS_JOBS=5000` is the whole of it, and `CHAOS_SECONDS=n` gives a slow machine more time for it;
//! `SEED=…` chooses other jobs and kills.

use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use odata_tests::case::User;
use odata_tests::chaos::crew::Hand;
use odata_tests::chaos::inquest::Evidence;
use odata_tests::chaos::site::{LEASE, Program, Site, USERS, runner, tell};
use odata_tests::client::encode;
use odata_tests::database::{Database, System};
use odata_tests::postgres::Postgres;
use odata_tests::random::Random;
use odata_tests::server::{self, Server};
use serde_json::json;
use tempfile::TempDir;

const TENANT: &str = "aaaaaaaa-0000-0000-0000-00000000000a";
const JOBS: u64 = 300;
/// Runners that are `odonata runner`; the others are threads of the test, which also defer jobs and speak when it is too late.
const PROGRAMS: usize = 4;
const HANDS: usize = 2;
/// Most seconds until all jobs have ended.
const SECONDS: u64 = 170;
const NOT_ENDED: &str = "State ne 'succeeded' and State ne 'failed' and State ne 'killed' and State ne 'expired'";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Instance,
    Program,
    Database,
}

/// The instances, and what they stand on.
struct Stage {
    url: String,
    plugins: TempDir,
    ports: Vec<u16>,
    servers: Vec<Mutex<Server>>,
    postgres: Option<Mutex<Postgres>>,
    _database: Option<Database>,
}

impl Stage {
    fn new(system: System) -> Option<Stage> {
        let (url, postgres, database, instances) = match system {
            System::Sqlite => {
                let database = Database::fresh(system);
                (database.url(), None, Some(database), 1)
            }
            System::Postgres => {
                if !system.is_there() {
                    return None;
                }
                // One of its own, since it crashes.
                let postgres = Postgres::that_crashes()?;
                let name = postgres.create(None);
                (postgres.url(&name), Some(Mutex::new(postgres)), None, 3)
            }
        };
        let plugins = TempDir::new().expect("a temporary folder can be made");
        for user in USERS {
            let password = User::password(user);
            let arguments = [
                "user",
                "add",
                user,
                "--tenant",
                TENANT,
                "--password",
                &password,
                "--role",
                "CloudAdmin",
            ];
            let output = server::run(&url, plugins.path(), &arguments);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        // A free port each, so that an instance that comes up again is where it was.
        let free = |_| {
            TcpListener::bind("127.0.0.1:0")
                .and_then(|listener| listener.local_addr())
                .expect("a port is free")
                .port()
        };
        let ports: Vec<u16> = (0..instances).map(free).collect();
        let mut stage = Stage {
            url,
            plugins,
            ports,
            servers: Vec::new(),
            postgres,
            _database: database,
        };
        stage.servers = (0..instances).map(|number| Mutex::new(stage.start(number))).collect();
        Some(stage)
    }

    fn start(&self, number: usize) -> Server {
        let listen = format!("127.0.0.1:{}", self.ports[number]);
        let settings = [
            ("ODONATA_LISTEN", listen.as_str()),
            ("ODONATA_JOB_THREADS", "1"),
            ("ODONATA_WORKERS", "2"),
        ];
        let begin = Instant::now();
        loop {
            match Server::try_start(&self.url, self.plugins.path(), &settings) {
                Ok(server) => return server,
                // The database may be away at this moment.
                Err(log) if begin.elapsed() > Duration::from_secs(60) => panic!("{log}"),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    fn kill(&self, number: usize, pause: Duration) {
        let mut server = self.servers[number].lock().expect("nobody panics with it");
        server.kill();
        std::thread::sleep(pause);
        *server = self.start(number);
    }

    fn declare(&self, site: &Site) {
        let admin = self.servers[0].lock().expect("nobody panics with it").admin();
        for kind in ["work", "flaky", "hopeless", "later", "Echo"] {
            let body = json!({"Name": kind, "LeaseSeconds": LEASE}).to_string();
            let reply = admin.post("/api/Core/JobKinds", &body).expect("an answer");
            assert_eq!(reply.status, 201, "{}", reply.text());
        }
        assert!(!site.is_over());
    }

    /// How many jobs have not ended; none when nobody answers.
    fn live(&self, random: &mut Random) -> Option<usize> {
        let address = format!("127.0.0.1:{}", random.pick(&self.ports));
        let user = odata_tests::client::Client::new(address).basic(USERS[0], &User::password(USERS[0]));
        let reply = user.get(&encode(&format!("/api/Core/Jobs/$count?$filter={NOT_ENDED}"))).ok()?;
        reply.text().parse().ok()
    }

    /// Kills something now and then until all jobs have ended.
    fn play(&self, site: &Site, programs: &mut [Program], jobs: usize, random: &mut Random) -> bool {
        let (begin, mut is_quiet) = (Instant::now(), false);
        // Each of them once, whatever the chance; then as it comes.
        let mut first = vec![Blow::Instance, Blow::Program];
        first.extend(self.postgres.as_ref().map(|_| Blow::Database));
        let patience = Duration::from_secs(setting("CHAOS_SECONDS", SECONDS));
        // Where there is more to do there is more time between two blows, so that most of it is work.
        let calm = (jobs / 300).clamp(1, 4);
        while begin.elapsed() < patience {
            std::thread::sleep(Duration::from_millis((calm * (300 + random.below(1_500))) as u64));
            let made = site.made.lock().expect("nobody panics with it").len();
            let live = self.live(random);
            if made == jobs && live == Some(0) && first.is_empty() {
                return true;
            }
            // What is left in the end is finished in peace.
            is_quiet |= made == jobs && live.is_some_and(|live| live < 20) || begin.elapsed() > patience / 2;
            match first.is_empty() {
                false => self.strike(first.swap_remove(random.below(first.len())), site, programs, random),
                true if is_quiet => {}
                true => self.strike(*random.pick(self.blows()), site, programs, random),
            }
        }
        false
    }

    /// What can be killed, each as often as it is to come.
    fn blows(&self) -> &'static [Blow] {
        match self.postgres {
            Some(_) => &[
                Blow::Database,
                Blow::Program,
                Blow::Instance,
                Blow::Program,
                Blow::Instance,
                Blow::Program,
                Blow::Instance,
            ],
            None => &[Blow::Program, Blow::Program, Blow::Instance],
        }
    }

    fn strike(&self, blow: Blow, site: &Site, programs: &mut [Program], random: &mut Random) {
        let tally = &site.tally;
        let count = match (blow, &self.postgres) {
            (Blow::Database, Some(postgres)) => {
                postgres.lock().expect("nobody panics with it").crash();
                &tally.databases
            }
            (Blow::Program, _) => {
                let program = random.below(programs.len());
                programs[program].kill();
                &tally.programs
            }
            _ => {
                self.kill(random.below(self.servers.len()), Duration::from_millis(random.below(1_500) as u64));
                &tally.servers
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn run(system: System) {
    let begin = Instant::now();
    let Some(stage) = Stage::new(system) else { return };
    let jobs = setting("CHAOS_JOBS", JOBS) as usize;
    let mut random = Random::from_env(5);
    let site = Site {
        addresses: stage.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect(),
        ..Site::default()
    };
    stage.declare(&site);
    let mut programs: Vec<Program> = (0..PROGRAMS)
        .map(|number| {
            let (_, token) = runner(&site, &mut random, &format!("program {number}"));
            let address: &String = random.pick(&site.addresses);
            Program::start(address, token)
        })
        .collect();
    let hands: Vec<_> = (0..HANDS)
        .map(|number| runner(&site, &mut random, &format!("hand {number}")))
        .collect();
    let shares: Vec<usize> = (0..USERS.len()).map(|user| (jobs + user) / USERS.len()).collect();
    let is_done = std::thread::scope(|scope| {
        for (user, share) in shares.iter().enumerate() {
            let (site, seed) = (&site, random.bits());
            scope.spawn(move || site.enqueue(user, *share, seed));
        }
        for hand in hands {
            let (site, seed) = (&site, random.bits());
            scope.spawn(move || Hand::new(site, hand, seed).work());
        }
        let is_done = stage.play(&site, &mut programs, shares.iter().sum(), &mut random);
        site.is_over.store(true, Ordering::Relaxed);
        is_done
    });
    let worked = begin.elapsed();
    let logs: Vec<String> = programs.iter().map(Program::log).collect();
    drop(programs);
    let evidence = Evidence::read(&stage.url);
    report(system, &site, &evidence, worked);
    let faults = evidence.faults(&site);
    let logs = || {
        logs.iter()
            .map(|log| log.lines().rev().take(5).collect::<Vec<_>>().join("\n"))
            .collect::<Vec<_>>()
    };
    assert!(
        faults.is_empty() && is_done,
        "{}: {} faults\n{}\n{:?}",
        system.name(),
        faults.len(),
        faults.iter().take(30).cloned().collect::<Vec<_>>().join("\n"),
        logs()
    );
    let tally = &site.tally;
    for (what, count) in [
        ("instance", &tally.servers),
        ("runner", &tally.programs),
        ("database", &tally.databases),
    ] {
        let is_there = what != "database" || system == System::Postgres;
        assert!(
            !is_there || count.load(Ordering::Relaxed) > 0,
            "it was no chaos: no {what} was killed"
        );
    }
}

fn report(system: System, site: &Site, evidence: &Evidence, worked: Duration) {
    let tally = &site.tally;
    let count = |number: &std::sync::atomic::AtomicUsize| number.load(Ordering::Relaxed).to_string();
    let states = evidence.states();
    let ends: Vec<String> = states.iter().map(|(state, jobs)| format!("{jobs} {state}")).collect();
    let losses: i64 = evidence.jobs.iter().map(|job| job.losses).sum();
    tell(&format!("\n| {} | |\n|---|---|", system.name()));
    for (what, value) in [
        (
            "instances, runner programs, runner threads",
            format!("{}, {PROGRAMS}, {HANDS}", site.addresses.len()),
        ),
        ("jobs", format!("{} ({})", evidence.jobs.len(), ends.join(", "))),
        ("claims", evidence.entries("claimed").to_string()),
        ("failed attempts, tried again", evidence.entries("retrying").to_string()),
        ("deferred", evidence.entries("deferred").to_string()),
        ("leases lost", losses.to_string()),
        ("instances killed", count(&tally.servers)),
        ("runner programs killed", count(&tally.programs)),
        ("runner threads that died", count(&tally.threads)),
        ("crashes of the database", count(&tally.databases)),
        (
            "words that came too late, of them refused",
            format!("{}, {}", count(&tally.late), count(&tally.late_refused)),
        ),
        ("rows of history", evidence.events.len().to_string()),
        ("duration", format!("{:.0} s", worked.as_secs_f64())),
    ] {
        tell(&format!("| {what} | {value} |"));
    }
}

#[test]
fn jobs_survive_chaos_on_sqlite() {
    run(System::Sqlite);
}

#[test]
fn jobs_survive_chaos_on_postgres() {
    run(System::Postgres);
}
