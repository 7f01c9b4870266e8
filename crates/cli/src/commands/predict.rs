//! `predict`: labels and probabilities for lines of text.

use std::fmt::Write;
use std::io::{IsTerminal, Read, stdin};
use std::path::Path;

use anyhow::{Context, Result};
use autodistillation::inference::{self, Prediction};
use serde::Serialize;

use crate::arguments::PredictArguments;
use crate::terminal::{say, show, show_json};

/// What `--json` prints.
#[derive(Serialize)]
struct Answers<'a> {
    predictions: Vec<Answer<'a>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    text: &'a str,
    #[serde(flatten)]
    prediction: &'a Prediction,
}

pub fn predict(arguments: &PredictArguments) -> Result<()> {
    let lines = lines(arguments.file.as_deref())?;
    let predictions = inference::predict(&arguments.network, &lines)?;
    let answers = lines.iter().zip(&predictions).map(|(text, prediction)| Answer { text, prediction });
    if arguments.json {
        return show_json(&Answers { predictions: answers.collect() });
    }
    let mut text = String::new();
    for Answer { text: line, prediction } in answers {
        writeln!(text, "{}\t{}\t{line}", prediction.label, confidence(prediction))?;
    }
    show(&text)
}

/// The probability of the label; nothing for a regression.
fn confidence(prediction: &Prediction) -> String {
    let probability = prediction.probabilities.get(&prediction.label).and_then(serde_json::Value::as_f64);
    probability.map(|value| format!("{value:.4}")).unwrap_or_default()
}

fn lines(file: Option<&Path>) -> Result<Vec<String>> {
    let text = match file {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?
        }
        None => standard_input()?,
    };
    Ok(text.lines().map(str::to_owned).collect())
}

fn standard_input() -> Result<String> {
    if stdin().is_terminal() {
        say("type one text a line, then Ctrl-D");
    }
    let mut text = String::new();
    stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}
