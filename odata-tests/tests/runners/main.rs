//! Runners against a running server: what needs time, and several clients at once. The engine rules and the golden scenarios are those of
//! `reference/projectw-redengine.md` 3.2 and 3.3b; requests and refusals one by one are in `cases/jobs`.

mod claims;
mod ends;
mod house;
mod scenarios;
