//! The grammar of the generated questions: a text that tells of one event among other things, and a question about it.

use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::topics::{SEASONS, TOPICS};

/// A question about a text.
pub(super) struct Inquiry {
    /// Lower-case words, separated by single spaces.
    pub question: String,
    /// Two to four sentences, written in the same way.
    pub text: String,
    /// One or two words of the text.
    pub answer: String,
    /// The character of the text at which the answer begins.
    pub start: usize,
}

/// Somebody who does something somewhere.
struct Event {
    person: &'static str,
    action: &'static str,
    object: &'static str,
    quality: &'static str,
    place: &'static str,
    season: &'static str,
}

/// A question about the one event of a text. The other sentences speak of other objects, places and seasons, and of nobody
/// doing anything, so that an answer is known by where it stands and not by what it is.
pub(super) fn inquiry(rng: &mut ChaCha8Rng) -> Inquiry {
    let (event, other) = loop {
        let (event, other) = (event(rng), event(rng));
        let pairs = [
            (event.object, other.object),
            (event.place, other.place),
            (event.season, other.season),
            (event.quality, other.quality),
        ];
        if pairs.iter().all(|(one, another)| one != another) {
            break (event, other);
        }
    };
    let Event { person, action, object, quality, place, season } = &event;
    let (question, answer) = match rng.random_range(0..4u8) {
        0 => (format!("where does the {person} {action} the {object} ?"), format!("{quality} {place}")),
        1 => (format!("who {action}s the {object} ?"), (*person).to_owned()),
        2 => (format!("when does the {person} go to the {place} ?"), (*season).to_owned()),
        _ => (format!("what does the {person} {action} ?"), (*object).to_owned()),
    };
    let mut sentences = vec![other.remark(0), other.remark(1), other.remark(2)];
    sentences.shuffle(rng);
    sentences.truncate(rng.random_range(1..=3));
    let told = rng.random_range(0..=sentences.len());
    sentences.insert(told, event.sentence(rng));
    let before: usize = sentences[..told].iter().map(|sentence| sentence.len() + 1).sum();
    let start = before + sentences[told].find(&answer).unwrap_or_default();
    Inquiry { question, text: sentences.join(" "), answer, start }
}

fn event(rng: &mut ChaCha8Rng) -> Event {
    let [who, which, at] = [(); 3].map(|()| pick(rng, &TOPICS));
    let [person, action, object] = *pick(rng, &who.people);
    let (quality, place, season) =
        (*pick(rng, &which.qualities), *pick(rng, &at.places), *pick(rng, &SEASONS));
    Event { person, action, object, quality, place, season }
}

impl Event {
    fn sentence(&self, rng: &mut ChaCha8Rng) -> String {
        let Self { person, action, object, quality, place, season } = self;
        match rng.random_bool(0.5) {
            true => format!("in {season} the {person} {action}s the {object} in the {quality} {place} ."),
            false => format!("in the {quality} {place} the {person} {action}s the {object} in {season} ."),
        }
    }

    /// Something about its object, its place or its season.
    fn remark(&self, about: u8) -> String {
        let Self { object, quality, place, season, .. } = self;
        match about {
            0 => format!("nobody likes the {object} ."),
            1 => format!("the {quality} {place} is empty ."),
            _ => format!("and {season} is long ."),
        }
    }
}

/// One of some things, of which there is one at least.
fn pick<'a, T>(rng: &mut ChaCha8Rng, things: &'a [T]) -> &'a T {
    things.choose(rng).unwrap_or(&things[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn inquiries(count: usize) -> Vec<Inquiry> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..count).map(|_| inquiry(&mut rng)).collect()
    }

    #[test]
    fn the_answer_stands_where_it_is_said_to() {
        for Inquiry { question, text, answer, start } in inquiries(1000) {
            assert!(text[start..].starts_with(&answer), "{question} {text} {answer}");
            let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let found =
                words(&text).windows(words(&answer).len()).filter(|it| it.join(" ") == answer).count();
            assert_eq!(found, 1, "{question} {text} {answer}");
        }
    }

    #[test]
    fn an_answer_is_not_known_by_its_kind_alone() {
        let asked = inquiries(3000);
        let others =
            |text: &str, kind: &dyn Fn(&str) -> bool| text.split(' ').filter(|word| kind(word)).count() > 1;
        let when: Vec<&Inquiry> = asked.iter().filter(|it| it.question.starts_with("when")).collect();
        assert!((600..900).contains(&when.len()), "{}", when.len());
        let with_another = when.iter().filter(|it| others(&it.text, &|word| SEASONS.contains(&word))).count();
        assert!(with_another * 2 > when.len(), "{with_another}");
    }
}
