//! Laws of the losses: their zeros, their bounds, and that padding changes nothing.

use super::*;
use burn::tensor::Device;
use proptest::prelude::*;

fn rows(count: usize, width: usize) -> Rows {
    Rows { mask: None, real_rows: count as f64, real_elements: (count * width) as f64 }
}

fn compare(count: usize, width: usize, temperature: f64) -> Comparison {
    let scale = Scale::Scores { temperature };
    Comparison {
        rows: rows(count, width),
        student: scale,
        teacher: scale,
        reduction: Reduction::RowMean,
        keys: None,
    }
}

fn tensor(values: &[f32], width: usize) -> Tensor<2> {
    Tensor::<1>::from_floats(values, &Device::flex()).reshape([values.len() / width, width])
}

fn number(tensor: Tensor<1>) -> f32 {
    tensor.into_scalar::<f32>()
}

const ALL: [LossKind; 12] = [
    LossKind::MeanSquared,
    LossKind::MeanAbsolute,
    LossKind::Euclidean,
    LossKind::KullbackLeibler,
    LossKind::ReverseKullbackLeibler,
    LossKind::JensenShannon,
    LossKind::CrossEntropy,
    LossKind::BinaryKullbackLeibler,
    LossKind::BinaryCrossEntropy,
    LossKind::Cosine,
    LossKind::Patient,
    LossKind::Relation,
];

/// Those that are 0 between equal features: all but cross entropies, which keep the teacher's entropy.
fn distances() -> impl Iterator<Item = LossKind> {
    let entropies = [LossKind::CrossEntropy, LossKind::BinaryCrossEntropy];
    ALL.into_iter().filter(move |kind| !entropies.contains(kind))
}

