//! Whatever happens to the cache, the teacher's answers have the same bits.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use autodistillation_distillation::{Example, Feature, Features, LayerPath, Part, Taps, Target};
use autodistillation_models::TransformerConfig;
use burn::tensor::Device;
use serde_json::json;

use super::*;

/// Widths that no vector register divides, so that a kernel's remainder is at work.
fn network(seed: u64) -> Ensemble<Transformer> {
    Ensemble::new(alone(seed), Vec::new())
}

fn alone(seed: u64) -> Transformer {
    let json = json!({
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": 21,
        "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 37, "vocab_size": 60,
        "max_position_embeddings": 64, "type_vocab_size": 2, "num_labels": 3, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "initializer_range": 0.5,
    });
    Transformer::random(TransformerConfig::from_json(&json).unwrap(), seed, &Device::flex())
}

fn set(examples: u32) -> ExampleSet {
    let example = |number: u32| {
        let length = 2 + number * 7 % 45;
        Example {
            ids: (0..length).map(|place| (number * 31 + place * 17) % 60).collect(),
            token_types: (0..length).map(|place| u8::from(place > length / 2)).collect(),
            target: Target::Class(number % 3),
        }
    };
    ExampleSet::new((0..examples).map(example).collect(), 0)
}

fn sets() -> Sets {
    Sets { training: set(150), validation: set(20), test: None, classes: Vec::new() }
}

fn taps() -> Taps {
    let path = |name: &str, output| LayerPath::with_output(name, output);
    Taps::new([
        path("bert.encoder.layer.0.output", 0),
        path("bert.encoder.layer.1.attention.self", 1),
        path("classifier", 0),
    ])
}

fn settings(folder: &Path) -> CacheSettings {
    CacheSettings { folder: folder.to_owned(), size: Some(1 << 30) }
}

fn bits(features: &Features) -> Vec<u32> {
    let numbers = |(_, feature): (&LayerPath, &Feature)| -> Vec<f32> {
        match feature {
            Feature::Vectors(tensor) | Feature::MaskedTokens(tensor) => {
                tensor.to_data().try_to_vec().unwrap()
            }
            Feature::Sequence(tensor) | Feature::Spans(tensor) => tensor.to_data().try_to_vec().unwrap(),
            Feature::Attention(tensor) => tensor.to_data().try_to_vec().unwrap(),
        }
    };
    features.iter().flat_map(numbers).map(f32::to_bits).collect()
}

/// What a teacher says, and whether it had to compute anything for it.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    bits: Vec<u32>,
    computed: bool,
}

/// Prepares all rows and reads them back in padded batches.
fn ask(teacher: &Teacher<Ensemble<Transformer>>, sets: &Sets) -> Said {
    let mut tell = |_| ControlFlow::Continue(());
    let mut said = Said { bits: Vec::new(), computed: false };
    for (part, set) in [(Part::Training, &sets.training), (Part::Validation, &sets.validation)] {
        let answers = teacher.answers(part, set);
        assert!(answers.prepare(0..set.len() as u32, &taps(), &mut tell).is_continue());
        let rows: Vec<u32> = (0..set.len() as u32).collect();
        for rows in rows.chunks(32) {
            said.bits.extend(bits(&answers.features(&set.batch(rows, &Device::flex()), &taps())));
        }
        said.computed |= answers.seconds() > 0.0;
    }
    said
}

/// What a teacher on its own says.
fn expected() -> Vec<u32> {
    ask(&teacher(&network(1), &sets(), None).0, &sets()).bits
}

fn ask_with(folder: &Path) -> (Said, Vec<String>) {
    let (teacher, notes) = teacher(&network(1), &sets(), Some(&settings(folder)));
    let said = ask(&teacher, &sets());
    (said, notes.take())
}

/// The files of layers, in all keys.
fn layer_files(folder: &Path) -> Vec<PathBuf> {
    let keys = fs::read_dir(folder.join("teacher-outputs")).unwrap().map(|entry| entry.unwrap().path());
    let files = keys.flat_map(|key| fs::read_dir(key).unwrap().map(|entry| entry.unwrap().path()));
    let mut files: Vec<PathBuf> = files
        .filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')))
        .collect();
    files.sort();
    files
}

