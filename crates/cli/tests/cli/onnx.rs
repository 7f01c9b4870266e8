//! Networks that leave as ONNX files, and ONNX files in the place of networks.

use autodistillation::models::{Precision, Transformer, TransformerConfig, save};
use serde_json::json;

use crate::workplace::{Workplace, network};

const RUN: [&str; 7] = ["run", "config.yaml", "--trials", "1", "--output", "out", "--quiet"];
const EXPORT: [&str; 6] = ["export", "teacher", "--to", "exported", "--format", "onnx"];

#[test]
fn a_students_onnx_file_has_its_config_tokenizer_and_card_beside_it() {
    let workplace = Workplace::new();
    workplace.succeed(&RUN);
    let said = workplace.succeed(&[&["export", "out", "--trial", "0"][..], &EXPORT[2..]].concat());
    assert_eq!(said.stdout, "exported\n");
    for name in ["model.onnx", "config.json", "vocab.txt", "tokenizer_config.json"] {
        assert!(workplace.path("exported").join(name).is_file(), "{name}");
    }
    assert!(!workplace.path("exported/model.safetensors").exists());
    assert!(workplace.read("exported/README.md").contains("onnxruntime.InferenceSession"));
}

#[test]
fn a_run_needs_a_trial_and_an_onnx_file_is_f32() {
    let workplace = Workplace::new();
    workplace.succeed(&RUN);
    let export = ["export", "out", "--to", "exported"];
    workplace.refuse(&export, &["`out` is the folder of a run", "--trial N"]);
    workplace.refuse(&[&EXPORT[..], &["--precision", "f16"]].concat(), &["f32", "--format hf"]);
    workplace.refuse(&["export", "teacher", "--to", "out", "--format", "onnx"], &["`out` is not empty"]);
    assert!(!workplace.path("exported").exists());
}

/// A workplace with a language model in the teacher's place, and text that it can be measured on.
fn reading() -> Workplace {
    let workplace = Workplace::new();
    let mut config = network();
    config["architectures"] = json!(["BertForPreTraining"]);
    config["initializer_range"] = 0.5.into();
    let config = TransformerConfig::from_json(&config).unwrap();
    let teacher = Transformer::random(config, 7, &Default::default());
    save(&workplace.path("teacher"), &teacher, Precision::F32).unwrap();
    workplace.write("text.txt", "a warm film\na dull play\n\na sad film\na funny play\n".repeat(6));
    workplace
}

#[test]
fn a_language_model_leaves_with_its_config_and_tokenizer() {
    let workplace = reading();
    workplace.succeed(&EXPORT);
    assert!(workplace.path("exported/model.onnx").is_file());
    assert!(workplace.read("exported/config.json").contains("BertForPreTraining"));
}

#[cfg(not(feature = "onnx"))]
#[test]
fn a_build_without_a_runtime_says_how_to_get_one() {
    let workplace = Workplace::new();
    workplace.succeed(&EXPORT);
    workplace.write("text.txt", "a warm film\n");
    let fragments = ["exported/model.onnx", "--features onnx", "ONNX Runtime"];
    workplace.refuse(&["predict", "exported", "text.txt"], &fragments);
    workplace.refuse(&["evaluate", "exported/model.onnx", "--data", "dev.tsv"], &fragments);
}

#[cfg(feature = "onnx")]
mod with_a_runtime {
    use super::*;

