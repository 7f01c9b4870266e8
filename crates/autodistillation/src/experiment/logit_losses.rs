//! Losses between the logits of student and teacher, as far as the task decides them.

use autodistillation_distillation::{LayerPath, Scheduler};
use autodistillation_models::ProblemType;

/// The stages with losses between logits that teach something in this task.
pub(super) fn of_task(scheduler: &Scheduler, task: ProblemType) -> Scheduler {
    let logits = LayerPath::new("classifier");
    match task {
        ProblemType::Regression => scheduler.on_single_values(&logits),
        ProblemType::MultiLabelClassification => scheduler.on_independent_labels(&logits),
        ProblemType::SingleLabelClassification => scheduler.clone(),
    }
}

/// What is said where they are not those that the config spells out.
pub(super) fn note(scheduler: &Scheduler, task: ProblemType) -> Option<&'static str> {
    let changed = of_task(scheduler, task) != *scheduler;
    changed.then_some(match task {
        ProblemType::Regression => {
            "the task is a regression: KL and CE between single values are always 0, so MSE takes their place"
        }
        _ => "any number of labels applies at once: CE between logits is taken label by label, and so is KL, also where RKL or JSD is asked for",
    })
}
