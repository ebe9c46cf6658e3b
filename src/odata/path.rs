//! The path of a request, from the raw text to a [`Target`] (PTH-1…PTH-34).
//!
//! ```text
//! path    = [ "$metadata" | "$batch" | root *( "/" segment ) ]
//! root    = set [key] | operation
//! segment = navigation [key] | type [key] | property *( "/" member ) [ "/$value" ] | operation [arguments] [key]
//!         | "$count" | "$value" | "$links/" navigation [key] [ "/$count" ]
//! key     = "(" [ literal | name "=" literal *( "," name "=" literal ) ] ")"
//! ```
//! A path is split at raw slashes first, then each segment is decoded once. Positions in faults count bytes of the decoded path.

mod call;

use super::literal::{Expected, identifier, literal, skip_blanks, to_value};
use super::url::decode_path;
use crate::model::edm::{Edm, Value};
use crate::model::fault::{BAD_KEY, BAD_PATH, Fault, Kind, NOT_FOUND, Outcome, TOO_LARGE};
use crate::model::limits::PATH_SEGMENTS;
use crate::model::schema::{EntityType, Property, Schema, SetId, Type, TypeId};
use crate::model::target::{Leaf, Resource, Step, Target, Then};
use call::Names;

/// What the part of a URL behind `/api/<Endpoint>/` means; `path` is raw, without the query. An unknown first segment is 404 without
/// details; what is wrong behind it says so by name.
pub fn parse(schema: &Schema, endpoint: usize, path: &str) -> Outcome<Target> {
    let segments = split(path)?;
    let Some((first, rest)) = segments.split_first() else {
        return Ok(Target::Service);
    };
    let names = Names { schema, endpoint };
    let alone = match first.text.as_str() {
        "$metadata" => Some(Target::Metadata),
        "$batch" => Some(Target::Batch),
        _ => None,
    };
    if let Some(target) = alone {
        return nothing_after(first, rest).map(|()| target);
    }
    let Some(set) = names.set(first.name()) else {
        let found = names.operations(first.name(), None);
        return if found.is_empty() {
            Err(Fault::not_found())
        } else {
            call::call(names, found, None, first, rest)
        };
    };
    let mut walk = Walk {
        names,
        at: Resource {
            set,
            steps: Vec::new(),
            ty: schema.sets[set].entity_type,
            end_set: Some(set),
            collection: true,
            cast: false,
            leaf: Leaf::Entities,
        },
    };
    walk.key(first)?;
    walk.along(rest)
}

/// What a path means that goes on from `at`; `path` is raw.
pub fn follow(schema: &Schema, endpoint: usize, at: Resource, path: &str) -> Outcome<Target> {
    let names = Names { schema, endpoint };
    Walk { names, at }.along(&split(path)?)
}

/// What an operation's name means behind one entity of a type: indexes into the endpoint's operations.
pub fn overloads(schema: &Schema, endpoint: usize, name: &str, ty: TypeId) -> Vec<usize> {
    Names { schema, endpoint }.operations(name, Some((ty, false)))
}

/// What of the result of an operation is meant where nothing follows its name.
pub fn whole(schema: &Schema, endpoint: usize, operation: usize, binding: Option<&Resource>) -> Then {
    let names = Names { schema, endpoint };
    call::whole(names, &names.endpoint().operations[operation], binding)
}

/// A decoded segment.
struct Segment {
    text: String,
    /// Bytes of the text before a parenthesis.
    name_length: usize,
    /// Where it begins in the decoded path.
    position: usize,
}

impl Segment {
    fn name(&self) -> &str {
        &self.text[..self.name_length]
    }

    /// What stands in parentheses, and where; none if that is nothing (PTH-12).
    fn predicate(&self) -> Option<(&str, usize)> {
        let inside = self.text[self.name_length..].strip_prefix('(')?.strip_suffix(')')?;
        (!inside.trim().is_empty()).then_some((inside, self.position + self.name_length + 1))
    }

    fn fault(&self, kind: &'static Kind, message: String) -> Fault {
        Fault::new(kind, message).at(self.position)
    }
}