    #[test]
    fn measures_are_those_of_the_folder() {
        let workplace = Workplace::new();
        workplace.succeed(&EXPORT);
        let measured =
            |network: &str| workplace.succeed(&["evaluate", network, "--data", "dev.tsv", "--json"]).json();
        let (folder, file) = (measured("teacher"), measured("exported/model.onnx"));
        let keys = |found: &serde_json::Value| found.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&folder), keys(&file));
        for metric in ["accuracy", "f1", "parameters", "flops", "examples"] {
            assert_eq!(folder[metric], file[metric], "{metric}");
        }
        let loss = |found: &serde_json::Value| found["loss"].as_f64().unwrap();
        assert!((loss(&folder) - loss(&file)).abs() < 1e-5, "{folder} {file}");
        assert!(file["latency"]["p50_ms"].as_f64().unwrap() > 0.0);
        let bytes = std::fs::metadata(workplace.path("exported/model.onnx")).unwrap().len();
        assert_eq!(file["size_mb"], bytes as f64 / 1e6);
    }

    #[test]
    fn answers_are_those_of_the_folder() {
        let workplace = Workplace::new();
        workplace.succeed(&EXPORT);
        workplace.write("text.txt", "a warm film\na dull sad play film\tfunny\n\n");
        let logits = |network: &str| {
            let said = workplace.succeed(&["predict", network, "text.txt", "--json"]).json();
            let predictions = said["predictions"].as_array().unwrap().clone();
            let of = |prediction: &serde_json::Value| prediction["logits"].as_array().unwrap().clone();
            predictions.iter().flat_map(of).map(|logit| logit.as_f64().unwrap()).collect::<Vec<_>>()
        };
        let (folder, file) = (logits("teacher"), logits("exported"));
        assert_eq!((folder.len(), file.len()), (6, 6));
        for (expected, found) in folder.iter().zip(&file) {
            assert!((expected - found).abs() < 1e-5, "{folder:?} {file:?}");
        }
    }

    #[test]
    fn words_under_masks_are_those_of_the_folder() {
        let workplace = reading();
        workplace.succeed(&EXPORT);
        let measured =
            |network: &str| workplace.succeed(&["evaluate", network, "--data", "text.txt", "--json"]).json();
        let (folder, file) = (measured("teacher"), measured("exported/model.onnx"));
        for metric in ["accuracy", "next_sentence", "examples", "flops"] {
            assert!(folder[metric].is_number());
            assert_eq!(folder[metric], file[metric], "{metric}");
        }
        for metric in ["loss", "perplexity"] {
            let [expected, found] = [&folder, &file].map(|measured| measured[metric].as_f64().unwrap());
            assert!((expected - found).abs() < 1e-4 * expected, "{metric}: {found} instead of {expected}");
        }
        workplace.write("lines.txt", "a [MASK] film\n[MASK] sad [MASK]\ta play\n");
        let filled = |network: &str| {
            let said = workplace.succeed(&["predict", network, "lines.txt", "--json"]).json();
            let predictions = said["predictions"].as_array().unwrap().clone();
            predictions.iter().map(|prediction| prediction["label"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(filled("teacher"), filled("exported"));
        assert_eq!(filled("exported").len(), 2);
        workplace.write("lines.txt", "nothing is hidden\n");
        workplace.refuse(&["predict", "exported", "lines.txt"], &["line 1 has no `[MASK]`"]);
    }

    #[test]
    fn the_config_of_another_head_is_noticed() {
        let workplace = reading();
        workplace.succeed(&EXPORT);
        workplace.edit("exported/config.json", "BertForPreTraining", "BertForMaskedLM");
        let fragments = ["puts out prediction_logits", "a masked language model", "exported with it"];
        workplace.refuse(&["evaluate", "exported", "--data", "text.txt"], &fragments);
    }

    #[test]
    fn a_file_that_is_not_whole_is_refused() {
        let workplace = Workplace::new();
        workplace.succeed(&EXPORT);
        let whole = std::fs::read(workplace.path("exported/model.onnx")).unwrap();
        let evaluate = ["evaluate", "exported/model.onnx", "--data", "dev.tsv"];
        workplace.write("exported/model.onnx", &whole[..whole.len() / 2]);
        workplace.refuse(&evaluate, &["exported/model.onnx", "not a whole ONNX file"]);
        workplace.write("exported/model.onnx", "");
        workplace.refuse(&evaluate, &["exported/model.onnx", "version 0 of ONNX's operators"]);
    }

    #[test]
    fn a_file_needs_its_config_and_tokenizer() {
        let workplace = Workplace::new();
        workplace.succeed(&EXPORT);
        std::fs::remove_file(workplace.path("exported/vocab.txt")).unwrap();
        let evaluate = ["evaluate", "exported/model.onnx", "--data", "dev.tsv"];
        workplace.refuse(&evaluate, &["no tokenizer in `exported`"]);
        std::fs::remove_file(workplace.path("exported/config.json")).unwrap();
        workplace.refuse(&evaluate, &["exported/config.json"]);
        workplace.refuse(&["evaluate", "nowhere.onnx", "--data", "dev.tsv"], &["config.json"]);
    }
}
