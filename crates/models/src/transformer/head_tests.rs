//! Tests of every family's heads against the numbers of `transformers`.

use autodistillation_distillation::criterion::{Heads, scores, task_loss};
use autodistillation_distillation::{AnswerSpan, Block, MaskedText, Parameters, Target, Targets};
use burn::tensor::Tensor;
use serde_json::json;

use super::*;
use crate::test_networks;
use crate::test_reference::{self, Reference, difference, gradients, relative_difference};
use crate::weights::Weights;
use crate::{Head, Precision, can_project, save, save_tensorflow, student_config};

const FIXTURES: [&str; 18] = test_reference::HEADS;

fn reference_network(name: &str) -> Transformer {
    let loaded = Transformer::load(&test_reference::fixture(name), &Device::flex()).unwrap();
    assert_eq!(loaded.warnings, [], "{name}");
    loaded.network
}

/// The reference's inputs with its targets.
fn batch(reference: &Reference, head: Head) -> Batch {
    let plain = reference.batch();
    if head == Head::QuestionAnswering {
        let ends = reference.values("ends").chunks(2);
        let span = |ends: &[f32]| AnswerSpan { first: ends[0] as u32, last: ends[1] as u32 };
        let targets: Vec<Target> = ends.map(|ends| Target::Span(span(ends))).collect();
        return Batch { targets: targets_of(&targets, &plain), ..plain };
    }
    let rows = reference.values("targets").chunks(7).zip(&plain.lengths);
    let target = |(example, (row, length)): (usize, (&[f32], &u32))| {
        let tokens = row[..*length as usize].iter().map(|&id| (id >= 0.0).then_some(id as u32)).collect();
        let follows = (head == Head::Pretraining).then(|| reference.values("follows")[example] == 0.0);
        match head {
            Head::TokenClassifier => Target::Tokens(tokens),
            _ => Target::Masked(MaskedText { tokens, follows }),
        }
    };
    let targets: Vec<Target> = rows.enumerate().map(target).collect();
    Batch { targets: targets_of(&targets, &plain), ..plain }
}

fn targets_of(targets: &[Target], batch: &Batch) -> Targets {
    Targets::of(&targets.iter().collect::<Vec<_>>(), (&batch.lengths, 7), &Device::flex())
}

/// The loss on the targets, of both tasks where there are two.
fn loss(network: &Transformer, batch: &Batch) -> Tensor<1> {
    let heads = Heads::of(network);
    let features = network.forward(batch, &Taps::new(heads.paths()), Mode::Evaluation);
    let loss = task_loss(scores(&features, &heads.logits).unwrap(), &batch.targets).unwrap();
    match heads.next_sentence_loss(&features, &batch.targets).unwrap() {
        Some(next) => loss + next,
        None => loss,
    }
}

#[test]
fn answers_of_every_head_agree_with_transformers() {
    for name in FIXTURES {
        let (network, reference) = (reference_network(name), Reference::of(name));
        let batch = batch(&reference, network.config().head);
        let heads = Heads::of(&network);
        let features = network.forward(&batch, &Taps::new(heads.paths()), Mode::Evaluation);
        assert_eq!(heads.paths().count(), reference.names("feature.").count(), "{name}");
        for path in heads.paths() {
            let feature = features.get(&path).unwrap().clone();
            let mut found: Vec<f32> = feature.into_data().try_to_vec().unwrap();
            let mut expected = reference.values(&format!("feature.{path}")).to_vec();
            let mask = reference.values("mask");
            let real: Vec<f32> = match network.config().head {
                Head::TokenClassifier => mask.iter().flat_map(|&real| [real; 3]).collect(),
                Head::QuestionAnswering => mask.chunks(7).flat_map(|row| [row, row].concat()).collect(),
                _ => Vec::new(),
            };
            if !real.is_empty() {
                found
                    .iter_mut()
                    .zip(&mut expected)
                    .zip(real)
                    .for_each(|((a, b), real)| (*a, *b) = (*a * real, *b * real));
            }
            let apart = difference(&found, &expected);
            assert!(apart < 1e-4, "{name}: {path} differs by {apart}");
        }
    }
}

#[test]
fn loss_and_every_gradient_of_every_head_agree_with_pytorch() {
    for name in FIXTURES {
        let reference = Reference::of(name);
        let network = reference_network(name).train_only(&Block::everything());
        let loss = loss(&network, &batch(&reference, network.config().head));
        let found = gradients(&network, &loss.backward());
        let loss = loss.into_scalar::<f32>();
        assert!((loss - reference.values("loss")[0]).abs() < 1e-4, "{name}: loss {loss}");
        assert_eq!(found.len(), reference.names("gradient.").count(), "{name}");
        for (parameter, gradient) in &found {
            let apart = relative_difference(gradient, reference.values(&format!("gradient.{parameter}")));
            assert!(apart < 1e-3, "{name}: gradient of {parameter} differs by {apart}");
        }
    }
}

