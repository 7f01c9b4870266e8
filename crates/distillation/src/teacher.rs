//! The frozen teacher: what it says about an example is computed once and kept for every student that asks.

mod answers;
mod claims;
mod groups;
mod memory;
mod padded;
mod store;

use std::sync::{Mutex, PoisonError};

use half::f16;

use crate::{ExampleSet, LayerOutput, LayerPath, Network, Parameters};
pub use answers::{Answers, Progress};
use claims::Claims;
pub use memory::MemoryStore;
pub use store::OutputStore;

/// A frozen network and what it has already said.
///
/// Outputs are kept per example in half precision, and kept and fresh outputs are rounded alike. An output's bits
/// depend on the network, its example and the layer alone: a student never depends on what was kept, by whom and in
/// which order.
#[derive(Debug)]
pub struct Teacher<T: Network> {
    network: Mutex<T>,
    layers: Vec<LayerOutput>,
    training: Notebook,
    validation: Notebook,
}

/// The example sets that a teacher is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What students learn from.
    Training,
    /// What early stopping looks at.
    Validation,
}

/// The stores for one example set, the preferred one first.
pub type Stores = Vec<Box<dyn OutputStore>>;

/// The outputs on one example set.
#[derive(Debug)]
struct Notebook {
    stores: Stores,
    claims: Claims,
}

impl<T: Network> Teacher<T> {
    /// The teacher, keeping at most `budget` bytes of outputs in memory for each example set.
    pub fn new(network: T, budget: usize) -> Self {
        let memory = || -> Stores { vec![Box::new(MemoryStore::new(budget))] };
        Self::with_stores(network, memory(), memory())
    }

    /// The teacher, keeping its outputs on training and validation set in the first store that has room.
    pub fn with_stores(network: T, training: Stores, validation: Stores) -> Self {
        let network = network.frozen().valid();
        let layers = network.layers();
        let notebook = |stores| Notebook { stores, claims: Claims::default() };
        Self {
            network: Mutex::new(network),
            layers,
            training: notebook(training),
            validation: notebook(validation),
        }
    }

    /// A copy of the network; its tensors are shared.
    pub fn network(&self) -> T {
        self.network.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that can be tapped.
    pub fn layers(&self) -> &[LayerOutput] {
        &self.layers
    }

    /// The answers on `set`, which is always the same one for a part.
    pub fn answers<'a>(&'a self, part: Part, set: &'a ExampleSet) -> Answers<'a, T> {
        let notebook = match part {
            Part::Training => &self.training,
            Part::Validation => &self.validation,
        };
        Answers::new(self, notebook, set)
    }

    /// The position of the layer at `path`, which may be an alias.
    fn position(&self, path: &LayerPath) -> Option<usize> {
        let place = |path: &LayerPath| self.layers.iter().position(|layer| layer.path == *path);
        place(path).or_else(|| place(&self.network().resolve(path)))
    }
}

impl Notebook {
    fn read(&self, layer: &LayerOutput, row: u32, values: &mut [f16]) -> bool {
        self.stores.iter().any(|store| store.read(layer, row, values))
    }

    fn write(&self, layer: &LayerOutput, row: u32, values: &[f16]) -> bool {
        self.stores.iter().any(|store| store.write(layer, row, values))
    }
}

#[cfg(test)]
mod tests;
