//! Decides which architecture to try next.
//!
//! A [`Study`] is plain data: a [`SearchSpace`], [`Goal`]s, a seed and the [`Trial`]s so far. An
//! [`Advisor`] is a pure function from a study to the next architecture:
//!
//! ```
//! use autodistillation_search::{
//!     Algorithm, Dimension, FeasibleSpace, Goal, KnownGoals, Metrics, Proposal, SearchSpace, Study, Trial,
//! };
//!
//! let space = SearchSpace::new(vec![Dimension::new("hidden_size", [64, 128, 192, 256])])?;
//! let feasible = FeasibleSpace::unrestricted(space.clone());
//! let known = KnownGoals::none();
//! let mut study = Study::new(space, vec![Goal::maximize("accuracy")], 42);
//! let advisor = "BO".parse::<Algorithm>()?.advisor();
//! let mut propose = |study: &Study| {
//!     let request = Proposal { study, feasible: &feasible, known: &known };
//!     advisor.propose(&request, &mut study.rng(study.next_number()))
//! };
//! while let Some(architecture) = propose(&study)? {
//!     let width = architecture.integer("hidden_size").unwrap_or(0) as f64;
//!     let metrics: Metrics = [("accuracy", 1.0 - 16.0 / width)].into_iter().collect();
//!     study.trials.push(Trial::completed(study.next_number(), architecture, metrics));
//! }
//! assert_eq!(study.pareto_front()[0].architecture.to_string(), "hidden_size=256");
//! # Ok::<(), autodistillation_search::Error>(())
//! ```
//!
//! This crate knows no tensors, files or clocks, and prints nothing.

mod acquisition;
mod advisor;
mod architecture;
mod choice;
mod constraint;
pub mod contract;
mod error;
mod feasible;
mod goal;
pub mod hypervolume;
mod metrics;
pub mod pareto;
mod rank_correlation;
mod space;
mod study;
mod surrogate;
mod trial;

pub use advisor::{Advisor, Algorithm, BayesianAdvisor, GridAdvisor, KnownGoals, Proposal, RandomAdvisor};
pub use architecture::Architecture;
pub use choice::Choice;
pub use constraint::{Bound, Constraint};
pub use error::Error;
pub use feasible::{FeasibleSpace, Infeasible, Rule};
pub use goal::{Direction, Goal};
pub use metrics::Metrics;
pub use rank_correlation::{Interval, RankAgreement, kendall, spearman};
pub use space::{Dimension, SearchSpace};
pub use study::Study;
pub use trial::{Outcome, Trial};
