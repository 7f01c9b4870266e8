//! AdamW over a table of which a step touches few rows: rows are updated when they are needed, as if at every step.

use burn::{backend::Flex, tensor::Tensor};

use crate::{
    AdamWStep, RowGradient, WeightDecay,
    adamw::{Factors, flex, is_plain_fused},
    buffer::{elements, elements_mut, unique},
    simd::{Kernel, run_all},
};

/// Steps without a gradient after which the first moment has decayed to 10⁻¹² of itself and stops counting (0.9²⁵⁶ = 2·10⁻¹²).
const FADED: u32 = 256;

/// Moments of a table (rows, width), and the steps that each of its rows has taken.
///
/// The dense AdamW moves every row at every step, by its moments and the weight decay. Here a row takes the steps it
/// has missed, one after another, just before it is looked up ([`LazyTable::catch_up`]), and all rows at the end
/// ([`LazyTable::settle`]).
#[derive(Debug)]
pub struct LazyTable {
    width: usize,
    first: Vec<f32>,
    second: Vec<f32>,
    progress: Vec<Progress>,
    /// The numbers of each step so far.
    history: Vec<Factors>,
}

/// Where a row is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Steps taken.
    done: u32,
    /// The last step with a gradient; 0 before the first.
    touched: u32,
}

impl LazyTable {
    /// Whether a table can be updated lazily with equal results: plain f32 on Flex, and no pull but that of moments and decoupled decay.
    pub fn applies(table: &Tensor<2>, step: &AdamWStep) -> bool {
        let pulled = step.decoupled == WeightDecay::L2 && step.weight_decay != 0.0;
        is_plain_fused(table) && !pulled && step.beta1 <= 0.9
    }

    /// No step taken.
    pub fn new([rows, width]: [usize; 2]) -> Self {
        Self {
            width,
            first: vec![0.0; rows * width],
            second: vec![0.0; rows * width],
            progress: vec![Progress::default(); rows],
            history: Vec::new(),
        }
    }

    /// Takes the next step, for the rows that have a gradient.
    #[must_use]
    pub fn step(&mut self, table: Tensor<2>, gradient: &RowGradient, step: &AdamWStep) -> Tensor<2> {
        let mut table = unique(flex(self.catch_up(table, &gradient.rows)));
        let now = self.history.len() as u32 + 1;
        self.history.push(Factors::new(step));
        let factors = &self.history[now as usize - 1..];
        let values = gradient.values_flex();
        let mut touched = gradient.rows.iter().zip(elements(&values).chunks_exact(self.width)).peekable();
        let mut updates = Vec::with_capacity(gradient.rows.len());
        for (number, row) in rows(elements_mut(&mut table), &mut self.first, &mut self.second, self.width) {
            let Some((_, gradients)) = touched.next_if(|(touched, _)| **touched as usize == number) else {
                continue;
            };
            self.progress[number] = Progress { done: now, touched: now };
            updates.push(Update { row, gradients, awake: factors, still: &[] });
        }
        let elements = updates.len() * self.width;
        run_all(updates.into_iter(), elements);
        Tensor::from_primitive::<Flex>(table)
    }

    /// Takes the steps that `numbers`, ascending, have missed.
    #[must_use]
    pub fn catch_up(&mut self, table: Tensor<2>, numbers: &[u32]) -> Tensor<2> {
        let mut wanted = numbers.iter().peekable();
        self.replay(table, |number| wanted.next_if(|wanted| **wanted as usize == number).is_some())
    }

    /// Takes the steps that any row has missed: afterwards the table is what dense AdamW would have made of it.
    #[must_use]
    pub fn settle(&mut self, table: Tensor<2>) -> Tensor<2> {
        self.replay(table, |_| true)
    }

    fn replay(&mut self, table: Tensor<2>, mut is_wanted: impl FnMut(usize) -> bool) -> Tensor<2> {
        let mut table = unique(flex(table));
        let mut updates = Vec::new();
        for (number, row) in rows(elements_mut(&mut table), &mut self.first, &mut self.second, self.width) {
            let progress = &mut self.progress[number];
            if is_wanted(number) && (progress.done as usize) < self.history.len() {
                let missed = &self.history[progress.done as usize..];
                let (awake, still) = missed.split_at(progress.steps_awake(missed.len()));
                progress.done += missed.len() as u32;
                updates.push(Update { row, gradients: &[], awake, still });
            }
        }
        let elements: usize = updates.iter().map(|update| update.row.parameters.len() * update.steps()).sum();
        run_all(updates.into_iter(), elements);
        Tensor::from_primitive::<Flex>(table)
    }
}

impl Progress {
    /// How many of the next `missed` steps the first moment still moves the row.
    fn steps_awake(self, missed: usize) -> usize {
        if self.touched == 0 {
            return 0;
        }
        ((self.touched + FADED).saturating_sub(self.done) as usize).min(missed)
    }
}

/// A row and its moments.
struct Row<'a> {
    parameters: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

/// The rows of a table with their numbers.
fn rows<'a>(
    table: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    width: usize,
) -> impl Iterator<Item = (usize, Row<'a>)> {
    let moments = first.chunks_exact_mut(width).zip(second.chunks_exact_mut(width));
    let rows = table.chunks_exact_mut(width).zip(moments);
    rows.map(|(parameters, (first, second))| Row { parameters, first, second }).enumerate()
}

/// Steps of one row: those that its moments move, with a gradient or, where it is empty, none; then those of decay alone.
struct Update<'a> {
    row: Row<'a>,
    gradients: &'a [f32],
    awake: &'a [Factors],
    still: &'a [Factors],
}

