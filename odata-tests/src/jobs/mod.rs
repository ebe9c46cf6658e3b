//! Random lives of jobs, and what must become of them: a reference that knows nothing of the server.

pub mod acts;
pub mod house;
pub mod moves;
pub mod reference;
