//! The grid of architectures to search.

use serde::{Deserialize, Serialize};

use crate::{Architecture, Choice, Error};

/// One searched parameter and the values it can take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// The parameter's name, such as `hidden_size`.
    pub name: String,
    /// Its values, in the order of the configuration.
    pub choices: Vec<Choice>,
}

impl Dimension {
    /// A dimension from a name and its choices; [`SearchSpace::new`] checks them.
    pub fn new<C: Into<Choice>>(name: impl Into<String>, choices: impl IntoIterator<Item = C>) -> Self {
        Self { name: name.into(), choices: choices.into_iter().map(Into::into).collect() }
    }

    fn position(&self, choice: &Choice) -> Option<usize> {
        self.choices.iter().position(|known| known == choice)
    }

    fn listed_choices(&self) -> String {
        self.choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Ordered dimensions; every combination of their choices is one architecture.
///
/// Architectures are numbered in grid order: the last dimension changes fastest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireSpace", into = "WireSpace")]
pub struct SearchSpace {
    dimensions: Vec<Dimension>,
    size: u64,
}

impl SearchSpace {
    /// A checked space.
    ///
    /// # Errors
    /// No dimensions, a dimension without choices, a repeated name, a repeated or non-finite
    /// choice, or 2⁶⁴ points and more.
    pub fn new(dimensions: Vec<Dimension>) -> Result<Self, Error> {
        if dimensions.is_empty() {
            return Err(Error::NoDimensions);
        }
        for (position, dimension) in dimensions.iter().enumerate() {
            if dimensions[..position].iter().any(|other| other.name == dimension.name) {
                return Err(Error::DuplicateDimension { dimension: dimension.name.clone() });
            }
            check_choices(dimension)?;
        }
        let size = dimensions
            .iter()
            .try_fold(1u64, |size, dimension| size.checked_mul(dimension.choices.len() as u64))
            .ok_or(Error::SpaceTooLarge)?;
        Ok(Self { dimensions, size })
    }

    /// The dimensions, in order.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// How many architectures there are, feasible or not.
    pub fn size(&self) -> u128 {
        u128::from(self.size)
    }

    /// Every architecture in grid order, the last dimension fastest.
    pub fn architectures(&self) -> impl Iterator<Item = Architecture> + '_ {
        (0..self.size).filter_map(|index| self.architecture_at(index))
    }

    /// The architecture with a number in grid order; `None` from [`size`](Self::size) on.
    pub fn architecture_at(&self, index: u64) -> Option<Architecture> {
        (index < self.size).then(|| {
            self.dimensions
                .iter()
                .zip(self.digits(index))
                .map(|(dimension, digit)| (dimension.name.clone(), dimension.choices[digit].clone()))
                .collect()
        })
    }

    /// The number of an architecture in grid order; `None` where it is not a point of this space.
    ///
    /// Dimensions are found by name, in whatever order the architecture lists them.
    pub fn index_of(&self, architecture: &Architecture) -> Option<u64> {
        if architecture.len() != self.dimensions.len() {
            return None;
        }
        self.dimensions.iter().try_fold(0u64, |index, dimension| {
            let digit = dimension.position(architecture.get(&dimension.name)?)?;
            Some(index * dimension.choices.len() as u64 + digit as u64)
        })
    }

    /// Reads an architecture as a person writes it: `hidden_size=128,num_attention_heads=2`.
    ///
    /// # Errors
    /// A part that is not `name=value`, an unknown or missing dimension, or a value that is not
    /// among a dimension's choices; the message lists what is.
    pub fn parse_architecture(&self, text: &str) -> Result<Architecture, Error> {
        let mut digits = vec![None; self.dimensions.len()];
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (position, digit) = self.parse_part(part)?;
            digits[position] = Some(digit);
        }
        let chosen = self.dimensions.iter().zip(digits).map(|(dimension, digit)| match digit {
            Some(digit) => Ok((dimension.name.clone(), dimension.choices[digit].clone())),
            None => Err(Error::MissingDimension {
                dimension: dimension.name.clone(),
                valid: dimension.listed_choices(),
            }),
        });
        chosen.collect()
    }

    fn parse_part(&self, part: &str) -> Result<(usize, usize), Error> {
        let (name, value) =
            part.split_once('=').ok_or_else(|| Error::MalformedArchitecture { part: part.to_owned() })?;
        let (name, value) = (name.trim(), value.trim());
        let position =
            self.dimensions.iter().position(|dimension| dimension.name == name).ok_or_else(|| {
                Error::UnknownDimension { dimension: name.to_owned(), valid: self.listed_dimensions() }
            })?;
        let dimension = &self.dimensions[position];
        let digit =
            dimension.choices.iter().position(|choice| choice.to_string() == value).ok_or_else(|| {
                Error::UnknownChoice {
                    dimension: name.to_owned(),
                    choice: value.to_owned(),
                    valid: dimension.listed_choices(),
                }
            })?;
        Ok((position, digit))
    }

