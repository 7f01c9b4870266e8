//! A student's start from another student of its family: every weight by its name, layers by their depth, feed-forward
//! parts narrowed to their most important neurons or widened by silent ones.

use super::InheritancePlan;
use crate::weights::{Weight, Weights, slots};
use crate::{Transformer, TransformerConfig};

/// The matrices into and out of the feed-forward parts, as the families call them.
const FEED_FORWARD: [(&str, &str); 2] = [("intermediate.dense", "output.dense"), ("ffn.lin1", "ffn.lin2")];

/// Whether a student of these sizes can go on from one of those: they differ in their number of layers, in the width of
/// their feed-forward parts and in what leaves the states alone (head, dropout) at most.
///
/// Students of other widths would have to be projected, and those of other head counts compute something else with the same
/// matrices.
pub fn can_continue(student: &TransformerConfig, earlier: &TransformerConfig) -> bool {
    let shape = |config: &TransformerConfig| {
        let embeddings = (config.vocab_size, config.embedding_size, config.type_vocab_size);
        let places = (config.max_position_embeddings, config.pad_token_id);
        let layer = (config.hidden_size, config.num_attention_heads, config.hidden_act, config.mobilebert);
        (config.family, embeddings, places, layer)
    };
    shape(student) == shape(earlier)
}

/// Gives a student the weights of an earlier one; `None` unless it [`can_continue`].
///
/// Its layers are the earlier student's, evenly spaced ([`InheritancePlan::evenly_spaced`]): of more some are left out, of fewer
/// some stand twice. A narrower feed-forward part keeps the neurons whose norms, inwards times outwards, are largest; a
/// wider one has further neurons of its own that put out nothing yet, so that it computes the same (Chen et al. 2016,
/// "Net2Net"). The classifier is taken where both have the same head and labels, else it stays as it is.
pub fn continue_from(student: Transformer, earlier: &Transformer) -> Option<Transformer> {
    let (own, theirs) = (student.config(), earlier.config());
    if !can_continue(own, theirs) {
        return None;
    }
    let layers = InheritancePlan::evenly_spaced(own, theirs).layers;
    let prefix = format!("{}.", own.family.layer_prefix());
    let keeps_classifier = (own.head, &own.labels) == (theirs.head, &theirs.labels);
    let source = Weights::of(earlier);
    let is_resized = own.intermediate_size != theirs.intermediate_size;
    let random = if is_resized { Weights::of(&student) } else { Weights::default() };
    let mut given = Weights::default();
    for slot in slots(&student) {
        if slot.name.contains("classifier") && !keeps_classifier {
            continue;
        }
        let from = counterpart(&slot.name, &prefix, &layers);
        let Some(weight) = source.get(&from) else { continue };
        let weight = match weight.dims == slot.dims {
            true => Some(weight.clone()),
            false => resized((&slot.name, &from), &slot.dims, (&random, &source)),
        };
        given.0.extend(weight.map(|weight| (slot.name, weight)));
    }
    Some(given.give(student))
}

/// The name of the earlier student's parameter that becomes `name`.
fn counterpart(name: &str, prefix: &str, layers: &[usize]) -> String {
    let layer = || {
        let (number, rest) = name.strip_prefix(prefix)?.split_once('.')?;
        let from = layers.get(number.parse::<usize>().ok()?)?;
        Some(format!("{prefix}{from}.{rest}"))
    };
    layer().unwrap_or_else(|| name.to_owned())
}

/// A parameter of a feed-forward part of another width: `name` from the earlier student's `from`.
fn resized(
    (name, from): (&str, &str),
    dims: &[usize],
    (random, source): (&Weights, &Weights),
) -> Option<Weight> {
    let (inwards, outwards, is_inwards) = FEED_FORWARD.iter().find_map(|(inwards, outwards)| {
        let part = |end: &str| Some(from.rsplit_once('.')?.0.strip_suffix(end)?.to_owned());
        let (module, is_inwards) =
            part(inwards).map(|module| (module, true)).or_else(|| Some((part(outwards)?, false)))?;
        let weight = |end: &str| source.get(&format!("{module}{end}.weight"));
        Some((weight(inwards)?, weight(outwards)?, is_inwards))
    })?;
    let width = if is_inwards { *dims.first()? } else { *dims.last()? };
    let kept = most_important((inwards, outwards), width);
    let (weight, own) = (source.get(from)?, random.get(name)?);
    let values = match is_inwards {
        true => rows(weight, own, &kept),
        false => columns(weight, width, &kept),
    };
    Some(Weight { dims: dims.to_vec(), values })
}

