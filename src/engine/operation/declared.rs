//! Operations whose behaviour is declared: picking out entities, and setting properties through the ordinary update.

use super::{Given, Invocation};
use crate::engine::Engine;
use crate::engine::layout::Columns;
use crate::engine::permission::Verb;
use crate::engine::resolve::{Place, nothing};
use crate::model::caller::Caller;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::INVOKED_ROWS;
use crate::model::page::{Page, Rows};
use crate::model::query::Query;
use crate::model::schema::{Property, Type, TypeId};
use crate::model::target::{Body, Resource, Step};
use crate::model::text;
use crate::odata::json_read::check_facets;
use crate::odata::template::{self, Changes, To};
use crate::store::{Output, Select, Session};

impl Engine {
    /// The keys of what a path and a query lead to, in the query's order: the first one if the path leads to one entity.
    ///
    /// # Errors
    /// Those of reading, and `TOO_LARGE` when they are more than [`INVOKED_ROWS`].
    pub fn keys(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource, query: &Query) -> Outcome<Vec<Vec<Value>>> {
        let place = self.resolve(session, caller, resource)?;
        let scope = self.query_scope(caller, &place, query)?;
        let mut select = Select::new(&self.schema, &scope, &query.sources);
        let columns = Columns::of(&self.schema, place.ty, &nothing());
        let key = columns.key_cells(&self.schema.types[place.ty]);
        select.outputs = columns.outputs;
        select.restrictions = place.restrictions;
        select.filter = query.filter.as_ref();
        select.order = self.total_order(place.ty, &query.order);
        let most = if resource.collection { INVOKED_ROWS + 1 } else { 1 };
        select.limit = Some(query.top.unwrap_or(most).min(most));
        select.offset = query.skip;
        select.client_shaped = true;
        let rows = if place.null {
            Rows::new(select.outputs.len())
        } else {
            select.fetch(session)?
        };
        if rows.len() > INVOKED_ROWS {
            return Err(too_many());
        }
        Ok((0..rows.len())
            .map(|row| key.iter().map(|&cell| rows.cell(row, cell).to_value()).collect())
            .collect())
    }

    /// Sets properties of what an action is bound to: one entity, or all of a collection.
    pub(super) fn change(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        invocation: &Invocation<'_>,
        texts: &[(String, String)],
    ) -> Outcome<Given> {
        let resource = invocation
            .binding
            .ok_or_else(|| Fault::internal("an action that is bound to nothing"))?;
        let of = (resource.ty, resource.end_set);
        let changes = Changes::of(
            &self.schema,
            invocation.endpoint,
            of,
            invocation.operation,
            (texts, invocation.arguments),
        )?;
        let place = self.resolve(session, caller, resource)?;
        let rows = self.evaluate(session, caller, &place, &changes, resource.collection)?;
        if rows.is_empty() && !resource.collection {
            return Err(Fault::not_found());
        }
        let mut changed = Vec::with_capacity(rows.len());
        let entity = &self.schema.types[resource.ty];
        for (key, values) in rows {
            let mut one = resource.clone();
            one.collection = false;
            one.steps.push(Step::Among(vec![key.clone()]));
            let mut set = Vec::with_capacity(values.len());
            for ((property, _), (ty, value)) in changes.list.iter().zip(values) {
                set.push((*property, converted(&entity.properties[*property], &ty, value)?));
            }
            let body = |ty: TypeId| Ok(Body::new(ty, set.clone()));
            self.update(session, caller, &one, &body, false, invocation.preconditions)?;
            changed.push(key);
        }
        match &invocation.operation.result {
            None => Ok(Given::Nothing),
            Some(_) => self
                .all_of(session, caller, resource, changed)
                .map(|page| Given::Entities(Box::new(page))),
        }
    }

    /// The key of each entity at a place, and what its properties are to be set to; kept from other writers.
    #[allow(clippy::type_complexity)]
    fn evaluate(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        place: &Place,
        changes: &Changes,
        is_many: bool,
    ) -> Outcome<Vec<(Vec<Value>, Vec<(Type, Value)>)>> {
        let scope = self.scope(caller, place.ty, place.set, Verb::Update)?;
        for source in &changes.sources[1..] {
            self.scope(caller, source.ty, source.set, Verb::Read)?;
        }
        if place.null {
            return Ok(Vec::new());
        }
        let mut columns = Columns::of(&self.schema, place.ty, &nothing());
        let key = columns.key_cells(&self.schema.types[place.ty]);
        let cells: Vec<Option<usize>> = changes
            .list
            .iter()
            .map(|(_, to)| match to {
                To::Expr(_, expr) => Some(columns.extra(Output::Expr(expr.clone()))),
                To::Value(..) => None,
            })
            .collect();
        let mut select = Select::new(&self.schema, &scope, &changes.sources);
        select.outputs = columns.outputs;
        select.restrictions = place.restrictions.clone();
        select.order = self.total_order(place.ty, &[]);
        select.limit = Some(if is_many { INVOKED_ROWS + 1 } else { 1 });
        select.lock = true;
        select.client_shaped = true;
        let rows = select.fetch(session)?;
        if rows.len() > INVOKED_ROWS {
            return Err(too_many());
        }
        let value = |row: usize, (to, cell): (&To, &Option<usize>)| match (to, cell) {
            (To::Expr(edm, _), Some(cell)) => (Type::Primitive(*edm), rows.cell(row, *cell).to_value()),
            (To::Value(ty, value), _) => (ty.clone(), value.clone()),
            (To::Expr(edm, _), None) => (Type::Primitive(*edm), Value::Null),
        };
        let values = |row: usize| {
            changes
                .list
                .iter()
                .map(|(_, to)| to)
                .zip(&cells)
                .map(|pair| value(row, pair))
                .collect()
        };
        let keys = |row: usize| key.iter().map(|&cell| rows.cell(row, cell).to_value()).collect();
        Ok((0..rows.len()).map(|row| (keys(row), values(row))).collect())
    }

