//! The first trials, spread over the space.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::Proposal;
use crate::surrogate::Encoding;

/// How many random points compete for being farthest from the trials.
const COMPETITORS: usize = 64;

/// Among random untried points, the one farthest from every trial; `untried` is not empty.
pub(super) fn spread(request: &Proposal<'_>, untried: &[u64], rng: &mut ChaCha8Rng) -> u64 {
    let space = request.feasible.space();
    let encoding = Encoding::new(space);
    let tried: Vec<Vec<usize>> =
        request.tried().into_iter().map(|index| encoding.point(space, index)).collect();
    let remoteness = |index: u64| {
        let point = encoding.point(space, index);
        let distances = tried.iter().map(|other| encoding.squared_distance(&point, other));
        distances.fold(f64::INFINITY, f64::min)
    };
    let mut chosen = untried[rng.random_range(0..untried.len())];
    let mut farthest = remoteness(chosen);
    for _ in 1..COMPETITORS {
        let rival = untried[rng.random_range(0..untried.len())];
        let distance = remoteness(rival);
        if distance > farthest {
            (chosen, farthest) = (rival, distance);
        }
    }
    chosen
}
