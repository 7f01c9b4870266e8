//! Sizes in bytes as people write them.

const UNITS: [(&str, u64); 13] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
    ("B", 1),
];

/// Reads `2GiB`, `500 MB`, `1.5T` or a number of bytes; upper and lower case are the same.
///
/// # Errors
///
/// What to write instead.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let factor = match unit {
        "" => Some(1),
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor),
    };
    let number = digits.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    match (number, factor) {
        (Some(number), Some(factor)) => Ok((number * factor as f64) as u64),
        _ => Err("expected a size such as 2GiB or 500MB, or 0".to_owned()),
    }
}

/// `1.5 GiB`
pub fn shown_size(bytes: u64) -> String {
    let binary = UNITS[..4].iter().rev().find(|(_, factor)| bytes >= *factor);
    match binary {
        Some((unit, factor)) => format!("{:.1} {unit}", bytes as f64 / *factor as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in
            [("2GiB", 2 << 30), ("500 MB", 500_000_000), ("1.5k", 1536), ("7", 7), ("0", 0), ("3 b", 3)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "-1", "2 GiBs", "1e999", "two"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!(shown_size(12), "12 B");
        assert_eq!(shown_size(3 << 29), "1.5 GiB");
    }
}
