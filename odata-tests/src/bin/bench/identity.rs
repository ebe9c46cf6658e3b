//! What it costs to know who is asking and what he may see: the same requests with a password and with a token, and the work for that
//! alone, in this process, on the same database.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use odonata::auth::{self, Auth, Presented};
use odonata::engine::Engine;
use odonata::model::caller::Scope;
use odonata::model::clock::Clock;
use odonata::model::limits::PAGE_SIZE;
use odonata::model::rights::Verb;
use odonata::settings::Settings;
use odonata::store::Db;

use crate::Outcome;
use crate::cases::ROOT;
use crate::client::{Client, Draw, Request};
use crate::servers::Server;

/// How often each step is done in this process.
const TIMES: u32 = 200_000;
/// How long each kind of credentials is sent.
const SECONDS: Duration = Duration::from_secs(4);
/// Kernel clock ticks a second; 100 on every Linux.
const TICKS: f64 = 100.0;

/// A sentence for the report.
pub fn cost(server: &Server, database: &str, plugins: &Path, rows: u64) -> Outcome<String> {
    eprintln!("bench: who is asking, {}", server.name);
    let token = login(server)?;
    let authorization = format!("Bearer {token}");
    let with_token = format!("Authorization: {authorization}\r\n");
    let (password, bearer) = (reads(server, &server.headers, rows)?, reads(server, &with_token, rows)?);
    let [prove, allow] = alone(database, plugins, &authorization)?;
    Ok(format!(
        "Who is asking, {}: a single-key read costs {bearer:.1} µs of processor time with a token, {password:.1} µs with a password; \
         of that, knowing the token takes {:.2} µs, caller and right {:.2} µs: {:.1} % together.",
        server.name,
        prove / 1e3,
        allow / 1e3,
        (prove + allow) / 10.0 / bearer
    ))
}

/// A token for the administrator, in core4's way: it stands in the body.
fn login(server: &Server) -> Outcome<String> {
    let mut client = Client::connect(&server.address, &server.headers)?;
    let (_, body) = client.send(&Request::get("/core4/api/v1/login"))?;
    let json: serde_json::Value = serde_json::from_slice(body)?;
    let token = json["data"]["token"].as_str().ok_or_else(|| format!("no token: {json}"))?;
    Ok(token.to_owned())
}

/// Microseconds of the server's processor time for a read by key, on one connection.
fn reads(server: &Server, headers: &str, rows: u64) -> Outcome<f64> {
    let mut client = Client::connect(&server.address, headers)?;
    let mut draw = Draw::new(7);
    let (before, begin, mut requests) = (server.ticks()?, Instant::now(), 0_u64);
    while begin.elapsed() < SECONDS {
        let (status, body) = client.send(&Request::get(format!("{ROOT}Items({})", draw.below(rows) + 1)))?;
        if status != 200 {
            return Err(format!("a read by key answers {status}: {}", String::from_utf8_lossy(body)).into());
        }
        requests += 1;
    }
    Ok((server.ticks()? - before) as f64 / TICKS * 1e6 / requests.max(1) as f64)
}

/// Nanoseconds to know a token, and to make the caller and look up what he may read.
fn alone(database: &str, plugins: &Path, authorization: &str) -> Outcome<[f64; 2]> {
    let schema = odonata::plugin::load(Some(plugins)).map_err(|problems| format!("{} faults in the schema", problems.len()))?;
    let set = schema
        .endpoint("Bench")
        .and_then(|endpoint| endpoint.set_names.get("Items").copied());
    let set = set.ok_or("there is no set Items")?;
    let db = Db::open(database)?;
    let engine = Arc::new(Engine::new(Arc::new(schema), Clock::System, PAGE_SIZE));
    let auth = Auth::new(Settings::defaults().auth, engine.clone(), db.clone())?;
    let presented = Presented {
        authorization: Some(authorization.as_bytes()),
        ..Presented::default()
    };
    actix_web::rt::System::new().block_on(async {
        let each = |begin: Instant| begin.elapsed().as_nanos() as f64 / f64::from(TIMES);
        let (proof, _) = auth.prove(presented).await?;
        let begin = Instant::now();
        for _ in 0..TIMES {
            black_box(auth.prove(presented).await?);
        }
        let prove = each(begin);
        let begin = Instant::now();
        db.read_now(|session| {
            for _ in 0..TIMES {
                let caller = auth::caller(&engine, session, &proof, None)?;
                black_box(caller.map(|caller| (caller.rights.reach(set, Verb::Read), Scope::of(&caller))));
            }
            Ok(())
        })?;
        let allow = each(begin);
        db.close();
        Ok([prove, allow])
    })
}
