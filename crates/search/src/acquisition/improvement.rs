//! The expected hypervolume improvement of an architecture, exactly, for any number of goals.

use super::boxes::Partition;
use super::excess::{ExcessTable, Marginal};
use crate::surrogate::Warp;

/// The expected growth of the hypervolume when a point with independent goals joins a front.
///
/// The region that the front leaves free is cut into boxes; within a box the growth is the product
/// over goals of (min(Yᵢ, uᵢ) − lᵢ)⁺, and independence makes the expectation of the product the
/// product of expectations, each closed for a learned goal and exact for a known one. With one goal
/// this is expected improvement; with two, the strips of Yang et al., "Efficient computation of
/// expected hypervolume improvement using box decomposition algorithms" (2019).
#[derive(Debug, Clone)]
pub(crate) struct Improvement {
    partition: Partition,
    tables: Vec<ExcessTable>,
    excess: Vec<Vec<f64>>,
}

impl Improvement {
    /// Over a front and a reference in signed units; `warps` has one entry a goal, present where
    /// the goal is learned.
    pub(crate) fn new(front: &[Vec<f64>], reference: &[f64], warps: &[Option<&Warp>]) -> Self {
        let partition = Partition::new(front, reference);
        let levels = partition.levels.iter().cloned();
        let tables: Vec<ExcessTable> =
            levels.zip(warps).map(|(levels, warp)| ExcessTable::new(levels, *warp)).collect();
        Self { excess: vec![Vec::new(); tables.len()], tables, partition }
    }

    /// How many boxes one evaluation sums over.
    pub(crate) fn boxes(&self) -> usize {
        self.partition.boxes.len()
    }

    /// The expected growth, in the product of the goals' units.
    pub(crate) fn expected(&mut self, marginals: &[Marginal]) -> f64 {
        for ((table, marginal), excess) in self.tables.iter().zip(marginals).zip(&mut self.excess) {
            table.fill(*marginal, excess);
        }
        let gain =
            |goal: usize, lower: usize, upper: usize| self.excess[goal][lower] - self.excess[goal][upper];
        let volume = |lower: &[usize], upper: &[usize]| -> f64 {
            lower
                .iter()
                .zip(upper)
                .enumerate()
                .map(|(goal, (&lower, &upper))| gain(goal, lower, upper))
                .product()
        };
        self.partition.boxes.iter().map(|cell| volume(&cell.lower, &cell.upper)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervolume::hypervolume;
    use crate::surrogate::Belief;
    use proptest::prelude::*;
    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    /// A warp with a bend: the values have a long lower tail.
    fn bent() -> Warp {
        Warp::learn(&[-30.0, -2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0])
    }

    /// Box–Muller.
    fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
        let (a, b): (f64, f64) = (rng.random_range(f64::EPSILON..1.0), rng.random_range(0.0..1.0));
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// t with five degrees of freedom, scaled to variance 1.
    fn standard_student(rng: &mut ChaCha8Rng) -> f64 {
        let chi_squared: f64 = (0..5).map(|_| standard_normal(rng).powi(2)).sum();
        standard_normal(rng) * (3.0 / chi_squared).sqrt()
    }

    fn by_sampling(front: &[Vec<f64>], reference: &[f64], marginals: &[Marginal], warp: &Warp) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let before = hypervolume(front, reference);
        let draws = 40_000;
        let total: f64 = (0..draws)
            .map(|_| {
                let point = marginals.iter().map(|marginal| match marginal {
                    Marginal::Known(value) => *value,
                    Marginal::Learned(belief) => {
                        warp.backward(belief.mean + belief.deviation * standard_student(&mut rng))
                    }
                });
                let mut grown = front.to_vec();
                grown.push(point.collect());
                hypervolume(&grown, reference) - before
            })
            .sum();
        total / f64::from(draws)
    }

    fn marginal() -> impl Strategy<Value = Marginal> {
        prop_oneof![
            (-1.0..3.0f64).prop_map(Marginal::Known),
            (-1.0..1.5f64, 0.1..1.0f64)
                .prop_map(|(mean, deviation)| Marginal::Learned(Belief { mean, deviation })),
        ]
    }

    fn cases() -> impl Strategy<Value = (Vec<Vec<f64>>, Vec<Marginal>)> {
        (1usize..4).prop_flat_map(|goals| {
            let front = prop::collection::vec(prop::collection::vec(-1.0..2.0f64, goals), 0..4);
            (front, prop::collection::vec(marginal(), goals))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_closed_form_agrees_with_sampling((front, marginals) in cases()) {
            let warp = bent();
            let reference = vec![-3.0; marginals.len()];
            let exact = Improvement::new(&front, &reference, &vec![Some(&warp); marginals.len()]).expected(&marginals);
            let sampled = by_sampling(&front, &reference, &marginals, &warp);
            let tolerance = 0.06 * (1.0 + sampled.abs());
            prop_assert!((exact - sampled).abs() < tolerance, "{exact} against {sampled}");
        }
    }

    #[test]
    fn one_known_goal_gives_the_plain_improvement() {
        let mut improvement = Improvement::new(&[vec![2.0]], &[0.0], &[None]);
        assert_eq!(improvement.expected(&[Marginal::Known(2.5)]), 0.5);
        assert_eq!(improvement.expected(&[Marginal::Known(1.5)]), 0.0);
    }
}
