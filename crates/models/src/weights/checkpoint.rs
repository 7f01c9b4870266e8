//! A checkpoint on disk: one safetensors file or several with an index, mapped into memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use half::slice::HalfFloatSliceExt;
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::error::{Error, ShardProblem};
use crate::files;

/// The tensors of a checkpoint by name. Numbers are read when asked for.
pub(crate) struct Checkpoint {
    shards: Vec<Shard>,
    /// Which shard has the tensor.
    shard_of: BTreeMap<String, usize>,
}

/// One safetensors file. Its header has been checked against its length.
struct Shard {
    map: Mmap,
    metadata: Metadata,
    /// Where the numbers begin.
    start: usize,
}

impl Checkpoint {
    /// Opens the weights of a network folder.
    ///
    /// # Errors
    ///
    /// No weights, an unreadable file, a header that its file contradicts, or an index that its shards contradict.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let (single, index) = (folder.join(files::WEIGHTS), folder.join(files::WEIGHTS_INDEX));
        if single.exists() {
            return Self::single(&single);
        }
        if index.exists() {
            return Self::sharded(folder, index);
        }
        Err(Error::NoWeights { folder: folder.to_owned() })
    }

    fn single(path: &Path) -> Result<Self, Error> {
        let shard = Shard::open(path)?;
        let shard_of = shard.metadata.offset_keys().into_iter().map(|name| (name, 0)).collect();
        Ok(Self { shards: vec![shard], shard_of })
    }

    fn sharded(folder: &Path, index: PathBuf) -> Result<Self, Error> {
        let file_of = weight_map(&index)?;
        let mut checkpoint = Self { shards: Vec::new(), shard_of: BTreeMap::new() };
        let mut opened = BTreeMap::new();
        for (tensor, file) in file_of {
            let position = match opened.get(&file) {
                Some(&position) => position,
                None => {
                    checkpoint.shards.push(Shard::open(&folder.join(&file))?);
                    let position = checkpoint.shards.len() - 1;
                    opened.insert(file.clone(), position);
                    position
                }
            };
            if checkpoint.shards[position].metadata.info(&tensor).is_none() {
                return Err(Error::ShardIndex {
                    path: index,
                    problem: ShardProblem::NotInShard { tensor, file },
                });
            }
            checkpoint.shard_of.insert(tensor, position);
        }
        Ok(checkpoint)
    }

    /// Name, dimensions and number format of every tensor, in order of the names.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.shard_of
            .iter()
            .filter_map(|(name, &shard)| Some((name.as_str(), self.shards[shard].metadata.info(name)?)))
    }

    /// The numbers of a tensor as f32; `None` for an unknown name or a format that is not read.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<f32>> {
        let shard = &self.shards[*self.shard_of.get(name)?];
        let info = shard.metadata.info(name)?;
        let (begin, end) = info.data_offsets;
        let bytes = shard.map.get(shard.start + begin..shard.start + end)?;
        match info.dtype {
            Dtype::F32 => Some(bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect()),
            Dtype::F16 => Some(halves(bytes, half::f16::from_bits).to_f32_vec()),
            Dtype::BF16 => Some(halves(bytes, half::bf16::from_bits).to_f32_vec()),
            _ => None,
        }
    }
}

/// Whether [`Checkpoint::read`] reads this number format.
pub(crate) fn is_readable(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
}

fn halves<T>(bytes: &[u8], from_bits: impl Fn(u16) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&two| from_bits(u16::from_le_bytes(two))).collect()
}

impl Shard {
    fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        // SAFETY: the map is only read, and only within its length, as bytes of any value. Another process
        // that cuts the file off while it is loaded would end this one with SIGBUS, as for any mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|source| Error::Safetensors { path: path.to_owned(), source })?;
        Ok(Self { map, metadata, start: header + size_of::<u64>() })
    }
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
