//! The gradients of one step in the order of the parameters, and their global norm.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Tensor};

/// Flattened gradients of every trainable parameter, in field order, so that sums are always taken alike.
#[derive(Debug, Default)]
pub struct FlatGradients {
    entries: Vec<Option<Tensor<1>>>,
    places: HashMap<ParamId, usize>,
    missing: Vec<ParamId>,
}

impl FlatGradients {
    /// Takes the gradients of `module`'s trainable parameters out of `gradients`.
    pub fn collect<M: Module>(&mut self, module: &M, gradients: &mut Gradients) {
        module.visit(&mut Collector { flat: self, gradients });
    }

    /// Adds the gradients of another micro-batch of the same parameters.
    pub fn accumulate(&mut self, other: Self) {
        if self.entries.is_empty() {
            *self = other;
            return;
        }
        for (sum, more) in self.entries.iter_mut().zip(other.entries) {
            *sum = match (sum.take(), more) {
                (Some(sum), Some(more)) => Some(sum + more),
                (sum, more) => sum.or(more),
            };
        }
    }

    /// The root of the sum of squares over all gradients.
    pub fn norm(&self) -> f64 {
        self.entries.iter().flatten().map(autodistillation_kernels::sum_of_squares).sum::<f64>().sqrt()
    }

    /// The factor that brings the global norm down to `most` (`torch.nn.utils.clip_grad_norm_`); 1 below it.
    pub fn clipping(&self, most: f64) -> f64 {
        (most / (self.norm() + 1e-6)).min(1.0)
    }

    /// Takes out the gradient of the parameter `id`, (elements).
    pub fn take(&mut self, id: ParamId) -> Option<Tensor<1>> {
        self.entries.get_mut(*self.places.get(&id)?)?.take()
    }

    /// Trainable parameters that no gradient reached.
    pub fn missing(&self) -> &[ParamId] {
        &self.missing
    }
}

struct Collector<'a> {
    flat: &'a mut FlatGradients,
    gradients: &'a mut Gradients,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        if !tensor.is_require_grad() {
            return;
        }
        match tensor.grad_remove(self.gradients) {
            Some(gradient) => {
                let elements = gradient.shape().num_elements();
                self.flat.places.insert(param.id, self.flat.entries.len());
                self.flat.entries.push(Some(gradient.reshape([elements])));
            }
            None => self.flat.missing.push(param.id),
        }
    }
}