proptest! {
    #[test]
    fn distances_are_positive_and_zero_between_equals(values in prop::collection::vec(-4f32..4.0, 12), other in prop::collection::vec(-4f32..4.0, 12)) {
        let terms = compare(3, 4, 2.0);
        let (a, b) = (tensor(&values, 4), tensor(&other, 4));
        for kind in distances() {
            prop_assert!(number(between(kind, a.clone(), b.clone(), &terms)) >= -1e-5, "{kind:?}");
            prop_assert!(number(between(kind, a.clone(), a.clone(), &terms)).abs() < 1e-5, "{kind:?}");
        }
    }

    #[test]
    fn the_jensen_shannon_divergence_is_symmetric_and_bounded(values in prop::collection::vec(-40f32..40.0, 12), other in prop::collection::vec(-40f32..40.0, 12)) {
        let terms = compare(3, 4, 1.0);
        let (a, b) = (tensor(&values, 4), tensor(&other, 4));
        let there = number(between(LossKind::JensenShannon, a.clone(), b.clone(), &terms));
        let back = number(between(LossKind::JensenShannon, b, a, &terms));
        prop_assert!((there - back).abs() < 1e-5, "{there} and {back}");
        prop_assert!(there <= std::f32::consts::LN_2 + 1e-5, "{there}");
    }

    #[test]
    fn reverse_kl_is_kl_with_sides_exchanged(values in prop::collection::vec(-4f32..4.0, 12), other in prop::collection::vec(-4f32..4.0, 12)) {
        let terms = compare(3, 4, 2.0);
        let (a, b) = (tensor(&values, 4), tensor(&other, 4));
        let reverse = number(between(LossKind::ReverseKullbackLeibler, a.clone(), b.clone(), &terms));
        let kl = number(between(LossKind::KullbackLeibler, b, a, &terms));
        prop_assert!((reverse - kl).abs() < 1e-5 * kl.abs().max(1.0), "{reverse} and {kl}");
    }

    #[test]
    fn patience_is_two_cosines_over_the_width_and_neither_sees_lengths(values in prop::collection::vec(0.1f32..4.0, 12), scale in 0.1f32..9.0) {
        let terms = compare(3, 4, 1.0);
        let (a, b) = (tensor(&values, 4), tensor(&[1., -2., 0.5, 3., 1., 1., 1., 1., -1., 0., 2., 0.3], 4));
        let loss = |kind, student| number(between(kind, student, b.clone(), &terms));
        let cosine = loss(LossKind::Cosine, a.clone());
        prop_assert!((loss(LossKind::Patient, a.clone()) - cosine * 2.0 / 4.0).abs() < 1e-5);
        prop_assert!((loss(LossKind::Cosine, a * scale) - cosine).abs() < 1e-5);
    }

    #[test]
    fn gradients_agree_with_finite_differences(values in prop::collection::vec(-2f32..2.0, 6), other in prop::collection::vec(-2f32..2.0, 6)) {
        let teacher = tensor(&other, 3);
        let far = values.iter().zip(&other).all(|(a, b)| (a - b).abs() > 0.05); // |x| has a corner.
        let long = |values: &[f32]| values.chunks(3).all(|row| row.iter().map(|x| x * x).sum::<f32>() > 0.3);
        prop_assume!(far && long(&values) && long(&other));
        let mut terms = compare(2, 3, 1.5);
        terms.rows.mask = Some(tensor(&[1., 0.], 1));
        for kind in ALL {
            let leaf = tensor(&values, 3).autodiff().require_grad();
            let gradients = between(kind, leaf.clone(), teacher.clone(), &terms).backward();
            let found: Vec<f32> = leaf.grad(&gradients).unwrap().into_data().try_to_vec().unwrap();
            for (place, found) in found.into_iter().enumerate() {
                let moved = |by: f32| {
                    let mut moved = values.clone();
                    moved[place] += by;
                    f64::from(number(between(kind, tensor(&moved, 3), teacher.clone(), &terms)))
                };
                let expected = (moved(0.01) - moved(-0.01)) / 0.02;
                prop_assert!((expected - f64::from(found)).abs() < 4e-3, "{kind:?}[{place}]: {found} and {expected}");
            }
        }
    }

    #[test]
    fn losses_do_not_depend_on_padding(values in prop::collection::vec(-4f32..4.0, 8), padding in prop::collection::vec(-9f32..9.0, 4)) {
        let teacher: Vec<f32> = values.iter().map(|x| x * 0.5 - 0.1).collect();
        let mut padded = (values.clone(), teacher.clone());
        padded.0.extend(&padding);
        padded.1.extend(padding.iter().map(|x| -x));
        let mask = tensor(&[1., 1., 0.], 1);
        for kind in ALL {
            let plain = number(between(kind, tensor(&values, 4), tensor(&teacher, 4), &compare(2, 4, 1.5)));
            let mut terms = compare(2, 4, 1.5);
            terms.rows.mask = Some(mask.clone());
            let with = number(between(kind, tensor(&padded.0, 4), tensor(&padded.1, 4), &terms));
            prop_assert!((plain - with).abs() < 1e-4, "{kind:?}: {plain} and {with}");
        }
    }
}

#[test]
fn cross_entropy_is_kl_plus_the_teachers_entropy() {
    let (s, t) = (tensor(&[0.3, -0.2, 1.0, 0.1], 2), tensor(&[0.5, 0.4, -1.0, 0.3], 2));
    let terms = compare(2, 2, 1.0);
    let kl = number(between(LossKind::KullbackLeibler, s.clone(), t.clone(), &terms));
    let ce = number(between(LossKind::CrossEntropy, s, t.clone(), &terms));
    let entropy = number(between(LossKind::CrossEntropy, t.clone(), t, &terms));
    assert!((ce - kl - entropy).abs() < 1e-6);
}

#[test]
fn in_the_origins_reduction_padding_counts_as_zero() {
    let (s, t) = (tensor(&[0.3, -0.2, 1.0, 0.1], 2), tensor(&[0.5, 0.4, -1.0, 0.3], 2));
    let plain = Comparison { reduction: Reduction::ElementMean, ..compare(1, 2, 1.0) };
    let mut padded = Comparison { reduction: Reduction::ElementMean, ..compare(2, 2, 1.0) };
    padded.rows.mask = Some(tensor(&[1., 0.], 1));
    let first = |rows: &Tensor<2>| rows.clone().slice([0..1, 0..2]);
    let expected = number(between(LossKind::KullbackLeibler, first(&s), first(&t), &plain)) / 2.0;
    assert!((number(between(LossKind::KullbackLeibler, s, t, &padded)) - expected).abs() < 1e-6);
}

