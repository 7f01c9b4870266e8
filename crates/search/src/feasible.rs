//! The architectures of a space that can be built at all.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::{Architecture, SearchSpace};

/// Why an architecture cannot be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Infeasible {
    /// The reason, worded alike for alike architectures, because reasons are counted.
    pub reason: Cow<'static, str>,
}

impl Infeasible {
    /// An infeasible architecture, such as `num_attention_heads does not divide hidden_size`.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Tells whether an architecture can be built, and if not, why.
pub type Rule = dyn Fn(&Architecture) -> Result<(), Infeasible> + Send + Sync;

/// A space and the architectures of it that can be built.
///
/// Up to [`FeasibleSpace::ENUMERATED`] points, the rule is asked about every one and
/// [`candidates`](Self::candidates) is the complete list. A larger space is represented by the
/// feasible ones among [`FeasibleSpace::SAMPLED`] points drawn with a fixed seed; advisors add the
/// one-dimension neighbours of good points, so the rest stays reachable.
#[derive(Clone)]
pub struct FeasibleSpace {
    space: SearchSpace,
    rule: Arc<Rule>,
    candidates: Vec<u64>,
    rejections: BTreeMap<String, u64>,
}

impl FeasibleSpace {
    /// The largest space of which every point is listed.
    pub const ENUMERATED: u64 = 1_000_000;
    /// How many points stand for a larger space.
    pub const SAMPLED: usize = 50_000;

    /// Asks the rule about the points of a space.
    pub fn new(
        space: SearchSpace,
        rule: impl Fn(&Architecture) -> Result<(), Infeasible> + Send + Sync + 'static,
    ) -> Self {
        let mut feasible =
            Self { rule: Arc::new(rule), candidates: Vec::new(), rejections: BTreeMap::new(), space };
        if feasible.is_complete() {
            feasible.ask_about(0..feasible.space.size() as u64);
        } else {
            feasible.ask_about(sampled_indices(feasible.space.size() as u64));
        }
        feasible
    }

    /// A space in which every architecture can be built.
    pub fn unrestricted(space: SearchSpace) -> Self {
        Self::new(space, |_| Ok(()))
    }

    fn ask_about(&mut self, indices: impl IntoIterator<Item = u64>) {
        for index in indices {
            let Some(architecture) = self.space.architecture_at(index) else { continue };
            match (self.rule)(&architecture) {
                Ok(()) => self.candidates.push(index),
                Err(infeasible) => *self.rejections.entry(infeasible.reason.into_owned()).or_default() += 1,
            }
        }
    }

    /// The whole space.
    pub fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// Whether [`candidates`](Self::candidates) lists every feasible architecture.
    pub fn is_complete(&self) -> bool {
        self.space.size() <= u128::from(Self::ENUMERATED)
    }

    /// Feasible points by their number in grid order, ascending.
    pub fn candidates(&self) -> &[u64] {
        &self.candidates
    }

    /// How many feasible points are listed.
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    /// Whether no feasible point is listed.
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// How many of the points asked about are infeasible, by reason.
    pub fn rejections(&self) -> &BTreeMap<String, u64> {
        &self.rejections
    }

    /// How many of the points asked about are infeasible.
    pub fn infeasible_count(&self) -> u64 {
        self.rejections.values().sum()
    }

    /// The architectures behind [`candidates`](Self::candidates), in the same order.
    pub fn architectures(&self) -> impl Iterator<Item = Architecture> + '_ {
        self.candidates.iter().filter_map(|&index| self.space.architecture_at(index))
    }

    /// Whether an architecture can be built.
    ///
    /// # Errors
    /// The rule's reason where it cannot.
    pub fn check(&self, architecture: &Architecture) -> Result<(), Infeasible> {
        (self.rule)(architecture)
    }

    /// Whether the point with a number can be built.
    pub fn is_feasible(&self, index: u64) -> bool {
        if self.is_complete() {
            return self.candidates.binary_search(&index).is_ok();
        }
        self.space.architecture_at(index).is_some_and(|architecture| self.check(&architecture).is_ok())
    }

    /// The feasible points that differ from this one in exactly one dimension.
    pub(crate) fn neighbours(&self, index: u64) -> Vec<u64> {
        let digits = self.space.digits(index);
        let mut found = Vec::new();
        for (position, dimension) in self.space.dimensions().iter().enumerate() {
            for digit in (0..dimension.choices.len()).filter(|&digit| digit != digits[position]) {
                let mut changed = digits.clone();
                changed[position] = digit;
                found.push(self.space.index_of_digits(&changed));
            }
        }
        found.retain(|&neighbour| self.is_feasible(neighbour));
        found
    }
}

impl fmt::Debug for FeasibleSpace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FeasibleSpace")
            .field("space", &self.space)
            .field("feasible", &self.len())
            .field("infeasible", &self.rejections)
            .finish_non_exhaustive()
    }
}

/// Distinct points of a large space, ascending, the same on every call.
fn sampled_indices(size: u64) -> Vec<u64> {
    let mut rng = ChaCha8Rng::from_seed(*b"autodistillation sampled space  ");
    let mut indices: Vec<u64> = (0..FeasibleSpace::SAMPLED).map(|_| rng.random_range(0..size)).collect();
    indices.sort_unstable();
    indices.dedup();
    indices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dimension;

    fn heads_divide_the_width(architecture: &Architecture) -> Result<(), Infeasible> {
        match (architecture.integer("width"), architecture.integer("heads")) {
            (Some(width), Some(heads)) if width % heads == 0 => Ok(()),
            _ => Err(Infeasible::new("heads does not divide width")),
        }
    }

    fn space(dimensions: usize, choices: i64) -> SearchSpace {
        SearchSpace::new((0..dimensions).map(|d| Dimension::new(format!("d{d}"), 1..=choices)).collect())
            .unwrap()
    }

    #[test]
    fn infeasible_points_are_counted_by_reason_and_never_listed() {
        let space =
            SearchSpace::new(vec![Dimension::new("width", [4, 6]), Dimension::new("heads", [1, 2, 3, 4])])
                .unwrap();
        let feasible = FeasibleSpace::new(space, heads_divide_the_width);
        assert_eq!(feasible.candidates(), [0, 1, 3, 4, 5, 6]);
        assert_eq!(feasible.infeasible_count(), 2);
        assert_eq!(feasible.rejections()["heads does not divide width"], 2);
        assert!(feasible.architectures().all(|a| heads_divide_the_width(&a).is_ok()));
    }

    #[test]
    fn neighbours_differ_in_one_dimension_and_are_feasible() {
        let feasible = FeasibleSpace::new(space(2, 3), |a| match a.integer("d1") {
            Some(3) => Err(Infeasible::new("too much")),
            _ => Ok(()),
        });
        assert_eq!(feasible.neighbours(0), [3, 6, 1]);
    }

    #[test]
    fn a_large_space_is_represented_by_a_reproducible_sample() {
        let large = || FeasibleSpace::unrestricted(space(12, 4));
        assert!(!large().is_complete());
        assert!(large().len() > FeasibleSpace::SAMPLED * 9 / 10);
        assert_eq!(large().candidates(), large().candidates());
        assert!(large().is_feasible(7) && !large().is_feasible(1 << 24));
    }
}
