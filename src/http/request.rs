//! One OData request: from a connection, or a part of a batch.

use actix_web::HttpRequest;

use super::app::App;
use super::conditions::{Method, Prefer, claim, preconditions};
use super::jsonp::Callback;
use super::media;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::schema::{Schema, Type};
use crate::model::target::{Leaf, Preconditions, Step, Target};
use crate::odata::accept::{self, BodyFormat, Choice, Kind, Preferences, Wishes};
use crate::odata::needs::Needs;
use crate::odata::options::{Options, ResourceKind};
use crate::odata::path;
use crate::odata::read::Reading;
use crate::odata::references::ContentIds;
use crate::odata::url::decode_query;
use crate::odata::version::{Version, Versions};

/// The headers with a meaning here, as sent.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct Headers<'a> {
    pub accept: Option<&'a str>,
    pub accept_charset: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub site: Option<&'a str>,
    pub content_type: Option<&'a str>,
    pub prefer: Option<&'a str>,
    pub if_match: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    pub version: Option<&'a str>,
    pub max_version: Option<&'a str>,
    pub min_version: Option<&'a str>,
    /// `X-HTTP-Method`.
    pub method: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
    pub content_length: Option<&'a str>,
    pub slug: Option<&'a str>,
    pub range: Option<&'a str>,
    pub if_range: Option<&'a str>,
    /// `Odonata-Registration`.
    pub registration: Option<&'a str>,
    /// `Odonata-Attempt`.
    pub attempt: Option<&'a str>,
}

impl<'a> Headers<'a> {
    /// From whatever holds the headers; `get` is asked in lower case.
    pub fn read(get: impl Fn(&str) -> Outcome<Option<&'a str>>) -> Outcome<Headers<'a>> {
        Ok(Headers {
            accept: get("accept")?,
            accept_charset: get("accept-charset")?,
            site: get("sec-fetch-site")?,
            content_type: get("content-type")?,
            prefer: get("prefer")?,
            if_match: get("if-match")?,
            if_none_match: get("if-none-match")?,
            version: get("dataserviceversion")?,
            max_version: get("maxdataserviceversion")?,
            min_version: get("mindataserviceversion")?,
            method: get("x-http-method")?,
            content_encoding: get("content-encoding")?,
            content_length: get("content-length")?,
            slug: get("slug")?,
            range: get("range")?,
            if_range: get("if-range")?,
            registration: get("odonata-registration")?,
            attempt: get("odonata-attempt")?,
        })
    }

    /// Of a connection. What is not text is 400.
    pub fn of(request: &'a HttpRequest) -> Outcome<Headers<'a>> {
        Headers::read(|name| header_text(request, name))
    }
}

/// A header's text.
pub fn header_text<'a>(request: &'a HttpRequest, name: &str) -> Outcome<Option<&'a str>> {
    let bad = |_| Fault::new(&fault::BAD_REQUEST, format!("The header {name} holds other bytes than ASCII."));
    request.headers().get(name).map(|value| value.to_str().map_err(bad)).transpose()
}

/// A request line that has been understood.
pub struct Request<'a> {
    /// All that requests share.
    pub app: &'a App,
    /// Index of the endpoint.
    pub endpoint: usize,
    /// What it wants to do.
    pub method: Method,
    /// To what.
    pub target: Target,
    /// The service root, absolute, with a slash at its end.
    pub root: String,
    /// The request's own URL without the query.
    pub url: String,
    /// The query as sent.
    pub query: &'a str,
    /// `$format`.
    pub format: Option<String>,
    /// There is a `$callback` (CON-25).
    pub callback: bool,
    /// The version headers.
    pub versions: Versions,
    /// The preconditions.
    pub preconditions: Preconditions,
    /// The other headers.
    pub headers: Headers<'a>,
    /// What the change set around has made so far.
    pub ids: ContentIds,
}

/// A request line, taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// As sent.
    pub method: &'a str,
    /// What follows the service root, as sent, without the query.
    pub path: &'a str,
    /// The query as sent.
    pub query: &'a str,
}

impl<'a> Request<'a> {
    /// Understands a request as far as that goes without its body and the database.
    ///
    /// # Errors
    /// 400, 404, and 405 for a method that the resource does not take.
    pub fn new(app: &'a App, endpoint: usize, root: String, line: Line<'a>, headers: Headers<'a>) -> Outcome<Request<'a>> {
        let method = Method::read(line.method, headers.method)?;
        let versions = Versions::read(headers.version, headers.max_version, headers.min_version)?;
        let mut preconditions = preconditions(headers.if_match, headers.if_none_match)?;
        preconditions.claim = claim(headers.registration, headers.attempt)?;
        let target = path::parse(&app.engine.schema, endpoint, line.path)?;
        let allow = allowed(&app.engine.schema, endpoint, &target);
        if method != Method::Options && !allow.split(", ").any(|name| Method::read(name, None).ok() == Some(method)) {
            return Err(Fault::method(allow));
        }
        Ok(Request {
            app,
            endpoint,
            method,
            target,
            url: format!("{root}{}", line.path),
            root,
            query: line.query,
            format: option_value(line.query, "$format"),
            callback: Callback::of(line.method, line.query, headers.site, app.config.jsonp)?.is_some(),
            versions,
            preconditions,
            headers,
            ids: ContentIds::default(),
        })
    }

    /// The methods that a resource takes.
    pub fn allowed(&self, target: &Target) -> &'static str {
        allowed(&self.app.engine.schema, self.endpoint, target)
    }

