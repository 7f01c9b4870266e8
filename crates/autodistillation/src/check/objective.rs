//! What a stage minimises, in words.

use autodistillation_distillation::comparison::Alignment;
use autodistillation_distillation::{
    CriterionConfig, LayerMapping, LogitScale, MatchingOptions, Network, OriginLoss, Ramp, Shape,
};
use autodistillation_models::Transformer;

/// The terms of a criterion with the shapes on both sides.
pub(super) fn terms(
    criterion: &CriterionConfig,
    (student, teacher): (&Transformer, &Transformer),
) -> Vec<String> {
    let (mappings, options, origin_loss, teacher) = match criterion {
        CriterionConfig::IntermediateLayers { mappings, options, origin_loss } => {
            (mappings, options, origin_loss, teacher)
        }
        CriterionConfig::SelfDistillation { mappings, options, origin_loss } => {
            (mappings, options, origin_loss, student)
        }
        CriterionConfig::KnowledgeDistillation { .. } => return vec![objective(criterion)],
    };
    let mut terms: Vec<String> =
        mappings.iter().map(|mapping| term(mapping, options, (student, teacher))).collect();
    if *origin_loss == OriginLoss::Added {
        terms.push("1 × the student's own loss on the labels".to_owned());
    }
    terms
}

fn term(
    mapping: &LayerMapping,
    options: &MatchingOptions,
    (student, teacher): (&Transformer, &Transformer),
) -> String {
    let shape = |network: &Transformer, path| {
        network
            .layers()
            .into_iter()
            .find(|layer| layer.path == network.resolve(path))
            .map(|layer| layer.shape)
    };
    let (from, to) = (shape(student, &mapping.student), shape(teacher, &mapping.teacher));
    let (Some(from), Some(to)) = (from, to) else {
        return format!("{} ↔ {}", mapping.student, mapping.teacher);
    };
    let joined = match Alignment::between(from, to, mapping, options) {
        Ok(Alignment::Width(a, b)) => format!(" through a matcher {a} → {b}"),
        Ok(Alignment::Heads(a, b)) => format!(" through a head matcher {a} → {b}"),
        Ok(Alignment::HeadMeans) => " as means over heads".to_owned(),
        Ok(Alignment::Relations(heads)) => format!(" in {heads} relation heads, without a matcher"),
        _ => String::new(),
    };
    format!(
        "{} × {}: {} {from} ↔ {} {to}{joined}{}",
        mapping.weight,
        mapping.loss.name(),
        mapping.student,
        mapping.teacher,
        reading(mapping, options, from)
    )
}

/// How a divergence reads logits, where that is out of the ordinary.
fn reading(mapping: &LayerMapping, options: &MatchingOptions, shape: Shape) -> String {
    match shape {
        Shape::Vectors { .. } if mapping.loss.is_divergence() => {
            let moves = (!options.temperature.is_constant()).then_some(options.temperature);
            standardized(options.logits).to_owned() + &moves.map_or_else(String::new, in_brackets)
        }
        _ => String::new(),
    }
}

/// What a criterion minimises, in words.
pub fn objective(criterion: &CriterionConfig) -> String {
    let (mappings, options, origin_loss) = match criterion {
        CriterionConfig::KnowledgeDistillation { temperature, losses, weights, logits } => {
            return format!(
                "{} × {} on the labels + {} × {} on the teacher's logits{}{}",
                weights[0],
                losses[0].name(),
                weights[1],
                losses[1].name(),
                standardized(*logits),
                in_brackets(*temperature)
            );
        }
        CriterionConfig::IntermediateLayers { mappings, options, origin_loss }
        | CriterionConfig::SelfDistillation { mappings, options, origin_loss } => {
            (mappings, options, origin_loss)
        }
    };
    let term = |mapping: &LayerMapping| {
        format!("{} × {} {} ↔ {}", mapping.weight, mapping.loss.name(), mapping.student, mapping.teacher)
    };
    let mut terms: Vec<String> = mappings.iter().map(term).collect();
    if *origin_loss == OriginLoss::Added {
        terms.push("labels".to_owned());
    }
    let usual = options.temperature == 1.0;
    let temperature = if usual { String::new() } else { in_brackets(options.temperature) };
    terms.join(" + ") + standardized(options.logits) + &temperature
}

fn standardized(logits: LogitScale) -> &'static str {
    match logits {
        LogitScale::Plain => "",
        LogitScale::Standardized => ", logits standardised",
    }
}

/// ` (T = 2)`, or ` (T = 4 → 1)`.
fn in_brackets(temperature: Ramp) -> String {
    format!(" (T = {})", temperature.to_string().trim_matches(['(', ')']))
}