/// The `width` neurons of a feed-forward part that matter most, in their order; all of them where it has fewer.
fn most_important((inwards, outwards): (&Weight, &Weight), width: usize) -> Vec<usize> {
    let neurons = inwards.dims[0];
    let square = |value: &f32| f64::from(*value).powi(2);
    let into: Vec<f64> =
        inwards.values.chunks_exact(inwards.dims[1]).map(|row| row.iter().map(square).sum()).collect();
    let mut out = vec![0.0; neurons];
    for row in outwards.values.chunks_exact(neurons) {
        out.iter_mut().zip(row).for_each(|(sum, value)| *sum += square(value));
    }
    let mut order: Vec<usize> = (0..neurons).collect();
    order.sort_by(|&a, &b| (into[b] * out[b]).total_cmp(&(into[a] * out[a])).then(a.cmp(&b)));
    order.truncate(width);
    order.sort_unstable();
    order
}

/// The kept rows of a matrix, or entries of a bias, then the further ones of `own`.
fn rows(weight: &Weight, own: &Weight, kept: &[usize]) -> Vec<f32> {
    let width = weight.dims.get(1).copied().unwrap_or(1);
    let kept_rows = kept.iter().flat_map(|row| &weight.values[row * width..(row + 1) * width]);
    let further = own.values.iter().skip(kept.len() * width);
    kept_rows.chain(further).copied().collect()
}

