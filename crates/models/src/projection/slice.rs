//! A teacher layer's maps cut down to the student's width, heads and neurons.

use std::ops::Range;

use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::basis::Basis;
use super::fit::row_major;
use super::reading::Reading;
use super::states::{TeacherStates, attended};
use crate::TransformerConfig;
use crate::weights::{Weight, Weights};

/// Query, key, value and feed-forward input of student layer `block`; its output maps are fitted afterwards.
pub(super) fn block(
    basis: &Basis,
    states: &TeacherStates,
    (block, student): (usize, &TransformerConfig),
) -> Weights {
    let prefix = format!("bert.encoder.layer.{block}");
    let layer = states.layers()[block];
    let input = Reading::of_coordinates(basis, &states.input(block));
    let mut weights = Weights::default();
    let heads = Heads {
        states,
        layer,
        looking: &input,
        gathered: &input,
        outgoing: &basis.directions,
        heads: (student.num_attention_heads, student.head_size()),
    };
    for (name, map) in ["query", "key", "value"].into_iter().zip(heads.slice()) {
        insert(&mut weights, &format!("{prefix}.attention.self.{name}"), &map);
    }
    let attended = Reading::of_coordinates(basis, &attended(layer));
    let neurons = neurons(states, (&attended, layer), (0..student.intermediate_size, block as u64));
    insert(&mut weights, &format!("{prefix}.intermediate.dense"), &neurons);
    weights
}

/// The neurons of a teacher layer that come at these places in the order of their strength, as they read its attention's
/// output; beyond the teacher's last come random ones.
pub(super) fn neurons(
    states: &TeacherStates,
    (attended, layer): (&Reading, usize),
    (places, seed): (Range<usize>, u64),
) -> DMatrix<f64> {
    let wide = attended.through(states, &format!("bert.encoder.layer.{layer}.intermediate.dense"));
    let count = places.len();
    let ordered = strongest(states.neurons(layer), places.end);
    let kept = &ordered[places.start.min(ordered.len())..];
    let surplus = surplus_neurons(&wide, count.saturating_sub(kept.len()), seed);
    DMatrix::from_fn(count, wide.ncols(), |row, column| {
        kept.get(row).map_or_else(|| surplus[(row - kept.len(), column)], |&neuron| wide[(neuron, column)])
    })
}

/// Random neurons without bias, as long as the teacher's on average: `count` that a wider student has beside them. A
/// neuron of zeros would never learn.
fn surplus_neurons(teacher: &DMatrix<f64>, count: usize, seed: u64) -> DMatrix<f64> {
    let inputs = teacher.ncols() - 1;
    let spread = teacher.columns(0, inputs).norm() / ((teacher.nrows() * inputs).max(1) as f64).sqrt();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let uniform = 3f64.sqrt() * spread; // has that standard deviation
    DMatrix::from_fn(count, inputs + 1, |_, column| match column {
        column if column == inputs => 0.0,
        _ => uniform * rng.random_range(-1.0..1.0),
    })
}

/// Inserts a map (out, in + 1), whose last column is the bias.
pub(super) fn insert(weights: &mut Weights, name: &str, map: &DMatrix<f64>) {
    let inputs = map.ncols() - 1;
    let matrix = map.columns(0, inputs).into_owned();
    let bias = map.column(inputs).iter().map(|value| *value as f32).collect();
    weights.0.insert(
        format!("{name}.weight"),
        Weight { dims: vec![map.nrows(), inputs], values: row_major(&matrix) },
    );
    weights.0.insert(format!("{name}.bias"), Weight { dims: vec![map.nrows()], values: bias });
}

/// The places of the `count` largest values, largest first.
fn strongest(values: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    order.truncate(count);
    order
}

/// The attention of one layer on its way to the student's heads.
pub(super) struct Heads<'a> {
    pub(super) states: &'a TeacherStates,
    /// The teacher's.
    pub(super) layer: usize,
    /// The teacher's input as queries and keys see it.
    pub(super) looking: &'a Reading,
    /// The teacher's input as values see it.
    pub(super) gathered: &'a Reading,
    /// The directions in which the attention's output counts, (teacher width, any).
    pub(super) outgoing: &'a DMatrix<f64>,
    /// The student's, how many and how wide.
    pub(super) heads: (usize, usize),
}

