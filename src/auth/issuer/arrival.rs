//! From what a good token says to the user that its bearer is here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::claims::{self, Person, Times};
use super::{Bearer, Claims, Known, refused};
use crate::auth::{Auth, Proof, external};
use crate::model::clock::Ticks;
use crate::model::fault::{self, Outcome};
use crate::model::limits::ISSUER_PEOPLE;

/// For each person, when the newest token that came was made: an older one does not give back roles that a newer one has taken.
#[derive(Debug, Default)]
pub struct Newest(Mutex<HashMap<String, Ticks>>);

/// A token beside the newest of the same person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Older,
    Same,
    Newer,
}

impl Newest {
    /// How old a token is that came.
    fn meet(&self, id: &str, made: Ticks) -> Age {
        // Every change is one call on the map.
        let mut people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match people.get(id) {
            Some(newest) if made < *newest => return Age::Older,
            Some(newest) if made == *newest => return Age::Same,
            _ => {}
        }
        if people.len() >= ISSUER_PEOPLE
            && !people.contains_key(id)
            && let Some(any) = people.keys().next().cloned()
        {
            people.remove(&any);
        }
        people.insert(id.to_owned(), made);
        Age::Newer
    }
}

/// The proof of the bearer.
///
/// # Errors
/// 401 for somebody unknown who is not to be made a user, for one whose name is taken, and for a deactivated user.
pub async fn prove(auth: &Auth, known: &Known, claims: &Claims, times: Times, bearer: &mut Bearer) -> Outcome<Arc<Proof>> {
    let issuer = &known.issuer;
    let Person { mut external, tenant } = claims::person(issuer, claims).map_err(|why| refused(&issuer.name, why))?;
    let age = known.newest.meet(&external.id, times.made);
    if age == Age::Older {
        external.roles.clear();
    }
    let who = external.id.clone();
    let found = external::user_of(auth, external, tenant, issuer.provision).await;
    let user = found.map_err(|fault| match fault.kind {
        // Somebody has the name: nobody becomes somebody else by a name.
        kind if kind == &fault::FORBIDDEN => refused(&issuer.name, &format!("{who:?} cannot be made a user: {fault}")),
        _ => fault,
    })?;
    let user = user.ok_or_else(|| refused(&issuer.name, &format!("{who:?} is nobody here")))?;
    bearer.user = Some((user.id, user.tenant));
    if !user.active {
        return Err(refused(&issuer.name, &format!("{who:?} is deactivated: {}", user.name)));
    }
    bearer.is_new = age == Age::Newer;
    external::of_user(auth, user.id, times.until).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_token_decides_nothing() {
        let newest = Newest::default();
        for (id, made, expected) in [
            ("a", 5, Age::Newer),
            ("a", 5, Age::Same),
            ("a", 4, Age::Older),
            ("b", 4, Age::Newer),
            ("a", 6, Age::Newer),
            ("a", 5, Age::Older),
        ] {
            assert_eq!(newest.meet(id, made), expected, "{id} {made}");
        }
        for i in 0..ISSUER_PEOPLE + 1 {
            newest.meet(&i.to_string(), 1);
        }
        assert_eq!(newest.0.lock().unwrap().len(), ISSUER_PEOPLE);
    }
}
