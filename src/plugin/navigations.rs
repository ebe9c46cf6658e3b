//! Navigations: which two belong together, the association between them, and how their rows find each other.

use crate::model::edm::Edm;
use crate::model::schema::{
    Association, AssociationEnd, Column, ColumnKind, Constraint, EntityType, Index, Join, Multiplicity, Navigation, Property, Reference,
    Table, TableId, Type, TypeId,
};

use super::build::Build;
use super::names::{self, snake, split_qualified};
use super::raw::RawNavigation;
use super::read::{At, Place};
use super::tables::ForeignKey;

/// A type's own navigation while its association is being made.
#[derive(Debug, Clone)]
pub(super) struct Draft<'a> {
    pub raw: &'a RawNavigation,
    /// Where to report its faults.
    pub place: Place,
    pub frame: bool,
    pub target: Option<TypeId>,
    /// The association, and which end this type is.
    pub association: Option<(usize, usize)>,
    pub join: Option<Join>,
}

/// One end of a pair of navigations; the one that is opposite may be missing.
#[derive(Debug, Clone, Copy)]
struct Side<'a> {
    ty: TypeId,
    /// Index into the type's drafts, and what the file says.
    navigation: Option<(usize, &'a RawNavigation)>,
    /// How many entities are at this side.
    multiplicity: Multiplicity,
}

/// Which side's rows hold the other's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Side(usize),
    /// A link table, declared at a side.
    Link(usize),
}

/// A navigation with its partner. Side 0 becomes end 0 of the association.
struct Pair<'a> {
    sides: [Side<'a>; 2],
    holder: Holder,
    place: Place,
    frame: bool,
}

impl<'a> Build<'a> {
    /// Makes all associations, and every type's navigations with the inherited ones.
    pub fn navigations(&mut self) {
        for ty in self.bases_first.clone() {
            self.draft(ty);
        }
        for ty in 0..self.drafts.len() {
            for index in 0..self.drafts[ty].len() {
                if self.drafts[ty][index].association.is_none() {
                    if let Some(pair) = self.pair(ty, index) {
                        self.associate(&pair);
                    }
                }
            }
        }
        for ty in self.bases_first.clone() {
            let base = self.schema.types[ty].base;
            let mut navigations: Vec<Navigation> = base.map_or_else(Vec::new, |base| self.schema.types[base].navigations.clone());
            self.schema.types[ty].own_navigations = navigations.len();
            navigations.extend(self.drafts[ty].iter().filter_map(finished));
            self.schema.types[ty].navigations = navigations;
        }
    }

    /// Finds the targets of a type's own navigations.
    fn draft(&mut self, ty: TypeId) {
        let raw = self.declared[ty].raw;
        let frame: &'a [RawNavigation] = if raw.frame { &self.frame.navigations } else { &[] };
        let own = raw.navigations.iter().map(|navigation| (navigation, navigation.place, false));
        for (navigation, place, frame) in frame.iter().map(|navigation| (navigation, raw.place, true)).chain(own) {
            names::check(self.problems, place, "navigation", &navigation.name);
            if self.has_member(ty, &navigation.name) {
                self.problems.add(
                    place,
                    format!("`{}` has a property or navigation `{}` already.", raw.name, navigation.name),
                );
                continue;
            }
            let target = match navigation.to.it.split_once('/') {
                Some((endpoint, set)) => self.find_set_type(endpoint, set),
                None => self.find_type(ty, &navigation.to.it),
            };
            if target.is_none() && !navigation.to.it.is_empty() {
                let what = if frame { "The frame's navigation" } else { "The navigation" };
                let message = format!(
                    "{what} `{}` leads to `{}`, which is not declared.",
                    navigation.name, navigation.to.it
                );
                self.problems.add(if frame { place } else { navigation.to.place }, message);
            }
            self.drafts[ty].push(Draft {
                raw: navigation,
                place,
                frame,
                target,
                association: None,
                join: None,
            });
        }
    }

