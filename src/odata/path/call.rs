//! Operations in a path: which ones a name means, their arguments in parentheses, and what follows them (PTH-34, PTH-36, PTH-38, ACT-5,
//! ACT-6).

use super::{Segment, Walk, nothing_after, shown, value};
use crate::model::fault::{BAD_ARGUMENT, BAD_PATH, Fault, Outcome};
use crate::model::schema::{Endpoint, Operation, OperationKind, Schema, SetId, TypeId};
use crate::model::target::{Call, Leaf, Resource, Target, Then};
use crate::odata::literal::{identifier, literal, skip_blanks};

/// Looks up the names of an endpoint.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub schema: &'a Schema,
    pub endpoint: usize,
}

impl<'a> Names<'a> {
    pub fn endpoint(self) -> &'a Endpoint {
        &self.schema.endpoints[self.endpoint]
    }

    /// The name inside a container, if `name` is `Container.Name` or `Namespace.Container.Name` of it.
    fn inside(self, container: usize, name: &str) -> Option<&str> {
        let container = self.endpoint().containers.get(container)?;
        let inside = |name: &'_ str| -> Option<usize> { Some(name.strip_prefix(container.name.as_str())?.strip_prefix('.')?.len()) };
        let short = name
            .strip_prefix(container.namespace.as_str())
            .and_then(|rest| rest.strip_prefix('.'));
        let length = inside(name).or_else(|| inside(short?))?;
        Some(&name[name.len() - length..])
    }

    /// `Set`, `Container.Set` or `Namespace.Container.Set` (PTH-20).
    pub fn set(self, name: &str) -> Option<SetId> {
        let endpoint = self.endpoint();
        endpoint.set_names.get(name).copied().or_else(|| {
            endpoint.sets.iter().copied().find(|&id| {
                let set = &self.schema.sets[id];
                // A set shared from another endpoint stands in this one's default container.
                let container = if set.endpoint == self.endpoint { set.container } else { 0 };
                self.inside(container, name) == Some(set.name.as_str())
            })
        })
    }

    /// Function imports by name, bare or qualified: bound to an entity of a type or to a collection of them, or unbound (PTH-34).
    /// Those bound to the type itself go before those bound to a base type, which they hide where their parameters have the same
    /// names (ACT-6).
    pub fn operations(self, name: &str, binding: Option<(TypeId, bool)>) -> Vec<usize> {
        let operations = &self.endpoint().operations;
        let fits = |&index: &usize| {
            let operation = &operations[index];
            let bound = match (operation.binding(), binding) {
                (Some((base, many)), Some((ty, is_collection))) => many == is_collection && self.schema.is_a(ty, base),
                (None, None) => !operation.is_bound(),
                _ => false,
            };
            bound && (operation.name == name || self.inside(operation.container, name) == Some(operation.name.as_str()))
        };
        let mut found: Vec<usize> = (0..operations.len()).filter(fits).collect();
        found.sort_by_key(|&index| operations[index].binding().map(|(base, _)| std::cmp::Reverse(self.depth(base))));
        let mut kept: Vec<usize> = Vec::with_capacity(found.len());
        for index in found {
            if !kept.iter().any(|&other| same_names(&operations[other], &operations[index])) {
                kept.push(index);
            }
        }
        kept
    }

    /// How many types a type inherits from.
    fn depth(self, ty: TypeId) -> usize {
        std::iter::successors(self.schema.types[ty].base, |&base| self.schema.types[base].base).count()
    }

    /// A type that the endpoint declares; another endpoint may have one of the same name.
    pub fn entity_type(self, name: &str) -> Option<TypeId> {
        let (namespace, short) = name.rsplit_once('.')?;
        self.endpoint().types.iter().copied().find(|&id| {
            let ty = &self.schema.types[id];
            ty.name == short && ty.namespace == namespace
        })
    }
}

/// Whether the arguments of two operations have the same names.
pub fn same_names(one: &Operation, other: &Operation) -> bool {
    let has = |operation: &Operation, name: &str| operation.arguments().iter().any(|parameter| parameter.name == name);
    one.arguments().len() == other.arguments().len() && one.arguments().iter().all(|parameter| has(other, &parameter.name))
}

