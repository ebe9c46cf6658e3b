//! The transitions of a state machine: JSON text, `{"<State>-<Condition>": "<next state>"}`.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use crate::model::limits::MACHINE_TRANSITIONS;

/// Every transition, in the order of the text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Transitions(Vec<Transition>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Transition {
    from: String,
    condition: String,
    to: String,
}

/// Members of an object as they stand there, those that stand twice, too.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of transitions, `<State>-<Condition>` and the next state")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl Transitions {
    /// Reads them; an empty text has none, and neither has the word that templates have in optional texts.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(text: &str) -> Result<Transitions, String> {
        if text.trim().is_empty() || text == "optional" {
            return Ok(Transitions::default());
        }
        let Members(members) =
            serde_json::from_str(text).map_err(|error| format!("Parameters hold the state machine as JSON: {error}."))?;
        if members.len() > MACHINE_TRANSITIONS {
            return Err(format!("A state machine has at most {MACHINE_TRANSITIONS} transitions."));
        }
        let mut all: Vec<Transition> = Vec::with_capacity(members.len());
        for (name, to) in members {
            let parts = name.split_once('-').filter(|(from, condition)| is_name(from) && is_name(condition));
            let Some((from, condition)) = parts else {
                return Err(format!(
                    "`{name}` is no transition: that is `<State>-<Condition>`, without further dashes."
                ));
            };
            if !is_name(&to) {
                return Err(format!(
                    "`{name}` leads to `{to}`, which cannot be a state: it is empty or has a dash."
                ));
            }
            if all.iter().any(|known| known.from == from && known.condition == condition) {
                return Err(format!("`{name}` stands there twice."));
            }
            let (from, condition) = (from.to_owned(), condition.to_owned());
            all.push(Transition { from, condition, to });
        }
        Ok(Transitions(all))
    }

    /// Where a condition leads from a state.
    pub fn target(&self, state: &str, condition: &str) -> Option<&str> {
        let found = self.0.iter().find(|known| known.from == state && known.condition == condition);
        found.map(|known| known.to.as_str())
    }

    /// The conditions that lead on from a state.
    pub fn conditions(&self, state: &str) -> Vec<String> {
        let from = self.0.iter().filter(|known| known.from == state);
        from.map(|known| known.condition.clone()).collect()
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains('-') && text.trim() == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_lead_on() {
        let machine =
            Transitions::read(r#"{"InitialState-Initialise":"Created","Created-Run":"Running","Created-Stop":"Stopped"}"#).unwrap();
        assert_eq!(machine.target("InitialState", "Initialise"), Some("Created"));
        assert_eq!(machine.target("InitialState", "Run"), None);
        assert_eq!(machine.conditions("Created"), ["Run", "Stop"]);
        assert!(machine.conditions("Running").is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("", ""),
            (" ", ""),
            ("{}", ""),
            ("optional", ""),
            ("[]", "an object of transitions"),
            ("{", "as JSON"),
            ("1", "an object of transitions"),
            (r#"{"a-b": 1}"#, "expected a string"),
            (r#"{"a": "b"}"#, "`a` is no transition"),
            (r#"{"a-": "b"}"#, "`a-` is no transition"),
            (r#"{"-a": "b"}"#, "`-a` is no transition"),
            (r#"{"a-b-c": "d"}"#, "further dashes"),
            (r#"{"a-b": ""}"#, "cannot be a state"),
            (r#"{"a-b": "c-d"}"#, "cannot be a state"),
            (r#"{"a-b": "c", "a-b": "d"}"#, "stands there twice"),
        ] {
            match Transitions::read(text) {
                Ok(_) => assert_eq!(expected, "", "{text}"),
                Err(why) => assert!(!expected.is_empty() && why.contains(expected), "{text}: {why}"),
            }
        }
    }
}
