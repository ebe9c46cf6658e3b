//! One entity of an answer, as formats see it: its values, its URLs, its tag, its streams.

use super::dynamic;
use super::etag;
use super::format::Render;
use super::url;
use crate::model::edm::Cell;
use crate::model::media::Media;
use crate::model::page::Page;
use crate::model::schema::{DYNAMIC_COLUMN, EntityType, MEDIA_COLUMN, Property, SetId, TypeId};
use crate::model::target::Dynamic;

/// One row of a page, with all that a format may want to say about it. Nothing is computed before it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Entity<'a> {
    /// What all answers share.
    pub render: &'a Render<'a>,
    /// The page.
    pub page: &'a Page,
    /// The row.
    pub row: usize,
    /// The concrete type.
    pub ty: TypeId,
    cells: &'a [Option<usize>],
}

impl<'a> Entity<'a> {
    /// A row of a page.
    pub fn of(render: &'a Render<'a>, page: &'a Page, row: usize) -> Entity<'a> {
        let (ty, cells) = page.row_type(render.schema, row);
        Entity {
            render,
            page,
            row,
            ty: *ty,
            cells,
        }
    }

    /// Its concrete type.
    pub fn entity_type(&self) -> &'a EntityType {
        &self.render.schema.types[self.ty]
    }

    /// A property's cell; null when it was not read, and always for a write-only one: every answer takes its values from here.
    pub fn cell(&self, property: usize) -> Cell<'a> {
        match self.cells.get(property) {
            Some(Some(cell)) if !self.entity_type().properties[property].write_only => self.page.rows.cell(self.row, *cell),
            _ => Cell::Null,
        }
    }

    /// The set that it is addressed in.
    pub fn set(&self) -> Option<SetId> {
        self.page.set.or_else(|| self.render.schema.set_of(self.render.endpoint, self.ty))
    }

    /// Writes `Set(key)`, relative to the service root. Nothing when the endpoint has no set for it.
    pub fn write_path(&self, out: &mut Vec<u8>) {
        if let Some(set) = self.set() {
            self.render.write_set_name(set, out);
            url::write_key(self.render.schema, self.ty, &mut |property| self.cell(property), out);
        }
    }

    /// Writes the edit link relative to the service root: [`Entity::write_path`], and the type when the set's own type is
    /// another one (ATM-6, JL-22). Links to navigations hang on it.
    pub fn write_edit_link(&self, out: &mut Vec<u8>) {
        self.write_path(out);
        self.write_type_segment(out);
    }

    /// Writes what follows [`Entity::write_path`] in an edit link.
    pub fn write_type_segment(&self, out: &mut Vec<u8>) {
        if let Some(set) = self.set()
            && self.render.schema.sets[set].entity_type != self.ty
        {
            out.push(b'/');
            self.render.write_type_name(self.entity_type(), out);
        }
    }

    /// Its absolute identity.
    pub fn id(&self) -> String {
        let mut out = self.render.root.as_bytes().to_vec();
        self.write_path(&mut out);
        text(out)
    }

    /// Its absolute edit URL, for `Location` (WR-11).
    pub fn edit_url(&self) -> String {
        let mut out = self.render.root.as_bytes().to_vec();
        self.write_edit_link(&mut out);
        text(out)
    }

    /// The media resource of a media entity; none if it was never written.
    pub fn media(&self) -> Option<Media> {
        let hidden = &self.page.layout.hidden;
        let (_, cell) = hidden.iter().find(|(name, _)| name == MEDIA_COLUMN)?;
        media_of(self.page.rows.cell(self.row, *cell))
    }

    /// What a named stream holds; none if it was never written.
    pub fn stream(&self, property: &Property) -> Option<Media> {
        let index = self.entity_type().property(&property.name)?;
        media_of(self.cell(index))
    }

    /// What its open type does not declare.
    pub fn dynamic(&self) -> Vec<Dynamic> {
        let hidden = &self.page.layout.hidden;
        let column = hidden.iter().find(|(name, _)| name == DYNAMIC_COLUMN);
        match column.map(|(_, cell)| self.page.rows.cell(self.row, *cell)) {
            Some(Cell::Text(text)) if self.entity_type().is_open => dynamic::read(self.render.schema, text),
            _ => Vec::new(),
        }
    }

    /// Its ETag, if the type has one (WR-65).
    pub fn etag(&self) -> Option<String> {
        let tag = || etag::etag(self.render.schema, self.ty, |property| self.cell(property));
        self.entity_type().has_etag().then(tag)
    }
}

fn media_of(cell: Cell<'_>) -> Option<Media> {
    match cell {
        Cell::Text(text) => Media::parse(text),
        _ => None,
    }
}

/// All that is written by the writers above is UTF-8; nothing is lost here.
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}
