//! The optimiser: AdamW, Adam and SGD with PyTorch's formulas, over exactly the trainable parameters.

use std::collections::HashMap;

use autodistillation_kernels::{AdamWStep, LazyTable, RowGradient, WeightDecay, adamw_step};
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::gradients::{FlatGradients, Gradient};

/// Which optimiser, with its constants. The learning rate is the stage's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum OptimizerConfig {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    AdamW(AdamConfig),
    /// Adam with weight decay added to the gradient (Kingma and Ba 2015).
    Adam(AdamConfig),
    /// Stochastic gradient descent with momentum, as `torch.optim.SGD`.
    Sgd(SgdConfig),
}

/// Constants of Adam and AdamW; the defaults are PyTorch's, with AdamW's weight decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamConfig {
    /// Peak learning rate of stages that do not give their own.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Weight decay of matrices; vectors (biases, norms) are not decayed.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { learning_rate: 5e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

/// Constants of SGD; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SgdConfig {
    /// Peak learning rate of stages that do not give their own.
    pub learning_rate: f64,
    /// Momentum; 0 = none.
    pub momentum: f64,
    /// Whether the momentum looks ahead (Nesterov).
    pub nesterov: bool,
    /// Weight decay of matrices, added to the gradient.
    pub weight_decay: f64,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self { learning_rate: 1e-3, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

impl OptimizerConfig {
    /// The peak learning rate of stages that do not give their own.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::AdamW(config) | Self::Adam(config) => config.learning_rate,
            Self::Sgd(config) => config.learning_rate,
        }
    }
}

/// Optimiser state over one stage: moments by parameter.
///
/// A stage makes a fresh one, so nothing carries over from a part that was trained before.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    moments: HashMap<ParamId, Moments>,
    /// Tables whose rows are moved when they are needed.
    tables: HashMap<ParamId, LazyTable>,
    steps: u32,
}

/// The first and second moment of one parameter, flattened; SGD keeps only the first.
#[derive(Debug)]
struct Moments {
    first: Tensor<1>,
    second: Option<Tensor<1>>,
}

/// What one step does besides following the gradients.
#[derive(Clone, Copy, Debug)]
pub struct StepSize {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Factor on all gradients, from clipping.
    pub gradient_scale: f64,
}

impl Optimizer {
    /// No state yet.
    pub fn new(config: OptimizerConfig) -> Self {
        Self { config, moments: HashMap::new(), tables: HashMap::new(), steps: 0 }
    }

    /// Begins the next step; every module is then updated once with [`Optimizer::update`].
    pub fn next_step(&mut self) {
        self.steps += 1;
    }

    /// Updates the parameters of `module` that have a gradient; the others stay as they are, bit for bit.
    pub fn update<M: Module>(&mut self, module: M, gradients: &mut FlatGradients, size: StepSize) -> M {
        module.map(&mut Updater { optimizer: self, gradients, size })
    }

    /// Brings the rows `rows` (ascending, each once) of the tables of `module` up to date, before they are looked up.
    pub fn catch_up<M: Module>(&mut self, module: M, rows: &[u32]) -> M {
        self.refresh(module, |table, values| table.catch_up(values, rows))
    }

    /// Brings every parameter of `module` up to date, before it is read by anything but a step.
    pub fn settle<M: Module>(&mut self, module: M) -> M {
        self.refresh(module, LazyTable::settle)
    }

    fn refresh<M: Module>(
        &mut self,
        module: M,
        refresh: impl FnMut(&mut LazyTable, Tensor<2>) -> Tensor<2>,
    ) -> M {
        if self.tables.is_empty() {
            return module;
        }
        module.map(&mut Refresher { tables: &mut self.tables, refresh })
    }

    fn step<const D: usize>(
        &mut self,
        id: ParamId,
        tensor: Tensor<D>,
        gradient: Gradient,
        size: StepSize,
    ) -> Tensor<D> {
        let shape = tensor.shape();
        match gradient {
            Gradient::Dense(gradient) => self.dense_step(id, tensor, gradient, size),
            Gradient::Rows(gradient) => {
                let [_, width] = gradient.values.dims();
                let rows = shape.num_elements() / width.max(1);
                let table = tensor.reshape([rows, width]); // (rows, width)
                self.rows_step(id, table, &gradient, size).reshape(shape)
            }
        }
    }