#[test]
fn the_origins_reduction_is_smaller_by_the_width() {
    let (s, t) = (tensor(&[0.3, -0.2, 1.0, 0.1], 2), tensor(&[0.5, 0.4, -1.0, 0.3], 2));
    let row = number(between(LossKind::KullbackLeibler, s.clone(), t.clone(), &compare(2, 2, 1.0)));
    let terms = Comparison { reduction: Reduction::ElementMean, ..compare(2, 2, 1.0) };
    assert!((row / number(between(LossKind::KullbackLeibler, s, t, &terms)) - 2.0).abs() < 1e-5);
}

#[test]
fn what_has_no_length_or_no_difference_has_no_gradient_and_no_nan() {
    let zeros = tensor(&[0.0; 6], 3);
    for kind in ALL {
        let leaf = zeros.clone().autodiff().require_grad();
        let loss = between(kind, leaf.clone(), zeros.clone(), &compare(2, 3, 1.0));
        let gradients = loss.backward();
        let found: Vec<f32> = leaf.grad(&gradients).unwrap().into_data().try_to_vec().unwrap();
        assert!(found.iter().all(|value| value.is_finite()), "{kind:?}: {found:?}");
    }
}

#[test]
fn standardised_logits_tell_how_classes_stand_to_each_other_and_nothing_of_their_size() {
    use crate::divergence::standardized;
    let logits = tensor(&[1., 2., 4., -3., -3., -3.], 3);
    let scaled = standardized(logits.clone() * 7.0 + 5.0, None);
    let found: Vec<f32> = standardized(logits.clone(), None).into_data().try_to_vec().unwrap();
    let deviation = (14.0f32 / 9.0).sqrt(); // of 1, 2 and 4 around 7/3, divided by 3
    let expected = [1., 2., 4.].map(|value: f32| (value - 7.0 / 3.0) / deviation);
    for (found, expected) in found.iter().zip(expected.into_iter().chain([0.; 3])) {
        assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
    }
    let scaled: Vec<f32> = scaled.into_data().try_to_vec().unwrap();
    assert!(found.iter().zip(scaled).all(|(one, other)| (one - other).abs() < 1e-5));
    let padded = Tensor::cat(vec![logits, tensor(&[70., -9.], 1)], 1);
    let real = tensor(&[1., 1., 1., 0., 1., 1., 1., 0.], 4);
    let padded = standardized(padded, Some(&real)).slice([0..2, 0..3]);
    let padded: Vec<f32> = padded.into_data().try_to_vec().unwrap();
    assert!(
        found.iter().zip(padded).all(|(one, other)| (one - other).abs() < 1e-5),
        "padding does not count"
    );
}

#[test]
fn a_binary_divergence_is_the_divergence_between_pairs_of_the_logit_and_zero() {
    let (s, t) = (tensor(&[0.3, -0.2, 1.0, 0.1], 2), tensor(&[0.5, 0.4, -1.0, 0.3], 2));
    let pairs = |logits: &Tensor<2>| {
        let logits = logits.clone().reshape([4, 1]);
        Tensor::cat(vec![logits.clone(), logits.zeros_like()], 1)
    };
    let kinds = [
        (LossKind::BinaryKullbackLeibler, LossKind::KullbackLeibler),
        (LossKind::BinaryCrossEntropy, LossKind::CrossEntropy),
    ];
    for (binary, plain) in kinds {
        let found = number(between(binary, s.clone(), t.clone(), &compare(2, 2, 2.0)));
        let expected = number(between(plain, pairs(&s), pairs(&t), &compare(4, 2, 2.0)));
        assert!((found - expected).abs() < 1e-6, "{binary:?}: {found} and {expected}");
    }
}
