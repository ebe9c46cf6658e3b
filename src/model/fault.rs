//! What can go wrong, each case once: a stable code, the status, and a message the client can act on.

use std::borrow::Cow;

/// A class of fault. The code is part of the interface: clients may compare it, so a code is never reused.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// What goes into `odata.error.code`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
}

macro_rules! faults {
    ($($name:ident = $status:literal $code:literal, $what:literal;)*) => {
        $(#[doc = $what] pub static $name: Kind = Kind { code: $code, status: $status };)*
        /// All kinds, for documentation and tests: kind and meaning.
        pub static KINDS: &[(&Kind, &str)] = &[$((&$name, $what)),*];
    };
}

faults! {
    BAD_REQUEST      = 400 "bad_request", "The request line or a header cannot be understood.";
    BAD_PATH         = 400 "bad_path", "The path breaks the URL grammar, or a segment does not fit the one before it.";
    BAD_KEY          = 400 "bad_key", "A key predicate names the wrong properties or a value of the wrong type.";
    BAD_OPTION       = 400 "bad_option", "A query option is unknown, repeated, does not fit the resource or has a bad value.";
    BAD_FILTER       = 400 "bad_filter", "`$filter` cannot be parsed or does not fit the types.";
    BAD_ORDERBY      = 400 "bad_orderby", "`$orderby` cannot be parsed or does not fit the types.";
    BAD_CONDITION    = 400 "bad_condition", "The condition of a task cannot be parsed, or can never be met.";
    BAD_SELECT       = 400 "bad_select", "`$select` or `$expand` names something that is not there.";
    BAD_TOKEN        = 400 "bad_skiptoken", "`$skiptoken` was not made by this server for this query.";
    BAD_BODY         = 400 "bad_body", "The body is not well-formed, or has the wrong shape.";
    BAD_VALUE        = 400 "bad_value", "A value does not fit its property.";
    UNKNOWN_PROPERTY = 400 "unknown_property", "The body names a property that the type does not have.";
    MISSING_PROPERTY = 400 "missing_property", "A required property is missing.";
    BAD_ARGUMENT     = 400 "bad_argument", "An argument of an operation is missing or unknown, or does not fit its parameter.";
    BAD_REFERENCE    = 400 "bad_reference", "A foreign key names an entity that is not there.";
    ARITHMETIC       = 400 "arithmetic", "An expression overflows or divides by zero.";
    TOO_LARGE        = 400 "limit_exceeded", "The request is past one of the server's limits.";
    WEAK_PASSWORD    = 400 "weak_password", "The password is not what the settings ask of one.";
    BAD_MAIL_TOKEN   = 400 "bad_mail_token", "The token of a mail is not right, was used already, or is too old.";
    UNAUTHENTICATED  = 401 "unauthenticated", "No credentials, or credentials that are not right.";
    INVALID_TOKEN    = 401 "invalid_token", "A bearer token that is not right, or not any more.";
    FORBIDDEN        = 403 "forbidden", "The caller may not do this.";
    NOT_FOUND        = 404 "not_found", "There is no such resource for this caller.";
    METHOD           = 405 "method_not_allowed", "The resource does not take this method.";
    NOT_ACCEPTABLE   = 406 "not_acceptable", "None of the formats that the client accepts is one of this resource's.";
    BODY_TIMEOUT     = 408 "body_timeout", "The body does not arrive in time.";
    CONFLICT         = 409 "conflict", "A key or unique value is taken already.";
    REFERENCED       = 409 "referenced", "Other entities refer to this one.";
    LOST_LEASE       = 409 "lost_lease", "The job is not, or not any more, the one that the caller has claimed; or its registration is over.";
    PRECONDITION     = 412 "precondition_failed", "The entity is not in the state that `If-Match` or `If-None-Match` names.";
    BODY_TOO_LARGE   = 413 "body_too_large", "The body is longer than the server takes.";
    URL_TOO_LONG     = 414 "url_too_long", "The request target is longer than the server takes.";
    MEDIA_TYPE       = 415 "unsupported_media_type", "The body is in a format that this resource does not read.";
    NO_PRECONDITION  = 428 "precondition_required", "This change needs an `If-Match` header.";
    TOO_MANY         = 429 "too_many_requests", "Too many attempts; `Retry-After` says when to try again.";
    INTERNAL         = 500 "internal", "A fault of the server; the log has the cause under the request's id.";
    NOT_IMPLEMENTED  = 501 "not_implemented", "Declared, but without behaviour on this server.";
    UNREACHABLE      = 503 "unreachable", "Another system that this needs, such as a directory, does not answer.";
    BUSY             = 503 "busy", "The database does not answer in time, or too much is waiting.";
}

/// The one error type above floor 1.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Code and status.
    pub kind: &'static Kind,
    /// A sentence for the client; never holds an internal cause.
    pub message: Cow<'static, str>,
    /// Byte position in the decoded query option or path, where there is one.
    pub position: Option<usize>,
    /// The property the fault is about, where there is one.
    pub property: Option<String>,
    /// Methods for `Allow`, on 405 only.
    pub allow: &'static str,
    /// Seconds after which it makes sense to try again, where that is known.
    pub retry_after: Option<u32>,
    /// For the log only.
    pub cause: Option<String>,
}

/// `Result` with a [`Fault`].
pub type Outcome<T> = Result<T, Fault>;

impl Fault {
    /// A fault of `kind` with a sentence for the client.
    pub fn new(kind: &'static Kind, message: impl Into<Cow<'static, str>>) -> Fault {
        Fault {
            kind,
            message: message.into(),
            position: None,
            property: None,
            allow: "",
            retry_after: None,
            cause: None,
        }
    }

    /// The same, at a byte position of the text that the client sent.
    pub fn at(mut self, position: usize) -> Fault {
        self.position = Some(position);
        self
    }

    /// The same, about a property.
    pub fn of(mut self, property: impl Into<String>) -> Fault {
        self.property = Some(property.into());
        self
    }

    /// A fault of the server: the client learns nothing but that; `cause` goes to the log.
    pub fn internal(cause: impl std::fmt::Display) -> Fault {
        let mut fault = Fault::new(&INTERNAL, "The server could not complete the request.");
        fault.cause = Some(cause.to_string());
        fault
    }

    /// The one answer for what is absent and for what belongs to somebody else.
    pub fn not_found() -> Fault {
        Fault::new(&NOT_FOUND, "There is no such resource.")
    }

    /// 429 with the seconds to wait.
    pub fn too_many(seconds: u32) -> Fault {
        let mut fault = Fault::new(&TOO_MANY, format!("Too many attempts; try again in {seconds} seconds."));
        fault.retry_after = Some(seconds);
        fault
    }

    /// 405 with the methods that are allowed here.
    pub fn method(allow: &'static str) -> Fault {
        let mut fault = Fault::new(&METHOD, format!("This resource takes {allow}."));
        fault.allow = allow;
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_statuses_are_errors() {
        for (i, (kind, what)) in KINDS.iter().enumerate() {
            assert!((400..600).contains(&kind.status), "{}", kind.code);
            assert!(what.ends_with('.'), "{}", kind.code);
            assert!(KINDS[..i].iter().all(|(other, _)| other.code != kind.code), "{} twice", kind.code);
        }
    }
}
