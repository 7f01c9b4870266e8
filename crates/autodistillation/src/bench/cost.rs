//! Operations that the matrix products of a step or call take, in closed form.

use super::BenchOptions;

/// Operations of one forward pass as the engine runs it: a multiply-add counts as 2, and the last layer's queries,
/// output and feed-forward part are computed for the first token alone, which is all that the classifier reads.
pub(super) fn forward(options: &BenchOptions) -> f64 {
    let tokens = options.batch * options.length;
    let whole = options.layers.saturating_sub(1) as f64 * layer(options, tokens);
    let head = options.batch * (options.hidden * options.hidden + 2 * options.hidden);
    whole + layer(options, options.batch) + 2.0 * head as f64
}

/// Operations of a training step: both gradients of a product cost as much as the product each.
pub(super) fn training_step(options: &BenchOptions) -> f64 {
    3.0 * forward(options)
}

/// Operations of one layer that computes the next state of so many of the batch's tokens.
fn layer(options: &BenchOptions, queries: usize) -> f64 {
    let tokens = options.batch * options.length;
    let keys_and_values = tokens * 2 * options.hidden * options.hidden;
    let queries_and_output = queries * 2 * options.hidden * options.hidden;
    let attention = queries * 2 * options.length * options.hidden;
    let feed_forward = queries * 2 * options.hidden * options.ffn;
    2.0 * (keys_and_values + queries_and_output + attention + feed_forward) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_over_every_token_costs_what_the_network_is_said_to_cost() {
        let options = BenchOptions {
            hidden: 256,
            heads: 4,
            ffn: 1024,
            layers: 6,
            batch: 32,
            length: 128,
            vocabulary: 10,
            steps: 1,
            jobs: 1,
            threads: 1,
            precision: crate::TrainingPrecision::F32,
        };
        let config = super::super::network_config(&options).unwrap();
        let head = 32.0 * 2.0 * (256.0 * 256.0 + 512.0);
        let whole = 6.0 * layer(&options, 32 * 128) + head;
        assert_eq!(whole, 32.0 * autodistillation_models::cost::flops(&config, 128) as f64);
        assert!(forward(&options) < whole);
    }
}
