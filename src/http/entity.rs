//! One OData request, from its start to its finish.

use std::net::SocketAddr;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{Bytes, Payload};

use super::app::App;
use super::conditions::{Method, Prefer, preconditions};
use super::origin::origin;
use super::reply::Answer;
use super::visitor::Visitor;
use super::{read, write};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BODY_BYTES, URL_BYTES};
use crate::model::target::{Leaf, Preconditions, Resource, Target};
use crate::odata::accept::{self, Kind};
use crate::odata::format::Render;
use crate::odata::options::{Options, ResourceKind};
use crate::odata::path;
use crate::odata::service;
use crate::odata::url::decode_query;
use crate::odata::version::{Version, Versions};

/// A request, taken out of actix as far as OData is concerned.
pub struct Request<'a> {
    /// All that requests share.
    pub app: &'a App,
    /// Index of the endpoint.
    pub endpoint: usize,
    /// The service root, absolute, with a slash at its end.
    pub root: String,
    /// The request's own URL without the query.
    pub url: String,
    /// The query as sent.
    pub query: &'a str,
    /// `$format`.
    pub format: Option<String>,
    /// The version headers.
    pub versions: Versions,
    /// The preconditions.
    pub preconditions: Preconditions,
    request: &'a HttpRequest,
}

/// What a request is to do.
struct Intent {
    method: Method,
    target: Target,
}

/// Answers a request below an endpoint's root; `path` is what follows it, as sent.
pub async fn answer(app: &App, request: &HttpRequest, payload: Payload, endpoint: usize, path: &str) -> Outcome<Answer> {
    let visitor = Visitor::enter(app, request).await?;
    let (request, intent) = match understand(app, request, endpoint, path) {
        Ok(understood) => understood,
        Err(fault) => return visitor.refuse(fault).await,
    };
    let body = match (intent.method, &intent.target) {
        (Method::Post | Method::Put | Method::Patch, Target::Resource(_)) => match read_body(&request, payload).await {
            Ok(body) => body,
            Err(fault) => return visitor.refuse(fault).await,
        },
        _ => Bytes::new(),
    };
    match (intent.method, intent.target) {
        (Method::Options, target) => {
            visitor.check().await?;
            Ok(Answer {
                allow: allowed(&target),
                ..Answer::of(204)
            })
        }
        (_, Target::Service) => service_document(&request, visitor).await,
        (_, Target::Metadata) => metadata(&request, visitor).await,
        (Method::Get | Method::Head, Target::Resource(resource)) => read::answer(&request, visitor, resource).await,
        (method, Target::Resource(resource)) => write::answer(&request, visitor, method, resource, body).await,
        (_, Target::Batch) => visitor.refuse(missing("$batch is not implemented yet.")).await,
        (_, Target::Operation(_)) => visitor.refuse(missing("Actions and functions are not implemented yet.")).await,
    }
}

/// All that can be said without the database.
fn understand<'a>(app: &'a App, request: &'a HttpRequest, endpoint: usize, path: &str) -> Outcome<(Request<'a>, Intent)> {
    let uri = request.uri();
    if uri.path_and_query().is_some_and(|target| target.as_str().len() > URL_BYTES) {
        return Err(Fault::new(&fault::URL_TOO_LONG, format!("A URL has at most {URL_BYTES} bytes.")));
    }
    let text = |name: &str| header_text(request, name);
    let method = Method::read(request.method().as_str(), text("x-http-method")?)?;
    let host = uri.authority().map(|authority| authority.as_str()).or(text("host")?);
    let local: SocketAddr = request.app_config().local_addr();
    let origin = origin(app.config.public_url.as_deref(), host, local)?;
    let schema = &app.engine.schema;
    let query = request.query_string();
    let request = Request {
        app,
        endpoint,
        root: format!("{origin}/api/{}/", schema.endpoints[endpoint].name),
        url: origin + uri.path(),
        query,
        format: format_option(query),
        versions: Versions::read(
            text("dataserviceversion")?,
            text("maxdataserviceversion")?,
            text("mindataserviceversion")?,
        )?,
        preconditions: preconditions(text("if-match")?, text("if-none-match")?)?,
        request,
    };
    let target = path::parse(schema, endpoint, path)?;
    let allow = allowed(&target);
    if method != Method::Options && !allow.split(", ").any(|name| Method::read(name, None).ok() == Some(method)) {
        return Err(Fault::method(allow));
    }
    Ok((request, Intent { method, target }))
}

/// The methods that a resource takes (WR-3).
fn allowed(target: &Target) -> &'static str {
    const ONE: &str = "GET, HEAD, PUT, PATCH, MERGE, DELETE";
    match target {
        Target::Service | Target::Metadata => "GET, HEAD",
        Target::Batch => "POST",
        // Which of them is for the declaration to say; there is no behaviour yet.
        Target::Operation(_) => "GET, HEAD, POST",
        Target::Resource(Resource { collection, leaf, .. }) => match (leaf, collection) {
            (Leaf::Entities, true) | (Leaf::Links, true) => "GET, HEAD, POST",
            (Leaf::Count | Leaf::LinksCount, _) => "GET, HEAD",
            (Leaf::Entities | Leaf::Links | Leaf::Property { .. } | Leaf::Media, _) => ONE,
        },
    }
}

