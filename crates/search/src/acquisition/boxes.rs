//! The region that a front does not dominate, cut into boxes.

use crate::pareto;

/// A box by its corners, as positions in the sorted levels of each goal.
///
/// An upper position beyond the last level means unbounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LevelBox {
    pub(crate) lower: Vec<usize>,
    pub(crate) upper: Vec<usize>,
}

/// The levels of each goal and the disjoint boxes between them that together are everything above
/// the reference that the front does not dominate.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    /// For each goal, the reference followed by the front's distinct values above it, ascending.
    pub(crate) levels: Vec<Vec<f64>>,
    pub(crate) boxes: Vec<LevelBox>,
}

impl Partition {
    /// Cuts slabs along the last goal, each of which is the partition of the points that reach it
    /// in the goals before; n + 1 boxes for two goals, at most O(nᵈ⁻¹) for d.
    pub(crate) fn new(front: &[Vec<f64>], reference: &[f64]) -> Self {
        let above = |point: &&Vec<f64>| point.iter().zip(reference).all(|(value, limit)| value > limit);
        let points: Vec<&Vec<f64>> = front.iter().filter(above).collect();
        let levels: Vec<Vec<f64>> = reference
            .iter()
            .enumerate()
            .map(|(goal, &limit)| sorted_levels(points.iter().map(|point| point[goal]), limit))
            .collect();
        let place = |goal: usize, value: f64| levels[goal].partition_point(|&level| level < value);
        let ranked: Vec<Vec<usize>> = points
            .iter()
            .map(|point| point.iter().enumerate().map(|(goal, &value)| place(goal, value)).collect())
            .collect();
        let counts: Vec<usize> = levels.iter().map(Vec::len).collect();
        let boxes = slabs(ranked, &counts);
        Self { levels, boxes }
    }
}

fn sorted_levels(values: impl Iterator<Item = f64>, reference: f64) -> Vec<f64> {
    let mut levels: Vec<f64> = values.chain([reference]).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    levels
}

/// Boxes above level 0 that no point (in level positions) dominates.
fn slabs(points: Vec<Vec<usize>>, counts: &[usize]) -> Vec<LevelBox> {
    let Some((&count, before)) = counts.split_last() else {
        // With no goal left, the whole (a point) is free unless something dominates it.
        let free = LevelBox { lower: Vec::new(), upper: Vec::new() };
        return if points.is_empty() { vec![free] } else { Vec::new() };
    };
    let last = before.len();
    let mut cuts: Vec<usize> = points.iter().map(|point| point[last]).chain([0, count]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let slab = |cut: &[usize]| {
        let (start, end) = (cut[0], cut[1]);
        let reaching = points.iter().filter(|point| point[last] >= end).map(|point| point[..last].to_vec());
        slabs(undominated(reaching.collect()), before).into_iter().map(move |mut inner| {
            inner.lower.push(start);
            inner.upper.push(end);
            inner
        })
    };
    cuts.windows(2).flat_map(slab).collect()
}

fn undominated(mut points: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    points.sort_unstable();
    points.dedup();
    let values: Vec<Vec<f64>> =
        points.iter().map(|point| point.iter().map(|&level| level as f64).collect()).collect();
    pareto::non_dominated(&values).into_iter().map(|at| points[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervolume::hypervolume;
    use proptest::prelude::*;

    fn front_and_goals() -> impl Strategy<Value = Vec<Vec<f64>>> {
        (1usize..5).prop_flat_map(|goals| {
            prop::collection::vec(prop::collection::vec((-1..5i32).prop_map(f64::from), goals), 1..7)
        })
    }

    proptest! {
        #[test]
        fn the_boxes_and_the_dominated_volume_fill_everything(front in front_and_goals()) {
            let reference = vec![0.0; front[0].len()];
            let partition = Partition::new(&front, &reference);
            let bound = 6.0;
            let edge = |goal: usize, at: usize| partition.levels[goal].get(at).copied().unwrap_or(bound);
            let free: f64 = partition.boxes.iter().map(|cell| {
                (0..reference.len()).map(|goal| edge(goal, cell.upper[goal]) - edge(goal, cell.lower[goal])).product::<f64>()
            }).sum();
            let whole = bound.powi(reference.len() as i32);
            prop_assert!((free + hypervolume(&front, &reference) - whole).abs() < 1e-9);
        }
    }

    #[test]
    fn two_goals_give_one_box_more_than_points() {
        let partition = Partition::new(&[vec![1.0, 3.0], vec![2.0, 2.0], vec![3.0, 1.0]], &[0.0, 0.0]);
        assert_eq!(partition.boxes.len(), 4);
    }
}
