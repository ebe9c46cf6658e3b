//! What happens to accounts as time goes by: on the server's library, with a clock that the test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use odata_tests::database::{Database, System};
use odonata::engine::Engine;
use odonata::engine::accounts::outbox::{self, Mail};
use odonata::engine::{bootstrap, identity, operation};
use odonata::model::caller::SYSTEM_TENANT;
use odonata::model::clock::{Clock, SECOND};
use odonata::model::edm::Value;
use odonata::model::fault::Outcome;
use odonata::model::limits::MAIL_ATTEMPTS;
use odonata::store::Db;

const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

struct House {
    engine: Arc<Engine>,
    db: Db,
    clock: Arc<AtomicI64>,
    _database: Database,
}

impl House {
    fn new(system: System) -> House {
        let database = Database::fresh(system);
        let schema = Arc::new(odonata::plugin::load(None).expect("the built-in schema is good"));
        let db = Db::open(&database.url()).expect("the database opens");
        db.prepare(&schema).expect("the tables can be made");
        let clock = Arc::new(AtomicI64::new(738_000 * DAY));
        let mut engine = Engine::new(schema, Clock::Manual(clock.clone()), 45);
        let accounts = &mut engine.accounts;
        (accounts.sign_up, accounts.sign_up_tenant) = (true, Some(SYSTEM_TENANT));
        (accounts.activation_hours, accounts.reset_minutes, accounts.invitation_days) = (24, 60, 7);
        accounts.link = "token={token}".to_owned();
        accounts.audit_days = 30;
        let house = House {
            engine: Arc::new(engine),
            db,
            clock,
            _database: database,
        };
        let engine = house.engine.clone();
        let made = house
            .db
            .write_alone(move |session| bootstrap::first_start(&engine, session, || Ok("hash".to_owned())));
        assert!(made.expect("the first start works"));
        house
    }

    fn pass(&self, ticks: i64) {
        self.clock.fetch_add(ticks, Ordering::SeqCst);
    }

    fn act(&self, action: &str, arguments: &[&str]) -> Outcome<()> {
        let handler = operation::handler(action).expect("there is such a handler");
        let arguments: Vec<Value> = arguments.iter().map(|text| Value::Text((*text).to_owned())).collect();
        let engine = self.engine.clone();
        self.db
            .write_now(move |session| handler.run_for_anybody(&engine, session, &arguments))
    }

    fn claim(&self) -> Vec<Mail> {
        let engine = self.engine.clone();
        let claimed = self.db.write_now(move |session| outbox::claim(&engine, session, 20));
        claimed.expect("mails can be claimed")
    }

    /// The tokens in the mails that are due.
    fn tokens(&self) -> Vec<String> {
        let token = |mail: Mail| mail.body.split("token=").nth(1)?.lines().next().map(str::to_owned);
        self.claim().into_iter().filter_map(token).collect()
    }

    fn names(&self) -> Vec<String> {
        let users = self.db.read_now(|session| identity::list_users(&self.engine, session));
        users.expect("users can be read").into_iter().map(|user| user.name).collect()
    }

    fn sweep(&self) -> usize {
        let engine = self.engine.clone();
        self.db
            .write_now(move |session| engine.sweep_waiting(session))
            .expect("it can be swept")
    }
}

fn each(test: impl Fn(&House)) {
    System::all().into_iter().for_each(|system| test(&House::new(system)));
}

#[test]
fn tokens_expire() {
    each(|house| {
        house.act("SignUp", &["anna", "a@b.c", "hash"]).expect("it is allowed");
        house.act("ResendActivation", &["a@b.c"]).expect("it is allowed");
        let tokens = house.tokens();
        assert_eq!(tokens.len(), 2);
        house.pass(DAY);
        assert_eq!(house.act("Activate", &[&tokens[0]]).unwrap_err().kind.code, "bad_mail_token");
        house.act("ResendActivation", &["A@B.C"]).expect("it is allowed");
        let token = &house.tokens()[0];
        house.pass(DAY - 1);
        house.act("Activate", &[token]).expect("just in time");

        house.act("RequestPasswordReset", &["a@b.c"]).expect("it is allowed");
        let token = &house.tokens()[0];
        house.pass(HOUR);
        assert_eq!(
            house.act("ResetPassword", &[token, "hash"]).unwrap_err().kind.code,
            "bad_mail_token"
        );
        house.act("RequestPasswordReset", &["a@b.c"]).expect("it is allowed");
        let token = &house.tokens()[0];
        house.pass(HOUR - 1);
        house.act("ResetPassword", &[token, "hash"]).expect("just in time");
    });
}

