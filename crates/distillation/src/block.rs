//! The part of a student that is trained on its own.

use serde::{Deserialize, Serialize};

use crate::features::is_inside;

/// Whole modules, by their exact dotted paths, that a stage trains together.
///
/// `bert.encoder.layer.1` does not hold `bert.encoder.layer.10`. The empty path holds the whole network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    modules: Vec<String>,
}

impl Block {
    /// The block of these modules.
    pub fn new(modules: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { modules: modules.into_iter().map(Into::into).collect() }
    }

    /// The whole network.
    pub fn everything() -> Self {
        Self::new([""])
    }

    /// Whether the parameter or module at `path` belongs to the block.
    pub fn holds(&self, path: &str) -> bool {
        self.modules.iter().any(|module| is_inside(path, module))
    }

    /// The modules it is made of.
    pub fn modules(&self) -> &[String] {
        &self.modules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_1_does_not_train_layer_10() {
        let block = Block::new(["bert.encoder.layer.1"]);
        assert!(block.holds("bert.encoder.layer.1.output.dense.weight"));
        assert!(!block.holds("bert.encoder.layer.10.output.dense.weight"));
    }

    #[test]
    fn the_empty_path_is_the_whole_network() {
        assert!(Block::everything().holds("classifier.weight"));
    }
}
