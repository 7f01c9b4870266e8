//! Outputs kept in memory, within a budget.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use half::f16;

use crate::{LayerOutput, LayerPath, OutputStore};

/// Outputs in memory, at most a budget of bytes.
#[derive(Debug)]
pub struct MemoryStore {
    budget: usize,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    outputs: HashMap<LayerPath, HashMap<u32, Box<[f16]>>>,
    bytes: usize,
}

impl MemoryStore {
    /// Empty, for at most `budget` bytes.
    pub fn new(budget: usize) -> Self {
        Self { budget, kept: RwLock::default() }
    }
}

impl OutputStore for MemoryStore {
    fn read(&self, layer: &LayerOutput, row: u32, values: &mut [f16]) -> bool {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        match kept.outputs.get(&layer.path).and_then(|rows| rows.get(&row)) {
            Some(output) if output.len() == values.len() => {
                values.copy_from_slice(output);
                true
            }
            _ => false,
        }
    }

    fn write(&self, layer: &LayerOutput, row: u32, values: &[f16]) -> bool {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.outputs.get(&layer.path).is_some_and(|rows| rows.contains_key(&row)) {
            return true;
        }
        let bytes = size_of_val(values);
        if kept.bytes + bytes > self.budget {
            return false;
        }
        kept.bytes += bytes;
        kept.outputs.entry(layer.path.clone()).or_default().insert(row, values.into());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;

    #[test]
    fn what_is_over_the_budget_is_refused() {
        let layer = LayerOutput { path: LayerPath::new("a"), shape: Shape::Vectors { width: 2 } };
        let store = MemoryStore::new(4);
        let values = [f16::ONE, f16::NEG_ONE];
        assert!(store.write(&layer, 7, &values));
        assert!(store.write(&layer, 7, &values), "an output that is there takes no room");
        assert!(!store.write(&layer, 8, &values));
        let mut read = [f16::ZERO; 2];
        assert!(store.read(&layer, 7, &mut read));
        assert_eq!(read, values);
        assert!(!store.read(&layer, 8, &mut read));
    }
}
