//! Every way a config can be wrong, and what is said about it.

use autodistillation::Plan;
use std::path::Path;

use super::{Folder, REST, distilling, search_config, searching};

/// The message of the only problem, after its key path.
fn problem(text: &str) -> String {
    let shown = Folder::new().problems(text);
    assert_eq!(shown.lines().count(), 1, "{shown}");
    shown
}

fn search_problem(keys: &str) -> String {
    problem(&searching(&format!("{{search: {{search_space: {{hidden_size: [16, 32]}}, {keys}}}}}")))
}

fn space_problem(space: &str) -> String {
    problem(&searching(&format!("{{search: {{search_space: {space}}}}}")))
}

fn flash_problem(keys: &str) -> String {
    problem(&distilling(&format!("flash_distillation: {{{keys}}}")))
}

fn train_problem(train: &str) -> String {
    problem(&format!("{}train: {train}\n", distilling("regular_distillation: {}")))
}

#[test]
fn several_problems_are_all_listed_with_their_places() {
    let text = "model:
  name: student
  framwork: pytorch
teacher: {path: nowhere}
student: {family: bert, num_hidden_layers: 0, num_attention_heads: 2, intermediate_size: 64}
data:
  train: train.tsv
  validation: missing.tsv
  text: sentence
auto_distillation:
  search:
    search_space:
      hidden_size: [64, 64, wide]
      hiden_size: []
    search_algorithm: annealing
    metrics: [accuracy, latensy]
    max_trials: 0
    seed: 42
    seed: 43
  flash_distillation:
    knowledge_transfer:
      block_names: [a, b]
      layer_mappings_for_knowledge_transfer: [[[a, b]], [[c, d], [e]]]
      loss_types: [[KL], [MSEE, MSE]]
      loss_weights: [[-1], [0.5, 2]]
      train_steps: [10, 0]
      temperature: [0, 1]
  regular_destillation: {}
train: {optimizer: {AdaW: {learning_rate: 1}}, batch_size: many}
evaluation: {latency: {lenght: 32}}
";
    insta::assert_snapshot!(Folder::new().problems(text));
}

#[test]
fn unknown_keys_name_the_nearest_one_at_any_depth() {
    assert_eq!(
        problem(&format!("auto_distillation: {{serch: {{search_space: {{hidden_size: [16]}}}}}}{REST}")),
        "config.yaml:1:21: auto_distillation.serch: unknown key `serch`: did you mean `search`?"
    );
    let deep =
        distilling("flash_distillation: {knowledge_transfer: {layer_mappings: [[a, b]], train_step: 3}}");
    assert_eq!(
        problem(&deep),
        format!(
            "config.yaml:1:{}: auto_distillation.flash_distillation.knowledge_transfer.train_step: \
             unknown key `train_step`: did you mean `train_steps`?",
            deep.find("train_step:").unwrap() + 1
        )
    );
    assert!(train_problem("{optimizer: {AdamW: {momentum: 0.9}}}").contains(
        "train.optimizer.AdamW.momentum: unknown key `momentum`: use one of learning_rate, weight_decay"
    ));
    assert!(
        problem(&distilling("").replace("num_hidden", "num_hiden"))
            .contains("did you mean `num_hidden_layers`?")
    );
}

#[test]
fn missing_sections_are_named() {
    insta::assert_snapshot!(Folder::new().problems("model: {name: student}"));
    let data = "data: {train: train.tsv}";
    let shown = Folder::new().problems(&distilling("").replace("data: {", "dta: {"));
    assert!(shown.contains("unknown key `dta`: did you mean `data`?"), "{shown}");
    let text = distilling("")
        .replace("data: {train: train.tsv, validation: dev.tsv, text: sentence, label: label}", data);
    insta::assert_snapshot!(Folder::new().problems(&text));
}

