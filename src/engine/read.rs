//! Reading: pages, entities, counts (RD, PAG, ORD-6).

use super::Engine;
use super::layout::Columns;
use super::permission::Verb;
use super::resolve::Place;
use crate::model::caller::{Caller, Scope};
use crate::model::edm::{Cell, Class, Edm, Value};
use crate::model::expr::Expr;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits;
use crate::model::page::{Page, Rows};
use crate::model::query::{Order, Query};
use crate::model::schema::{SetId, TypeId};
use crate::model::target::{Leaf, Resource, Step};
use crate::model::text;
use crate::odata::token;
use crate::store::{Output, Select, Session, Weight};

/// Most characters of a computed decimal in a token.
const COMPUTED_DIGITS: usize = 1_000;

/// What was read.
#[derive(Debug)]
pub enum Read {
    /// Entities of a collection.
    Entities(Page),
    /// The one row is the entity.
    Entity(Page),
    /// A to-one navigation without a target: 204 (PTH-27).
    Null,
}

impl Engine {
    /// How much a read may cost.
    pub fn weight(&self, resource: &Resource, query: &Query) -> Weight {
        if resource.collection || !query.shape.expand.is_empty() || query.filter.is_some() {
            Weight::Scan
        } else {
            Weight::Key
        }
    }

    /// Reads what a path leads to. A leaf (property, `$value`, `$links`) is cut out of the answer by the format.
    ///
    /// # Errors
    /// `NOT_FOUND`, `FORBIDDEN`, and what the query itself can break: `BAD_TOKEN`, `ARITHMETIC`, `TOO_LARGE`.
    pub fn read(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource, query: &Query) -> Outcome<Read> {
        let place = self.resolve(session, caller, resource)?;
        let scope = self.query_scope(caller, &place, query)?;
        if resource.collection {
            return Ok(Read::Entities(self.page(session, &scope, &place, query)?));
        }
        if place.null {
            return if leads_on(resource) {
                Err(Fault::not_found())
            } else {
                Ok(Read::Null)
            };
        }
        let columns = Columns::of(&self.schema, place.ty, &query.shape);
        let mut select = Select::new(&self.schema, &scope, &query.sources);
        select.outputs = columns.outputs;
        select.restrictions = place.restrictions;
        select.filter = query.filter.as_ref();
        select.limit = Some(1);
        select.client_shaped = query.filter.is_some() || query.shape.properties.is_some() || !query.shape.expand.is_empty();
        let rows = select.fetch(session)?;
        if rows.is_empty() {
            // Behind a navigation from an entity that is there: a foreign or dangling target is null, like one that never was.
            return if place.parent.is_some() && !leads_on(resource) && !has_key_last(resource) && query.filter.is_none() {
                Ok(Read::Null)
            } else {
                Err(Fault::not_found())
            };
        }
        let mut page = Page {
            set: place.set,
            ty: place.ty,
            rows,
            layout: columns.layout,
            count: None,
            next: None,
            top_left: None,
            shape: query.shape.clone(),
            expanded: Vec::new(),
        };
        self.expand(session, caller, &mut page)?;
        Ok(Read::Entity(page))
    }

    /// `/$count`: filter, `$top` and `$skip` count (QRY-8).
    pub fn count(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource, query: &Query) -> Outcome<u64> {
        let place = self.resolve(session, caller, resource)?;
        let scope = self.query_scope(caller, &place, query)?;
        let mut select = Select::new(&self.schema, &scope, &query.sources);
        select.restrictions = place.restrictions;
        select.filter = query.filter.as_ref();
        select.limit = query.top;
        select.offset = query.skip;
        select.client_shaped = true;
        select.count(session)
    }

    /// The scope of a query: its own set and every set that its expressions go through have to be readable.
    pub(super) fn query_scope(&self, caller: &Caller, place: &Place, query: &Query) -> Outcome<Scope> {
        for source in &query.sources[1..] {
            self.scope(caller, source.ty, source.set, Verb::Read)?;
        }
        self.check_shape(caller, &query.shape)?;
        self.scope(caller, place.ty, place.set, Verb::Read)
    }