#[test]
fn layers_are_all_there_and_their_shapes_are_right() {
    for name in FIXTURES {
        let (network, reference) = (reference_network(name), Reference::of(name));
        let batch = batch(&reference, network.config().head);
        let taps = Taps::new(network.layers().into_iter().map(|layer| layer.path));
        let features = network.forward(&batch, &taps, Mode::Evaluation);
        assert!(features.is_complete(&taps), "{name}");
        let logits = network.layers().into_iter().find(|layer| layer.path == network.logits()).unwrap();
        let expected = match logits.shape {
            autodistillation_distillation::Shape::MaskedTokens { width } => vec![5, width],
            autodistillation_distillation::Shape::Sequence { width } => vec![3, 7, width],
            autodistillation_distillation::Shape::Spans => vec![3, 2, 7],
            other => panic!("{name}: {other}"),
        };
        assert_eq!(features.get(&logits.path).unwrap().dims(), expected, "{name}");
    }
}

#[test]
fn without_masks_every_token_is_scored() {
    let network = reference_network("bert_pretraining");
    let batch = Batch { targets: Targets::Absent, ..Reference::of("bert_pretraining").batch() };
    let aliases = ["cls.predictions", "cls.seq_relationship"].map(LayerPath::new);
    let features = network.forward(&batch, &Taps::new(aliases.clone()), Mode::Evaluation);
    assert_eq!(features.get(&aliases[0]).unwrap().dims(), [21, 32]);
    assert_eq!(features.get(&aliases[1]).unwrap().dims(), [3, 2]);
}

#[test]
fn a_saved_network_with_any_head_is_the_same_when_loaded() {
    for name in FIXTURES {
        let (network, folder) = (reference_network(name), tempfile::tempdir().unwrap());
        save(folder.path(), &network, Precision::F32).unwrap();
        let loaded = Transformer::load(folder.path(), &Device::flex()).unwrap();
        assert_eq!(loaded.warnings, [], "{name}");
        assert_eq!(Weights::of(&loaded.network), Weights::of(&network), "{name}");
        assert_eq!(loaded.network.config().to_json(), network.config().to_json(), "{name}");
        let bytes = std::fs::metadata(folder.path().join("model.safetensors")).unwrap().len();
        let size = crate::cost::size_mb(network.config());
        assert!((size - bytes as f64 / 1e6).abs() < 2e-4, "{name}: {size} MB instead of {bytes} bytes");
    }
}

#[test]
fn a_network_with_any_head_is_the_same_when_loaded_from_tensorflow() {
    for name in FIXTURES {
        let (network, folder) = (reference_network(name), tempfile::tempdir().unwrap());
        save_tensorflow(folder.path(), &network).unwrap();
        let loaded = Transformer::load(folder.path(), &Device::flex()).unwrap();
        assert_eq!(loaded.warnings, [], "{name}");
        assert_eq!(Weights::of(&loaded.network), Weights::of(&network), "{name}");
    }
}

#[test]
fn a_head_is_replaced_when_a_network_is_made_for_another_task() {
    let folder = test_reference::fixture("bert_pretraining");
    let config = TransformerConfig::from_folder(&folder).unwrap();
    let classes = ["O", "B-X"].map(str::to_owned).to_vec();
    let tokens = config.clone().with_token_labels(classes.clone()).unwrap();
    let loaded = Transformer::load_as(&folder, tokens, 1, &Device::flex()).unwrap();
    assert!(loaded.warnings.iter().any(|warning| warning.to_string().contains("classifier.weight")));
    let texts = config.with_labels(classes, crate::ProblemType::SingleLabelClassification).unwrap();
    let loaded = Transformer::load_as(&folder, texts, 1, &Device::flex()).unwrap();
    let said: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("classifier.bias") && !said[0].contains("pooler"), "{said:?}");
    let same_names = test_reference::fixture("bert_tokens");
    let config = TransformerConfig::from_folder(&same_names).unwrap();
    let texts = config.clone().with_labels(config.labels.clone(), crate::ProblemType::Regression);
    let loaded = Transformer::load_as(&same_names, texts.unwrap(), 1, &Device::flex()).unwrap();
    assert!(
        loaded.warnings[0].to_string().contains("classifier.weight"),
        "a classifier of tokens is none of texts"
    );
    let classifier = test_reference::fixture("mobilebert");
    let config = TransformerConfig::from_folder(&classifier).unwrap().with_pretraining_head().unwrap();
    let loaded = Transformer::load_as(&classifier, config, 1, &Device::flex()).unwrap();
    assert_eq!(loaded.network.config().to_json()["architectures"][0], "MobileBertForPreTraining");
    assert!(loaded.warnings[0].to_string().contains("cls.predictions.bias"));
}

