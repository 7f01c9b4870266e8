//! Tests of tokenising.

use super::*;
use crate::test_networks;

const WORDS: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nred\nfox\n##es\njump\n##ed\nover\ndog\n,\n";

/// A folder with a bare vocabulary, as old BERT checkpoints have it.
pub(super) fn folder(tokenizer_config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vocab.txt"), WORDS).unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), tokenizer_config).unwrap();
    folder
}

fn encode(text: &str, pair: Option<&str>, max_length: usize) -> Encoded {
    Tokenizer::from_folder(folder("{}").path()).unwrap().encode(text, pair, max_length).unwrap()
}

#[test]
fn a_bare_vocabulary_gives_word_pieces_in_lower_case() {
    let encoded = encode("A Red, foxes jumped unseen", None, 64);
    assert_eq!(encoded.ids, [2, 5, 6, 13, 7, 8, 9, 10, 1, 3]);
    assert_eq!(encoded.token_types, [0; 10]);
}

#[test]
fn case_is_kept_when_the_config_says_so() {
    let folder = folder(r#"{"do_lower_case": false}"#);
    let encoded = Tokenizer::from_folder(folder.path()).unwrap().encode("Red red", None, 8).unwrap();
    assert_eq!(encoded.ids, [2, 1, 6, 3]);
}

#[test]
fn a_pair_is_cut_at_its_longer_text_first() {
    let encoded = encode("a red dog over a red dog", Some("fox jump"), 9);
    assert_eq!(encoded.ids, [2, 5, 6, 12, 11, 3, 7, 9, 3]);
    assert_eq!(encoded.token_types, [0, 0, 0, 0, 0, 0, 1, 1, 1]);
}

#[test]
fn the_side_of_truncation_follows_the_config() {
    let folder = folder(r#"{"truncation_side": "left"}"#);
    let encoded = Tokenizer::from_folder(folder.path()).unwrap().encode("a red fox", None, 4).unwrap();
    assert_eq!(encoded.ids, [2, 6, 7, 3]);
}

#[test]
fn many_texts_come_back_in_order() {
    let tokenizer = Tokenizer::from_folder(folder("{}").path()).unwrap();
    let texts: Vec<TextPair<'_>> = [("a", None), ("red fox", None), ("dog", Some("over"))].repeat(50);
    let encoded = tokenizer.encode_all(&texts, 8).unwrap();
    for (text, encoded) in texts.iter().zip(encoded) {
        assert_eq!(encoded, tokenizer.encode(text.0, text.1, 8).unwrap());
    }
}

#[test]
fn an_empty_text_is_its_special_tokens() {
    assert_eq!(encode("", None, 3).ids, [2, 3]);
}

#[test]
fn a_length_without_room_is_refused() {
    let tokenizer = Tokenizer::from_folder(folder("{}").path()).unwrap();
    let error = tokenizer.encode("a", None, 2).unwrap_err().to_string();
    assert!(error.contains("max_length is 2"), "{error}");
}

#[test]
fn a_vocabulary_larger_than_the_embeddings_is_refused() {
    let tokenizer = Tokenizer::from_folder(folder("{}").path()).unwrap();
    assert_eq!(tokenizer.vocabulary_size(), 14);
    assert!(tokenizer.check_fits(&test_networks::config(&[])).is_ok());
    let error = tokenizer.check_fits(&test_networks::config(&[("vocab_size", 13.into())])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tokenizer has 14 tokens and the embeddings only 13: use the tokenizer that the network was trained with"
    );
}

#[test]
fn missing_files_and_tokens_are_named() {
    let empty = tempfile::tempdir().unwrap();
    assert!(Tokenizer::from_folder(empty.path()).unwrap_err().to_string().contains("vocab.txt"));
    std::fs::write(empty.path().join("vocab.txt"), "a\nb\n").unwrap();
    assert!(Tokenizer::from_folder(empty.path()).unwrap_err().to_string().contains("[CLS]"));
    std::fs::write(empty.path().join("tokenizer.json"), "{\"version\": \"1.0\", \"model\"").unwrap();
    assert!(Tokenizer::from_folder(empty.path()).unwrap_err().to_string().contains("tokenizer.json"));
}

#[test]
fn copied_files_make_the_same_tokenizer() {
    let (from, to) = (folder(r#"{"do_lower_case": false}"#), tempfile::tempdir().unwrap());
    let tokenizer = Tokenizer::from_folder(from.path()).unwrap();
    tokenizer.copy_files(to.path(), &test_networks::config(&[])).unwrap();
    let copy = Tokenizer::from_folder(to.path()).unwrap();
    assert_eq!(copy.encode("Red fox", None, 8).unwrap(), tokenizer.encode("Red fox", None, 8).unwrap());
}

/// A text, a second one, a length, and the ids that transformers 5.23.0 gives with the shared teacher's tokenizer.
type Expected = (&'static str, Option<&'static str>, usize, &'static [u32]);

const EXPECTED: [Expected; 8] = [
    ("Héllo Wörld, ÀÉ", None, 64, &[101, 7592, 2088, 1010, 29347, 102]),
    ("日本語 text", None, 64, &[101, 1864, 1876, 1950, 3793, 102]),
    ("", None, 64, &[101, 102]),
    ("don't stop-it!!", None, 64, &[101, 2123, 1005, 1056, 2644, 1011, 2009, 999, 999, 102]),
    ("emoji 😀 ok [MASK] end", None, 64, &[101, 7861, 29147, 2072, 100, 7929, 103, 2203, 102]),
    (
        "a long first text that is cut here and there",
        Some("and a short one"),
        12,
        &[101, 1037, 2146, 2034, 3793, 2008, 102, 1998, 1037, 2460, 2028, 102],
    ),
    (
        "short",
        Some("a second text that is much longer than the first one"),
        10,
        &[101, 2460, 102, 1037, 2117, 3793, 2008, 2003, 2172, 102],
    ),
    (
        "one two three four five six",
        Some("seven eight nine ten eleven twelve"),
        9,
        &[101, 2028, 2048, 2093, 102, 2698, 2809, 3157, 102],
    ),
];

#[test]
fn unusual_texts_and_cut_pairs_have_the_ids_of_transformers() {
    let Some(folder) = test_networks::shared("teachers/minilm-l6-sst2") else { return };
    let tokenizer = Tokenizer::from_folder(&folder).unwrap();
    for (text, pair, max_length, ids) in EXPECTED {
        let encoded = tokenizer.encode(text, pair, max_length).unwrap();
        assert_eq!(encoded.ids, ids, "{text}");
        let first = ids.iter().position(|&id| id == 102).unwrap();
        let segments: Vec<u8> = (0..ids.len()).map(|i| u8::from(i > first)).collect();
        assert_eq!(encoded.token_types, segments, "{text}");
    }
}