    /// One page of a collection.
    fn page(&self, session: &mut Session<'_>, scope: &Scope, place: &Place, query: &Query) -> Outcome<Page> {
        let page_size = self.page_size(place.set);
        let order = self.total_order(place.ty, &query.order);
        let after = query.after.as_deref();
        if let Some(values) = after {
            self.check_token(&order, values)?;
        }
        let mut columns = Columns::of(&self.schema, place.ty, &query.shape);
        let order_cells: Vec<usize> = order.iter().map(|order| self.order_cell(&mut columns, order)).collect();
        let mut select = Select::new(&self.schema, scope, &query.sources);
        select.restrictions = place.restrictions.clone();
        select.filter = query.filter.as_ref();
        // A $top within the page needs no next link, so nothing is read to learn of one (PAG-2).
        let paged = query.top.is_none_or(|top| top > page_size);
        let plain = query.filter.is_none() && query.order.is_empty() && query.shape.properties.is_none() && query.shape.expand.is_empty();
        select.client_shaped = !(plain && paged && query.skip == 0);
        let count = if query.count { Some(select.count(session)?) } else { None };
        select.outputs = std::mem::take(&mut columns.outputs);
        select.order = order;
        select.after = after;
        select.offset = query.skip;
        select.limit = Some(if paged { page_size + 1 } else { query.top.unwrap_or(page_size) });
        let mut rows = if query.top == Some(0) {
            Rows::new(select.outputs.len())
        } else {
            select.fetch(session)?
        };
        let next = (paged && rows.len() > page_size).then(|| {
            rows.truncate(page_size);
            row_token(&rows, page_size - 1, &order_cells, query.fingerprint)
        });
        let mut page = Page {
            set: place.set,
            ty: place.ty,
            rows,
            layout: columns.layout,
            count,
            top_left: next.as_ref().and(query.top).map(|top| top - page_size),
            next,
            shape: query.shape.clone(),
            expanded: Vec::new(),
        };
        self.expand_in(session, scope, &mut page)?;
        Ok(page)
    }

    /// Entities on a page of a set.
    pub(super) fn page_size(&self, set: Option<SetId>) -> usize {
        set.and_then(|set| self.schema.sets[set].page_size)
            .unwrap_or(self.page_size)
            .clamp(1, limits::PAGE_SIZE_MAX)
    }

    /// The order asked for, made total by the row key (ORD-6).
    pub(super) fn total_order(&self, ty: TypeId, asked: &[Order]) -> Vec<Order> {
        let mut order = asked.to_vec();
        for &key in &self.schema.types[ty].row_key {
            let is_key = |order: &Order| matches!(order.expr, Expr::Column { source: 0, property, .. } if property == key);
            if !order.iter().any(is_key) {
                order.push(Order {
                    expr: Expr::Column {
                        source: 0,
                        ty,
                        property: key,
                    },
                    descending: false,
                });
            }
        }
        order
    }

    fn order_cell(&self, columns: &mut Columns, order: &Order) -> usize {
        if let Expr::Column { source: 0, ty, property } = order.expr {
            let name = self.schema.types[ty].properties[property].column.clone();
            return columns.hidden(&self.schema, ty, &name);
        }
        columns.extra(Output::Expr(order.expr.clone()))
    }

    fn fits(&self, expr: &Expr, value: &Value) -> bool {
        match (expr, expr.edm(&self.schema)) {
            (Expr::Column { .. }, Some(edm)) => text::is_canonical(edm, value),
            (_, Some(edm)) => is_of_class(edm, value),
            (_, None) => false,
        }
    }

    /// A token has a value of the right kind for each item of the order.
    fn check_token(&self, order: &[Order], values: &[Value]) -> Outcome<()> {
        let fits = |(order, value): (&Order, &Value)| self.fits(&order.expr, value);
        if order.len() == values.len() && order.iter().zip(values).all(fits) {
            return Ok(());
        }
        Err(Fault::new(&fault::BAD_TOKEN, "This $skiptoken was not made for this query."))
    }
}

/// Whether a value has the shape of a type's contents; a computed one may be larger or longer than a property's.
fn is_of_class(edm: Edm, value: &Value) -> bool {
    match (edm.class(), value) {
        (_, Value::Null) | (Class::Integer, Value::Integer(_)) | (Class::Float, Value::Double(_)) => true,
        (Class::Decimal, Value::Text(text)) => {
            text.len() < COMPUTED_DIGITS && text.bytes().all(|b| b.is_ascii_digit() || b"-.".contains(&b))
        }
        _ => text::is_canonical(edm, value),
    }
}

/// Something of the entity is asked for, not the entity itself.
fn leads_on(resource: &Resource) -> bool {
    !matches!(resource.leaf, Leaf::Entities | Leaf::Links)
}

fn has_key_last(resource: &Resource) -> bool {
    resource
        .steps
        .iter()
        .rev()
        .find(|step| !matches!(step, Step::Cast(_)))
        .is_some_and(|step| matches!(step, Step::Key(_)))
        || resource.steps.iter().any(|step| matches!(step, Step::Cast(_)))
}

/// The values of the order in a row, as a token.
pub(super) fn row_token(rows: &Rows, row: usize, cells: &[usize], fingerprint: u32) -> String {
    let values: Vec<Value> = cells.iter().map(|&cell| rows.cell(row, cell)).map(Cell::to_value).collect();
    token::encode(&values, fingerprint)
}
