//! What a stage minimises: turns the forward passes of student and teacher into loss terms.

mod intermediate_layers;
mod knowledge_distillation;
mod self_distillation;

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

pub use intermediate_layers::IntermediateLayersKnowledgeDistillationLoss;
pub use knowledge_distillation::KnowledgeDistillationLoss;
pub use self_distillation::SelfKnowledgeDistillationLoss;

use crate::comparison::{flat, span_rows, token_rows, whole_rows};
use crate::loss::{Rows, possible};
use crate::matcher::Matchers;
use crate::{
    Batch, CriterionConfig, Error, Feature, Features, LayerPath, LogitScale, MaskedTargets, Network, Shape,
    SpanTargets, Taps, Targets, TokenTargets,
};
use intermediate_layers::shape_of;

/// Both forwards of one batch.
#[derive(Clone, Copy, Debug)]
pub struct Forwards<'a> {
    /// What both networks saw.
    pub batch: &'a Batch,
    /// The student's features, with their graph.
    pub student: &'a Features,
    /// The teacher's features, constants.
    pub teacher: &'a Features,
    /// The share of the stage that is done, for temperatures and weights that change: 0 at its first step, 1 at its last.
    pub progress: f64,
}

/// One batch with the features of both networks, owned.
#[derive(Debug)]
pub struct Pass {
    /// What both networks saw.
    pub batch: Batch,
    /// The student's features.
    pub student: Features,
    /// The teacher's features.
    pub teacher: Features,
}

/// One weighted term of a loss.
#[derive(Clone, Debug)]
pub struct LossTerm {
    /// What it compares, such as `bert.encoder.layer.0.output ↔ bert.encoder.layer.1.output (MSE)`.
    pub name: String,
    /// Its weight in the sum, at this progress.
    pub weight: f64,
    /// Its value before weighting; one element.
    pub value: Tensor<1>,
}

/// The terms of one batch's loss.
#[derive(Clone, Debug, Default)]
pub struct LossTerms {
    /// In the order of the config; terms that weigh 0 throughout are left out.
    pub terms: Vec<LossTerm>,
}

impl LossTerms {
    /// The weighted sum, one element; `None` without terms.
    pub fn total(&self) -> Option<Tensor<1>> {
        self.terms.iter().map(|term| term.value.clone() * term.weight).reduce(|sum, term| sum + term)
    }
}

/// Turns two forwards into loss terms.
pub trait Criterion: Send {
    /// Features the student's forward must keep.
    fn student_taps(&self) -> &Taps;

    /// Features the teacher's forward must keep; empty = the teacher is not run.
    fn teacher_taps(&self) -> &Taps;

    /// The terms of one batch.
    ///
    /// # Errors
    ///
    /// [`Error::MissingFeature`] when a forward lacks a tapped feature, [`Error::MissingTargets`] when the
    /// labels are wanted and absent.
    fn terms(&self, forwards: Forwards<'_>) -> Result<LossTerms, Error>;

    /// The trainable matchers between student and teacher features, by mapping.
    fn matchers(&mut self) -> Option<&mut Matchers> {
        None
    }

    /// Fits matchers that no earlier stage has trained in closed form to what these passes show.
    fn fit(&mut self, _passes: &mut dyn Iterator<Item = Pass>) {}

    /// How much of the teacher's features the student explains on this batch, per squared-error mapping.
    fn explained(&self, _forwards: Forwards<'_>) -> Vec<Explained> {
        Vec::new()
    }
}

/// How well one mapping's student feature predicts the teacher's.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The student's layer.
    pub student: LayerPath,
    /// 1 − MSE / variance: 1 = equal, 0 = no better than the teacher's mean.
    pub variance: f64,
    /// The student feature's own variance across tokens, as a share of its mean square: near 0 when it has
    /// collapsed to a constant.
    pub spread: f64,
}

/// Makes the criterion of `config` for these two networks; matchers of earlier stages are taken over.
///
/// # Errors
///
/// [`Error::UnknownLayer`], [`Error::Incomparable`] and the like for mappings that these networks cannot keep.
pub fn build<S: Network, T: Network>(
    config: &CriterionConfig,
    (student, teacher): (&S, &T),
    matchers: &mut Matchers,
    seed: u64,
) -> Result<Box<dyn Criterion>, Error> {
    let labels = Heads::of(student);
    Ok(match config {
        CriterionConfig::IntermediateLayers { mappings, options, origin_loss } => {
            let networks = (student, teacher);
            let criterion =
                IntermediateLayersKnowledgeDistillationLoss::new(networks, mappings, *options, seed)?;
            Box::new(criterion.with_origin_loss(*origin_loss, labels).with_matchers(matchers))
        }
        CriterionConfig::SelfDistillation { mappings, options, origin_loss } => {
            let criterion = SelfKnowledgeDistillationLoss::new(student, mappings, *options, seed)?;
            Box::new(criterion.with_origin_loss(*origin_loss, labels).with_matchers(matchers))
        }
        CriterionConfig::KnowledgeDistillation { temperature, losses, weights, logits } => {
            if losses[1].is_divergence() && !weights[1].is_zero() {
                let shape = shape_of("teacher", &teacher.layers(), &teacher.logits())?;
                require_classes(*logits, shape, &teacher.logits())?;
            }
            let criterion = KnowledgeDistillationLoss::new((labels, teacher.logits()), *temperature)?;
            Box::new(criterion.with_losses(*losses).with_logits(*logits).with_weights(*weights)?)
        }
    })
}

