//! One OData request of a connection, from its start to its finish.

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Payload};

use super::app::App;
use super::body;
use super::conditions::Method;
use super::media;
use super::origin::origin;
use super::plan::Plan;
use super::reply::Answer;
use super::request::{Headers, Line, Request};
use super::visitor::Visitor;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BODY_BYTES, URL_BYTES};

/// Answers a request below an endpoint's root; `path` is what follows it, as sent.
pub async fn answer(app: &App, http: &HttpRequest, payload: Payload, endpoint: usize, path: &str) -> Outcome<Answer> {
    let visitor = Visitor::enter(app, http).await?;
    let request = match understand(app, http, endpoint, path) {
        Ok(request) => request,
        Err(fault) => return visitor.refuse(fault).await,
    };
    if media::is_upload(&request) {
        return Ok(media::upload(request, visitor, payload).await?.answer(&app.engine));
    }
    let plan = match plan(&request, http, payload).await {
        Ok(plan) => plan,
        Err(fault) => return visitor.refuse(fault).await,
    };
    let engine = app.engine.clone();
    let work = plan.work(&engine);
    let done = visitor.run(work, move |session, caller| plan.run(&engine, session, caller)).await?;
    Ok(done.answer(&app.engine))
}

async fn plan(request: &Request<'_>, http: &HttpRequest, payload: Payload) -> Outcome<Plan> {
    let body = match request.method {
        Method::Post | Method::Put | Method::Patch => body::read(http.headers(), payload, BODY_BYTES).await?,
        _ => Bytes::new(),
    };
    let mut plan = Plan::of(request, body)?;
    plan.prepare(request.app).await?;
    Ok(plan)
}

/// All that can be said without body and database.
fn understand<'a>(app: &'a App, http: &'a HttpRequest, endpoint: usize, path: &'a str) -> Outcome<Request<'a>> {
    let uri = http.uri();
    if uri.path_and_query().is_some_and(|target| target.as_str().len() > URL_BYTES) {
        return Err(Fault::new(&fault::URL_TOO_LONG, format!("A URL has at most {URL_BYTES} bytes.")));
    }
    let origin = origin(&app.config, http)?;
    let line = Line {
        method: http.method().as_str(),
        path,
        query: http.query_string(),
    };
    let root = format!("{origin}/api/{}/", app.engine.schema.endpoints[endpoint].name);
    Request::new(app, endpoint, root, line, Headers::of(http)?)
}
