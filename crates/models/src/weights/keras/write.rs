//! Writes a network as the `tf_model.h5` that its TensorFlow class in `transformers` loads.

use std::collections::BTreeMap;

use hdf5_pure::{AttrValue, FileBuilder, GroupBuilder};

use super::super::{Each, Role, Slot, transposed, walk};
use super::names::{KerasClass, in_own_layer};
use super::{LAYERS, WEIGHTS};
use crate::Transformer;

/// Most bytes of an attribute with names: what Keras allows itself below HDF5's 64 KiB.
const LONGEST_LIST: usize = 64_512;
/// The version of Keras whose arrangement this is.
const KERAS_VERSION: &str = "2.17.0";

/// One data set: its shape and numbers in Keras' layout.
struct DataSet {
    shape: Vec<u64>,
    values: Vec<f32>,
}

/// A group on the way to data sets.
#[derive(Default)]
struct Tree {
    groups: BTreeMap<String, Tree>,
    sets: BTreeMap<String, DataSet>,
}

/// A layer: the paths of its weights in the network's order, and the weights.
#[derive(Default)]
struct Layer {
    paths: Vec<String>,
    tree: Tree,
}

/// The bytes of the file.
///
/// # Errors
///
/// What the HDF5 library refuses.
pub(crate) fn to_hdf5(network: &Transformer) -> Result<Vec<u8>, hdf5_pure::Error> {
    let (config, class) = (network.config(), KerasClass::of(network.config()));
    let mut layers: BTreeMap<String, Layer> = BTreeMap::new();
    let mut insert = |(layer, path): (String, String), set| {
        let part = layers.entry(layer).or_default();
        part.tree.insert(&path, set);
        part.paths.push(path);
    };
    let each: Each<'_> = &mut |slot, values| {
        let places = class.copy(&slot).into_iter().chain([in_own_layer(class.path(&slot))]);
        places.for_each(|place| insert(place, DataSet::of(&slot, &values())));
    };
    walk(network, each);
    if let Some(place) = class.without_numbers(config) {
        insert(place, DataSet { shape: vec![0, config.vocab_size as u64], values: Vec::new() });
    }
    let mut file = FileBuilder::new();
    file.set_attr("backend", AttrValue::VarLenString("tensorflow".to_owned()));
    file.set_attr("keras_version", AttrValue::VarLenString(KERAS_VERSION.to_owned()));
    for (name, list) in name_lists(LAYERS, layers.keys().cloned().collect()) {
        file.set_attr(&name, list);
    }
    for (name, Layer { paths, tree }) in layers {
        let mut group = file.create_group(&name);
        for (name, list) in name_lists(WEIGHTS, paths) {
            group.set_attr(&name, list);
        }
        tree.write(&mut group);
        file.add_group(group.finish());
    }
    file.finish()
}

impl DataSet {
    fn of(slot: &Slot, values: &[f32]) -> Self {
        let mut shape: Vec<u64> = slot.dims.iter().map(|&size| size as u64).collect();
        let values = match (slot.role, slot.dims.as_slice()) {
            (Role::Matrix, &[rows, columns]) => {
                shape.reverse();
                transposed(values, rows, columns)
            }
            _ => values.to_vec(),
        };
        Self { shape, values }
    }
}

impl Tree {
    fn insert(&mut self, path: &str, set: DataSet) {
        let (groups, name) = path.rsplit_once('/').unwrap_or(("", path));
        let place =
            groups.split('/').fold(self, |tree, group| tree.groups.entry(group.to_owned()).or_default());
        place.sets.insert(name.to_owned(), set);
    }

    fn write(self, group: &mut GroupBuilder) {
        for (name, set) in self.sets {
            group.create_dataset(&name).with_f32_data(&set.values).with_shape(&set.shape);
        }
        for (name, tree) in self.groups {
            let mut inner = group.create_group(&name);
            tree.write(&mut inner);
            group.add_group(inner.finish());
        }
    }
}

/// A list of names as an attribute, or as several where one would be too long. Names have the length of the longest.
pub(super) fn name_lists(attribute: &str, names: Vec<String>) -> Vec<(String, AttrValue)> {
    let longest = names.iter().map(String::len).max().unwrap_or(0).max(1);
    let fitting = (LONGEST_LIST / longest).max(1);
    if names.len() <= fitting {
        return vec![(attribute.to_owned(), AttrValue::AsciiStringArray(names))];
    }
    let parts = names.chunks(fitting).enumerate();
    parts
        .map(|(part, names)| (format!("{attribute}{part}"), AttrValue::AsciiStringArray(names.to_vec())))
        .collect()
}
