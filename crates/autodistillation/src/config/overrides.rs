//! What the command line may change in a plan.

use std::num::NonZeroU32;

use autodistillation_search::Constraint;

use crate::plan::Plan;
use crate::{ComputeDevice, TrainingPrecision};

/// Values that win over the config's; absent = the config's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanOverrides {
    /// Trials of the whole study; nothing to a plan without a search.
    pub trials: Option<NonZeroU32>,
    /// The seed of everything random.
    pub seed: Option<u64>,
    /// What matrix products are computed in.
    pub precision: Option<TrainingPrecision>,
    /// Where networks compute.
    pub device: Option<ComputeDevice>,
    /// Bounds that replace those the config has on the same metrics and sides.
    pub constraints: Vec<Constraint>,
}

impl Plan {
    /// The plan with these values in place of the config's.
    pub fn overridden_by(mut self, overrides: &PlanOverrides) -> Self {
        self.seed = overrides.seed.unwrap_or(self.seed);
        self.training.device = overrides.device.unwrap_or(self.training.device);
        self.training.precision = overrides.precision.unwrap_or(self.training.precision);
        if let Some(search) = &mut self.search {
            search.seed = self.seed;
            search.max_trials = overrides.trials.map_or(search.max_trials, NonZeroU32::get);
            for constraint in &overrides.constraints {
                search.constraints.retain(|known| !is_same_side(known, constraint));
                search.constraints.push(constraint.clone());
            }
        }
        self
    }
}

fn is_same_side(a: &Constraint, b: &Constraint) -> bool {
    a.metric == b.metric && std::mem::discriminant(&a.bound) == std::mem::discriminant(&b.bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::starter;
    use std::path::Path;

    fn plan() -> Plan {
        Plan::parse(starter(), Path::new("config.yaml")).unwrap()
    }

    #[test]
    fn nothing_given_changes_nothing() {
        let json = |plan: Plan| serde_json::to_string(&plan).unwrap();
        assert_eq!(json(plan().overridden_by(&PlanOverrides::default())), json(plan()));
    }

    #[test]
    fn given_values_win() {
        let bound = |text| Constraint::parse("max_params", text).unwrap();
        let first = PlanOverrides { constraints: vec![bound("9M")], ..PlanOverrides::default() };
        let overrides = PlanOverrides {
            trials: NonZeroU32::new(3),
            seed: Some(7),
            constraints: vec![bound("5M")],
            precision: Some(TrainingPrecision::F32),
            device: Some(ComputeDevice::VulkanOnCpu),
        };
        let plan = plan().overridden_by(&first).overridden_by(&overrides);
        assert_eq!(plan.training.precision, TrainingPrecision::F32);
        assert_eq!(plan.training.device, ComputeDevice::VulkanOnCpu);
        let search = plan.search.unwrap();
        assert_eq!((search.max_trials, search.seed, plan.seed), (3, 7, 7));
        assert_eq!(search.constraints.iter().filter(|known| known.metric == "parameters").count(), 1);
        assert!(search.constraints.contains(&bound("5M")));
    }
}
