//! Latencies of students before any of them is trained: they depend on the shape of a network, not on its weights.
//!
//! So latency is a known goal of a search, measured while nothing else computes; and a profile measured on another
//! device lets a run choose for that one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use autodistillation_models::{Transformer, TransformerConfig};
use autodistillation_search::Architecture;
use serde::{Deserialize, Serialize};

use crate::event::{RunEvent, RunListener};
use crate::experiment::BuiltInExperiment;
use crate::files::{read_json, write_json};
use crate::measurement::latency;
use crate::plan::{LatencyPlan, Plan, SearchPlan};
use crate::report::{LatencyPercentiles, LatencySettings, Machine};
use crate::{ComputeDevice, Error};

/// The profile's file in a run's folder.
pub const FILE: &str = "latency_profile.json";

/// The file's layout.
const FORMAT: u32 = 1;
/// Times that every shape is measured, all shapes once before any of them again: the better time counts, so that a
/// moment in which the machine was busy does not decide about a shape.
const ROUNDS: usize = 2;
/// Shapes that are measured before a search at most, for each of its trials.
const SHAPES_PER_TRIAL: usize = 4;
/// Points of a space that a profile covers at most.
const MOST_POINTS: u128 = 100_000;

/// Latencies of shapes on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyProfile {
    format: u32,
    /// The processor, its cores and memory.
    pub machine: String,
    /// Where networks computed, such as `flex`.
    pub device: String,
    /// The version that measured.
    pub version: String,
    /// How.
    pub settings: LatencySettings,
    /// Milliseconds per call by [`shape`].
    pub latencies: BTreeMap<String, LatencyPercentiles>,
}

/// What the time of a call depends on: `bert, 4 layers, hidden 128, 2 heads, feed-forward 512, gelu, 512 positions,
/// 2 outputs`.
pub fn shape(config: &TransformerConfig) -> String {
    let besides = config.mobilebert.map_or_else(String::new, |settings| format!(", {settings}"));
    format!(
        "{}, {} layers, hidden {}, {} heads, feed-forward {}, {}, {} positions, {} outputs{besides}",
        config.family,
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.intermediate_size,
        config.hidden_act.name(),
        config.max_position_embeddings,
        config.num_labels(),
    )
}

impl LatencyProfile {
    /// A profile of this machine without any shape yet.
    pub fn of_this_machine(plan: &LatencyPlan, device: ComputeDevice) -> Self {
        Self {
            format: FORMAT,
            machine: Machine::gather().describe(),
            device: device.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: LatencySettings {
                batch_size: plan.batch_size,
                length: plan.length,
                threads: plan.threads,
                repeats: plan.repeats,
            },
            latencies: BTreeMap::new(),
        }
    }

    /// Reads a profile.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or has another layout.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let profile: Self = read_json(path)?;
        if profile.format == FORMAT {
            return Ok(profile);
        }
        Err(Error::Profile {
            path: path.to_owned(),
            problem: format!(
                "it has layout {}, this version reads {FORMAT}: measure again with this version's `profile`",
                profile.format
            ),
        })
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        write_json(path, self)
    }

    /// The latency of networks of this config, if it was measured.
    pub fn get(&self, config: &TransformerConfig) -> Option<LatencyPercentiles> {
        self.latencies.get(&shape(config)).copied()
    }

    /// Refuses a profile that was measured in another way; the number of calls may differ.
    ///
    /// # Errors
    ///
    /// [`Error::Profile`] for the file at `path`.
    pub fn require_settings(&self, settings: &LatencySettings, path: &Path) -> Result<(), Error> {
        let way = |settings: &LatencySettings| (settings.batch_size, settings.length, settings.threads);
        if way(&self.settings) == way(settings) {
            return Ok(());
        }
        let (theirs, ours) = (self.settings.describe(), settings.describe());
        let problem = format!(
            "it was measured with {theirs}, the students with {ours}: measure it again for that config"
        );
        Err(Error::Profile { path: path.to_owned(), problem })
    }

    /// The latency of each of `configs`.
    ///
    /// # Errors
    ///
    /// [`Error::Profile`] for the file at `path` when it lacks one.
    pub fn require_shapes(
        &self,
        configs: &[TransformerConfig],
        path: &Path,
    ) -> Result<Vec<LatencyPercentiles>, Error> {
        let known: Vec<LatencyPercentiles> = configs.iter().filter_map(|config| self.get(config)).collect();
        let Some(first) = configs.iter().find(|config| self.get(config).is_none()) else { return Ok(known) };
        let problem = format!(
            "it lacks {} of {} networks, such as `{}`: measure them on that device with `autodistillation profile`",
            configs.len() - known.len(),
            configs.len(),
            shape(first)
        );
        Err(Error::Profile { path: path.to_owned(), problem })
    }

    /// With the shapes of `networks` measured now, while nothing else computes.
    fn measured(
        mut self,
        experiment: &BuiltInExperiment,
        networks: Vec<TransformerConfig>,
        stop: &AtomicBool,
    ) -> Result<Self, Error> {
        for config in (0..ROUNDS).flat_map(|_| &networks) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let network = Transformer::random(config.clone(), 0, experiment.device());
            let measured = latency(&network, &experiment.plan().evaluation.latency)?;
            if self.get(config).is_none_or(|known| measured.p50 < known.p50) {
                self.latencies.insert(shape(config), measured);
            }
        }
        Ok(self)
    }
}

