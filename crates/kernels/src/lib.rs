//! Fused operators for small transformers, as Burn backend extensions: exact in f32, deterministic, fast on one core.
//!
//! Every operator takes plain and autodiff tensors in any mix: plain ones are constants. On the
//! Flex (CPU) backend forward and backward are hand-written loops; any other backend runs the
//! composition in [`composed`], which is also the reference that the tests compare with.

pub mod composed;

mod adamw;
mod attention;
mod autodiff;
mod bf16;
mod buffer;
mod column_sum;
mod cross_entropy;
mod dropout;
mod embedding;
mod gelu;
mod gemm_f32;
mod layer_norm;
mod lazy_table;
mod linear;
mod masked_softmax;
mod math;
#[cfg(test)]
mod parity;
mod product_sum;
mod row_gradient;
mod simd;

pub use adamw::{AdamWStep, WeightDecay, adamw_step, sum_of_squares};
pub use attention::attention;
pub use bf16::{Arithmetic, bf16_is_fast};
pub use cross_entropy::cross_entropy;
pub use dropout::{DropoutKey, dropout};
pub use embedding::{embedding, embedding_by_rows};
pub use gelu::{gelu, gelu_tanh};
pub use layer_norm::{add_layer_norm, layer_norm};
pub use lazy_table::LazyTable;
pub use linear::linear;
pub use masked_softmax::masked_softmax;
pub use product_sum::ProductSum;
pub use row_gradient::RowGradient;
