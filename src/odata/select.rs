//! `$select` and `$expand` to a [`Shape`] (EXP, SEL), and back to text for the next links of inner pages.
//!
//! `$expand` makes the tree; `$select` then says at each level what stays. Without `$select` everything does.

use crate::model::fault::{BAD_SELECT, Fault, Outcome, TOO_LARGE};
use crate::model::limits::{EXPAND_DEPTH, EXPAND_ITEMS, SELECT_ITEMS};
use crate::model::query::{Expand, Shape};
use crate::model::schema::{Operation, Schema, SetId, TypeId};

/// Reads both options for entities of `ty`, of `set` where the endpoint has one. [`BAD_SELECT`] with a position for
/// names that are not there, [`TOO_LARGE`] past the limits.
pub fn shape(
    schema: &Schema,
    endpoint: usize,
    ty: TypeId,
    set: Option<SetId>,
    select: Option<&str>,
    expand: Option<&str>,
) -> Outcome<Shape> {
    let reader = Reader { schema, endpoint };
    let mut shape = Shape::default();
    let mut count = 0;
    for path in expand.map(paths).transpose()?.unwrap_or_default() {
        reader.expand(&mut shape, ty, set, &path, &mut count)?;
    }
    if let Some(select) = select {
        let paths = paths(select)?;
        if paths.len() > SELECT_ITEMS {
            return Err(Fault::new(&TOO_LARGE, format!("`$select` has more than {SELECT_ITEMS} items.")));
        }
        let paths: Vec<&[Segment<'_>]> = paths.iter().map(Vec::as_slice).collect();
        reader.select(&mut shape, ty, &paths)?;
    }
    Ok(shape)
}

/// Writes a shape back as `$select` and `$expand`, either none where it says nothing (PAG-15).
pub fn expand_text(schema: &Schema, shape: &Shape) -> (Option<String>, Option<String>) {
    let mut items = Vec::new();
    let mut prefix = Vec::new();
    expand_items(schema, shape, &mut prefix, &mut items);
    (shape.select_text.clone(), (!items.is_empty()).then(|| items.join(",")))
}

/// Paths to the leaves: those on the way are expanded with them (EXP-1).
fn expand_items(schema: &Schema, shape: &Shape, prefix: &mut Vec<String>, items: &mut Vec<String>) {
    for expand in &shape.expand {
        let ty = &schema.types[expand.ty];
        let name = &ty.navigations[expand.navigation].name;
        // Only a derived type's own navigation needs the cast; one to the declared type itself is legal.
        if ty.base.is_some() && expand.navigation >= ty.own_navigations {
            prefix.push(format!("{}/{name}", ty.qualified()));
        } else {
            prefix.push(name.clone());
        }
        if expand.shape.expand.is_empty() {
            items.push(prefix.join("/"));
        } else {
            expand_items(schema, &expand.shape, prefix, items);
        }
        prefix.pop();
    }
}

/// A name in a path, and its byte position in the option.
#[derive(Debug, Clone, Copy)]
struct Segment<'a> {
    name: &'a str,
    at: usize,
}

/// Splits an option into paths; blanks around names are free.
fn paths(text: &str) -> Outcome<Vec<Vec<Segment<'_>>>> {
    let mut paths = Vec::new();
    let mut start = 0;
    for item in text.split(',') {
        let mut path = Vec::new();
        for name in item.split('/') {
            let at = start + name.len() - name.trim_start().len();
            let trimmed = name.trim();
            if trimmed.is_empty() {
                return Err(Fault::new(&BAD_SELECT, format!("Expected a name at position {at}.")).at(at));
            }
            path.push(Segment { name: trimmed, at });
            start += name.len() + 1;
        }
        paths.push(path);
    }
    Ok(paths)
}

/// What a `$select` path means at one level.
enum Choice {
    /// `*`
    All,
    /// A structural property.
    Property,
    /// A navigation property, and how many segments lead to it.
    Navigation(usize, usize),
    /// Actions and functions, as indexes of the endpoint's.
    Operations(Vec<usize>),
}

struct Reader<'s> {
    schema: &'s Schema,
    endpoint: usize,
}