#[test]
fn an_output_does_not_depend_on_the_examples_beside_it() {
    let sets = sets();
    let batch = |rows: &[u32]| sets.training.batch(rows, &Device::flex());
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let whole = teacher(&network(1), &sets, None).0;
            let whole = whole.answers(Part::Training, &sets.training);
            let mut tell = |_| ControlFlow::Continue(());
            assert!(whole.prepare(0..150, &taps(), &mut tell).is_continue());
            for row in 0..150 {
                let alone = teacher(&network(1), &sets, None).0;
                let alone = alone.answers(Part::Training, &sets.training);
                let said = (alone.features(&batch(&[row]), &taps()), whole.features(&batch(&[row]), &taps()));
                assert_eq!(bits(&said.0), bits(&said.1), "row {row}, {threads} threads");
            }
        });
    }
}

#[test]
fn an_output_does_not_depend_on_threads_or_on_what_else_is_tapped() {
    let sets = sets();
    let said = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(expected)
    };
    assert_eq!(said(1), said(4));
    let batch = sets.training.batch(&[4, 3, 9], &Device::flex());
    let all = teacher(&network(1), &sets, None).0;
    let all = all.answers(Part::Training, &sets.training).features(&batch, &taps());
    for path in taps().paths() {
        let one = teacher(&network(1), &sets, None).0;
        let one = one.answers(Part::Training, &sets.training).features(&batch, &Taps::new([path.clone()]));
        let mut same = Features::new();
        same.insert(path.clone(), all.get(path).unwrap().clone());
        assert_eq!(bits(&one), bits(&same), "{path}");
    }
}

#[test]
fn a_second_process_computes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let expected = expected();
    let (first, notes) = ask_with(folder.path());
    assert_eq!((&first.bits, first.computed), (&expected, true));
    let (second, more) = ask_with(folder.path());
    assert_eq!((&second.bits, second.computed), (&expected, false));
    assert_eq!((notes, more), (vec![], vec![]));
}

#[test]
fn damaged_outputs_are_computed_again() {
    let folder = tempfile::tempdir().unwrap();
    let expected = expected();
    ask_with(folder.path());
    type Damage<'d> = (&'d str, &'d dyn Fn(&Path), bool);
    let damage: [Damage<'_>; 5] = [
        ("a removed file", &|path| fs::remove_file(path).unwrap(), false),
        (
            "a file cut short",
            &|path| fs::File::options().write(true).open(path).unwrap().set_len(4100).unwrap(),
            true,
        ),
        ("flipped bits", &|path| flip(path, 4096..usize::MAX), false),
        ("a damaged index", &|path| flip(path, 512..900), false),
        ("another header", &|path| flip(path, 0..60), true),
    ];
    for (what, harm, noted) in damage {
        let files = layer_files(folder.path());
        assert_eq!(files.len(), 6, "three layers of two sets");
        files.iter().step_by(2).for_each(|path| harm(path));
        let (said, notes) = ask_with(folder.path());
        assert_eq!((said.bits == expected, said.computed), (true, true), "{what}");
        assert_eq!(notes.len(), if noted { 3 } else { 0 }, "{what}: {notes:?}");
        let (said, _) = ask_with(folder.path());
        assert_eq!((said.bits == expected, said.computed), (true, false), "mended after {what}");
    }
}

/// Turns over every 97th byte of a range of a file.
fn flip(path: &Path, range: std::ops::Range<usize>) {
    let mut bytes = fs::read(path).unwrap();
    let end = range.end.min(bytes.len());
    bytes[range.start..end].iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
    fs::write(path, bytes).unwrap();
}

#[test]
fn another_teacher_or_other_data_have_a_cache_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    ask_with(folder.path());
    let before = layer_files(folder.path()).len();
    let (other, _) = teacher(&network(2), &sets(), Some(&settings(folder.path())));
    let said = ask(&other, &sets());
    assert!(said.computed);
    assert_eq!(said.bits, ask(&teacher(&network(2), &sets(), None).0, &sets()).bits);
    let mut sets = sets();
    sets.training.examples[3].token_types[0] = 1;
    let (same, _) = teacher(&network(1), &sets, Some(&settings(folder.path())));
    assert!(ask(&same, &sets).computed);
    assert_eq!(layer_files(folder.path()).len(), before * 2 + before / 2, "the validation set is the same");
}

#[test]
fn without_a_usable_folder_the_teacher_keeps_its_outputs_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (said, notes) = ask_with(&file);
    assert_eq!(said.bits, expected());
    assert!(notes[0].contains("cannot be used") && notes[0].contains("kept in memory"), "{notes:?}");
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn a_disk_that_refuses_is_noted_once_and_the_rest_is_kept_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    ask_with(folder.path());
    for path in layer_files(folder.path()) {
        fs::remove_file(&path).unwrap();
        let making = path.with_file_name(".making");
        let _ = fs::remove_file(&making); // Once for each key.
        fs::create_dir_all(making).unwrap(); // No file can be made any more.
    }
    let (said, notes) = ask_with(folder.path());
    assert_eq!(said.bits, expected());
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("cannot be written"), "{notes:?}");
}

