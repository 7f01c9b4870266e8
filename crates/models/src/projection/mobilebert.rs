//! The blocks of a MobileBERT. Its hidden states are to be the teacher's coordinates as for other students; inside its
//! bottlenecks are fewer of them, at each block those that matter most there.
//!
//! What a block's queries, keys, values and neurons make of its states comes from the teacher's own maps, composed with the
//! best linear reading of the teacher's states off the student's. A stack of feed-forward parts shares the teacher's
//! neurons and moves from its attention's output to its layer's in equal steps.

use autodistillation_distillation::{LayerPath, Network};
use burn::tensor::Tensor;

use super::basis::Basis;
use super::embeddings::Tables;
use super::fit::{rows, tensor};
use super::head::Pooling;
use super::reading::Reading;
use super::states::{attended, output};
use super::{Blocks, Projection, Sublayer, slice};
use crate::bert::head::HeadActivation;
use crate::bert::paths::embeddings;
use crate::config::{Bottlenecks, MobileBertSettings};
use crate::mobilebert::paths;
use crate::weights::Weights;
use crate::{Error, MobileBert};

mod looking;
#[cfg(test)]
mod tests;

/// What happens to the maps inside a block whose output maps are fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Insides {
    /// They are cut out of the teacher.
    Cut,
    /// They stay.
    Kept,
}

impl Blocks for MobileBert {
    fn embedded() -> LayerPath {
        paths::embeddings()
    }

    fn pooling(&self) -> Pooling {
        match settings(self).classifier_activation {
            true => Pooling::Dense("mobilebert.pooler.dense", HeadActivation::of(self.config().family)),
            false => Pooling::FirstToken,
        }
    }

    /// Words in the coordinates that matter most of them, and the least squares of the way from there, and from the
    /// neighbours, to the hidden states.
    fn fit_embeddings(projection: &mut Projection<'_, Self>) -> Result<(), Error> {
        let (states, basis) = (projection.states, projection.basis);
        let config = projection.student.config();
        let widens = projection.student.mobilebert.embeddings.widens();
        let device = projection.student.device();
        let mut tables = Tables::of((basis, &device), states, config);
        if widens {
            let narrow = basis.inside(states, config.embedding_size, &[embeddings()]);
            let narrowed = basis.directions.transpose() * &narrow.directions;
            tables.words = tables.words.matmul(tensor(&narrowed, &device));
        }
        let module = paths::embeddings().module;
        let weights = tables.named(&module, config.hidden_size);
        projection.give(weights);
        if !widens {
            return Ok(());
        }
        let batches = projection.states.batches().iter();
        let (features, residuals): (Vec<_>, Vec<_>) =
            batches.map(|batch| projection.student.words(batch)).unzip();
        let targets = projection.coordinates(basis, &embeddings());
        projection.fit(Sublayer {
            block: 0,
            names: (&format!("{module}.embedding_transformation"), &format!("{module}.LayerNorm")),
            normalization: settings(&projection.student).normalization,
            features: &features,
            residuals: Some(&residuals),
            targets,
        })?;
        Ok(())
    }

    fn fit_block(projection: &mut Projection<'_, Self>, block: usize) -> Result<(), Error> {
        projection.fit_layer(block, Insides::Cut)
    }

    fn fit_outputs(projection: &mut Projection<'_, Self>, block: usize) -> Result<(), Error> {
        projection.fit_layer(block, Insides::Kept)
    }

    fn pass(&self, block: usize, entering: (Tensor<3>, &Tensor<2>)) -> Tensor<3> {
        self.through(block, entering)
    }
}

fn settings(student: &MobileBert) -> MobileBertSettings {
    student.config().mobilebert.unwrap_or_default()
}

/// A block and the teacher's states at its two ends and in between.
struct Layer {
    block: usize,
    /// The module's name.
    name: String,
    /// The teacher's.
    counterpart: usize,
    input: LayerPath,
    attended: LayerPath,
    output: LayerPath,
    /// The coordinates inside.
    inside: Basis,
}

impl Layer {
    fn module(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }
}

