//! Random trees of tenants, users, roles within roles, permissions and rows with owners: what every caller sees, compared with an evaluator
//! that is written from the rules and knows nothing of the server. `SEED=…` repeats a failure.

use std::time::Instant;

use odata_tests::case::User;
use odata_tests::client::encode;
use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::random::Random;
use odata_tests::visible::questions::{fault, questions};
use odata_tests::visible::reference::Caller;
use odata_tests::visible::settle::settle;
use odata_tests::visible::world::World;

/// Worlds on each database.
const ROUNDS: u64 = 6;
/// Callers at a time.
const CONNECTIONS: usize = 4;

#[test]
fn callers_see_what_they_may() {
    let seed = Random::from_env(2_411).bits();
    std::thread::scope(|scope| {
        for system in System::all() {
            scope.spawn(move || rounds(system, seed));
        }
    });
}

fn rounds(system: System, seed: u64) {
    let begin = Instant::now();
    let plugins = ["desk", "shop"].map(str::to_owned);
    let fixture = Fixture::without_rows(&plugins, &[], system).and_then(|fixture| {
        fixture.run(&["check"])?;
        Ok(fixture)
    });
    let fixture = fixture.unwrap_or_else(|why| panic!("{}: {why}", system.name()));
    let schema = odonata::plugin::load(Some(fixture.plugins())).unwrap_or_else(|problems| panic!("{problems:?}"));
    let site = fixture
        .serve(&[("ODONATA_PAGE_SIZE", "1000")])
        .unwrap_or_else(|why| panic!("{}: {why}", system.name()));
    let mut asked = 0;
    for round in 0..ROUNDS {
        let tag = format!("w{round}x");
        let mut world = World::random(&mut Random::new(seed.wrapping_add(round)), &tag);
        settle(&mut world, &site.server.admin(), &site.database, &schema);
        let callers: Vec<Caller> = (0..world.users.len())
            .flat_map(|user| (0..world.tenants.len()).map(move |tenant| Caller { user, tenant }))
            .collect();
        let (world, tag, server) = (&world, tag.as_str(), &site.server);
        let results = std::thread::scope(|scope| {
            let size = callers.len().div_ceil(CONNECTIONS);
            let parts: Vec<_> = callers
                .chunks(size)
                .map(|callers| scope.spawn(move || callers.iter().map(|&caller| ask(server, world, caller, tag)).collect::<Vec<_>>()))
                .collect();
            let joined = parts.into_iter().map(|part| part.join());
            joined
                .map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Vec<_>>()
        });
        let mut faults = Vec::new();
        for (count, found) in results.into_iter().flatten() {
            asked += count;
            faults.extend(found);
        }
        assert!(
            faults.is_empty(),
            "{} round {round}, SEED={}: {} of the answers are wrong\n{}",
            system.name(),
            std::env::var("SEED").unwrap_or_else(|_| "2411".to_owned()),
            faults.len(),
            faults.iter().take(12).cloned().collect::<Vec<_>>().join("\n")
        );
    }
    println!("{}: {ROUNDS} worlds, {asked} questions, {:.0?}", system.name(), begin.elapsed());
}

/// How many questions a caller has asked, and which answers were wrong.
fn ask(server: &odata_tests::server::Server, world: &World, caller: Caller, tag: &str) -> (usize, Vec<String>) {
    let user = &world.users[caller.user];
    let client = server.anonymous().basic(&user.name, &User::password(&user.name));
    let tenant = world.tenants[caller.tenant].guid.as_str();
    let questions = questions(world, caller, tag);
    let mut faults = Vec::new();
    for question in &questions {
        let mut headers = vec![("Accept", "application/json"), ("Content-Type", "application/json")];
        if caller.tenant != user.tenant {
            headers.push(("Tenant-Id", tenant));
        }
        let body = question.body.as_ref().map(String::as_bytes);
        let reply = client
            .send(question.method, &encode(&question.target), &headers, body)
            .expect("an answer");
        if let Some(found) = fault(question, &reply) {
            let roles = world.roles_of(caller).into_iter().map(|role| world.roles[role].name.as_str());
            faults.push(format!(
                "{} {} as {} of tenant {} in tenant {}\n  with the roles {:?} and {:?}\n  expected {:?}\n  found {}",
                question.method,
                question.target,
                user.name,
                user.tenant,
                caller.tenant,
                roles.collect::<Vec<_>>(),
                world.permissions_of(caller),
                question.expected,
                found.chars().take(300).collect::<String>()
            ));
        }
    }
    (questions.len(), faults)
}
