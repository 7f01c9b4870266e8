//! How far apart two choices of a dimension are.

use std::ops::Range;

use super::parameters::Layout;
use crate::{Dimension, SearchSpace};

/// What kind of quantity a dimension holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ordered numbers, on a scale from 0 to 1.
    Numeric,
    /// Words and switches, equal or not.
    Categorical,
}

/// The squared distances between the choices of one dimension.
#[derive(Debug, Clone)]
pub(crate) struct Feature {
    pub(crate) kind: Kind,
    /// The dimension's place in the space.
    pub(crate) position: usize,
    pub(crate) choices: usize,
    /// (choices, choices), row-major.
    pub(crate) squared_distances: Vec<f64>,
    /// The words that it shares with other dimensions, a position among [`Encoding::alphabets`].
    pub(crate) alphabet: Option<usize>,
}

/// Words that several dimensions choose among, such as the operations on the edges of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alphabet {
    pub(crate) words: usize,
    /// How many dimensions choose among them.
    pub(crate) dimensions: usize,
}

/// Neighbouring features are looked up together while they have no more combinations than this.
const LARGEST_GROUP: usize = 1024;

/// The dimensions that vary, with their distances.
///
/// Numbers lie on a logarithmic scale where all are positive and on a linear one otherwise:
/// sizes, counts and rates act by their ratio, and over a narrow range the two scales agree.
/// Either is stretched to unit length. Words and switches are at distance 0 or 1 (overlap).
#[derive(Debug, Clone)]
pub(crate) struct Encoding {
    pub(crate) features: Vec<Feature>,
    /// Ranges of features whose choices are numbered together.
    pub(crate) groups: Vec<Range<usize>>,
    pub(crate) alphabets: Vec<Alphabet>,
}

/// Points as one number a group: the combination of that group's choices, the last feature fastest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes {
    /// One column a group.
    pub(crate) columns: Vec<Vec<u32>>,
    pub(crate) points: usize,
}

impl Codes {
    /// The same with the choices of one more group.
    pub(crate) fn with(&self, column: impl Iterator<Item = u32>) -> Self {
        let mut extended = self.clone();
        extended.columns.push(column.collect());
        extended
    }
}

impl Encoding {
    pub(crate) fn new(space: &SearchSpace) -> Self {
        let varying =
            space.dimensions().iter().enumerate().filter(|(_, dimension)| dimension.choices.len() > 1);
        let mut features: Vec<Feature> =
            varying.map(|(position, dimension)| feature(position, dimension)).collect();
        let alphabets = find_alphabets(&mut features, space);
        Self { groups: groups(&features), features, alphabets }
    }

    /// The same with dimensions that have nothing in common.
    pub(crate) fn without_alphabets(mut self) -> Self {
        self.features.iter_mut().for_each(|feature| feature.alphabet = None);
        self.alphabets.clear();
        self
    }

    /// The same with one more feature, in a group of its own behind the others.
    pub(crate) fn with(&self, feature: Feature) -> Self {
        let mut extended = self.clone();
        extended.groups.push(self.features.len()..self.features.len() + 1);
        extended.features.push(feature);
        extended
    }

    /// Where its hyper-parameters lie.
    pub(crate) fn layout(&self) -> Layout {
        Layout { features: self.features.len(), alphabets: self.alphabets.clone() }
    }

    /// The positions of the varying dimensions' choices.
    pub(crate) fn point(&self, space: &SearchSpace, index: u64) -> Vec<usize> {
        let digits = space.digits(index);
        self.features.iter().map(|feature| digits[feature.position]).collect()
    }

    /// The codes of points given by their numbers in grid order.
    pub(crate) fn codes(&self, space: &SearchSpace, indices: &[u64]) -> Codes {
        let mut columns = vec![Vec::with_capacity(indices.len()); self.groups.len()];
        for &index in indices {
            let digits = space.digits(index);
            for (column, group) in columns.iter_mut().zip(&self.groups) {
                let number =
                    |code: usize, feature: &Feature| code * feature.choices + digits[feature.position];
                column.push(self.features[group.clone()].iter().fold(0, number) as u32);
            }
        }
        Codes { columns, points: indices.len() }
    }

    /// The squared distance between two points, every dimension counting alike.
    pub(crate) fn squared_distance(&self, a: &[usize], b: &[usize]) -> f64 {
        let pairs = a.iter().zip(b);
        self.features
            .iter()
            .zip(pairs)
            .map(|(feature, (&a, &b))| feature.squared_distances[a * feature.choices + b])
            .sum()
    }
}