    /// Whether the type or one of its bases has a property or navigation of the name.
    fn has_member(&self, ty: TypeId, name: &str) -> bool {
        let mut at = Some(ty);
        while let Some(member) = at {
            if self.drafts[member].iter().any(|draft| draft.raw.name == name) {
                return true;
            }
            at = self.schema.types[member].base;
        }
        self.schema.types[ty].property(name).is_some()
    }

    /// A navigation with its partner, if both say so.
    fn pair(&self, ty: TypeId, index: usize) -> Option<Pair<'a>> {
        let draft = &self.drafts[ty][index];
        let (raw, place, target) = (draft.raw, draft.place, draft.target?);
        let partner = match &raw.partner {
            Some(name) => Some(self.partner(ty, raw, target, name)?),
            None => None,
        };
        let back = partner.map(|index| self.drafts[target][index].raw);
        let near = Side {
            ty,
            navigation: Some((index, raw)),
            multiplicity: near_multiplicity(raw, back),
        };
        let far = Side {
            ty: target,
            navigation: partner.zip(back),
            multiplicity: raw.multiplicity,
        };
        let mut sides = [near, far];
        let mut holder = holder(&sides);
        if first_end(&sides, holder) == 1 {
            sides.swap(0, 1);
            holder = match holder {
                Holder::Side(side) => Holder::Side(1 - side),
                Holder::Link(side) => Holder::Link(1 - side),
            };
        }
        let pair = Pair {
            sides,
            holder,
            place,
            frame: draft.frame,
        };
        self.contradictions(&pair).then_some(pair)
    }

    /// The navigation back, which must be one of the target's own and name this one.
    fn partner(&self, ty: TypeId, raw: &RawNavigation, target: TypeId, name: &At<String>) -> Option<usize> {
        let of = &self.schema.types[target].name;
        let Some(index) = self.drafts[target].iter().position(|draft| draft.raw.name == name.it) else {
            self.problems
                .add(name.place, format!("The partner `{}` is not a navigation of `{of}`.", name.it));
            return None;
        };
        let back = &self.drafts[target][index];
        let names_this = back.raw.partner.as_ref().is_some_and(|partner| partner.it == raw.name);
        let own = &self.schema.types[ty].name;
        let fault = match () {
            _ if target == ty && back.raw.name == raw.name => format!("`{}` cannot be its own partner.", raw.name),
            _ if back.target != Some(ty) => format!("The partner `{}` of `{of}` does not lead to `{own}`.", name.it),
            _ if !names_this => format!("The partner `{}` of `{of}` must say `partner = \"{}\"` too.", name.it, raw.name),
            _ => return Some(index),
        };
        self.problems.add(name.place, fault);
        None
    }

    /// Notes what cannot be; true if there is nothing.
    fn contradictions(&self, pair: &Pair<'_>) -> bool {
        let said = |get: fn(&RawNavigation) -> bool, side: usize| pair.sides[side].navigation.is_some_and(|(_, raw)| get(raw));
        let key = |side: usize| said(|raw| !raw.key.is_empty(), side);
        let target_key = |side: usize| said(|raw| !raw.target_key.is_empty(), side);
        let link = |side: usize| said(|raw| raw.link.is_some(), side);
        let many = |side: usize| pair.sides[side].multiplicity == Multiplicity::Many;
        let places = [0, 1]
            .into_iter()
            .filter(|&side| key(side) || target_key(side) || link(side))
            .count();
        let keys = [(key(0) || target_key(1)), (key(1) || target_key(0))];
        let relationships = [0, 1].into_iter().all(|side| said(|raw| raw.relationship.is_some(), side));
        let fault = match pair.holder {
            _ if keys[0] && keys[1] => "Both partners say where the key is; only one may.",
            _ if places > 1 && (link(0) || link(1)) => "One partner has `link`; the other can have neither a key nor a `link`.",
            _ if (link(0) || link(1)) && (keys[0] || keys[1]) => "`link` and a key exclude each other.",
            Holder::Link(_) if !(many(0) && many(1)) => "A `link` needs \"*\" at both ends.",
            Holder::Side(side) if many(1 - side) => "A row can hold the key of one other row only, but the multiplicity there is \"*\".",
            _ if relationships => "Both partners say `relationship`; only one may.",
            _ => return true,
        };
        self.problems.add(pair.place, fault);
        false
    }

    fn associate(&mut self, pair: &Pair<'a>) {
        let [first, second] = &pair.sides;
        let key = match pair.holder {
            Holder::Side(side) => self.held_key(pair, side),
            Holder::Link(_) => None,
        };
        let (namespace, name) = self.association_name(pair);
        let cascades = |side: usize| {
            let own = pair.sides[side].navigation.is_some_and(|(_, raw)| raw.target_cascade);
            own || pair.sides[1 - side].navigation.is_some_and(|(_, raw)| raw.cascade)
        };
        let roles = self.roles(pair);
        let ends = [(first, 0), (second, 1)].map(|(side, index): (&Side<'_>, usize)| AssociationEnd {
            role: roles[index].clone(),
            entity_type: side.ty,
            multiplicity: side.multiplicity,
            cascade: cascades(index),
        });
        let constraint = match (pair.holder, &key) {
            (Holder::Side(side), Some(key)) => self.constraint(pair, side, key),
            _ => None,
        };
        let association = self.schema.associations.len();
        self.schema.associations.push(Association {
            name,
            namespace,
            ends,
            constraint,
        });
        let joins = self.joins(pair, key.as_deref(), association);
        for (side, join) in joins.into_iter().enumerate() {
            if let Some((index, _)) = pair.sides[side].navigation {
                let draft = &mut self.drafts[pair.sides[side].ty][index];
                draft.association = Some((association, side));
                draft.join = join;
            }
        }
    }

    /// Namespace and name of the association; noted in the endpoint's names.
    fn association_name(&mut self, pair: &Pair<'_>) -> (String, String) {
        let said = pair.sides.iter().find_map(|side| side.navigation?.1.relationship.as_ref());
        let own = pair.sides.iter().position(|side| side.navigation.is_some()).unwrap_or(0);
        let endpoint = self.declared[pair.sides[own].ty].endpoint;
        let own_namespace = self.schema.types[pair.sides[own].ty].namespace.clone();
        let index = self.schema.associations.len();
        if let Some(said) = said {
            names::check_qualified(self.problems, said.place, "association", &said.it);
            let (namespace, name) = split_qualified(&said.it);
            let names = (namespace.map_or(own_namespace, str::to_owned), name.to_owned());
            let qualified = format!("{}.{}", names.0, names.1);
            let taken = self
                .types
                .own(endpoint, &qualified)
                .or(self.complex.own(endpoint, &qualified))
                .is_some();
            if taken || self.associations.insert((endpoint, qualified), index).is_some() {
                self.problems
                    .add(said.place, format!("There is another association or type `{}`.", said.it));
            }
            return names;
        }
        let part = |side: &Side<'_>, other: &Side<'_>| match (side.navigation, other.navigation) {
            (Some((_, raw)), _) => raw.name.clone(),
            (None, Some((_, raw))) => format!("{}Partner", raw.name),
            (None, None) => String::new(),
        };
        let (from, to) = (&pair.sides[own], &pair.sides[1 - own]);
        let types = &self.schema.types;
        let wanted = format!(
            "{}_{}_{}_{}",
            types[from.ty].name,
            part(from, to),
            types[to.ty].name,
            part(to, from)
        );
        let mut name = wanted.clone();
        let mut number = 1;
        while self.associations.contains_key(&(endpoint, format!("{own_namespace}.{name}"))) {
            number += 1;
            name = format!("{wanted}{number}");
        }
        self.associations.insert((endpoint, format!("{own_namespace}.{name}")), index);
        (own_namespace, name)
    }

    /// Role names: as said, else the navigation that leads to the end; never the same twice.
    fn roles(&self, pair: &Pair<'_>) -> [String; 2] {
        let role = |side: usize| {
            let own = pair.sides[side].navigation.map(|(_, raw)| raw);
            let other = pair.sides[1 - side].navigation.map(|(_, raw)| raw);
            let said = own
                .and_then(|raw| raw.role.as_ref())
                .or_else(|| other.and_then(|raw| raw.target_role.as_ref()));
            match (said, other, own) {
                (Some(said), ..) => {
                    names::check(self.problems, said.place, "role", &said.it);
                    said.it.clone()
                }
                (None, Some(other), _) => other.name.clone(),
                (None, None, own) => format!("{}Partner", own.map_or("", |raw| &raw.name)),
            }
        };
        let [first, mut second] = [role(0), role(1)];
        if first == second {
            second.push('1');
        }
        [first, second]
    }

    /// The holder's properties that hold the other side's key, where the file names them.
    fn held_key(&self, pair: &Pair<'a>, side: usize) -> Option<Vec<usize>> {
        let near = pair.sides[side].navigation.map_or(&[][..], |(_, raw)| &raw.key);
        let far = pair.sides[1 - side].navigation.map_or(&[][..], |(_, raw)| &raw.target_key);
        let said = if near.is_empty() { far } else { near };
        let first = said.first()?;
        let holder = &self.schema.types[pair.sides[side].ty];
        let target = &self.schema.types[pair.sides[1 - side].ty];
        if said.len() != target.key.len() {
            let message = format!(
                "The key of `{}` has {} properties, but {} are named.",
                target.name,
                target.key.len(),
                said.len()
            );
            self.problems.add(first.place, message);
            return None;
        }
        let mut found = Vec::new();
        for (name, theirs) in said.iter().zip(target.key_properties()) {
            match holder.property(&name.it) {
                Some(index) if holder.properties[index].ty == theirs.ty => found.push(index),
                Some(_) => {
                    let message = format!("`{}` has not the type of `{}`, the key of `{}`.", name.it, theirs.name, target.name);
                    self.problems.add(name.place, message);
                }
                None => self.problems.add(
                    name.place,
                    format!("The key names `{}`, which is not a property of `{}`.", name.it, holder.name),
                ),
            }
        }
        (found.len() == said.len()).then_some(found)
    }

    /// The referential constraint, where CSDL allows one.
    fn constraint(&self, pair: &Pair<'_>, dependent: usize, key: &[usize]) -> Option<Constraint> {
        if pair
            .sides
            .iter()
            .any(|side| side.navigation.is_some_and(|(_, raw)| !raw.constraint))
        {
            return None;
        }
        let [holder, target] = [&pair.sides[dependent], &pair.sides[1 - dependent]];
        let ty = &self.schema.types[holder.ty];
        let properties: Vec<&Property> = key.iter().map(|&index| &ty.properties[index]).collect();
        let nulls_fit = match target.multiplicity {
            Multiplicity::One => properties.iter().all(|property| !property.nullable),
            Multiplicity::ZeroOrOne => properties.iter().all(|property| property.nullable),
            Multiplicity::Many => false,
        };
        let is_whole_key = ty.key.len() == key.len() && ty.key.iter().all(|index| key.contains(index));
        let count_fits = is_whole_key != (holder.multiplicity == Multiplicity::Many);
        (nulls_fit && count_fits).then(|| Constraint {
            principal: 1 - dependent,
            principal_properties: self.schema.types[target.ty]
                .key_properties()
                .map(|property| property.name.clone())
                .collect(),
            dependent_properties: properties.iter().map(|property| property.name.clone()).collect(),
        })
    }

    /// How rows are found from side 0 and from side 1.
    fn joins(&mut self, pair: &Pair<'a>, key: Option<&[usize]>, association: usize) -> [Option<Join>; 2] {
        let tables = [0, 1].map(|side| self.schema.types[pair.sides[side].ty].table);
        let [Some(first), Some(second)] = tables else { return [None, None] };
        let side = match pair.holder {
            Holder::Link(side) => return self.link(pair, side, [first, second], association),
            Holder::Side(side) => side,
        };
        let (table, target) = if side == 0 { (first, second) } else { (second, first) };
        let ty = &self.schema.types[pair.sides[side].ty];
        let (columns, all_nullable) = match key {
            Some(key) => {
                let properties: Vec<&Property> = key.iter().map(|&index| &ty.properties[index]).collect();
                let nullable = properties.iter().all(|property| property.nullable);
                (properties.iter().map(|property| property.column.clone()).collect(), nullable)
            }
            None => (self.hidden_columns(pair, side, table), true),
        };
        let other = pair.sides[1 - side].multiplicity;
        self.foreign_key(ForeignKey {
            table,
            columns: columns.clone(),
            target,
            enforced: !pair.frame && (all_nullable || other == Multiplicity::One),
            indexed: !pair.frame,
            cascade: self.schema.associations[association].ends[1 - side].cascade,
        });
        let near = Some(Join::Near { columns: columns.clone() });
        let far = Some(Join::Far { columns });
        if side == 0 { [near, far] } else { [far, near] }
    }

    /// Columns that no property shows: `<Nav>_<KeyProp>`.
    fn hidden_columns(&mut self, pair: &Pair<'a>, side: usize, table: TableId) -> Vec<String> {
        let (holder, target) = (&pair.sides[side], &pair.sides[1 - side]);
        let navigation = holder.navigation.or(target.navigation).map_or("", |(_, raw)| &raw.name);
        let ty = &self.schema.types[holder.ty];
        let prefix = if ty.base.is_some() {
            format!("{}_{navigation}", ty.name)
        } else {
            navigation.to_owned()
        };
        let root = ty.root;
        let keys: Vec<(String, Edm)> = self.schema.types[target.ty].key_properties().filter_map(key_column).collect();
        let mut columns = Vec::new();
        for (name, edm) in keys {
            let name = self.columns.entry(root).or_default().take(&format!("{prefix}_{name}"));
            let kind = ColumnKind::Primitive(edm);
            self.schema.tables[table].columns.push(Column {
                name: name.clone(),
                kind,
                nullable: true,
                generated: false,
                default: None,
            });
            columns.push(name);
        }
        columns
    }

    /// The table of a many-to-many association.
    fn link(&mut self, pair: &Pair<'a>, near: usize, tables: [TableId; 2], association: usize) -> [Option<Join>; 2] {
        let said = pair.sides[near].navigation.and_then(|(_, raw)| raw.link.as_ref());
        if let Some(said) = said {
            names::check(self.problems, said.place, "link table", &said.it);
        }
        let name = said.map_or_else(|| self.schema.associations[association].name.clone(), |said| said.it.clone());
        let own = pair
            .sides
            .iter()
            .find(|side| side.navigation.is_some())
            .map_or(pair.sides[0].ty, |side| side.ty);
        let endpoint = &self.schema.endpoints[self.declared[own].endpoint].name;
        let name = self.table_name(&format!("{}_{}", snake(endpoint), snake(&name)));
        let types = [near, 1 - near].map(|side| &self.schema.types[pair.sides[side].ty]);
        let navigation = pair.sides[near].navigation.map_or("Target", |(_, raw)| &raw.name);
        let columns = link_columns(types, navigation);
        let column = |(name, edm): &(String, Edm)| Column {
            name: name.clone(),
            kind: ColumnKind::Primitive(*edm),
            nullable: false,
            generated: false,
            default: None,
        };
        let names = [0, 1].map(|part: usize| columns[part].iter().map(|column| column.0.clone()).collect::<Vec<_>>());
        let reference = |part: usize, table: TableId| Reference {
            columns: names[part].clone(),
            table,
            target: self.schema.tables[table].key.clone(),
            cascade: true,
        };
        let table = Table {
            name,
            columns: columns.iter().flatten().map(column).collect(),
            key: names.concat(),
            indexes: vec![Index {
                columns: names[1].clone(),
                unique: false,
            }],
            references: vec![reference(0, tables[near]), reference(1, tables[1 - near])],
            origin: self.problems.file_name(pair.place),
        };
        let id = self.schema.tables.len();
        self.schema.tables.push(table);
        let [this, that] = names;
        let here = Some(Join::Link {
            table: id,
            near: this.clone(),
            far: that.clone(),
        });
        let there = Some(Join::Link {
            table: id,
            near: that,
            far: this,
        });
        if near == 0 { [here, there] } else { [there, here] }
    }
}

