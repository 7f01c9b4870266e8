//! A tensor in a mapped file: what it is, and where its numbers lie.

use std::fmt;

use half::slice::HalfFloatSliceExt;

use super::transposed;

/// A tensor's shape and number format, with the place of its numbers in its file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    /// Dimensions.
    pub(crate) shape: Vec<usize>,
    /// How its numbers are stored.
    pub(crate) dtype: NumberFormat,
    /// Byte of the first number.
    start: usize,
    /// How many numbers apart neighbours of each dimension lie.
    strides: Vec<usize>,
}

/// How numbers are stored, least significant byte first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NumberFormat {
    /// IEEE 754, 4 bytes.
    F32,
    /// IEEE 754, 2 bytes.
    F16,
    /// The upper half of an F32.
    BF16,
    /// IEEE 754, 8 bytes.
    F64,
    /// A kind that no parameter has, by its name in the file.
    Other(String),
}

/// Where a tensor lies inside its file.
pub(super) struct Placed {
    /// Byte of the first number.
    pub(super) start: usize,
    /// How many numbers apart neighbours of each dimension lie.
    pub(super) strides: Vec<usize>,
    /// The byte before which the numbers must end.
    pub(super) end: usize,
}

impl NumberFormat {
    pub(super) fn other(name: impl fmt::Display) -> Self {
        Self::Other(name.to_string())
    }

    /// Bytes of a number; what is never read needs no room.
    fn bytes(&self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::F64 => 8,
            Self::Other(_) => 0,
        }
    }

    fn decode(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        match self {
            Self::F32 => Some(bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect()),
            Self::F16 => Some(halves(bytes, half::f16::from_bits).to_f32_vec()),
            Self::BF16 => Some(halves(bytes, half::bf16::from_bits).to_f32_vec()),
            Self::F64 => {
                Some(bytes.as_chunks().0.iter().map(|&eight| f64::from_le_bytes(eight) as f32).collect())
            }
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for NumberFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(name) => f.write_str(name),
            known => write!(f, "{known:?}"),
        }
    }
}

/// Whether [`Stored::read`] reads this number format.
pub(crate) fn is_readable(format: &NumberFormat) -> bool {
    !matches!(format, NumberFormat::Other(_))
}

impl Stored {
    /// A tensor whose numbers follow each other row after row; `None` if they reach beyond `end`.
    pub(super) fn dense(
        dtype: NumberFormat,
        shape: Vec<usize>,
        (start, end): (usize, usize),
    ) -> Option<Self> {
        let strides = dense_strides(&shape)?;
        Self::new(dtype, shape, Placed { start, strides, end })
    }

    /// A tensor with strides; `None` if a number lies beyond the end, or if there are more numbers than room for them,
    /// as when a dimension is only repeated.
    pub(super) fn new(dtype: NumberFormat, shape: Vec<usize>, placed: Placed) -> Option<Self> {
        let Placed { start, strides, end } = placed;
        let stored = Self { shape, dtype, start, strides };
        let room = end.checked_sub(start)?;
        let count = stored.shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size))?;
        let needed = stored.span()?.max(count).checked_mul(stored.dtype.bytes())?;
        (stored.shape.len() == stored.strides.len() && needed <= room).then_some(stored)
    }

    /// The same numbers with the dimensions in the opposite order.
    pub(super) fn transpose(mut self) -> Self {
        self.shape.reverse();
        self.strides.reverse();
        self
    }

    /// Its numbers as f32, row after row; `None` for a format that is not read.
    pub(super) fn read(&self, file: &[u8]) -> Option<Vec<f32>> {
        let length = self.span()?.checked_mul(self.dtype.bytes())?;
        let values = self.dtype.decode(file.get(self.start..)?.get(..length)?)?;
        match (self.shape.as_slice(), self.strides.as_slice()) {
            (shape, strides) if dense_strides(shape)? == strides => Some(values),
            (&[rows, columns], &[1, stride]) if stride == rows => Some(transposed(&values, columns, rows)),
            _ => Some(self.gather(&values)),
        }
    }

    /// Numbers from the first to the last, unused ones between them included.
    fn span(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let mut steps = self.shape.iter().zip(&self.strides);
        steps.try_fold(1usize, |span, (&size, &stride)| span.checked_add((size - 1).checked_mul(stride)?))
    }

    fn gather(&self, values: &[f32]) -> Vec<f32> {
        let mut offsets = vec![0];
        for (&size, &stride) in self.shape.iter().zip(&self.strides) {
            offsets = offsets.iter().flat_map(|at| (0..size).map(move |step| at + step * stride)).collect();
        }
        offsets.into_iter().map(|at| values[at]).collect()
    }
}

fn dense_strides(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![1usize; shape.len()];
    for dimension in (1..shape.len()).rev() {
        strides[dimension - 1] = strides[dimension].checked_mul(shape[dimension].max(1))?;
    }
    Some(strides)
}

fn halves<T>(bytes: &[u8], from_bits: impl Fn(u16) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&two| from_bits(u16::from_le_bytes(two))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        (0..24).flat_map(|value| (value as f32).to_le_bytes()).collect()
    }

    fn placed(start: usize, strides: &[usize]) -> Placed {
        Placed { start, strides: strides.to_vec(), end: 96 }
    }

    #[test]
    fn dense_transposed_and_strided_tensors_are_read_in_the_order_of_their_dimensions() {
        let dense = Stored::dense(NumberFormat::F32, vec![2, 3], (8, 96)).unwrap();
        assert_eq!(dense.read(&file()).unwrap(), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(dense.transpose().read(&file()).unwrap(), [2.0, 5.0, 3.0, 6.0, 4.0, 7.0]);
        let every_second = Stored::new(NumberFormat::F32, vec![2, 2, 2], placed(4, &[8, 1, 2])).unwrap();
        assert_eq!(every_second.read(&file()).unwrap(), [1.0, 3.0, 2.0, 4.0, 9.0, 11.0, 10.0, 12.0]);
        let doubles: Vec<u8> = [0.5f64, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let stored = Stored::dense(NumberFormat::F64, vec![2], (0, 16)).unwrap();
        assert_eq!(stored.read(&doubles).unwrap(), [0.5, -2.0]);
    }

    #[test]
    fn what_reaches_beyond_its_room_is_refused() {
        assert!(Stored::dense(NumberFormat::F32, vec![4, 6], (0, 96)).is_some());
        assert!(Stored::dense(NumberFormat::F32, vec![5, 5], (0, 96)).is_none());
        assert!(Stored::dense(NumberFormat::F32, vec![usize::MAX, usize::MAX], (0, 96)).is_none());
        assert!(Stored::new(NumberFormat::F32, vec![2], placed(0, &[usize::MAX])).is_none());
        assert!(Stored::new(NumberFormat::F32, vec![1 << 40], placed(0, &[0])).is_none(), "repeated");
        assert!(Stored::dense(NumberFormat::F32, vec![0, 7], (100, 96)).is_none());
        let empty = Stored::dense(NumberFormat::F32, vec![0, 7], (96, 96)).unwrap();
        assert!(empty.read(&file()).unwrap().is_empty());
    }
}
