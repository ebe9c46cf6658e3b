//! Associations: names, roles, ends, referential constraints.

use crate::model::schema::{Association, AssociationEnd, Constraint, Multiplicity, Property};

use super::build::Build;
use super::names::{self, split_qualified};
use super::navigations::{Holder, Pair, Side};

impl<'a> Build<'a> {
    /// Makes the association of a pair of navigations, and their joins.
    pub fn associate(&mut self, pair: &Pair<'a>) {
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
        let raw = |side: usize| pair.sides[side].navigation.map(|(_, raw)| raw);
        let said = [0, 1].map(|side: usize| {
            let own = raw(side).and_then(|raw| raw.role.as_ref());
            own.or_else(|| raw(1 - side).and_then(|raw| raw.target_role.as_ref()))
        });
        let derived = |side: usize| match (raw(1 - side), raw(side)) {
            (Some(other), _) => other.name.clone(),
            (None, own) => format!("{}Partner", own.map_or("", |raw| &raw.name)),
        };
        for role in said.iter().flatten() {
            names::check(self.problems, role.place, "role", &role.it);
        }
        let [first, mut second] = [0, 1].map(|side: usize| said[side].map_or_else(|| derived(side), |role| role.it.clone()));
        if first == second {
            if let [Some(_), Some(role)] = said {
                self.problems.add(role.place, format!("Both ends have the role `{}`.", role.it));
            }
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
}
