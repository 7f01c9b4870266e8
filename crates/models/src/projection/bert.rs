//! The blocks of a student that computes as BERT does.

use autodistillation_distillation::{LayerPath, Network};
use burn::tensor::Tensor;

use super::head::Pooling;
use super::{Blocks, Projection, Sublayer, embeddings, slice, states};
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
        let Projection { student, states, basis, .. } = projection;
        let words = embeddings::project((basis, &student.device()), states, student.config());
        projection.give(words);
        Ok(())
    }

    fn fit_block(projection: &mut Projection<'_, Self>, block: usize) -> Result<(), Error> {
        let sliced = slice::block(projection.basis, projection.states, (block, projection.student.config()));
        projection.give(sliced);
        Self::fit_outputs(projection, block)
    }

    fn fit_outputs(projection: &mut Projection<'_, Self>, block: usize) -> Result<(), Error> {
        let hidden = std::mem::take(&mut projection.hidden);
        let entering = hidden.iter().cloned().zip(projection.masks());
        let contexts: Vec<_> = entering.map(|input| projection.student.context(block, input)).collect();
        let attended = projection.fit_sublayer((block, "attention.output"), &contexts, &hidden)?;
        let widened = |state: &Tensor<3>| projection.student.widened(block, state.clone());
        let wide: Vec<_> = attended.iter().map(widened).collect();
        projection.hidden = projection.fit_sublayer((block, "output"), &wide, &attended)?;
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
