//! Dominance between points whose every coordinate is better when larger.

/// Whether `a` is at least as good as `b` everywhere and better somewhere.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a >= b) && a.iter().zip(b).any(|(a, b)| a > b)
}

/// The positions of the points that no other point dominates, in the order given.
///
/// Equal points do not dominate each other, so ties all stay. Points with a NaN never enter.
pub fn non_dominated<P: AsRef<[f64]>>(points: &[P]) -> Vec<usize> {
    let is_valid = |point: &[f64]| !point.iter().any(|value| value.is_nan());
    let valid: Vec<usize> =
        (0..points.len()).filter(|&position| is_valid(points[position].as_ref())).collect();
    let is_dominated = |candidate: usize| {
        valid.iter().any(|&other| dominates(points[other].as_ref(), points[candidate].as_ref()))
    };
    valid.iter().copied().filter(|&candidate| !is_dominated(candidate)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_front_is_mutually_non_dominated_and_dominates_the_rest(
            points in prop::collection::vec(prop::collection::vec(0..6i32, 3), 0..25)
        ) {
            let points: Vec<Vec<f64>> =
                points.into_iter().map(|point| point.into_iter().map(f64::from).collect()).collect();
            let front = non_dominated(&points);
            for &a in &front {
                prop_assert!(front.iter().all(|&b| !dominates(&points[a], &points[b])));
            }
            for rest in (0..points.len()).filter(|position| !front.contains(position)) {
                prop_assert!(front.iter().any(|&a| dominates(&points[a], &points[rest])));
            }
        }
    }

    #[test]
    fn ties_stay_in_the_order_given_and_nan_never_enters() {
        let points = [[1.0, 2.0], [f64::NAN, 9.0], [2.0, 1.0], [1.0, 2.0], [0.0, 2.0]];
        assert_eq!(non_dominated(&points), [0, 2, 3]);
    }
}
