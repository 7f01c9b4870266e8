//! Starts a student from its teacher: embeddings by copy or projection, whole layers by copy; or from another student.

mod basis;
mod earlier;
mod embeddings;
mod mobilebert;

use std::collections::BTreeMap;
use std::fmt;

use autodistillation_distillation::Network;
pub use basis::EmbeddingBasis;
pub use earlier::{can_continue, continue_from};

use crate::bert::head::HeadActivation;
use crate::weights::{Weight, Weights, slots};
use crate::{Bert, Family, Transformer, TransformerConfig};

/// Which teacher layer each student layer starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InheritancePlan {
    /// One teacher layer per student layer, from 0.
    pub layers: Vec<usize>,
}

/// One part of a student that does not start at random.
#[derive(Clone, Debug, PartialEq)]
pub struct Inherited {
    /// The module of the student.
    pub module: String,
    /// What it starts from.
    pub source: Source,
}

/// Where a start comes from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// The same numbers as a module of the teacher.
    Copied {
        /// The module of the teacher.
        from: String,
    },
    /// A projection of the teacher's vectors onto their first principal components.
    Projected {
        /// The module of the teacher.
        from: String,
        /// The share of the word embeddings' variance that the projection keeps, from 0 to 1.
        kept_variance: f64,
    },
}

impl fmt::Display for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Copied { from } => write!(f, "{}: a copy of {from}", self.module),
            Source::Projected { from, kept_variance } => {
                write!(
                    f,
                    "{}: {from} projected ({:.0} % of its variance)",
                    self.module,
                    100.0 * kept_variance
                )
            }
        }
    }
}

impl InheritancePlan {
    /// Student layer i starts from teacher layer round((i + 1) · teacher / student) − 1, so that the last two
    /// meet; halves round up.
    pub fn evenly_spaced(student: &TransformerConfig, teacher: &TransformerConfig) -> Self {
        let (students, teachers) = (student.num_hidden_layers, teacher.num_hidden_layers);
        let nearest = |index: usize| (2 * (index + 1) * teachers + students) / (2 * students);
        Self { layers: (0..students).map(|index| nearest(index).clamp(1, teachers) - 1).collect() }
    }
}

/// Gives a student its teacher's weights where the shapes allow, and reports what it got; the rest stays as it is.
///
/// Embeddings are copied between equal widths and projected otherwise ([`EmbeddingBasis`]); a layer, the pooler
/// and the classifier are copied where all their shapes and the number of heads agree, the head only between families
/// whose heads compute the same; of a language model's head what has equal shapes. Layers that `plan` places outside the
/// teacher stay random. A MobileBERT takes whole layers from another MobileBERT alone, and embeddings from all; parts of a
/// BERT's layers it gets by [`crate::project`].
pub fn inherit(
    student: Transformer,
    teacher: &Transformer,
    plan: &InheritancePlan,
) -> (Transformer, Vec<Inherited>) {
    let mut inherited = Vec::new();
    let family = student.config().family;
    let student = match (student, teacher) {
        (Transformer::MobileBert(student), teacher) => {
            let (student, parts) = mobilebert::inherit(student, teacher, plan);
            inherited = parts;
            Transformer::MobileBert(student)
        }
        (student, Transformer::MobileBert(_)) => student,
        (student, teacher) => student.map_bert(|student| {
            let Some(teacher) = teacher.as_bert() else { return student };
            let (student, parts) = between_berts(student, teacher, plan);
            inherited = parts.into_iter().map(|part| part.spelled(family, teacher.config().family)).collect();
            student
        }),
    };
    (student, inherited)
}

fn between_berts(student: Bert, teacher: &Bert, plan: &InheritancePlan) -> (Bert, Vec<Inherited>) {
    let mut start = Start::new(&student, teacher, (student.config(), teacher.config()));
    embeddings::inherit(&mut start);
    start.copy_layers("bert.encoder.layer", plan);
    if HeadActivation::of(start.student.family) == HeadActivation::of(start.teacher.family) {
        start.copy("bert.pooler", "bert.pooler");
        start.copy_head();
    }
    (start.given.give(student), start.inherited)
}

