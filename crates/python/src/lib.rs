//! The compiled part of the Python package `autodistillation`: searches, runs and losses of the facade.
//!
//! Structured values cross the border as JSON text, arrays as raw bytes; the package in `python/` gives them
//! their Python form. The interpreter is released while Rust works.

mod failure;
mod losses;
mod pipeline;
mod search;

use pyo3::prelude::*;

/// The compiled part of the package; use the names of `autodistillation` itself.
#[pymodule]
mod _autodistillation {
    #[pymodule_export]
    use super::losses::loss_gradient;
    #[pymodule_export]
    use super::pipeline::{check, run};
    #[pymodule_export]
    use super::search::Search;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