/// Splits and decodes (PTH-1, PTH-2); empty segments are dropped (PTH-4).
fn split(path: &str) -> Outcome<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut position = 0;
    for raw in path.split('/') {
        let text =
            decode_path(raw).ok_or_else(|| Fault::new(&BAD_PATH, "The path has a bad percent-encoding or is not UTF-8.").at(position))?;
        let next = position + text.len() + 1;
        if !text.is_empty() {
            let name_length = text.find('(').unwrap_or(text.len());
            let segment = Segment {
                text,
                name_length,
                position,
            };
            if name_length < segment.text.len() && !segment.text.ends_with(')') {
                return Err(segment.fault(&BAD_PATH, format!("'{}' lacks a closing parenthesis.", shown(&segment.text))));
            }
            if segments.len() == PATH_SEGMENTS {
                return Err(segment.fault(&TOO_LARGE, format!("A path has at most {PATH_SEGMENTS} segments.")));
            }
            segments.push(segment);
        }
        position = next;
    }
    Ok(segments)
}

/// The beginning of a client's text, for a message.
fn shown(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(end, _)| &text[..end])
}

/// Refuses what stands behind a segment that ends a path (PTH-33).
fn nothing_after(leaf: &Segment, rest: &[Segment]) -> Outcome<()> {
    rest.first().map_or(Ok(()), |next| {
        Err(next.fault(&NOT_FOUND, format!("Nothing may follow '{}' in a path.", shown(&leaf.text))))
    })
}

/// On the way along a path.
struct Walk<'a> {
    names: Names<'a>,
    /// What the segments so far mean.
    at: Resource,
}

