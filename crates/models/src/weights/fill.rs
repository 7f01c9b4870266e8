//! Puts numbers in the checkpoint's layout into the parameters of a network.

use std::marker::PhantomData;

use autodistillation_distillation::Network;
use burn::module::{ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use super::{Place, Role, Slot, transposed};

/// Replaces each parameter for which `source` has numbers: as many as the slot's dimensions say.
pub(crate) fn fill<N: Network>(network: N, source: impl FnMut(&Slot) -> Option<Vec<f32>>) -> N {
    network.map(&mut Filler::<N, _> { place: Place::default(), source, network: PhantomData })
}

struct Filler<N, S> {
    place: Place,
    source: S,
    network: PhantomData<N>,
}

impl<N: Network, S: FnMut(&Slot) -> Option<Vec<f32>>> ModuleMapper for Filler<N, S> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.place.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        let slot = self.place.slot::<N>(&shape);
        let Some(values) = (self.source)(&slot) else {
            return param;
        };
        let values = match slot.role {
            Role::Matrix => transposed(&values, slot.dims[0], slot.dims[1]),
            _ => values,
        };
        let tensor = Tensor::from_data(TensorData::new(values, shape), &param.lazy_device());
        Param::initialized(param.id, tensor)
    }
}
