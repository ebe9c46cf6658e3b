//! 202: a job does what was asked for. The answer says which one, and where it can be followed (`reference/appclusive.md` 5.3).

use std::borrow::Cow;

use super::reply::Answer;
use crate::engine::Engine;
use crate::model::fault::Outcome;
use crate::model::page::Page;
use crate::odata::accept::Choice;
use crate::odata::format::{self, Context, Entity, Render};
use crate::store::Session;

/// Seconds after which a look at the job makes sense (ERR-5).
const RETRY_SECONDS: &str = "1";

/// What is told about a job.
pub struct Receipt {
    page: Page,
    job: i64,
}

/// How it is told.
pub struct Telling<'a> {
    /// Of the request: its endpoint, root, version.
    pub render: Render<'a>,
    /// Format of the body; none where the client wants no body.
    pub choice: Option<Choice>,
    /// What the client expects is an entity of another type, and the body must not say that this is none.
    pub is_untyped: bool,
}

/// The service root of Core, from that of another endpoint.
fn core_root(engine: &Engine, endpoint: usize, root: &str) -> String {
    let name = format!("{}/", engine.schema.endpoints[endpoint].name);
    format!("{}Core/", root.strip_suffix(&name).unwrap_or(root))
}

impl Receipt {
    /// Of a job that was made just now. To be called in the transaction that made it.
    pub fn of(engine: &Engine, session: &mut Session<'_>, job: i64, (endpoint, root): (usize, &str)) -> Outcome<Receipt> {
        let url = format!("{}JobResponses({job}L)", core_root(engine, endpoint, root));
        let page = engine.receipt(session, job, url)?;
        Ok(Receipt { page, job })
    }

    /// About how many bytes are kept until it is answered.
    pub fn size(&self) -> usize {
        self.page.size()
    }

    /// The answer. Its body is an entity of the endpoint that was asked, if that serves `JobResponses`, else of Core.
    pub fn answer(&self, engine: &Engine, telling: &Telling<'_>) -> Answer {
        let asked = &telling.render;
        let core = core_root(engine, asked.endpoint, asked.root);
        let set = self.page.set;
        let serves = |endpoint: usize| set.is_some_and(|set| engine.schema.endpoints[endpoint].sets.contains(&set));
        let home = set.map_or(asked.endpoint, |set| engine.schema.sets[set].endpoint);
        let (endpoint, root) = match serves(asked.endpoint) {
            true => (asked.endpoint, asked.root),
            false => (home, core.as_str()),
        };
        let render = Render {
            endpoint,
            root,
            untyped: telling.is_untyped,
            ..*asked
        };
        let context = Context {
            set,
            ty: self.page.ty,
            single: true,
            select: None,
        };
        let body = telling
            .choice
            .map(|choice| format::entity(&render, choice.format, &self.page, 0, &context));
        Answer {
            version: render.version.text(),
            content_type: telling.choice.map_or("", |choice| choice.content_type),
            location: Some(format!("{core}Jobs({}L)", self.job)),
            id: body.is_none().then(|| Entity::of(&render, &self.page, 0).id()),
            further: vec![("retry-after", Cow::Borrowed(RETRY_SECONDS))],
            body: body.unwrap_or_default().into(),
            ..Answer::of(202)
        }
    }
}