impl Update<'_> {
    fn steps(&self) -> usize {
        self.awake.len() + self.still.len()
    }
}

impl Kernel for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        const LANES: usize = 16;
        let Row { parameters, first, second } = self.row;
        let ((parameters, last_parameters), (first, last_first), (second, last_second)) =
            (parameters.as_chunks_mut::<LANES>(), first.as_chunks_mut(), second.as_chunks_mut());
        let (gradients, last_gradients) = self.gradients.as_chunks::<LANES>();
        for (at, ((parameters, first), second)) in parameters.iter_mut().zip(first).zip(second).enumerate() {
            let gradients = gradients.get(at).copied().unwrap_or([0.0; LANES]);
            take_steps([parameters, first, second], gradients, self.awake, self.still);
        }
        for (at, ((parameter, first), second)) in
            last_parameters.iter_mut().zip(last_first).zip(last_second).enumerate()
        {
            let gradient = last_gradients.get(at).copied().unwrap_or(0.0);
            let state = [parameter, first, second].map(core::array::from_mut);
            take_steps(state, [gradient], self.awake, self.still);
        }
    }
}

/// All steps of one vector, which stays in registers.
#[inline(always)]
fn take_steps<const N: usize>(
    [parameters, first, second]: [&mut [f32; N]; 3],
    gradients: [f32; N],
    awake: &[Factors],
    still: &[Factors],
) {
    let (mut p, mut m, mut v) = (*parameters, *first, *second);
    for factors in awake {
        for lane in 0..N {
            factors.apply((&mut p[lane], &mut m[lane], &mut v[lane]), gradients[lane]);
        }
    }
    if !still.is_empty() {
        m = [0.0; N];
    }
    for factors in still {
        for lane in 0..N {
            p[lane] *= factors.keep;
            v[lane] *= factors.beta2;
        }
    }
    (*parameters, *first, *second) = (p, m, v);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        adamw_step,
        parity::{assert_close, floats, in_pool, plain, values},
        row_gradient::pack,
    };

    fn numbers(step: u32) -> AdamWStep {
        AdamWStep {
            learning_rate: 1.0e-3 * (1.0 + f64::from(step % 7)),
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1.0e-8,
            weight_decay: 0.01,
            step,
            gradient_scale: 0.5,
            decoupled: WeightDecay::Decoupled,
        }
    }

    fn gradient(rows: &[usize], width: usize, seed: u64) -> RowGradient {
        let packed = pack(rows, &values(seed, rows.len() * width), width);
        RowGradient::unpack(&Tensor::from_primitive::<Flex>(packed), width).unwrap()
    }

    /// The table after steps that touch `rows(step)`, lazily and densely; the lazy one is compared wherever it is read.
    fn trained([count, width]: [usize; 2], steps: u32, rows: impl Fn(u32) -> Vec<usize>) -> [Vec<f32>; 2] {
        let start = plain(&values(1, count * width), [count, width]);
        let (mut lazy, mut dense) = (start.clone(), start.clone());
        let mut state = LazyTable::new([count, width]);
        let mut moments = (start.zeros_like(), start.zeros_like());
        for step in 1..=steps {
            let gradient = gradient(&rows(step), width, u64::from(step));
            lazy = state.catch_up(lazy, &gradient.rows);
            lazy = state.step(lazy, &gradient, &numbers(step));
            (dense, moments) = adamw_step(dense, gradient.dense(count), moments, &numbers(step));
            for row in gradient.rows.iter().map(|row| *row as usize) {
                let read = |table: &Tensor<2>| floats(table.clone().narrow(0, row, 1));
                assert_close(&read(&lazy), &read(&dense), 1.0e-6);
            }
        }
        [floats(state.settle(lazy)), floats(dense)]
    }

    #[test]
    fn hundreds_of_steps_end_where_dense_steps_end() {
        // Some rows are touched often, some after long pauses, some never.
        let rows = |step: u32| match step {
            5 | 700 => vec![0, 7, 8],
            step if step % 3 == 0 => vec![step as usize % 5, 7],
            step => vec![1 + step as usize % 3],
        };
        for width in [1, 16, 21] {
            let [lazy, dense] = trained([12, width], 800, rows);
            assert_close(&lazy, &dense, 1.0e-6);
        }
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let run =
            || trained([3000, 64], 3, |step| (0..1500).map(|row| row * 2 + step as usize % 2).collect());
        assert_eq!(in_pool(1, run), in_pool(2, run));
    }

    #[test]
    fn decay_that_enters_the_gradient_is_left_to_the_dense_step() {
        let table = plain(&[0.0; 6], [2, 3]);
        assert!(LazyTable::applies(&table, &numbers(1)));
        assert!(!LazyTable::applies(&table, &AdamWStep { decoupled: WeightDecay::L2, ..numbers(1) }));
        assert!(!LazyTable::applies(&table, &AdamWStep { beta1: 0.99, ..numbers(1) }));
    }

    proptest! {
        #[test]
        fn any_order_of_touches_gives_the_dense_result(
            touched in prop::collection::vec(prop::collection::btree_set(0_usize..6, 1..4), 1..12),
        ) {
            let rows = |step: u32| touched[step as usize - 1].iter().copied().collect::<Vec<_>>();
            let [lazy, dense] = trained([6, 5], touched.len() as u32, rows);
            assert_close(&lazy, &dense, 1.0e-6);
        }
    }
}
