//! Navigations: where they lead, which two belong together, and which side's rows hold the other's key.

use crate::model::schema::{Join, Multiplicity, Navigation, TypeId};

use super::build::Build;
use super::names;
use super::raw::RawNavigation;
use super::read::{At, Place};

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
pub(super) struct Side<'a> {
    pub ty: TypeId,
    /// Index into the type's drafts, and what the file says.
    pub navigation: Option<(usize, &'a RawNavigation)>,
    /// How many entities are at this side.
    pub multiplicity: Multiplicity,
}

/// Which side's rows hold the other's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Side(usize),
    /// A link table, declared at a side.
    Link(usize),
}

/// A navigation with its partner. Side 0 becomes end 0 of the association.
pub(super) struct Pair<'a> {
    pub sides: [Side<'a>; 2],
    pub holder: Holder,
    pub place: Place,
    pub frame: bool,
}

impl<'a> Build<'a> {
    /// Makes all associations, and every type's navigations with the inherited ones.
    pub fn navigations(&mut self) {
        for ty in self.bases_first.clone() {
            self.draft(ty);
        }
        for ty in 0..self.drafts.len() {
            for index in 0..self.drafts[ty].len() {
                let made = self.drafts[ty][index].association.is_some();
                if let (false, Some(pair)) = (made, self.pair(ty, index)) {
                    self.associate(&pair);
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
            Holder::Link(_)
                if [0, 1]
                    .into_iter()
                    .any(|side| pair.sides[side].navigation.is_some() && !many(1 - side)) =>
            {
                "A `link` is for navigations that lead to \"*\"."
            }
            Holder::Side(side) if many(1 - side) => "A row can hold the key of one other row only, but the multiplicity there is \"*\".",
            _ if relationships => "Both partners say `relationship`; only one may.",
            _ => return true,
        };
        self.problems.add(pair.place, fault);
        false
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
