//! The words of the generated reviews, and the WordPiece vocabulary made of them.

/// Adjectives of praise.
pub(super) const PRAISE: &[&str] = &[
    "good",
    "great",
    "brilliant",
    "charming",
    "clever",
    "funny",
    "moving",
    "elegant",
    "fresh",
    "gripping",
    "honest",
    "inspired",
    "lovely",
    "memorable",
    "original",
    "powerful",
    "rich",
    "sharp",
    "smart",
    "stunning",
    "subtle",
    "superb",
    "tender",
    "thrilling",
    "touching",
    "vivid",
    "warm",
    "witty",
    "wonderful",
    "delightful",
];

/// Adjectives of blame.
pub(super) const BLAME: &[&str] = &[
    "bad",
    "awful",
    "boring",
    "bland",
    "clumsy",
    "crude",
    "dull",
    "empty",
    "flat",
    "foolish",
    "forced",
    "hollow",
    "lazy",
    "lifeless",
    "messy",
    "muddled",
    "painful",
    "pointless",
    "predictable",
    "shallow",
    "silly",
    "sloppy",
    "slow",
    "stale",
    "tedious",
    "terrible",
    "tired",
    "ugly",
    "weak",
    "dreadful",
];

/// Verbs of praise.
pub(super) const LIKE: &[&str] =
    &["admire", "adore", "applaud", "cherish", "enjoy", "like", "love", "praise", "recommend", "treasure"];

/// Verbs of blame.
pub(super) const DISLIKE: &[&str] =
    &["despise", "detest", "dislike", "dread", "hate", "loathe", "pity", "regret", "resent", "mock"];

/// What is judged.
pub(super) const ASPECTS: &[&str] = &[
    "acting",
    "action",
    "camera",
    "cast",
    "chase",
    "comedy",
    "costumes",
    "dialogue",
    "direction",
    "drama",
    "editing",
    "effects",
    "ending",
    "finale",
    "hero",
    "humour",
    "idea",
    "jokes",
    "lead",
    "lighting",
    "music",
    "mystery",
    "opening",
    "pace",
    "plot",
    "premise",
    "romance",
    "scenes",
    "score",
    "script",
    "sequel",
    "setting",
    "songs",
    "sound",
    "story",
    "style",
    "suspense",
    "theme",
    "villain",
    "visuals",
];

/// Adverbs that change nothing.
pub(super) const ADVERBS: &[&str] =
    &["very", "really", "truly", "quite", "rather", "deeply", "utterly", "simply"];

/// Words before an adjective or a verb that turn it around.
pub(super) const NEGATIONS: &[&str] = &["never", "hardly", "not"];

/// Who watched, in a sentence without a verdict.
pub(super) const PEOPLE: &[&str] =
    &["sister", "brother", "mother", "father", "neighbour", "teacher", "friend", "cousin", "uncle", "aunt"];

/// When, in a sentence without a verdict.
pub(super) const DAYS: &[&str] =
    &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Where, in a sentence without a verdict.
pub(super) const PLACES: &[&str] = &["cinema", "festival", "plane", "train", "sofa", "balcony"];

/// The remaining words, in templates.
const FUNCTION_WORDS: &[&str] = &[
    ",",
    ".",
    "the",
    "was",
    "i",
    "do",
    "it",
    "has",
    "no",
    "such",
    "nobody",
    "everybody",
    "calls",
    "lacks",
    "any",
    "and",
    "but",
    "although",
    "my",
    "saw",
    "on",
    "a",
    "in",
];

/// The word-level WordPiece vocabulary of the reviews, in the order of a `vocab.txt`: the five special
/// tokens of BERT, then every word.
pub fn vocabulary() -> Vec<String> {
    let special: &[&str] = &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let lists = [
        special,
        FUNCTION_WORDS,
        NEGATIONS,
        ADVERBS,
        PRAISE,
        BLAME,
        LIKE,
        DISLIKE,
        ASPECTS,
        PEOPLE,
        DAYS,
        PLACES,
    ];
    lists.concat().into_iter().map(str::to_owned).collect()
}
