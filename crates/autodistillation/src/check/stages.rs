//! Stages against a student and its teacher: every layer path, block and length that does not fit, at its place.

use autodistillation_distillation::{
    Block, CriterionConfig, LayerMapping, Matchers, Parameters, Stage, criterion,
};
use autodistillation_models::Transformer;

use crate::Error;
use crate::config::{Place, Subject};
use crate::experiment::BuiltInExperiment;

/// Refuses stages and lengths that do not work for `student`.
///
/// # Errors
///
/// Every problem, each with its place in the config.
pub(super) fn check(experiment: &BuiltInExperiment, student: &Transformer) -> Result<(), Error> {
    let teacher = &experiment.materials().teacher;
    let mut problems = Vec::new();
    for stage in experiment.scheduler(student.config()).stages() {
        problems.extend(mapping_problems(stage, (student, teacher)));
        problems.extend(block_problems(&stage.block, student));
    }
    problems.extend(length_problems(experiment, student));
    let places = &experiment.plan().places;
    let located = problems.into_iter().map(|(subject, problem)| locate(problem, places.of(&subject)));
    let mut located: Vec<Error> = located.collect();
    match located.len() {
        0 => Ok(()),
        1 => Err(located.remove(0)),
        _ => Err(Error::Several(located)),
    }
}

/// The problem with its place in the config, if it has one.
pub(crate) fn locate(problem: Error, place: Option<&Place>) -> Error {
    match place {
        Some(place) => Error::At { place: place.clone(), problem: Box::new(problem) },
        None => problem,
    }
}

fn mapping_problems(stage: &Stage, networks: (&Transformer, &Transformer)) -> Vec<(Subject, Error)> {
    let mappings = match &stage.criterion {
        CriterionConfig::IntermediateLayers { mappings, .. }
        | CriterionConfig::SelfDistillation { mappings, .. } => mappings,
        CriterionConfig::KnowledgeDistillation { .. } => return logits_problem(stage, networks),
    };
    let problem = |mapping: &LayerMapping| {
        let mut alone = stage.criterion.clone();
        if let CriterionConfig::IntermediateLayers { mappings, .. }
        | CriterionConfig::SelfDistillation { mappings, .. } = &mut alone
        {
            *mappings = vec![mapping.clone()];
        }
        let problem = criterion::build(&alone, networks, &mut Matchers::new(), 0).err()?;
        let (student, teacher) = (mapping.student.clone(), mapping.teacher.clone());
        Some((Subject::Mapping { student, teacher }, problem.into()))
    };
    mappings.iter().filter_map(problem).collect()
}

/// A criterion on logits has no mapping: what is wrong with it is the way logits are scaled.
fn logits_problem(stage: &Stage, networks: (&Transformer, &Transformer)) -> Vec<(Subject, Error)> {
    let problem = criterion::build(&stage.criterion, networks, &mut Matchers::new(), 0).err();
    problem.map(|problem| (Subject::LogitScale, problem.into())).into_iter().collect()
}

fn block_problems(block: &Block, student: &Transformer) -> Vec<(Subject, Error)> {
    let names = student.parameters();
    let is_empty = |module: &&String| {
        let part = Block::new([module.as_str()]);
        !names.iter().any(|(name, _)| part.holds(name))
    };
    let problem = |module: &String| {
        let last = student.config().num_hidden_layers.saturating_sub(1);
        let known = format!("it has encoder layers 0 to {last}");
        let empty = autodistillation_distillation::Error::EmptyBlock { block: module.clone(), known };
        (Subject::Block(module.clone()), empty.into())
    };
    block.modules().iter().filter(is_empty).map(problem).collect()
}

/// Lengths that the config gives and the student's positions do not reach.
fn length_problems(experiment: &BuiltInExperiment, student: &Transformer) -> Vec<(Subject, Error)> {
    let (plan, longest) = (experiment.plan(), student.config().max_length());
    let lengths = [
        (Subject::MaxLength, "data.max_length", plan.data.max_length),
        (Subject::LatencyLength, "evaluation.latency.length", plan.evaluation.latency.length),
    ];
    let is_given = |subject: &Subject| *subject == Subject::MaxLength || plan.places.of(subject).is_some();
    let too_long = lengths.into_iter().filter(|(subject, _, length)| *length > longest && is_given(subject));
    too_long
        .map(|(subject, what, length)| (subject, Error::TooLong { what, length, whose: "student", longest }))
        .collect()
}