#[test]
fn an_old_checkpoint_that_names_only_the_decoders_bias_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let source = test_reference::fixture("bert_masked");
    std::fs::copy(source.join("config.json"), folder.path().join("config.json")).unwrap();
    let bytes = std::fs::read(source.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let renamed = tensors.iter().flat_map(|(name, view)| match name {
        "cls.predictions.bias" => vec![("cls.predictions.decoder.bias".to_owned(), view)],
        "bert.embeddings.word_embeddings.weight" => {
            vec![(name.to_owned(), view.clone()), ("cls.predictions.decoder.weight".to_owned(), view)]
        }
        _ => vec![(name.to_owned(), view)],
    });
    let written = safetensors::serialize(renamed.collect::<Vec<_>>(), None).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), written).unwrap();
    let loaded = Transformer::load(folder.path(), &Device::flex()).unwrap();
    assert_eq!(Weights::of(&loaded.network), Weights::of(&reference_network("bert_masked")));
    assert_eq!(loaded.warnings, [], "the decoder is the table of the words");
    let written = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&written).unwrap();
    let mut bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, view)| (name.to_owned(), view.shape().to_vec(), view.data().to_vec()))
        .collect();
    bytes.iter_mut().filter(|it| it.0 == "cls.predictions.decoder.weight").for_each(|it| it.2[3] ^= 1);
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (name.clone(), view.unwrap())
    });
    let written = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), written).unwrap();
    let error = Transformer::load(folder.path(), &Device::flex()).unwrap_err().to_string();
    assert!(
        error.contains("`cls.predictions.decoder.weight`, which differs from the word embeddings"),
        "{error}"
    );
}

#[test]
fn students_have_their_teachers_head_and_what_fits_of_it() {
    let teacher = reference_network("bert_pretraining");
    let student = |family, sizes: serde_json::Value| {
        student_config(teacher.config(), family, sizes.as_object().unwrap()).unwrap()
    };
    let sizes = json!({"hidden_size": 8, "embedding_size": 4, "intra_bottleneck_size": 6});
    let mobile = student(Family::MobileBert, sizes);
    assert_eq!(mobile.head, Head::Pretraining);
    assert_eq!(student(Family::DistilBert, json!({})).head, Head::MaskedLanguageModel);
    assert!(!can_project(&student(Family::Bert, json!({"hidden_size": 4})), teacher.config()));
    let plan = crate::InheritancePlan { layers: vec![0] };
    let random = Transformer::random(mobile, 3, &Device::flex());
    let (started, parts) = crate::inherit(random, &teacher, &plan);
    let modules: Vec<&str> = parts.iter().map(|part| part.module.as_str()).collect();
    assert_eq!(
        modules,
        [
            "mobilebert.embeddings",
            "cls.predictions.transform",
            "cls.seq_relationship",
            "cls.predictions.bias"
        ]
    );
    let of = |network: &Transformer| Weights::of(network).get("cls.predictions.bias").cloned();
    assert_eq!(of(&started), of(&teacher));
    let same = Transformer::random(teacher.config().clone(), 5, &Device::flex());
    let (same, _) = crate::inherit(same, &teacher, &plan);
    assert_eq!(Weights::of(&same), Weights::of(&teacher));
}

#[test]
fn what_cannot_be_is_explained() {
    let mut json = reference_network("bert_answers").config().to_json();
    json["id2label"] = json!({"0": "one"});
    let error = TransformerConfig::from_json(&json).unwrap_err().to_string();
    assert!(error.contains("needs 2 labels, and there are 1"), "{error}");
    let mut json = reference_network("mobilebert_square").config().to_json();
    json["embedding_size"] = json!(6);
    let error = TransformerConfig::from_json(&json).unwrap_err().to_string();
    assert!(error.contains("embedding_size 6 is more than hidden_size 4"), "{error}");
    let untied = test_networks::config(&[]).with_pretraining_head().unwrap();
    let mut json = untied.to_json();
    json["tie_word_embeddings"] = json!(false);
    let error = TransformerConfig::from_json(&json).unwrap_err().to_string();
    assert!(error.contains("`tie_word_embeddings` is false"), "{error}");
}
