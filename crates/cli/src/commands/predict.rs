//! `predict`: labels and probabilities for lines of text.

use std::fmt::Write;
use std::io::{IsTerminal, Read, stdin};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
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
    let (name, bytes) = match file {
        Some(path) => {
            let name = format!("`{}`", path.display());
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
            (name, bytes)
        }
        None => ("standard input".to_owned(), standard_input()?),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|&byte| byte == b'\n').count();
        anyhow!(
            "line {line} of {name} is not UTF-8: convert it, for instance with `iconv -f latin1 -t utf-8`"
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text); // Some editors begin a file with a mark.
    Ok(text.lines().map(str::to_owned).collect())
}

fn standard_input() -> Result<Vec<u8>> {
    if stdin().is_terminal() {
        say("type one text a line, then Ctrl-D");
    }
    let mut bytes = Vec::new();
    stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    Ok(bytes)
}