/// The rest of a path from an operation on: `overloads` are what its name means here, most specific first.
pub fn call(
    names: Names<'_>,
    mut overloads: Vec<usize>,
    binding: Option<Resource>,
    segment: &Segment,
    rest: &[Segment],
) -> Outcome<Target> {
    let operations = &names.endpoint().operations;
    let (arguments, key) = parentheses(operations, &overloads, segment)?;
    let takes = |operation: &Operation, name: &str| operation.arguments().iter().any(|parameter| parameter.name == name);
    for (name, _) in &arguments {
        overloads.retain(|&index| takes(&operations[index], name));
        if overloads.is_empty() {
            let message = format!("'{}' has no parameter '{}' here.", shown(segment.name()), shown(name));
            return Err(segment.fault(&BAD_ARGUMENT, message));
        }
    }
    // What is in parentheses is all that the function is given, unless the query says more.
    if !arguments.is_empty() {
        overloads.sort_by_key(|&index| operations[index].arguments().len());
    }
    let operation = &operations[overloads[0]];
    let then = then(names, operation, binding.as_ref(), (segment, key), rest)?;
    Ok(Target::Operation(Box::new(Call {
        overloads,
        binding,
        arguments,
        then,
        is_end: key.is_none() && rest.is_empty(),
    })))
}

/// What of the result of an operation of the endpoint is meant where nothing follows its name.
pub fn whole(names: Names<'_>, operation: &Operation, binding: Option<&Resource>) -> Then {
    let result = operation.entities().zip(result_set(names, operation, binding));
    result.map_or(Then::Whole, |((ty, collection), set)| {
        Then::Entities(Resource {
            set,
            steps: Vec::new(),
            ty,
            end_set: Some(set),
            collection,
            cast: false,
            leaf: Leaf::Entities,
        })
    })
}

/// What stands in parentheses behind the name: arguments, then the key of one of the entities that result. What service operations
/// have there is the key alone (PTH-36).
#[allow(clippy::type_complexity)]
fn parentheses<'s>(
    operations: &[Operation],
    overloads: &[usize],
    segment: &'s Segment,
) -> Outcome<(Vec<(String, String)>, Option<(&'s str, usize)>)> {
    let mut groups = Vec::new();
    let mut rest = &segment.text[segment.name_length..];
    while !rest.is_empty() {
        let position = segment.position + segment.text.len() - rest.len();
        let end = group_end(rest);
        let inside = rest.get(1..end).filter(|_| rest.starts_with('('));
        let Some(inside) = inside else {
            let message = format!("'{}' has parentheses that do not close.", shown(&segment.text));
            return Err(Fault::new(&BAD_PATH, message).at(position));
        };
        groups.push((inside, position + 1));
        rest = &rest[end + 1..];
    }
    let is_function = overloads.iter().any(|&index| operations[index].kind() == OperationKind::Function);
    let names_parameter = |text: &str| matches!(identifier(skip_blanks(text)), Ok((after, _)) if skip_blanks(after).starts_with('='));
    let is_blank = |text: &str| text.trim().is_empty();
    match groups.as_slice() {
        [] => Ok((Vec::new(), None)),
        [(inside, _)] if is_blank(inside) => Ok((Vec::new(), None)),
        [(inside, position)] if is_function && names_parameter(inside) => Ok((arguments(inside, *position)?, None)),
        [key] => Ok((Vec::new(), Some(*key))),
        [(inside, position), key] if is_function || is_blank(inside) => {
            let given = if is_blank(inside) {
                Vec::new()
            } else {
                arguments(inside, *position)?
            };
            Ok((given, Some(*key).filter(|(key, _)| !is_blank(key))))
        }
        _ => Err(segment.fault(&BAD_PATH, format!("'{}' has too many parentheses.", shown(&segment.text)))),
    }
}

/// Where the group closes that `text` begins with: the last byte of the text if it does not.
fn group_end(text: &str) -> usize {
    let mut is_quoted = false;
    let close = text.bytes().position(|byte| {
        is_quoted ^= byte == b'\'';
        byte == b')' && !is_quoted
    });
    close.unwrap_or(text.len() - 1)
}

/// `name=literal` or `name=@alias`, with commas between (PTH-38); what the literals are is for their parameters to say.
fn arguments(text: &str, position: usize) -> Outcome<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = skip_blanks(text);
    loop {
        let bad = |rest: &str, message: String| Fault::new(&BAD_ARGUMENT, message).at(position + text.len() - rest.len());
        let named = identifier(rest)
            .ok()
            .and_then(|(after, name)| Some((skip_blanks(skip_blanks(after).strip_prefix('=')?), name)));
        let Some((value, name)) = named else {
            return Err(bad(rest, "Arguments have the form `name=value`, with commas between.".to_owned()));
        };
        if found.iter().any(|(other, _)| other == name) {
            return Err(bad(rest, format!("The argument '{}' is there twice.", shown(name))));
        }
        let after = match value.strip_prefix('@') {
            Some(alias) => identifier(alias).ok().map(|(after, _)| after),
            None => literal(value).ok().map(|(after, _)| after),
        };
        let Some(after) = after else {
            return Err(bad(value, format!("The value of '{}' is no literal.", shown(name))));
        };
        found.push((name.to_owned(), value[..value.len() - after.len()].to_owned()));
        rest = skip_blanks(after);
        match rest.strip_prefix(',') {
            Some(after) => rest = skip_blanks(after),
            None if rest.is_empty() => return Ok(found),
            None => return Err(bad(rest, "A comma or the end of the arguments is expected.".to_owned())),
        }
    }
}

