//! Context URLs (section 12 of the requirements, JL-1..JL-8): what `odata.metadata` says of an answer. And where what is inside of it
//! goes on.

use super::entity::text;
use super::format::{Entity, Render};
use super::{select, url};
use crate::model::page::Expanded;
use crate::model::query::Expand;
use crate::model::schema::{Navigation, SetId, Type, TypeId};

/// What the context URL of a feed or an entity says (JL-2, JL-3, JL-4).
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The set of the entities: after a navigation the target's, not that of the path's beginning (JL-4).
    pub set: Option<SetId>,
    /// The type that the path ends in, after casts. When it is not the set's own type the fragment names it.
    pub ty: TypeId,
    /// One entity: `/@Element`.
    pub single: bool,
    /// `$select` as sent (SEL-9): `Shape::select_text`.
    pub select: Option<&'a str>,
}

impl Context<'_> {
    /// Writes the context URL: `<root>$metadata#Set/NS.Type/@Element&$select=A,B`.
    pub fn write(&self, render: &Render<'_>, out: &mut Vec<u8>) {
        let ty = &render.schema.types[self.ty];
        render.write_metadata_url(out);
        out.push(b'#');
        match self.set {
            Some(set) => {
                render.write_set_name(set, out);
                if render.schema.sets[set].entity_type != self.ty {
                    out.push(b'/');
                    render.write_type_name(ty, out);
                }
                if self.single {
                    out.extend_from_slice(b"/@Element");
                }
            }
            // Entities without a set are values of their type (JL-6).
            None if self.single => render.write_type_name(ty, out),
            None => {
                out.extend_from_slice(b"Collection(");
                render.write_type_name(ty, out);
                out.push(b')');
            }
        }
        if let Some(select) = self.select {
            out.extend_from_slice(b"&$select=");
            out.extend_from_slice(select.as_bytes());
        }
    }
}

/// What the context URL of `$links` says (JL-5).
#[derive(Debug, Clone, Copy)]
pub struct LinksContext<'a> {
    /// The set of the entity whose links they are.
    pub set: SetId,
    /// The navigation's name.
    pub navigation: &'a str,
    /// At most one link, written without an array.
    pub single: bool,
    /// One link of a collection, by its key: `/@Element`.
    pub element: bool,
}

impl LinksContext<'_> {
    /// Writes the context URL: `<root>$metadata#Set/$links/Nav`.
    pub fn write(&self, render: &Render<'_>, out: &mut Vec<u8>) {
        render.write_metadata_url(out);
        out.push(b'#');
        render.write_set_name(self.set, out);
        out.extend_from_slice(b"/$links/");
        out.extend_from_slice(self.navigation.as_bytes());
        if self.element {
            out.extend_from_slice(b"/@Element");
        }
    }
}

/// Writes the context URL of a value (JL-6): `#Edm.Int32`, `#NS.Complex`, `#Collection(Edm.String)`, and `#Edm.Null` for null.
pub fn write_value_context(render: &Render<'_>, ty: &Type, is_null: bool, out: &mut Vec<u8>) {
    render.write_metadata_url(out);
    out.push(b'#');
    if is_null {
        out.extend_from_slice(b"Edm.Null");
    } else {
        out.extend_from_slice(render.schema.type_name(ty).as_bytes());
    }
}

/// The next page of an expanded navigation, from its parent's URL on: `<root>Customers('ALFKI')/Orders?$skiptoken=…`, with the
/// options that hold inside (PAG-14, PAG-15).
pub fn next_inner(entity: &Entity<'_>, navigation: &Navigation, expand: &Expand, expanded: &Expanded) -> Option<String> {
    let token = expanded.next.get(entity.row)?.as_deref()?;
    let render = entity.render;
    let mut out = render.root.as_bytes().to_vec();
    entity.write_edit_link(&mut out);
    out.push(b'/');
    out.extend_from_slice(navigation.name.as_bytes());
    let (chosen, inner) = select::expand_text(render.schema, &expand.shape);
    let options = [
        ("?$skiptoken=", Some(token)),
        ("&$select=", chosen.as_deref()),
        ("&$expand=", inner.as_deref()),
    ];
    for (name, value) in options {
        if let Some(value) = value {
            out.extend_from_slice(name.as_bytes());
            url::encode(value, &mut out);
        }
    }
    Some(text(out))
}