impl Walk<'_> {
    fn along(mut self, segments: &[Segment]) -> Outcome<Target> {
        let schema = self.names.schema;
        let mut rest = segments;
        while let Some((segment, after)) = rest.split_first() {
            rest = after;
            let ty = &schema.types[self.at.ty];
            let name = segment.name();
            match segment.text.as_str() {
                "$count" => return self.count(segment, after),
                "$value" => return self.media(segment, after),
                "$links" => return self.links(segment, after),
                _ => {}
            }
            if let Some(cast) = self.names.entity_type(name) {
                self.cast(cast, segment)?;
            } else if let Some(property) = ty.property(name) {
                return self.property(property, segment, after);
            } else if let Some(navigation) = ty.navigation(name) {
                self.navigate(navigation, segment)?;
            } else if let Some(found) = self.bound(name) {
                return call::call(self.names, found, Some(self.at), segment, after);
            } else if ty.is_open && !name.contains('.') && !self.at.collection {
                return self.dynamic(segment, after);
            } else if name.contains('.') {
                return Err(segment.fault(&BAD_PATH, format!("There is no entity type or operation '{}' here.", shown(name))));
            } else {
                let message = format!("{} has nothing named '{}'.", ty.qualified(), shown(name));
                return Err(segment.fault(&NOT_FOUND, message));
            }
        }
        Ok(Target::Resource(self.at))
    }

    /// The operations of a name that are bound to what is here.
    fn bound(&self, name: &str) -> Option<Vec<usize>> {
        let found = self.names.operations(name, Some((self.at.ty, self.at.collection)));
        (!found.is_empty()).then_some(found)
    }

    /// The path ends at this segment.
    fn end(mut self, leaf: Leaf, segment: &Segment, rest: &[Segment]) -> Outcome<Target> {
        nothing_after(segment, rest)?;
        self.at.leaf = leaf;
        Ok(Target::Resource(self.at))
    }

    /// Refuses what only one entity has, when there are many (PTH-23).
    fn one_entity(&self, segment: &Segment) -> Outcome<()> {
        if self.at.collection {
            let message = format!("'{}' needs one entity; the path before it has no key.", shown(&segment.text));
            return Err(segment.fault(&BAD_PATH, message));
        }
        Ok(())
    }

    /// The key predicate of a segment, if it has one (PTH-10…PTH-13).
    fn key(&mut self, segment: &Segment) -> Outcome<()> {
        match segment.predicate() {
            Some((predicate, position)) => self.predicate(segment, predicate, position),
            None => Ok(()),
        }
    }

    fn predicate(&mut self, segment: &Segment, predicate: &str, position: usize) -> Outcome<()> {
        if !self.at.collection {
            let message = format!("'{}' is one entity and takes no key.", shown(segment.name()));
            return Err(segment.fault(&BAD_PATH, message));
        }
        let values = key(&self.names.schema.types[self.at.ty], predicate, position)?;
        self.at.steps.push(Step::Key(values));
        self.at.collection = false;
        Ok(())
    }

    /// PTH-21, PTH-22
    fn count(self, segment: &Segment, rest: &[Segment]) -> Outcome<Target> {
        if !self.at.collection {
            return Err(segment.fault(&NOT_FOUND, "One entity has no '$count'.".to_owned()));
        }
        self.end(Leaf::Count, segment, rest)
    }

    /// `$value` of an entity (PTH-24).
    fn media(self, segment: &Segment, rest: &[Segment]) -> Outcome<Target> {
        self.one_entity(segment)?;
        let ty = &self.names.schema.types[self.at.ty];
        if !ty.has_stream {
            return Err(segment.fault(&BAD_PATH, format!("{} is no media entity and has no '$value'.", ty.qualified())));
        }
        self.end(Leaf::Media, segment, rest)
    }

    /// `$links/Nav`, `$links/Nav(key)`, `$links/Nav/$count` (PTH-28).
    fn links(mut self, segment: &Segment, rest: &[Segment]) -> Outcome<Target> {
        self.one_entity(segment)?;
        let Some((named, rest)) = rest.split_first() else {
            return Err(segment.fault(&BAD_PATH, "'$links' needs a navigation property behind it.".to_owned()));
        };
        let ty = &self.names.schema.types[self.at.ty];
        let Some(navigation) = ty.navigation(named.name()) else {
            let message = format!("{} has no navigation property '{}'.", ty.qualified(), shown(named.name()));
            return Err(named.fault(&NOT_FOUND, message));
        };
        self.navigate(navigation, named)?;
        match rest.split_first() {
            Some((count, rest)) if self.at.collection && count.text == "$count" => self.end(Leaf::LinksCount, count, rest),
            _ => self.end(Leaf::Links, named, rest),
        }
    }

    /// PTH-29, PTH-30
    fn cast(&mut self, ty: TypeId, segment: &Segment) -> Outcome<()> {
        let schema = self.names.schema;
        if matches!(self.at.steps.last(), Some(Step::Cast(_))) {
            return Err(segment.fault(&BAD_PATH, "Two type names cannot stand in a row.".to_owned()));
        }
        if !schema.is_a(ty, self.at.ty) && !schema.is_a(self.at.ty, ty) {
            let here = schema.types[self.at.ty].qualified();
            let message = format!("'{}' neither derives from {here} nor is a base of it.", shown(segment.name()));
            return Err(segment.fault(&BAD_PATH, message));
        }
        self.at.steps.push(Step::Cast(ty));
        self.at.ty = ty;
        self.at.cast = true;
        self.key(segment)
    }

    /// PTH-26
    fn navigate(&mut self, index: usize, segment: &Segment) -> Outcome<()> {
        self.one_entity(segment)?;
        let schema = self.names.schema;
        let navigation = &schema.types[self.at.ty].navigations[index];
        let target = &schema.types[navigation.target];
        if navigation.join.is_none() {
            let message = format!(
                "'{}' leads nowhere: {} has no entity set here.",
                navigation.name,
                target.qualified()
            );
            return Err(segment.fault(&NOT_FOUND, message));
        }
        // A set shared from another endpoint may lead to one that is not served here.
        let is_served = |set: &SetId| self.names.endpoint().sets.contains(set);
        let set = self.at.end_set.and_then(|set| schema.target_set(set, navigation)).filter(is_served);
        let set = set.or_else(|| schema.set_of(self.names.endpoint, navigation.target));
        self.at.steps.push(Step::Navigate {
            ty: self.at.ty,
            navigation: index,
            set,
        });
        self.at.ty = navigation.target;
        self.at.end_set = set;
        self.at.collection = navigation.is_many();
        self.at.cast = false;
        self.key(segment)
    }

    /// A property that the open type does not declare (OPN-1).
    fn dynamic(self, segment: &Segment, rest: &[Segment]) -> Outcome<Target> {
        no_key(segment)?;
        let name = segment.text.clone();
        match rest.split_first() {
            Some((value, rest)) if value.text == "$value" => self.end(Leaf::Dynamic { name, raw: true }, value, rest),
            _ => self.end(Leaf::Dynamic { name, raw: false }, segment, rest),
        }
    }

    /// A property, members of it, and `$value` (PTH-23…PTH-25).
    fn property(self, index: usize, segment: &Segment, rest: &[Segment]) -> Outcome<Target> {
        self.one_entity(segment)?;
        no_key(segment)?;
        let property = &self.names.schema.types[self.at.ty].properties[index];
        let found = value(self.names.schema, (&property.name, &property.ty), segment, rest)?;
        let leaf = Leaf::Property {
            property: index,
            path: found.path,
            ty: found.ty,
            raw: found.raw,
        };
        self.end(leaf, found.last, found.rest)
    }
}

/// What a path says of a value.
struct Part<'s> {
    path: Vec<String>,
    ty: Type,
    raw: bool,
    last: &'s Segment,
    rest: &'s [Segment],
}

