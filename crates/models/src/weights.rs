//! The parameters of a network as plain numbers in the checkpoint's layout, by the checkpoint's names.

mod checkpoint;
mod checkpoint_problem;
mod conventions;
mod fill;
#[cfg(test)]
mod format_tests;
mod keras;
#[cfg(test)]
mod mutation_tests;
mod problem;
mod pytorch;
mod random;
mod safetensors_file;
mod stored;
mod tensor_bundle;

use std::collections::BTreeMap;

use autodistillation_distillation::Network;
use burn::module::{ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::{Family, TransformerConfig};

pub(crate) use checkpoint::Checkpoint;
pub use checkpoint::weights_file;
pub use checkpoint_problem::CheckpointProblem;
pub(crate) use conventions::Conventions;
pub(crate) use fill::fill;
pub(crate) use keras::to_hdf5;
pub use problem::WeightProblem;
pub(crate) use stored::{Stored, is_readable};

/// A parameter of a network: its name and its shape in the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The checkpoint's name.
    pub name: String,
    /// Dimensions in the checkpoint: (out, in) for linear maps.
    pub dims: Vec<usize>,
    /// What the numbers do.
    pub role: Role,
}

/// What a parameter does, which decides its layout and its random start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The matrix of a linear map, transposed in the checkpoint.
    Matrix,
    /// A table of embeddings.
    Table,
    /// The scale of a normalisation.
    Scale,
    /// A bias or shift.
    Bias,
}

/// One tensor in the checkpoint's layout, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Dimensions.
    pub dims: Vec<usize>,
    /// The numbers.
    pub values: Vec<f32>,
}

/// All parameters of a network by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(pub BTreeMap<String, Weight>);

impl Weights {
    /// Copies the parameters out of a network.
    pub fn of<N: Network>(network: &N) -> Self {
        let mut weights = Self::default();
        walk(network, &mut |slot, values| {
            weights.0.insert(slot.name, Weight { dims: slot.dims, values: values() });
        });
        weights
    }

    /// Puts these numbers into the parameters of the same name and shape; the others stay as they are.
    pub fn give<N: Network>(mut self, network: N) -> N {
        fill(network, |slot| {
            let weight = self.0.remove(&slot.name)?;
            (weight.dims == slot.dims).then_some(weight.values)
        })
    }

    /// The same with the matrix without rows that `transformers` looks for where a MobileBERT's states are as wide as the
    /// embeddings that decode them.
    pub(crate) fn with_empty_rows(mut self, config: &TransformerConfig) -> Self {
        if has_empty_rows(config) {
            let weight = Weight { dims: vec![0, config.vocab_size], values: Vec::new() };
            self.0.insert("cls.predictions.dense.weight".to_owned(), weight);
        }
        self
    }

    /// The weight called `name`.
    pub fn get(&self, name: &str) -> Option<&Weight> {
        self.0.get(name)
    }
}

/// Whether checkpoints have a matrix without rows, which is no parameter: a MobileBERT's decoder beyond the embeddings.
fn has_empty_rows(config: &TransformerConfig) -> bool {
    let as_wide = config.hidden_size == config.embedding_size;
    config.family == Family::MobileBert && config.head.is_language_model() && as_wide
}

/// Every parameter of a network, in field order.
pub fn slots<N: Network>(network: &N) -> Vec<Slot> {
    let mut slots = Vec::new();
    walk(network, &mut |slot, _| slots.push(slot));
    slots
}

/// Shows `each` every parameter with a way to its numbers; those that are not read are not even initialised.
fn walk<N: Network>(network: &N, each: Each<'_>) {
    network.visit(&mut Walk::<N> { place: Place::default(), each, network: std::marker::PhantomData });
}

type Each<'a> = &'a mut dyn FnMut(Slot, &dyn Fn() -> Vec<f32>);

struct Walk<'a, N> {
    place: Place,
    each: Each<'a>,
    network: std::marker::PhantomData<N>,
}

impl<N: Network> ModuleVisitor for Walk<'_, N> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.place.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let slot = self.place.slot::<N>(&param.lazy_shape());
        let inner = param.lazy_shape().to_vec();
        let role = slot.role;
        (self.each)(slot, &|| {
            // An f32 tensor always reads as f32; the conversion is there for other precisions.
            let data = param.val().without_autodiff().into_data().convert::<f32>();
            let values = data.try_into_vec().unwrap_or_default();
            if role == Role::Matrix { transposed(&values, inner[0], inner[1]) } else { values }
        });
    }
}

/// Where a walk over a network is: field names and the types that hold them.
#[derive(Default)]
struct Place {
    path: Vec<(String, String)>,
}

impl Place {
    fn enter(&mut self, name: &str, container: &str) {
        self.path.push((name.to_owned(), container.to_owned()));
    }

    fn exit(&mut self) {
        self.path.pop();
    }

    /// The slot of the parameter here, whose dimensions inside the network are `inner`.
    fn slot<N: Network>(&self, inner: &[usize]) -> Slot {
        let fields: Vec<&str> = self.path.iter().map(|(field, _)| field.as_str()).collect();
        let role = match self.path.last().map(|(field, container)| (container.as_str(), field.as_str())) {
            Some(("Struct:Linear", "weight")) => Role::Matrix,
            Some(("Struct:LayerNorm" | "Struct:NoNorm", "weight")) => Role::Scale,
            Some((_, "bias")) => Role::Bias,
            _ => Role::Table,
        };
        let mut dims = inner.to_vec();
        if role == Role::Matrix {
            dims.reverse();
        }
        Slot { name: N::parameter_name(&fields.join(".")), dims, role }
    }
}

/// Rows of the transpose of a (rows, columns) matrix, walked in tiles that fit the cache.
pub(crate) fn transposed<T: Copy + Default>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    const TILE: usize = 32;
    let mut result = vec![T::default(); values.len()];
    for top in (0..rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            for row in top..rows.min(top + TILE) {
                for column in left..columns.min(left + TILE) {
                    result[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_networks;

    #[test]
    fn a_matrix_transposed_twice_is_itself() {
        let values: Vec<u32> = (0..37 * 65).collect();
        assert_eq!(transposed(&[1, 2, 3, 4, 5, 6], 2, 3), [1, 4, 2, 5, 3, 6]);
        assert_eq!(transposed(&transposed(&values, 37, 65), 65, 37), values);
    }

    #[test]
    fn slots_have_the_checkpoints_names_and_shapes() {
        let slots = slots(&test_networks::tiny(0));
        let dims = |name: &str| slots.iter().find(|slot| slot.name == name).unwrap().dims.clone();
        assert_eq!(dims("bert.encoder.layer.1.intermediate.dense.weight"), [40, 24]);
        assert_eq!(dims("bert.embeddings.word_embeddings.weight"), [60, 24]);
        assert_eq!(dims("classifier.weight"), [3, 24]);
    }

    #[test]
    fn weights_taken_out_and_given_to_another_network_are_the_same() {
        let weights = Weights::of(&test_networks::tiny(1));
        let other = weights.clone().give(test_networks::tiny(2));
        assert_eq!(Weights::of(&other), weights);
        assert_ne!(Weights::of(&test_networks::tiny(2)), weights);
    }
}
