//! Everything that can go wrong while teaching a student.

use crate::{LayerOutput, LayerPath, Ramp, Shape};

/// Why a distillation could not be set up or finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An output index in a layer mapping is not a whole number.
    #[error("output `{output}` of layer `{layer}` is not a whole number: write '0' or '1'")]
    OutputIndex {
        /// The layer it was given for.
        layer: String,
        /// What was written.
        output: String,
    },
    /// A network has no such layer or output.
    #[error("layer `{path}` is not in the {role} ({known})")]
    UnknownLayer {
        /// The address asked for.
        path: LayerPath,
        /// `teacher` or `student`.
        role: &'static str,
        /// What the network has instead.
        known: String,
    },
    /// Two mapped features are of different kinds, so no linear map can join them.
    #[error(
        "student feature `{student}` {student_shape} and teacher feature `{teacher}` {teacher_shape} are of different \
         kinds: map hidden states to hidden states, attention maps to attention maps, logits to logits"
    )]
    Incomparable {
        /// The student's layer.
        student: LayerPath,
        /// Its shape.
        student_shape: Shape,
        /// The teacher's layer.
        teacher: LayerPath,
        /// Its shape.
        teacher_shape: Shape,
    },
    /// Relations between tokens are asked of something that has no vector for each token.
    #[error(
        "`RELATION` compares how tokens relate, and needs one vector per token on both sides: map hidden states, queries, \
         keys or values in place of student `{}` {} and teacher `{}` {}", student.0, student.1, teacher.0, teacher.1
    )]
    Unrelated {
        /// The student's layer and its shape.
        student: (LayerPath, Shape),
        /// The teacher's layer and its shape.
        teacher: (LayerPath, Shape),
    },
    /// Relation heads that do not divide the widths.
    #[error(
        "`relation_heads` {asked} does not divide both the width {} of `{student}` and the width {} of the teacher's layer: \
         choose from {possible:?}, or leave it out", widths.0, widths.1
    )]
    RelationHeads {
        /// What was asked for.
        asked: usize,
        /// The student's layer.
        student: LayerPath,
        /// Its width and that of the teacher's layer.
        widths: (usize, usize),
        /// What divides both.
        possible: Vec<usize>,
    },
    /// Logits that have nothing left once they are standardised.
    #[error(
        "standardising the {classes} values of `{layer}` leaves nothing to learn (two z-scores are always ±1): it takes \
         three classes; leave `logits: standardized` out"
    )]
    TooFewClasses {
        /// Where the logits come out.
        layer: LayerPath,
        /// How many there are.
        classes: usize,
    },
    /// A layer that is to learn from one that does not come after it.
    #[error(
        "in self-distillation `{student}` cannot learn from `{teacher}`, which does not come after it: write the shallower \
         layer first"
    )]
    NotDeeper {
        /// The layer that learns.
        student: LayerPath,
        /// The layer that teaches.
        teacher: LayerPath,
    },
    /// A block names no parameter of the network.
    #[error("block `{block}` holds no parameter of the student ({known})")]
    EmptyBlock {
        /// The block's module path.
        block: String,
        /// What the network has instead.
        known: String,
    },
    /// Part of a named block cannot learn from the stage's losses.
    #[error(
        "the losses of stage {stage} reach no gradient to {} of its block: {}; name a smaller block, or map a layer \
         that comes after it", names.len(), shorten(names)
    )]
    NoGradient {
        /// The stage's position, from 1.
        stage: usize,
        /// The parameters.
        names: Vec<String>,
    },
    /// A stage has nothing to minimise.
    #[error("stage {stage} has nothing to minimise: give it a layer mapping, or `add_origin_loss: true`")]
    NothingToMinimise {
        /// The stage's position, from 1.
        stage: usize,
    },
    /// A forward pass lacks a feature that a loss needs.
    #[error("the forward pass did not return the feature `{path}`")]
    MissingFeature {
        /// The feature.
        path: LayerPath,
    },
    /// A loss on the labels is asked of a batch without labels.
    #[error(
        "the loss on the labels needs labelled examples: give `data.label`, or set `add_origin_loss: false`"
    )]
    MissingTargets,
    /// A temperature is not positive.
    #[error("temperature {temperature} must be a positive number")]
    Temperature {
        /// What was given.
        temperature: Ramp,
    },
    /// The weights of `KnowledgeDistillationLoss` are negative or do not sum to 1.
    #[error("loss_weights [{}, {}] must be at least 0 and sum to 1 at both ends", weights[0], weights[1])]
    Weights {
        /// What was given.
        weights: [Ramp; 2],
    },
    /// The loss stopped being a number.
    #[error(
        "the loss of stage {stage} became {loss} at step {step}: lower the learning rate or clip the gradients"
    )]
    Diverged {
        /// The stage's position, from 1.
        stage: usize,
        /// The step, from 1.
        step: u32,
        /// The loss.
        loss: f32,
    },
    /// There is nothing to train or evaluate on.
    #[error("the {role} set holds no example")]
    NoExamples {
        /// `training` or `evaluation`.
        role: &'static str,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
    /// A tensor could not be read back as numbers.
    #[error("the {what} could not be read back from the device")]
    Unreadable {
        /// Which tensor.
        what: &'static str,
    },
    /// The thread pool of a measurement could not be made.
    #[error("could not start {threads} threads for the latency measurement")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
}

fn shorten(names: &[String]) -> String {
    let shown = names.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > 3 { format!("{shown}, …") } else { shown }
}

/// What a network has in place of `path`: the range of a numbered module it misses, or its nearest names.
pub(crate) fn describe_layers(layers: &[LayerOutput], path: &LayerPath) -> String {
    let outputs =
        layers.iter().filter(|layer| layer.path.module == path.module).map(|layer| layer.path.output);
    match (outputs.clone().min(), outputs.max()) {
        (Some(only), Some(last)) if only == last => return format!("its only output there is {only}"),
        (Some(first), Some(last)) => return format!("its outputs there are {first} to {last}"),
        _ => {}
    }
    let numbered =
        path.module.match_indices(".layer.").next().map(|(at, dot)| &path.module[..at + dot.len()]);
    let highest = numbered.and_then(|prefix| {
        let numbers = layers.iter().filter_map(|layer| {
            layer.path.module.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok()
        });
        numbers.max()
    });
    let asked = numbered
        .and_then(|prefix| path.module.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok());
    match (highest, asked) {
        (Some(highest), Some(asked)) if asked > highest => format!("it has layers 0 to {highest}"),
        _ => {
            let mut names: Vec<&str> = layers.iter().map(|layer| layer.path.module.as_str()).collect();
            names.sort_by_key(|name| distance(name, &path.module));
            names.dedup();
            let near: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
            format!("the nearest are {}; the command `layers` lists all", near.join(", "))
        }
    }
}

/// Edit distance (Levenshtein 1966) over bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