/// A header's text.
fn header_text<'a>(request: &'a HttpRequest, name: &str) -> Outcome<Option<&'a str>> {
    let bad = |_| Fault::new(&fault::BAD_REQUEST, format!("The header {name} holds other bytes than ASCII."));
    request.headers().get(name).map(|value| value.to_str().map_err(bad)).transpose()
}

/// `$format`, decoded, wherever it stands in a query: errors have their format even when the query is wrong.
pub fn format_option(query: &str) -> Option<String> {
    let is_format = |name: &str| name == "$format" || name.eq_ignore_ascii_case("%24format");
    query.split('&').find_map(|option| {
        option
            .split_once('=')
            .filter(|(name, _)| is_format(name))
            .and_then(|(_, value)| decode_query(value))
    })
}

impl Request<'_> {
    /// The format of the answer.
    pub fn negotiate(&self, kind: Kind) -> Outcome<accept::Choice> {
        // An `Accept` that is not text accepts nothing.
        let accept = self
            .request
            .headers()
            .get(header::ACCEPT)
            .map(|value| value.to_str().unwrap_or("?"));
        accept::negotiate(kind, self.format.as_deref(), accept, self.versions.max)
    }

    /// The format of a document; it takes no options but `$format` (SVC-8, MET-7).
    fn document(&self, kind: Kind) -> Outcome<accept::Choice> {
        Options::parse(self.query)?.check(ResourceKind::Document)?;
        self.negotiate(kind)
    }

    /// `Prefer`, which counts from version 3.0 on (VER-33).
    pub fn prefer(&self) -> Option<Prefer> {
        let prefer = self.request.headers().get("prefer").and_then(|value| value.to_str().ok());
        prefer.and_then(Prefer::read).filter(|_| self.versions.request() >= Version::V3)
    }

    /// Whether there is a precondition.
    pub fn is_conditional(&self) -> bool {
        self.preconditions != Preconditions::default()
    }

    /// `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.request
            .headers()
            .get(header::CONTENT_TYPE)
            .map(|value| value.to_str().unwrap_or("?"))
    }
}

/// What is declared, but not there yet.
pub fn missing(message: &'static str) -> Fault {
    Fault::new(&fault::NOT_IMPLEMENTED, message)
}

async fn read_body(request: &Request<'_>, payload: Payload) -> Outcome<Bytes> {
    let too_large = || Fault::new(&fault::BODY_TOO_LARGE, format!("A body has at most {BODY_BYTES} bytes."));
    let headers = request.request.headers();
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Fault::new(&fault::MEDIA_TYPE, "A body is sent without Content-Encoding."));
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_BYTES) {
        return Err(too_large());
    }
    let body = payload.to_bytes_limited(BODY_BYTES).await.map_err(|_| too_large())?;
    body.map_err(|_| Fault::new(&fault::BAD_BODY, "The body ends before it is complete."))
}

async fn service_document(request: &Request<'_>, visitor: Visitor<'_>) -> Outcome<Answer> {
    let manner = request
        .document(Kind::Service)
        .and_then(|choice| Ok((choice, request.versions.answer(choice.version)?)));
    let (choice, version) = match manner {
        Ok(manner) => manner,
        Err(fault) => return visitor.refuse(fault).await,
    };
    visitor.check().await?;
    let render = Render {
        schema: &request.app.engine.schema,
        endpoint: request.endpoint,
        root: &request.root,
        level: choice.level,
    };
    let body = service::write(&render, choice.syntax, &|_| true);
    Ok(document(choice, version, body.into()))
}

async fn metadata(request: &Request<'_>, visitor: Visitor<'_>) -> Outcome<Answer> {
    let (body, needed) = &request.app.metadata[request.endpoint];
    let manner = request
        .document(Kind::Metadata)
        .and_then(|choice| Ok((choice, request.versions.answer(*needed)?)));
    let (choice, version) = match manner {
        Ok(manner) => manner,
        Err(fault) => return visitor.refuse(fault).await,
    };
    visitor.check().await?;
    Ok(document(choice, version, body.clone()))
}

fn document(choice: accept::Choice, version: Version, body: Bytes) -> Answer {
    Answer {
        version: version.text(),
        content_type: choice.content_type,
        body,
        ..Answer::of(200)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_is_found() {
        for (query, expected) in [
            ("", None),
            ("$top=1&$format=json", Some("json")),
            (
                "%24format=application/json%3Bodata%3Dfullmetadata",
                Some("application/json;odata=fullmetadata"),
            ),
            ("format=json", None),
            ("$format", None),
            ("$format=%zz", None),
        ] {
            assert_eq!(format_option(query).as_deref(), expected, "{query}");
        }
    }
}
