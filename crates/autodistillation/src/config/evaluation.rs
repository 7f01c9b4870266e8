//! The section `evaluation`: how students are measured.

use super::cursor::Cursor;
use super::places::Subject;
use crate::plan::{EvaluationPlan, LatencyPlan};

/// What applies where the section says nothing: one example of 32 tokens on one thread, 50 calls.
pub(super) fn default_evaluation() -> EvaluationPlan {
    EvaluationPlan {
        batch_size: 64,
        latency: LatencyPlan { batch_size: 1, length: 32, threads: 1, repeats: 50 },
    }
}

/// Reads the section `evaluation`.
pub(super) fn evaluation(cursor: &Cursor<'_>) -> Option<EvaluationPlan> {
    let default = default_evaluation();
    let mut table = cursor.table()?;
    let batch_size = table.take("batch_size").map_or(Some(default.batch_size), |size| size.whole(1));
    let latency =
        table.take("latency").map_or(Some(default.latency), |value| latency(&value, default.latency));
    table.finish();
    Some(EvaluationPlan { batch_size: batch_size?, latency: latency? })
}

fn latency(cursor: &Cursor<'_>, default: LatencyPlan) -> Option<LatencyPlan> {
    let mut table = cursor.table()?;
    let batch_size = table.take("batch_size").map_or(Some(default.batch_size), |size| size.whole(1));
    let length = table.take("length").map_or(Some(default.length), |length| {
        length.remember(Subject::LatencyLength);
        length.whole(1)
    });
    let threads = table.take("threads").map_or(Some(default.threads), |threads| threads.whole(1));
    let repeats = table.take("repeats").map_or(Some(default.repeats), |repeats| repeats.whole(1));
    table.finish();
    Some(LatencyPlan { batch_size: batch_size?, length: length?, threads: threads?, repeats: repeats? })
}