/// The set of the entities that an operation answers (MET-43): the one that it names, the one at the end of its path, else the
/// endpoint's set of their type.
fn result_set(names: Names<'_>, operation: &Operation, binding: Option<&Resource>) -> Option<SetId> {
    let (ty, _) = operation.entities()?;
    let by_path = || {
        let binding = binding?;
        let (mut at, mut set) = (binding.ty, binding.end_set);
        for name in operation.set_path.as_ref()?.split('/').skip(1) {
            if let Some(cast) = names.entity_type(name) {
                at = cast;
                continue;
            }
            let navigation = &names.schema.types[at].navigations[names.schema.types[at].navigation(name)?];
            set = set.and_then(|set| names.schema.target_set(set, navigation));
            at = navigation.target;
        }
        set
    };
    let found = operation.set.or_else(by_path);
    found.or_else(|| names.schema.set_of(names.endpoint, ty))
}

/// What of the result the rest of the path means; `key` is that in the operation's own segment.
fn then(
    names: Names<'_>,
    operation: &Operation,
    binding: Option<&Resource>,
    (segment, key): (&Segment, Option<(&str, usize)>),
    rest: &[Segment],
) -> Outcome<Then> {
    let whole = whole(names, operation, binding);
    if key.is_none() && rest.is_empty() {
        return Ok(whole);
    }
    if !operation.is_composable() {
        let next = rest.first().unwrap_or(segment);
        let message = format!(
            "'{}' answers for itself: neither a key nor a further segment may follow.",
            operation.name
        );
        return Err(next.fault(&BAD_PATH, message));
    }
    if let Then::Entities(at) = whole {
        let mut walk = Walk { names, at };
        if let Some((key, position)) = key {
            walk.predicate(segment, key, position)?;
        }
        return match walk.along(rest)? {
            Target::Resource(resource) => Ok(Then::Entities(resource)),
            _ => Err(segment.fault(&BAD_PATH, format!("Another operation cannot follow '{}'.", operation.name))),
        };
    }
    let is_of_entities = operation.entities().is_some();
    if key.is_some() && !is_of_entities {
        return Err(segment.fault(&BAD_PATH, format!("'{}' answers no entities and takes no key.", operation.name)));
    }
    match &operation.result {
        Some(ty) if !is_of_entities => {
            let part = value(names.schema, (&operation.name, ty), segment, rest)?;
            nothing_after(part.last, part.rest)?;
            let (path, ty, raw) = (part.path, part.ty, part.raw);
            Ok(Then::Part { path, ty, raw })
        }
        _ => nothing_after(segment, rest).map(|()| Then::Whole),
    }
}

#[cfg(test)]
mod tests;
