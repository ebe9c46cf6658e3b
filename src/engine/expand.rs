//! `$expand`: one statement for each navigation of a page, whatever the number of its rows; a page of its own for every
//! parent (PAG-14).

use std::collections::HashMap;

use super::Engine;
use super::layout::{Columns, cell_of};
use super::permission::Verb;
use super::read::row_token;
use crate::model::caller::{Caller, Scope};
use crate::model::edm::{Cell, Value};
use crate::model::expr::Source;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits;
use crate::model::page::{Expanded, Page, Rows};
use crate::model::query::Expand;
use crate::model::schema::{Join, Navigation};
use crate::odata::options::NO_FINGERPRINT;
use crate::store::{Output, Partition, Restriction, Select, Session};

/// Parents in one statement.
const PARENTS_AT_ONCE: usize = 500;

/// Values of a foreign key, as bytes to look up by.
type Tuple = Vec<u8>;

impl Engine {
    /// Reads what a page's shape wants inline.
    pub(super) fn expand(&self, session: &mut Session<'_>, caller: &Caller, page: &mut Page) -> Outcome<()> {
        self.expand_in(session, &Scope::of(caller), page)
    }

    /// The same, in a scope.
    pub(super) fn expand_in(&self, session: &mut Session<'_>, scope: &Scope, page: &mut Page) -> Outcome<()> {
        let mut left = limits::EXPAND_ROWS;
        self.expand_level(session, scope, page, &mut left)
    }

    fn expand_level(&self, session: &mut Session<'_>, scope: &Scope, page: &mut Page, left: &mut usize) -> Outcome<()> {
        for expand in page.shape.expand.clone() {
            let mut expanded = self.expand_one(session, scope, page, &expand)?;
            *left = left.checked_sub(expanded.page.rows.len()).ok_or_else(too_many)?;
            self.expand_level(session, scope, &mut expanded.page, left)?;
            page.expanded.push(expanded);
        }
        Ok(())
    }

    fn expand_one(&self, session: &mut Session<'_>, scope: &Scope, page: &Page, expand: &Expand) -> Outcome<Expanded> {
        let navigation = &self.schema.types[expand.ty].navigations[expand.navigation];
        let parents: Vec<Option<Vec<Value>>> = (0..page.rows.len())
            .map(|row| self.parent_tuple(page, row, expand, navigation))
            .collect();
        let mut distinct: Vec<Vec<Value>> = Vec::new();
        let mut seen = HashMap::new();
        for tuple in parents.iter().flatten() {
            seen.entry(bytes_of(tuple.iter().map(Value::cell)))
                .or_insert_with(|| distinct.push(tuple.clone()));
        }
        let (fetched, columns, by) = self.fetch_targets(session, scope, expand, navigation, &distinct)?;
        let page_size = self.page_size(expand.set);
        Ok(self.assemble(expand, navigation, &parents, fetched, (columns, by), page_size))
    }

    /// The values that a parent row's targets are found by; none when it has none, or is not of the type that has the navigation.
    fn parent_tuple(&self, page: &Page, row: usize, expand: &Expand, navigation: &Navigation) -> Option<Vec<Value>> {
        let (ty, cells) = page.row_type(&self.schema, row);
        if !self.schema.is_a(*ty, expand.ty) {
            return None;
        }
        let tuple: Option<Vec<Value>> = match navigation.join.as_ref()? {
            Join::Near { columns } => columns
                .iter()
                .map(|column| cell_of(&self.schema, &page.layout, column).map(|cell| page.rows.cell(row, cell).to_value()))
                .collect(),
            _ => self.schema.types[*ty]
                .row_key
                .iter()
                .map(|&key| cells[key].map(|cell| page.rows.cell(row, cell).to_value()))
                .collect(),
        };
        tuple.filter(|tuple| !tuple.iter().any(Value::is_null))
    }

    /// All targets of some parents; the cells that say whose each is.
    fn fetch_targets(
        &self,
        session: &mut Session<'_>,
        scope: &Scope,
        expand: &Expand,
        navigation: &Navigation,
        parents: &[Vec<Value>],
    ) -> Outcome<(Rows, Columns, Vec<usize>)> {
        let target = navigation.target;
        let sources = [Source {
            ty: target,
            set: expand.set,
            join: None,
            nested: false,
        }];
        let mut columns = Columns::of(&self.schema, target, &expand.shape);
        let key = self.key_columns(target);
        let (by, outputs): (Vec<usize>, Vec<Output>) = match &navigation.join {
            Some(Join::Link { table, near, .. }) => {
                let kind = |name: &String| {
                    self.schema.tables[*table]
                        .columns
                        .iter()
                        .find(|column| column.name == *name)
                        .map(|column| column.kind)
                };
                let outputs = near.iter().filter_map(|name| Some(Output::Link(name.clone(), kind(name)?)));
                outputs.map(|output| (columns.extra(output.clone()), output)).unzip()
            }
            join => {
                let names = if let Some(Join::Far { columns }) = join { columns } else { &key };
                let cells: Vec<usize> = names.iter().map(|name| columns.hidden(&self.schema, target, name)).collect();
                cells.iter().map(|&cell| (cell, columns.outputs[cell].clone())).unzip()
            }
        };
        let mut all = Rows::new(columns.outputs.len());
        for some in parents.chunks(PARENTS_AT_ONCE) {
            let mut select = Select::new(&self.schema, scope, &sources);
            select.outputs = columns.outputs.clone();
            select.restrictions = vec![match &navigation.join {
                Some(Join::Far { columns }) => Restriction::ColumnsIn(columns.clone(), some.to_vec()),
                Some(Join::Link { table, near, far }) => Restriction::LinkIn {
                    table: *table,
                    near: near.clone(),
                    far: far.clone(),
                    values: some.to_vec(),
                },
                _ => Restriction::ColumnsIn(key.clone(), some.to_vec()),
            }];
            let rows = if navigation.is_many() {
                select.order = self.total_order(target, &[]);
                fetch_pages(session, select, &outputs, some.len(), self.page_size(expand.set) + 1)?
            } else {
                select.fetch(session)?
            };
            if all.len() + rows.len() > limits::EXPAND_ROWS {
                return Err(too_many());
            }
            (0..rows.len()).for_each(|row| copy_row(&rows, row, &mut all));
        }
        Ok((all, columns, by))
    }

