//! Networks in and out of Hugging Face folders.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use crate::error::{Error, Problems};
use crate::files;
use crate::weights::{
    Checkpoint, Conventions, Slot, Stored, WeightProblem, Weights, fill, is_readable, slots, to_hdf5,
};
use crate::{Head, Transformer, TransformerConfig};

/// A network that was read, with what its user should know.
#[derive(Clone, Debug)]
pub struct Loaded<N> {
    /// The network.
    pub network: N,
    /// What is not as in the checkpoint.
    pub warnings: Vec<LoadWarning>,
}

/// Something that loading did on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadWarning {
    /// The checkpoint has no head yet, so these parameters are random.
    HeadInitialized {
        /// Their names.
        names: Vec<String>,
    },
    /// Tensors of pretraining heads and derived values were left out.
    Ignored {
        /// Their names in the checkpoint.
        names: Vec<String>,
    },
}

impl fmt::Display for LoadWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadInitialized { names } => {
                write!(
                    f,
                    "not in the checkpoint and initialised at random: {}; train before use",
                    names.join(", ")
                )
            }
            Self::Ignored { names } => write!(f, "in the checkpoint and not used: {}", names.join(", ")),
        }
    }
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes a number.
    #[default]
    F32,
    /// Two bytes a number.
    F16,
}

/// Fills `blank` from the checkpoint in `folder`; `initial` makes a head that the checkpoint lacks.
pub(crate) fn load(
    folder: &Path,
    blank: Transformer,
    initial: impl Fn(&Slot) -> Vec<f32>,
) -> Result<Loaded<Transformer>, Error> {
    let checkpoint = Checkpoint::open(folder)?;
    let fitted = Fit::of(&slots(&blank), &checkpoint, &conventions(&blank, own_head(folder, blank.config())));
    if !fitted.problems.is_empty() {
        return Err(Error::Weights { folder: folder.to_owned(), problems: Problems(fitted.problems) });
    }
    check_decoder(folder, &checkpoint, &fitted)?;
    let mut broken = Vec::new();
    let network = fill(blank, |slot| match fitted.stored.get(&slot.name) {
        Some(stored) => {
            let values = checkpoint.read(stored)?;
            if !values.iter().all(|value| value.is_finite()) {
                broken.push(slot.name.clone());
            }
            Some(values)
        }
        None => Some(initial(slot)),
    });
    if !broken.is_empty() {
        return Err(Error::NotFinite { folder: folder.to_owned(), names: broken });
    }
    Ok(Loaded { network, warnings: fitted.warnings })
}

/// How the checkpoint of a network that ended in `stored` names the parameters of this one.
fn conventions(network: &Transformer, stored: Head) -> Conventions {
    network.config().family.conventions(network.config().head).in_checkpoint_of(stored)
}

/// The head of the network that a folder holds; that of `config` where the folder does not say.
fn own_head(folder: &Path, config: &TransformerConfig) -> Head {
    TransformerConfig::from_folder(folder).map_or(config.head, |own| own.head)
}

/// Refuses a language model whose decoder is not the table of its words, though its config says so.
fn check_decoder(folder: &Path, checkpoint: &Checkpoint, fitted: &Fit) -> Result<(), Error> {
    let table = fitted.stored.iter().find(|(name, _)| name.ends_with("embeddings.word_embeddings.weight"));
    if let (Some(decoder), Some((_, table))) = (&fitted.decoder, table)
        && checkpoint.read(decoder) != checkpoint.read(table)
    {
        return Err(Error::UntiedDecoder { folder: folder.to_owned(), name: decoder.clone() });
    }
    Ok(())
}

/// Which tensor of a checkpoint fills which parameter.
#[derive(Default)]
struct Fit {
    /// Parameter to tensor.
    stored: BTreeMap<String, String>,
    problems: Vec<WeightProblem>,
    warnings: Vec<LoadWarning>,
    /// A decoder that has to be the table of the words.
    decoder: Option<String>,
}

