//! How rows belong together. CSDL says which property is a foreign key only in a ReferentialConstraint; where there
//! is none, names and types give it away, or a hidden column is made.

use std::collections::{HashMap, HashSet};

use super::Report;
use super::document::{Index, Relation};
use super::toml::Rows;
use crate::model::schema::Multiplicity;
use crate::odata::csdl::{Navigation, Property};

/// Longest name of a link table: PostgreSQL cuts names at 63 bytes, and the loader may add a prefix.
const LINK_BYTES: usize = 40;

/// Names that a foreign key of a navigation may have, in order of preference; `{}` is the navigation's name.
const KEY_NAMES: &[&str] = &["{}Id", "{}ID", "{}_Id", "{}_ID"];
/// Foreign keys that are not named after their navigation: the navigation and the property.
const KEY_EXCEPTIONS: &[(&str, &str)] = &[
    ("Tenant", "Tid"),
    ("ExternalNode", "ExternaldNodeId"),
    ("MangementUri", "ManagementUriId"),
];
/// Names that a foreign key in the entities of a collection may have; `{}` is the type of the collection's owner.
const TARGET_KEY_NAMES: &[&str] = &["{}Id", "{}ID", "{}_Id", "{}_ID"];
/// Foreign keys in the entities of a collection that are not named after its owner: the collection and the property.
const TARGET_KEY_EXCEPTIONS: &[(&str, &str)] = &[
    ("IncomingAssocs", "DestinationId"),
    ("OutgoingAssocs", "SourceId"),
    ("Properties", "ExternaldNodeId"),
];
/// ASP.NET Web API calls the end without a navigation so, after the navigation that leads there, and writes 0..1 whatever it means.
const UNSAID_ROLE: &str = "{}Partner";

/// Where the foreign key of an association is.
#[derive(Debug, Clone, Default)]
struct Key {
    /// The end whose rows hold it.
    holder: usize,
    /// The properties, in the order of the other end's key; empty for a hidden column.
    properties: Vec<String>,
    /// The document has a ReferentialConstraint that says so.
    constraint: bool,
}

/// What the files say of navigations.
pub(super) struct Joins<'d> {
    /// The rows of every navigation, by type and name.
    pub navigations: HashMap<(&'d str, &'d str), Rows>,
    /// Foreign keys: type and property.
    pub keys: HashSet<(&'d str, String)>,
}