    /// Puts each parent's targets side by side and cuts them to a page.
    fn assemble(
        &self,
        expand: &Expand,
        navigation: &Navigation,
        parents: &[Option<Vec<Value>>],
        fetched: Rows,
        (columns, by): (Columns, Vec<usize>),
        page_size: usize,
    ) -> Expanded {
        let mut of_tuple: HashMap<Tuple, Vec<usize>> = HashMap::new();
        for row in 0..fetched.len() {
            of_tuple
                .entry(bytes_of(by.iter().map(|&cell| fetched.cell(row, cell))))
                .or_default()
                .push(row);
        }
        let key_cells = columns.key_cells(&self.schema.types[navigation.target]);
        let mut rows = Rows::new(fetched.width());
        let mut written: HashMap<Tuple, std::ops::Range<usize>> = HashMap::new();
        let (mut children, mut next) = (Vec::with_capacity(parents.len()), Vec::with_capacity(parents.len()));
        for parent in parents {
            let tuple = parent.as_ref().map(|tuple| bytes_of(tuple.iter().map(Value::cell)));
            let found = tuple.as_ref().and_then(|tuple| of_tuple.get(tuple)).map_or(&[][..], Vec::as_slice);
            let cut = if navigation.is_many() { page_size } else { 1 };
            next.push((found.len() > cut).then(|| row_token(&fetched, found[cut - 1], &key_cells, NO_FINGERPRINT)));
            let range = match tuple.as_ref().and_then(|tuple| written.get(tuple)) {
                // Parents that share a target share its row.
                Some(range) => range.clone(),
                None => {
                    let start = rows.len();
                    found.iter().take(cut).for_each(|&row| copy_row(&fetched, row, &mut rows));
                    start..rows.len()
                }
            };
            if let Some(tuple) = tuple {
                written.insert(tuple, range.clone());
            }
            children.push(range);
        }
        let page = Page {
            set: expand.set,
            ty: navigation.target,
            rows,
            layout: columns.layout,
            count: None,
            next: None,
            top_left: None,
            shape: expand.shape.clone(),
            expanded: Vec::new(),
        };
        Expanded { page, children, next }
    }

    /// Every set that a shape goes into has to be readable.
    pub(super) fn check_shape(&self, caller: &Caller, shape: &crate::model::query::Shape) -> Outcome<()> {
        for expand in &shape.expand {
            let target = self.schema.types[expand.ty].navigations[expand.navigation].target;
            self.scope(caller, target, expand.set, Verb::Read)?;
            self.check_shape(caller, &expand.shape)?;
        }
        Ok(())
    }
}

/// At most `limit` rows for each of `parents`. When there are no more than that altogether they are cut to pages here: making
/// the database number them costs it more than reading them.
fn fetch_pages(session: &mut Session<'_>, mut select: Select<'_>, by: &[Output], parents: usize, limit: usize) -> Outcome<Rows> {
    let most = parents * limit;
    select.limit = Some(most + 1);
    let rows = select.fetch(session)?;
    if rows.len() <= most {
        return Ok(rows);
    }
    select.limit = None;
    select.partition = Some(Partition { by: by.to_vec(), limit });
    select.fetch(session)
}

fn too_many() -> Fault {
    Fault::new(
        &fault::TOO_LARGE,
        format!(
            "$expand would bring in more than {} entities. Ask for fewer at a time.",
            limits::EXPAND_ROWS
        ),
    )
}

fn copy_row(from: &Rows, row: usize, to: &mut Rows) {
    (0..to.width()).for_each(|column| to.push(from.cell(row, column)));
}

fn bytes_of<'a>(cells: impl Iterator<Item = Cell<'a>>) -> Tuple {
    let mut bytes = Vec::with_capacity(16);
    for cell in cells {
        match cell {
            Cell::Null => bytes.push(0),
            Cell::Boolean(b) => bytes.extend([1, u8::from(b)]),
            Cell::Integer(i) => bytes.extend(i.to_be_bytes()),
            Cell::Double(d) => bytes.extend(d.to_bits().to_be_bytes()),
            Cell::Text(s) => bytes.extend(s.as_bytes()),
            Cell::Bytes(b) => bytes.extend(b),
        }
        // Keeps ("a", "bc") and ("ab", "c") apart.
        bytes.push(0xFF);
    }
    bytes
}
