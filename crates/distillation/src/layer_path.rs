//! A dotted module name with an output index: the address of one feature of a network.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The address of one output of one module, such as output 1 of `bert.encoder.layer.0.attention.self`.
///
/// The dotted name is the checkpoint's own. A module with a single output has only output 0; a module that
/// returns a tuple (attention: context and probabilities) numbers its elements.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayerPath {
    /// The dotted module name.
    pub module: String,
    /// Which of the module's outputs, from 0.
    pub output: usize,
}

impl LayerPath {
    /// Output 0 of `module`.
    pub fn new(module: impl Into<String>) -> Self {
        Self { module: module.into(), output: 0 }
    }

    /// Output `output` of `module`.
    pub fn with_output(module: impl Into<String>, output: usize) -> Self {
        Self { module: module.into(), output }
    }

    /// Reads a module name and the output index a config gives as text (`'0'`, `'1'`).
    ///
    /// # Errors
    ///
    /// [`Error::OutputIndex`] when `output` is not a whole number.
    pub fn parse(module: &str, output: &str) -> Result<Self, Error> {
        let index = output
            .trim()
            .parse()
            .map_err(|_| Error::OutputIndex { layer: module.to_owned(), output: output.to_owned() })?;
        Ok(Self::with_output(module, index))
    }
}

impl fmt::Display for LayerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.output {
            0 => f.write_str(&self.module),
            index => write!(f, "{}[{index}]", self.module),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_output_only_when_it_is_not_the_first() {
        assert_eq!(LayerPath::new("classifier").to_string(), "classifier");
        assert_eq!(LayerPath::with_output("a.self", 1).to_string(), "a.self[1]");
    }

    #[test]
    fn refuses_an_output_that_is_not_a_number() {
        let error = LayerPath::parse("a.self", "one").unwrap_err();
        assert!(error.to_string().contains("`one`"), "{error}");
    }
}
