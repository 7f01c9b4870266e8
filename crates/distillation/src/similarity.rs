//! How similar a network's layers are to each other, and which of them a shallower network does best to follow.

use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector};

/// Linear centred kernel alignment (Kornblith et al. 2019) between the states that a network has on its way: 1 between
/// states that are equal up to a rotation, a shift and a scale, 0 between unrelated ones.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSimilarity {
    /// Place 0 is what the first layer is given, place i + 1 what layer i returns.
    values: DMatrix<f64>,
}

impl LayerSimilarity {
    /// Of a network with these similarities between all places, (layers + 1, layers + 1).
    pub fn new(values: DMatrix<f64>) -> Self {
        Self { values }
    }

    /// Layers of the network.
    pub fn layers(&self) -> usize {
        self.values.nrows().saturating_sub(1)
    }

    /// The similarity of what goes into layer `from` and what comes out of layer `to`.
    pub fn across(&self, from: usize, to: usize) -> Option<f64> {
        self.values.get((from, to + 1)).copied()
    }

    /// The `count` layers, ascending and ending with the last, along which the states change least from one to the next:
    /// the largest change is as small as can be, and among those the sum of similarities is largest. `None` when the
    /// network has fewer layers.
    ///
    /// A network of `count` layers that follows them has no layer with more to do than necessary. Found by dynamic
    /// programming over places.
    pub fn path(&self, count: usize) -> Option<Vec<usize>> {
        if count == 0 || count > self.layers() {
            return None;
        }
        let least = self.best(count, f64::min, f64::INFINITY, f64::NEG_INFINITY)?.0;
        let path = self.best(count, |sum, step| sum + step, 0.0, least)?.1;
        Some(path.into_iter().map(|place| place - 1).collect())
    }

    /// The path of `count` steps from place 0 to the last that makes the most of `join`, with no step below `least`: what
    /// it makes, and its places without the first.
    fn best(
        &self,
        count: usize,
        join: impl Fn(f64, f64) -> f64,
        start: f64,
        least: f64,
    ) -> Option<(f64, Vec<usize>)> {
        let mut reached: Vec<Option<(f64, Vec<usize>)>> = vec![None; self.values.nrows()];
        *reached.first_mut()? = Some((start, Vec::new()));
        for _ in 0..count {
            let further = |to: usize| {
                let mut best: Option<(f64, Vec<usize>)> = None;
                for (from, before) in reached.iter().enumerate().take(to) {
                    let step = self.values[(from, to)];
                    let Some((value, places)) = before.as_ref().filter(|_| step >= least) else { continue };
                    let value = join(*value, step);
                    if best.as_ref().is_none_or(|(best, _)| value > *best) {
                        best = Some((value, places.iter().copied().chain([to]).collect()));
                    }
                }
                best
            };
            reached = (0..reached.len()).map(further).collect();
        }
        reached.pop()?
    }
}

/// Sums over tokens from which similarities follow, gathered batch by batch.
#[derive(Clone, Debug)]
pub struct SimilaritySums {
    rows: f64,
    sums: Vec<DVector<f64>>,
    /// Xᵢᵀ Xⱼ for i ≤ j.
    products: Vec<Vec<DMatrix<f64>>>,
}

impl SimilaritySums {
    /// No rows yet, for states of these widths.
    pub fn new(widths: &[usize]) -> Self {
        let of = |i: usize| widths[i..].iter().map(|&width| DMatrix::zeros(widths[i], width)).collect();
        Self {
            rows: 0.0,
            sums: widths.iter().map(|&width| DVector::zeros(width)).collect(),
            products: (0..widths.len()).map(of).collect(),
        }
    }

    /// Adds `rows` real rows of every place's states, (rows, width) each; rows where `mask`, (rows, 1), is 0 are left out.
    pub fn add(&mut self, states: &[Tensor<2>], mask: Tensor<2>, rows: f64) {
        let states: Vec<Tensor<2>> = states.iter().map(|states| states.clone() * mask.clone()).collect();
        self.rows += rows;
        for (sum, states) in self.sums.iter_mut().zip(&states) {
            let numbers = numbers(states.clone().sum_dim(0));
            sum.iter_mut().zip(numbers).for_each(|(sum, value)| *sum += value);
        }
        for (i, products) in self.products.iter_mut().enumerate() {
            for (product, other) in products.iter_mut().zip(&states[i..]) {
                let numbers = numbers(states[i].clone().transpose().matmul(other.clone()));
                let columns = product.ncols().max(1);
                numbers.enumerate().for_each(|(at, value)| product[(at / columns, at % columns)] += value);
            }
        }
    }

