//! Which teacher layers the student's layers learn from, where the config leaves the choice open.

use autodistillation_distillation::LayerSimilarity;
use serde::Serialize;

/// How `layer_mappings_for_knowledge_transfer` without mappings chooses a teacher layer for each student layer.
///
/// Every choice is ascending and ends with the teacher's last layer. A student of more layers than its teacher always has
/// them evenly spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum LayerChoice {
    /// `auto`: evenly spaced, see [`teacher_layer`].
    #[default]
    EvenlySpaced,
    /// `last`: the teacher's last layers, one for each of the student's ("PKD-Last", Sun et al. 2019).
    Last,
    /// `similarity`: along the steps that change the teacher's states least, see [`LayerSimilarity::path`].
    Similarity,
}

impl LayerChoice {
    /// Its name in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::EvenlySpaced => "auto",
            Self::Last => "last",
            Self::Similarity => "similarity",
        }
    }

    /// Whether it is the usual one.
    pub fn is_evenly_spaced(&self) -> bool {
        *self == Self::EvenlySpaced
    }

    /// The teacher layer of each of `students` layers. Without a measured similarity, `similarity` is evenly spaced.
    pub fn teacher_layers(
        self,
        students: usize,
        teachers: usize,
        similarity: Option<&LayerSimilarity>,
    ) -> Vec<usize> {
        let path = similarity.filter(|_| self == Self::Similarity).and_then(|it| it.path(students));
        match (self, path) {
            (Self::Similarity, Some(path)) => path,
            (Self::Last, _) if students <= teachers => (teachers - students..teachers).collect(),
            _ => (0..students).map(|index| teacher_layer(index, students, teachers)).collect(),
        }
    }
}

/// The teacher layer that a student layer learns from: round((i + 1) · teacher / student) − 1, so that the
/// layers are evenly spaced and the last learns from the last.
pub fn teacher_layer(index: usize, student_layers: usize, teacher_layers: usize) -> usize {
    let share = (index + 1) as f64 * teacher_layers as f64 / student_layers.max(1) as f64;
    (share.round() as usize).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn teacher_layers_exist_rise_and_end_with_the_last(student in 1usize..40, teacher in 1usize..40) {
            for choice in [LayerChoice::EvenlySpaced, LayerChoice::Last, LayerChoice::Similarity] {
                let layers = choice.teacher_layers(student, teacher, None);
                prop_assert_eq!(layers.len(), student);
                prop_assert!(layers.is_sorted() && layers.iter().all(|layer| *layer < teacher));
                prop_assert_eq!(layers.last(), Some(&(teacher - 1)));
                if student <= teacher {
                    prop_assert!(layers.windows(2).all(|pair| pair[0] < pair[1]));
                }
            }
        }
    }

    #[test]
    fn four_layers_learn_from_six_as_in_the_sst2_example() {
        assert_eq!(LayerChoice::EvenlySpaced.teacher_layers(4, 6, None), [1, 2, 4, 5]);
        assert_eq!(LayerChoice::Last.teacher_layers(4, 6, None), [2, 3, 4, 5]);
    }
}
