//! The filter of a row rule in a schema file, bound for one caller.

use super::bind::Binder;
use super::filter;
use crate::model::caller::Guid;
use crate::model::edm::{Cell, Edm};
use crate::model::expr::Expr;
use crate::model::fault::{BAD_FILTER, Fault, Outcome};
use crate::model::schema::{Schema, TypeId};
use crate::model::text;

/// The rows of a type that a `$filter` lets through, in which `@user` and `@tenant` stand for the caller and his tenant; `source` 0 of
/// the expression is the row.
///
/// # Errors
/// `BAD_FILTER`, also for a filter that leaves the row: what it needed would have to be asked for, too. Schema files are checked for
/// all of it when they are loaded.
pub fn bind(schema: &Schema, endpoint: usize, ty: TypeId, filter: &str, user: i64, tenant: Guid) -> Outcome<Expr> {
    let mut guid = b"guid'".to_vec();
    text::write(Edm::Guid, Cell::Bytes(&tenant), &mut guid);
    guid.push(b'\'');
    let text = fill(
        filter,
        &[("@user", &format!("{user}L")), ("@tenant", &String::from_utf8_lossy(&guid))],
    );
    let node = filter::filter(&text)?;
    let mut binder = Binder::new(schema, endpoint, ty, None);
    let expr = binder.filter(&node)?;
    if binder.into_sources().len() > 1 {
        return Err(Fault::new(&BAD_FILTER, "A row rule looks at the properties of the row alone."));
    }
    Ok(expr)
}

/// Replaces names outside of quotes.
fn fill(filter: &str, values: &[(&str, &str)]) -> String {
    // Between two quotes is every second piece; a doubled quote within a text makes an empty piece, which changes nothing.
    let pieces = filter.split('\'').enumerate().map(|(i, piece)| {
        let mut piece = piece.to_owned();
        for (name, value) in values.iter().filter(|_| i % 2 == 0) {
            piece = piece.replace(name, value);
        }
        piece
    });
    pieces.collect::<Vec<_>>().join("'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_texts_stay() {
        let values = [("@user", "7L"), ("@tenant", "guid'x'")];
        for (filter, expected) in [
            ("A eq @user and T eq @tenant", "A eq 7L and T eq guid'x'"),
            ("N eq '@user' or A eq @user", "N eq '@user' or A eq 7L"),
            ("N eq 'it''s @user' or A eq @user", "N eq 'it''s @user' or A eq 7L"),
        ] {
            assert_eq!(fill(filter, &values), expected);
        }
    }
}
