//! The volume that a set of points dominates above a reference point.

use crate::pareto;

/// The exact volume between `reference` and the points, every coordinate better when larger.
///
/// Two coordinates are swept in O(n log n); more are sliced along the last one (HSO: While et al.,
/// "A faster algorithm for calculating hypervolume", 2006), in O(nᵈ⁻¹). Points that do not exceed
/// the reference everywhere, or that hold a NaN, add nothing.
pub fn hypervolume<P: AsRef<[f64]>>(points: &[P], reference: &[f64]) -> f64 {
    let above: Vec<&[f64]> = points
        .iter()
        .map(AsRef::as_ref)
        .filter(|point| point.iter().zip(reference).all(|(value, limit)| value > limit))
        .collect();
    match reference.len() {
        0 => 0.0,
        1 => above.iter().map(|point| point[0] - reference[0]).fold(0.0, f64::max),
        2 => swept_area(above, reference),
        _ => sliced_volume(above, reference),
    }
}

/// Sweeps from the largest first coordinate down, adding a strip whenever the second one grows.
fn swept_area(mut points: Vec<&[f64]>, reference: &[f64]) -> f64 {
    points.sort_by(|a, b| b[0].total_cmp(&a[0]));
    let mut height = reference[1];
    let mut area = 0.0;
    for point in points {
        if point[1] > height {
            area += (point[0] - reference[0]) * (point[1] - height);
            height = point[1];
        }
    }
    area
}

/// Cuts along the last coordinate; each slice has the volume of the points that reach it.
fn sliced_volume(mut points: Vec<&[f64]>, reference: &[f64]) -> f64 {
    let last = reference.len() - 1;
    points.sort_by(|a, b| b[last].total_cmp(&a[last]));
    let mut volume = 0.0;
    for count in 1..=points.len() {
        let top = points[count - 1][last];
        let bottom = points.get(count).map_or(reference[last], |next| next[last]);
        if top > bottom {
            volume += (top - bottom) * projected_volume(&points[..count], &reference[..last]);
        }
    }
    volume
}

fn projected_volume(points: &[&[f64]], reference: &[f64]) -> f64 {
    let projected: Vec<&[f64]> = points.iter().map(|point| &point[..reference.len()]).collect();
    let front: Vec<&[f64]> = pareto::non_dominated(&projected).into_iter().map(|at| projected[at]).collect();
    hypervolume(&front, reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Σ over non-empty subsets of (−1)^(size+1) × the volume of their common box.
    fn by_inclusion_and_exclusion(points: &[Vec<f64>], reference: &[f64]) -> f64 {
        (1u32..1 << points.len())
            .map(|subset| {
                let members = points.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 1);
                let common = members.fold(vec![f64::INFINITY; reference.len()], |common, (_, point)| {
                    common.iter().zip(point).map(|(a, b)| a.min(*b)).collect()
                });
                let volume: f64 = common.iter().zip(reference).map(|(a, b)| (a - b).max(0.0)).product();
                if subset.count_ones() % 2 == 1 { volume } else { -volume }
            })
            .sum()
    }

    fn points(dimensions: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
        prop::collection::vec(prop::collection::vec(-0.2..1.0f64, dimensions), 0..7)
    }

    proptest! {
        #[test]
        fn equals_inclusion_and_exclusion(points in (1usize..5).prop_flat_map(points)) {
            let reference = vec![0.0; points.first().map_or(2, Vec::len)];
            let expected = by_inclusion_and_exclusion(&points, &reference);
            prop_assert!((hypervolume(&points, &reference) - expected).abs() < 1e-9);
        }

        #[test]
        fn never_shrinks_when_a_point_is_added(points in points(3), extra in prop::collection::vec(0.0..1.0f64, 3)) {
            let before = hypervolume(&points, &[0.0; 3]);
            let mut more = points;
            more.push(extra);
            prop_assert!(hypervolume(&more, &[0.0; 3]) >= before - 1e-12);
        }
    }

    #[test]
    fn points_with_nan_or_below_the_reference_add_nothing() {
        let points = [[2.0, 1.0], [1.0, 2.0], [f64::NAN, 5.0], [9.0, -1.0]];
        assert_eq!(hypervolume(&points, &[0.0, 0.0]), 3.0);
    }
}
