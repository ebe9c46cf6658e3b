//! Requests that wait (`Prefer: wait=N`, RFC 7240): a runner for a job, a client for the end of one.
//!
//! Who waits holds neither a connection to the database nor a place among the writers: it looks, which is a read, and sleeps until a bell
//! of this process rings, or for a second, because other instances ring none here. Only what a look promises is tried.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::web::{Bytes, Payload};
use tokio::sync::watch;
use tokio::time::Instant;

use super::app::App;
use super::body;
use super::conditions::{self, Method};
use super::invoke;
use super::plan::Plan;
use super::reply::Answer;
use super::request::Request;
use super::visitor::{Visitor, Work};
use crate::engine::Engine;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BODY_BYTES, WAIT_SECONDS, WAITS_AT_ONCE};
use crate::model::target::{Call, Leaf, Resource, Target};
use crate::store::Weight;

/// Longest sleep between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Who waits with a lower priority leaves this time to each higher one before it looks.
const COURTESY: Duration = Duration::from_millis(10);
/// To this many of them.
const COURTESIES: usize = 4;
/// Bells about jobs ring often: a client that waits for one of them looks no more often than this.
const REST: Duration = Duration::from_millis(10);

/// The requests of this process that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    count: AtomicUsize,
    /// How many runners of each priority.
    priorities: Mutex<BTreeMap<i64, usize>>,
    is_over: AtomicBool,
}

impl Waiting {
    /// The server stops: nobody waits any longer.
    pub fn end(&self, engine: &Engine) {
        self.is_over.store(true, Ordering::Release);
        engine.desk.work.ring();
        engine.desk.moves.ring();
    }

    /// # Errors
    /// `BUSY` when too many wait.
    fn sit(&self) -> Outcome<Seat<'_>> {
        let seat = Seat {
            waiting: self,
            priority: None,
        };
        match self.count.fetch_add(1, Ordering::AcqRel) < WAITS_AT_ONCE {
            true => Ok(seat),
            false => {
                let mut fault = Fault::new(&fault::BUSY, format!("{WAITS_AT_ONCE} requests wait already: ask again later."));
                fault.retry_after = Some(5);
                Err(fault)
            }
        }
    }

    fn priorities(&self) -> MutexGuard<'_, BTreeMap<i64, usize>> {
        // Every change is whole, even after a panic elsewhere.
        self.priorities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one request among them.
struct Seat<'a> {
    waiting: &'a Waiting,
    priority: Option<i64>,
}

