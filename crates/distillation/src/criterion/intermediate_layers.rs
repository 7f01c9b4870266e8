//! `IntermediateLayersKnowledgeDistillationLoss`: features at layer paths, compared pair by pair.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;

use crate::comparison::{Aligned, Alignment, align, unmatched_rows};
use crate::criterion::{
    Criterion, Explained, Forwards, Heads, LossTerm, LossTerms, Pass, feature, require_classes, scores,
    task_loss,
};
use crate::divergence::standardized;
use crate::loss::{between, error_scale, variance};
use crate::matcher::{FeatureMatcher, Matchers, RidgeFit};
use crate::{
    Error, Feature, LayerMapping, LayerOutput, LayerPath, LogitScale, LossKind, MatchingOptions, Network,
    Normalize, OriginLoss, Shape, Taps, relation,
};

/// Keeps a relative error finite when the teacher's feature is constant.
const VARIANCE_FLOOR: f64 = 1e-8;

/// Σ wᵢ · Lᵢ(matcherᵢ(student feature), teacher feature), with the student's own loss on request.
///
/// Features of equal shape are compared as they are; with one differing dimension (width, or the heads of
/// attention maps) a trained [`FeatureMatcher`] joins them; anything else is an error. [`LossKind::Relation`] compares
/// sequences of any two widths without one. Padding never counts.
#[derive(Debug)]
pub struct IntermediateLayersKnowledgeDistillationLoss {
    /// The pairs with their losses and weights.
    pub layer_mappings: Vec<LayerMapping>,
    /// Choices shared by all pairs.
    pub options: MatchingOptions,
    /// The trained linear maps, by mapping.
    pub feature_matchers: Matchers,
    /// Mappings whose matcher no earlier stage has trained.
    fresh: BTreeSet<String>,
    origin: Option<Heads>,
    device: Device,
    student_taps: Taps,
    teacher_taps: Taps,
}

impl IntermediateLayersKnowledgeDistillationLoss {
    /// Checks every mapping against both networks and makes the matchers they need, seeded.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownLayer`] for a path one of the networks lacks, [`Error::Incomparable`] for features of
    /// different kinds, [`Error::Unrelated`], [`Error::RelationHeads`] and [`Error::TooFewClasses`] for losses that
    /// these features cannot have.
    pub fn new<S: Network, T: Network>(
        (student, teacher): (&S, &T),
        mappings: &[LayerMapping],
        options: MatchingOptions,
        seed: u64,
    ) -> Result<Self, Error> {
        let device = student.device();
        let mut feature_matchers = Matchers::new();
        let mut layer_mappings = Vec::with_capacity(mappings.len());
        for (place, mapping) in mappings.iter().enumerate() {
            let mapping = LayerMapping {
                student: student.resolve(&mapping.student),
                teacher: teacher.resolve(&mapping.teacher),
                ..mapping.clone()
            };
            let shapes = (
                shape_of("student", &student.layers(), &mapping.student)?,
                shape_of("teacher", &teacher.layers(), &mapping.teacher)?,
            );
            let alignment = Alignment::between(shapes.0, shapes.1, &mapping, &options)?;
            if mapping.loss.is_divergence() {
                require_classes(options.logits, shapes.1, &mapping.teacher)?;
            }
            if mapping.weight.is_zero() {
                continue; // Checked, but neither computed nor matched.
            }
            if let Some((from, to)) = alignment.matcher_widths() {
                let matcher = FeatureMatcher::random((from, to), seed ^ place as u64, &device);
                feature_matchers.insert(key(&mapping), matcher);
            }
            layer_mappings.push(mapping);
        }
        let student_taps = Taps::new(layer_mappings.iter().map(|mapping| mapping.student.clone()));
        let teacher_taps = Taps::new(layer_mappings.iter().map(|mapping| mapping.teacher.clone()));
        let fresh = feature_matchers.keys().cloned().collect();
        Ok(Self {
            layer_mappings,
            options,
            feature_matchers,
            fresh,
            origin: None,
            device,
            student_taps,
            teacher_taps,
        })
    }

    /// The same, with the student's own loss on the labels added (or not) with weight 1; the student's answers
    /// come out at `heads`.
    #[must_use]
    pub fn with_origin_loss(mut self, origin_loss: OriginLoss, heads: impl Into<Heads>) -> Self {
        let heads = heads.into();
        if origin_loss == OriginLoss::Added {
            self.student_taps = Taps::new(self.student_taps.paths().cloned().chain(heads.paths()));
            self.origin = Some(heads);
        }
        self
    }

    /// The same, with matchers of earlier stages in place of fresh ones where a mapping is shared.
    #[must_use]
    pub fn with_matchers(mut self, earlier: &mut Matchers) -> Self {
        for (mapping, matcher) in &mut self.feature_matchers {
            if let Some(kept) = earlier.remove(mapping) {
                *matcher = kept;
                self.fresh.remove(mapping);
            }
        }
        self
    }

    fn aligned(&self, mapping: &LayerMapping, forwards: Forwards<'_>) -> Result<Aligned, Error> {
        let features =
            (feature(forwards.student, &mapping.student)?, feature(forwards.teacher, &mapping.teacher)?);
        let reading = (forwards.batch, &self.options);
        let aligned = match (mapping.loss, features) {
            (LossKind::Relation, (Feature::Sequence(student), Feature::Sequence(teacher))) => {
                let widths = (student.dims()[2], teacher.dims()[2]);
                let heads = relation::heads_of(widths, mapping, &self.options)?;
                relation::align(features, heads, reading)
            }
            _ => align(features, self.feature_matchers.get(&key(mapping)), reading, forwards.progress),
        };
        let aligned = aligned.ok_or_else(|| Error::MissingFeature { path: mapping.student.clone() })?;
        Ok(match (self.options.logits, features.0) {
            (LogitScale::Standardized, Feature::Vectors(_) | Feature::Spans(_))
                if mapping.loss.is_divergence() =>
            {
                let scaled = |logits| standardized(logits, aligned.comparison.keys.as_ref());
                let (student, teacher) = (scaled(aligned.student), scaled(aligned.teacher));
                Aligned { student, teacher, ..aligned }
            }
            _ => aligned,
        })
    }