impl Reader<'_> {
    fn fault(&self, segment: &Segment<'_>, message: impl std::fmt::Display) -> Fault {
        Fault::new(&BAD_SELECT, format!("{message} at position {}.", segment.at)).at(segment.at)
    }

    /// The type that the casts before a name lead to, and how many there are.
    fn casts(&self, declared: TypeId, path: &[Segment<'_>]) -> Outcome<(TypeId, usize)> {
        let mut ty = declared;
        let is_cast = |segment: &&Segment<'_>| segment.name.contains('.');
        let casts = path.iter().take_while(is_cast);
        let mut count = 0;
        for segment in casts {
            let found = self.schema.find_type(segment.name);
            let related = found.filter(|&to| self.schema.is_a(to, declared) || self.schema.is_a(declared, to));
            let Some(to) = related else {
                let declared = self.schema.types[declared].qualified();
                let message = format!("`{}` is neither a base nor a derived type of `{declared}`", segment.name);
                return Err(self.fault(segment, message));
            };
            ty = to;
            count += 1;
        }
        Ok((ty, count))
    }

    fn unknown(&self, ty: TypeId, segment: &Segment<'_>, what: &str) -> Fault {
        let ty = self.schema.types[ty].qualified();
        self.fault(segment, format!("`{ty}` has no {what} `{}`", segment.name))
            .of(segment.name)
    }

    /// Adds one path of `$expand`; `count` is of all navigations in the tree.
    fn expand(&self, shape: &mut Shape, ty: TypeId, set: Option<SetId>, path: &[Segment<'_>], count: &mut usize) -> Outcome<()> {
        let (mut shape, mut declared, mut set, mut path) = (shape, ty, set, path);
        let mut depth = 0;
        while !path.is_empty() {
            let (ty, casts) = self.casts(declared, path)?;
            let Some(segment) = path.get(casts) else {
                return Err(self.fault(&path[casts - 1], "Expected a navigation after the type"));
            };
            let Some(index) = self.schema.types[ty].navigation(segment.name) else {
                return Err(self.unknown(ty, segment, "navigation"));
            };
            depth += 1;
            if depth > EXPAND_DEPTH {
                return Err(Fault::new(&TOO_LARGE, format!("`$expand` goes deeper than {EXPAND_DEPTH} levels.")).at(segment.at));
            }
            let navigation = &self.schema.types[ty].navigations[index];
            if navigation.join.is_none() {
                return Err(self.fault(segment, format!("`{}` leads to what this server does not keep", segment.name)));
            }
            set = match set {
                Some(set) => self.schema.target_set(set, navigation),
                None => self.schema.set_of(self.endpoint, navigation.target),
            };
            let owner = self.owner(declared, ty, index);
            let known = shape
                .expand
                .iter()
                .position(|expand| (expand.ty, expand.navigation) == (owner, index));
            let position = known.unwrap_or_else(|| {
                *count += 1;
                shape.expand.push(Expand {
                    ty: owner,
                    navigation: index,
                    set,
                    shape: Shape::default(),
                });
                shape.expand.len() - 1
            });
            if *count > EXPAND_ITEMS {
                return Err(Fault::new(&TOO_LARGE, format!("`$expand` has more than {EXPAND_ITEMS} navigations.")).at(segment.at));
            }
            shape = &mut shape.expand[position].shape;
            declared = navigation.target;
            path = &path[casts + 1..];
        }
        Ok(())
    }

    /// The type to name for a navigation: the declared one unless only the cast's has it, so that paths merge (EXP-2).
    fn owner(&self, declared: TypeId, cast: TypeId, navigation: usize) -> TypeId {
        let inherited = navigation < self.schema.types[declared].navigations.len();
        if inherited { declared } else { cast }
    }

    /// Cuts a level down to what the paths name.
    fn select(&self, shape: &mut Shape, declared: TypeId, paths: &[&[Segment<'_>]]) -> Outcome<()> {
        let mut all = false;
        let (mut properties, mut links, mut operations) = (Vec::new(), Vec::new(), Vec::new());
        let mut kept = vec![Kept::default(); shape.expand.len()];
        for path in paths {
            let (ty, casts) = self.casts_of_select(declared, path)?;
            match self.choice(ty, path, casts)? {
                Choice::All => all = true,
                Choice::Operations(found) => operations.extend(found),
                Choice::Property => push_new(&mut properties, path[casts].name),
                Choice::Navigation(index, consumed) => {
                    push_new(&mut links, path[casts].name);
                    let owner = self.owner(declared, ty, index);
                    let expanded = shape
                        .expand
                        .iter()
                        .position(|expand| (expand.ty, expand.navigation) == (owner, index));
                    let rest = &path[consumed..];
                    match expanded {
                        Some(position) if rest.is_empty() => kept[position].whole = true,
                        Some(position) => kept[position].paths.push(rest),
                        None if rest.is_empty() => {}
                        // SEL-3
                        None => return Err(self.fault(&path[casts], format!("`{}` is not in `$expand`", path[casts].name))),
                    }
                }
            }
        }
        let items: Vec<String> = paths.iter().map(|path| text(path)).collect();
        shape.select_text = Some(items.join(","));
        shape.operations = Some(operations);
        if !all {
            shape.properties = Some(properties);
            shape.links = Some(links);
        }
        let expand = std::mem::take(&mut shape.expand);
        for (mut expand, kept) in expand.into_iter().zip(kept) {
            if !kept.whole && !kept.paths.is_empty() {
                let target = self.schema.types[expand.ty].navigations[expand.navigation].target;
                self.select(&mut expand.shape, target, &kept.paths)?;
            }
            // SEL-7; `*` mentions every navigation.
            if all || kept.whole || !kept.paths.is_empty() {
                shape.expand.push(expand);
            }
        }
        Ok(())
    }

    /// As [`Self::casts`], but a name with dots that is no type may be an operation with its container (SEL-1).
    fn casts_of_select(&self, declared: TypeId, path: &[Segment<'_>]) -> Outcome<(TypeId, usize)> {
        match path {
            [only] if self.is_container(only.name) || !self.operations(only.name).is_empty() => Ok((declared, 0)),
            _ => self.casts(declared, path),
        }
    }

    fn choice(&self, ty: TypeId, path: &[Segment<'_>], casts: usize) -> Outcome<Choice> {
        let Some(segment) = path.get(casts) else {
            return Err(self.fault(&path[casts - 1], "Expected a name after the type"));
        };
        let entity = &self.schema.types[ty];
        let rest = &path[casts + 1..];
        if let Some(index) = entity.navigation(segment.name) {
            return Ok(Choice::Navigation(index, casts + 1));
        }
        let choice = if segment.name == "*" {
            Choice::All
        } else if entity.property(segment.name).is_some() {
            Choice::Property
        } else if let found = self.operations(segment.name)
            && (!found.is_empty() || self.is_container(segment.name))
        {
            Choice::Operations(found)
        } else if entity.is_open {
            Choice::Property
        } else {
            return Err(self.unknown(ty, segment, "property"));
        };
        match rest.first() {
            None => Ok(choice),
            // SEL-2
            Some(next) => Err(self.fault(next, format!("Nothing may follow `{}`", segment.name))),
        }
    }

    /// Bound operations by `Action`, `Container.Action`, `Namespace.Container.Action` or `Container.*`.
    fn operations(&self, name: &str) -> Vec<usize> {
        let endpoint = &self.schema.endpoints[self.endpoint];
        let (qualifier, name) = match name.rsplit_once('.') {
            Some((qualifier, name)) => (Some(qualifier), name),
            None => (None, name),
        };
        let in_container = |index: usize| {
            let container = &endpoint.containers[index];
            qualifier.is_none_or(|text| {
                text == container.name
                    || text.strip_suffix(&container.name).and_then(|rest| rest.strip_suffix('.')) == Some(&container.namespace)
            })
        };
        let is_it = |operation: &Operation| operation.name == name || (name == "*" && qualifier.is_some());
        let operations = endpoint.operations.iter().enumerate();
        let found = operations.filter(|(_, operation)| operation.is_bound() && is_it(operation) && in_container(operation.container));
        found.map(|(index, _)| index).collect()
    }

    /// `Container.*`, also of a container without operations.
    fn is_container(&self, name: &str) -> bool {
        let Some(qualifier) = name.strip_suffix(".*") else { return false };
        let containers = &self.schema.endpoints[self.endpoint].containers;
        containers.iter().any(|container| {
            let namespaced = qualifier.strip_suffix(&container.name).and_then(|rest| rest.strip_suffix('.'));
            qualifier == container.name || namespaced == Some(&container.namespace)
        })
    }
}

/// What `$select` says about an expanded navigation.
#[derive(Clone, Default)]
struct Kept<'p> {
    /// Named itself: stays as expanded (SEL-4).
    whole: bool,
    /// Named with something of its target.
    paths: Vec<&'p [Segment<'p>]>,
}

fn push_new(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

fn text(path: &[Segment<'_>]) -> String {
    let names: Vec<&str> = path.iter().map(|segment| segment.name).collect();
    names.join("/")
}

#[cfg(test)]
mod tests;
