//! The frozen teacher, with its outputs kept so that every trial that sees the same batch gets them for free.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::{Batch, Feature, Features, LayerPath, Mode, Network, Parameters, Taps};

/// A frozen network and what it has already said.
///
/// Outputs are kept per batch in half precision. A batch's composition is a function of (seed, stage, step), so
/// all trials of a study ask for the same batches. Kept and fresh outputs are rounded alike: a student never
/// depends on which of them it got.
#[derive(Debug)]
pub struct Teacher<T: Network> {
    network: Mutex<T>,
    layers: Vec<crate::LayerOutput>,
    kept: Mutex<Kept>,
}

/// Outputs by layer and batch, within a budget of bytes.
#[derive(Debug)]
struct Kept {
    outputs: HashMap<(LayerPath, Vec<u32>), TensorData>,
    bytes: usize,
    budget: usize,
}

impl<T: Network> Teacher<T> {
    /// The teacher, keeping at most `budget` bytes of outputs.
    pub fn new(network: T, budget: usize) -> Self {
        let network = network.frozen().valid();
        let layers = network.layers();
        let kept = Kept { outputs: HashMap::new(), bytes: 0, budget };
        Self { network: Mutex::new(network), layers, kept: Mutex::new(kept) }
    }

    /// A copy of the network; its tensors are shared.
    pub fn network(&self) -> T {
        self.network.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that can be tapped.
    pub fn layers(&self) -> &[crate::LayerOutput] {
        &self.layers
    }

    /// The tapped features of `batch`, rounded to half precision.
    pub fn features(&self, batch: &Batch, taps: &Taps) -> Features {
        if taps.is_empty() {
            return Features::new();
        }
        if let Some(features) = self.recall(batch, taps) {
            return features;
        }
        let fresh = self.network().forward(batch, taps, Mode::Evaluation);
        let mut features = Features::new();
        for (path, feature) in fresh.iter() {
            features.insert(path.clone(), self.keep(batch, path, feature.clone()));
        }
        features
    }

    fn recall(&self, batch: &Batch, taps: &Taps) -> Option<Features> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut features = Features::new();
        for path in taps.paths() {
            let data = kept.outputs.get(&(path.clone(), batch.rows.clone()))?;
            features.insert(path.clone(), feature(data, &batch.mask.device()));
        }
        Some(features)
    }

    fn keep(&self, batch: &Batch, path: &LayerPath, fresh: Feature) -> Feature {
        let data = into_data(fresh).convert_dtype(DType::F16);
        let rounded = feature(&data, &batch.mask.device());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = data.as_bytes().len();
        if kept.bytes + bytes <= kept.budget {
            kept.bytes += bytes;
            kept.outputs.insert((path.clone(), batch.rows.clone()), data);
        }
        rounded
    }
}

fn into_data(feature: Feature) -> TensorData {
    match feature {
        Feature::Vectors(tensor) => tensor.into_data(),
        Feature::Sequence(tensor) => tensor.into_data(),
        Feature::Attention(tensor) => tensor.into_data(),
    }
}

fn feature(data: &TensorData, device: &Device) -> Feature {
    let data = data.clone().convert_dtype(DType::F32);
    match data.shape().len() {
        2 => Feature::Vectors(Tensor::from_data(data, device)),
        3 => Feature::Sequence(Tensor::from_data(data, device)),
        _ => Feature::Attention(Tensor::from_data(data, device)),
    }
}
