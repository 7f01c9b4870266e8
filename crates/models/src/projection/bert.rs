//! The blocks of a student that computes as BERT does.

use autodistillation_distillation::LayerPath;
use burn::tensor::Tensor;

use super::head::Pooling;
use super::{Blocks, Onwards, Projection, Sublayer, embeddings, slice, states};
use crate::bert::head::HeadActivation;
use crate::config::Normalization;
use crate::{Bert, Error};

impl Blocks for Bert {
    fn embedded() -> LayerPath {
        states::input(0)
    }

    fn pooling(&self) -> Pooling {
        Pooling::Dense("bert.pooler.dense", HeadActivation::of(self.config().family))
    }

    fn fit_embeddings(projection: &mut Projection<'_, Self>) -> Result<(), Error> {
        let words = embeddings::project(projection.basis, projection.states, projection.student.config());
        projection.give(words);
        Ok(())
    }

    fn fit_block(projection: &mut Projection<'_, Self>, block: usize) -> Result<(), Error> {
        let sliced = slice::block(projection.basis, projection.states, (block, projection.student.config()));
        projection.give(sliced);
        Self::fit_outputs(projection, block, Onwards::Fitted)
    }

    fn fit_outputs(
        projection: &mut Projection<'_, Self>,
        block: usize,
        onwards: Onwards,
    ) -> Result<(), Error> {
        let hidden = std::mem::take(&mut projection.hidden);
        let entering = hidden.iter().cloned().zip(projection.masks());
        let contexts: Vec<_> = entering.map(|input| projection.student.context(block, input)).collect();
        let fitted = projection.fit_sublayer((block, "attention.output"), &contexts, &hidden)?;
        let student = &projection.student;
        let attended: Vec<_> = match onwards {
            Onwards::Fitted => fitted,
            Onwards::Computed => {
                contexts.into_iter().zip(hidden).map(|inputs| student.attended(block, inputs)).collect()
            }
        };
        let wide: Vec<_> = attended.iter().cloned().map(|state| student.widened(block, state)).collect();
        let fitted = projection.fit_sublayer((block, "output"), &wide, &attended)?;
        let student = &projection.student;
        projection.hidden = match onwards {
            Onwards::Fitted => fitted,
            Onwards::Computed => {
                wide.into_iter().zip(attended).map(|inputs| student.narrowed(block, inputs)).collect()
            }
        };
        Ok(())
    }

    fn pass(&self, block: usize, entering: (Tensor<3>, &Tensor<2>)) -> Tensor<3> {
        let attended = self.attend(block, entering);
        self.feed_forward(block, attended)
    }
}

impl Projection<'_, Bert> {
    /// Fits the output map and the norm of `module`, whose input is `features` and whose residual is `residuals`, so that its
    /// output, which is returned, comes near the teacher's state there.
    fn fit_sublayer(
        &mut self,
        (block, module): (usize, &str),
        features: &[Tensor<3>],
        residuals: &[Tensor<3>],
    ) -> Result<Vec<Tensor<3>>, Error> {
        let module = format!("bert.encoder.layer.{block}.{module}");
        let targets = self.coordinates(self.basis, &self.states.counterpart(block, &module));
        self.fit(Sublayer {
            block,
            names: (&format!("{module}.dense"), &format!("{module}.LayerNorm")),
            normalization: Normalization::LayerNorm,
            features,
            residuals: Some(residuals),
            targets,
        })
    }
}
