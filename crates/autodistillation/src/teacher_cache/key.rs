//! What the outputs of a cache folder depend on, as a hash.

use autodistillation_distillation::{Ensemble, ExampleSet, Network};
use autodistillation_models::{Arithmetic, Transformer};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::layer_file::FORMAT;

/// How outputs are computed and stored; in every key.
fn precision(teacher: &Transformer) -> &'static str {
    match teacher.arithmetic() {
        Arithmetic::F32 => "f32 kept as f16",
        Arithmetic::Bf16 => "bf16 kept as f16",
    }
}

/// The hash of a teacher's weights and config, and of how this program computes with them.
pub(super) struct TeacherHash(blake3::Hasher);

impl TeacherHash {
    /// Of all networks of an ensemble, in their order: another one beside it is another teacher.
    pub(super) fn of(teacher: &Ensemble<Transformer>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for network in teacher.networks() {
            add_network(&mut hasher, network);
        }
        Self(hasher)
    }

    /// The key of the teacher's outputs on `set`: 32 hexadecimal digits.
    pub(super) fn with(&self, set: &ExampleSet) -> String {
        let mut hasher = self.0.clone();
        if let Some(masking) = &set.masking {
            add(&mut hasher, format!("{masking:?}").as_bytes());
        }
        for example in &set.examples {
            let ids: Vec<u8> = example.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            add(&mut hasher, &ids);
            add(&mut hasher, &example.token_types);
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

fn add_network(hasher: &mut blake3::Hasher, network: &Transformer) {
    for part in [
        FORMAT,
        env!("CARGO_PKG_VERSION"),
        precision(network),
        std::env::consts::ARCH,
        instruction_set(),
        &format!("{:?}", network.device()),
        &network.config().to_json().to_string(),
    ] {
        add(hasher, part.as_bytes());
    }
    network.visit(&mut Weights { path: Vec::new(), hasher });
}

/// Adds a part with its length, so that no two lists of parts look alike.
fn add(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

/// Matrix products round as the widest instructions do.
fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if std::is_x86_feature_detected!("fma") {
            return "fma";
        }
    }
    "plain"
}

struct Weights<'a> {
    path: Vec<String>,
    hasher: &'a mut blake3::Hasher,
}

impl ModuleVisitor for Weights<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        add(self.hasher, Transformer::parameter_name(&self.path.join(".")).as_bytes());
        add(self.hasher, param.val().into_data().as_bytes());
    }
}