#[test]
fn wrong_types_say_what_was_expected() {
    assert!(
        search_problem("max_trials: ten")
            .ends_with("search.max_trials: expected a whole number, found the text `ten`")
    );
    assert!(search_problem("seed: 1.5").ends_with("expected a whole number, found `1.5`"));
    assert!(
        search_problem("metrics: [accuracy], higher_is_better: [1]")
            .ends_with("higher_is_better[0]: expected true or false, found `1`")
    );
    assert!(
        flash_problem("layer_mappings: [[a, b]], learning_rate: fast")
            .ends_with("expected a number, found the text `fast`")
    );
    assert!(
        flash_problem("layer_mappings: [[a, b]], learning_rate: .nan")
            .ends_with("expected a number, found `NaN`")
    );
    assert!(
        problem(&format!("auto_distillation: [1]{REST}"))
            .ends_with("auto_distillation: expected a map of keys and values, found a list of 1")
    );
    assert!(space_problem("{hidden_size: 16}").ends_with("expected a list of choices, found `16`"));
    assert!(
        problem("- 1").ends_with("config.yaml:1:1: expected a map of keys and values, found a list of 1")
    );
}

#[test]
fn ranges_are_checked() {
    assert!(search_problem("max_trials: 0").ends_with("must be 1 or more, found `0`"));
    assert!(search_problem("max_trials: 5000000000").ends_with("must be smaller, found `5000000000`"));
    assert!(search_problem("seed: -1").ends_with("must be 0 or more, found `-1`"));
    assert!(
        flash_problem("layer_mappings: [[a, b]], train_steps: [0]")
            .ends_with("train_steps[0]: must be 1 or more, found `0`")
    );
    assert!(
        flash_problem("layer_mappings: [[a, b]], temperature: 0").ends_with("must be above 0, found `0`")
    );
    assert!(
        flash_problem("layer_mappings: [[a, b]], loss_weights: [-0.5]")
            .ends_with("loss_weights[0]: must be from 0 to 1, found `-0.5`")
    );
    assert!(
        train_problem("{optimizer: {AdamW: {betas: [0.9, 1]}}}").contains("betas[1]: must be from 0 up to")
    );
    assert!(
        train_problem("{optimizer: {SGD: {nesterov: true}}}")
            .contains("Nesterov momentum needs `momentum` above 0")
    );
    assert!(
        train_problem("{schedule: {warmup: 2}}").contains("must be a share of the steps, 0 to 1, found `2`")
    );
    assert!(
        problem(&distilling("").replace("bert,", "bert, dropout: 1,"))
            .contains("student.dropout: must be from 0 up to")
    );
}

#[test]
fn parallel_lists_have_equal_lengths() {
    let two = "layer_mappings: [[[a, b]], [[c, d], [e, f]]]";
    assert!(
        flash_problem(&format!("{two}, train_steps: [1, 2, 3]"))
            .ends_with("train_steps: 3 given for 2 stages: give one per stage")
    );
    assert!(
        flash_problem(&format!("{two}, block_names: [a]"))
            .ends_with("block_names: 1 given for 2 stages: give one per stage")
    );
    assert!(
        flash_problem(&format!("{two}, loss_types: [[KL]]"))
            .ends_with("loss_types: 1 given for 2 stages: give one per stage")
    );
    assert!(
        flash_problem(&format!("{two}, loss_weights: [[1], [1]]"))
            .ends_with("loss_weights[1]: 1 given for 2 layer mappings: give one per layer mapping")
    );
    assert!(
        flash_problem("layer_mappings: auto, train_steps: [1, 2, 3]")
            .ends_with("train_steps: 3 given for 2 blocks: give one per block")
    );
    assert!(
        search_problem("metrics: [accuracy, loss], higher_is_better: [true]")
            .ends_with("1 given for 2 metrics: give one per metric")
    );
    assert!(
        train_problem("{optimizer: {Adam: {betas: [0.9]}}}")
            .ends_with("1 given for 2 moments: give one per moment")
    );
}