/// Refuses to standardise so few logits that nothing is left of them.
pub(crate) fn require_classes(logits: LogitScale, shape: Shape, path: &LayerPath) -> Result<(), Error> {
    match shape {
        Shape::Vectors { width } | Shape::MaskedTokens { width }
            if width < 3 && logits == LogitScale::Standardized =>
        {
            Err(Error::TooFewClasses { layer: path.clone(), classes: width })
        }
        _ => Ok(()),
    }
}

/// The student's own loss on the labels for logits (rows, outputs), a row for each example or for each token of the
/// padded batch or for each masked token, two for each example where answers are spans: cross entropy for classes, over the
/// tokens that count, and of the first and the last token of an answer among the real ones; mean squared error for values;
/// binary cross entropy with logits for labels, mean over labels and examples. 0 where no token counts.
///
/// # Errors
///
/// [`Error::MissingTargets`] for a batch without labels.
pub fn task_loss(logits: Tensor<2>, targets: &Targets) -> Result<Tensor<1>, Error> {
    match targets {
        Targets::Classes(classes) => Ok(autodistillation_kernels::cross_entropy(logits, classes.clone())),
        Targets::Values(values) => Ok((logits - values.clone()).powi_scalar(2).mean()),
        Targets::Labels(labels) => {
            let yes = labels.clone() * log_sigmoid(logits.clone());
            let no = (-labels.clone() + 1.0) * log_sigmoid(-logits);
            Ok(-(yes + no).mean())
        }
        Targets::Tokens(TokenTargets { classes, .. }) if classes.dims()[0] == 0 => Ok(logits.sum() * 0.0),
        Targets::Tokens(TokenTargets { places, classes }) => {
            Ok(autodistillation_kernels::cross_entropy(logits.select(0, places.clone()), classes.clone()))
        }
        Targets::Masked(MaskedTargets { tokens, .. }) if tokens.classes.dims()[0] == 0 => {
            Ok(logits.sum() * 0.0)
        }
        Targets::Masked(MaskedTargets { tokens, .. }) => {
            Ok(autodistillation_kernels::cross_entropy(logits, tokens.classes.clone()))
        }
        Targets::Spans(SpanTargets { tokens, real }) => {
            Ok(autodistillation_kernels::cross_entropy(possible(logits, real), tokens.clone()))
        }
        Targets::Absent => Err(Error::MissingTargets),
    }
}

/// Where a network's answers to its task come out.
#[derive(Clone, Debug)]
pub struct Heads {
    /// Its logits.
    pub logits: LayerPath,
    /// Its logits on whether the second text follows the first.
    pub next_sentence: Option<LayerPath>,
}

impl From<LayerPath> for Heads {
    fn from(logits: LayerPath) -> Self {
        Self { logits, next_sentence: None }
    }
}

impl Heads {
    /// Those of `network`.
    pub fn of<N: Network>(network: &N) -> Self {
        Self { logits: network.logits(), next_sentence: network.next_sentence() }
    }

    /// What has to be tapped for the losses on the labels.
    pub fn paths(&self) -> impl Iterator<Item = LayerPath> {
        std::iter::once(self.logits.clone()).chain(self.next_sentence.clone())
    }

    /// The loss of the second task: cross entropy of whether the second text follows the first; `None` where the network
    /// or the batch has no such question.
    ///
    /// # Errors
    ///
    /// [`Error::MissingFeature`] for a pass without the answers.
    pub fn next_sentence_loss(
        &self,
        features: &Features,
        targets: &Targets,
    ) -> Result<Option<Tensor<1>>, Error> {
        match (&self.next_sentence, targets) {
            (Some(path), Targets::Masked(MaskedTargets { next: Some(next), .. })) => {
                Ok(Some(autodistillation_kernels::cross_entropy(scores(features, path)?, next.clone())))
            }
            _ => Ok(None),
        }
    }
}

pub(crate) fn feature<'a>(features: &'a Features, path: &LayerPath) -> Result<&'a Feature, Error> {
    features.get(path).ok_or_else(|| Error::MissingFeature { path: path.clone() })
}

/// The logits at `path` as rows: one per example, one per token of the padded batch or per masked token, or for spans two
/// per example, of scores of its tokens.
pub fn scores(features: &Features, path: &LayerPath) -> Result<Tensor<2>, Error> {
    match feature(features, path)? {
        Feature::Vectors(logits) | Feature::MaskedTokens(logits) => Ok(logits.clone()),
        Feature::Sequence(logits) | Feature::Spans(logits) => Ok(flat(logits.clone())),
        Feature::Attention(_) => Err(Error::MissingFeature { path: path.clone() }),
    }
}

/// Which of the rows of [`scores`] count, and which elements of each: 1 for those and 0 for others, (rows, width), `None`
/// for all.
pub(crate) fn score_rows(
    features: &Features,
    path: &LayerPath,
    batch: &Batch,
) -> Result<(Rows, Option<Tensor<2>>), Error> {
    match feature(features, path)? {
        Feature::Vectors(logits) | Feature::MaskedTokens(logits) => Ok((whole_rows(logits.dims()), None)),
        Feature::Sequence(logits) => Ok((token_rows(batch, logits.dims()[2]), None)),
        Feature::Spans(_) => Ok(span_rows(batch)),
        Feature::Attention(_) => Err(Error::MissingFeature { path: path.clone() }),
    }
}
