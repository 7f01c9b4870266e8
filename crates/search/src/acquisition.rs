//! What trying an architecture is worth: its expected improvement of the front.

mod boxes;
mod excess;
mod improvement;
mod student;

pub(crate) use excess::Marginal;
pub(crate) use improvement::Improvement;
pub(crate) use student::cumulative;
