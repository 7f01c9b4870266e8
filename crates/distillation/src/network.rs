//! What a teacher or a student must be able to do.

use std::fmt;
use std::marker::PhantomData;

use autodistillation_kernels::DropoutKey;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor};

use crate::{Batch, Block, Features, LayerPath, Taps};

/// How a forward pass behaves.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// No dropout: evaluation, and every teacher.
    Evaluation,
    /// Dropout drawn from this key.
    Training(DropoutKey),
}

/// A network whose layers can be tapped and whose parameters have a checkpoint's names.
pub trait Network: Module {
    /// Runs the network on `batch` and returns the features that `taps` asks for, stopping after the last
    /// of them. The logits are the feature at [`Network::logits`].
    fn forward(&self, batch: &Batch, taps: &Taps, mode: Mode) -> Features;

    /// Every output that can be tapped, in order of computation.
    fn layers(&self) -> Vec<LayerOutput>;

    /// Where the task's logits come out: one row for each example, (batch, classes), or for each token.
    fn logits(&self) -> LayerPath;

    /// Where the logits of a second task about the whole example come out, (batch, 2): whether the second text follows
    /// the first.
    fn next_sentence(&self) -> Option<LayerPath> {
        None
    }

    /// The checkpoint's name of the parameter at the dotted Rust field path `field_path`.
    fn parameter_name(field_path: &str) -> String {
        field_path.to_owned()
    }

    /// Where its parameters are, without autodiff; the CPU if it has none.
    fn device(&self) -> Device {
        self.devices().first().cloned().unwrap_or_else(Device::flex).without_autodiff()
    }

    /// The address that an alias such as `bert.output` (the last hidden state) stands for, or the path itself.
    fn resolve(&self, path: &LayerPath) -> LayerPath {
        path.clone()
    }
}

/// One tappable output of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerOutput {
    /// Its address.
    pub path: LayerPath,
    /// Its dimensions.
    pub shape: Shape,
}

/// The dimensions of a feature, with those that depend on the batch left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// (batch, width)
    Vectors {
        /// Width in features.
        width: usize,
    },
    /// (batch, length, width)
    Sequence {
        /// Width in features.
        width: usize,
    },
    /// (batch, heads, length, length)
    Attention {
        /// Number of heads.
        heads: usize,
    },
    /// (masked tokens, width), example by example; where the targets of a batch mask no token, (batch · length, width).
    MaskedTokens {
        /// Width in features.
        width: usize,
    },
    /// (batch, 2, length): scores of being the first and of being the last token of the answer.
    Spans,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vectors { width } => write!(f, "(batch, {width})"),
            Self::Sequence { width } => write!(f, "(batch, length, {width})"),
            Self::Attention { heads } => write!(f, "(batch, {heads}, length, length)"),
            Self::MaskedTokens { width } => write!(f, "(masked tokens, {width})"),
            Self::Spans => write!(f, "(batch, 2, length)"),
        }
    }
}

/// Parameter-wise views of a network under its checkpoint names.
pub trait Parameters: Network {
    /// Name and dimensions of every parameter, in field order.
    fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let mut lister = Lister::<Self> { path: Vec::new(), found: Vec::new(), network: PhantomData };
        self.visit(&mut lister);
        lister.found
    }

    /// The checkpoint names of the parameters with these ids.
    fn names_of(&self, ids: &[ParamId]) -> Vec<String> {
        let mut namer = Namer::<Self> { path: Vec::new(), ids, found: Vec::new(), network: PhantomData };
        self.visit(&mut namer);
        namer.found
    }

    /// Makes exactly the parameters of `block` trainable; all others become constants on the plain device,
    /// so that whatever lies before the block runs without a graph.
    fn train_only(self, block: &Block) -> Self {
        self.map(&mut Selector::<Self> { path: Vec::new(), block: Some(block), network: PhantomData })
    }

    /// Makes every parameter a constant on the plain device.
    fn frozen(self) -> Self {
        self.map(&mut Selector::<Self> { path: Vec::new(), block: None, network: PhantomData })
    }
}

impl<N: Network> Parameters for N {}

struct Lister<N> {
    path: Vec<String>,
    found: Vec<(String, Vec<usize>)>,
    network: PhantomData<N>,
}

impl<N: Network> ModuleVisitor for Lister<N> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push((N::parameter_name(&self.path.join(".")), param.lazy_shape().to_vec()));
    }
}

struct Namer<'a, N> {
    path: Vec<String>,
    ids: &'a [ParamId],
    found: Vec<String>,
    network: PhantomData<N>,
}

impl<N: Network> ModuleVisitor for Namer<'_, N> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.ids.contains(&param.id) {
            self.found.push(N::parameter_name(&self.path.join(".")));
        }
    }
}

struct Selector<'a, N> {
    path: Vec<String>,
    block: Option<&'a Block>,
    network: PhantomData<N>,
}

impl<N: Network> ModuleMapper for Selector<'_, N> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = N::parameter_name(&self.path.join("."));
        let trained = self.block.is_some_and(|block| block.holds(&name));
        let (id, tensor, _) = param.consume();
        let tensor = tensor.without_autodiff();
        Param::initialized(id, if trained { tensor.autodiff().require_grad() } else { tensor })
    }
}
