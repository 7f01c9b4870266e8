//! Outputs of one teacher on one set, in files.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use autodistillation_distillation::{LayerOutput, LayerPath, OutputStore};
use half::f16;

use super::budget::Budget;
use super::folder::{KeyFolder, Replaced};
use super::layer_file::{LayerFile, Layout};
use super::notes::Notes;
use super::places::Places;
use super::size::shown_size;

/// Outputs of one teacher on one set, in the folder of their key.
#[derive(Debug)]
pub struct DiskStore {
    folder: KeyFolder,
    places: Places,
    layers: HashMap<LayerPath, OneLayer>,
    budget: Arc<Budget>,
    notes: Arc<Notes>,
    /// Set when nothing more can be written.
    closed: AtomicBool,
}

/// A layer's file, once it was found or made.
#[derive(Debug)]
struct OneLayer {
    name: String,
    layout: Layout,
    file: RwLock<Option<Arc<LayerFile>>>,
}

impl DiskStore {
    pub(super) fn new(
        (folder, key): (KeyFolder, String),
        places: Places,
        layers: &[LayerOutput],
        (budget, notes): (Arc<Budget>, Arc<Notes>),
    ) -> Self {
        let one = |layer: &LayerOutput| OneLayer {
            name: format!("{}.{}", layer.path.module, layer.path.output),
            layout: Layout::new(&key, layer, &places),
            file: RwLock::default(),
        };
        let layers = layers.iter().map(|layer| (layer.path.clone(), one(layer))).collect();
        Self { folder, places, layers, budget, notes, closed: AtomicBool::new(false) }
    }

    fn place(&self, layer: &LayerOutput, row: u32) -> Option<(u32, u64)> {
        ((row as usize) < self.places.rows())
            .then(|| self.places.offset(layer.shape, row as usize))?
            .map(|offset| (row, offset))
    }

    /// The layer's file, if it is there.
    fn find(&self, layer: &OneLayer) -> Option<Arc<LayerFile>> {
        if let Some(file) = layer.file.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return Some(file);
        }
        let found = self.folder.find(&layer.name, &layer.layout).ok()??;
        let mut file = layer.file.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(file.get_or_insert_with(|| Arc::new(found))))
    }

    fn find_or_make(&self, layer: &OneLayer) -> io::Result<Arc<LayerFile>> {
        if let Some(file) = self.find(layer) {
            return Ok(file);
        }
        let mut file = layer.file.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*file {
            return Ok(Arc::clone(file));
        }
        let (made, replaced) = self.folder.find_or_make(&layer.name, &layer.layout)?;
        if replaced == Replaced::Foreign {
            let path = self.folder.path().join(&layer.name);
            self.notes.add(format!("`{}` was damaged and is written again", path.display()));
        }
        Ok(Arc::clone(file.insert(Arc::new(made))))
    }

    /// From now on nothing is written, for a reason that the user hears once.
    fn close(&self, reason: &str) {
        self.closed.store(true, Ordering::Relaxed);
        self.notes.add(format!(
            "the teacher cache `{}` {reason}; further outputs are kept in memory or computed again",
            self.budget.folder().display()
        ));
    }
}

impl OutputStore for DiskStore {
    fn read(&self, layer: &LayerOutput, row: u32, values: &mut [f16]) -> bool {
        let file = self.layers.get(&layer.path).and_then(|layer| self.find(layer));
        match (file, self.place(layer, row)) {
            (Some(file), Some(place)) => file.read(place, values),
            _ => false,
        }
    }

    fn write(&self, layer: &LayerOutput, row: u32, values: &[f16]) -> bool {
        let known = self.layers.get(&layer.path).zip(self.place(layer, row));
        let Some((one, place)) = known.filter(|_| !self.closed.load(Ordering::Relaxed)) else { return false };
        if !self.budget.admit(size_of_val(values) as u64) {
            self.close(&format!("has reached its {}", shown_size(self.budget.limit())));
            return false;
        }
        match self.find_or_make(one).and_then(|file| file.write(place, values)) {
            Ok(()) => true,
            Err(error) => {
                self.close(&format!("cannot be written ({error})"));
                false
            }
        }
    }
}
