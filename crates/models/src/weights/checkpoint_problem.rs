//! The ways in which a weight file can contradict itself or ask for more than its numbers.

/// What is wrong with a weight file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointProblem {
    /// A pickle names something that is no part of a tensor.
    #[error(
        "refused: it asks to call `{name}`, and nothing in a checkpoint is ever run; \
         save it as safetensors where you trust it"
    )]
    Refused {
        /// Module and name, as Python would import them.
        name: String,
    },
    /// A pickle has an instruction that PyTorch does not write for weights.
    #[error("refused: its pickle has the opcode {opcode:#04x} at byte {at}, which no saved weights need")]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Its place in the pickle.
        at: usize,
    },
    /// Something stands where something else is expected.
    #[error("{part} is not {expected}: copy or download the file again")]
    Malformed {
        /// The part of the file.
        part: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A part ends before it is complete.
    #[error("{part} is cut off: copy or download the file again")]
    CutOff {
        /// The part of the file.
        part: &'static str,
    },
    /// A part is larger than any checkpoint needs.
    #[error("{part} is larger than {limit} bytes, which no checkpoint needs: download the file again")]
    TooLarge {
        /// The part of the file.
        part: &'static str,
        /// The most that is read.
        limit: usize,
    },
    /// A checksum does not agree with what it is of.
    #[error("the checksum of {part} does not agree with its bytes: copy or download the file again")]
    Checksum {
        /// The part of the file.
        part: &'static str,
    },
    /// The numbers of a tensor do not lie inside its file.
    #[error("the numbers of `{name}` do not lie inside the file: copy or download it again")]
    Outside {
        /// The tensor.
        name: String,
    },
    /// A tensor is stored in a way that is not read.
    #[error("`{name}` is stored {how}, which is not read: save the network as safetensors")]
    Layout {
        /// The tensor.
        name: String,
        /// How it is stored.
        how: &'static str,
    },
    /// An entry of the checkpoint is no tensor.
    #[error("`{name}` is not a tensor: save the network's `state_dict()` alone")]
    NotATensor {
        /// The entry.
        name: String,
    },
    /// Two tensors stand for one parameter.
    #[error("`{first}` and `{second}` both stand for `{name}`")]
    Ambiguous {
        /// The parameter.
        name: String,
        /// One tensor.
        first: String,
        /// The other.
        second: String,
    },
    /// The container is no archive that PyTorch writes.
    #[error("it is not a whole PyTorch archive: copy or download it again")]
    Archive(#[source] rawzip::Error),
    /// The container is no HDF5 file.
    #[error("it is not a whole HDF5 file: copy or download it again")]
    Hdf5(#[source] Box<hdf5_pure::Error>),
    /// The HDF5 library gave up on the file.
    #[error("it is not an HDF5 file that can be read: copy or download it again")]
    Unreadable,
}
