//! Reads a config, YAML or JSON, into an immutable [`Plan`](crate::Plan), or lists everything that is wrong.
//!
//! The keys are those of the design document, parallel lists included; a plan has one struct per stage and
//! mapping instead. Nothing in a config is ever executed.

mod auto_distillation;
mod automatic;
mod cursor;
mod evaluation;
mod examples;
mod families;
mod files;
mod flow;
mod goals;
mod layer_choice;
mod layer_pairs;
mod load;
mod logits;
pub(crate) mod nearest;
mod node;
mod overrides;
mod parse;
mod places;
mod problem;
mod roles;
mod search;
mod sections;
mod self_distillation;
mod single_stage;
mod stage_lists;
mod stages;
mod table;
mod training;

pub use automatic::{AutomaticFlash, BlockTemplate, LayerStack, Term};
pub use goals::{METRICS, MetricNames};
pub use layer_choice::{LayerChoice, teacher_layer};
pub use load::{DistillationConfig, SearchConfig};
pub use overrides::PlanOverrides;
pub use places::{Place, Places, Subject};
pub use problem::{ConfigErrors, LocatedProblem, Position, Problem};

/// A commented config to start from, which runs as it is.
pub fn starter() -> &'static str {
    include_str!("starter.yaml")
}
