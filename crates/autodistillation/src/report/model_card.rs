//! The model card of a student: a `README.md` that the Hugging Face hub understands.

use std::path::Path;

use autodistillation_search::{Architecture, Metrics, Trial};

use super::digits;
use super::pareto_files::ordered;
use super::quantity::{Quantity, is_cost};
use super::summary::Measured;
use super::{RunSummary, yaml_text};

/// What the folder of a student holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardFormat {
    /// Weights for `transformers`.
    HuggingFace,
    /// Weights for the TensorFlow classes of `transformers`.
    TensorFlow,
    /// An ONNX file.
    Onnx,
}

/// The model card of one trial's student: YAML front matter with a `model-index`, then Markdown.
///
/// Format: <https://huggingface.co/docs/hub/model-cards>.
pub fn model_card(run: &RunSummary, trial: &Trial, format: CardFormat) -> String {
    let card = Card { run, trial, format, measured: measured(run, trial) };
    let sections = [
        card.front_matter(),
        card.title(),
        card.results(),
        card.usage(),
        card.architecture(),
        card.distillation(),
        card.latency(),
        card.provenance(),
        card.licence(),
    ];
    sections.join("\n")
}

struct Card<'a> {
    run: &'a RunSummary,
    trial: &'a Trial,
    format: CardFormat,
    measured: Measured,
}

/// The study's metrics over the record's, so that the card agrees with `metrics.json`.
fn measured(run: &RunSummary, trial: &Trial) -> Measured {
    let mut measured = run.record(trial.number).map(|record| record.measured.clone()).unwrap_or_default();
    measured.metrics.extend(trial.metrics().into_iter().flat_map(Metrics::iter));
    measured
}