/// Members of a value, and `$value`: what the segments behind it mean. `segment` is the value's own.
fn value<'s>(schema: &Schema, (name, ty): (&str, &Type), segment: &'s Segment, rest: &'s [Segment]) -> Outcome<Part<'s>> {
    let (mut name, mut ty) = (name, ty);
    let mut found = Part {
        path: Vec::new(),
        ty: ty.clone(),
        raw: *ty == Type::Primitive(Edm::Stream),
        last: segment,
        rest,
    };
    while let (false, Some((next, after))) = (found.raw, found.rest.split_first()) {
        match ty {
            Type::Primitive(edm) if next.text == "$value" && !edm.is_spatial() => found.raw = true,
            _ if next.text == "$value" => {
                return Err(next.fault(&BAD_PATH, format!("'{name}' is no plain value and has no '$value'.")));
            }
            Type::Complex(complex) => {
                let complex = &schema.complex[*complex];
                let Some(member) = visible(&complex.properties, next.name()) else {
                    let message = format!("{} has nothing named '{}'.", complex.qualified(), shown(next.name()));
                    return Err(next.fault(&NOT_FOUND, message));
                };
                no_key(next)?;
                (name, ty) = (&complex.properties[member].name, &complex.properties[member].ty);
                found.path.push(name.to_owned());
            }
            _ => break,
        }
        found.last = next;
        found.rest = after;
    }
    found.ty = ty.clone();
    Ok(found)
}

fn no_key(segment: &Segment) -> Outcome<()> {
    match segment.predicate() {
        Some(_) => Err(segment.fault(&BAD_PATH, format!("'{}' is a property and takes no key.", shown(segment.name())))),
        None => Ok(()),
    }
}

/// A member of a complex value by name; one that is never shown is not there. A whole property that is never shown can still be set.
fn visible(properties: &[Property], name: &str) -> Option<usize> {
    properties.iter().position(|property| property.name == name && !property.write_only)
}

/// Reads a key predicate, what stands between the parentheses: the values in the order of the type's key (PTH-10, PTH-11, LIT-30,
/// LIT-33). `position` is that of `text` in the decoded path.
fn key(ty: &EntityType, text: &str, position: usize) -> Outcome<Vec<Value>> {
    let mut values = vec![None; ty.key.len()];
    let mut rest = skip_blanks(text);
    loop {
        let bad = |rest: &str, message: String| Fault::new(&BAD_KEY, message).at(position + text.len() - rest.len());
        let named = identifier(rest)
            .ok()
            .and_then(|(after, name)| Some((skip_blanks(after).strip_prefix('=')?, name)));
        let slot = match named {
            Some((_, name)) => ty.key_properties().position(|property| property.name == name),
            None => (ty.key.len() == 1).then_some(0),
        };
        let Some(slot) = slot else {
            let keys: Vec<&str> = ty.key_properties().map(|property| property.name.as_str()).collect();
            return Err(bad(rest, format!("The key of {} is named {}.", ty.qualified(), keys.join(", "))));
        };
        let property = &ty.properties[ty.key[slot]];
        if values[slot].is_some() {
            return Err(bad(rest, format!("The key property '{}' has two values.", property.name)));
        }
        rest = named.map_or(rest, |(after, _)| skip_blanks(after));
        let (after, value) = literal(rest).map_err(|error| match error {
            nom::Err::Error(Expected { rest, what }) | nom::Err::Failure(Expected { rest, what }) => {
                bad(rest, format!("In the key, {what} is expected."))
            }
            nom::Err::Incomplete(_) => bad("", "The key is not complete.".to_owned()),
        })?;
        let edm = property.ty.primitive().unwrap_or(Edm::Stream);
        let value = to_value(&value, edm).filter(|value| !value.is_null());
        values[slot] = Some(value.ok_or_else(|| bad(rest, format!("The key property '{}' is an {edm}.", property.name)))?);
        rest = skip_blanks(after);
        match rest.strip_prefix(',') {
            Some(after) => rest = skip_blanks(after),
            None if rest.is_empty() => break,
            None => return Err(bad(rest, "In the key, a comma or its end is expected.".to_owned())),
        }
    }
    let missing = values.iter().position(Option::is_none);
    if let Some(property) = missing.and_then(|slot| ty.key_properties().nth(slot)) {
        let fault = Fault::new(&BAD_KEY, format!("The key property '{}' has no value.", property.name));
        return Err(fault.at(position + text.len()));
    }
    Ok(values.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;
