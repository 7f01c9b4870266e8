//! What the built-in experiment measures, and what it knows before it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use autodistillation_distillation::{ExampleSet, evaluate};
use autodistillation_models::{Arithmetic, Transformer, TransformerConfig, cost, student_config};
use autodistillation_search::{Architecture, FeasibleSpace, KnownGoals, Metrics};

use crate::experiment::TrialContext;
use crate::experiment::built_in::{BuiltInExperiment, Pupil, chosen, write_metrics};
use crate::latency_profile::LatencyProfile;
use crate::measurement;
use crate::report::LatencyPercentiles;

/// Validation examples that a teacher is tried on before the search.
const TRIED_EXAMPLES: usize = 16;

impl BuiltInExperiment {
    /// The same with latencies that are known before training.
    #[must_use]
    pub fn with_latencies(mut self, latencies: Option<LatencyProfile>) -> Self {
        self.latencies = latencies.map(Arc::new);
        self
    }

    /// The machine and device whose latencies count, if they are not those that train.
    pub fn latency_machine(&self) -> Option<String> {
        let known = self.latencies.as_ref()?;
        let own = LatencyProfile::of_this_machine(&self.plan.evaluation.latency, self.plan.training.device);
        let is_own = (&known.machine, &known.device) == (&own.machine, &own.device);
        (!is_own).then(|| format!("{}, {}", known.machine, known.device))
    }

    /// The quality on the validation set and the costs, before the regular stages.
    pub(super) fn early_look(
        &self,
        pupil: &Pupil,
        trial: &TrialContext<'_>,
    ) -> Result<Metrics, crate::Error> {
        let plan = &self.plan.evaluation;
        let mut metrics = measurement::validation_quality(&pupil.network, &self.materials.sets, plan)?;
        metrics.extend(measurement::costs(pupil.network.config(), plan.latency.length));
        let latency = self.known_latency(pupil.network.config());
        metrics.extend(latency.into_iter().flat_map(measurement::latency_metrics));
        if let Some(folder) = trial.folder {
            write_metrics(folder, &metrics, &pupil.finished)?;
        }
        Ok(metrics)
    }

    /// Asks the teacher about a few validation examples, so that one that cannot answer ends a run before its first trial.
    ///
    /// # Errors
    ///
    /// A validation set that cannot be evaluated, or [`BrokenTeacher`](crate::Error::BrokenTeacher).
    pub fn try_teacher(&self) -> Result<(), crate::Error> {
        let (materials, plan) = (&self.materials, &self.plan.evaluation);
        let all = &materials.sets.validation;
        let examples = all.examples.iter().take(TRIED_EXAMPLES).cloned().collect();
        let few = ExampleSet { examples, ..all.clone() };
        let others = materials.further_teachers.iter().map(|other| (&other.network, &other.folder));
        for (teacher, folder) in [(&materials.teacher, &materials.teacher_folder)].into_iter().chain(others) {
            match evaluate(teacher, &few, plan.batch_size)?.loss {
                Some(loss) if !loss.is_finite() => {
                    return Err(crate::Error::BrokenTeacher { path: folder.clone(), loss });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Every metric of the teacher; several have the quality of their mean, and latencies and costs that add up.
    ///
    /// # Errors
    ///
    /// As [`measure`](Self::measure).
    pub fn teacher_metrics(&self) -> Result<Metrics, crate::Error> {
        let mut metrics = self.teacher_quality()?;
        let length = self.plan.evaluation.latency.length;
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        let teachers = self.materials.teachers(Arithmetic::F32);
        for teacher in teachers.networks() {
            let latency = measurement::latency_metrics(self.latency(teacher, None)?);
            for (name, value) in latency.into_iter().chain(measurement::costs(teacher.config(), length)) {
                *sums.entry(name).or_default() += value;
            }
        }
        metrics.extend(sums);
        Ok(metrics)
    }

    /// The teacher's metrics on the sets, measured once.
    pub(super) fn teacher_quality(&self) -> Result<Metrics, crate::Error> {
        if let Some(known) = self.teacher_quality.get() {
            return Ok(known.clone());
        }
        let teachers = self.materials.teachers(Arithmetic::F32);
        let metrics = measurement::quality(&teachers, &self.materials.sets, &self.plan.evaluation)?;
        Ok(self.teacher_quality.get_or_init(|| metrics).clone())
    }

    fn known_latency(&self, config: &TransformerConfig) -> Option<LatencyPercentiles> {
        self.latencies.as_ref()?.get(config)
    }

    /// A latency that is known, or measured now.
    fn latency(
        &self,
        network: &Transformer,
        trial: Option<&TrialContext<'_>>,
    ) -> Result<LatencyPercentiles, crate::Error> {
        if let Some(latency) = self.known_latency(network.config()) {
            return Ok(latency);
        }
        let _quiet = trial.map(|trial| trial.shared.quiet());
        measurement::latency(network, &self.plan.evaluation.latency)
    }

    /// Every metric of a network; a latency that is not known yet is measured while nothing else of the search computes.
    ///
    /// # Errors
    ///
    /// A set that cannot be evaluated, or threads that cannot be started.
    pub fn measure(
        &self,
        network: &Transformer,
        trial: Option<&TrialContext<'_>>,
    ) -> Result<Metrics, crate::Error> {
        let plan = &self.plan.evaluation;
        let working = trial.map(|trial| trial.shared.working());
        let mut metrics = measurement::quality(network, &self.materials.sets, plan)?;
        drop(working);
        metrics.extend(measurement::latency_metrics(self.latency(network, trial)?));
        metrics.extend(measurement::costs(network.config(), plan.latency.length));
        Ok(metrics)
    }

    /// The goals that follow from a student's config: costs, and latency where it was measured.
    pub(super) fn known_before_training(&self, feasible: &FeasibleSpace) -> KnownGoals {
        let length = self.plan.evaluation.latency.length;
        let goals = KnownGoals::none()
            .with("parameters", feasible, self.known(|config| cost::parameters(config) as f64))
            .with("flops", feasible, self.known(move |config| cost::flops(config, length) as f64))
            .with("size_mb", feasible, self.known(cost::size_mb));
        let Some(latencies) = &self.latencies else { return goals };
        measurement::LATENCY_METRICS.into_iter().fold(goals, |goals, (name, of)| {
            let latencies = Arc::clone(latencies);
            let latency = move |config: &TransformerConfig| latencies.get(config).map_or(f64::NAN, of);
            goals.with(name, feasible, self.known(latency))
        })
    }

    /// A metric that follows from the student's config, as a function of the architecture; NaN where there is no
    /// student.
    fn known(
        &self,
        of: impl Fn(&TransformerConfig) -> f64 + Send + Sync + 'static,
    ) -> impl Fn(&Architecture) -> f64 + Send + Sync + 'static {
        let (teacher, base) = (self.teacher_config.clone(), self.overrides(&Architecture::default()));
        let family = self.plan.student.family;
        move |architecture: &Architecture| {
            let mut values = base.clone();
            values.extend(chosen(architecture));
            student_config(&teacher, family, &values).map_or(f64::NAN, |config| of(&config))
        }
    }
}
