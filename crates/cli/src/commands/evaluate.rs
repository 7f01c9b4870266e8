//! `evaluate`: exact metrics and latency of a network.

use anyhow::Result;
use autodistillation::data::TextColumns;
use autodistillation::inference::{self, EvaluateOptions};
use autodistillation::plan::LatencyPlan;
use autodistillation::report::{TextTable, shown_metric};
use serde_json::{Map, Value};

use crate::arguments::EvaluateArguments;
use crate::terminal::{show, show_json};

pub fn evaluate(arguments: &EvaluateArguments) -> Result<()> {
    let result = inference::evaluate(&EvaluateOptions {
        network: arguments.network.clone(),
        data: arguments.data.clone(),
        columns: TextColumns {
            text: arguments.text.clone(),
            text_pair: arguments.text_pair.clone(),
            label: Some(arguments.label.clone()),
            label_separator: arguments.label_separator.clone(),
        },
        max_length: arguments.max_length.get(),
        latency: LatencyPlan {
            batch_size: arguments.batch_size.get(),
            length: arguments.length.get(),
            threads: arguments.threads.get(),
            repeats: arguments.repeats.get(),
        },
    })?;
    if arguments.json { show_json(&result) } else { show(&table(&result)) }
}

fn table(result: &Map<String, Value>) -> String {
    let mut table = TextTable::new(["metric", "value"]);
    for (name, value) in result {
        if let (false, Some(number)) = (name == "examples", value.as_f64()) {
            table.row([name.clone(), shown_metric(name, number)]);
        } else if let Some(latency) = value.as_object() {
            for (percentile, value) in latency {
                let shown = value.as_f64().map(|value| shown_metric(name, value)).unwrap_or_default();
                table.row([format!("{name} {}", percentile.trim_end_matches("_ms")), shown]);
            }
        } else {
            table.row([name.clone(), value.to_string()]);
        }
    }
    table.render()
}