impl Seat<'_> {
    /// It is a runner of this priority.
    fn rank(&mut self, priority: i64) {
        if self.priority != Some(priority) {
            self.unrank();
            *self.waiting.priorities().entry(priority).or_default() += 1;
            self.priority = Some(priority);
        }
    }

    fn unrank(&mut self) {
        let Some(priority) = self.priority.take() else { return };
        let mut priorities = self.waiting.priorities();
        if let Some(count) = priorities.get_mut(&priority) {
            *count -= 1;
            if *count == 0 {
                priorities.remove(&priority);
            }
        }
    }

    /// The time that those of a higher priority have before it.
    fn courtesy(&self) -> Duration {
        let higher = |priority: i64| self.waiting.priorities().range(priority + 1..).take(COURTESIES).count();
        COURTESY * self.priority.map_or(0, higher) as u32
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.unrank();
        self.waiting.count.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The other end of a connection.
struct Peer(TcpStream);

/// Keeps hold of a connection, so that a request can see that its client is gone. actix itself looks only when it writes.
pub fn remember(connection: &dyn Any, extensions: &mut Extensions) {
    let stream = connection.downcast_ref::<actix_web::rt::net::TcpStream>();
    if let Some(Ok(handle)) = stream.map(|stream| stream.as_fd().try_clone_to_owned()) {
        extensions.insert(Peer(TcpStream::from(handle)));
    }
}

/// Whether nothing more will come from the client: it is gone, or has closed its side and so waits for nothing but an answer now.
fn is_gone(http: &HttpRequest) -> bool {
    let Some(Peer(stream)) = http.conn_data::<Peer>() else {
        return false;
    };
    match stream.peek(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// What a request waits for.
enum What {
    /// That an operation has a result.
    Result(Box<Call>),
    /// That a job ends.
    End(Resource),
}

/// A request that its client is willing to wait for.
pub struct Wait<'a> {
    http: &'a HttpRequest,
    what: What,
    seconds: u64,
    until: Instant,
}

impl<'a> Wait<'a> {
    /// None for a request that does not wait.
    pub fn of(request: &Request<'_>, http: &'a HttpRequest) -> Option<Wait<'a>> {
        let seconds = conditions::wait(request.headers.prefer?)?.min(WAIT_SECONDS as u64);
        let what = match &request.target {
            Target::Operation(call) if invoke::Plan::can_wait(request, call) => What::Result(call.clone()),
            Target::Resource(resource) if is_job(request, resource) => What::End(resource.clone()),
            _ => return None,
        };
        Some(Wait {
            http,
            what,
            seconds,
            until: Instant::now() + Duration::from_secs(seconds),
        })
    }

    /// Waits, and answers.
    pub async fn answer(mut self, request: &Request<'_>, mut visitor: Visitor<'_>, payload: Payload) -> Outcome<Answer> {
        let answer = match &self.what {
            What::Result(call) => {
                let call = call.clone();
                let body = match body::read(self.http.headers(), payload, BODY_BYTES).await {
                    Ok(body) => body,
                    Err(fault) => return visitor.refuse(fault).await,
                };
                self.result(request, &mut visitor, &call, &body).await?
            }
            What::End(resource) => {
                let resource = resource.clone();
                self.end(request, &mut visitor, resource).await?
            }
        };
        let applied = ("preference-applied", format!("wait={}", self.seconds).into());
        Ok(Answer {
            further: answer.further.into_iter().chain([applied]).collect(),
            ..answer
        })
    }

    async fn result(&mut self, request: &Request<'_>, visitor: &mut Visitor<'_>, call: &Call, body: &Bytes) -> Outcome<Answer> {
        let app = request.app;
        let plan = || invoke::Plan::of(request, call, body);
        let mut seat = match plan().and_then(|_| app.waiting.sit()) {
            Ok(seat) => seat,
            Err(fault) => return visitor.again().refuse(fault).await,
        };
        let mut bell = app.engine.desk.work.listen();
        loop {
            let (engine, look) = (app.engine.clone(), plan()?);
            let claiming = visitor
                .run_part(Work::Read(Weight::Scan), move |session, caller| look.look(&engine, session, caller))
                .await?;
            seat.rank(claiming.priority);
            if claiming.is_worth_it && !is_gone(self.http) {
                let (engine, plan) = (app.engine.clone(), plan()?);
                let work = plan.work(&engine);
                let answer = visitor
                    .run_part(work, move |session, caller| plan.run(&engine, session, caller))
                    .await?;
                if answer.status != 204 {
                    return Ok(answer);
                }
            }
            if !self.sleep(app, &mut bell, seat.courtesy()).await {
                return Ok(plan()?.nothing());
            }
        }
    }

    async fn end(&mut self, request: &Request<'_>, visitor: &mut Visitor<'_>, resource: Resource) -> Outcome<Answer> {
        let app = request.app;
        let seat = match Plan::of(request, Bytes::new()).and_then(|_| app.waiting.sit()) {
            Ok(seat) => seat,
            Err(fault) => return visitor.again().refuse(fault).await,
        };
        let mut bell = app.engine.desk.moves.listen();
        loop {
            let (engine, resource) = (app.engine.clone(), resource.clone());
            let is_alive = visitor
                .run_part(Work::Read(Weight::Key), move |session, caller| {
                    engine.is_job_alive(session, caller, &resource)
                })
                .await?;
            if !is_alive || !self.sleep(app, &mut bell, REST).await {
                break;
            }
        }
        drop(seat);
        let (engine, plan) = (app.engine.clone(), Plan::of(request, Bytes::new())?);
        let work = plan.work(&engine);
        let done = visitor
            .run_part(work, move |session, caller| plan.run(&engine, session, caller))
            .await?;
        Ok(done.answer(&app.engine))
    }

    fn may_wait(&self, app: &App) -> bool {
        Instant::now() < self.until && !app.waiting.is_over.load(Ordering::Acquire) && !is_gone(self.http)
    }

    /// Until the bell rings, and `pause` longer; false when there is nothing more to wait for.
    async fn sleep(&self, app: &App, bell: &mut watch::Receiver<u64>, pause: Duration) -> bool {
        if !self.may_wait(app) {
            return false;
        }
        let left = self.until.saturating_duration_since(Instant::now());
        if let Ok(Ok(())) = tokio::time::timeout(left.min(LOOK), bell.changed()).await {
            tokio::time::sleep(pause).await;
        }
        self.may_wait(app)
    }
}

fn is_job(request: &Request<'_>, resource: &Resource) -> bool {
    let is_entity = resource.leaf == Leaf::Entities && !resource.collection;
    is_entity && request.method == Method::Get && request.app.engine.is_job(resource.ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_priorities_leave_time_to_higher_ones() {
        let waiting = Waiting::default();
        let mut seats: Vec<Seat<'_>> = (0..7).map(|_| waiting.sit().unwrap()).collect();
        for (seat, priority) in seats.iter_mut().zip([0, 0, 1, 2, 3, 4, 5]) {
            seat.rank(priority);
        }
        let courtesies = |seats: &[Seat<'_>]| seats.iter().map(|seat| seat.courtesy().as_millis()).collect::<Vec<_>>();
        assert_eq!(courtesies(&seats), [40, 40, 40, 30, 20, 10, 0]);
        seats.pop();
        seats[5].rank(-1);
        assert_eq!(courtesies(&seats), [30, 30, 20, 10, 0, 40]);
        assert_eq!(waiting.count.load(Ordering::Acquire), 6);
        drop(seats);
        assert!(waiting.priorities().is_empty());
    }

    #[test]
    fn only_so_many_wait() {
        let waiting = Waiting::default();
        let seats: Vec<Seat<'_>> = (0..WAITS_AT_ONCE).map(|_| waiting.sit().unwrap()).collect();
        let fault = waiting.sit().map(drop).unwrap_err();
        assert_eq!((fault.kind.status, fault.retry_after), (503, Some(5)));
        drop(seats);
        assert!(waiting.sit().is_ok());
    }
}
