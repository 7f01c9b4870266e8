//! Demonstration data from seeded generators, for a first run that needs no files: a labelled set, plain text, and questions
//! with answers.

mod articles;
mod grammar;
mod inquiries;
mod lexicon;
mod topics;

use std::collections::HashSet;
use std::path::PathBuf;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::columns::nearest;
use super::{Error, GivenAnswer, Label, LabelNames, Record, Table};
use inquiries::Inquiry;

pub use lexicon::vocabulary;

/// Which set is generated, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoConfig {
    /// The generator: `reviews`, `text` for documents without labels, or `questions` with texts that answer them.
    pub name: String,
    /// Training examples.
    pub train: usize,
    /// Validation examples.
    pub validation: usize,
    /// Test examples; 0 for no test set.
    pub test: usize,
    /// The seed of the generator.
    pub seed: u64,
}

/// A generated set. No text is there twice, within a part or across parts.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoSet {
    /// The training part.
    pub train: Table,
    /// The validation part.
    pub validation: Table,
    /// The test part, where one was asked for.
    pub test: Option<Table>,
    /// The classes of reviews, `negative` and `positive`; absent for plain text and questions.
    pub classes: Option<LabelNames>,
}

/// Generates one of three sets.
///
/// `reviews`: film reviews of one or two clauses whose verdict follows from sentiment words, negation
/// ("hardly a dull scene") and contrast ("although the plot was weak , i enjoy the cast"). The label is a function of the
/// text, so that 100 % is possible; the words alone, without their order, give about 65 %.
///
/// `text`: documents without labels for pretraining, each a record as a `.txt` file gives it, its four to eight sentences
/// on a line each. They share a topic and a season, so that the next sentence can be told from one of another document in
/// nine cases of ten, and the words of a sentence agree: the most frequent word is right for 15 % of all words, and what
/// fits best between two words on each side for 78 %.
///
/// `questions`: each about a text of two to four sentences, one of which answers it in one or two words; the others hold
/// words of the same kinds, so that the answer is known by where it stands.
///
/// Validation and test stay the same when only the size of the training part changes.
///
/// # Errors
/// An unknown name, or an empty training or validation part.
pub fn generate(config: &DemoConfig) -> Result<DemoSet, Error> {
    let (kind, classes) = match config.name.as_str() {
        REVIEWS => {
            (Kind::Reviews, Some(LabelNames::new(vec!["negative".to_owned(), "positive".to_owned()])?))
        }
        TEXT => (Kind::Text, None),
        QUESTIONS => (Kind::Questions, None),
        name => return Err(unknown(name)),
    };
    if config.train == 0 || config.validation == 0 {
        return Err(Error::EmptyDemo { train: config.train, validation: config.validation });
    }
    let mut generator = Generator { kind, seed: config.seed, seen: HashSet::new() };
    let test = (config.test > 0).then(|| generator.table("test", 0, config.test));
    let validation = generator.table("validation", 1, config.validation);
    let train = generator.table("train", 2, config.train);
    Ok(DemoSet { train, validation, test, classes })
}

const REVIEWS: &str = "reviews";
const TEXT: &str = "text";
const QUESTIONS: &str = "questions";

fn unknown(name: &str) -> Error {
    let known = [REVIEWS, TEXT, QUESTIONS].map(str::to_owned).to_vec();
    Error::UnknownDemo { name: name.to_owned(), nearest: nearest(name, &known), known }
}

#[derive(Clone, Copy)]
enum Kind {
    Reviews,
    Text,
    Questions,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Reviews => REVIEWS,
            Kind::Text => TEXT,
            Kind::Questions => QUESTIONS,
        }
    }

    /// A record, on no line yet.
    fn draw(self, rng: &mut ChaCha8Rng) -> Record {
        let (text, pair, label) = match self {
            Kind::Reviews => {
                let review = grammar::review(rng);
                (review.text, None, Some(Label::Number(f64::from(u8::from(review.positive)))))
            }
            Kind::Text => (articles::article(rng), None, None),
            Kind::Questions => {
                let Inquiry { question, text, answer, start } = inquiries::inquiry(rng);
                let answer = GivenAnswer { text: answer, start: Some(start) };
                (question, Some(text), Some(Label::Answers(vec![answer])))
            }
        };
        Record { text, pair, label, line: 0 }
    }
}

struct Generator {
    kind: Kind,
    seed: u64,
    seen: HashSet<(String, Option<String>)>,
}

