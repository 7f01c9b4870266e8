//! The teacher cache: what the teacher says about the data, on disk, for all trials and for later runs.
//!
//! ```text
//! FOLDER/teacher-outputs/KEY/               KEY: hash of the teacher, of one tokenised set and of how both are computed
//!                           .in-use         locked by every process that works with the folder; its time says when
//!                           .making         locked while a file is made
//!                           LAYER.OUTPUT    header, one checksum per example, outputs at fixed places (a sparse file)
//! ```
//!
//! An output is written first and its checksum after it. A process that is killed leaves outputs without a checksum,
//! which count as absent; an output that does not fit its checksum counts as absent too and is computed again. All
//! processes write the same bits to the same places, so they may write at the same time.

mod budget;
mod demand;
mod disk_store;
mod folder;
mod key;
mod layer_file;
mod notes;
mod places;
mod settings;
mod size;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use autodistillation_distillation::{Ensemble, ExampleSet, MemoryStore, Network, Stores, Teacher};
use autodistillation_models::Transformer;

pub use demand::Demand;
pub use disk_store::DiskStore;
pub use notes::Notes;
pub use settings::CacheSettings;
pub use size::{parse_size, shown_size};

use crate::materials::Sets;
use budget::Budget;
use folder::KeyFolder;
use key::TeacherHash;
use places::Places;

/// Bytes of the teacher's outputs on the training set that are kept in memory where they are not kept on disk.
const TRAINING_MEMORY: usize = 4 << 30;
/// The same for the validation set.
const VALIDATION_MEMORY: usize = 1 << 29;

/// The teacher or teachers, with their outputs on `sets` kept on disk as `settings` say and in memory beyond that. What goes wrong
/// with the disk is a note, and no reason to stop.
pub fn teacher(
    network: &Ensemble<Transformer>,
    sets: &Sets,
    settings: Option<&CacheSettings>,
) -> (Teacher<Ensemble<Transformer>>, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let cache = settings.and_then(|settings| Cache::open(settings, network, &notes));
    let stores = |set: &ExampleSet, memory: usize| -> Stores {
        let disk = cache.as_ref().and_then(|cache| cache.store(set));
        let memory = MemoryStore::new(memory);
        match disk {
            Some(disk) => vec![Box::new(disk), Box::new(memory)],
            None => vec![Box::new(memory)],
        }
    };
    let training = stores(&sets.training, TRAINING_MEMORY);
    let validation = stores(&sets.validation, VALIDATION_MEMORY);
    (Teacher::with_stores(network.clone(), training, validation), notes)
}

/// The disk cache of one teacher.
struct Cache<'a> {
    teacher: &'a Ensemble<Transformer>,
    hash: TeacherHash,
    budget: Arc<Budget>,
    notes: Arc<Notes>,
}

impl<'a> Cache<'a> {
    /// `None` when there is no room at all.
    fn open(
        settings: &CacheSettings,
        teacher: &'a Ensemble<Transformer>,
        notes: &Arc<Notes>,
    ) -> Option<Self> {
        let limit = settings.limit().filter(|limit| *limit > 0)?;
        let budget = Arc::new(Budget::new(settings.outputs_folder(), limit));
        Some(Self { teacher, hash: TeacherHash::of(teacher), budget, notes: Arc::clone(notes) })
    }

    /// `None`, with a note, when the folder cannot be used.
    fn store(&self, set: &ExampleSet) -> Option<DiskStore> {
        let key = self.hash.with(set);
        let folder = self.budget.folder().join(&key);
        match KeyFolder::open(&folder) {
            Ok(opened) => {
                let rows = 0..set.versions() * set.len() as u32;
                let places = Places::of(rows.filter_map(|row| set.extent(row)));
                let shared = (Arc::clone(&self.budget), Arc::clone(&self.notes));
                Some(DiskStore::new((opened, key), places, &self.teacher.layers(), shared))
            }
            Err(error) => {
                self.notes.add(format!(
                    "the teacher cache `{}` cannot be used ({error}); the teacher's outputs are kept in memory",
                    self.budget.folder().display()
                ));
                None
            }
        }
    }
}
