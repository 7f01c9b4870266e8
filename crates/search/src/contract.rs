//! The suite that every advisor passes.
//!
//! An implementation outside this crate runs it from a test of its own:
//!
//! ```
//! use autodistillation_search::{RandomAdvisor, contract};
//!
//! contract::check_advisor(&RandomAdvisor);
//! ```

use std::collections::BTreeSet;

use crate::{
    Advisor, Architecture, Choice, Constraint, Dimension, Error, FeasibleSpace, Goal, Infeasible, KnownGoals,
    Metrics, Outcome, Proposal, SearchSpace, Study, Trial,
};

/// Runs whole searches with an advisor and checks what [`Advisor`] promises.
///
/// # Panics
/// With the broken promise: a repeated or infeasible architecture, one that breaks a constraint on
/// a known metric, an end before or after the last feasible one, different proposals for the same
/// seed, or an error on trials that failed, hold NaN, are pruned or are pending.
pub fn check_advisor(advisor: &dyn Advisor) {
    for scenario in scenarios() {
        let first = search(advisor, &scenario, 1);
        let again = search(advisor, &scenario, 1);
        assert!(first == again, "{}: two searches with one seed differ", advisor.name());
        let trials = first.trials.len();
        assert_eq!(trials, scenario.proposable(), "{}: the search did not cover the space", advisor.name());
    }
}

/// A space with goals and what is known of them.
struct Scenario {
    feasible: FeasibleSpace,
    goals: Vec<Goal>,
    known: KnownGoals,
    constraints: Vec<Constraint>,
    /// What becomes of the trial with a number.
    fate: fn(u32, Metrics) -> Option<Outcome>,
}

impl Scenario {
    fn breaks_a_bound(&self, architecture: &Architecture) -> bool {
        self.constraints.iter().any(|constraint| {
            let known = self.known.value(&constraint.metric, architecture);
            known.is_some_and(|value| !constraint.bound.is_met_by(value))
        })
    }

    fn proposable(&self) -> usize {
        self.feasible.architectures().filter(|architecture| !self.breaks_a_bound(architecture)).count()
    }
}

fn scenarios() -> Vec<Scenario> {
    let accuracy = Goal::maximize("accuracy");
    let latency = Goal::minimize("latency");
    let size = Goal::minimize("parameters");
    let plain = |goals: &[&Goal], fate| {
        let goals = goals.iter().map(|goal| (*goal).clone()).collect();
        Scenario { feasible: feasible(), goals, known: KnownGoals::none(), constraints: Vec::new(), fate }
    };
    let known = KnownGoals::none().with("parameters", &feasible(), parameters);
    let within =
        |limit: f64| Constraint { metric: "parameters".to_owned(), bound: crate::Bound::AtMost(limit) };
    let accurate = Constraint { metric: "accuracy".to_owned(), bound: crate::Bound::AtLeast(0.5) };
    vec![
        plain(&[&accuracy], completes),
        plain(&[&accuracy, &latency], completes),
        plain(&[&accuracy, &latency, &size], suffers),
        plain(&[&accuracy, &latency], |_, _| None),
        plain(&[&accuracy], |_, _| Some(Outcome::Failed("out of memory".to_owned()))),
        Scenario { known: known.clone(), constraints: vec![accurate], ..plain(&[&accuracy, &size], suffers) },
        Scenario { known, constraints: vec![within(20_000.0)], ..plain(&[&size], suffers) },
    ]
}

/// Sixteen of twenty-four points.
fn feasible() -> FeasibleSpace {
    let dimensions = vec![
        Dimension::new("width", [48, 64, 128]),
        Dimension::new("heads", [2, 3]),
        Dimension::new("dropout", [0.0, 0.1]),
        Dimension::new("activation", ["gelu", "relu"]),
    ];
    let Ok(space) = SearchSpace::new(dimensions) else { unreachable!("the dimensions are distinct") };
    FeasibleSpace::new(space, |architecture| {
        match (architecture.integer("width"), architecture.integer("heads")) {
            (Some(width), Some(heads)) if width % heads == 0 => Ok(()),
            _ => Err(Infeasible::new("heads does not divide width")),
        }
    })
}

