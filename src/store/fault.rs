//! What the databases complain of, as faults.

use diesel::result::{DatabaseErrorKind, Error};

use crate::model::fault::{self, Fault};

/// The fault of a database error. A broken reference is `BAD_REFERENCE`; [`Delete`](super::Delete) makes `REFERENCED` of it.
pub fn of(error: Error) -> Fault {
    let Error::DatabaseError(kind, information) = &error else {
        return Fault::internal(error);
    };
    let message = information.message();
    match kind {
        DatabaseErrorKind::UniqueViolation => {
            let column = violated_column(message, information.details());
            let text = match &column {
                Some(column) => format!("There is an entity with this {column} already."),
                None => "There is an entity with this value already.".to_owned(),
            };
            let fault = Fault::new(&fault::CONFLICT, text);
            match column {
                Some(column) => fault.of(column),
                None => fault,
            }
        }
        DatabaseErrorKind::ForeignKeyViolation => Fault::new(&fault::BAD_REFERENCE, "A foreign key names an entity that is not there."),
        DatabaseErrorKind::NotNullViolation | DatabaseErrorKind::CheckViolation => {
            Fault::new(&fault::BAD_VALUE, "A value does not fit its property.")
        }
        DatabaseErrorKind::ClosedConnection => busy(&error),
        DatabaseErrorKind::SerializationFailure => busy(&error),
        _ if is_any(message, &["out of range", "division by zero", "overflow"]) => {
            Fault::new(&fault::ARITHMETIC, "An expression overflows or divides by zero.")
        }
        _ if is_any(
            message,
            &[
                "is locked",
                "disk is full",
                "deadlock",
                "statement timeout",
                "No space left",
                "terminating connection",
            ],
        ) =>
        {
            busy(&error)
        }
        _ => Fault::internal(&error),
    }
}

/// The database does not answer now; trying again later makes sense.
pub fn busy(cause: impl std::fmt::Display) -> Fault {
    let mut fault = Fault::new(&fault::BUSY, "The database does not answer in time. Try again later.");
    fault.cause = Some(cause.to_string());
    fault
}

fn is_any(message: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| message.contains(part))
}

/// The last column of the broken constraint: the tenant's comes first.
/// SQLite says `UNIQUE constraint failed: t.Tid, t.Name`; PostgreSQL's detail is `Key ("Tid", "Name")=(..) already exists.`
fn violated_column(message: &str, details: Option<&str>) -> Option<String> {
    if let Some(columns) = message.strip_prefix("UNIQUE constraint failed: ") {
        return Some(columns.rsplit(['.', ',']).next()?.trim().to_owned());
    }
    let columns = details?.strip_prefix("Key (")?.split(")=").next()?;
    Some(columns.rsplit(", ").next()?.trim_matches('"').to_owned())
}