impl Projection<'_, MobileBert> {
    fn layer(&self, block: usize) -> Layer {
        let counterpart = self.states.layers()[block];
        let (input, attended, output) =
            (self.states.input(block), attended(counterpart), output(counterpart));
        let inside = match settings(&self.student).bottlenecks {
            Some(_) => {
                let width = self.student.config().true_hidden_size();
                self.basis.inside(self.states, width, &[attended.clone(), output.clone()])
            }
            None => self.basis.clone(),
        };
        Layer { block, name: paths::layer(block), counterpart, input, attended, output, inside }
    }

    /// Fits the output maps of a block one after the other, and goes through it.
    fn fit_layer(&mut self, block: usize, insides: Insides) -> Result<(), Error> {
        let layer = self.layer(block);
        let hidden = std::mem::take(&mut self.hidden);
        let has_bottleneck = settings(&self.student).bottlenecks.is_some();
        if insides == Insides::Cut {
            if has_bottleneck {
                let targets = self.coordinates(&layer.inside, &layer.input);
                self.fit_module(&layer, "bottleneck.input", (&hidden, None), targets)?;
            }
            self.cut_attention(&layer, &hidden)?;
        }
        let entering: Vec<_> =
            hidden.iter().map(|hidden| self.student.entering(block, hidden.clone())).collect();
        let inputs = hidden.iter().cloned().zip(self.masks());
        let contexts: Vec<_> = inputs.map(|input| self.student.context(block, input)).collect();
        let targets = self.coordinates(&layer.inside, &layer.attended);
        let mut narrow =
            self.fit_module(&layer, "attention.output", (&contexts, Some(&entering)), targets)?;
        let parts = settings(&self.student).num_feedforward_networks;
        for part in 0..parts {
            narrow = self.fit_part(&layer, (part, parts), narrow, insides)?;
        }
        self.hidden = match has_bottleneck {
            true => {
                let targets = self.coordinates(self.basis, &layer.output);
                self.fit_module(&layer, "output.bottleneck", (&narrow, Some(&hidden)), targets)?
            }
            false => narrow,
        };
        Ok(())
    }

    /// Fits a feed-forward part, whose input is `narrow`, and goes through it.
    fn fit_part(
        &mut self,
        layer: &Layer,
        (part, parts): (usize, usize),
        narrow: Vec<Tensor<3>>,
        insides: Insides,
    ) -> Result<Vec<Tensor<3>>, Error> {
        let (up, down) = match part + 1 == parts {
            true => ("intermediate".to_owned(), "output".to_owned()),
            false => (format!("ffn.{part}.intermediate"), format!("ffn.{part}.output")),
        };
        if insides == Insides::Cut {
            let reading = self.reading((layer.block, &narrow), &layer.attended)?;
            let count = self.student.config().intermediate_size;
            let places = part * count..(part + 1) * count;
            let seed = (layer.block * parts + part) as u64;
            let neurons = slice::neurons(self.states, (&reading, layer.counterpart), (places, seed));
            let mut weights = Weights::default();
            slice::insert(&mut weights, &layer.module(&format!("{up}.dense")), &neurons);
            self.give(weights);
        }
        let at = |narrow: &Tensor<3>| self.student.widened((layer.block, part), narrow.clone());
        let wide: Vec<_> = narrow.iter().map(at).collect();
        let share = (part + 1) as f32 / parts as f32;
        let from = self.coordinates(&layer.inside, &layer.attended);
        let to = self.coordinates(&layer.inside, &layer.output);
        let targets = from.into_iter().zip(to).map(|(from, to)| from.clone() + (to - from) * share);
        self.fit_module(layer, &down, (&wide, Some(&narrow)), targets.collect())
    }

    /// Fits the map and the norm of a module, with a residual or without.
    fn fit_module(
        &mut self,
        layer: &Layer,
        module: &str,
        (features, residuals): (&[Tensor<3>], Option<&[Tensor<3>]>),
        targets: Vec<Tensor<2>>,
    ) -> Result<Vec<Tensor<3>>, Error> {
        let module = layer.module(module);
        self.fit(Sublayer {
            block: layer.block,
            names: (&format!("{module}.dense"), &format!("{module}.LayerNorm")),
            normalization: settings(&self.student).normalization,
            features,
            residuals,
            targets,
        })
    }

    /// The teacher's state at `path`, read off states of the student.
    fn reading(&self, (block, own): (usize, &[Tensor<3>]), path: &LayerPath) -> Result<Reading, Error> {
        let own: Vec<_> = own.iter().map(rows).collect();
        let batches = 0..self.states.batches().len();
        let theirs: Vec<_> = batches.map(|place| self.states.state(place, path)).collect();
        Reading::fitted(&own, &theirs, &self.weights(block))
    }

    /// Queries, keys and values out of the teacher's, and what queries and keys see where they have a bottleneck of their
    /// own.
    fn cut_attention(&mut self, layer: &Layer, hidden: &[Tensor<3>]) -> Result<(), Error> {
        let config = self.student.config();
        let heads = (config.num_attention_heads, config.head_size());
        let bottlenecks = settings(&self.student).bottlenecks;
        let reading = match bottlenecks {
            Some(Bottlenecks::All) => {
                let narrow: Vec<_> =
                    hidden.iter().map(|hidden| self.student.entering(layer.block, hidden.clone())).collect();
                self.reading((layer.block, &narrow), &layer.input)?
            }
            _ => self.reading((layer.block, hidden), &layer.input)?,
        };
        let sliced = slice::Heads {
            states: self.states,
            layer: layer.counterpart,
            looking: &reading,
            gathered: &reading,
            outgoing: &layer.inside.directions,
            heads,
        };
        let [mut query, mut key, value] = sliced.slice();
        if bottlenecks == Some(Bottlenecks::KeyAndQuery) {
            [query, key] = self.fit_looking(layer, hidden, [query, key])?;
        }
        let mut weights = Weights::default();
        let named = [("query", query), ("key", key), ("value", value)];
        for (name, map) in named {
            slice::insert(&mut weights, &layer.module(&format!("attention.self.{name}")), &map);
        }
        self.give(weights);
        Ok(())
    }
}
