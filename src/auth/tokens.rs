//! The tokens that this server gives out.

/// The section `[tokens]` of the settings.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// How long a token from signing in is good.
    pub life_minutes: i64,
    /// Answers to an older token carry a fresh one.
    pub refresh_minutes: i64,
    /// The query option `token` counts.
    pub in_query: bool,
}
