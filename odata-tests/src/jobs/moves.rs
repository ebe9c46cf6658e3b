//! The states of jobs as words, and every move from one to the next.

/// A refusal: the status.
pub type Refused = u16;

/// Every move: what happens, from which states, to which one. `?` is for what the job is to say.
const MOVES: &[(&str, &str, &str)] = &[
    ("submit", "draft", "?"),
    ("release", "waiting", "?"),
    ("promote", "delayed retrying deferred", "queued"),
    ("restart", "delayed retrying deferred", "queued"),
    ("claim", "queued", "claimed"),
    ("word", "claimed running", "running"),
    ("word", "stopping", "stopping"),
    (
        "done",
        "claimed running stopping idle waiting delayed queued retrying deferred",
        "succeeded",
    ),
    ("again", "claimed running", "retrying"),
    ("over", "claimed running waiting", "failed"),
    ("over", "stopping", "killed"),
    ("later", "claimed running", "deferred"),
    ("late", "claimed running", "expired"),
    ("lose", "claimed running", "queued"),
    ("kill", "draft waiting delayed queued retrying deferred idle", "killed"),
    ("kill", "claimed running stopping", "stopping"),
    ("retry", "failed killed expired", "?"),
];

/// Nothing follows by itself.
pub fn is_end(state: &str) -> bool {
    matches!(state, "succeeded" | "failed" | "killed" | "expired")
}

/// A worker has it.
pub fn is_held(state: &str) -> bool {
    matches!(state, "claimed" | "running" | "stopping")
}

/// Where something leads from a state.
///
/// # Errors
/// 409 where it is not possible.
pub fn target(what: &str, from: &str) -> Result<&'static str, Refused> {
    let fits = |row: &&(&str, &str, &'static str)| row.0 == what && row.1.split(' ').any(|state| state == from);
    MOVES.iter().find(fits).map(|row| row.2).ok_or(409)
}
