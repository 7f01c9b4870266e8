//! The parameterised layers that networks are made of, and dropout.

mod dropout;
mod embedding;
mod layer_norm;
mod linear;

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Shape, Tensor};

pub(crate) use dropout::{dropout, site};
pub use embedding::Embedding;
pub(crate) use embedding::TableUse;
pub use layer_norm::LayerNorm;
pub use linear::Linear;

/// A parameter of known shape and no values: loading or initialising fills it, and until then it takes no memory.
pub(crate) fn blank<const D: usize>(dims: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let zeros = move |device: &Device, _: bool| Tensor::zeros(dims, device);
    Param::uninitialized(ParamId::new(), zeros, device.clone(), false, Shape::from(dims))
}