impl Heads<'_> {
    /// Maps to queries, keys and values, (width, inputs + 1). Each student head stands for a run of teacher heads: its
    /// scores are the best low-rank copy of their mean scores, its values the best low-rank copy of what they add together.
    pub(super) fn slice(&self) -> [DMatrix<f64>; 3] {
        let attention = format!("bert.encoder.layer.{}.attention", self.layer);
        let map =
            |reading: &Reading, name: &str| reading.through(self.states, &format!("{attention}.self.{name}"));
        let (query, key) = (map(self.looking, "query"), map(self.looking, "key"));
        let value = map(self.gathered, "value");
        let output = self.states.matrix(&format!("{attention}.output.dense.weight"));
        let (count, size) = self.heads;
        let mut sliced = [&query, &key, &value].map(|map| DMatrix::zeros(count * size, map.ncols()));
        for head in 0..count {
            let group = self.group(head);
            // Student heads that share one teacher head take its directions in turn.
            let before = (0..head).filter(|&other| self.group(other) == group).count() * size;
            let (queries, keys) = self.scores((&query, &key), &group, before);
            let values = self.values((&value, &output), &group, before);
            for (whole, part) in sliced.iter_mut().zip([queries, keys, values]) {
                whole.rows_mut(head * size, size).copy_from(&part);
            }
        }
        sliced
    }

    /// The teacher heads that student head `head` stands for.
    fn group(&self, head: usize) -> Range<usize> {
        let (theirs, ours) = (self.states.config().num_attention_heads, self.heads.0);
        let start = head * theirs / ours;
        start..((head + 1) * theirs / ours).max(start + 1)
    }

    /// The rows of a map that belong to a group of the teacher's heads.
    fn rows_of(&self, group: &Range<usize>) -> (usize, usize) {
        let size = self.states.config().head_size();
        (group.start * size, group.len() * size)
    }

    fn scores(
        &self,
        (query, key): (&DMatrix<f64>, &DMatrix<f64>),
        group: &Range<usize>,
        before: usize,
    ) -> (DMatrix<f64>, DMatrix<f64>) {
        let (start, count) = self.rows_of(group);
        let scale = group.len() as f64 * (self.states.config().head_size() as f64).sqrt();
        let (queries, keys) = (query.rows(start, count) / scale, key.rows(start, count).into_owned());
        let size = self.heads.1;
        let (left, right) = factors(queries, keys, before..before + size);
        let scale = (size as f64).powf(0.25); // The student divides its scores by the root of its head size.
        (left * scale, right * scale)
    }

    fn values(
        &self,
        (value, output): (&DMatrix<f64>, &DMatrix<f64>),
        group: &Range<usize>,
        before: usize,
    ) -> DMatrix<f64> {
        let (start, count) = self.rows_of(group);
        let width = value.ncols() - 1;
        let outgoing = output.columns(start, count).transpose() * self.outgoing;
        let incoming = value.view((start, 0), (count, width)).into_owned();
        let (_, right) = factors(outgoing, incoming, before..before + self.heads.1);
        right.insert_column(width, 0.0)
    }
}

/// L (rank, columns of a) and R (rank, columns of b) with Lᵀ R the part of aᵀ b in these of its singular directions, the
/// strongest first: its best approximation of that rank where they begin at 0.
fn factors(a: DMatrix<f64>, b: DMatrix<f64>, directions: Range<usize>) -> (DMatrix<f64>, DMatrix<f64>) {
    // aᵀ b = Q S (Q′)ᵀ with S as small as a and b have rows.
    let (left, right) = (a.transpose().qr(), b.transpose().qr());
    let decomposition = (left.r() * right.r().transpose()).svd(true, true);
    let values = &decomposition.singular_values;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let kept: Vec<usize> = order.into_iter().skip(directions.start).take(directions.len()).collect();
    let side = |q: DMatrix<f64>, vectors: Option<DMatrix<f64>>| {
        let vectors = vectors.unwrap_or_else(|| DMatrix::zeros(q.ncols(), values.len()));
        let mut chosen = (q * vectors.select_columns(&kept)).transpose();
        chosen.row_iter_mut().zip(&kept).for_each(|(mut row, &at)| row *= values[at].sqrt());
        chosen.resize_vertically(directions.len(), 0.0)
    };
    let right_vectors = decomposition.v_t.as_ref().map(DMatrix::transpose);
    (side(left.q(), decomposition.u.clone()), side(right.q(), right_vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> (DMatrix<f64>, DMatrix<f64>) {
        let a = DMatrix::from_row_slice(2, 4, &[1.0, 2.0, -1.0, 0.5, -3.0, 4.0, 0.3, 1.0]);
        let b = DMatrix::from_row_slice(2, 3, &[0.7, -1.0, 2.0, 1.5, 0.2, -0.4]);
        (a, b)
    }

    #[test]
    fn factors_of_full_rank_give_the_product_back() {
        let (a, b) = product();
        let (left, right) = factors(a.clone(), b.clone(), 0..2);
        assert!((left.transpose() * right - a.transpose() * b).norm() < 1e-9);
    }

    #[test]
    fn parts_in_different_directions_add_up_to_the_product() {
        let (a, b) = product();
        let part = |directions| {
            let (left, right) = factors(a.clone(), b.clone(), directions);
            left.transpose() * right
        };
        assert!((part(0..1) + part(1..2) - a.transpose() * &b).norm() < 1e-9);
        assert!(part(0..1).norm() > part(1..2).norm());
        assert_eq!(part(2..3).norm(), 0.0, "there is no third direction");
    }

    #[test]
    fn more_rows_than_columns_are_no_obstacle() {
        let (a, b) = (
            DMatrix::from_fn(5, 2, |i, j| (i * 3 + j) as f64 - 4.0),
            DMatrix::from_fn(5, 3, |i, j| ((i + j) % 3) as f64),
        );
        let (left, right) = factors(a.clone(), b.clone(), 0..3);
        assert_eq!((left.nrows(), right.nrows()), (3, 3));
        assert!((left.transpose() * right - a.transpose() * b).norm() < 1e-9);
    }

    #[test]
    fn the_strongest_neurons_come_first() {
        assert_eq!(strongest(&[0.1, 3.0, 2.0, 3.0], 3), [1, 3, 2]);
    }
}