impl Card<'_> {
    fn front_matter(&self) -> String {
        let teacher = &self.run.teacher;
        let mut lines = vec!["---".to_owned()];
        match &teacher.license {
            Some(license) => lines.push(format!("license: {}", yaml_text::quoted(license))),
            None => {
                lines.extend(["license: other", "license_name: inherits-the-teachers"].map(str::to_owned))
            }
        }
        lines.push(format!("library_name: {}", self.format.library()));
        lines.push(format!("pipeline_tag: {}", yaml_text::quoted(&self.run.dataset.task)));
        lines.extend(teacher.hub_id.as_ref().map(|id| format!("base_model: {}", yaml_text::quoted(id))));
        lines.push("tags: [autodistillation, knowledge-distillation, architecture-search]".to_owned());
        lines.push("model-index:".to_owned());
        lines.push(format!("  - name: {}", yaml_text::quoted(&self.name())));
        lines.push("    results:".to_owned());
        lines.push(self.indexed_results("validation", &self.measured.metrics));
        lines.push(self.indexed_results("test", &self.measured.test));
        lines.push("---".to_owned());
        lines.iter().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
    }

    /// One entry of the `model-index`; empty where nothing was measured on the split.
    fn indexed_results(&self, split: &str, metrics: &Metrics) -> String {
        let dataset = yaml_text::quoted(&self.run.dataset.name);
        let values = metrics.iter().filter(|(name, value)| !is_cost(name) && value.is_finite());
        let values: Vec<String> = values
            .map(|(name, value)| {
                let (name, value) = (yaml_text::quoted(name), yaml_text::number(value));
                format!("          - {{type: {name}, value: {value}}}")
            })
            .collect();
        if values.is_empty() {
            return String::new();
        }
        let task = yaml_text::quoted(&self.run.dataset.task);
        format!(
            "      - task: {{type: {task}}}\n        dataset: {{name: {dataset}, type: {dataset}, split: {split}}}\n        \
             metrics:\n{}",
            values.join("\n")
        )
    }

    fn name(&self) -> String {
        format!("{}-{:04}", self.run.name, self.trial.number)
    }

    fn title(&self) -> String {
        let (family, teacher) = (code(&self.run.recipe.family), code(&self.run.teacher.name));
        let (task, dataset) = (plain(&self.run.dataset.task), code(&self.run.dataset.name));
        format!(
            "# {}\n\nA small {family} network for {task}, found by architecture search and distilled from {teacher} on {dataset}.\n",
            plain(&self.name())
        )
    }

    fn results(&self) -> String {
        let teacher = &self.run.teacher.measured;
        let validation = rows("validation", &self.measured.metrics, &teacher.metrics);
        let test = rows("test", &self.measured.test, &teacher.test);
        format!("## Results\n\n| metric | this student | teacher |\n|---|---|---|\n{validation}{test}")
    }

    fn usage(&self) -> String {
        format!("## Use\n\n```python\n{}```\n", self.format.usage(&self.run.dataset.auto_class))
    }

    fn architecture(&self) -> String {
        let searched = bullets(&self.trial.architecture, " (searched)");
        let fixed = bullets(&self.run.recipe.fixed, "");
        let labels: Vec<String> = self.run.dataset.labels.iter().map(|label| code(label)).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("- classes: {}\n", labels.join(", ")) };
        format!("## Architecture\n\n- family: {}\n{searched}{fixed}{labels}", code(&self.run.recipe.family))
    }

    /// What the student started from, its own start before that of all.
    fn start(&self) -> String {
        match self.run.warm_start(self.trial.number) {
            Some(start) => format!("{start}, so that it has had more steps than those below"),
            None => {
                match self.run.record(self.trial.number).and_then(|record| record.started_from.as_ref()) {
                    Some(start) if self.run.has_warm_starts() => start.to_string(),
                    _ => self.run.recipe.initialization.clone(),
                }
            }
        }
    }

    fn distillation(&self) -> String {
        let recipe = &self.run.recipe;
        let mut text = format!(
            "## Distillation\n\nStart: {}. Optimiser: {}, batch {}, sequences cut to {} tokens.\n",
            plain(&self.start()),
            plain(&recipe.optimizer),
            recipe.batch_size,
            self.run.dataset.max_length
        );
        if !recipe.stages.is_empty() {
            text += "\n| stage | objective | steps | learning rate |\n|---|---|---|---|\n";
        }
        for stage in &recipe.stages {
            let (name, objective, rate) = (code(&stage.name), plain(&stage.objective), stage.learning_rate);
            text += &format!("| {name} | {objective} | {} | {rate:e} |\n", stage.steps);
        }
        text
    }

    fn latency(&self) -> String {
        let Some(settings) = self.run.environment.latency else { return String::new() };
        let machine = plain(&self.run.environment.machine.describe());
        let percentiles = self.measured.latency.map_or_else(String::new, |latency| {
            let show = |value| digits::measured(value, 3);
            let (p50, p90, p99) = (show(latency.p50), show(latency.p90), show(latency.p99));
            format!("p50 {p50} ms, p90 {p90} ms, p99 {p99} ms per example; ")
        });
        format!("## Latency\n\nMeasured: {percentiles}{} on {machine}.\n", settings.describe())
    }

    fn provenance(&self) -> String {
        let environment = &self.run.environment;
        let mut text = format!(
            "## Provenance\n\n- autodistillation {}, run {}, trial {}, search seed {}\n- created {}, machine fingerprint {}\n",
            plain(&environment.version),
            code(&self.run.name),
            self.trial.number,
            self.run.study.seed,
            plain(&environment.created),
            code(&environment.machine.fingerprint)
        );
        for (what, hash) in &environment.hashes {
            text += &format!("- {} hash {}\n", plain(what), code(hash));
        }
        text
    }

    fn licence(&self) -> String {
        let known = self.run.teacher.license.as_ref().map(|license| format!(" ({})", plain(license)));
        format!(
            "## Licence\n\nThis student inherits the licence of its teacher {}{}; the data set's terms apply as well.\n",
            code(&self.run.teacher.name),
            known.unwrap_or_default()
        )
    }
}

impl CardFormat {
    /// That of the student in `folder`, as a run leaves it.
    pub fn of(folder: &Path) -> Self {
        if folder.join("tf_model.h5").is_file() { Self::TensorFlow } else { Self::HuggingFace }
    }

    /// The hub's name of the library that runs it.
    fn library(self) -> &'static str {
        match self {
            Self::HuggingFace | Self::TensorFlow => "transformers",
            Self::Onnx => "onnx",
        }
    }

    /// From texts to the network or its logits.
    fn usage(self, auto_class: &str) -> String {
        match self {
            Self::HuggingFace => format!(
                "from transformers import {auto_class}, AutoTokenizer\n\
                 tokenizer = AutoTokenizer.from_pretrained(\"path/to/this/folder\")\n\
                 network = {auto_class}.from_pretrained(\"path/to/this/folder\")\n"
            ),
            Self::TensorFlow => format!(
                "from transformers import AutoTokenizer, TF{auto_class}\n\
                 tokenizer = AutoTokenizer.from_pretrained(\"path/to/this/folder\")\n\
                 network = TF{auto_class}.from_pretrained(\"path/to/this/folder\")\n"
            ),
            Self::Onnx => "import onnxruntime\n\
                 from transformers import AutoTokenizer\n\
                 tokenizer = AutoTokenizer.from_pretrained(\"path/to/this/folder\")\n\
                 session = onnxruntime.InferenceSession(\"path/to/this/folder/model.onnx\")\n\
                 inputs = tokenizer([\"a text\"], padding=True, return_tensors=\"np\")\n\
                 inputs = {port.name: inputs[port.name].astype(\"int64\") for port in session.get_inputs()}\n\
                 names = [port.name for port in session.get_outputs()]\n\
                 outputs = dict(zip(names, session.run(names, inputs)))\n"
                .to_owned(),
        }
    }
}

