//! Random weights whose values depend on the seed and the parameter's name alone.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Role, Slot};

impl Slot {
    /// The random start of this parameter: normal with `deviation` for matrices and tables, 1 for scales
    /// and 0 for biases.
    pub(crate) fn random(&self, seed: u64, deviation: f64) -> Vec<f32> {
        let count = self.dims.iter().product();
        match self.role {
            Role::Scale => vec![1.0; count],
            Role::Bias => vec![0.0; count],
            Role::Matrix | Role::Table => normal(stream(seed, &self.name), count, deviation),
        }
    }
}

/// The random stream of one parameter.
fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&fnv1a(name).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// FNV-1a, 64 bits: spreads the few names of a network.
fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// Independent normal numbers, two at a time (Box and Muller 1958).
fn normal(mut rng: ChaCha8Rng, count: usize, deviation: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = deviation * (-2.0 * unit(&mut rng).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * unit(&mut rng)).sin_cos();
        values.extend([(radius * cosine) as f32, (radius * sine) as f32]);
    }
    values.truncate(count);
    values
}

/// Uniform above 0 and up to 1, so that its logarithm is finite.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (f64::from(rng.next_u32()) + 1.0) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: &str) -> Slot {
        Slot { name: name.to_owned(), dims: vec![101, 99], role: Role::Matrix }
    }

    #[test]
    fn values_depend_on_seed_and_name() {
        let values = slot("a").random(1, 0.02);
        assert_eq!(values, slot("a").random(1, 0.02));
        assert_ne!(values, slot("a").random(2, 0.02));
        assert_ne!(values, slot("b").random(1, 0.02));
    }

    #[test]
    fn values_have_the_mean_deviation_and_tails_of_a_normal_distribution() {
        let values = slot("a").random(3, 0.02);
        let count = values.len() as f64;
        assert_eq!(values.len(), 101 * 99);
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
        let beyond = values.iter().filter(|v| v.abs() > 0.04).count() as f64 / count;
        assert!(mean.abs() < 1e-3, "mean {mean}");
        assert!((variance.sqrt() - 0.02).abs() < 5e-4, "deviation {}", variance.sqrt());
        assert!((beyond - 0.0455).abs() < 0.01, "{beyond} beyond two deviations");
    }

    #[test]
    fn scales_start_at_one_and_biases_at_zero() {
        assert_eq!(Slot { role: Role::Scale, ..slot("a") }.random(0, 0.02)[7], 1.0);
        assert_eq!(Slot { role: Role::Bias, ..slot("a") }.random(0, 0.02)[7], 0.0);
    }
}
