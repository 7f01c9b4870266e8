//! `finetune`: a pretrained encoder becomes a teacher.

use anyhow::Result;
use autodistillation::Plan;
use autodistillation::finetune::{self, FineTuneOptions};
use serde_json::json;

use crate::arguments::FineTuneArguments;
use crate::interrupt;
use crate::progress::Progress;
use crate::results::metrics_table;
use crate::terminal::{show, show_json};

pub fn finetune(arguments: &FineTuneArguments) -> Result<()> {
    let plan = Plan::load_for_its_teacher(&arguments.config)?;
    let options = FineTuneOptions {
        encoder: arguments.from.clone(),
        output: arguments.output.clone(),
        epochs: arguments.epochs,
        learning_rate: arguments.learning_rate,
    };
    let progress = Progress::new(&arguments.progress, Vec::new());
    let metrics = finetune::finetune(&plan, &options, (&progress, interrupt::listen()?));
    progress.finish();
    let metrics = metrics?;
    if arguments.json {
        return show_json(&json!({"output": arguments.output, "metrics": metrics}));
    }
    show(&format!("{}\nTeacher: {}\n", metrics_table(&metrics), arguments.output.display()))
}