#[test]
fn a_new_key_takes_the_place_of_the_least_recently_used() {
    let folder = tempfile::tempdir().unwrap();
    ask_with(folder.path());
    let size = budget::allocated(&settings(folder.path()).outputs_folder());
    let ask_two = |limit: u64| {
        let settings = CacheSettings { folder: folder.path().to_owned(), size: Some(limit) };
        let (teacher, notes) = teacher(&network(2), &sets(), Some(&settings));
        (ask(&teacher, &sets()), notes.take())
    };
    let (said, notes) = ask_two(size + size / 4);
    assert_eq!(notes, Vec::<String>::new());
    let (again, _) = ask_two(size + size / 4);
    assert_eq!((&again.bits, again.computed), (&said.bits, false));
    let (again, notes) = ask_with(folder.path());
    assert_eq!((again.bits, again.computed), (expected(), true), "the first teacher's outputs had to go");
    assert_eq!(notes, Vec::<String>::new());
}

#[test]
fn beyond_the_budget_outputs_are_kept_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let settings = CacheSettings { folder: folder.path().to_owned(), size: Some(100_000) };
    let (teacher, notes) = teacher(&network(1), &sets(), Some(&settings));
    assert_eq!(ask(&teacher, &sets()).bits, expected());
    let notes = notes.take();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("97.7 KiB"), "{notes:?}");
    assert!(budget::allocated(folder.path()) < 200_000);
    assert!(!ask(&teacher, &sets()).computed, "memory has the rest");
}

/// Set for another process that works on the cache: its folder.
const FOLDER: &str = "AUTODISTILLATION_TEST_CACHE";

/// This test in another process, where it does nothing but fill the cache in the folder.
fn another_process(test: &str, folder: &Path) -> Command {
    let name = format!("{}::{test}", module_path!());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name.split_once("::").unwrap().1, "--nocapture"]).env(FOLDER, folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_process_killed_while_it_writes_leaves_a_cache_that_can_be_used() {
    if let Ok(folder) = std::env::var(FOLDER) {
        ask_with(Path::new(&folder));
        return;
    }
    let expected = expected();
    let (mut partly, folder) = (0, tempfile::tempdir().unwrap());
    for attempt in 0..12 {
        let folder = folder.path().join(attempt.to_string());
        let test = "a_process_killed_while_it_writes_leaves_a_cache_that_can_be_used";
        let mut child = another_process(test, &folder).spawn().unwrap();
        let written = || budget::allocated(&folder) > 6_000 * (1 + attempt);
        while !written() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (said, notes) = ask_with(&folder);
        assert_eq!(said.bits, expected);
        assert_eq!(notes, Vec::<String>::new());
        partly += u32::from(said.computed);
    }
    assert!(partly > 0, "no process was killed before its end");
}

#[test]
fn processes_fill_the_same_cache_at_the_same_time() {
    if let Ok(folder) = std::env::var(FOLDER) {
        ask_with(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "processes_fill_the_same_cache_at_the_same_time";
    let children: Vec<_> = (0..3).map(|_| another_process(test, folder.path()).spawn().unwrap()).collect();
    let (said, notes) = ask_with(folder.path());
    assert_eq!(said.bits, expected());
    assert_eq!(notes, Vec::<String>::new());
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let (said, notes) = ask_with(folder.path());
    assert_eq!((said.bits, said.computed, notes), (expected(), false, vec![]));
}

#[test]
fn teachers_side_by_side_have_answers_of_their_own_kept_under_a_key_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (sets, settings) = (sets(), settings(folder.path()));
    let said = |network: &Ensemble<Transformer>| {
        let (teacher, _) = teacher(network, &sets, Some(&settings));
        ask(&teacher, &sets)
    };
    let both = Ensemble::new(alone(1), vec![alone(2)]);
    let (first, second, together) = (said(&network(1)), said(&network(2)), said(&both));
    assert!(together.computed, "what the first said alone is another question");
    assert!(!said(&both).computed);
    let outputs = folder.path().join("teacher-outputs");
    assert_eq!(fs::read_dir(outputs).unwrap().count(), 6, "three teachers on two sets");
    assert_ne!(together.bits, first.bits);
    assert_eq!(together.bits.len(), second.bits.len());
}
