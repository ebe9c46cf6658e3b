//! The server: start, the way of a request to whoever answers it, graceful stop.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Payload, route};
use actix_web::{App as ActixApp, HttpRequest, HttpResponse, HttpServer};

use super::conditions::Method;
use super::cors::{METHODS, Origins};
use super::finish::Finish;
use super::health::{self, Metrics};
use super::jsonp::{Callback, Jsonp};
use super::media;
use super::origin::{Network, split_url};
use super::reply::{self, Answer};
use super::request;
use super::visitor::{self, Visitor, Work};
use super::wait::{self, Waiting};
use super::{core4, document, entity, login};
use crate::auth::{self, Auth};
use crate::engine::Engine;
use crate::model::fault::{Fault, Outcome};
use crate::model::limits::SHUTDOWN_SECONDS;
use crate::model::schema::Schema;
use crate::odata::accept::{Choice, Preferences};
use crate::odata::metadata;
use crate::odata::version::Version;
use crate::store::{Db, Weight};

/// Threads of a worker's pool for scans and password hashes; the stack of each is only used while it works.
const BLOCKING_THREADS: usize = 16;

/// Of the time to stop, what is kept for the writes that still wait.
const WRITER_SECONDS: u64 = 2;

/// How to serve.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Address and port.
    pub listen: String,
    /// Where clients reach the server, without a slash at the end.
    pub public_url: Option<String>,
    /// Proxies whose word on that counts.
    pub trusted_proxies: Vec<Network>,
    /// Pages of other origins that may call.
    pub cors_origins: Origins,
    /// Answers are compressed for clients that take that.
    pub compression: bool,
    /// Names of the tenant header.
    pub tenant_headers: Vec<String>,
    /// Name of the token header.
    pub token_header: String,
    /// Threads that serve requests.
    pub workers: usize,
    /// Changes of entities with an ETag need `If-Match` (WR-67).
    pub require_if_match: bool,
    /// Formats.
    pub preferences: Preferences,
    /// Members of bodies that a closed type does not have are passed over (JL-34).
    pub ignore_unknown: bool,
    /// Who may ask for scripts.
    pub jsonp: Jsonp,
    /// How callers prove who they are.
    pub auth: auth::Config,
}

/// What all requests share.
pub struct App {
    /// How to serve.
    pub config: Config,
    /// What operations mean.
    pub engine: Arc<Engine>,
    /// The rows.
    pub db: Db,
    /// Who is calling.
    pub auth: Auth,
    /// `$metadata` of each endpoint.
    pub metadata: Vec<Metadata>,
    metrics: Metrics,
    /// What every response gets.
    pub finish: Finish,
    /// The requests that wait.
    pub waiting: Waiting,
}

/// `$metadata` of an endpoint, which is the same for everybody as long as the server runs.
pub struct Metadata {
    /// The document.
    pub body: Bytes,
    /// Its tag.
    pub etag: String,
    /// The version that it needs.
    pub version: Version,
}

