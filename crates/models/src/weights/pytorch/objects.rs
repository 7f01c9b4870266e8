//! The objects that a pickle makes. They lie side by side and name each other by number, so that neither depth nor
//! sharing costs anything.

use super::StorageKind;
use super::globals::Global;

/// What the stack of a pickle holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Integer(i128),
    /// A number that no tensor's place needs.
    Float,
    Object(Reference),
}

/// The number of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference(usize);

/// What a pickle can make.
#[derive(Clone, Debug)]
pub(super) enum Object {
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Mapping(Vec<(Value, Value)>),
    Global(Global),
    Storage(Storage),
    Tensor(TensorView),
}

/// The numbers that tensors share, by the key of the file that holds them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    pub(super) kind: StorageKind,
    /// A text.
    pub(super) key: Value,
    /// Numbers before the first one, where it is a part of another storage.
    pub(super) skipped: usize,
}

/// A tensor: which numbers of a storage it has.
#[derive(Clone, Debug)]
pub(super) struct TensorView {
    /// A storage.
    pub(super) storage: Value,
    /// Numbers before its first one.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// All objects of a pickle.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects(Vec<Object>);

impl Objects {
    pub(super) fn add(&mut self, object: Object) -> Value {
        self.0.push(object);
        Value::Object(Reference(self.0.len() - 1))
    }

    fn get(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(Reference(number)) => self.0.get(number),
            _ => None,
        }
    }

    /// The object of a value, to be added to.
    pub(super) fn get_mut(&mut self, value: Value) -> Option<&mut Object> {
        match value {
            Value::Object(Reference(number)) => self.0.get_mut(number),
            _ => None,
        }
    }

    pub(super) fn text(&self, value: Value) -> Option<&str> {
        match self.get(value)? {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.get(value)? {
            Object::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn list(&self, value: Value) -> Option<&[Value]> {
        match self.get(value)? {
            Object::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn entries(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.get(value)? {
            Object::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn global(&self, value: Value) -> Option<Global> {
        match self.get(value)? {
            Object::Global(global) => Some(*global),
            _ => None,
        }
    }

    pub(super) fn storage(&self, value: Value) -> Option<&Storage> {
        match self.get(value)? {
            Object::Storage(storage) => Some(storage),
            _ => None,
        }
    }

    /// All storages.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.0.iter().filter_map(|object| match object {
            Object::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    pub(super) fn tensor(&self, value: Value) -> Option<&TensorView> {
        match self.get(value)? {
            Object::Tensor(view) => Some(view),
            _ => None,
        }
    }
}

/// A number that counts something.
pub(super) fn count(value: Value) -> Option<usize> {
    match value {
        Value::Integer(number) => usize::try_from(number).ok(),
        _ => None,
    }
}
