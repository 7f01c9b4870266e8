//! Example runs for the tests of every document.

use std::collections::BTreeMap;

use autodistillation_search::{
    Architecture, Choice, Constraint, Dimension, Goal, Metrics, Outcome, SearchSpace, Study, Trial,
};

use super::{
    CurvePoint, Dataset, Environment, LatencyPercentiles, LatencySettings, Machine, Measured, Recipe,
    RecipeStage, RunSummary, StageRecord, Teacher, TimeShare, TrialRecord,
};

const BLOCKS: [&str; 4] =
    ["bert.encoder.layer.0", "bert.encoder.layer.1", "bert.encoder.layer.2", "bert.encoder.layer.3"];

/// Thirteen trials as a run on SST-2 leaves them: completed, excluded, pruned, failed and running.
pub(super) fn sst2() -> RunSummary {
    let rows: [(i64, i64, i64, f64, f64); 10] = [
        (128, 512, 2, 0.8222, 2.63),
        (64, 256, 2, 0.7993, 1.57),
        (256, 1024, 4, 0.8463, 7.01),
        (192, 1024, 4, 0.8314, 5.06),
        (64, 1024, 8, 0.8016, 2.31),
        (192, 512, 8, 0.8360, 3.92),
        (256, 256, 2, 0.8291, 4.36),
        (128, 256, 4, 0.8188, 2.18),
        (256, 1024, 8, 0.8475, 9.40),
        (128, 1024, 8, 0.8245, 3.55),
    ];
    let mut run = empty("sst2_student", space());
    run.study.constraints = vec![Constraint::parse("max_latency_ms", "8").unwrap()];
    for (number, &(hidden, inner, heads, accuracy, latency)) in rows.iter().enumerate() {
        let parameters = parameters(hidden, inner);
        let metrics = metrics(accuracy, latency, parameters);
        let mut trial = Trial::completed(number as u32, architecture(hidden, inner, heads), metrics);
        trial.intermediate.insert("flash_accuracy", accuracy - 0.06 + 0.004 * (number % 3) as f64);
        run.records.push(record(&trial, accuracy));
        run.study.trials.push(trial);
    }
    add_unfinished(&mut run);
    run
}

/// Two completed trials on the front, with nothing but their goals.
pub(super) fn two_trials() -> RunSummary {
    let mut run = empty("demo", SearchSpace::new(vec![Dimension::new("hidden_size", [64, 128])]).unwrap());
    for (number, hidden, accuracy, latency) in [(0, 64, 0.8, 1.5), (1, 128, 0.85, 2.5)] {
        let metrics: Metrics = [("accuracy", accuracy), ("latency", latency)].into_iter().collect();
        let architecture = [("hidden_size", hidden)].into_iter().collect();
        run.study.trials.push(Trial::completed(number, architecture, metrics));
    }
    run
}

/// Markup, quotes and control characters wherever a user's text can be.
pub(super) fn hostile() -> RunSummary {
    const EVIL: &str = "<script>alert('x')</script>\" onload=\"y\" ]]> &amp; \u{1} ' --> `|`";
    let space = SearchSpace::new(vec![Dimension::new(EVIL, [EVIL, "b", "c"])]).unwrap();
    let mut run = empty(EVIL, space);
    run.study.goals = vec![Goal::maximize(EVIL), Goal::minimize("latency")];
    for (number, choice) in [EVIL, "b"].into_iter().enumerate() {
        let architecture: Architecture = [(EVIL, choice)].into_iter().collect();
        let metrics = [(EVIL, 0.5 + number as f64), ("latency", 1.0 + number as f64)].into_iter().collect();
        run.study.trials.push(Trial::completed(number as u32, architecture, metrics));
    }
    run.study.trials.push(Trial::failed(2, [(EVIL, "c")].into_iter().collect(), EVIL));
    let stage = StageRecord { name: EVIL.into(), warning: Some(EVIL.into()), ..StageRecord::default() };
    run.records = vec![TrialRecord { stages: vec![stage], curve: curve(1, 0.5), ..TrialRecord::default() }];
    run.teacher.name = EVIL.into();
    run.dataset.name = EVIL.into();
    run.environment.hashes = BTreeMap::from([(EVIL.into(), EVIL.into())]);
    run.environment.machine.processor = Some(EVIL.into());
    run.time = vec![TimeShare { activity: EVIL.into(), seconds: 3.0 }];
    run
}

