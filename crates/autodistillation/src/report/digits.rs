//! Numbers as people read them: few digits, SI prefixes, hours and minutes.

/// A plain number with at most so many significant digits, without trailing zeros after the point.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    let text = measured(value, digits);
    if text.contains('e') { text } else { trimmed(&text).to_owned() }
}

/// A plain number with exactly so many significant digits, so that columns of measurements align.
///
/// Below 10⁻⁴ and from 10¹⁵ on it turns to scientific notation.
pub(crate) fn measured(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return non_finite(value);
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // The exponent after rounding: 9.996 with three digits is 10.0.
    let rounded = format!("{value:.*e}", digits.saturating_sub(1));
    let exponent: i32 = rounded.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    if !(-4..15).contains(&exponent) {
        return rounded;
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    format!("{value:.decimals$}")
}

/// A number with exactly so many decimals.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { non_finite(value) }
}

/// A number with three significant digits and the prefix k, M, G or T: `4.78 M`.
pub(crate) fn with_prefix(value: f64) -> String {
    let steps = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
    let chosen = steps.into_iter().find(|(size, _)| value.abs() >= size * 0.9995);
    let (size, prefix) = chosen.unwrap_or((1.0, ""));
    if size == 1.0 { significant(value, 3) } else { measured(value / size, 3) + prefix }
}

/// Seconds as `350 ms`, `12.3 s`, `3 min 12 s` or `1 h 04 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return non_finite(seconds);
    }
    if seconds < 1.0 {
        return format!("{:.0} ms", seconds * 1e3);
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        return format!("{} min {:02} s", whole / 60, whole % 60);
    }
    let minutes = (seconds / 60.0).round() as u64;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// Bytes as binary multiples: `23.4 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    let steps = [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let chosen = steps.into_iter().find(|(size, _)| count >= *size);
    let (size, unit) = chosen.unwrap_or((1, "B"));
    format!("{} {unit}", significant(count as f64 / size as f64, 3))
}

fn non_finite(value: f64) -> String {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "∞"
    } else {
        "-∞"
    }
    .to_owned()
}

/// Without trailing zeros after the point.
pub(crate) fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn significant_digits_are_counted_after_rounding() {
        let three = |value| significant(value, 3);
        assert_eq!(
            [three(9.996), three(2.6302), three(0.012345), three(12345.0)],
            ["10", "2.63", "0.0123", "12345"]
        );
        assert_eq!([three(0.0), three(-0.5), three(1e-7), three(1e20)], ["0", "-0.5", "1.00e-7", "1.00e20"]);
        assert_eq!([three(f64::NAN), three(f64::INFINITY)], ["NaN", "∞"]);
    }

    #[test]
    fn prefixes_change_where_three_digits_round_up() {
        assert_eq!(with_prefix(4_782_722.0), "4.78 M");
        assert_eq!(
            [with_prefix(999.0), with_prefix(999_900.0), with_prefix(2.5e9)],
            ["999", "1.00 M", "2.50 G"]
        );
    }

    #[test]
    fn durations_never_show_sixty_of_anything() {
        assert_eq!([duration(0.35), duration(12.34), duration(59.96)], ["350 ms", "12.3 s", "1 min 00 s"]);
        assert_eq!(
            [duration(192.0), duration(3599.7), duration(3840.0)],
            ["3 min 12 s", "1 h 00 min", "1 h 04 min"]
        );
    }

    #[test]
    fn memory_is_in_binary_multiples() {
        assert_eq!([bytes(512), bytes(25_124_000_000)], ["512 B", "23.4 GiB"]);
    }

    proptest! {
        #[test]
        fn three_significant_digits_are_within_half_a_percent(value in -1e18f64..1e18) {
            let read: f64 = significant(value, 3).parse().unwrap();
            prop_assert!((read - value).abs() <= value.abs() * 0.0051);
        }
    }
}
