//! `SelfKnowledgeDistillationLoss`: the deeper layers of a network teach its shallower ones.

use crate::criterion::intermediate_layers::IntermediateLayersKnowledgeDistillationLoss;
use crate::criterion::{Criterion, Explained, Forwards, Heads, LossTerms, Pass, feature};
use crate::matcher::Matchers;
use crate::{Error, Features, LayerMapping, LayerPath, MatchingOptions, Network, OriginLoss, Taps};

/// Σ wᵢ · Lᵢ(shallower feature, deeper feature) within one network, with its own loss on the labels on request (Zhang et
/// al. 2019, "Be Your Own Teacher").
///
/// The deeper features come from the student's own forward pass and are constants there: they teach and do not learn
/// from the term. No other teacher is run.
#[derive(Debug)]
pub struct SelfKnowledgeDistillationLoss {
    layers: IntermediateLayersKnowledgeDistillationLoss,
    student_taps: Taps,
    no_taps: Taps,
}

impl SelfKnowledgeDistillationLoss {
    /// Checks every mapping (shallower layer, deeper layer) against `network` and makes the matchers they need, seeded.
    ///
    /// # Errors
    ///
    /// [`Error::NotDeeper`] for a layer that is to learn from one before it, and the errors of
    /// [`IntermediateLayersKnowledgeDistillationLoss::new`].
    pub fn new<N: Network>(
        network: &N,
        mappings: &[LayerMapping],
        options: MatchingOptions,
        seed: u64,
    ) -> Result<Self, Error> {
        let networks = (network, network);
        let layers = IntermediateLayersKnowledgeDistillationLoss::new(networks, mappings, options, seed)?;
        let order = network.layers();
        let place = |path: &LayerPath| order.iter().position(|layer| layer.path == network.resolve(path));
        for LayerMapping { student, teacher, .. } in mappings {
            if place(student) >= place(teacher) {
                return Err(Error::NotDeeper { student: student.clone(), teacher: teacher.clone() });
            }
        }
        Ok(Self { layers, student_taps: Taps::default(), no_taps: Taps::default() }.with_joined_taps())
    }

    /// The same, with the network's own loss on the labels added (or not) with weight 1; its answers come out at `heads`.
    #[must_use]
    pub fn with_origin_loss(mut self, origin_loss: OriginLoss, heads: impl Into<Heads>) -> Self {
        self.layers = self.layers.with_origin_loss(origin_loss, heads);
        self.with_joined_taps()
    }

    /// The same, with matchers of earlier stages in place of fresh ones where a mapping is shared.
    #[must_use]
    pub fn with_matchers(mut self, earlier: &mut Matchers) -> Self {
        self.layers = self.layers.with_matchers(earlier);
        self
    }

    /// One forward pass gives the features of both sides.
    fn with_joined_taps(mut self) -> Self {
        let both = self.layers.student_taps().paths().chain(self.layers.teacher_taps().paths());
        self.student_taps = Taps::new(both.cloned());
        self
    }

    /// The deeper features of a forward pass, as constants.
    fn deeper(&self, student: &Features) -> Result<Features, Error> {
        let mut deeper = Features::new();
        for path in self.layers.teacher_taps().paths() {
            deeper.insert(path.clone(), feature(student, path)?.clone().without_autodiff());
        }
        Ok(deeper)
    }
}

impl Criterion for SelfKnowledgeDistillationLoss {
    fn student_taps(&self) -> &Taps {
        &self.student_taps
    }

    fn teacher_taps(&self) -> &Taps {
        &self.no_taps
    }

    fn terms(&self, forwards: Forwards<'_>) -> Result<LossTerms, Error> {
        let deeper = self.deeper(forwards.student)?;
        self.layers.terms(Forwards { teacher: &deeper, ..forwards })
    }

    fn fit(&mut self, passes: &mut dyn Iterator<Item = Pass>) {
        let paths: Vec<LayerPath> = self.layers.teacher_taps().paths().cloned().collect();
        let mut with_teacher = passes.map(|pass| {
            let mut teacher = Features::new();
            for path in &paths {
                if let Some(feature) = pass.student.get(path) {
                    teacher.insert(path.clone(), feature.clone());
                }
            }
            Pass { teacher, ..pass }
        });
        self.layers.fit(&mut with_teacher);
    }

    fn matchers(&mut self) -> Option<&mut Matchers> {
        self.layers.matchers()
    }

    fn explained(&self, forwards: Forwards<'_>) -> Vec<Explained> {
        let Ok(deeper) = self.deeper(forwards.student) else { return Vec::new() };
        self.layers.explained(Forwards { teacher: &deeper, ..forwards })
    }
}
