//! How much the stages of a student ask the teacher, before anything is computed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use autodistillation_distillation::criterion;
use autodistillation_distillation::{
    ExampleSet, LayerPath, Matchers, Network, Order, Scheduler, Taps, rows_of_stage,
};
use autodistillation_models::Transformer;
use half::f16;
use serde::Serialize;

use super::CacheSettings;
use crate::Error;
use crate::experiment::BuiltInExperiment;

/// What an output among others that are not there takes on disk beyond its own bytes.
const PAGE: u64 = 4096;
/// Bytes of an example's checksum.
const INDEX: u64 = 8;

/// The teacher's outputs that the stages of one student need.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Demand {
    /// Bytes of all outputs.
    pub bytes: u64,
    /// Bytes that they take on disk at most: a file has pages, and outputs lie at fixed places.
    pub disk: u64,
    /// Layers that are tapped.
    pub layers: usize,
    /// Examples of the training set that the teacher answers.
    pub examples: usize,
    /// Where they are kept; absent = in memory alone.
    pub folder: Option<PathBuf>,
    /// Bytes that the folder may take.
    pub limit: Option<u64>,
}

impl Demand {
    /// What `student` will need in the stages of `scheduler`.
    ///
    /// # Errors
    ///
    /// Layer mappings that do not fit the networks.
    pub fn of(
        experiment: &BuiltInExperiment,
        (student, scheduler): (&Transformer, &Scheduler),
        cache: Option<&CacheSettings>,
    ) -> Result<Self, Error> {
        let (plan, sets) = (experiment.plan(), &experiment.materials().sets);
        let teacher = &experiment.materials().teacher;
        let mut training = Questions::default();
        let mut validation = Questions::default();
        for (position, stage) in scheduler.stages().iter().enumerate() {
            let criterion = criterion::build(&stage.criterion, (student, teacher), &mut Matchers::new(), 0)?;
            let taps = criterion.teacher_taps();
            let order =
                Order { seed: plan.seed, stage: position as u64, batch_size: plan.training.batch_size };
            training.add(teacher, taps, rows_of_stage(order, &sets.training, stage.steps));
            if plan.training.early_stop.is_some() {
                validation.add(teacher, taps, 0..sets.validation.len() as u32);
            }
        }
        let limit = cache.and_then(CacheSettings::limit).filter(|limit| *limit > 0);
        let sizes = (training.sizes(teacher, &sets.training), validation.sizes(teacher, &sets.validation));
        Ok(Self {
            bytes: sizes.0.bytes + sizes.1.bytes,
            disk: sizes.0.disk + sizes.1.disk,
            layers: training.0.len(),
            examples: training.0.values().flatten().collect::<BTreeSet<_>>().len(),
            folder: limit.and_then(|_| cache.map(CacheSettings::outputs_folder)),
            limit,
        })
    }

    /// Whether the cache has room for all of it.
    pub fn fits(&self) -> bool {
        self.limit.is_some_and(|limit| self.disk <= limit)
    }
}

/// Rows by layer.
#[derive(Default)]
struct Questions(BTreeMap<LayerPath, BTreeSet<u32>>);

impl Questions {
    fn add(&mut self, teacher: &Transformer, taps: &Taps, rows: impl IntoIterator<Item = u32>) {
        let rows: Vec<u32> = rows.into_iter().collect();
        for path in taps.paths() {
            self.0.entry(teacher.resolve(path)).or_default().extend(&rows);
        }
    }

    fn sizes(&self, teacher: &Transformer, set: &ExampleSet) -> Sizes {
        let layers = teacher.layers();
        let mut sum = Sizes::default();
        for (path, rows) in &self.0 {
            let Some(layer) = layers.iter().find(|layer| layer.path == *path) else { continue };
            let bytes = |row: u32| {
                set.extent(row).map_or(0, |extent| (layer.shape.elements(extent) * size_of::<f16>()) as u64)
            };
            // An example is as large under all masks.
            let versions = u64::from(set.versions());
            let all: u64 = versions * set.rows().into_iter().map(bytes).sum::<u64>();
            let own: u64 = rows.iter().copied().map(bytes).sum();
            sum.bytes += own;
            sum.disk += all.min(own + PAGE * rows.len() as u64) + INDEX * versions * set.len() as u64;
        }
        sum
    }
}

#[derive(Default)]
struct Sizes {
    bytes: u64,
    disk: u64,
}
