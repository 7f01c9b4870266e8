//! Commands that only look.

use std::io::Write;
use std::process::Stdio;

use crate::workplace::Workplace;

#[test]
fn init_writes_the_starter_config_once() {
    let workplace = Workplace::new();
    let printed = workplace.succeed(&["init"]).stdout;
    workplace.succeed(&["init", "new.yaml"]);
    assert_eq!(workplace.read("new.yaml"), printed);
    assert_eq!(printed, autodistillation::config::starter());
}

#[test]
fn check_explains_what_a_run_would_do() {
    let said = Workplace::new().succeed(&["check", "config.yaml"]);
    insta::assert_snapshot!(said.stdout);
    assert_eq!(said.stderr, "");
}

#[test]
fn check_counts_what_cannot_be_built() {
    let workplace = Workplace::new();
    workplace.edit("config.yaml", "num_attention_heads: [1, 2]", "num_attention_heads: [1, 3]");
    let said = workplace.succeed(&["check", "config.yaml"]);
    assert!(said.stdout.contains("4 architectures, 3 of them can be built\n  1 cannot: "), "{}", said.stdout);
    let report = workplace.succeed(&["check", "config.yaml", "--json"]).json();
    assert_eq!((&report["points"], &report["feasible"]), (&4.into(), &3.into()));
    assert_eq!(report["examples"], serde_json::json!({"train": 8, "validation": 8}));
}

#[test]
fn layers_lists_what_can_be_mapped() {
    let workplace = Workplace::new();
    insta::assert_snapshot!(workplace.succeed(&["layers", "teacher"]).stdout);
    let listed = workplace.succeed(&["layers", "teacher", "--json"]).json();
    let logits = serde_json::json!({"path": "classifier", "output": 0, "shape": "(batch, 2)"});
    assert!(listed["layers"].as_array().unwrap().contains(&logits), "{listed}");
}

#[test]
fn evaluate_measures_quality_and_latency() {
    let workplace = Workplace::new();
    let evaluate = ["evaluate", "teacher", "--data", "dev.tsv", "--length", "8", "--repeats", "3"];
    let said = workplace.succeed(&[&evaluate[..], &["--json"]].concat()).json();
    assert_eq!(said["examples"], 8);
    let accuracy = said["accuracy"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&accuracy) && said["loss"].as_f64().unwrap() > 0.0, "{said}");
    assert!(said["latency"]["p50_ms"].as_f64().unwrap() > 0.0, "{said}");
    let table = workplace.succeed(&evaluate).stdout;
    assert!(table.contains(&format!("{:.2} %", accuracy * 100.0)), "{table}");
    assert!(table.contains("latency p50") && table.contains("examples"), "{table}");
}

#[test]
fn predict_answers_every_line_of_a_file_or_of_standard_input() {
    let workplace = Workplace::new();
    workplace.write("text.txt", "a warm film\na dull play\twith a second text\n");
    let from_file = workplace.succeed(&["predict", "teacher", "text.txt"]).stdout;
    let lines: Vec<&str> = from_file.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with("\ta warm film"), "{from_file}");
    let mut child = workplace
        .command(&["predict", "teacher"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(workplace.read("text.txt").as_bytes()).unwrap();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), from_file);
    let json = workplace.succeed(&["predict", "teacher", "text.txt", "--json"]).json();
    let first = &json["predictions"][0];
    let shares = ["negative", "positive"].map(|label| first["probabilities"][label].as_f64().unwrap());
    assert!((shares[0] + shares[1] - 1.0).abs() < 1e-6, "{json}");
    assert_eq!(first["label"], if shares[0] > shares[1] { "negative" } else { "positive" });
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let workplace = Workplace::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = workplace.command(&["layers", "teacher"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn bench_measures_steps_and_latency_of_a_shape() {
    let shape = "--hidden 8 --heads 2 --ffn 16 --layers 1 --batch 2 --length 4 --vocabulary 20 --steps 2";
    for work in ["step", "latency"] {
        let mut arguments = vec!["bench", work];
        arguments.extend(shape.split(' '));
        let table = Workplace::new().succeed(&arguments).stdout;
        assert!(table.contains("median") && table.contains("GFLOP/s"), "{table}");
        arguments.extend(["--jobs", "2", "--threads", "1", "--json"]);
        let json = Workplace::new().succeed(&arguments).json();
        assert_eq!((json["jobs"].as_u64(), json["threads"].as_u64()), (Some(2), Some(1)));
        for number in ["median_ms", "gemm_gflops_peak", "gemm_share"] {
            assert!(json[number].as_f64().unwrap() > 0.0, "{number}: {json}");
        }
    }
}

#[test]
fn a_layer_starts_from_the_one_that_teaches_it() {
    let workplace = Workplace::new();
    let pair = "[[[bert.encoder.layer.0.output, bert.encoder.layer.0.output]]]";
    let stage = format!(
        "block_names: [bert.encoder.layer.0]\n      layer_mappings_for_knowledge_transfer: {pair}\n      loss_types: [[MSE]]"
    );
    workplace.edit("config.yaml", "layer_mappings_for_knowledge_transfer: auto", &stage);
    let said = workplace.succeed(&["check", "config.yaml"]);
    assert!(said.stdout.contains("layer 0: teacher layer 0, sliced"), "{}", said.stdout);
}
