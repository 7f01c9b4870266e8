//! Attention on slices: one head of one example after the other, so that its scores never leave the cache.

use burn::{
    backend::{TensorMetadata, flex::FlexTensor},
    tensor::Shape,
};
use rayon::prelude::*;

use crate::{
    buffer::{elements, from_elements},
    gemm_f32::{Factor, multiply},
    masked_softmax::{Softmax, SoftmaxBackward, penalties},
    simd::{is_parallel, run},
};

/// Sizes of one example's tensors.
#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    length: usize,
    hidden: usize,
    heads: usize,
}

impl Sizes {
    fn new(query: &FlexTensor, key: &FlexTensor, heads: usize) -> Self {
        let (query, key) = (query.layout().shape(), key.layout().shape());
        Self { rows: query[1], length: key[1], hidden: key[2], heads }
    }

    /// Width of a head.
    fn size(self) -> usize {
        self.hidden / self.heads
    }

    fn scale(self) -> f32 {
        (self.size() as f32).sqrt().recip()
    }

    /// Elements of one head's scores.
    fn scores(self) -> usize {
        self.rows * self.length
    }

    /// A head's slice of an example's states, (rows or length, size).
    fn of_head(self, states: &[f32], head: usize) -> Factor<'_> {
        Factor { elements: &states[head * self.size()..], strides: [self.hidden, 1] }
    }

    fn scores_factor(self, scores: &[f32]) -> Factor<'_> {
        Factor { elements: scores, strides: [self.length, 1] }
    }
}

/// One example's queries, keys, values and the numbers added to its scores.
#[derive(Clone, Copy)]
struct Example<'a> {
    query: &'a [f32],
    key: &'a [f32],
    value: &'a [f32],
    penalties: &'a [f32],
}

/// The context, (batch, rows, hidden).
pub(super) fn forward(inputs: [&FlexTensor; 3], mask: &FlexTensor, heads: usize) -> FlexTensor {
    let sizes = Sizes::new(inputs[0], inputs[1], heads);
    let penalties = penalties(elements(mask));
    let mut context = vec![0.0; elements(inputs[0]).len()];
    let contexts = context.chunks_mut(sizes.rows * sizes.hidden);
    let work = examples(inputs, &penalties, sizes).zip(contexts).collect();
    for_each(work, context_work(inputs, sizes), |(example, context)| {
        let mut scores = vec![0.0; sizes.scores()];
        for head in 0..sizes.heads {
            attend(example, sizes, head, (&mut scores, context));
        }
    });
    from_elements(context, inputs[0].shape())
}

/// The context and the probabilities, (batch, heads, rows, length).
pub(super) fn forward_with_probabilities(
    inputs: [&FlexTensor; 3],
    mask: &FlexTensor,
    heads: usize,
) -> (FlexTensor, FlexTensor) {
    let sizes = Sizes::new(inputs[0], inputs[1], heads);
    let batch = inputs[0].layout().shape()[0];
    let penalties = penalties(elements(mask));
    let mut context = vec![0.0; elements(inputs[0]).len()];
    let mut probabilities = vec![0.0; batch * heads * sizes.scores()];
    let outputs =
        context.chunks_mut(sizes.rows * sizes.hidden).zip(probabilities.chunks_mut(heads * sizes.scores()));
    let work = examples(inputs, &penalties, sizes).zip(outputs).collect();
    for_each(work, context_work(inputs, sizes), |(example, (context, probabilities))| {
        for (head, probabilities) in probabilities.chunks_mut(sizes.scores()).enumerate() {
            attend(example, sizes, head, (probabilities, context));
        }
    });
    let shape = Shape::from([batch, heads, sizes.rows, sizes.length]);
    (from_elements(context, inputs[0].shape()), from_elements(probabilities, shape))
}

