//! Wilcoxon's signed-rank test of paired differences.

/// The probability, if neither side were better, of a rank sum at least as far from its expectation
/// (two-sided, exact). Differences of zero are left out; ties share their mean rank. `None` without
/// any difference.
pub fn p_value(differences: &[f64]) -> Option<f64> {
    let mut sizes: Vec<f64> = differences.iter().copied().filter(|value| *value != 0.0).collect();
    if sizes.is_empty() {
        return None;
    }
    sizes.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    // Twice the mean rank is whole, so that sums can be counted.
    let doubled_rank = |value: f64| {
        let below = sizes.iter().filter(|other| other.abs() < value.abs()).count();
        let equal = sizes.iter().filter(|other| other.abs() == value.abs()).count();
        2 * below + equal + 1
    };
    let ranks: Vec<usize> = sizes.iter().map(|&value| doubled_rank(value)).collect();
    let total: usize = ranks.iter().sum();
    let positive: usize =
        ranks.iter().zip(&sizes).filter(|(_, value)| **value > 0.0).map(|(rank, _)| rank).sum();
    let mut ways = vec![0.0; total + 1];
    ways[0] = 1.0;
    for rank in ranks {
        for sum in (rank..=total).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let smaller = positive.min(total - positive);
    let tail: f64 = ways[..=smaller].iter().sum();
    Some((2.0 * tail / ways.iter().sum::<f64>()).min(1.0))
}
