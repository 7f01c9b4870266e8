//! The only names that a pickle of weights may ask for, and what calling them makes. Nothing is imported or run.

use super::objects::{Object, Objects, Storage, TensorView, Value, count};
use super::{CheckpointProblem, STORAGES, StorageKind};

/// Most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;

/// A name that a pickle may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter` and `_rebuild_parameter_with_state`
    RebuildParameter,
    /// `torch.FloatStorage` and its like
    Storage(StorageKind),
}

impl Global {
    /// The global of a name.
    ///
    /// # Errors
    ///
    /// [`CheckpointProblem::Refused`] for every other one.
    pub(super) fn named(module: &str, name: &str) -> Result<Self, CheckpointProblem> {
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Ok(Self::RebuildParameter)
            }
            ("torch", class) => storage(class).ok_or_else(|| refused(module, name)),
            _ => Err(refused(module, name)),
        }
    }

    /// What a call with `arguments` makes.
    pub(super) fn call(self, arguments: Value, objects: &mut Objects) -> Result<Value, CheckpointProblem> {
        let items = objects.tuple(arguments).unwrap_or_default();
        let made = match self {
            Self::OrderedDict if items.is_empty() => Some(Object::Mapping(Vec::new())),
            Self::RebuildTensor => tensor(items, objects).map(Object::Tensor),
            Self::RebuildParameter => match items.first() {
                Some(&data) if objects.tensor(data).is_some() => return Ok(data),
                _ => None,
            },
            Self::OrderedDict | Self::Storage(_) => None,
        };
        let expected = "one that PyTorch writes for weights";
        let made = made.ok_or(CheckpointProblem::Malformed { part: "a call in its pickle", expected })?;
        Ok(objects.add(made))
    }
}

/// The storage that a persistent id names: `("storage", class, key, device, numbers)`, and in the older format a part
/// of it: `(…, None)` or `(…, (key, offset, numbers))`.
pub(super) fn persistent_storage(id: Value, objects: &Objects) -> Option<Storage> {
    let items = objects.tuple(id)?;
    let (&[tag, class, key, _, _], rest) = items.split_first_chunk()?;
    let Global::Storage(kind) = objects.global(class)? else { return None };
    objects.text(key)?;
    let skipped = match rest.first().and_then(|&part| objects.tuple(part)) {
        Some(part) => count(*part.get(1)?)?,
        None => 0,
    };
    (objects.text(tag)? == "storage").then_some(Storage { kind, key, skipped })
}

fn tensor(items: &[Value], objects: &Objects) -> Option<TensorView> {
    let (&[storage, offset, shape, strides], _) = items.split_first_chunk()?;
    objects.storage(storage)?;
    let counts = |value| {
        let items = objects.tuple(value).filter(|items| items.len() <= MOST_DIMENSIONS)?;
        items.iter().map(|&item| count(item)).collect::<Option<Vec<usize>>>()
    };
    Some(TensorView { storage, offset: count(offset)?, shape: counts(shape)?, strides: counts(strides)? })
}

fn storage(class: &str) -> Option<Global> {
    STORAGES.into_iter().find(|kind| kind.class == class).map(Global::Storage)
}

fn refused(module: &str, name: &str) -> CheckpointProblem {
    /// Characters of a name that an error shows.
    const SHOWN: usize = 80;
    CheckpointProblem::Refused { name: format!("{module}.{name}").chars().take(SHOWN).collect() }
}