/// How the rows of all types belong together.
pub(super) fn joins<'d>(index: &Index<'d>, relations: &[Relation<'d>], report: &mut Report) -> Joins<'d> {
    let mut keys: Vec<Option<Key>> = relations.iter().map(|relation| own_key(index, relation, report)).collect();
    share_keys(index, relations, &mut keys, report);
    let opposites = unsaid_links(relations, &mut keys, report);
    let mut taken = HashMap::new();
    let mut links: Vec<Option<String>> = Vec::new();
    let mut found = HashMap::new();
    for (at, (relation, key)) in relations.iter().zip(&keys).enumerate() {
        let shared = opposites.get(&at).and_then(|opposite| links.get(*opposite).cloned().flatten());
        let link = key.is_none().then(|| shared.unwrap_or_else(|| link_name(relation, &mut taken)));
        links.push(link.clone());
        for end in 0..2 {
            if let Some(navigation) = relation.navigations[end] {
                let rows = rows(index, relation, end, key.as_ref(), link.as_deref());
                found.insert((relation.end(end).ty.as_str(), navigation.name.as_str()), rows);
            }
        }
    }
    let mut held = HashSet::new();
    for (relation, key) in relations.iter().zip(keys) {
        let Some(key) = key else { continue };
        let holder = relation.end(key.holder).ty.as_str();
        held.extend(key.properties.into_iter().map(|property| (holder, property)));
    }
    Joins {
        keys: held,
        navigations: found,
    }
}

/// None for many to many.
fn own_key(index: &Index<'_>, relation: &Relation<'_>, report: &mut Report) -> Option<Key> {
    if let Some(key) = constraint(index, relation) {
        return Some(key);
    }
    // A row that leads to one can hold the key.
    let mut holders: Vec<usize> = (0..2)
        .filter(|&end| relation.end(1 - end).multiplicity != Multiplicity::Many)
        .collect();
    // Rules of `schema/README.md` for two partners that lead to one: the one that must have a partner, else the first by name.
    holders.sort_by_key(|&end| {
        let optional = relation.end(1 - end).multiplicity != Multiplicity::One;
        (relation.navigations[end].is_none(), optional, relation.path(end))
    });
    let fallback = *holders.first()?;
    for &holder in &holders {
        let Some(navigation) = relation.navigations[holder] else { continue };
        if let Some(properties) = guess(index, relation, holder, navigation) {
            let note = format!("is held by {} (judged by name and type)", properties.join(", "));
            report.derive(relation.path(holder), note);
            return Some(Key {
                holder,
                properties,
                constraint: false,
            });
        }
    }
    if relation.navigations[fallback].is_some() {
        report.derive(relation.path(fallback), "a hidden column holds the key");
    }
    Some(Key {
        holder: fallback,
        ..Key::default()
    })
}

/// What a ReferentialConstraint of the principal's whole key says, with the dependent's properties in the order of the principal's key.
fn constraint(index: &Index<'_>, relation: &Relation<'_>) -> Option<Key> {
    let constraint = relation.association.it.constraint.as_ref()?;
    let (principal, dependent) = (&constraint.principal, &constraint.dependent);
    let holder = (0..2).find(|&end| relation.end(end).role == dependent.0 && relation.end(1 - end).role == principal.0);
    let holder = holder?;
    if relation.end(1 - holder).multiplicity == Multiplicity::Many {
        return None;
    }
    let dependent_of = |key: &&Property| {
        let at = principal.1.iter().position(|name| *name == key.name)?;
        let property = index.property(&relation.end(holder).ty, &dependent.1[at])?;
        Some(property.name.clone())
    };
    let target = index.key(&relation.end(1 - holder).ty);
    let properties: Vec<String> = target.iter().map(dependent_of).collect::<Option<_>>()?;
    let whole = properties.len() == principal.1.len();
    whole.then_some(Key {
        holder,
        properties,
        constraint: true,
    })
}

/// Properties with the names and types that a foreign key would have.
fn guess(index: &Index<'_>, relation: &Relation<'_>, holder: usize, navigation: &Navigation) -> Option<Vec<String>> {
    let ty = &relation.end(holder).ty;
    let key = index.key(&relation.end(1 - holder).ty);
    let fits = |name: String, wanted: &Property| index.property(ty, &name).filter(|found| found.ty == wanted.ty).map(|_| name);
    if let [single] = key.as_slice() {
        let exceptions = KEY_EXCEPTIONS.iter().filter(|(name, _)| *name == navigation.name);
        let names = KEY_NAMES.iter().map(|pattern| pattern.replace("{}", &navigation.name));
        let mut candidates = names.chain(exceptions.map(|(_, property)| (*property).to_owned()));
        if let Some(name) = candidates.find_map(|name| fits(name, single)) {
            return Some(vec![name]);
        }
    }
    key.iter()
        .map(|property| fits(format!("{}{}", navigation.name, property.name), property))
        .collect()
}

/// A collection without a way back, whose entities have exactly one navigation to this type and whose own type has
/// no second such collection: both mean the same foreign key, although the document has two associations.
fn share_keys(index: &Index<'_>, relations: &[Relation<'_>], keys: &mut [Option<Key>], report: &mut Report) {
    let one_way: Vec<(usize, usize)> = keys
        .iter()
        .enumerate()
        .filter_map(|(at, key)| {
            let key = key.as_ref()?;
            (relations[at].navigations[key.holder].is_none() && key.properties.is_empty()).then_some((at, key.holder))
        })
        .collect();
    for &(at, holder) in &one_way {
        let (owner, target) = (&relations[at].end(1 - holder).ty, &relations[at].end(holder).ty);
        let rivals = one_way
            .iter()
            .filter(|&&(other, end)| relations[other].end(1 - end).ty == *owner && relations[other].end(end).ty == *target);
        let mut back = relations.iter().zip(&*keys).filter_map(|(relation, key)| {
            let from = (0..2).find(|&end| {
                let to = relation.end(1 - end);
                relation.navigations[end].is_some()
                    && to.multiplicity != Multiplicity::Many
                    && index.is_a(target, &relation.end(end).ty)
                    && index.is_a(owner, &to.ty)
            })?;
            Some((relation.path(from), key.as_ref().filter(|key| key.holder == from)))
        });
        let shared = match (back.next(), back.next()) {
            (Some((path, Some(key))), None) if rivals.count() == 1 && !key.properties.is_empty() => Some((path, key.properties.clone())),
            _ => None,
        };
        let Some(key) = keys[at].as_mut() else { continue };
        let path = relations[at].path(1 - holder);
        if let Some((back, properties)) = shared {
            report.derive(path, format!("uses the key of {back}"));
            key.properties = properties;
        } else if let Some(property) = guess_target(index, &relations[at], holder) {
            report.derive(path, format!("uses the key {property} of {target} (judged by name and type)"));
            key.properties = vec![property];
        }
    }
}