#[test]
fn accounts_that_nobody_activates_go_away() {
    each(|house| {
        house.act("SignUp", &["anna", "a@b.c", "hash"]).expect("it is allowed");
        house.act("SignUp", &["berta", "b@b.c", "hash"]).expect("it is allowed");
        house.act("Activate", &[&house.tokens()[1]]).expect("it is berta's");
        house.pass(DAY - 1);
        assert_eq!(house.sweep(), 0);
        house.pass(1);
        assert_eq!(house.sweep(), 1);
        assert_eq!(house.names(), ["SYSTEM", "admin", "berta"]);
        house.act("SignUp", &["anna", "a@b.c", "hash"]).expect("the name is free again");
        assert_eq!(house.names().len(), 4);
    });
}

#[test]
fn what_is_claimed_is_left_alone_until_the_claim_runs_out() {
    each(|house| {
        house.act("SignUp", &["anna", "a@b.c", "hash"]).expect("it is allowed");
        let first = house.claim();
        assert_eq!((first.len(), first[0].attempts), (1, 1));
        house.pass(5 * MINUTE - 10);
        assert_eq!(house.claim(), []);
        house.pass(10);
        assert_eq!(house.claim()[0].attempts, 2, "its sender has died");
    });
}

#[test]
fn a_mail_is_given_up_at_last() {
    each(|house| {
        house.act("SignUp", &["anna", "a@b.c", "hash"]).expect("it is allowed");
        let begin = house.clock.load(Ordering::SeqCst);
        let mut attempts = 0;
        while house.clock.load(Ordering::SeqCst) < begin + 3 * DAY {
            for mail in house.claim() {
                attempts += 1;
                let engine = house.engine.clone();
                let failed = house
                    .db
                    .write_now(move |session| outbox::failed(&engine, session, &mail, "no", false));
                failed.expect("it can be written down");
            }
            house.pass(MINUTE);
        }
        assert_eq!(attempts, MAIL_ATTEMPTS);
    });
}

#[test]
fn trails_are_kept_for_a_while() {
    each(|house| {
        let sweep = || {
            let engine = house.engine.clone();
            house
                .db
                .write_now(move |session| engine.sweep_audit(session))
                .expect("it can be swept")
        };
        let count = || {
            let engine = house.engine.clone();
            house
                .db
                .read_now(move |session| engine.count_trails(session))
                .expect("it can be counted")
        };
        house.act("SignUp", &["anna", "a@b.c", "hash"]).expect("it is allowed");
        let first = count();
        assert!(first > 0);
        house.pass(20 * DAY);
        house.act("SignUp", &["berta", "b@b.c", "hash"]).expect("it is allowed");
        house.pass(11 * DAY);
        assert!(!sweep(), "there are no more than one transaction takes");
        assert!(count() > 0 && count() <= first);
        house.pass(30 * DAY);
        sweep();
        assert_eq!(count(), 0);
    });
}

#[test]
fn a_hash_is_renewed_only_while_it_is_the_password() {
    each(|house| {
        let ids = house.db.read_now(|session| identity::list_users(&house.engine, session));
        let id = ids.expect("users can be read")[1].id;
        let set = |password: &'static str| {
            let engine = house.engine.clone();
            let set = house
                .db
                .write_now(move |session| identity::set_password(&engine, session, id, password));
            set.expect("it can be set");
        };
        for _ in 0..100 {
            set("old");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let engine = house.engine.clone();
                    let renewed = house
                        .db
                        .write_now(move |session| identity::renew_hash(&engine, session, id, "old", "old, renewed"));
                    renewed.expect("it can be renewed");
                });
                scope.spawn(|| set("changed"));
            });
            let users = house.db.read_now(|session| identity::list_users(&house.engine, session));
            let stored = users.expect("users can be read").into_iter().find(|user| user.id == id);
            assert_eq!(stored.and_then(|user| user.password_hash).as_deref(), Some("changed"));
        }
    });
}