/// How many entities are at the end where a navigation begins.
fn near_multiplicity(raw: &RawNavigation, back: Option<&RawNavigation>) -> Multiplicity {
    let default = match raw.multiplicity {
        Multiplicity::Many if raw.link.is_none() => Multiplicity::ZeroOrOne,
        _ if !raw.target_key.is_empty() => Multiplicity::ZeroOrOne,
        _ => Multiplicity::Many,
    };
    back.map(|back| back.multiplicity).or(raw.partner_multiplicity).unwrap_or(default)
}

/// Which side holds the key: the one that the files say, else the one that can.
fn holder(sides: &[Side<'_>; 2]) -> Holder {
    let raw = [0, 1].map(|side: usize| sides[side].navigation.map(|(_, raw)| raw));
    let says = |side: usize, get: fn(&RawNavigation) -> bool| raw[side].is_some_and(get);
    for side in [0, 1] {
        if says(side, |raw| raw.link.is_some()) {
            return Holder::Link(side);
        }
    }
    for side in [0, 1] {
        if says(side, |raw| !raw.key.is_empty()) || says(1 - side, |raw| !raw.target_key.is_empty()) {
            return Holder::Side(side);
        }
    }
    use Multiplicity::{Many, One};
    match [sides[0].multiplicity, sides[1].multiplicity] {
        [Many, Many] => Holder::Link(if raw[0].is_some() { 0 } else { 1 }),
        [_, Many] => Holder::Side(1),
        [Many, _] => Holder::Side(0),
        [One, other] if other != One => Holder::Side(1),
        _ => Holder::Side(0),
    }
}

/// The association's first end: where `relationship` is said, else where the key or the link is.
fn first_end(sides: &[Side<'_>; 2], holder: Holder) -> usize {
    let said = sides
        .iter()
        .position(|side| side.navigation.is_some_and(|(_, raw)| raw.relationship.is_some()));
    let (Holder::Side(held) | Holder::Link(held)) = holder;
    said.unwrap_or(held)
}

fn finished(draft: &Draft<'_>) -> Option<Navigation> {
    let (association, from_end) = draft.association?;
    Some(Navigation {
        name: draft.raw.name.clone(),
        target: draft.target?,
        multiplicity: draft.raw.multiplicity,
        association,
        from_end,
        join: draft.join.clone(),
        contains_target: draft.raw.contains_target,
    })
}

fn key_column(property: &Property) -> Option<(String, Edm)> {
    match property.ty {
        Type::Primitive(edm) => Some((property.name.clone(), edm)),
        _ => None,
    }
}

/// Names of a link table's columns: the keys' own, or with the type's name (and the navigation's, from a type to itself).
fn link_columns(types: [&EntityType; 2], navigation: &str) -> [Vec<(String, Edm)>; 2] {
    let mut keys = types.map(|ty| ty.key_properties().filter_map(key_column).collect::<Vec<_>>());
    let lower = |name: &str| name.to_lowercase();
    let clash = keys[0].iter().any(|(a, _)| keys[1].iter().any(|(b, _)| lower(a) == lower(b)));
    let mut prefixes = types.map(|ty| ty.name.clone());
    if lower(&prefixes[0]) == lower(&prefixes[1]) {
        prefixes[1] = navigation.to_owned();
    }
    if lower(&prefixes[0]) == lower(&prefixes[1]) {
        prefixes[1].push('1');
    }
    let mut namer = names::Namer::columns();
    for (columns, prefix) in keys.iter_mut().zip(&prefixes) {
        for (name, _) in columns.iter_mut() {
            *name = namer.take(&if clash { format!("{prefix}_{name}") } else { name.clone() });
        }
    }
    keys
}
