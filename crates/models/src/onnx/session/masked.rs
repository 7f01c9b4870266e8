//! A language model's ONNX file: what it says of masked texts.

use autodistillation_distillation::Batch;
use autodistillation_distillation::evaluation::MaskedAnswers;
use burn::tensor::{Device, Tensor, TensorData};
use tract_onnx::prelude::TValue;

use super::{OnnxInputs, OnnxNetwork, contained, numbers, width};
use crate::Error;
use crate::onnx::OnnxProblem;

impl OnnxNetwork {
    /// What a language model says of the masked tokens of a batch, and of its pairs of texts. The graph scores every token;
    /// the scores of those that are not masked are left where they are.
    ///
    /// # Errors
    ///
    /// As [`OnnxNetwork::inputs`], and [`Error::Onnx`] when the runtime fails.
    pub fn masked_answers(&self, batch: &Batch) -> Result<MaskedAnswers, Error> {
        let inputs = self.inputs(batch)?;
        let places = batch.targets.masked_places().map(|places| places.to_data().convert::<i64>());
        let places: Option<Vec<i64>> = places.map(|places| places.try_into_vec().unwrap_or_default());
        self.scored(&inputs, places.as_deref()).map_err(|problem| self.problem(problem))
    }

    fn scored(&self, inputs: &OnnxInputs, places: Option<&[i64]>) -> Result<MaskedAnswers, OnnxProblem> {
        let outputs = contained(|| self.call(inputs))?;
        let [examples, length] = inputs.shape;
        let words = places.map(|places| self.rows((&outputs[0], 0), (examples * length, places)));
        let all: Vec<i64> = (0..examples as i64).collect();
        let follows = outputs.get(1).map(|output| self.rows((output, 1), (examples, &all)));
        Ok(MaskedAnswers { words: words.transpose()?, follows: follows.transpose()? })
    }

    /// Those of the `count` rows of an output that stand at `places`, (places, width).
    fn rows(
        &self,
        (output, index): (&TValue, usize),
        (count, places): (usize, &[i64]),
    ) -> Result<Tensor<2>, OnnxProblem> {
        let values = contained(|| numbers(output))?;
        let width = width(&self.model, index);
        let of_place = |&place: &i64| values.chunks(width.max(1)).nth(place as usize);
        let rows: Option<Vec<&[f32]>> = places.iter().map(of_place).collect();
        let Some(rows) = rows.filter(|_| width * count == values.len()) else {
            return Err(OnnxProblem::graph(self.outputs[index], "its size is not that of the texts"));
        };
        Ok(Tensor::from_data(TensorData::new(rows.concat(), [places.len(), width]), &Device::flex()))
    }
}