impl Metadata {
    fn of(schema: &Schema, endpoint: usize) -> Metadata {
        let body: Bytes = metadata::write(schema, endpoint).into();
        Metadata {
            etag: document::tag(&body),
            version: version(schema, endpoint),
            body,
        }
    }
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Health,
    Metrics,
    Index,
    /// The log-in of people.
    Login,
    /// The way out of it.
    Logout,
    /// One of core4's: what follows its root.
    Core4(&'a str),
    /// An endpoint, and what follows the slash after it.
    Endpoint(usize, &'a str),
    Nowhere,
}

impl<'a> Place<'a> {
    /// A path may come with the prefix of `public_url`, or, from a proxy, without it (HTP-8).
    fn find(schema: &Schema, public_url: Option<&str>, path: &'a str) -> Place<'a> {
        let place = Place::of(schema, path);
        if place != Place::Nowhere {
            return place;
        }
        let prefix = public_url.and_then(split_url).map_or("", |(_, prefix)| prefix);
        let below = path.strip_prefix(prefix).filter(|below| below.is_empty() || below.starts_with('/'));
        below.map_or(Place::Nowhere, |below| Place::of(schema, below))
    }

    fn of(schema: &Schema, path: &'a str) -> Place<'a> {
        let path = path.trim_start_matches('/');
        match path.trim_end_matches('/') {
            "health" => return Place::Health,
            "metrics" => return Place::Metrics,
            "" | "api" => return Place::Index,
            "login" => return Place::Login,
            "logout" => return Place::Logout,
            _ => {}
        }
        if let Some(path) = path.strip_prefix(core4::ROOT).filter(|path| core4::is_there(path)) {
            return Place::Core4(path);
        }
        let Some(path) = path.strip_prefix("api/") else {
            return Place::Nowhere;
        };
        let path = path.trim_start_matches('/');
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        let endpoint = schema.endpoints.iter().position(|endpoint| endpoint.name == name);
        endpoint.map_or(Place::Nowhere, |endpoint| Place::Endpoint(endpoint, rest))
    }

    /// For counting.
    fn label(&self, schema: &'a Schema) -> &'a str {
        match self {
            Place::Endpoint(endpoint, _) => &schema.endpoints[*endpoint].name,
            _ => "",
        }
    }
}

/// Serves until the process is told to stop, then waits for the requests that run. `ready` learns the address when requests
/// are accepted.
pub fn serve(config: Config, engine: Arc<Engine>, db: Db, ready: impl FnOnce(SocketAddr)) -> Result<(), String> {
    actix_web::rt::System::new().block_on(run(config, engine, db, ready))
}

async fn run(config: Config, engine: Arc<Engine>, db: Db, ready: impl FnOnce(SocketAddr)) -> Result<(), String> {
    let auth = Auth::new(config.auth.clone(), engine.clone(), db.clone()).map_err(|fault| fault.to_string())?;
    let endpoints = 0..engine.schema.endpoints.len();
    let metadata = endpoints.map(|endpoint| Metadata::of(&engine.schema, endpoint)).collect();
    let metrics = Metrics::new().map_err(|fault| fault.to_string())?;
    let app = Data::new(App {
        config: config.clone(),
        engine,
        db: db.clone(),
        auth,
        metadata,
        metrics,
        finish: Finish::new(&config),
        waiting: Waiting::default(),
    });
    let waits = app.clone();
    media::clean_up(&app).await.map_err(|fault| fault.to_string())?;
    let server = HttpServer::new(move || ActixApp::new().app_data(app.clone()).default_service(route().to(answer)))
        .on_connect(wait::remember)
        .workers(config.workers)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .shutdown_timeout(SHUTDOWN_SECONDS as u64 - WRITER_SECONDS)
        .disable_signals()
        .bind(&config.listen)
        .map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    let address = server.addrs().first().copied().ok_or("there is no address to listen on")?;
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(async move {
        told_to_stop().await;
        tracing::info!("stopping");
        waits.waiting.end(&waits.engine);
        handle.stop(true).await;
    });
    ready(address);
    server.await.map_err(|error| error.to_string())
}

fn version(schema: &Schema, endpoint: usize) -> Version {
    match metadata::data_service_version(schema, endpoint) {
        (1, _) => Version::V1,
        (2, _) => Version::V2,
        _ => Version::V3,
    }
}

/// Ctrl-C, or a polite `kill`.
async fn told_to_stop() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        return std::future::poll_fn(|context| match terminate.poll_recv(context) {
            std::task::Poll::Ready(_) => std::task::Poll::Ready(()),
            std::task::Poll::Pending => interrupt.as_mut().poll(context).map(drop),
        })
        .await;
    }
    // Without signals there is nobody who could tell.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Every request comes here.
async fn answer(request: HttpRequest, payload: Payload, app: Data<App>) -> HttpResponse {
    let running = app.metrics.begin();
    let place = Place::find(&app.engine.schema, app.config.public_url.as_deref(), request.uri().path());
    let label = place.label(&app.engine.schema);
    let mut response = match app.finish.cors.preflight(&request) {
        Some(response) => response,
        None => match guarded(lead(&app, &request, payload, place)).await {
            Ok(mut answer) => {
                if let Some(news) = answer.news.take() {
                    visitor::tell(&request, *news);
                }
                answer.into_response()
            }
            Err(fault) => match login::instead(&app, &request, &fault) {
                Some(answer) => answer.into_response(),
                None => reply::of_fault(&fault, error_choice(&app.config, &request)),
            },
        },
    };
    if response.status() == StatusCode::UNAUTHORIZED && app.auth.takes_tickets() {
        visitor::offer_tickets(response.headers_mut());
    }
    let response = match callback(&app.config, &request).filter(|_| !label.is_empty()) {
        Some(callback) => callback.wrap(response),
        None => response,
    };
    let mut response = app.finish.apply(&request, response).await;
    visitor::announce(&app, &request, response.headers_mut());
    running.answered(Method::label(request.method().as_str()), response.status().as_u16(), label);
    response
}

/// The format and version of an error, as far as the request says what it wants.
fn error_choice(config: &Config, request: &HttpRequest) -> Choice {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_call = callback(config, request).is_some();
    request::error_choice(config.preferences, request.query_string(), is_call, header)
}

/// The function that the answer is to call; none where it may not, which is an error already.
fn callback(config: &Config, request: &HttpRequest) -> Option<Callback> {
    let site = request.headers().get("sec-fetch-site").and_then(|site| site.to_str().ok());
    Callback::of(request.method().as_str(), request.query_string(), site, config.jsonp).ok()?
}

async fn lead(app: &Data<App>, request: &HttpRequest, payload: Payload, place: Place<'_>) -> Outcome<Answer> {
    if request.method() == actix_web::http::Method::OPTIONS && is_anonymous(app, request) {
        return Ok(options());
    }
    app.finish.cors.check_site(request)?;
    visitor::check_kept_log_in(app, request)?;
    match place {
        Place::Health => health::health(&app.db).await,
        Place::Metrics => {
            let (visitor, engine) = (Visitor::enter(app, request).await?, app.engine.clone());
            let allowed = visitor.run(Work::Read(Weight::Key), move |_, caller| engine.may_measure(caller));
            allowed.await?;
            app.metrics.answer()
        }
        Place::Index => {
            Visitor::enter(app, request).await?.check().await?;
            Ok(index(&app.engine.schema))
        }
        // Rare, and kept out of the future that every request is.
        Place::Login => Box::pin(login::answer(app, request, payload)).await,
        Place::Logout => Box::pin(login::leave(app, request)).await,
        Place::Core4(path) => Box::pin(core4::answer(app, request, payload, path)).await,
        Place::Endpoint(endpoint, rest) => entity::answer(app, request, payload, endpoint, rest).await,
        Place::Nowhere => Visitor::enter(app, request).await?.refuse(Fault::not_found()).await,
    }
}

/// Whether a request has no credentials, be they right or wrong.
fn is_anonymous(app: &App, request: &HttpRequest) -> bool {
    visitor::presented(app, request).is_nothing()
}

/// OPTIONS of somebody unknown: the same for every path, so that it says nothing about what there is. Who has credentials is
/// told what the resource takes.
fn options() -> Answer {
    Answer {
        allow: METHODS,
        ..Answer::of(204)
    }
}

/// What is served, for people.
fn index(schema: &Schema) -> Answer {
    let mut body = String::from("Odonata\n\n");
    for endpoint in &schema.endpoints {
        body.push_str(&format!("/api/{}/  {}\n", endpoint.name, endpoint.title));
    }
    Answer {
        content_type: "text/plain;charset=utf-8",
        body: body.into(),
        ..Answer::of(200)
    }
}

/// A panic in the work for one request is a fault of that request, and of nothing else.
pub async fn guarded<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(move |context| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)))
            .unwrap_or_else(|_| std::task::Poll::Ready(Err(Fault::internal("the handler panicked"))))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::Endpoint;

    #[test]
    fn paths_lead_somewhere() {
        let endpoint = Endpoint {
            name: "Core".into(),
            namespace: String::new(),
            title: String::new(),
            containers: Vec::new(),
            sets: Vec::new(),
            types: Vec::new(),
            complex: Vec::new(),
            operations: Vec::new(),
            association_sets: Vec::new(),
            ignores_unknown_arguments: false,
            permission_prefix: String::new(),
            set_names: Default::default(),
        };
        let schema = Schema {
            endpoints: vec![endpoint],
            ..Schema::default()
        };
        for (path, expected) in [
            ("/health", Place::Health),
            ("/health/x", Place::Nowhere),
            ("/metrics", Place::Metrics),
            ("/", Place::Index),
            ("/api", Place::Index),
            ("/api/", Place::Index),
            ("/api/Core", Place::Endpoint(0, "")),
            ("/api/Core/", Place::Endpoint(0, "")),
            ("//api//Core/Users(1)/Name", Place::Endpoint(0, "Users(1)/Name")),
            ("/api/Core/Users%281%29", Place::Endpoint(0, "Users%281%29")),
            ("/api/core/", Place::Nowhere),
            ("/apix/Core", Place::Nowhere),
            ("*", Place::Nowhere),
        ] {
            assert_eq!(Place::of(&schema, path), expected, "{path}");
        }
        let url = Some("https://h:1/V3/(S(id))/api");
        for (path, expected) in [
            ("/api/Core/Users(1)", Place::Endpoint(0, "Users(1)")),
            ("/V3/(S(id))/api/api/Core/Users(1)", Place::Endpoint(0, "Users(1)")),
            ("/V3/(S(id))/api/api/Core", Place::Endpoint(0, "")),
            ("/V3/(S(id))/api/api", Place::Index),
            ("/V3/(S(id))/api/health", Place::Health),
            ("/V3/(S(id))/api", Place::Index),
            ("/V3/(S(id))/apiapi/Core", Place::Nowhere),
            ("/V3/api/Core", Place::Nowhere),
        ] {
            assert_eq!(Place::find(&schema, url, path), expected, "HTP-8 {path}");
        }
    }

    #[actix_web::test]
    async fn a_panic_is_a_fault() {
        let fault = guarded(async { if true { panic!("for the test") } else { Ok(()) } })
            .await
            .unwrap_err();
        assert_eq!(fault.kind.status, 500);
        assert_eq!(guarded(async { Ok(7) }).await.unwrap(), 7);
    }
}
