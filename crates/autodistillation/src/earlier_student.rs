//! The student that a plan's students start from: loaded, and held against the first teacher.

use std::path::Path;

use autodistillation_distillation::Parameters;
use autodistillation_models::{Tokenizer, Transformer};
use burn::tensor::Device;

use crate::Error;
use crate::config::Subject;
use crate::further_teachers::{Disagreement, First, disagreement, weights_hash};
use crate::plan::{Initialize, Plan};

/// What a search says of whose students start from each other; `None` where they do not.
pub(crate) fn note_on_steps(plan: &Plan) -> Option<String> {
    (plan.search.is_some() && plan.student.initialize == Initialize::Trial).then(|| {
        "students start from those of earlier trials where one has layers of the same shape, so their scores are not at equal \
         steps; side by side (`--jobs`), from which of them depends on which trials finish first"
            .to_owned()
    })
}

/// A student to go on from.
#[derive(Clone, Debug)]
pub struct EarlierStudent {
    /// The network, frozen.
    pub network: Transformer,
    /// The content hash of its weights.
    pub hash: String,
}

/// The student that `plan` names; `None` where it names none.
///
/// # Errors
///
/// A folder that cannot be read, or a student of another family, vocabulary or task, at its place in the config.
pub(crate) fn earlier_student(
    plan: &Plan,
    first: First<'_>,
    device: &Device,
) -> Result<Option<EarlierStudent>, Error> {
    let Initialize::Student(folder) = &plan.student.initialize else { return Ok(None) };
    let found = read(folder, (plan, first), device);
    found.map(Some).map_err(|problem| crate::check::locate(problem, plan.places.of(&Subject::EarlierStudent)))
}

fn read(folder: &Path, (plan, first): (&Plan, First<'_>), device: &Device) -> Result<EarlierStudent, Error> {
    let network = Transformer::load(folder, device)?.network.frozen();
    let config = network.config();
    let tokenizer = Tokenizer::from_folder(folder)?;
    tokenizer.check_fits(config)?;
    let other = |disagreement| Error::OtherStudent { folder: folder.to_owned(), disagreement };
    if config.family != plan.student.family {
        let (own, students) = (config.family, plan.student.family);
        return Err(other(Disagreement::Family { own, students }));
    }
    // A pretrained student brings no classifier, so its task is no matter.
    let own = if config.head.is_language_model() { first.config } else { config };
    let length = plan.data.max_length.min(config.max_length());
    if let Some(disagreement) = disagreement((own, &tokenizer), first, length)? {
        return Err(other(disagreement));
    }
    let hash = weights_hash(folder)?;
    Ok(EarlierStudent { network, hash })
}
