//! Paths and lambdas (FLT-20…FLT-25, FLT-70…FLT-74).

use super::dynamic::Undeclared;
use super::{Binder, Bound, Entity, Guard, Operand, Place, Scope, Variable, logic, not};
use crate::model::edm::Edm;
use crate::model::expr::{Expr, Json, Op, Source};
use crate::model::fault::{Fault, Outcome, TOO_LARGE};
use crate::model::limits::JOINS;
use crate::model::schema::{ComplexId, Type, TypeId};
use crate::odata::filter::{Node, Path, Segment};

impl Binder<'_> {
    pub(super) fn path<'n>(&mut self, path: &'n Path<'n>) -> Outcome<Operand<'n>> {
        let mut segments = path.segments.iter();
        let mut operand = match &path.root {
            Some(call) => self.bind(call)?,
            None => Operand::Entity(self.root()),
        };
        if path.root.is_none()
            && let Some(first) = path.segments.first()
            && let Some(variable) = self.variable(first.name)
        {
            operand = variable;
            segments.next();
        }
        for segment in segments {
            operand = self.step(operand, segment)?;
        }
        Ok(operand)
    }

    /// `$it`
    pub(super) fn root(&self) -> Entity {
        let ty = self.sources[0].ty;
        Entity {
            source: 0,
            ty,
            known: ty,
            guards: Vec::new(),
        }
    }

    /// `$it`, or the variable of a lambda around.
    fn variable<'n>(&self, name: &str) -> Option<Operand<'n>> {
        if name == "$it" {
            return Some(Operand::Entity(self.root()));
        }
        let scope = self.scopes.iter().find(|scope| scope.name == name)?;
        Some(match scope.variable {
            Variable::Entity { source, ty } => Operand::Entity(Entity {
                source,
                ty,
                known: ty,
                guards: Vec::new(),
            }),
            Variable::Complex { item, id } => Operand::Complex(Place::of(Json::Item(item)), id),
            Variable::Primitive { item, edm } => Operand::value(Expr::Item { item, edm }, edm, Vec::new()),
        })
    }

    fn step<'n>(&mut self, operand: Operand<'n>, segment: &Segment<'_>) -> Outcome<Operand<'n>> {
        let is_type = segment.name.contains('.');
        match operand {
            Operand::Entity(entity) if is_type => self.cast(entity, segment.name, segment.at).map(Operand::Entity),
            Operand::Entity(entity) => self.member(entity, segment),
            Operand::Complex(place, id) => self.complex_member(place, id, segment),
            Operand::Entities { from, navigation, .. } if is_type => {
                let declared = self.schema.types[from.ty].navigations[navigation].target;
                let cast = Some(self.related(declared, segment.name, segment.at)?);
                Ok(Operand::Entities { from, navigation, cast })
            }
            Operand::Entities { .. } | Operand::Collection(..) => {
                let message = format!("`{}` follows a collection: it takes `any` or `all`", segment.name);
                Err(self.fault(segment.at, message))
            }
            Operand::Absent | Operand::Undeclared(_) => Ok(Operand::Absent),
            Operand::Null | Operand::Value(_) => {
                let what = self.describe(&operand);
                Err(self.fault(segment.at, format!("`{}` cannot follow {what}", segment.name)))
            }
        }
    }

    /// A type by name that is `declared`, its base or derived from it.
    fn related(&self, declared: TypeId, name: &str, at: usize) -> Outcome<TypeId> {
        let Some(target) = self.schema.find_type(name) else {
            return Err(self.fault(at, format!("There is no entity type `{name}`")));
        };
        if self.schema.is_a(declared, target) || self.schema.is_a(target, declared) {
            return Ok(target);
        }
        let declared = self.schema.types[declared].qualified();
        Err(self.fault(at, format!("`{name}` is neither a base nor a derived type of `{declared}`")))
    }

    pub(super) fn cast(&self, entity: Entity, name: &str, at: usize) -> Outcome<Entity> {
        let ty = self.related(entity.known, name, at)?;
        Ok(Entity { ty, ..entity })
    }

    fn member<'n>(&mut self, entity: Entity, segment: &Segment<'_>) -> Outcome<Operand<'n>> {
        let schema = self.schema;
        let ty = &schema.types[entity.ty];
        if let Some(navigation) = ty.navigation(segment.name) {
            if ty.navigations[navigation].is_many() {
                let cast = None;
                let from = entity;
                return Ok(Operand::Entities { from, navigation, cast });
            }
            let guards = self.guards(&entity);
            let source = self.join(&entity, navigation, segment)?;
            let ty = self.sources[source].ty;
            return Ok(Operand::Entity(Entity {
                source,
                ty,
                known: ty,
                guards,
            }));
        }
        // What is write-only must not be found out by asking (`Property::write_only`).
        let Some(property) = ty.property(segment.name).filter(|&index| !ty.properties[index].write_only) else {
            if ty.is_open {
                return Ok(Operand::Undeclared(Undeclared {
                    source: entity.source,
                    name: segment.name.to_owned(),
                    guards: self.guards(&entity),
                }));
            }
            let message = format!("`{}` has no property `{}`", ty.qualified(), segment.name);
            return Err(self.fault(segment.at, message).of(segment.name));
        };
        let inherited = property < schema.types[entity.known].properties.len();
        // Only rows of the type that declares a property, and of those derived from it, have a value in its column.
        let guards = if property < ty.own_properties {
            self.guards(&entity)
        } else {
            entity.guards
        };
        let (source, declaring) = (entity.source, if inherited { entity.known } else { entity.ty });
        let place = Place {
            json: Json::Column {
                source,
                ty: declaring,
                property,
            },
            path: Vec::new(),
            guards,
        };
        match &ty.properties[property].ty {
            Type::Primitive(Edm::Stream) => Err(self.fault(segment.at, format!("`{}` is a stream and has no value", segment.name))),
            Type::Primitive(edm) => {
                let expr = Expr::Column {
                    source,
                    ty: declaring,
                    property,
                };
                Ok(Operand::value(expr, *edm, place.guards))
            }
            other => Ok(Operand::at(place, other)),
        }
    }

    fn complex_member<'n>(&self, mut place: Place, id: ComplexId, segment: &Segment<'_>) -> Outcome<Operand<'n>> {
        let ty = &self.schema.complex[id];
        let found = ty.property(segment.name).map(|index| &ty.properties[index]);
        let Some(property) = found.filter(|property| !property.write_only) else {
            let message = format!("`{}` has no property `{}`", ty.qualified(), segment.name);
            return Err(self.fault(segment.at, message).of(segment.name));
        };
        place.path.push(property.name.clone());
        Ok(Operand::at(place, &property.ty))
    }

    /// What makes a member of this entity null: the guards so far and that of a cast.
    pub(super) fn guards(&self, entity: &Entity) -> Vec<Guard> {
        let mut guards = entity.guards.clone();
        if !self.schema.is_a(entity.known, entity.ty) {
            guards.push(Guard {
                source: entity.source,
                types: self.schema.types[entity.ty].family.clone(),
            });
        }
        guards
    }

    /// Whether an entity is a joined one, so that it may be missing.
    pub(super) fn is_joined(&self, source: usize) -> bool {
        self.sources[source].join.is_some() && self.scope_of(source).is_none()
    }

    /// The lambda whose variable is this source.
    fn scope_of(&self, source: usize) -> Option<usize> {
        let is_here = |scope: &Scope| matches!(scope.variable, Variable::Entity { source: own, .. } if own == source);
        self.scopes.iter().position(is_here)
    }

    /// The source at the end of a to-one navigation; one for each distinct path.
    fn join(&mut self, from: &Entity, navigation: usize, segment: &Segment<'_>) -> Outcome<usize> {
        let join = Some(self.hinge(from, navigation));
        if let Some(source) = self.sources.iter().position(|source| source.join == join) {
            return Ok(source);
        }
        let nested = self.sources[from.source].nested;
        let source = self.add_source(from, navigation, nested, segment)?;
        let mut at = from.source;
        while let Some((parent, ..)) = self.sources[at].join {
            if let Some(scope) = self.scope_of(at) {
                self.scopes[scope].joins.push(source);
                break;
            }
            at = parent;
        }
        Ok(source)
    }

    /// How a navigation hangs on its source, the same for an inherited one whatever the cast before it.
    fn hinge(&self, from: &Entity, navigation: usize) -> (usize, TypeId, usize) {
        let inherited = navigation < self.schema.types[from.known].navigations.len();
        (from.source, if inherited { from.known } else { from.ty }, navigation)
    }

    fn add_source(&mut self, from: &Entity, index: usize, nested: bool, segment: &Segment<'_>) -> Outcome<usize> {
        let navigation = &self.schema.types[from.ty].navigations[index];
        if navigation.join.is_none() {
            return Err(self.fault(segment.at, format!("`{}` leads to what this server does not keep", segment.name)));
        }
        if self.sources.len() > JOINS {
            let message = format!("The query follows more than {JOINS} navigations at position {}.", segment.at);
            return Err(Fault::new(&TOO_LARGE, message).at(segment.at));
        }
        let set = self.sources[from.source].set;
        let set = match set {
            Some(set) => self.schema.target_set(set, navigation),
            None => self.schema.set_of(self.endpoint, navigation.target),
        };
        let ty = navigation.target;
        let join = Some(self.hinge(from, index));
        self.sources.push(Source { ty, set, join, nested });
        Ok(self.sources.len() - 1)
    }

    pub(super) fn lambda<'n>(
        &mut self,
        at: usize,
        all: bool,
        path: &'n Path<'n>,
        predicate: Option<&'n (Segment<'n>, Box<Node<'n>>)>,
    ) -> Outcome<Operand<'n>> {
        let (expr, guards) = match self.path(path)? {
            Operand::Entities { from, navigation, cast } => {
                let guards = self.guards(&from);
                (self.entities_lambda(at, all, &from, (navigation, cast), predicate)?, guards)
            }
            Operand::Collection(place, item) => self.items_lambda(all, place, &item, predicate)?,
            other => {
                let what = self.describe(&other);
                return Err(self.fault(at, format!("`any` and `all` take a collection, not {what}")));
            }
        };
        // A collection that is not there has no items, and `all` does not hold for it either.
        let expr = guards.iter().rfold(expr, |expr, guard| logic(Op::And, guard.expr(), expr));
        Ok(Operand::boolean(expr))
    }

    fn entities_lambda<'n>(
        &mut self,
        at: usize,
        all: bool,
        from: &Entity,
        (navigation, cast): (usize, Option<TypeId>),
        predicate: Option<&'n (Segment<'n>, Box<Node<'n>>)>,
    ) -> Outcome<Expr> {
        let name = self.schema.types[from.ty].navigations[navigation].name.as_str();
        let source = self.add_source(from, navigation, true, &Segment { name, at })?;
        let declared = self.sources[source].ty;
        let ty = cast.unwrap_or(declared);
        let (predicate, joins) = self.inside(Variable::Entity { source, ty }, predicate)?;
        let types = self.schema.types[ty].family.clone();
        let guard = (!self.schema.is_a(declared, ty)).then_some(Expr::IsOf { source, types });
        let predicate = match (guard, predicate) {
            (Some(guard), Some(predicate)) if all => Some(logic(Op::Or, not(guard), predicate)),
            (Some(guard), Some(predicate)) => Some(logic(Op::And, guard, predicate)),
            (guard, predicate) => predicate.or(guard),
        };
        Ok(Expr::Lambda {
            all,
            source,
            joins,
            predicate: predicate.map(Box::new),
        })
    }

    fn items_lambda<'n>(
        &mut self,
        all: bool,
        place: Place,
        item_type: &Type,
        predicate: Option<&'n (Segment<'n>, Box<Node<'n>>)>,
    ) -> Outcome<(Expr, Vec<Guard>)> {
        let item = self.items;
        self.items += 1;
        let variable = match item_type {
            Type::Primitive(edm) => Variable::Primitive { item, edm: *edm },
            Type::Complex(id) => Variable::Complex { item, id: *id },
            // The schema has no collections of these.
            Type::Collection(_) | Type::Entity(_) => return Err(Fault::internal("a collection of collections or entities")),
        };
        let (predicate, _) = self.inside(variable, predicate)?;
        let expr = Expr::Items {
            all,
            json: place.json,
            path: place.path,
            item,
            predicate: predicate.map(Box::new),
        };
        Ok((expr, place.guards))
    }

    /// Binds a lambda's predicate with its variable in scope; also what it joins (FLT-73).
    fn inside<'n>(
        &mut self,
        variable: Variable,
        predicate: Option<&'n (Segment<'n>, Box<Node<'n>>)>,
    ) -> Outcome<(Option<Expr>, Vec<usize>)> {
        let Some((name, node)) = predicate else {
            return Ok((None, Vec::new()));
        };
        if self.scopes.iter().any(|scope| scope.name == name.name) {
            return Err(self.fault(name.at, format!("The variable `{}` is there already", name.name)));
        }
        self.scopes.push(Scope {
            name: name.name.to_owned(),
            variable,
            joins: Vec::new(),
        });
        let operand = self.bind(node)?;
        let expr = self.predicate(node.at, operand)?;
        let joins = self.scopes.pop().map(|scope| scope.joins).unwrap_or_default();
        Ok((Some(expr), joins))
    }
}

impl Place {
    fn of(json: Json) -> Place {
        Place {
            json,
            path: Vec::new(),
            guards: Vec::new(),
        }
    }

    pub(super) fn member(self, edm: Option<Edm>) -> Expr {
        Expr::Member {
            json: self.json,
            path: self.path,
            edm,
        }
    }
}

impl<'n> Operand<'n> {
    /// What stands at a place in a JSON column.
    fn at(mut place: Place, ty: &Type) -> Operand<'n> {
        match ty {
            Type::Primitive(edm) => {
                let guards = std::mem::take(&mut place.guards);
                Operand::Value(Bound {
                    expr: place.member(Some(*edm)),
                    edm: *edm,
                    literal: None,
                    guards,
                })
            }
            Type::Complex(id) => Operand::Complex(place, *id),
            Type::Collection(item) => Operand::Collection(place, (**item).clone()),
            // No property holds an entity.
            Type::Entity(_) => Operand::Absent,
        }
    }
}