impl Inherited {
    /// The same part of a student of one family that has it from a teacher of another, by their own names.
    fn spelled(self, student: Family, teacher: Family) -> Self {
        let own = |family: Family, module: String| {
            family.spelling().map_or_else(|| module.clone(), |spelling| spelling.module(&module))
        };
        let source = match self.source {
            Source::Copied { from } => Source::Copied { from: own(teacher, from) },
            Source::Projected { from, kept_variance } => {
                Source::Projected { from: own(teacher, from), kept_variance }
            }
        };
        Self { module: own(student, self.module), source }
    }
}

/// A student's start while it is put together.
struct Start<'a> {
    student: TransformerConfig,
    teacher: &'a TransformerConfig,
    /// The teacher's numbers.
    source: Weights,
    /// What the student has places for: names and shapes.
    wanted: BTreeMap<String, Vec<usize>>,
    /// The student's numbers so far.
    given: Weights,
    inherited: Vec<Inherited>,
}

impl<'a> Start<'a> {
    fn new<S: Network, T: Network>(
        student: &S,
        teacher: &T,
        (own, theirs): (&TransformerConfig, &'a TransformerConfig),
    ) -> Self {
        Self {
            student: own.clone(),
            teacher: theirs,
            source: Weights::of(teacher),
            wanted: slots(student).into_iter().map(|slot| (slot.name, slot.dims)).collect(),
            given: Weights::default(),
            inherited: Vec::new(),
        }
    }

    fn copy_layers(&mut self, prefix: &str, plan: &InheritancePlan) {
        // The same matrices with other head widths would compute something else.
        if self.student.num_attention_heads != self.teacher.num_attention_heads {
            return;
        }
        for (to, from) in plan.layers.iter().enumerate() {
            self.copy(&format!("{prefix}.{to}"), &format!("{prefix}.{from}"));
        }
    }

    /// Copies what the heads of both have alike: a classifier, or the parts of a language model.
    fn copy_head(&mut self) {
        self.copy("classifier", "classifier");
        self.copy("cls.predictions.transform", "cls.predictions.transform");
        self.copy("cls.seq_relationship", "cls.seq_relationship");
        let bias = "cls.predictions.bias";
        let weight =
            self.source.get(bias).filter(|weight| self.wanted.get(bias) == Some(&weight.dims)).cloned();
        if let Some(weight) = weight {
            self.given.0.insert(bias.to_owned(), weight);
            self.report(bias, Source::Copied { from: bias.to_owned() });
        }
    }

    /// Copies a module whole, where all shapes agree, and reports it.
    fn copy(&mut self, to: &str, from: &str) {
        if self.take(to, from) {
            self.report(to, Source::Copied { from: from.to_owned() });
        }
    }

    /// Copies all parameters of a module, or none where a shape differs or either side lacks one.
    fn take(&mut self, to: &str, from: &str) -> bool {
        let inside = self.wanted.iter().filter_map(|(name, dims)| {
            let rest = name.strip_prefix(to)?.strip_prefix('.')?;
            Some((name, dims, self.source.get(&format!("{from}.{rest}"))))
        });
        let copies: Option<Vec<(String, Weight)>> = inside
            .map(|(name, dims, weight)| {
                let weight = weight.filter(|weight| weight.dims == *dims)?;
                Some((name.clone(), weight.clone()))
            })
            .collect();
        let copies = copies.unwrap_or_default();
        let taken = !copies.is_empty();
        self.given.0.extend(copies);
        taken
    }

    fn report(&mut self, module: &str, source: Source) {
        self.inherited.push(Inherited { module: module.to_owned(), source });
    }
}

#[cfg(test)]
mod tests;