/// Where the latencies of a run come from.
#[derive(Clone, Copy, Debug)]
pub struct ProfileSource<'a> {
    /// The file of another device.
    pub other_device: Option<&'a Path>,
    /// The run's folder.
    pub folder: &'a Path,
    /// Whether the run has trials already.
    pub has_begun: bool,
}

/// The latencies that a search knows before its first trial: those of another device's file, or measured now on this
/// machine; kept in the run's folder, where a resumed run finds them. `None` for a search that does not ask for
/// latency, or has far more shapes than trials and learns it from them.
///
/// # Errors
///
/// A profile of other settings, one that lacks a shape, one that is not the one that the run began with; a stop.
pub fn before_search(
    experiment: &BuiltInExperiment,
    source: ProfileSource<'_>,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<Option<LatencyProfile>, Error> {
    let plan = experiment.plan();
    let Some(search) = &plan.search else { return Ok(None) };
    let own = LatencyProfile::of_this_machine(&plan.evaluation.latency, plan.training.device);
    let kept = source.folder.join(FILE);
    let given = source.other_device.or(Some(kept.as_path()).filter(|kept| kept.is_file()));
    if let Some(path) = given {
        if source.has_begun {
            require_same(path, source.folder)?;
        }
        let profile = LatencyProfile::load(path)?;
        profile.require_settings(&own.settings, path)?;
        profile.require_shapes(&networks(experiment, search, path)?, path)?;
        profile.save(&kept)?;
        return Ok(Some(profile));
    }
    if source.has_begun || !asks_for_latency(search) || search.space.size() > MOST_POINTS {
        return Ok(None);
    }
    let networks = networks(experiment, search, &kept)?;
    if networks.len() > SHAPES_PER_TRIAL * search.max_trials as usize {
        return Ok(None);
    }
    listener.hear(&RunEvent::Phase(format!("measuring the latency of {} networks", networks.len())));
    let profile = own.measured(experiment, networks, stop)?;
    profile.save(&kept)?;
    Ok(Some(profile))
}

/// Refuses the profile at `path` for the run in `folder`, which has trials, unless it is the one that they were measured
/// with.
///
/// # Errors
///
/// [`Error::Profile`]
pub fn require_same(path: &Path, folder: &Path) -> Result<(), Error> {
    let kept = folder.join(FILE);
    if kept.is_file() && LatencyProfile::load(&kept)? == LatencyProfile::load(path)? {
        return Ok(());
    }
    let problem = "the run began with other latencies: leave `--latency-profile` out, choose another `--output`, or rank the \
                   finished run again with `pareto RUN --latency-profile`";
    Err(Error::Profile { path: path.to_owned(), problem: problem.to_owned() })
}

/// The latencies of every student that the plan's search may build, and of the teacher, measured on this machine.
///
/// # Errors
///
/// An unusable teacher or data set, a space that is too large, a file that cannot be written, or a stop.
pub fn profile(
    plan: Plan,
    output: &Path,
    (listener, stop): (&dyn RunListener, &AtomicBool),
) -> Result<LatencyProfile, Error> {
    let own = LatencyProfile::of_this_machine(&plan.evaluation.latency, plan.training.device);
    let (experiment, _folder) = crate::check::untrained(plan, (listener, stop))?;
    let networks = match &experiment.plan().search {
        Some(search) => networks(&experiment, search, output)?,
        None => {
            let student = experiment.student_config(&Architecture::default())?;
            vec![student, experiment.materials().teacher.config().clone()]
        }
    };
    if !output.exists() {
        own.save(output)?; // Whether it can be written shows better now than after everything is measured.
    }
    listener.hear(&RunEvent::Phase(format!("measuring the latency of {} networks", networks.len())));
    let profile = own.measured(&experiment, networks, stop)?;
    profile.save(output)?;
    Ok(profile)
}

fn asks_for_latency(search: &SearchPlan) -> bool {
    let goals = search.goals.iter().map(|goal| &goal.metric);
    goals
        .chain(search.constraints.iter().map(|bound| &bound.metric))
        .any(|metric| metric.starts_with("latency"))
}

/// One config of every shape that a student can have, and the teacher's.
fn networks(
    experiment: &BuiltInExperiment,
    search: &SearchPlan,
    path: &Path,
) -> Result<Vec<TransformerConfig>, Error> {
    let space = &search.space;
    if space.size() > MOST_POINTS {
        let problem = format!(
            "the search space has {} points, and a profile covers {MOST_POINTS} at most: leave out some choices",
            space.size()
        );
        return Err(Error::Profile { path: path.to_owned(), problem });
    }
    let points = (0..space.size() as u64).filter_map(|point| space.architecture_at(point));
    let students = points.filter_map(|architecture| experiment.student_config(&architecture).ok());
    let teacher = experiment.materials().teacher.config().clone();
    let shapes: BTreeMap<String, TransformerConfig> =
        students.chain([teacher]).map(|config| (shape(&config), config)).collect();
    Ok(shapes.into_values().collect())
}