impl Fit {
    fn of(slots: &[Slot], checkpoint: &Checkpoint, conventions: &Conventions) -> Self {
        let mut fit = Self::default();
        let wanted: BTreeMap<&str, &Slot> = slots.iter().map(|slot| (slot.name.as_str(), slot)).collect();
        let mut ignored = Vec::new();
        for (stored, tensor) in checkpoint.tensors() {
            let name = conventions.parameter(stored);
            let has = |own: &str| checkpoint.tensors().any(|(stored, _)| stored == own);
            let name = conventions.stands_for(&name, has).map_or(name, str::to_owned);
            match wanted.get(name.as_str()) {
                Some(_) if conventions.is_of_another_task(&name) => ignored.push(stored.to_owned()),
                Some(slot) => fit.assign(slot, stored, tensor),
                // Nothing is lost with a matrix without rows, or with the bias under its other name.
                None if tensor.shape.contains(&0) => {}
                None if conventions.is_decoder(&name) => {
                    fit.decoder =
                        fit.decoder.or_else(|| name.ends_with(".weight").then(|| stored.to_owned()));
                }
                None if conventions.is_ignored(&name) => ignored.push(stored.to_owned()),
                None => fit
                    .problems
                    .push(WeightProblem::Unexpected { name: stored.to_owned(), dims: tensor.shape.clone() }),
            }
        }
        let missing = slots.iter().filter(|slot| !fit.stored.contains_key(&slot.name));
        let (head, body): (Vec<&Slot>, Vec<&Slot>) =
            missing.partition(|slot| conventions.is_head(&slot.name));
        let lacking = body
            .iter()
            .map(|slot| WeightProblem::Missing { name: slot.name.clone(), dims: slot.dims.clone() });
        fit.problems = lacking.chain(std::mem::take(&mut fit.problems)).collect();
        fit.warn(head.iter().map(|slot| slot.name.clone()).collect(), ignored);
        fit
    }

    fn assign(&mut self, slot: &Slot, stored: &str, tensor: &Stored) {
        let name = slot.name.clone();
        if tensor.shape != slot.dims {
            let (expected, found) = (slot.dims.clone(), tensor.shape.clone());
            self.problems.push(WeightProblem::Misshapen { name: name.clone(), expected, found });
        } else if !is_readable(&tensor.dtype) {
            self.problems
                .push(WeightProblem::Unreadable { name: name.clone(), dtype: tensor.dtype.to_string() });
        }
        if let Some(first) = self.stored.insert(name.clone(), stored.to_owned()) {
            self.problems.push(WeightProblem::Ambiguous { name, first, second: stored.to_owned() });
        }
    }

    fn warn(&mut self, head: Vec<String>, ignored: Vec<String>) {
        if !head.is_empty() {
            self.warnings.push(LoadWarning::HeadInitialized { names: head });
        }
        if !ignored.is_empty() {
            self.warnings.push(LoadWarning::Ignored { names: ignored });
        }
    }
}

/// Writes `config.json` and `model.safetensors` as `transformers` reads them. The folder is made where it is
/// missing; each file appears whole or not at all.
///
/// # Errors
///
/// A folder or file that cannot be written.
pub fn save(folder: &Path, network: &Transformer, precision: Precision) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })?;
    let path = folder.join(files::WEIGHTS);
    let weights = Weights::of(network).with_empty_rows(network.config());
    files::write(&path, &to_safetensors(&path, &weights, precision)?)?;
    save_config(folder, network.config(), precision)
}

/// Writes `config.json` and `tf_model.h5`, in f32, as the TensorFlow classes of `transformers` read them. The folder is
/// made where it is missing; each file appears whole or not at all.
///
/// # Errors
///
/// A folder or file that cannot be written.
pub fn save_tensorflow(folder: &Path, network: &Transformer) -> Result<(), Error> {
    let path = folder.join(files::KERAS_WEIGHTS);
    std::fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })?;
    let refused = |source| Error::SerializeHdf5 { path: path.clone(), source: Box::new(source) };
    files::write(&path, &to_hdf5(network).map_err(refused)?)?;
    save_config(folder, network.config(), Precision::F32)
}

/// Writes `config.json` for weights in `precision`.
pub(crate) fn save_config(
    folder: &Path,
    config: &TransformerConfig,
    precision: Precision,
) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })?;
    let mut config = config.to_json();
    if let Some(object) = config.as_object_mut() {
        object.remove("torch_dtype"); // The older name of `dtype`, which would contradict it.
        object.insert("dtype".to_owned(), json!(precision.dtype_name()));
        object.sort_keys();
    }
    let text = serde_json::to_string_pretty(&config)
        .map_err(|source| Error::Json { path: folder.join(files::CONFIG), source })?;
    files::write(&folder.join(files::CONFIG), (text + "\n").as_bytes())
}

fn to_safetensors(path: &Path, weights: &Weights, precision: Precision) -> Result<Vec<u8>, Error> {
    let refused = |source| Error::Serialize { path: path.to_owned(), source };
    let bytes: Vec<Vec<u8>> = weights.0.values().map(|weight| precision.bytes(&weight.values)).collect();
    let views = weights.0.iter().zip(&bytes).map(|((name, weight), bytes)| {
        Ok((name.as_str(), TensorView::new(precision.dtype(), weight.dims.clone(), bytes)?))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    safetensors::serialize(views, Some(format_metadata())).map_err(refused)
}

/// What `transformers` looks for before it reads a file.
pub(crate) fn format_metadata() -> HashMap<String, String> {
    HashMap::from([("format".to_owned(), "pt".to_owned())])
}

impl Precision {
    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
        }
    }

    fn dtype_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
        }
    }

    fn bytes(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::F16 => values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