    /// ‖X̃ᵀ Ỹ‖² / (‖X̃ᵀ X̃‖ ‖Ỹᵀ Ỹ‖) between all places, X̃ being the states without their mean; 0 for constant states.
    pub fn similarity(&self) -> LayerSimilarity {
        let centered = |i: usize, j: usize| {
            let (i, j) = (i.min(j), i.max(j));
            let means = &self.sums[i] * self.sums[j].transpose() / self.rows.max(1.0);
            (&self.products[i][j - i] - means).norm()
        };
        let own: Vec<f64> = (0..self.sums.len()).map(|i| centered(i, i)).collect();
        let value = |i: usize, j: usize| {
            let scale = own[i] * own[j];
            if scale > 0.0 { centered(i, j).powi(2) / scale } else { 0.0 }
        };
        LayerSimilarity::new(DMatrix::from_fn(own.len(), own.len(), value))
    }
}

fn numbers(tensor: Tensor<2>) -> impl Iterator<Item = f64> {
    let values: Vec<f32> = tensor.without_autodiff().into_data().try_to_vec().unwrap_or_default();
    values.into_iter().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use proptest::prelude::*;

    fn tensor(values: &[f32], width: usize) -> Tensor<2> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape([values.len() / width, width])
    }

    fn similar(places: &[Tensor<2>]) -> LayerSimilarity {
        let widths: Vec<usize> = places.iter().map(|states| states.dims()[1]).collect();
        let mut sums = SimilaritySums::new(&widths);
        let rows = places[0].dims()[0];
        for row in 0..rows {
            let one: Vec<Tensor<2>> = places.iter().map(|states| states.clone().narrow(0, row, 1)).collect();
            sums.add(&one, tensor(&[1.0], 1), 1.0);
        }
        sums.similarity()
    }

    proptest! {
        #[test]
        fn rotations_shifts_and_scales_change_nothing(values in prop::collection::vec(-2f32..2.0, 24), shift in -3f32..3.0, scale in 0.5f32..2.0) {
            let states = tensor(&values, 2);
            let (sine, cosine) = 0.7f32.sin_cos();
            let turned = states.clone().matmul(tensor(&[cosine, sine, -sine, cosine], 2)) * scale + shift;
            let found = similar(&[states, turned]).across(0, 0).unwrap();
            prop_assert!((found - 1.0).abs() < 1e-3, "{found}");
        }

        #[test]
        fn no_other_path_has_a_smaller_largest_change(values in prop::collection::vec(0f64..1.0, 36), count in 1usize..6) {
            let similarity = LayerSimilarity::new(DMatrix::from_fn(6, 6, |i, j| values[i.min(j) * 6 + i.max(j)]));
            let path = similarity.path(count).unwrap();
            prop_assert!(path.windows(2).all(|pair| pair[0] < pair[1]) && path.last() == Some(&4));
            let steps = |path: &[usize]| -> Vec<f64> {
                let before = std::iter::once(0).chain(path.iter().map(|layer| layer + 1));
                before.zip(path).map(|(from, to)| similarity.across(from, *to).unwrap()).collect()
            };
            let worth = |path: &[usize]| {
                let steps = steps(path);
                (steps.iter().copied().fold(f64::INFINITY, f64::min), steps.iter().sum::<f64>())
            };
            for chosen in 0..32u32 {
                let other: Vec<usize> = (0..5).filter(|layer| chosen >> layer & 1 == 1).collect();
                if other.len() == count && other.last() == Some(&4) {
                    let (own, other) = (worth(&path), worth(&other));
                    prop_assert!(own.0 > other.0 || (own.0 == other.0 && own.1 >= other.1 - 1e-12));
                }
            }
        }
    }

    #[test]
    fn agrees_with_the_formula_on_centred_states() {
        // Centred: (−1, 0, 1) and (1, −2, 1), which are orthogonal; then the two together.
        let (a, b) = (tensor(&[4., 5., 6.], 1), tensor(&[2., -1., 2.], 1));
        let both = Tensor::cat(vec![a.clone(), b.clone()], 1);
        let found = similar(&[a, b, both]);
        assert!(found.across(0, 0).unwrap().abs() < 1e-9);
        // ‖XᵀY‖² = 2² ; ‖XᵀX‖ = 2 ; ‖YᵀY‖ = √(2² + 6²).
        assert!((found.across(0, 1).unwrap() - 4.0 / (2.0 * 40f64.sqrt())).abs() < 1e-6);
        assert_eq!(found.path(3), None, "there are two layers");
    }

    #[test]
    fn padding_does_not_count() {
        let states = [tensor(&[1., 2., 0., 1., 9., 9.], 2), tensor(&[3., 1., -5.], 1)];
        let mut sums = SimilaritySums::new(&[2, 1]);
        sums.add(&states, tensor(&[1., 1., 0.], 1), 2.0);
        let real = [tensor(&[1., 2., 0., 1.], 2), tensor(&[3., 1.], 1)];
        let (found, expected) = (sums.similarity(), similar(&real));
        assert!((found.across(0, 0).unwrap() - expected.across(0, 0).unwrap()).abs() < 1e-9);
    }
}