fn empty(name: &str, space: SearchSpace) -> RunSummary {
    RunSummary {
        name: name.into(),
        study: Study::new(space, vec![Goal::maximize("accuracy"), Goal::minimize("latency")], 42),
        algorithm: "BO".into(),
        max_trials: 13,
        teacher: teacher(),
        records: Vec::new(),
        recipe: recipe(),
        dataset: Dataset {
            name: "sst2".into(),
            task: "text-classification".into(),
            auto_class: "AutoModelForSequenceClassification".to_owned(),
            train: 6920,
            validation: 872,
            test: Some(1821),
            labels: vec!["negative".into(), "positive".into()],
            max_length: 64,
        },
        environment: environment(),
        time: time(),
    }
}

fn space() -> SearchSpace {
    SearchSpace::new(vec![
        Dimension::new("hidden_size", [64, 128, 192, 256]),
        Dimension::new("intermediate_size", [256, 512, 1024]),
        Dimension::new("num_attention_heads", [2, 4, 8]),
    ])
    .unwrap()
}

fn architecture(hidden: i64, inner: i64, heads: i64) -> Architecture {
    [("hidden_size", hidden), ("intermediate_size", inner), ("num_attention_heads", heads)]
        .into_iter()
        .collect()
}

fn parameters(hidden: i64, inner: i64) -> f64 {
    (hidden * (30_522 + 514) + 4 * (4 * hidden * hidden + 2 * hidden * inner + 9 * hidden + inner)) as f64
}

fn metrics(accuracy: f64, latency: f64, parameters: f64) -> Metrics {
    let size = parameters * 4.0 / 1e6;
    let loss = 1.12 - 0.9 * accuracy;
    [
        ("accuracy", accuracy),
        ("loss", loss),
        ("latency", latency),
        ("parameters", parameters),
        ("size_mb", size),
    ]
    .into_iter()
    .collect()
}

fn add_unfinished(run: &mut RunSummary) {
    let pruned: Metrics = [("accuracy", 0.7213), ("latency", 4.9)].into_iter().collect();
    let mut trial = Trial::pending(10, architecture(192, 1024, 2));
    trial.outcome = Some(Outcome::Pruned(pruned));
    trial.intermediate.insert("flash_accuracy", 0.7213);
    run.records.push(TrialRecord {
        number: 10,
        stages: stages(4, 0.4),
        curve: curve(4, 0.4),
        ..Default::default()
    });
    run.study.trials.push(trial);
    let reason = "the loss became NaN in stage `bert.encoder.layer.1` at step 37 of 200";
    run.study.trials.push(Trial::failed(11, architecture(256, 512, 8), reason));
    let mut diverging = curve(2, 0.9);
    diverging.truncate(23);
    diverging.push(CurvePoint { stage: 1, step: 37, loss: f64::NAN });
    run.records.push(TrialRecord { number: 11, curve: diverging, ..Default::default() });
    run.study.trials.push(Trial::pending(12, architecture(128, 512, 8)));
}

fn record(trial: &Trial, accuracy: f64) -> TrialRecord {
    let latency = trial.metrics().and_then(|metrics| metrics.get("latency")).unwrap();
    TrialRecord {
        started_from: None,
        number: trial.number,
        measured: Measured {
            metrics: Metrics::new(),
            test: [("accuracy", accuracy + 0.0061), ("loss", 1.1 - 0.9 * accuracy)].into_iter().collect(),
            latency: Some(LatencyPercentiles { p50: latency, p90: latency * 1.08, p99: latency * 1.31 }),
        },
        stages: stages(5, 0.9 - accuracy),
        curve: curve(5, 0.9 - accuracy),
        student: None,
    }
}

fn stages(count: usize, difficulty: f64) -> Vec<StageRecord> {
    let flash = BLOCKS.iter().enumerate().map(|(block, name)| {
        let explained = 0.93 - 0.09 * block as f64 - difficulty * 1.2;
        let collapsed = explained < 0.2;
        StageRecord {
            name: (*name).to_owned(),
            steps: 200,
            seconds: 4.1 + block as f64,
            teacher_seconds: None,
            loss: Some(1.0 - explained),
            explained_variance: Some(explained),
            feature_variance: Some(if collapsed { 0.03 } else { 0.97 }),
            warning: collapsed
                .then(|| "features fell to the teacher's mean; the stage was stopped".to_owned()),
        }
    });
    let regular = StageRecord {
        name: "regular".into(),
        steps: 2000,
        seconds: 141.0,
        loss: Some(0.24 + difficulty),
        ..StageRecord::default()
    };
    flash.chain([regular]).take(count).collect()
}