    /// The format of the answer.
    pub fn negotiate(&self, kind: Kind) -> Outcome<Choice> {
        let wishes = Wishes {
            format: self.format.as_deref(),
            accept: self.headers.accept,
            charset: self.headers.accept_charset,
            callback: self.callback,
            max: self.versions.max,
            preferences: self.app.config.preferences,
        };
        accept::negotiate(kind, &wishes)
    }

    /// The format of the body (CON-18).
    pub fn body_format(&self) -> Outcome<BodyFormat> {
        accept::body_format(self.headers.content_type, &self.versions, self.app.config.preferences)
    }

    /// What the readers of the body share.
    pub fn reading(&self) -> Reading<'_> {
        Reading {
            schema: &self.app.engine.schema,
            endpoint: self.endpoint,
            root: &self.root,
            ids: &self.ids,
            ignore_unknown: self.app.config.ignore_unknown,
        }
    }

    /// What versions the parts of an answer need.
    pub fn needs(&self, choice: &Choice) -> Needs<'_> {
        Needs {
            schema: &self.app.engine.schema,
            endpoint: self.endpoint,
            format: choice.format,
            max: self.versions.max,
        }
    }

    /// The format of a document; it takes no options but `$format` (SVC-8, MET-7).
    pub fn document(&self, kind: Kind) -> Outcome<Choice> {
        Options::parse(self.query)?.check(ResourceKind::Document)?;
        self.negotiate(kind)
    }

    /// `Prefer`, which counts from version 3.0 on (VER-33).
    pub fn prefer(&self) -> Option<Prefer> {
        let prefer = self.headers.prefer.and_then(Prefer::read);
        prefer.filter(|_| self.versions.request() >= Version::V3)
    }

    /// Whether there is a precondition about an ETag.
    pub fn is_conditional(&self) -> bool {
        self.preconditions.if_match.is_some() || self.preconditions.if_none_match.is_some()
    }
}

/// The methods that a resource takes (WR-3).
fn allowed(schema: &Schema, endpoint: usize, target: &Target) -> &'static str {
    const ONE: &str = "GET, HEAD, PUT, PATCH, MERGE, DELETE";
    match target {
        Target::Service | Target::Metadata => "GET, HEAD",
        Target::Batch => "POST",
        Target::Operation(call) => schema.endpoints[endpoint].operations[call.overloads[0]].methods(),
        Target::Resource(resource) => match (&resource.leaf, resource.collection) {
            (Leaf::Entities, true) | (Leaf::Links, true) => "GET, HEAD, POST",
            (Leaf::Count | Leaf::LinksCount, _) => "GET, HEAD",
            (Leaf::Dynamic { .. }, _) => "GET, HEAD",
            // One of many links can only be taken away; the link of a single navigation can be set as well.
            (Leaf::Links, _) if matches!(resource.steps.last(), Some(Step::Key(_))) => "GET, HEAD, DELETE",
            (Leaf::Links, _) => "GET, HEAD, POST, PUT, PATCH, MERGE, DELETE",
            _ if media::is_stream(resource) => "GET, HEAD, PUT",
            (
                Leaf::Property {
                    ty: Type::Collection(_), ..
                },
                _,
            ) => "GET, HEAD, PUT",
            (Leaf::Entities | Leaf::Property { .. } | Leaf::Media, _) => ONE,
        },
    }
}

/// The format and version of an error, as far as a request says what it wants. `header` is asked in lower case.
pub fn error_choice<'a>(preferences: Preferences, query: &str, callback: bool, header: impl Fn(&str) -> Option<&'a str>) -> Choice {
    let format = option_value(query, "$format");
    let versions = Versions::read(None, header("maxdataserviceversion"), header("mindataserviceversion")).unwrap_or_default();
    let choice = accept::for_error(&Wishes {
        format: format.as_deref(),
        accept: header("accept"),
        charset: header("accept-charset"),
        callback,
        max: versions.max,
        preferences,
    });
    Choice {
        version: choice.version.max(versions.min),
        ..choice
    }
}

/// A system option, decoded, wherever it stands in a query: errors have their format even when the query is wrong.
pub fn option_value(query: &str, option: &str) -> Option<String> {
    query.split('&').find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        decode_query(name).filter(|name| name.trim() == option)?;
        decode_query(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found() {
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
            assert_eq!(option_value(query, "$format").as_deref(), expected, "{query}");
        }
    }
}
