//! Closed forms again, behind what gradient steps have changed.

use super::{Basis, Blocks, Projection, TeacherStates};
use crate::{Error, Transformer};

/// Solves a projected student again behind its last trained block: the output maps of the blocks above it, and the head.
///
/// They were fitted to the states that came before the training. The trained blocks stay as they are; to solve their output
/// maps again as well costs as much as a start and makes students no better (`docs/experiments.md`). `seed` is the one
/// that the student was projected with.
///
/// # Errors
///
/// [`Error::Projection`] when a fit has no solution.
pub fn solve_behind(
    student: Transformer,
    states: &TeacherStates,
    (block, seed): (usize, u64),
) -> Result<Transformer, Error> {
    let basis = Basis::new(states, student.config().hidden_size, seed);
    match student {
        Transformer::MobileBert(student) => {
            solve_blocks(student, states, (&basis, block)).map(Transformer::MobileBert)
        }
        student => student.try_map_bert(|student| solve_blocks(student, states, (&basis, block))),
    }
}

fn solve_blocks<N: Blocks>(
    student: N,
    states: &TeacherStates,
    (basis, block): (&Basis, usize),
) -> Result<N, Error> {
    let mut projection = Projection { student: student.frozen(), states, basis, hidden: Vec::new() };
    projection.embed()?;
    (0..=block).for_each(|trained| projection.pass(trained));
    (block + 1..states.layers().len()).try_for_each(|above| N::fit_outputs(&mut projection, above))?;
    projection.finish()
}
