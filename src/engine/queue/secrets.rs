//! What of a job's arguments nobody but who works on it is told: `Parameters` has a mask in its place, and `Secrets`, which is never shown,
//! the value. Where a worker says it again, in a result, an error or the log, the mask is written instead.

use serde_json::{Map, Value as Json};

use super::job::Job;
use crate::engine::Engine;
use crate::model::edm::Value;
use crate::model::fault::Outcome;

/// Stands for a secret.
pub(in crate::engine) const MASK: &str = "********";
/// What is shorter is found everywhere: it is no secret, and masking it would spoil what is said.
const SHORTEST: usize = 4;

impl Job {
    /// Its arguments with the secrets among them, for who works on it: not to be written.
    pub(super) fn uncover(&mut self, engine: &Engine) -> Outcome<()> {
        let Ok(secrets) = serde_json::from_str::<Map<String, Json>>(self.text(engine, "Secrets")) else {
            return Ok(());
        };
        let mut all: Map<String, Json> = serde_json::from_str(self.text(engine, "Parameters")).unwrap_or_default();
        all.extend(secrets);
        self.put(engine, "Parameters", Value::Text(Json::from(all).to_string()))
    }

    /// What its worker says, without its secrets.
    pub(super) fn masked(&self, engine: &Engine, text: &str) -> String {
        match serde_json::from_str(self.text(engine, "Secrets")) {
            Ok(secrets) => mask(text, &secrets),
            Err(_) => text.to_owned(),
        }
    }
}

/// A text, JSON or not, with the mask in the place of every value in the secrets.
fn mask(text: &str, secrets: &Json) -> String {
    let mut words = Vec::new();
    gather(secrets, &mut words);
    // The longest first: one secret may be a part of another one.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    match serde_json::from_str::<Json>(text) {
        Ok(json) => {
            let masked = mask_json(&json, &words);
            if masked == json { text.to_owned() } else { masked.to_string() }
        }
        Err(_) => mask_text(text, &words),
    }
}

/// Texts and numbers in a value, and texts as they stand in JSON.
fn gather(secret: &Json, words: &mut Vec<String>) {
    match secret {
        Json::Object(members) => members.values().for_each(|member| gather(member, words)),
        Json::Array(items) => items.iter().for_each(|item| gather(item, words)),
        Json::String(text) if text.len() >= SHORTEST => {
            let quoted = secret.to_string();
            words.extend([text.clone(), quoted[1..quoted.len() - 1].to_owned()]);
        }
        Json::Number(number) => words.extend(Some(number.to_string()).filter(|digits| digits.len() >= SHORTEST)),
        _ => {}
    }
}

fn mask_text(text: &str, words: &[String]) -> String {
    words.iter().fold(text.to_owned(), |text, word| text.replace(word, MASK))
}

fn mask_json(json: &Json, words: &[String]) -> Json {
    match json {
        Json::Object(members) => {
            let masked = |(name, value): (&String, &Json)| (mask_text(name, words), mask_json(value, words));
            members.iter().map(masked).collect()
        }
        Json::Array(items) => items.iter().map(|item| mask_json(item, words)).collect(),
        Json::String(text) => Json::from(mask_text(text, words)),
        Json::Number(number) if words.contains(&number.to_string()) => Json::from(MASK),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_are_said() {
        for (secret, said, expected) in [
            (r#""hunter2""#, "x", "x"),
            (r#""hunter2""#, "hunter2, hunter2!", "********, ********!"),
            (r#""hunter2""#, r#"{"key": "hunter2", "n": 1}"#, r#"{"key":"********","n":1}"#),
            (
                r#""hunter2""#,
                r#"{"a": [ "my hunter2"], "hunter2": 2}"#,
                r#"{"a":["my ********"],"********":2}"#,
            ),
            (r#""hunter2""#, r#"{ "n": 1.50 }"#, r#"{ "n": 1.50 }"#),
            (
                r#""a\"bc""#,
                r#"{"said": "{\"x\": \"a\\\"bc\"}"}"#,
                r#"{"said":"{\"x\": \"********\"}"}"#,
            ),
            (r#""a\"bc""#, r#"he said a"bc and "a\"bc"#, r#"he said ******** and "********"#),
            (
                r#"{"user": "me", "pin": 12345}"#,
                r#"{"pin": 12345, "me": 1234}"#,
                r#"{"pin":"********","me":1234}"#,
            ),
            (r#"{"user": "me", "pin": 12345}"#, "pin 12345 of me", "pin ******** of me"),
            (r#"["long", "longer"]"#, "longer than long", "******** than ********"),
            (r#"["abc", true, null, 7]"#, "abc true null 7", "abc true null 7"),
        ] {
            assert_eq!(mask(said, &serde_json::from_str(secret).unwrap()), expected, "{secret} in {said}");
        }
    }
}