/// A property of a collection's entities with the name and type of its owner's key.
fn guess_target(index: &Index<'_>, relation: &Relation<'_>, holder: usize) -> Option<String> {
    let (owner, target) = (&relation.end(1 - holder).ty, &relation.end(holder).ty);
    let navigation = relation.navigations[1 - holder]?;
    let [key] = index.key(owner)[..] else { return None };
    let simple = owner.rsplit('.').next().unwrap_or_default();
    let names = TARGET_KEY_NAMES.iter().map(|pattern| pattern.replace("{}", simple));
    let exceptions = TARGET_KEY_EXCEPTIONS.iter().filter(|(name, _)| *name == navigation.name);
    let mut candidates = exceptions.map(|(_, property)| (*property).to_owned()).chain(names);
    candidates.find(|name| index.property(target, name).is_some_and(|found| found.ty == key.ty))
}

/// Collections without a way back whose key is nowhere: where the document does not really say how many owners an entity has, a link
/// table holds the pairs, so that there can be several. Two that lead opposite ways between the same types mean the same pairs:
/// the answer has for the later one the earlier one.
fn unsaid_links(relations: &[Relation<'_>], keys: &mut [Option<Key>], report: &mut Report) -> HashMap<usize, usize> {
    let mut unsaid: Vec<(usize, usize)> = Vec::new();
    for (at, relation) in relations.iter().enumerate() {
        let Some(key) = &keys[at] else { continue };
        let (holder, owner) = (key.holder, 1 - key.holder);
        let (None, Some(navigation), true) = (relation.navigations[holder], relation.navigations[owner], key.properties.is_empty()) else {
            continue;
        };
        let path = relation.path(owner);
        if relation.end(owner).role == UNSAID_ROLE.replace("{}", &navigation.name) {
            report.derive(path, "a link table holds the pairs");
            unsaid.push((at, owner));
            keys[at] = None;
        } else {
            report.derive(path, format!("a hidden column of {} holds the key", relation.end(holder).ty));
        }
    }
    let ends = |(at, owner): (usize, usize)| (&relations[at].end(owner).ty, &relations[at].end(1 - owner).ty);
    let alone = |one: &(usize, usize)| unsaid.iter().filter(|other| ends(**other) == ends(*one)).count() == 1;
    let mut opposites = HashMap::new();
    for (number, later) in unsaid.iter().enumerate().filter(|(_, later)| alone(later)) {
        let (from, to) = ends(*later);
        let earlier = unsaid[..number].iter().filter(|earlier| alone(earlier));
        if let Some(earlier) = earlier.filter(|_| from != to).find(|earlier| ends(**earlier) == (to, from)) {
            opposites.insert(later.0, earlier.0);
        }
    }
    opposites
}

/// Named after the association, or after type and navigation where that is too long.
fn link_name(relation: &Relation<'_>, taken: &mut HashMap<String, u32>) -> String {
    let mut name = relation.association.it.name.clone();
    if name.len() > LINK_BYTES {
        let first = relation.first();
        let ty = relation.end(first).ty.rsplit('.').next().unwrap_or_default();
        name = format!("{ty}_{}", relation.navigations[first].map_or("", |navigation| &navigation.name));
    }
    while name.len() > LINK_BYTES {
        name.pop();
    }
    let count = taken.entry(name.to_lowercase()).or_insert(0);
    *count += 1;
    match *count {
        1 => name,
        number => format!("{name}_{number}"),
    }
}

fn rows(index: &Index<'_>, relation: &Relation<'_>, end: usize, key: Option<&Key>, link: Option<&str>) -> Rows {
    let (here, there) = (relation.end(end), relation.end(1 - end));
    let partner = relation.navigations[1 - end];
    let namespace = here.ty.rsplit_once('.').map_or("", |(namespace, _)| namespace);
    let says = relation.first() == end;
    let mut rows = Rows::default();
    rows.text("to", &index.type_text(&there.ty, namespace))
        .text("multiplicity", there.multiplicity.text());
    match partner {
        Some(partner) => rows.text("partner", &partner.name),
        None => rows.text("partner_multiplicity", here.multiplicity.text()),
    };
    if let Some(key) = key {
        let (name, applies) = match key.holder == end {
            true => ("key", true),
            false => ("target_key", partner.is_none()),
        };
        if applies && !key.properties.is_empty() {
            rows.list(name, &key.properties);
            rows.flag("constraint", (!key.constraint).then_some(false));
        }
    }
    if says {
        rows.optional("link", link);
    }
    let holds = key.map_or(says, |key| key.holder == end);
    if holds || partner.is_none() {
        rows.when(there.cascade, "cascade").when(here.cascade, "target_cascade");
    }
    if says {
        rows.text("relationship", &relation.qualified())
            .text("role", &here.role)
            .text("target_role", &there.role);
    }
    rows.when(
        relation.navigations[end].is_some_and(|navigation| navigation.contains_target),
        "contains_target",
    );
    rows
}
