//! Actions and functions that are bound to an entity (JL-20, JL-22, JL-23, JL-26).

use super::{JsonLight, comma, write_string};
use crate::model::schema::Operation;
use crate::odata::format::{Entity, Metadata};

/// The operation told of last: one of the same name that follows makes an array of it (JL-26).
pub(super) struct Told {
    name: String,
    /// Where its value begins and ends.
    start: usize,
    end: usize,
    /// It is an array already.
    many: bool,
}

impl JsonLight<'_> {
    /// Tells where an operation is invoked.
    pub(super) fn tell(&mut self, entity: &Entity<'_>, operation: &Operation) {
        if entity.set().is_none() {
            return;
        }
        let same = self
            .told
            .take()
            .filter(|told| told.name == operation.name && told.end == self.out.len());
        let (start, many) = match same {
            Some(told) if told.many => {
                self.out.pop();
                (told.start, true)
            }
            Some(told) => {
                self.out.insert(told.start, b'[');
                (told.start, true)
            }
            None => {
                let container = &self.render.schema.endpoints[self.render.endpoint].containers[operation.container].name;
                match self.render.level {
                    Metadata::None => self.annotation("#", &operation.name),
                    _ => self.annotation(&format!("#{container}."), &operation.name),
                }
                (self.out.len(), false)
            }
        };
        comma(&mut self.out);
        self.out.push(b'{');
        if self.render.level != Metadata::None {
            self.member("title");
            write_string(&operation.name, &mut self.out);
        }
        self.member("target");
        self.string_of(|out| entity.write_target(operation, out));
        self.out.extend_from_slice(if many { b"}]" } else { b"}" });
        self.told = Some(Told {
            name: operation.name.clone(),
            start,
            end: self.out.len(),
            many,
        });
    }
}
