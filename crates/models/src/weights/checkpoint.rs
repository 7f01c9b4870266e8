//! A checkpoint on disk: one weight file or several, mapped into memory, in any of the formats that are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::stored::Stored;
use super::{keras, pytorch, safetensors_file, tensor_bundle};
use crate::error::{Error, ShardProblem};
use crate::files;

/// The tensors of a checkpoint by name. Numbers are read when asked for.
pub(crate) struct Checkpoint {
    files: Vec<Mmap>,
    /// In which file each tensor is.
    tensors: BTreeMap<String, (usize, Stored)>,
}

/// One weight file: its bytes and the tensors in them, by the names that PyTorch has for them.
pub(super) struct WeightFile {
    pub(super) map: Mmap,
    pub(super) tensors: BTreeMap<String, Stored>,
}

type Open = fn(&Path) -> Result<WeightFile, Error>;

/// A format by the names of its files.
struct Format {
    whole: &'static str,
    /// The index of a checkpoint in several files.
    index: Option<&'static str>,
    open: Open,
}

/// The formats, the preferred one first.
const FORMATS: [Format; 3] = [
    Format { whole: files::WEIGHTS, index: Some(files::WEIGHTS_INDEX), open: safetensors_file::open },
    Format { whole: files::PYTORCH_WEIGHTS, index: Some(files::PYTORCH_INDEX), open: pytorch::open },
    Format { whole: files::KERAS_WEIGHTS, index: None, open: keras::open },
];

/// The file that stands for the weights in `folder`: the only one, or the index of several. `None` if there are none.
pub fn weights_file(folder: &Path) -> Option<PathBuf> {
    let names = FORMATS.iter().flat_map(|format| [Some(format.whole), format.index]).flatten();
    let found = names.map(|name| folder.join(name)).find(|path| path.exists());
    found.or_else(|| tensor_bundle::find(folder))
}

impl Checkpoint {
    /// Opens the weights of a network folder: safetensors, PyTorch's pickles, Keras' HDF5 or TensorFlow's bundles.
    ///
    /// # Errors
    ///
    /// No weights, an unreadable file, one that contradicts itself or asks for code, or an index that its files
    /// contradict.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        for format in &FORMATS {
            let whole = folder.join(format.whole);
            if whole.exists() {
                return Ok(Self::of(vec![(format.open)(&whole)?]));
            }
            if let Some(index) = format.index.map(|name| folder.join(name)).filter(|index| index.exists()) {
                return Self::sharded(folder, index, format.open);
            }
        }
        match tensor_bundle::find(folder) {
            Some(index) => Ok(Self::of(tensor_bundle::open(&index)?)),
            None => Err(Error::NoWeights { folder: folder.to_owned() }),
        }
    }

    fn of(parts: Vec<WeightFile>) -> Self {
        let mut checkpoint = Self { files: Vec::new(), tensors: BTreeMap::new() };
        for WeightFile { map, tensors } in parts {
            let file = checkpoint.files.len();
            checkpoint.files.push(map);
            checkpoint.tensors.extend(tensors.into_iter().map(|(name, stored)| (name, (file, stored))));
        }
        checkpoint
    }

    fn sharded(folder: &Path, index: PathBuf, open: Open) -> Result<Self, Error> {
        let mut parts: BTreeMap<String, WeightFile> = BTreeMap::new();
        let mut wanted: BTreeMap<String, BTreeMap<String, Stored>> = BTreeMap::new();
        for (tensor, file) in weight_map(&index)? {
            if !parts.contains_key(&file) {
                parts.insert(file.clone(), open(&folder.join(&file))?);
            }
            match parts.get(&file).and_then(|part| part.tensors.get(&tensor)) {
                Some(stored) => wanted.entry(file).or_default().insert(tensor, stored.clone()),
                None => {
                    return Err(Error::ShardIndex {
                        path: index,
                        problem: ShardProblem::NotInShard { tensor, file },
                    });
                }
            };
        }
        let parts = parts.into_iter().map(|(file, WeightFile { map, .. })| WeightFile {
            map,
            tensors: wanted.remove(&file).unwrap_or_default(),
        });
        Ok(Self::of(parts.collect()))
    }

    /// Name, dimensions and number format of every tensor, in order of the names.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.tensors.iter().map(|(name, (_, stored))| (name.as_str(), stored))
    }

    /// The numbers of a tensor as f32; `None` for an unknown name or a format that is not read.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<f32>> {
        let (file, stored) = self.tensors.get(name)?;
        stored.read(self.files.get(*file)?)
    }
}

/// Maps a file into memory.
pub(super) fn map(path: &Path) -> Result<Mmap, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // SAFETY: the map is only read, and only within its length, as bytes of any value. Another process
    // that cuts the file off while it is loaded would end this one with SIGBUS, as for any mapped file.
    unsafe { Mmap::map(&file) }.map_err(unreadable)
}

/// Tensor name to file name, as the index says.
fn weight_map(index: &Path) -> Result<BTreeMap<String, String>, Error> {
    let json = files::read_json(index)?;
    let malformed = |problem| Error::ShardIndex { path: index.to_owned(), problem };
    let entries = json.get("weight_map").and_then(|map| map.as_object());
    let entries = entries.ok_or_else(|| malformed(ShardProblem::NoWeightMap))?;
    let mut file_of = BTreeMap::new();
    for (tensor, file) in entries {
        let file = file.as_str().ok_or_else(|| malformed(ShardProblem::NoWeightMap))?;
        if Path::new(file).file_name() != Some(file.as_ref()) {
            return Err(malformed(ShardProblem::OutsideFolder { file: file.to_owned() }));
        }
        file_of.insert(tensor.clone(), file.to_owned());
    }
    Ok(file_of)
}