#[test]
fn names_outside_a_closed_set_are_answered_with_the_valid_ones() {
    assert!(
        search_problem("search_algorithm: annealing")
            .ends_with("`annealing` is not a search algorithm: use one of BO, Random, Grid")
    );
    assert!(search_problem("metrics: [bleu]").ends_with(
        "metrics[0]: `bleu` is not a metric: use one of accuracy, f1, exact_match, micro_f1, matthews, pearson, spearman, next_sentence, perplexity, loss, latency, \
         parameters, flops, size_mb"
    ));
    assert!(
        search_problem("metrics: [eval_acuracy]")
            .ends_with("`acuracy` is not a metric: did you mean `accuracy`?")
    );
    assert!(
        search_problem("pruning: always")
            .ends_with("`always` is not a way of pruning: use one of auto, none")
    );
    assert!(search_problem("constraints: {max_bleu: 8}").ends_with(
        "use one of accuracy, f1, exact_match, micro_f1, matthews, pearson, spearman, next_sentence, perplexity, loss, latency, parameters, flops, size_mb"
    ));
    assert!(
        search_problem("constraints: {latency: 8}")
            .contains("`latency` is not a constraint: write `max_METRIC`")
    );
    assert!(search_problem("constraints: {min_accuracy: 0.9, max_accuracy: 0.8}").ends_with(
        "no `accuracy` is at least 0.9 and at most 0.8: loosen or remove one of the two constraints"
    ));
    assert!(
        search_problem("constraints: {max_latency_ms: fast}")
            .contains("the bound of `max_latency_ms` is `fast`")
    );
    assert!(
        flash_problem("layer_mappings: [[a, b]], loss_types: [MSEE]")
            .ends_with("loss_types[0]: `MSEE` is not a loss: did you mean `MSE`?")
    );
    assert!(flash_problem("layer_mappings: [[a, b]], heads: max").ends_with("use one of mean, matcher"));
    assert!(
        train_problem("{optimizer: {Lion: {}}}")
            .ends_with("`Lion` is not an optimizer: use one of AdamW, Adam, SGD")
    );
    assert!(train_problem("{schedule: {decay: step}}").ends_with("use one of linear, cosine, constant"));
    assert!(problem(&distilling("").replace("family: bert", "family: gpt2")).ends_with(
        "`gpt2` is not a network family: use one of bert, distilbert, roberta, electra, mobilebert"
    ));
}

#[test]
fn search_spaces_are_checked() {
    assert!(
        space_problem("{}").ends_with("search_space: is empty: give at least one dimension with its choices")
    );
    assert!(
        space_problem("{hidden_size: []}")
            .ends_with("search_space.hidden_size: is empty: give at least one choice")
    );
    assert!(
        space_problem("{hidden_size: [16, 16]}")
            .ends_with("hidden_size[1]: `16` is listed twice: remove one")
    );
    assert!(
        space_problem("{hidden_size: [16, -16]}").ends_with("hidden_size[1]: must be 1 or more, found `-16`")
    );
    assert!(space_problem("{hidden_sizes: [16]}").ends_with("did you mean `hidden_size`?"));
    assert!(
        space_problem("{hidden_size: [16], num_hidden_layers: [2]}")
            .contains("`num_hidden_layers` is given here and in `auto_distillation.search.search_space`")
    );
    assert!(
        space_problem("{hidden_size: [16], hidden_size: [32]}")
            .ends_with("key `hidden_size` is already given at line 1: remove one of them")
    );
    assert!(
        search_problem("metrics: [accuracy, eval_accuracy]")
            .ends_with("metrics[1]: `accuracy` is listed twice: remove one")
    );
    assert!(search_problem("metrics: []").ends_with("metrics: is empty: give at least one metric"));
}

#[test]
fn a_student_needs_a_family() {
    let shown = problem(&distilling("").replace("family: bert,", ""));
    assert!(
        shown.ends_with("student: missing key `family`: give a network family, such as `bert`"),
        "{shown}"
    );
}

#[test]
fn sizes_have_no_silent_default() {
    let shown = problem(&distilling("").replace("intermediate_size: 64", ""));
    assert!(
        shown.contains("student: missing key `intermediate_size`: give a whole number, or search it"),
        "{shown}"
    );
}