    /// A step on the rows of a table that have a gradient, equal to one on the whole table.
    fn rows_step(
        &mut self,
        id: ParamId,
        table: Tensor<2>,
        gradient: &RowGradient,
        size: StepSize,
    ) -> Tensor<2> {
        if let OptimizerConfig::AdamW(config) = self.config {
            let step = adam_step(&config, |rate| rate, WeightDecay::Decoupled, size);
            let step = AdamWStep { step: self.steps, ..step };
            if LazyTable::applies(&table, &step) && !self.moments.contains_key(&id) {
                let state = self.tables.entry(id).or_insert_with(|| LazyTable::new(table.dims()));
                return state.step(table, gradient, &step);
            }
        }
        let [rows, width] = table.dims();
        self.dense_step(id, table, gradient.dense(rows).reshape([rows * width]), size)
    }

    fn dense_step<const D: usize>(
        &mut self,
        id: ParamId,
        tensor: Tensor<D>,
        gradient: Tensor<1>,
        size: StepSize,
    ) -> Tensor<D> {
        let shape = tensor.shape();
        let decay = |rate: f64| if D >= 2 { rate } else { 0.0 };
        let flat = tensor.reshape([gradient.dims()[0]]);
        let flat = match self.config {
            OptimizerConfig::AdamW(config) => {
                self.adam(id, flat, gradient, &adam_step(&config, decay, WeightDecay::Decoupled, size))
            }
            OptimizerConfig::Adam(config) => {
                self.adam(id, flat, gradient, &adam_step(&config, decay, WeightDecay::L2, size))
            }
            OptimizerConfig::Sgd(config) => self.sgd(
                id,
                flat,
                gradient * size.gradient_scale,
                (config, decay(config.weight_decay), size.learning_rate),
            ),
        };
        flat.reshape(shape)
    }

    fn adam(&mut self, id: ParamId, tensor: Tensor<1>, gradient: Tensor<1>, step: &AdamWStep) -> Tensor<1> {
        let step = AdamWStep { step: self.steps, ..*step };
        let moments = match self.moments.remove(&id) {
            Some(Moments { first, second: Some(second) }) => (first, second),
            _ => (gradient.zeros_like(), gradient.zeros_like()),
        };
        let (tensor, (first, second)) = adamw_step(tensor, gradient, moments, &step);
        self.moments.insert(id, Moments { first, second: Some(second) });
        tensor
    }

    /// `torch.optim.SGD`: the first step's momentum buffer is the gradient itself.
    fn sgd(
        &mut self,
        id: ParamId,
        tensor: Tensor<1>,
        gradient: Tensor<1>,
        constants: (SgdConfig, f64, f64),
    ) -> Tensor<1> {
        let (config, decay, rate) = constants;
        let gradient = gradient + tensor.clone() * decay;
        if config.momentum == 0.0 {
            return tensor - gradient * rate;
        }
        let velocity = match self.moments.remove(&id) {
            Some(moments) => moments.first * config.momentum + gradient.clone(),
            None => gradient.clone(),
        };
        self.moments.insert(id, Moments { first: velocity.clone(), second: None });
        let direction = if config.nesterov { gradient + velocity * config.momentum } else { velocity };
        tensor - direction * rate
    }
}

fn adam_step(
    config: &AdamConfig,
    decay: impl Fn(f64) -> f64,
    decoupled: WeightDecay,
    size: StepSize,
) -> AdamWStep {
    AdamWStep {
        learning_rate: size.learning_rate,
        beta1: config.beta1,
        beta2: config.beta2,
        epsilon: config.epsilon,
        weight_decay: decay(config.weight_decay),
        step: 0,
        gradient_scale: size.gradient_scale as f32,
        decoupled,
    }
}

struct Updater<'a> {
    optimizer: &'a mut Optimizer,
    gradients: &'a mut FlatGradients,
    size: StepSize,
}

impl ModuleMapper for Updater<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.take(param.id) else { return param };
        let (id, tensor, _) = param.consume();
        let tensor = self.optimizer.step(id, tensor.without_autodiff(), gradient, self.size);
        Param::initialized(id, tensor.autodiff().require_grad())
    }
}

/// Maps the tables that are updated lazily.
struct Refresher<'a, F> {
    tables: &'a mut HashMap<ParamId, LazyTable>,
    refresh: F,
}

impl<F: FnMut(&mut LazyTable, Tensor<2>) -> Tensor<2>> ModuleMapper for Refresher<'_, F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(table) = self.tables.get_mut(&param.id) else { return param };
        let (id, tensor, _) = param.consume();
        let shape = tensor.shape();
        let [rows, width] = [shape[0], shape[1]]; // Only tables of two dimensions are kept.
        let values = tensor.without_autodiff().reshape([rows, width]);
        let values = (self.refresh)(table, values).reshape(shape);
        Param::initialized(id, values.autodiff().require_grad())
    }
}