/// Gradients of queries, keys and values.
pub(super) fn backward(
    inputs: [&FlexTensor; 3],
    probabilities: &FlexTensor,
    gradient: &FlexTensor,
    heads: usize,
) -> [FlexTensor; 3] {
    let sizes = Sizes::new(inputs[0], inputs[1], heads);
    let no_penalties = vec![0.0; elements(inputs[1]).len() / sizes.hidden];
    let mut of_inputs = inputs.map(|input| vec![0.0; elements(input).len()]);
    let [of_query, of_key, of_value] = &mut of_inputs;
    let states = sizes.length * sizes.hidden;
    let outputs = of_query.chunks_mut(sizes.rows * sizes.hidden);
    let outputs = outputs.zip(of_key.chunks_mut(states).zip(of_value.chunks_mut(states)));
    let given = elements(probabilities).chunks(heads * sizes.scores());
    let given = given.zip(elements(gradient).chunks(sizes.rows * sizes.hidden));
    let work = examples(inputs, &no_penalties, sizes).zip(given).zip(outputs).collect();
    for_each(work, context_work(inputs, sizes), |((example, given), (query, (key, value)))| {
        let mut scores = vec![0.0; sizes.scores()];
        for head in 0..heads {
            attend_backward(
                example,
                (sizes, head),
                given,
                (&mut scores, [&mut *query, &mut *key, &mut *value]),
            );
        }
    });
    let [query, key, value] = of_inputs;
    [
        from_elements(query, inputs[0].shape()),
        from_elements(key, inputs[1].shape()),
        from_elements(value, inputs[2].shape()),
    ]
}

/// Examples in order.
fn examples<'a>(
    [query, key, value]: [&'a FlexTensor; 3],
    penalties: &'a [f32],
    sizes: Sizes,
) -> impl Iterator<Item = Example<'a>> {
    let states = sizes.length * sizes.hidden;
    let queries = elements(query).chunks(sizes.rows * sizes.hidden);
    let keys = elements(key).chunks(states).zip(elements(value).chunks(states));
    let all = queries.zip(keys).zip(penalties.chunks(sizes.length));
    all.map(|((query, (key, value)), penalties)| Example { query, key, value, penalties })
}

/// Multiplications of all examples, on which the choice of threads rests.
fn context_work([query, key, _]: [&FlexTensor; 3], sizes: Sizes) -> usize {
    elements(query).len() * elements(key).len() / (sizes.hidden * query.layout().shape()[0]).max(1)
}

fn for_each<W: Send>(work: Vec<W>, size: usize, each: impl Fn(W) + Sync + Send) {
    if is_parallel(size) {
        work.into_par_iter().for_each(each);
    } else {
        work.into_iter().for_each(each);
    }
}

/// One head's probabilities over `scores`, and its slice of the context.
fn attend(example: Example<'_>, sizes: Sizes, head: usize, (scores, context): (&mut [f32], &mut [f32])) {
    let Sizes { rows, length, hidden, .. } = sizes;
    let [query, key, value] =
        [example.query, example.key, example.value].map(|states| sizes.of_head(states, head));
    multiply([rows, sizes.size(), length], query, key.transposed(), (&mut *scores, length));
    run(Softmax {
        scores: &mut *scores,
        first_row: 0,
        rows_of_example: rows,
        penalties: example.penalties,
        keys: length,
        scale: sizes.scale(),
    });
    let context = &mut context[head * sizes.size()..];
    multiply([rows, length, sizes.size()], sizes.scores_factor(scores), value, (context, hidden));
}

/// One head's slices of the gradients; `given` are the example's probabilities and the context's gradient.
fn attend_backward(
    example: Example<'_>,
    (sizes, head): (Sizes, usize),
    (probabilities, gradient): (&[f32], &[f32]),
    (scores, [of_query, of_key, of_value]): (&mut [f32], [&mut [f32]; 3]),
) {
    let Sizes { rows, length, hidden, .. } = sizes;
    let (size, start) = (sizes.size(), head * sizes.size());
    let [query, key, value, gradient] =
        [example.query, example.key, example.value, gradient].map(|states| sizes.of_head(states, head));
    let probabilities = &probabilities[head * sizes.scores()..][..sizes.scores()];
    let by_query = sizes.scores_factor(probabilities).transposed(); // (length, rows)
    multiply([length, rows, size], by_query, gradient, (&mut of_value[start..], hidden));
    multiply([rows, size, length], gradient, value.transposed(), (&mut *scores, length));
    run(SoftmaxBackward { gradients: &mut *scores, probabilities, keys: length, scale: sizes.scale() });
    let scores = sizes.scores_factor(scores);
    multiply([rows, length, size], scores, key, (&mut of_query[start..], hidden));
    multiply([length, rows, size], scores.transposed(), query, (&mut of_key[start..], hidden));
}