fn parameters(architecture: &Architecture) -> f64 {
    architecture.integer("width").map_or(f64::NAN, |width| (width * width) as f64)
}

fn measured(architecture: &Architecture) -> Metrics {
    let size = parameters(architecture);
    let bonus = if architecture.get("activation") == Some(&Choice::from("gelu")) { 0.1 } else { 0.0 };
    [("accuracy", 0.9 + bonus - 1000.0 / size), ("latency", size.sqrt()), ("parameters", size)]
        .into_iter()
        .collect()
}

fn completes(_: u32, metrics: Metrics) -> Option<Outcome> {
    Some(Outcome::Completed(metrics))
}

/// Every way in which a trial can end badly, or not end.
fn suffers(number: u32, mut metrics: Metrics) -> Option<Outcome> {
    match number % 7 {
        1 => Some(Outcome::Failed("loss is NaN".to_owned())),
        2 => {
            metrics.insert("accuracy", f64::NAN);
            Some(Outcome::Completed(metrics))
        }
        3 => Some(Outcome::Completed(Metrics::new())),
        4 => None,
        5 => Some(Outcome::Pruned(metrics)),
        _ => Some(Outcome::Completed(metrics)),
    }
}

fn search(advisor: &dyn Advisor, scenario: &Scenario, seed: u64) -> Study {
    let mut study = Study::new(scenario.feasible.space().clone(), scenario.goals.clone(), seed);
    study.constraints = scenario.constraints.clone();
    let mut seen = BTreeSet::new();
    while let Some(architecture) = proposed(advisor, scenario, &study) {
        check_architecture(advisor, scenario, &architecture);
        assert!(seen.insert(architecture.clone()), "{}: {architecture} is proposed twice", advisor.name());
        let number = study.next_number();
        let outcome = (scenario.fate)(number, measured(&architecture));
        study.trials.push(Trial { outcome, ..Trial::pending(number, architecture) });
    }
    study
}

fn check_architecture(advisor: &dyn Advisor, scenario: &Scenario, architecture: &Architecture) {
    let name = advisor.name();
    let refusal = scenario.feasible.check(architecture).err();
    assert!(refusal.is_none(), "{name}: {architecture} is infeasible: {refusal:?}");
    assert!(
        !scenario.breaks_a_bound(architecture),
        "{name}: {architecture} breaks a bound on a known metric"
    );
}

fn proposed(advisor: &dyn Advisor, scenario: &Scenario, study: &Study) -> Option<Architecture> {
    let request = Proposal { study, feasible: &scenario.feasible, known: &scenario.known };
    let propose = || -> Result<_, Error> { advisor.propose(&request, &mut study.rng(study.next_number())) };
    let proposal = propose();
    assert_eq!(proposal, propose(), "{}: the same study and generator gave two answers", advisor.name());
    assert!(proposal.is_ok(), "{}: a study it has to work on is refused: {proposal:?}", advisor.name());
    proposal.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BayesianAdvisor, GridAdvisor, RandomAdvisor};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn random_keeps_the_contract() {
        check_advisor(&RandomAdvisor);
    }

    #[test]
    fn grid_keeps_the_contract() {
        check_advisor(&GridAdvisor);
    }

    #[test]
    fn bayesian_keeps_the_contract() {
        check_advisor(&BayesianAdvisor::default());
        check_advisor(&BayesianAdvisor { initial_trials: Some(0) });
    }

    /// Proposes the first architecture again and again.
    struct Forgetful;

    impl Advisor for Forgetful {
        fn name(&self) -> &str {
            "Forgetful"
        }

        fn propose(&self, request: &Proposal<'_>, _: &mut ChaCha8Rng) -> Result<Option<Architecture>, Error> {
            Ok(request.feasible.architectures().next())
        }
    }

    #[test]
    #[should_panic(expected = "is proposed twice")]
    fn an_advisor_that_repeats_itself_is_found_out() {
        check_advisor(&Forgetful);
    }
}
