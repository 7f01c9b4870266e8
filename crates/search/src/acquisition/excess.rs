//! By how much a goal is expected to exceed each level of the front.

use super::student::expected_excess;
use crate::surrogate::{Belief, Warp};

/// What is believed of one goal: how its beliefs read, and the levels of interest.
#[derive(Debug, Clone)]
pub(crate) struct ExcessTable {
    /// The levels in the goal's unit, ascending.
    levels: Vec<f64>,
    /// Pieces of the warp between levels and bends, from the top down.
    pieces: Vec<Piece>,
}

/// A stretch of values over which the warp is linear.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// The surrogate's value at the lower end.
    warped_start: f64,
    /// The goal's units in one unit of the surrogate.
    scale: f64,
    /// Whether the lower end is a level (the next one down) rather than only a bend.
    ends_at_level: bool,
}

/// The distribution of one goal at one architecture, larger being better.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Marginal {
    /// Known before any training, in the goal's signed unit.
    Known(f64),
    /// Learned, in the surrogate's unit.
    Learned(Belief),
}

impl ExcessTable {
    /// For learned goals the surrogate's warp; without one the goal has to be known.
    pub(crate) fn new(levels: Vec<f64>, warp: Option<&Warp>) -> Self {
        let pieces = warp.map(|warp| pieces(&levels, warp)).unwrap_or_default();
        Self { levels, pieces }
    }

    /// E[(Y − t)⁺] for every level t, followed by 0 for the level at infinity, into `excess`.
    pub(crate) fn fill(&self, marginal: Marginal, excess: &mut Vec<f64>) {
        excess.clear();
        excess.resize(self.levels.len() + 1, 0.0);
        match marginal {
            Marginal::Known(value) => {
                for (slot, level) in excess.iter_mut().zip(&self.levels) {
                    *slot = (value - level).max(0.0);
                }
            }
            Marginal::Learned(belief) => self.integrate(belief, excess),
        }
    }

    /// ∫ₜ^∞ P(Y > u) du, piece by piece from the top: over a linear piece the integrand is
    /// F((μ − w(u)) / σ), whose integral is closed.
    fn integrate(&self, belief: Belief, excess: &mut [f64]) {
        let mut slots = excess[..self.levels.len()].iter_mut().rev();
        let (mut total, mut above) = (0.0, 0.0);
        for piece in &self.pieces {
            let below = expected_excess((belief.mean - piece.warped_start) / belief.deviation);
            total += belief.deviation * piece.scale * (below - above).max(0.0);
            above = below;
            if piece.ends_at_level
                && let Some(slot) = slots.next()
            {
                *slot = total;
            }
        }
    }
}

fn pieces(levels: &[f64], warp: &Warp) -> Vec<Piece> {
    let lowest = levels[0];
    let mut edges: Vec<f64> =
        levels.iter().copied().chain(warp.bends().filter(|&bend| bend > lowest)).collect();
    edges.sort_by(|a, b| b.total_cmp(a));
    edges.dedup();
    edges
        .into_iter()
        .map(|edge| Piece {
            warped_start: warp.forward(edge),
            scale: 1.0 / warp.slope_above(edge),
            ends_at_level: levels.contains(&edge),
        })
        .collect()
}
