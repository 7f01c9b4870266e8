//! The committed reference numbers of PyTorch and the gradients to compare with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use autodistillation_distillation::{Batch, Network};
use autodistillation_kernels::RowGradient;
use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use crate::test_networks;
use crate::weights::transposed;

/// The folder with the reference network.
pub(crate) fn folder() -> PathBuf {
    fixture("bert")
}

/// The reference networks with other heads than a classifier of texts.
pub(crate) const HEADS: [&str; 18] = [
    "bert_pretraining",
    "bert_masked",
    "bert_tokens",
    "distilbert_masked",
    "distilbert_tokens",
    "roberta_masked",
    "roberta_tokens",
    "electra_masked",
    "electra_tokens",
    "mobilebert_pretraining",
    "mobilebert_square",
    "mobilebert_masked",
    "mobilebert_tokens",
    "bert_answers",
    "distilbert_answers",
    "roberta_answers",
    "electra_answers",
    "mobilebert_answers",
];

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Everything in `reference.safetensors`, as f32.
pub(crate) struct Reference(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Reference {
    pub(crate) fn read() -> Self {
        Self::of("bert")
    }

    /// The numbers in another folder of `tests/fixtures`.
    pub(crate) fn of(name: &str) -> Self {
        let bytes = std::fs::read(fixture(name).join("reference.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let read = |dtype, four: [u8; 4]| match dtype {
            Dtype::I32 => i32::from_le_bytes(four) as f32,
            _ => f32::from_le_bytes(four),
        };
        let all = tensors.iter().map(|(name, view)| {
            let values = view.data().as_chunks().0.iter().map(|&four| read(view.dtype(), four)).collect();
            (name.to_owned(), (view.shape().to_vec(), values))
        });
        Self(all.collect())
    }

    pub(crate) fn values(&self, name: &str) -> &[f32] {
        &self.0.get(name).unwrap_or_else(|| panic!("no `{name}` in the reference")).1
    }

    pub(crate) fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().filter_map(move |name| name.strip_prefix(prefix))
    }

    pub(crate) fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let (dims, values) = &self.0[name];
        Tensor::from_data(TensorData::new(values.clone(), dims.clone()), &Device::flex())
    }

    pub(crate) fn labels(&self) -> Tensor<1, Int> {
        self.tensor::<1>("labels").int()
    }

    pub(crate) fn batch(&self) -> Batch {
        let rows = |name: &str| -> Vec<Vec<i32>> {
            self.values(name).chunks(7).map(|row| row.iter().map(|&id| id as i32).collect()).collect()
        };
        test_networks::batch(&rows("ids"), &rows("token_types"), &[7, 4, 1])
    }
}

/// The gradients of all parameters that have one, in the checkpoint's layout, by name.
pub(crate) fn gradients<N: Network>(network: &N, gradients: &Gradients) -> BTreeMap<String, Vec<f32>> {
    let mut visitor = GradientVisitor::<N> {
        path: Vec::new(),
        gradients,
        found: BTreeMap::new(),
        network: std::marker::PhantomData,
    };
    network.visit(&mut visitor);
    visitor.found
}

struct GradientVisitor<'a, N> {
    path: Vec<(String, String)>,
    gradients: &'a Gradients,
    found: BTreeMap<String, Vec<f32>>,
    network: std::marker::PhantomData<N>,
}

impl<N: Network> ModuleVisitor for GradientVisitor<'_, N> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push((name.to_owned(), container.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let fields: Vec<&str> = self.path.iter().map(|(field, _)| field.as_str()).collect();
        let name = N::parameter_name(&fields.join("."));
        let Some(gradient) = param.val().grad(self.gradients) else {
            return;
        };
        let dims = param.val().dims();
        let rows = gradient.clone().flatten::<1>(0, D - 1).reshape([gradient.dims()[0] as i32, -1]); // (rows, width)
        let gradient = match RowGradient::unpack(&rows, dims[D - 1]) {
            Some(by_rows) if D == 2 => by_rows.dense(dims[0]).reshape(dims),
            _ => gradient,
        };
        let values: Vec<f32> = gradient.into_data().try_into_vec().unwrap();
        let linear = D == 2 && self.path.last().is_some_and(|(_, container)| container == "Struct:Linear");
        let values = if linear { transposed(&values, dims[0], dims[1]) } else { values };
        self.found.insert(name, values);
    }
}

/// The largest difference, relative to the largest number expected where that is above 1.
pub(crate) fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let apart = found.iter().zip(expected).fold(0.0f32, |apart, (a, b)| apart.max((a - b).abs()));
    apart / largest.max(1.0)
}

/// The largest difference over the largest number expected.
pub(crate) fn relative_difference(found: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let apart = found.iter().zip(expected).fold(0.0f32, |apart, (a, b)| apart.max((a - b).abs()));
    assert_eq!(found.len(), expected.len());
    // Some gradients are zero but for rounding: a key's bias moves all scores of a query alike.
    if largest < 1e-6 { apart } else { apart / largest }
}