/// Loss curves with a little deterministic noise: 20 points a block, 100 for the regular stage.
fn curve(count: u32, difficulty: f64) -> Vec<CurvePoint> {
    let point = move |stage: u32, at: u32| {
        let (length, start, end) =
            if stage < 4 { (20, 1.1, 0.1 + 0.09 * f64::from(stage)) } else { (100, 1.6, 0.2) };
        let progress = f64::from(at) / f64::from(length);
        let noise = 1.0 + 0.06 * f64::sin(f64::from(at * at + stage) * 1.7);
        let loss = (end + difficulty + (start - end) * (-4.0 * progress).exp()) * noise;
        CurvePoint { stage, step: at * if stage < 4 { 10 } else { 20 }, loss }
    };
    (0..count)
        .flat_map(|stage| (1..=if stage < 4 { 20 } else { 100 }).map(move |at| point(stage, at)))
        .collect()
}

fn teacher() -> Teacher {
    let metrics = [
        ("accuracy", 0.895_642),
        ("loss", 0.307_651),
        ("latency", 16.2),
        ("parameters", 22_713_986.0),
        ("size_mb", 90.9),
    ];
    Teacher {
        name: "minilm-l6-sst2".into(),
        hub_id: None,
        license: Some("apache-2.0".into()),
        architecture: [("num_hidden_layers", 6), ("hidden_size", 384), ("num_attention_heads", 12)]
            .into_iter()
            .collect(),
        measured: Measured {
            metrics: metrics.into_iter().collect(),
            test: [("accuracy", 0.898_407), ("loss", 0.273_61)].into_iter().collect(),
            latency: Some(LatencyPercentiles { p50: 16.2, p90: 17.4, p99: 21.0 }),
        },
    }
}

fn recipe() -> Recipe {
    let block = |name: &&str| RecipeStage {
        name: (*name).to_owned(),
        objective: "0.5 KL of attention maps + 0.5 relative MSE of hidden states".into(),
        steps: 200,
        learning_rate: 1e-3,
    };
    let regular = RecipeStage {
        name: "regular".into(),
        objective: "KL of logits at temperature 2 + cross entropy of labels".into(),
        steps: 2000,
        learning_rate: 5e-4,
    };
    Recipe {
        family: "bert".into(),
        fixed: [("num_hidden_layers", Choice::from(4))].into_iter().collect(),
        initialization: "teacher (embeddings projected, layers sliced)".into(),
        optimizer: "AdamW, learning rate 5e-4, weight decay 0.01".into(),
        batch_size: 32,
        stages: BLOCKS.iter().map(block).chain([regular]).collect(),
    }
}

fn environment() -> Environment {
    Environment {
        latency_machine: None,
        version: "0.1.0".into(),
        created: "2026-11-23T19:12:00Z".into(),
        machine: Machine {
            processor: Some("Example Processor 9000 @ 2.60GHz".into()),
            architecture: "x86_64".into(),
            cores: Some(2),
            threads: 2,
            features: ["fma", "avx2", "avx512f", "avx512_bf16"].map(str::to_owned).into(),
            system: "Debian GNU/Linux 12 (bookworm), Linux 6.1.0".into(),
            memory: Some(25_769_803_776),
            fingerprint: "0123456789abcdef".into(),
        },
        device: "flex, f32".into(),
        jobs: 2,
        threads_per_job: 1,
        versions: BTreeMap::from([("burn".into(), "0.22.1".into())]),
        seeds: BTreeMap::from([("search".into(), 42)]),
        hashes: BTreeMap::from([
            ("teacher".into(), "5f1d0b2a9c3e4f60".into()),
            ("train".into(), "a3c5e7f90b1d2f41".into()),
            ("validation".into(), "77e0d1c2b3a49586".into()),
        ]),
        latency: Some(LatencySettings { batch_size: 1, length: 32, threads: 1, repeats: 50 }),
    }
}

fn time() -> Vec<TimeShare> {
    [
        ("teacher cache", 41.0),
        ("flash distillation", 312.0),
        ("regular distillation", 1480.0),
        ("evaluation", 66.0),
        ("latency", 24.0),
        ("search", 3.2),
    ]
    .map(|(activity, seconds)| TimeShare { activity: activity.into(), seconds })
    .into()
}
