//! Tests of packing with tokenizers and texts.

use super::*;
use crate::data::{Record, TextColumns, demo};
use autodistillation_distillation::Extent;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

/// BERT's tokenizer of these words.
fn tokenizer(words: &[&str]) -> (Tokenizer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vocab.txt"), words.join("\n")).unwrap();
    (Tokenizer::from_folder(folder.path()).unwrap(), folder)
}

const WORDS: [&str; 10] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "."];

fn table(documents: &[&str]) -> Table {
    let record =
        |(line, text): (u64, &&str)| Record { text: (*text).to_owned(), pair: None, label: None, line };
    Table { path: "a.txt".into(), records: (1..).zip(documents).map(record).collect() }
}

fn packing(next_sentence: NextSentence, max_length: usize) -> Packing {
    Packing { next_sentence, max_length, seed: 5 }
}

fn follows(example: &Example) -> Option<bool> {
    let Target::Masked(text) = &example.target else { panic!("not for pretraining: {example:?}") };
    assert!(text.tokens.is_empty(), "nothing is masked yet");
    text.follows
}

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
    }
    path.exists().then_some(path)
}

#[test]
fn single_texts_are_framed_sentences_of_one_document() {
    let (tokenizer, _folder) = tokenizer(&WORDS);
    let table = table(&["a b . C d .\na a", "d d d d", "a"]);
    let set = examples(&table, &tokenizer, &packing(NextSentence::NotAsked, 8)).unwrap();
    let ids: Vec<&[u32]> = set.examples.iter().map(|example| example.ids.as_slice()).collect();
    assert_eq!(
        ids,
        [&[2, 5, 6, 9, 7, 8, 9, 3][..], &[2, 8, 8, 8, 8, 3]],
        "rests of two and one are left out"
    );
    assert!(set.examples.iter().all(|example| follows(example).is_none()));
    assert!(set.examples.iter().all(|example| example.token_types.iter().all(|segment| *segment == 0)));
    assert_eq!(set.extent(0), Some(Extent { tokens: 8, masked: 1 }));
}

#[test]
fn pairs_have_two_segments_and_say_whether_the_second_follows() {
    let (tokenizer, _folder) = tokenizer(&WORDS);
    let documents = ["a a .\na a a .", "b b .\nb b b ."];
    let set = examples(&table(&documents), &tokenizer, &packing(NextSentence::Asked, 12)).unwrap();
    for example in &set.examples {
        let separator = example.ids.iter().position(|id| *id == 3).unwrap();
        assert_eq!((example.ids[0], example.ids.last()), (2, Some(&3)));
        let segments: Vec<u8> = (0..example.ids.len()).map(|place| u8::from(place > separator)).collect();
        assert_eq!(example.token_types, segments);
        let same = example.ids[1] == example.ids[separator + 1];
        assert_eq!(follows(example), Some(same), "{example:?}");
    }
}

#[test]
fn byte_level_pairs_have_two_separators_and_sentences_keep_their_spaces() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/fixtures/byte_level");
    let tokenizer = Tokenizer::from_folder(&folder).unwrap();
    let text = "The fox jumps. It runs over the dog.";
    let whole = tokenizer.encode(text, None, 512).unwrap().ids;
    let single = examples(&table(&[text]), &tokenizer, &packing(NextSentence::NotAsked, 128)).unwrap();
    assert_eq!(single.examples[0].ids, whole, "cut into sentences and joined, nothing changes");
    let pairs = examples(&table(&[text]), &tokenizer, &packing(NextSentence::Asked, 128)).unwrap();
    let [begin, end] = [whole[0], whole[whole.len() - 1]];
    let ids = &pairs.examples[0].ids;
    let middle = ids.windows(2).position(|pair| pair == [end, end]).unwrap();
    let rest = [&ids[..middle], &ids[middle + 2..]].concat();
    assert_eq!((rest, ids[0]), (whole, begin));
    assert!(pairs.examples[0].token_types.iter().all(|segment| *segment == 0));
}

#[test]
fn masks_hide_words_and_no_special_token() {
    let (tokenizer, _folder) = tokenizer(&WORDS);
    let set =
        examples(&table(&["a b c d . a b c d ."]), &tokenizer, &packing(NextSentence::NotAsked, 32)).unwrap();
    for row in 0..40 {
        let masked = set.example(row).unwrap();
        let Target::Masked(text) = &masked.target else { panic!("not masked") };
        assert_eq!(text.count(), 2);
        assert_eq!((text.tokens[0], text.tokens.last()), (None, Some(&None)));
        assert!(masked.ids.iter().all(|id| *id < 10));
    }
}

#[test]
fn second_texts_of_rows_are_their_last_paragraph() {
    let (tokenizer, _folder) = tokenizer(&WORDS);
    let mut table = table(&["a b"]);
    table.records[0].pair = Some("c d".to_owned());
    let set = examples(&table, &tokenizer, &packing(NextSentence::NotAsked, 16)).unwrap();
    assert_eq!(set.examples[0].ids, [2, 5, 6, 7, 8, 3]);
}

#[test]
fn too_little_of_anything_is_explained() {
    let (tokenizer, _folder) = tokenizer(&WORDS);
    let message = |table: &Table, next, length| {
        examples(table, &tokenizer, &packing(next, length)).unwrap_err().to_string()
    };
    let one = table(&["a b c d ."]);
    let error = message(&one, NextSentence::Asked, 32);
    assert!(error.starts_with("a.txt: too little text for one example; single texts take"), "{error}");
    assert!(message(&table(&["a"]), NextSentence::NotAsked, 32).contains("too little text"));
    let error = message(&one, NextSentence::Asked, 4);
    assert_eq!(error, "data.max_length is 4; texts with their special tokens need 5 at least");
    assert!(message(&one, NextSentence::NotAsked, 2).ends_with("need 3 at least"));
}