impl Generator {
    fn table(&mut self, part: &str, stream: u64, size: usize) -> Table {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        let mut records = Vec::with_capacity(size);
        while records.len() < size {
            let record = self.kind.draw(&mut rng);
            if self.seen.insert((record.text.clone(), record.pair.clone())) {
                records.push(Record { line: records.len() as u64 + 1, ..record });
            }
        }
        Table { path: PathBuf::from(format!("demo:{}/{part}", self.kind.name())), records }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn set(train: usize) -> DemoSet {
        let config = DemoConfig { name: "reviews".to_owned(), train, validation: 500, test: 500, seed: 7 };
        generate(&config).unwrap()
    }

    fn positive(record: &Record) -> bool {
        record.label == Some(Label::Number(1.0))
    }

    /// Multinomial Naive Bayes with add-one smoothing.
    fn bag_of_words_accuracy(train: &Table, test: &Table) -> f64 {
        let mut counts: HashMap<&str, [f64; 2]> = HashMap::new();
        let mut totals = [0.0; 2];
        for record in &train.records {
            let class = usize::from(positive(record));
            for word in record.text.split(' ') {
                counts.entry(word).or_default()[class] += 1.0;
                totals[class] += 1.0;
            }
        }
        let words = counts.len() as f64;
        let score = |record: &Record, class: usize| -> f64 {
            let likelihood =
                |word| (counts.get(word).map_or(0.0, |counts| counts[class]) + 1.0) / (totals[class] + words);
            record.text.split(' ').map(|word| f64::ln(likelihood(word))).sum()
        };
        let correct =
            test.records.iter().filter(|record| (score(record, 1) > score(record, 0)) == positive(record));
        correct.count() as f64 / test.records.len() as f64
    }

    #[test]
    fn words_without_their_order_do_not_solve_the_task() {
        let set = set(4000);
        let accuracy = bag_of_words_accuracy(&set.train, &set.test.unwrap());
        println!("bag of words: {accuracy}");
        assert!((0.6..0.75).contains(&accuracy), "{accuracy}");
    }

    #[test]
    fn the_label_follows_from_the_text() {
        for record in &set(4000).train.records {
            assert_eq!(grammar::verdict(&record.text), positive(record), "{}", record.text);
        }
    }

    #[test]
    fn classes_are_balanced_and_texts_are_short() {
        let set = set(4000);
        let share = set.train.records.iter().filter(|record| positive(record)).count() as f64 / 4000.0;
        assert!((0.47..0.53).contains(&share), "{share}");
        let longest = set.train.records.iter().map(|record| record.text.split(' ').count()).max();
        assert!(longest <= Some(30), "{longest:?}");
    }

    #[test]
    fn every_word_is_in_the_vocabulary_and_the_other_way_round() {
        let vocabulary = vocabulary();
        assert_eq!(&vocabulary[..5], ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
        assert!((150..300).contains(&vocabulary.len()), "{}", vocabulary.len());
        let known: HashSet<&str> = vocabulary[5..].iter().map(String::as_str).collect();
        assert_eq!(known.len(), vocabulary.len() - 5, "a word is there twice");
        let set = set(4000);
        let used: HashSet<&str> =
            set.train.records.iter().flat_map(|record| record.text.split(' ')).collect();
        assert_eq!(used, known);
    }

    #[test]
    fn no_text_is_there_twice_and_evaluation_parts_do_not_depend_on_the_training_size() {
        let (small, large) = (set(100), set(2000));
        assert_eq!((&small.validation, &small.test), (&large.validation, &large.test));
        assert_ne!(small.validation.records[0], small.train.records[0]);
        let parts = [&large.train, &large.validation, large.test.as_ref().unwrap()];
        let texts: Vec<&str> =
            parts.iter().flat_map(|part| &part.records).map(|record| record.text.as_str()).collect();
        assert_eq!(texts.iter().collect::<HashSet<_>>().len(), texts.len());
    }

    #[test]
    fn documents_have_no_labels_and_none_is_there_twice() {
        let config = DemoConfig { name: "text".to_owned(), train: 1000, validation: 100, test: 100, seed: 3 };
        let set = generate(&config).unwrap();
        assert_eq!((set.classes, set.train.records.len()), (None, 1000));
        let parts = [&set.train, &set.validation, set.test.as_ref().unwrap()];
        let records: Vec<&Record> = parts.iter().flat_map(|part| &part.records).collect();
        assert!(records.iter().all(|record| record.label.is_none() && record.text.lines().count() >= 4));
        let texts: HashSet<&str> = records.iter().map(|record| record.text.as_str()).collect();
        assert_eq!(texts.len(), 1200);
        let smaller = generate(&DemoConfig { train: 10, ..config }).unwrap();
        assert_eq!(smaller.validation, set.validation);
    }

    #[test]
    fn seeds_give_different_sets_and_wrong_requests_are_explained() {
        let config = DemoConfig { name: "reviews".to_owned(), train: 10, validation: 10, test: 0, seed: 1 };
        assert_eq!(generate(&config).unwrap(), generate(&config).unwrap());
        assert_ne!(
            generate(&config).unwrap().train,
            generate(&DemoConfig { seed: 2, ..config.clone() }).unwrap().train
        );
        assert_eq!(generate(&config).unwrap().test, None);
        let error =
            generate(&DemoConfig { name: "review".to_owned(), ..config.clone() }).unwrap_err().to_string();
        assert_eq!(
            error,
            "no demonstration data `review`; there is `reviews`, `text`, `questions`; did you mean `reviews`?"
        );
        assert!(generate(&DemoConfig { train: 0, ..config }).is_err());
    }
}