    /// Entities by their keys, all of them and as they are now, on one page.
    fn all_of(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource, keys: Vec<Vec<Value>>) -> Outcome<Page> {
        let mut those = resource.clone();
        those.steps.push(Step::Among(keys));
        let place = self.resolve(session, caller, &those)?;
        let scope = self.scope(caller, place.ty, place.set, Verb::Read)?;
        let query = Query::of(place.ty, place.set);
        let columns = Columns::of(&self.schema, place.ty, &query.shape);
        let mut select = Select::new(&self.schema, &scope, &query.sources);
        select.outputs = columns.outputs;
        select.restrictions = place.restrictions;
        select.order = self.total_order(place.ty, &[]);
        Ok(Page {
            set: place.set,
            ty: place.ty,
            rows: select.fetch(session)?,
            layout: columns.layout,
            count: None,
            next: None,
            top_left: None,
            shape: query.shape,
            expanded: Vec::new(),
        })
    }
}

fn too_many() -> Fault {
    let message = format!("This is about more than {INVOKED_ROWS} entities. Bind it to fewer.");
    Fault::new(&fault::TOO_LARGE, message)
}

/// A value for a property: a number is rounded to what the property holds, the digit 5 away from zero.
fn converted(property: &Property, from: &Type, value: Value) -> Outcome<Value> {
    if value.is_null() {
        if property.nullable {
            return Ok(Value::Null);
        }
        let message = format!("{} would be null.", property.name);
        return Err(Fault::new(&fault::BAD_VALUE, message).of(&property.name));
    }
    let misfit = || Fault::new(&fault::BAD_VALUE, format!("The new value of {} does not fit it.", property.name)).of(&property.name);
    if !template::converts(from, &property.ty) {
        return Err(misfit());
    }
    let value = match (from.primitive(), property.ty.primitive()) {
        (Some(from), Some(to)) if from.is_numeric() && to.is_numeric() => number(from, to, property, value.cell()).ok_or_else(misfit)?,
        _ => value,
    };
    check_facets(property, &value)?;
    Ok(value)
}

fn number(from: Edm, to: Edm, property: &Property, cell: Cell<'_>) -> Option<Value> {
    let mut digits = Vec::new();
    text::write(from, cell, &mut digits);
    let digits = String::from_utf8(digits).ok()?;
    let scale = match to {
        Edm::Single | Edm::Double => return text::parse(to, &digits),
        Edm::Decimal => property.facets.scale.map(|scale| scale as usize),
        _ => Some(0),
    };
    // With an exponent it is read as a Decimal first, which writes all digits.
    let plain = match text::parse(Edm::Decimal, &digits) {
        Some(Value::Text(plain)) => plain,
        _ => digits,
    };
    let rounded = scale.map_or(plain.clone(), |scale| round(&plain, scale));
    text::parse(to, &rounded)
}

/// A decimal text with at most so many digits after the point.
fn round(text: &str, scale: usize) -> String {
    let Some((whole, fraction)) = text.split_once('.') else {
        return text.to_owned();
    };
    let Some((kept, rest)) = fraction.split_at_checked(scale).filter(|(_, rest)| !rest.is_empty()) else {
        return text.to_owned();
    };
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut digits: Vec<u8> = std::iter::once(b'0').chain(whole.bytes()).chain(kept.bytes()).collect();
    if rest.as_bytes()[0] >= b'5' {
        for digit in digits.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
    }
    let point = digits.len() - kept.len();
    let text = String::from_utf8_lossy(&digits);
    let (whole, kept) = text.split_at(point);
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let point = if kept.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{kept}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded() {
        for (text, scale, rounded) in [
            ("1.25", 1, "1.3"),
            ("1.24", 1, "1.2"),
            ("-1.25", 1, "-1.3"),
            ("9.99", 1, "10.0"),
            ("0.5", 0, "1"),
            ("0.4", 0, "0"),
            ("99.5", 0, "100"),
            ("12", 2, "12"),
            ("1.2", 2, "1.2"),
        ] {
            assert_eq!(round(text, scale), rounded, "{text} {scale}");
        }
    }
}