    fn term(&self, mapping: &LayerMapping, forwards: Forwards<'_>) -> Result<LossTerm, Error> {
        let Aligned { student, teacher, comparison } = self.aligned(mapping, forwards)?;
        let scale = match self.options.normalize {
            Normalize::TeacherVariance => error_scale(mapping.loss, teacher.clone(), &comparison.rows),
            Normalize::None => None,
        };
        let value = between(mapping.loss, student, teacher, &comparison);
        let value = match scale {
            Some(scale) => value / (scale + VARIANCE_FLOOR),
            None => value,
        };
        let weight = mapping.weight.at(forwards.progress);
        Ok(LossTerm { name: describe(mapping), weight, value })
    }

    fn explain(&self, mapping: &LayerMapping, forwards: Forwards<'_>) -> Option<Explained> {
        let Aligned { student, teacher, comparison } = self.aligned(mapping, forwards).ok()?;
        let number = |tensor: burn::tensor::Tensor<1>| f64::from(tensor.into_scalar::<f32>());
        let (student, teacher) = (student.without_autodiff(), teacher.without_autodiff());
        let total = number(variance(teacher.clone(), &comparison.rows)).max(VARIANCE_FLOOR);
        let error = number(between(LossKind::MeanSquared, student, teacher, &comparison));
        let raw = match feature(forwards.student, &mapping.student).ok()? {
            Feature::Sequence(tensor) => tensor.clone().without_autodiff().flatten(0, 1),
            Feature::Vectors(tensor) | Feature::MaskedTokens(tensor) => tensor.clone().without_autodiff(),
            Feature::Attention(_) | Feature::Spans(_) => return None,
        };
        let [_, width] = raw.dims();
        let rows =
            crate::loss::Rows { real_elements: comparison.rows.real_rows * width as f64, ..comparison.rows };
        let square = number(between(
            LossKind::MeanSquared,
            raw.clone(),
            raw.zeros_like(),
            &crate::loss::Comparison { rows: rows.clone(), ..comparison },
        ));
        let spread = number(variance(raw, &rows)) / square.max(VARIANCE_FLOOR);
        Some(Explained { student: mapping.student.clone(), variance: 1.0 - error / total, spread })
    }
}

impl Criterion for IntermediateLayersKnowledgeDistillationLoss {
    fn student_taps(&self) -> &Taps {
        &self.student_taps
    }

    fn teacher_taps(&self) -> &Taps {
        &self.teacher_taps
    }

    fn terms(&self, forwards: Forwards<'_>) -> Result<LossTerms, Error> {
        let mut terms = LossTerms::default();
        for mapping in &self.layer_mappings {
            terms.terms.push(self.term(mapping, forwards)?);
        }
        if let Some(heads) = &self.origin {
            let targets = &forwards.batch.targets;
            let mut add = |name: &str, value| {
                terms.terms.push(LossTerm { name: name.to_owned(), weight: 1.0, value });
            };
            add("labels", task_loss(scores(forwards.student, &heads.logits)?, targets)?);
            if let Some(value) = heads.next_sentence_loss(forwards.student, targets)? {
                add("next sentence", value);
            }
        }
        Ok(terms)
    }

    fn fit(&mut self, passes: &mut dyn Iterator<Item = Pass>) {
        if self.fresh.is_empty() {
            return;
        }
        let mut fits: BTreeMap<String, RidgeFit> = BTreeMap::new();
        for pass in passes {
            for mapping in self.layer_mappings.iter().filter(|mapping| self.fresh.contains(&key(mapping))) {
                let features = (pass.student.get(&mapping.student), pass.teacher.get(&mapping.teacher));
                let Some(pair) = unmatched_rows(features, &pass.batch) else { continue };
                let (from, to) = (pair.0.dims()[1], pair.1.dims()[1]);
                fits.entry(key(mapping))
                    .or_insert_with(|| RidgeFit::new(from, to))
                    .add(pair.0, pair.1, pair.2);
            }
        }
        for (mapping, fit) in fits {
            if let Some(values) = fit.solve() {
                self.feature_matchers.insert(mapping, FeatureMatcher::from_values(&values, &self.device));
            }
        }
    }

    fn matchers(&mut self) -> Option<&mut Matchers> {
        Some(&mut self.feature_matchers)
    }

    fn explained(&self, forwards: Forwards<'_>) -> Vec<Explained> {
        let squared = self.layer_mappings.iter().filter(|mapping| mapping.loss == LossKind::MeanSquared);
        squared.filter_map(|mapping| self.explain(mapping, forwards)).collect()
    }
}

/// What names a matcher: the two layers it joins.
pub(crate) fn key(mapping: &LayerMapping) -> String {
    format!("{} → {}", mapping.student, mapping.teacher)
}

fn describe(mapping: &LayerMapping) -> String {
    format!("{} ({})", key(mapping), mapping.loss.name())
}

/// The shape at `path`, or the error that says what the network has instead.
pub fn shape_of(role: &'static str, layers: &[LayerOutput], path: &LayerPath) -> Result<Shape, Error> {
    let found = layers.iter().find(|layer| layer.path == *path);
    found.map(|layer| layer.shape).ok_or_else(|| Error::UnknownLayer {
        path: path.clone(),
        role,
        known: crate::error::describe_layers(layers, path),
    })
}