#[test]
fn files_have_to_exist_and_be_files() {
    assert!(problem(&distilling("").replace("dev.tsv", "dev2.tsv")).ends_with(
        "data.validation: file `dev2.tsv` does not exist (relative paths start at the config file's folder)"
    ));
    assert!(
        problem(&distilling("").replace("dev.tsv", "teacher"))
            .ends_with("data.validation: `teacher` is not a file")
    );
    assert!(
        problem(&distilling("").replace("path: teacher", "path: train.tsv"))
            .ends_with("teacher.path: `train.tsv` is not a folder")
    );
    let absent = Plan::load(Path::new("no/such/config.yaml")).unwrap_err().to_string();
    assert!(absent.starts_with("no/such/config.yaml: the file cannot be read: "), "{absent}");
}

#[test]
fn criteria_are_checked() {
    let rest = REST.replace("num_hidden_layers", "hidden_size: 16, num_hidden_layers");
    let shown =
        |criterion: &str| problem(&format!("distillation: {{train: {{criterion: {criterion}}}}}{rest}"));
    assert!(shown("{KnowledgeDistilationLoss: {}}").ends_with("did you mean `KnowledgeDistillationLoss`?"));
    assert!(
        shown("SelfKnowledgeDistillationLoss").contains("with its `layer_mappings_for_knowledge_transfer`")
    );
    let uneven = "{SelfKnowledgeDistillationLoss: {layer_mappings: [[[a, b]], [[c, d]]], loss_types: [KL]}}";
    assert!(shown(uneven).ends_with("1 given for 2 mapping groups: give one per mapping group"));
    assert!(
        shown("{SelfKnowledgeDistillationLoss: {temperature: 2}}")
            .contains("missing key `layer_mappings_for_knowledge_transfer`")
    );
    assert!(
        shown("{KnowledgeDistillationLoss: {loss_weights: [0.5, 0.6]}}").contains("the weights sum to 1.1")
    );
    assert!(
        shown("{KnowledgeDistillationLoss: {loss_types: [CE, L1]}}")
            .ends_with("use one of CE, KL, MSE, RKL, JSD")
    );
    assert!(shown("{KnowledgeDistillationLoss: {temperature: -1}}").ends_with("must be above 0, found `-1`"));
    assert!(
        shown("{IntermediateLayersKnowledgeDistillationLoss: {loss_types: [KL]}}")
            .contains("missing key `layer_mappings_for_knowledge_transfer`")
    );
    assert!(
        shown("KnowledgeDistillationLoss, iteration: 3, epoch: 1")
            .contains("`epoch` is given here and in `distillation.train.iteration`")
    );
}

#[test]
fn sections_given_twice_are_refused() {
    let twice =
        "flash_distillation: {layer_mappings: [[a, b]], regular_distillation: {}}, regular_distillation: {}";
    assert!(problem(&distilling(twice)).contains("`regular_distillation` is given here and in `auto_distillation.flash_distillation.regular_distillation`"));
    assert!(
        flash_problem("layer_mappings: [[a, b]], layer_mappings_for_knowledge_transfer: [[a, b]]")
            .contains("is given here and in")
    );
    assert!(
        problem(&distilling("").replace("path: teacher", "path: teacher, finetune: {}"))
            .contains("`finetune` is given here and in `teacher.path`")
    );
}

#[test]
fn per_block_values_need_a_known_number_of_blocks() {
    let text = "{search: {search_space: {num_hidden_layers: [1, 2]}}, flash_distillation: {layer_mappings: auto, train_steps: [1, 2]}}";
    let shown = search_config(text).unwrap_err().to_string();
    assert!(shown.contains("one value per block needs a fixed `student.num_hidden_layers`"), "{shown}");
}

#[test]
fn flash_without_mappings_says_what_to_give() {
    assert!(
        flash_problem("train_steps: [100]")
            .contains("missing key `layer_mappings_for_knowledge_transfer`: give one list")
    );
}