fn rows(split: &str, student: &Metrics, teacher: &Metrics) -> String {
    let names = ordered(student.iter().map(|(name, _)| name));
    let row = |name: &&str| {
        let quantity = Quantity::of(name);
        let show =
            |metrics: &Metrics| metrics.get(name).map_or_else(String::new, |value| quantity.show(value));
        let place = if is_cost(name) { String::new() } else { format!(", {split}") };
        format!("| {}{place} | {} | {} |\n", plain(&quantity.title), show(student), show(teacher))
    };
    names.iter().map(row).collect()
}

fn bullets(architecture: &Architecture, remark: &str) -> String {
    architecture.iter().map(|(name, choice)| format!("- {}: {choice}{remark}\n", code(name))).collect()
}

/// Text as Markdown shows it literally, on one line.
fn plain(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            control if control.is_control() => escaped.push(' '),
            '<' => escaped += "&lt;",
            '&' => escaped += "&amp;",
            special if "\\`*_[]|#!~$".contains(special) => escaped.extend(['\\', special]),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A name as inline code; a backtick or a bar, which would end the code or the table cell, is replaced.
fn code(text: &str) -> String {
    let safe = |character: char| match character {
        '`' => '\'',
        '|' => '¦',
        control if control.is_control() => ' ',
        other => other,
    };
    format!("`{}`", text.chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_run;
    use saphyr::LoadableYamlNode;

    fn front_matter(card: &str) -> saphyr::YamlOwned {
        let yaml = card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).unwrap().0;
        saphyr::YamlOwned::load_from_str(yaml).unwrap()[0].clone()
    }

    fn first_result(yaml: &saphyr::YamlOwned) -> saphyr::YamlOwned {
        let index = &yaml.as_mapping_get("model-index").unwrap().as_sequence().unwrap()[0];
        index.as_mapping_get("results").unwrap().as_sequence().unwrap()[0].clone()
    }

    #[test]
    fn a_card_states_results_recipe_and_provenance() {
        let run = example_run::sst2();
        insta::assert_snapshot!(model_card(&run, run.trial(5).unwrap(), CardFormat::HuggingFace));
    }

    #[test]
    fn the_card_of_an_onnx_file_shows_how_to_run_it() {
        let run = example_run::sst2();
        let card = model_card(&run, run.trial(5).unwrap(), CardFormat::Onnx);
        assert_eq!(front_matter(&card).as_mapping_get("library_name").unwrap().as_str(), Some("onnx"));
        assert!(card.contains("InferenceSession(\"path/to/this/folder/model.onnx\")"), "{card}");
        assert!(!card.contains("AutoModel"), "{card}");
    }

    #[test]
    fn the_front_matter_carries_the_metrics_of_the_study() {
        let run = example_run::sst2();
        let trial = run.trial(5).unwrap();
        let yaml = front_matter(&model_card(&run, trial, CardFormat::HuggingFace));
        let result = first_result(&yaml);
        let metric = &result.as_mapping_get("metrics").unwrap().as_sequence().unwrap()[0];
        assert_eq!(metric.as_mapping_get("type").unwrap().as_str(), Some("accuracy"));
        let value = metric.as_mapping_get("value").unwrap().as_floating_point();
        assert_eq!(value, trial.metrics().unwrap().get("accuracy"));
    }

    #[test]
    fn hostile_names_stay_text() {
        let run = example_run::hostile();
        let trial = &run.study.trials[0];
        let card = model_card(&run, trial, CardFormat::HuggingFace);
        let yaml = front_matter(&card);
        let dataset = first_result(&yaml).as_mapping_get("dataset").unwrap().clone();
        assert_eq!(dataset.as_mapping_get("name").unwrap().as_str(), Some(run.dataset.name.as_str()));
        let heading = card.lines().find(|line| line.starts_with("# ")).unwrap();
        assert!(!heading.contains("<script>"), "{heading}");
    }

    #[test]
    fn a_teacher_without_a_known_licence_is_marked_as_inherited() {
        let mut run = example_run::two_trials();
        run.teacher.license = None;
        let card = model_card(&run, &run.study.trials[0], CardFormat::HuggingFace);
        assert_eq!(front_matter(&card).as_mapping_get("license").unwrap().as_str(), Some("other"));
        assert!(card.contains("inherits the licence of its teacher"));
    }
}