/// The kept columns of a matrix, then zeros.
fn columns(weight: &Weight, width: usize, kept: &[usize]) -> Vec<f32> {
    let neurons = weight.dims[1];
    let silent = width - kept.len();
    let row = |row: &[f32]| {
        let kept: Vec<f32> = kept.iter().map(|&column| row[column]).collect();
        kept.into_iter().chain(std::iter::repeat_n(0.0, silent)).collect::<Vec<f32>>()
    };
    weight.values.chunks_exact(neurons).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use autodistillation_distillation::{Feature, Mode, Network, Taps};
    use serde_json::{Value, json};

    use super::*;
    use crate::test_networks::{config, two_sentences, with};
    use crate::{Family, Head, student_config};

    fn student(values: &[(&str, Value)]) -> Transformer {
        with(values, 2)
    }

    fn logits(network: &Transformer) -> Vec<f32> {
        let taps = Taps::new([network.logits()]);
        let features = network.forward(&two_sentences(), &taps, Mode::Evaluation);
        let Some(Feature::Vectors(logits)) = features.get(&network.logits()) else { panic!("no logits") };
        logits.clone().into_data().try_into_vec().unwrap()
    }

    #[test]
    fn a_student_of_the_same_sizes_is_the_earlier_one() {
        let earlier = with(&[("initializer_range", json!(0.3))], 1);
        let continued = continue_from(student(&[("hidden_dropout_prob", json!(0.3))]), &earlier).unwrap();
        assert_eq!(Weights::of(&continued), Weights::of(&earlier));
    }

    #[test]
    fn layers_are_left_out_or_stand_twice() {
        let earlier = with(&[("num_hidden_layers", json!(4))], 1);
        let query = |layer: usize| format!("bert.encoder.layer.{layer}.attention.self.query.weight");
        for (layers, from) in [(2, vec![1, 3]), (6, vec![0, 0, 1, 2, 2, 3])] {
            let continued = continue_from(student(&[("num_hidden_layers", json!(layers))]), &earlier);
            let (continued, earlier) = (Weights::of(&continued.unwrap()), Weights::of(&earlier));
            for (own, theirs) in from.into_iter().enumerate() {
                assert_eq!(continued.get(&query(own)), earlier.get(&query(theirs)), "{layers}: {own}");
            }
        }
    }

    #[test]
    fn a_wider_feed_forward_part_computes_the_same_and_one_narrowed_again_is_the_same() {
        let earlier = with(&[("initializer_range", json!(0.3))], 1);
        let wider = continue_from(student(&[("intermediate_size", json!(56))]), &earlier).unwrap();
        for (own, expected) in logits(&wider).iter().zip(logits(&earlier)) {
            assert!((own - expected).abs() < 1e-5, "{own} is not {expected}");
        }
        let up = "bert.encoder.layer.0.intermediate.dense.weight";
        let random = Weights::of(&student(&[("intermediate_size", json!(56))]));
        assert_eq!(
            Weights::of(&wider).get(up).unwrap().values[40 * 24..],
            random.get(up).unwrap().values[40 * 24..]
        );
        let narrowed = continue_from(student(&[]), &wider).unwrap();
        assert_eq!(Weights::of(&narrowed), Weights::of(&earlier), "silent neurons matter least");
    }

    #[test]
    fn a_narrower_part_keeps_the_neurons_that_matter_most_in_their_order() {
        let inwards = Weight { dims: vec![4, 2], values: vec![1.0, 0.0, 3.0, 0.0, 0.0, 2.0, 9.0, 9.0] };
        let outwards = Weight { dims: vec![1, 4], values: vec![1.0, 1.0, 5.0, 0.0] };
        assert_eq!(most_important((&inwards, &outwards), 2), [1, 2]);
        assert_eq!(most_important((&inwards, &outwards), 9), [0, 1, 2, 3]);
        assert_eq!(columns(&outwards, 2, &[1, 2]), [1.0, 5.0]);
        assert_eq!(rows(&inwards, &outwards, &[1, 2]), [3.0, 0.0, 0.0, 2.0]);
    }

    #[test]
    fn other_states_are_not_continued() {
        for (name, value) in [("hidden_size", 12), ("num_attention_heads", 4), ("vocab_size", 61)] {
            let other = student(&[(name, json!(value))]);
            assert!(continue_from(other, &with(&[], 1)).is_none(), "{name}");
        }
    }

    #[test]
    fn other_labels_keep_their_classifier() {
        let earlier = with(&[], 1);
        let labels = ["x", "y", "z"].map(str::to_owned).to_vec();
        let other = config(&[]).with_labels(labels, crate::ProblemType::SingleLabelClassification).unwrap();
        let own = Transformer::random(other, 2, &burn::tensor::Device::flex());
        let continued = Weights::of(&continue_from(own.clone(), &earlier).unwrap());
        let name = "classifier.weight";
        assert_eq!(continued.get(name), Weights::of(&own).get(name));
        assert_eq!(
            continued.get("bert.pooler.dense.weight"),
            Weights::of(&earlier).get("bert.pooler.dense.weight")
        );
    }

    #[test]
    fn every_family_takes_all_its_weights_and_resizes_its_feed_forward_parts() {
        for family in Family::ALL {
            let of = |width: usize, seed: u64| {
                let sizes = json!({"hidden_size": 24, "intermediate_size": width, "num_attention_heads": 2});
                let mut sizes = sizes.as_object().unwrap().clone();
                if matches!(family, Family::Electra | Family::MobileBert) {
                    sizes.insert("embedding_size".to_owned(), json!(12));
                }
                let config = student_config(&config(&[]), family, &sizes).unwrap();
                assert_eq!(config.head, Head::Classifier);
                Transformer::random(config, seed, &burn::tensor::Device::flex())
            };
            let earlier = of(32, 1);
            assert_eq!(Weights::of(&continue_from(of(32, 2), &earlier).unwrap()), Weights::of(&earlier));
            let wider = continue_from(of(40, 2), &earlier).unwrap();
            let narrowed = continue_from(of(32, 2), &wider).unwrap();
            assert_eq!(Weights::of(&narrowed), Weights::of(&earlier), "{family}");
        }
    }
}
