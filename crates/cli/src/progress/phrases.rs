//! Events in words.

use autodistillation::distillation::{StageEnd, StageReport};
use autodistillation::report::{shown_duration, shown_metric};
use autodistillation::search::{Metrics, Outcome};

use super::pace::Moment;

/// `stage 2, step 50/200, loss 0.1234, 10.0 steps/s, 15 s left`
pub fn moment(moment: &Moment, loss: f32) -> String {
    let Moment { stage, step, stage_steps, per_second, .. } = moment;
    let left = moment.seconds_left.map(|left| format!(", {} left", shown_duration(left))).unwrap_or_default();
    format!("stage {stage}, step {step}/{stage_steps}, loss {loss:.4}, {per_second:.1} steps/s{left}")
}

/// `the teacher answers example 32 of 1600`
pub fn teacher(done: usize, total: usize) -> String {
    format!("the teacher answers example {done} of {total}")
}

/// `stage 1 done: 200 steps, loss 1.2000 → 0.3000, explains 84 % of the teacher's features`
pub fn stage(report: &StageReport) -> String {
    let end = match report.end {
        StageEnd::Complete => "done",
        StageEnd::Early => "done early",
        StageEnd::Collapsed => "collapsed and was undone",
    };
    let losses = format!("loss {:.4} → {:.4}", report.first_loss, report.last_loss);
    let mut text = format!("stage {} {end}: {} steps, {losses}", report.stage + 1, report.steps);
    let count = report.explained.len();
    if count > 0 {
        let mean = report.explained.iter().map(|explained| explained.variance).sum::<f64>() / count as f64;
        text += &format!(", explains {:.0} % of the teacher's features", mean * 100.0);
    }
    text
}

/// `completed: accuracy 82.22 %, latency 2.63 ms`
pub fn outcome(outcome: &Outcome, goals: &[String]) -> String {
    match outcome {
        Outcome::Completed(metrics) => measured("completed", metrics, goals),
        Outcome::Pruned(metrics) => measured("pruned", metrics, goals),
        Outcome::Failed(reason) => format!("failed: {reason}"),
    }
}

/// `waits after its flash stages: accuracy 71.03 %`
pub fn waiting(early: &Metrics, goals: &[String]) -> String {
    measured("waits after its flash stages", early, goals)
}

fn measured(word: &str, metrics: &Metrics, goals: &[String]) -> String {
    let wanted = |name: &str| goals.is_empty() || goals.iter().any(|goal| goal == name);
    let shown = metrics.iter().filter(|(name, _)| wanted(name));
    let shown: Vec<String> =
        shown.map(|(name, value)| format!("{name} {}", shown_metric(name, value))).collect();
    if shown.is_empty() { word.to_owned() } else { format!("{word}: {}", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_one_line() {
        let now = Moment {
            stage: 2,
            step: 50,
            stage_steps: 200,
            done: 150,
            per_second: 10.0,
            seconds_left: Some(15.0),
        };
        assert_eq!(moment(&now, 0.1234), "stage 2, step 50/200, loss 0.1234, 10.0 steps/s, 15.0 s left");
    }

    #[test]
    fn a_stage_that_collapsed_says_so() {
        let report = StageReport {
            stage: 0,
            steps: 20,
            first_loss: 1.2,
            last_loss: 0.3,
            explained: Vec::new(),
            end: StageEnd::Collapsed,
            padding: 0.0,
            teacher_seconds: 0.0,
        };
        assert_eq!(stage(&report), "stage 1 collapsed and was undone: 20 steps, loss 1.2000 → 0.3000");
    }

    #[test]
    fn of_a_trial_only_the_goals_are_shown() {
        let metrics: Metrics = [("accuracy", 0.5), ("loss", 1.0)].into_iter().collect();
        let of = |goals: &[String]| outcome(&Outcome::Completed(metrics.clone()), goals);
        assert_eq!(of(&["accuracy".to_owned()]), "completed: accuracy 50.00 %");
        assert_eq!(of(&[]), "completed: accuracy 50.00 %, loss 1.000");
        assert_eq!(
            waiting(&metrics, &["accuracy".to_owned()]),
            "waits after its flash stages: accuracy 50.00 %"
        );
        assert_eq!(outcome(&Outcome::Failed("loss is NaN".to_owned()), &[]), "failed: loss is NaN");
    }
}
