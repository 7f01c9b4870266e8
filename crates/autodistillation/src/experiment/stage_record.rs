//! What a trial keeps of each of its stages.

use autodistillation_distillation::Block;
use autodistillation_distillation::criterion::Explained;
use autodistillation_distillation::event::{StageEnd, StageReport};

use crate::report::StageRecord;

/// A loss that ends so many times higher than it began has not been learned.
const RISEN: f32 = 1.5;

/// What is kept of the stage that trained `block`.
pub(super) fn stage_record(block: &Block, report: &StageReport, seconds: f64) -> StageRecord {
    let mean = |of: &dyn Fn(&Explained) -> f64| {
        let count = report.explained.len();
        (count > 0).then(|| report.explained.iter().map(of).sum::<f64>() / count as f64)
    };
    let modules = block.modules().join(" + ");
    StageRecord {
        name: if modules.is_empty() { "regular".to_owned() } else { modules },
        steps: report.steps,
        seconds,
        teacher_seconds: Some(report.teacher_seconds),
        loss: Some(f64::from(report.last_loss)),
        explained_variance: mean(&|explained| explained.variance),
        feature_variance: mean(&|explained| explained.spread),
        warning: warning(report),
    }
}

fn warning(report: &StageReport) -> Option<String> {
    let StageReport { first_loss, last_loss, .. } = *report;
    match report.end {
        StageEnd::Collapsed => Some(
            "the features fell to their mean: the stage was stopped and the block put back as it began"
                .to_owned(),
        ),
        _ if first_loss > 0.0 && last_loss > RISEN * first_loss => {
            Some(format!("the loss rose from {first_loss:.3} to {last_loss:.3}: lower `learning_rate`"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(first_loss: f32, last_loss: f32, end: StageEnd) -> StageReport {
        StageReport {
            stage: 0,
            steps: 200,
            first_loss,
            last_loss,
            explained: Vec::new(),
            end,
            padding: 0.0,
            teacher_seconds: 0.0,
        }
    }

    #[test]
    fn a_stage_that_did_harm_says_so() {
        let said =
            |first, last, end| stage_record(&Block::everything(), &report(first, last, end), 1.0).warning;
        assert_eq!(said(0.9, 0.4, StageEnd::Complete), None);
        assert_eq!(said(0.4, 0.5, StageEnd::Early), None);
        let risen = said(0.9, 2.237, StageEnd::Complete).unwrap();
        assert_eq!(risen, "the loss rose from 0.900 to 2.237: lower `learning_rate`");
        assert!(said(0.9, 0.9, StageEnd::Collapsed).unwrap().contains("put back"));
    }
}
