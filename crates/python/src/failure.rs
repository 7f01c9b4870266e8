//! Errors of the facade as exceptions of the Python package.

use autodistillation::Error;
use autodistillation::config::ConfigErrors;
use pyo3::prelude::*;

mod exceptions {
    use pyo3::import_exception;

    import_exception!(autodistillation.exceptions, AutoDistillationError);
    import_exception!(autodistillation.exceptions, ConfigError);
    import_exception!(autodistillation.exceptions, DataError);
    import_exception!(autodistillation.exceptions, ForkedProcessError);
    import_exception!(autodistillation.exceptions, Stopped);
    import_exception!(autodistillation.exceptions, StudyError);
}

use exceptions::{AutoDistillationError, ConfigError, DataError, Stopped};
pub(crate) use exceptions::{ForkedProcessError, StudyError};

/// The exception for an error, with its causes in the message.
pub(crate) fn raised(error: &Error) -> PyErr {
    let text = with_causes(error);
    match error {
        Error::Config(errors) => config_error(errors),
        Error::Data(_) => DataError::new_err(text),
        Error::Store(_) | Error::NotRunning { .. } => StudyError::new_err(text),
        Error::Stopped => Stopped::new_err(text),
        _ => AutoDistillationError::new_err(text),
    }
}

/// The exception that lists every problem of a config: (message, key path, line, column), the last two from 1.
pub(crate) fn config_error(errors: &ConfigErrors) -> PyErr {
    let problems: Vec<(String, String, Option<usize>, Option<usize>)> = errors
        .problems()
        .iter()
        .map(|located| {
            let (line, column) = located.position.map(|place| (place.line, place.column)).unzip();
            (located.problem.to_string(), located.key_path.clone(), line, column)
        })
        .collect();
    ConfigError::new_err((errors.origin().display().to_string(), problems))
}

fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(&format!(": {inner_text}"));
        }
        cause = inner.source();
    }
    text
}
