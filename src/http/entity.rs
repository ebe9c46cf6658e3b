//! One OData request of a connection, from its start to its finish.

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data, Payload};

use super::app::App;
use super::batch;
use super::body;
use super::conditions::Method;
use super::media;
use super::origin::{self, origin};
use super::plan::Plan;
use super::reply::Answer;
use super::request::{Headers, Line, Request};
use super::visitor::{Visitor, without_token};
use super::wait::Wait;
use crate::auth::accounts::Asker;
use crate::engine::operation;
use crate::model::caller::Caller;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BATCH_BYTES, BODY_BYTES, URL_BYTES};
use crate::model::target::Target;
use crate::store::{Session, Weight};

/// Answers a request below an endpoint's root; `path` is what follows it, as sent.
pub async fn answer(app: &Data<App>, http: &HttpRequest, payload: Payload, endpoint: usize, path: &str) -> Outcome<Answer> {
    let query = without_token(http.query_string());
    let request = understand(app, http, endpoint, (path, &query));
    if let Ok(request) = &request
        && is_public(request)
    {
        return in_public(app, request, http, payload).await;
    }
    let visitor = Visitor::enter(app, http).await?;
    let request = match request {
        Ok(request) => request,
        Err(fault) => return visitor.refuse(fault).await,
    };
    if request.method == Method::Post && request.target == Target::Batch {
        let body = body::read(http.headers(), payload, BATCH_BYTES).await;
        // Rare and large: kept out of the future that every request is.
        return Box::pin(batch::answer(app, &request, visitor, body)).await;
    }
    if media::is_upload(&request) {
        return Ok(Box::pin(media::upload(request, visitor, payload)).await?.answer(&app.engine));
    }
    if let Some(wait) = Wait::of(&request, http) {
        return Box::pin(wait.answer(&request, visitor, payload)).await;
    }
    let mut plan = match plan(&request, http, payload, visitor.asker()).await {
        Ok(plan) => plan,
        Err(fault) => return visitor.refuse(fault).await,
    };
    let engine = app.engine.clone();
    let (work, shown) = (plan.work(&engine), plan.shown());
    let done = visitor.run(work, move |session, caller| plan.run(&engine, session, caller)).await;
    app.auth.settle(shown, done.as_ref().err());
    Ok(done?.answer(&app.engine))
}

/// Whether what is asked for is there for everybody; credentials are not looked at then.
fn is_public(request: &Request<'_>) -> bool {
    let Target::Operation(call) = &request.target else { return false };
    let operations = &request.app.engine.schema.endpoints[request.endpoint].operations;
    call.overloads.iter().all(|&index| operation::is_public(&operations[index]))
}

/// Runs what needs no caller. Its body is not read if it takes no arguments.
async fn in_public(app: &App, request: &Request<'_>, http: &HttpRequest, payload: Payload) -> Outcome<Answer> {
    let Target::Operation(call) = &request.target else {
        return Err(Fault::internal("a target that is not public"));
    };
    let operations = &app.engine.schema.endpoints[request.endpoint].operations;
    let engine = app.engine.clone();
    if call.overloads.iter().all(|&index| operations[index].arguments().is_empty()) {
        let plan = Plan::of(request, Bytes::new())?;
        let work = move |session: &mut Session<'_>| plan.run(&engine, session, &Caller::nobody());
        return Ok(app.db.read(Weight::Key, work).await?.answer(&app.engine));
    }
    let asker = Asker {
        caller: None,
        from: origin::client(&app.config, http),
    };
    let mut plan = plan(request, http, payload, asker).await?;
    let shown = plan.shown();
    let promise = if let Plan::Invoke(plan) = &plan {
        plan.promise(&engine)
    } else {
        None
    };
    let work = move |session: &mut Session<'_>| plan.run(&engine, session, &Caller::nobody());
    if let Some(answer) = promise {
        app.auth.later(move |_, session| work(session).map(drop))?;
        return Ok(answer);
    }
    let done = app.db.write(work).await;
    app.auth.settle(shown, done.as_ref().err());
    Ok(done?.answer(&app.engine))
}

async fn plan(request: &Request<'_>, http: &HttpRequest, payload: Payload, asker: Asker<'_>) -> Outcome<Plan> {
    let body = match request.method {
        Method::Post | Method::Put | Method::Patch => body::read(http.headers(), payload, BODY_BYTES).await?,
        _ => Bytes::new(),
    };
    let mut plan = Plan::of(request, body)?;
    plan.prepare(request.app, asker).await?;
    Ok(plan)
}

/// All that can be said without body and database.
fn understand<'a>(app: &'a App, http: &'a HttpRequest, endpoint: usize, (path, query): (&'a str, &'a str)) -> Outcome<Request<'a>> {
    let uri = http.uri();
    if uri.path_and_query().is_some_and(|target| target.as_str().len() > URL_BYTES) {
        return Err(Fault::new(&fault::URL_TOO_LONG, format!("A URL has at most {URL_BYTES} bytes.")));
    }
    let origin = origin(&app.config, http)?;
    let line = Line {
        method: http.method().as_str(),
        path,
        query,
    };
    let root = format!("{origin}/api/{}/", app.engine.schema.endpoints[endpoint].name);
    Request::new(app, endpoint, root, line, Headers::of(http)?)
}
