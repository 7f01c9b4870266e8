//! PyTorch's numbers, and how far ours may be from them.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use safetensors::SafeTensors;

/// One file of `tests/fixtures`: shape and numbers by name.
pub struct Reference(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Reference {
    #[expect(clippy::disallowed_methods, reason = "the crate knows no files, its tests read their fixtures")]
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let bytes = std::fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let all = tensors.iter().map(|(name, view)| {
            let values = view.data().as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
            (name.to_owned(), (view.shape().to_vec(), values))
        });
        Self(all.collect())
    }

    pub fn values(&self, name: &str) -> &[f32] {
        &self.0.get(name).unwrap_or_else(|| panic!("no `{name}` in the reference")).1
    }

    pub fn dims(&self, name: &str) -> &[usize] {
        &self.0[name].0
    }

    pub fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let data = TensorData::new(self.values(name).to_vec(), self.dims(name).to_vec());
        Tensor::from_data(data, &Device::flex())
    }

    pub fn integers(&self, name: &str) -> Tensor<1, Int> {
        self.tensor::<1>(name).int()
    }

    /// The names between `prefix` and `suffix`: the cases of a grid.
    pub fn cases<'a>(&'a self, prefix: &'a str, suffix: &'a str) -> Vec<&'a str> {
        self.0.keys().filter_map(|name| name.strip_prefix(prefix)?.strip_suffix(suffix)).collect()
    }

    /// The tensor has the reference's numbers, relative to the largest of them where that is above 1.
    #[track_caller]
    pub fn assert_close<const D: usize>(&self, name: &str, tensor: Tensor<D>, tolerance: f32) {
        self.assert_values_close(name, &floats(tensor), tolerance);
    }

    #[track_caller]
    pub fn assert_values_close(&self, name: &str, found: &[f32], tolerance: f32) {
        let expected = self.values(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        let largest = expected.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            let apart = (found - expected).abs() / largest;
            assert!(apart <= tolerance, "{name}[{place}] is {found}, not {expected}");
        }
    }
}

/// A trainable copy, whose gradient can be asked for.
pub fn leaf<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.autodiff().require_grad()
}

pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.without_autodiff().into_data().try_into_vec().unwrap()
}

/// The parameters of a module, in field order.
pub fn parameters<M: Module>(module: &M) -> Vec<Vec<f32>> {
    let mut visitor = Visitor { gradients: None, found: Vec::new() };
    module.visit(&mut visitor);
    visitor.found
}

/// The gradients of a module's parameters, in field order.
pub fn gradients<M: Module>(module: &M, gradients: &Gradients) -> Vec<Vec<f32>> {
    let mut visitor = Visitor { gradients: Some(gradients), found: Vec::new() };
    module.visit(&mut visitor);
    visitor.found
}

struct Visitor<'a> {
    gradients: Option<&'a Gradients>,
    found: Vec<Vec<f32>>,
}

impl ModuleVisitor for Visitor<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push(match self.gradients {
            Some(gradients) => floats(param.val().grad(gradients).unwrap()),
            None => floats(param.val()),
        });
    }
}
