//! Losses between the logits of student and teacher, as far as the task decides them.

use autodistillation_distillation::{LayerPath, Scheduler};

use crate::task::Task;

/// The stages with losses between logits that teach something in this task.
pub(super) fn of_task(scheduler: &Scheduler, task: Task) -> Scheduler {
    let logits = LayerPath::new("classifier");
    match task {
        Task::Values => scheduler.on_single_values(&logits),
        Task::Labels => scheduler.on_independent_labels(&logits),
        Task::Classes | Task::WordClasses | Task::Answers | Task::MaskedWords | Task::Pretraining => {
            scheduler.clone()
        }
    }
}

/// What is said where they are not those that the config spells out.
pub(super) fn note(scheduler: &Scheduler, task: Task) -> Option<&'static str> {
    let changed = of_task(scheduler, task) != *scheduler;
    changed.then_some(match task {
        Task::Values => {
            "the task is a regression: KL and CE between single values are always 0, so MSE takes their place"
        }
        _ => "any number of labels applies at once: CE between logits is taken label by label, and so is KL, also where RKL or JSD is asked for",
    })
}