    fn listed_dimensions(&self) -> String {
        self.dimensions.iter().map(|dimension| dimension.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The position of each dimension's choice, for a number below the size.
    pub(crate) fn digits(&self, index: u64) -> Vec<usize> {
        let mut digits = vec![0; self.dimensions.len()];
        let mut rest = index;
        for (digit, dimension) in digits.iter_mut().zip(&self.dimensions).rev() {
            let choices = dimension.choices.len() as u64;
            *digit = (rest % choices) as usize;
            rest /= choices;
        }
        digits
    }

    /// The number of the point with these positions; the inverse of [`digits`](Self::digits).
    pub(crate) fn index_of_digits(&self, digits: &[usize]) -> u64 {
        self.dimensions
            .iter()
            .zip(digits)
            .fold(0, |index, (dimension, &digit)| index * dimension.choices.len() as u64 + digit as u64)
    }
}

fn check_choices(dimension: &Dimension) -> Result<(), Error> {
    if dimension.choices.is_empty() {
        return Err(Error::NoChoices { dimension: dimension.name.clone() });
    }
    for (position, choice) in dimension.choices.iter().enumerate() {
        if choice.number().is_some_and(|value| !value.is_finite()) {
            return Err(Error::ChoiceNotFinite { dimension: dimension.name.clone(), choice: choice.clone() });
        }
        if dimension.choices[..position].iter().any(|other| same_value(other, choice)) {
            return Err(Error::DuplicateChoice { dimension: dimension.name.clone(), choice: choice.clone() });
        }
    }
    Ok(())
}

/// `1` and `1.0` build the same network, so they count as one choice.
fn same_value(a: &Choice, b: &Choice) -> bool {
    match (a.number(), b.number()) {
        (Some(a_number), Some(b_number)) => {
            a == b || (a_number == b_number && a.integer().is_none() | b.integer().is_none())
        }
        _ => a == b,
    }
}

#[derive(Serialize, Deserialize)]
struct WireSpace {
    dimensions: Vec<Dimension>,
}

impl TryFrom<WireSpace> for SearchSpace {
    type Error = Error;

    fn try_from(wire: WireSpace) -> Result<Self, Error> {
        Self::new(wire.dimensions)
    }
}

impl From<SearchSpace> for WireSpace {
    fn from(space: SearchSpace) -> Self {
        Self { dimensions: space.dimensions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> SearchSpace {
        SearchSpace::new(vec![
            Dimension::new("hidden_size", [64, 128]),
            Dimension::new("rate", [0.5, 1.0]),
            Dimension::new("activation", ["gelu", "relu", "silu"]),
        ])
        .unwrap()
    }

    #[test]
    fn the_last_dimension_changes_fastest() {
        let first: Vec<String> = example().architectures().take(4).map(|a| a.to_string()).collect();
        assert_eq!(
            first,
            [
                "hidden_size=64, rate=0.5, activation=gelu",
                "hidden_size=64, rate=0.5, activation=relu",
                "hidden_size=64, rate=0.5, activation=silu",
                "hidden_size=64, rate=1.0, activation=gelu",
            ]
        );
        assert_eq!(example().architectures().count() as u128, example().size());
    }

    proptest! {
        #[test]
        fn the_number_of_the_architecture_with_a_number_is_that_number(index in 0u64..12) {
            let space = example();
            prop_assert_eq!(space.index_of(&space.architecture_at(index).unwrap()), Some(index));
            prop_assert_eq!(space.index_of_digits(&space.digits(index)), index);
        }
    }

    #[test]
    fn an_architecture_is_found_whatever_its_order() {
        let shuffled: Architecture =
            [("activation", Choice::from("relu")), ("rate", 1.0.into()), ("hidden_size", 128.into())]
                .into_iter()
                .collect();
        assert_eq!(example().index_of(&shuffled), Some(10));
    }

    #[test]
    fn points_outside_the_space_have_no_number() {
        let foreign: Architecture =
            [("hidden_size", Choice::from(64)), ("rate", 0.25.into()), ("activation", "gelu".into())]
                .into_iter()
                .collect();
        assert_eq!(example().index_of(&foreign), None);
        assert_eq!(example().index_of(&Architecture::default()), None);
        assert_eq!(example().architecture_at(12), None);
    }

    #[test]
    fn json_gives_back_the_same_space_and_is_checked() {
        let json = serde_json::to_string(&example()).unwrap();
        assert_eq!(serde_json::from_str::<SearchSpace>(&json).unwrap(), example());
        let error = serde_json::from_str::<SearchSpace>(r#"{"dimensions":[]}"#).unwrap_err();
        assert!(error.to_string().contains("no dimensions"), "{error}");
    }

    #[test]
    fn unusable_spaces_are_refused() {
        let refused = |dimensions| SearchSpace::new(dimensions).unwrap_err();
        assert_eq!(refused(vec![]), Error::NoDimensions);
        let empty = Dimension { name: "a".into(), choices: vec![] };
        assert_eq!(refused(vec![empty]), Error::NoChoices { dimension: "a".into() });
        assert_eq!(
            refused(vec![Dimension::new("a", [1]), Dimension::new("a", [2])]),
            Error::DuplicateDimension { dimension: "a".into() }
        );
        assert_eq!(
            refused(vec![Dimension::new("a", [Choice::from(1), Choice::from(1.0)])]),
            Error::DuplicateChoice { dimension: "a".into(), choice: 1.0.into() }
        );
        assert!(matches!(refused(vec![Dimension::new("a", [f64::NAN])]), Error::ChoiceNotFinite { .. }));
        let wide = (0..65).map(|d| Dimension::new(format!("d{d}"), [1, 2])).collect();
        assert_eq!(refused(wide), Error::SpaceTooLarge);
    }

    #[test]
    fn a_written_architecture_is_read_or_explained() {
        let space = example();
        let read = space.parse_architecture("activation=relu, hidden_size=128,rate=1.0").unwrap();
        assert_eq!(space.index_of(&read), Some(10));
        let message = |text| space.parse_architecture(text).unwrap_err().to_string();
        assert!(message("depth=3").contains("it has hidden_size, rate, activation"));
        assert!(message("hidden_size=65").contains("it has 64, 128"));
        assert!(message("hidden_size=64").contains("no value for `rate`"));
        assert!(message("hidden_size").contains("`hidden_size` is not `dimension=choice`"));
    }
}
