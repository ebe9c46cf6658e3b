//! A small world of tenants, users, roles and rows, made at random, and what each caller may see of it: by the rules as people read them,
//! with nothing of the server's in it.
//!
//! | module | duty |
//! |---|---|
//! | [`world`] | what there is, and how it is made up |
//! | [`reference`] | who may do what, and sees which rows |
//! | [`settle`] | brings a world into a server |
//! | [`questions`] | what is asked as a caller, and what must come back |

pub mod questions;
pub mod reference;
pub mod settle;
pub mod world;
