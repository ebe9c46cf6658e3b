//! A change set: requests that are carried out together or not at all (BCH-10..BCH-13).

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web::{Bytes, Data};

use super::super::app::App;
use super::super::plan::{Done, Plan};
use crate::auth::accounts::Asker;
use crate::model::caller::Caller;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::BATCH_PASSWORDS;
use crate::odata::batch::Part;
use crate::odata::references::{ContentIds, relative};
use crate::store::Session;

/// The requests of a change set, to be carried to the thread that writes.
pub struct ChangeSet {
    app: Data<App>,
    endpoint: usize,
    root: String,
    operations: Vec<Operation>,
    /// The Content-IDs so far.
    promised: ContentIds,
    /// How many bytes the answers may have.
    room: usize,
    /// Which request is being dealt with; it is the one that a fault is about.
    at: Arc<AtomicUsize>,
    /// To be hashed before anything is carried out.
    passwords: usize,
}

struct Operation {
    ids: Vec<String>,
    step: Step,
}

enum Step {
    /// Understood, its passwords hashed.
    Ready(Box<Plan>),
    /// Understood when it is known what the requests before it have made.
    Later(Kept),
}

/// A request that outlives the batch's body.
struct Kept {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl ChangeSet {
    /// Without requests.
    pub fn new(app: Data<App>, endpoint: usize, root: &str, room: usize, at: Arc<AtomicUsize>) -> ChangeSet {
        ChangeSet {
            app,
            endpoint,
            root: root.to_owned(),
            operations: Vec::new(),
            passwords: 0,
            promised: ContentIds::default(),
            room,
            at,
        }
    }

    /// Understands the next request, as far as that goes before it runs. `body` is that of the batch, which holds the part's.
    pub async fn add(&mut self, part: &Part<'_>, body: &Bytes) -> Outcome<()> {
        self.at.store(self.operations.len(), Ordering::Relaxed);
        let body = body.slice_ref(part.body);
        let url = relative(&self.root, part.url)?;
        let is_reference = matches!(self.promised.expand(url)?, Cow::Owned(_));
        let step = if is_reference || self.promised.may_occur_in(&body) {
            Step::Later(Kept::of(part, url, body))
        } else {
            let none = ContentIds::default();
            let request = super::request(&self.app, self.endpoint, &self.root, part, url, &none)?;
            let mut plan = Plan::of(&request, body)?;
            self.passwords += plan.passwords(&self.app.engine);
            if self.passwords > BATCH_PASSWORDS {
                let message = format!("A change set has at most {BATCH_PASSWORDS} passwords.");
                return Err(Fault::new(&fault::TOO_LARGE, message));
            }
            plan.prepare(&self.app, Asker::default()).await?;
            Step::Ready(Box::new(plan))
        };
        let ids: Vec<String> = part.ids().map(str::to_owned).collect();
        for id in &ids {
            self.promised.add(id.clone(), String::new());
        }
        self.operations.push(Operation { ids, step });
        Ok(())
    }

    /// Carries out all requests, and says what each has done and which entities they have made. To be run in one transaction, which a fault
    /// undoes.
    pub fn run(self, session: &mut Session<'_>, caller: &Caller) -> Outcome<(Vec<Done>, ContentIds)> {
        let engine = &self.app.engine;
        let mut room = self.room;
        let mut ids = ContentIds::default();
        let mut all = Vec::with_capacity(self.operations.len());
        for (number, operation) in self.operations.into_iter().enumerate() {
            self.at.store(number, Ordering::Relaxed);
            let plan = match operation.step {
                Step::Ready(plan) => *plan,
                Step::Later(kept) => kept.plan(&self.app, self.endpoint, &self.root, &ids)?,
            };
            let done = plan.run(engine, session, caller)?;
            if !operation.ids.is_empty()
                && let Some(path) = done.path(engine)
            {
                for id in operation.ids {
                    ids.add(id, path.clone());
                }
            }
            let (done, size) = done.settle(engine);
            room = room.checked_sub(size).ok_or_else(super::too_long)?;
            all.push(done);
        }
        Ok((all, ids))
    }
}

impl Kept {
    fn of(part: &Part<'_>, url: &str, body: Bytes) -> Kept {
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Kept {
            method: part.method.to_owned(),
            url: url.to_owned(),
            headers: part.headers.iter().map(header).collect(),
            body,
        }
    }

    /// Passwords are hashed before, so that the one writer never waits for them: none may stand beside references.
    fn plan(&self, app: &App, endpoint: usize, root: &str, ids: &ContentIds) -> Outcome<Plan> {
        let part = Part {
            method: &self.method,
            headers: self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            ..Part::default()
        };
        let url = ids.expand(&self.url)?;
        let request = super::request(app, endpoint, root, &part, &url, ids)?;
        let plan = Plan::of(&request, self.body.clone())?;
        if plan.passwords(&app.engine) > 0 {
            let message = "A request with a password cannot refer to others of its change set.";
            return Err(Fault::new(&fault::BAD_BODY, message));
        }
        Ok(plan)
    }
}
