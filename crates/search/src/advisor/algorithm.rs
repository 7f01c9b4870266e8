//! The search algorithms by the names that a configuration uses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Advisor, BayesianAdvisor, GridAdvisor, RandomAdvisor};
use crate::Error;

/// A search algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Algorithm {
    /// Gaussian processes and expected hypervolume improvement: `BO`.
    #[default]
    Bayesian,
    /// Uniform draws without replacement: `Random`.
    Random,
    /// Every architecture in order: `Grid`.
    Grid,
}

impl Algorithm {
    const VALID: &str = "BO, Random, Grid";

    /// The algorithm with its default settings.
    pub fn advisor(self) -> Box<dyn Advisor> {
        match self {
            Algorithm::Bayesian => Box::new(BayesianAdvisor::default()),
            Algorithm::Random => Box::new(RandomAdvisor),
            Algorithm::Grid => Box::new(GridAdvisor),
        }
    }

    fn config_name(self) -> &'static str {
        match self {
            Algorithm::Bayesian => "BO",
            Algorithm::Random => "Random",
            Algorithm::Grid => "Grid",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.config_name())
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name.to_ascii_lowercase().as_str() {
            "bo" | "bayesian" => Ok(Algorithm::Bayesian),
            "random" => Ok(Algorithm::Random),
            "grid" => Ok(Algorithm::Grid),
            _ => Err(Error::UnknownAlgorithm { name: name.to_owned(), valid: Self::VALID }),
        }
    }
}

impl TryFrom<String> for Algorithm {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<Algorithm> for String {
    fn from(algorithm: Algorithm) -> Self {
        algorithm.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_written_as_in_a_config() {
        for name in ["BO", "Random", "Grid"] {
            assert_eq!(name.to_uppercase().parse::<Algorithm>().unwrap().to_string(), name);
            assert_eq!(name.to_lowercase().parse::<Algorithm>().unwrap().advisor().name(), name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_valid_ones() {
        let error = "annealing".parse::<Algorithm>().unwrap_err();
        assert!(error.to_string().contains("use one of BO, Random, Grid"), "{error}");
    }
}