/// Finds the words that several dimensions choose among. Switches, with two choices, have little in common.
fn find_alphabets(features: &mut [Feature], space: &SearchSpace) -> Vec<Alphabet> {
    let choices = |feature: &Feature| &space.dimensions()[feature.position].choices;
    let mut alphabets = Vec::new();
    for first in 0..features.len() {
        let is_new = features[first].kind == Kind::Categorical && features[first].alphabet.is_none();
        if !is_new || features[first].choices < 3 {
            continue;
        }
        let alike: Vec<usize> = (first..features.len())
            .filter(|&other| choices(&features[other]) == choices(&features[first]))
            .collect();
        if alike.len() > 1 {
            alphabets.push(Alphabet { words: features[first].choices, dimensions: alike.len() });
            alike.into_iter().for_each(|at| features[at].alphabet = Some(alphabets.len() - 1));
        }
    }
    alphabets
}

fn groups(features: &[Feature]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut combinations = LARGEST_GROUP;
    for (at, feature) in features.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if combinations * feature.choices <= LARGEST_GROUP => {
                group.end = at + 1;
                combinations *= feature.choices;
            }
            _ => {
                groups.push(at..at + 1);
                combinations = feature.choices;
            }
        }
    }
    groups
}

fn feature(position: usize, dimension: &Dimension) -> Feature {
    let choices = dimension.choices.len();
    let (kind, coordinates) = match unit_scale(dimension) {
        Some(coordinates) => (Kind::Numeric, coordinates),
        None => (Kind::Categorical, Vec::new()),
    };
    let squared_distance = |a: usize, b: usize| match kind {
        Kind::Numeric => (coordinates[a] - coordinates[b]).powi(2),
        Kind::Categorical => f64::from(u8::from(a != b)),
    };
    let squared_distances =
        (0..choices * choices).map(|cell| squared_distance(cell / choices, cell % choices)).collect();
    Feature { kind, position, choices, squared_distances, alphabet: None }
}

/// The choices between 0 and 1, where all are numbers.
fn unit_scale(dimension: &Dimension) -> Option<Vec<f64>> {
    let numbers: Vec<f64> = dimension.choices.iter().map(|choice| choice.number()).collect::<Option<_>>()?;
    let all_positive = numbers.iter().all(|&number| number > 0.0);
    let scaled: Vec<f64> =
        numbers.iter().map(|&number| if all_positive { number.ln() } else { number }).collect();
    let lowest = scaled.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(scaled.into_iter().map(|value| (value - lowest) / (highest - lowest)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Choice;

    #[test]
    fn dimensions_with_equal_lists_of_words_share_an_alphabet() {
        let operation = |name: &str| Dimension::new(name, ["conv", "pool", "skip"]);
        let space = SearchSpace::new(vec![
            operation("first"),
            Dimension::new("width", [64, 128, 256]),
            operation("second"),
            Dimension::new("activation", ["gelu", "relu", "silu"]),
            Dimension::new("height", [64, 128, 256]),
            Dimension::new("tied", [true, false]),
            Dimension::new("shared", [true, false]),
        ])
        .unwrap();
        let encoding = Encoding::new(&space);
        let shared: Vec<Option<usize>> = encoding.features.iter().map(|feature| feature.alphabet).collect();
        assert_eq!(shared, [Some(0), None, Some(0), None, None, None, None]);
        assert_eq!(encoding.alphabets, [Alphabet { words: 3, dimensions: 2 }]);
    }

    #[test]
    fn positive_numbers_are_spaced_by_ratio_and_words_by_equality() {
        let space = SearchSpace::new(vec![
            Dimension::new("width", [64, 128, 256]),
            Dimension::new("fixed", [1]),
            Dimension::new("shift", [-1.0, 0.0, 3.0]),
            Dimension::new("activation", ["gelu", "relu", "silu"]),
            Dimension::new("mixed", [Choice::from(1), Choice::from("auto")]),
        ])
        .unwrap();
        let encoding = Encoding::new(&space);
        let distances = |at: usize| encoding.features[at].squared_distances[..3].to_vec();
        assert_eq!(encoding.features.len(), 4);
        assert!((distances(0)[1] - 0.25).abs() < 1e-12, "128 is halfway from 64 to 256");
        assert!((distances(1)[1] - 0.0625).abs() < 1e-12, "a dimension with negatives is linear");
        assert_eq!(distances(2), [0.0, 1.0, 1.0]);
        assert_eq!(encoding.features[3].kind, Kind::Categorical);
        assert_eq!(encoding.point(&space, 10), [0, 1, 2, 0]);
        assert_eq!(encoding.squared_distance(&[0, 0, 0, 0], &[2, 0, 1, 1]), 3.0);
    }
}
