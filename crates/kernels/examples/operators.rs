//! How much faster than the composition from Burn's operators is each fused one, forward and backward, on one thread?
//!
//! `cargo run --release -p autodistillation-kernels --example operators`

#![expect(clippy::disallowed_methods, reason = "a benchmark reads a clock")]
#![expect(clippy::print_stdout, reason = "the program's result is its table")]

use std::{error::Error, time::Instant};

use autodistillation_kernels::{
    AdamWStep, Arithmetic, DropoutKey, WeightDecay, adamw_step, add_layer_norm, composed, dropout, embedding,
    gelu, gelu_tanh, layer_norm, linear, masked_softmax,
};
use burn::tensor::{Device, Distribution, Int, Tensor};

const VOCABULARY: usize = 30_522;
const KEY: DropoutKey = DropoutKey { seed: 1 };

fn main() -> Result<(), Box<dyn Error>> {
    let shapes = [
        Shape { batch: 32, length: 32, hidden: 128, ffn: 512, heads: 2 },
        Shape { batch: 32, length: 128, hidden: 256, ffn: 1024, heads: 4 },
    ];
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    one_thread.install(|| shapes.iter().for_each(Shape::report));
    Ok(())
}

/// One encoder layer's sizes.
#[derive(Debug)]
struct Shape {
    batch: usize,
    length: usize,
    hidden: usize,
    ffn: usize,
    heads: usize,
}

impl Shape {
    fn report(&self) {
        println!(
            "\n{self:?}\n{:<28}{:>12}{:>14}{:>9}",
            "operator", "fused (µs)", "composed (µs)", "speed-up"
        );
        self.dense();
        self.normalization();
        self.activations();
        self.attention();
        self.embedding();
        optimizer("adamw, one encoder layer", 4 * self.hidden * self.hidden + 2 * self.hidden * self.ffn);
        optimizer("adamw, word embeddings", VOCABULARY * self.hidden);
    }

    fn rows(&self, width: usize) -> Tensor<3> {
        leaf([self.batch, self.length, width])
    }

    fn dense(&self) {
        let (input, weight, bias) = (self.rows(self.hidden), leaf([self.hidden, self.ffn]), leaf([self.ffn]));
        compare(
            "linear with bias",
            || backward(linear(input.clone(), weight.clone(), Some(bias.clone()), Arithmetic::F32)),
            || backward(composed::linear(input.clone(), weight.clone(), Some(bias.clone()))),
        );
    }

    fn normalization(&self) {
        let (input, residual) = (self.rows(self.hidden), self.rows(self.hidden));
        let (weight, bias) = (leaf([self.hidden]), leaf([self.hidden]));
        compare(
            "layer_norm",
            || backward(layer_norm(input.clone(), weight.clone(), bias.clone(), 1e-12)),
            || backward(composed::layer_norm(input.clone(), weight.clone(), bias.clone(), 1e-12)),
        );
        compare(
            "add_layer_norm",
            || backward(add_layer_norm(input.clone(), residual.clone(), weight.clone(), bias.clone(), 1e-12)),
            || {
                backward(composed::layer_norm(
                    input.clone() + residual.clone(),
                    weight.clone(),
                    bias.clone(),
                    1e-12,
                ))
            },
        );
        compare(
            "dropout, hidden states",
            || backward(dropout(input.clone(), 0.1, KEY)),
            || backward(composed::dropout(input.clone(), 0.1, KEY)),
        );
    }

    fn activations(&self) {
        let input = self.rows(self.ffn);
        compare("gelu", || backward(gelu(input.clone())), || backward(composed::gelu(input.clone())));
        compare(
            "gelu_tanh",
            || backward(gelu_tanh(input.clone())),
            || backward(composed::gelu_tanh(input.clone())),
        );
    }

    fn attention(&self) {
        let scores: Tensor<4> = leaf([self.batch, self.heads, self.length, self.length]);
        let mask = Tensor::<2>::ones([self.batch, self.length], &Device::flex());
        compare(
            "masked_softmax",
            || backward(masked_softmax(scores.clone(), mask.clone(), 0.125)),
            || backward(composed::masked_softmax(scores.clone(), mask.clone(), 0.125)),
        );
        compare(
            "dropout, probabilities",
            || backward(dropout(scores.clone(), 0.1, KEY)),
            || backward(composed::dropout(scores.clone(), 0.1, KEY)),
        );
    }

    fn embedding(&self) {
        let table: Tensor<2> = leaf([VOCABULARY, self.hidden]);
        let count = (self.batch * self.length) as i64;
        let ids = Tensor::<1, Int>::arange(0..count, &Device::flex())
            .mul_scalar(7)
            .reshape([self.batch, self.length]);
        compare(
            "embedding",
            || backward(embedding(table.clone(), ids.clone())),
            || backward(composed::embedding(table.clone(), ids.clone())),
        );
    }
}

fn optimizer(name: &str, length: usize) {
    let step = AdamWStep {
        learning_rate: 1e-4,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.01,
        step: 10,
        gradient_scale: 1.0,
        decoupled: WeightDecay::Decoupled,
    };
    let gradient = random([length]);
    let state = || Some((random([length]), (random([length]), random([length]).abs())));
    let (mut fused, mut composed) = (state(), state());
    compare(
        name,
        || {
            fused = fused
                .take()
                .map(|(parameter, moments)| adamw_step(parameter, gradient.clone(), moments, &step))
        },
        || {
            composed = composed.take().map(|(parameter, moments)| {
                composed::adamw_step(parameter, gradient.clone(), moments, &step)
            });
        },
    );
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn leaf<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    random(shape).autodiff().require_grad()
}

fn backward<const D: usize>(output: Tensor<D>) {
    drop(output.backward());
}

/// Times both in turn, so that both meet the same machine, and prints the fastest run of each: the one that nothing else disturbed.
fn compare(name: &str, mut fused: impl FnMut(), mut composed: impl FnMut()) {
    let (start, mut rounds) = (Instant::now(), 0);
    let (mut fused_fastest, mut composed_fastest) = (f64::INFINITY, f64::INFINITY);
    while rounds < 10 || start.elapsed().as_millis() < 1000 {
        fused_fastest = fused_fastest.min(microseconds(&mut fused));
        composed_fastest = composed_fastest.min(microseconds(&mut composed));
        rounds += 1;
    }
    println!(
        "{name:<28}{fused_fastest:>12.0}{composed_fastest:>14.0}{:>8.1}×",
        composed_fastest / fused_fastest
    );
}

fn microseconds(work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e6
}