#[test]
fn a_tokenizer_without_a_mask_or_without_words_is_refused() {
    let (unmasked, _first) = tokenizer(&["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"]);
    let packing = packing(NextSentence::NotAsked, 16);
    let error = examples(&table(&["a a a a"]), &unmasked, &packing).unwrap_err().to_string();
    assert!(error.contains("has no token `[MASK]`"), "{error}");
    let (bare, _second) = tokenizer(&WORDS[..5]);
    let error = examples(&table(&["a a a a"]), &bare, &packing).unwrap_err().to_string();
    assert!(error.starts_with("all 5 tokens of the vocabulary are special"), "{error}");
}

#[test]
fn any_number_of_threads_gives_the_same_examples() {
    let (tokenizer, _folder) = tokenizer(&WORDS);
    let documents: Vec<String> = (0..60).map(|row| "a b . C d .\nb a . ".repeat(row % 7 + 1)).collect();
    let table = table(&documents.iter().map(String::as_str).collect::<Vec<_>>());
    let pack = || examples(&table, &tokenizer, &packing(NextSentence::Asked, 20)).unwrap();
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(pack);
    assert_eq!(on(1), on(3));
    let other = Packing { seed: 6, ..packing(NextSentence::Asked, 20) };
    assert_ne!(examples(&table, &tokenizer, &other).unwrap().examples, pack().examples);
}

#[test]
fn encyclopaedia_articles_fill_their_length_and_half_of_the_pairs_are_true() {
    let (Some(folder), Some(teacher)) = (shared("data/wikitext2"), shared("teachers/minilm-l6-sst2")) else {
        return;
    };
    let tokenizer = Tokenizer::from_folder(&teacher).unwrap();
    for part in ["valid.txt", "test.txt"] {
        let table = Table::read(&folder.join(part), &TextColumns::plain("", None)).unwrap();
        let single = examples(&table, &tokenizer, &packing(NextSentence::NotAsked, 128)).unwrap();
        let paired = examples(&table, &tokenizer, &packing(NextSentence::Asked, 128)).unwrap();
        let [single, paired] = [single, paired].map(|set| Statistics::of(&set, 128));
        println!("{part}: {} documents; {single:?}; {paired:?}", table.records.len());
        assert!(single.fill > 0.75 && single.true_pairs.is_none(), "{single:?}");
        let all: usize = documents::tokenise(&table, &tokenizer)
            .unwrap()
            .iter()
            .flat_map(|document| document.sentences.iter().map(Vec::len))
            .sum();
        let lost = all - (single.tokens - 2 * single.examples);
        assert!((lost as f64) < 0.001 * all as f64, "{lost} of {all}");
        assert!(paired.fill > 0.7, "{paired:?}");
        assert!(paired.true_pairs.is_some_and(|share| (0.47..0.53).contains(&share)), "{paired:?}");
    }
}

#[test]
fn generated_documents_become_pairs() {
    let config = demo::DemoConfig { name: "text".to_owned(), train: 300, validation: 1, test: 0, seed: 1 };
    let table = demo::generate(&config).unwrap().train;
    let words = table.records.iter().flat_map(|record| record.text.split_whitespace());
    let words: std::collections::BTreeSet<&str> = words.collect();
    let words: Vec<&str> = WORDS[..5].iter().copied().chain(words).collect();
    let (tokenizer, _folder) = tokenizer(&words);
    let set = examples(&table, &tokenizer, &packing(NextSentence::Asked, 40)).unwrap();
    assert!(set.examples.iter().all(|example| !example.ids.contains(&1)), "no word is unknown");
    let statistics = Statistics::of(&set, 40);
    println!("{statistics:?}");
    assert!(statistics.true_pairs.is_some_and(|share| (0.46..0.54).contains(&share)), "{statistics:?}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        documents in prop::collection::vec("[a-dA-D .!?\n\"é<>=]{0,60}", 1..6),
        length in 0usize..24,
        asked in any::<bool>(),
    ) {
        let (tokenizer, _folder) = tokenizer(&WORDS);
        let next = if asked { NextSentence::Asked } else { NextSentence::NotAsked };
        let table = table(&documents.iter().map(String::as_str).collect::<Vec<_>>());
        if let Ok(set) = examples(&table, &tokenizer, &packing(next, length)) {
            prop_assert!(set.examples.iter().all(|example| example.ids.len() <= length));
            prop_assert!(set.examples.iter().all(|example| example.ids.len() == example.token_types.len()));
        }
    }
}

#[test]
fn texts_of_unknown_words_alone_are_left_out() {
    let (tokenizer, _folder) = tokenizer(&WORDS);
    let set =
        examples(&table(&["x y z x", "a b c d"]), &tokenizer, &packing(NextSentence::NotAsked, 8)).unwrap();
    assert_eq!(
        set.examples.iter().map(|example| example.ids.clone()).collect::<Vec<_>>(),
        [[2, 5, 6, 7, 8, 3]]
    );
    let error = examples(&table(&["x y z x"]), &tokenizer, &packing(NextSentence::NotAsked, 8)).unwrap_err();
    assert!(error.to_string().starts_with("a.txt:"), "{error}");
}
