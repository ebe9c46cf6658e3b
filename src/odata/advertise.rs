//! Which operations an answer tells of, and where they are invoked (ACT-7).

use super::format::{Entity, Render, Sink};
use super::path;
use crate::model::page::Page;
use crate::model::query::Shape;
use crate::model::schema::{Operation, Schema, TypeId};

/// The operations that are bound to an entity of a type, and told of: those of one name side by side, and not those that a more
/// specific one hides (ACT-6).
pub fn operations(render: &Render<'_>, sink: &dyn Sink, page: &Page, ty: TypeId) -> Vec<usize> {
    let all = &render.schema.endpoints[render.endpoint].operations;
    let told = |&index: &usize| {
        let is_bound = || matches!(all[index].binding(), Some((base, false)) if render.schema.is_a(ty, base));
        sink.advertises(&all[index]) && page.shape.tells(index) && is_bound()
    };
    let mut found: Vec<usize> = Vec::new();
    for index in (0..all.len()).filter(told) {
        let same_name = found.iter().rposition(|&other| all[other].name == all[index].name);
        match same_name {
            None => found.push(index),
            Some(position) => {
                let known = path::overloads(render.schema, render.endpoint, &all[index].name, ty);
                found.insert(position + 1, index);
                found.retain(|&other| all[other].name != all[index].name || known.contains(&other));
            }
        }
    }
    found
}

/// Whether there may be some for entities of a type, in a format that tells of all.
pub fn is_told(schema: &Schema, endpoint: usize, ty: TypeId, shape: &Shape) -> bool {
    let mut all = schema.endpoints[endpoint].operations.iter().enumerate();
    all.any(|(index, operation)| shape.tells(index) && matches!(operation.binding(), Some((base, false)) if schema.is_a(ty, base)))
}

impl Entity<'_> {
    /// Writes the absolute URL that invokes an operation that is bound to the entity.
    pub fn write_target(&self, operation: &Operation, out: &mut Vec<u8>) {
        out.extend_from_slice(self.render.root.as_bytes());
        self.write_edit_link(out);
        out.push(b'/');
        let ty = self.entity_type();
        // A member of the same name would be meant by the bare one (PTH-34).
        if ty.property(&operation.name).is_some() || ty.navigation(&operation.name).is_some() {
            out.extend_from_slice(
                self.render.schema.endpoints[self.render.endpoint].containers[operation.container]
                    .name
                    .as_bytes(),
            );
            out.push(b'.');
        }
        out.extend_from_slice(operation.name.as_bytes());
    }
}
