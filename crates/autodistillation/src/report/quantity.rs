//! How a metric is named and in which unit it is shown.

use autodistillation_search::Goal;

use super::digits::{fixed, measured, trimmed, with_prefix};

/// A metric's title and unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantity {
    /// Its title, such as `Latency`.
    pub title: String,
    unit: Unit,
}

/// The unit that an axis is drawn in: shown value = value × factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AxisUnit {
    /// Shown value per stored value.
    pub factor: f64,
    /// What follows the title, such as `ms`; empty for bare numbers.
    pub symbol: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    /// A share of one, shown in per cent.
    Share,
    Coefficient,
    Loss,
    Milliseconds,
    Count,
    Megabytes,
    Plain,
}

impl Quantity {
    /// The quantity behind a metric's name; unknown ones are plain numbers under their own name.
    pub fn of(metric: &str) -> Self {
        let (title, unit) = match canonical(metric) {
            "accuracy" => ("Accuracy", Unit::Share),
            "f1" => ("F1", Unit::Share),
            "exact_match" => ("Exact match", Unit::Share),
            "micro_f1" => ("Micro F1", Unit::Share),
            "matthews" => ("Matthews correlation", Unit::Coefficient),
            "pearson" => ("Pearson correlation", Unit::Coefficient),
            "spearman" => ("Spearman correlation", Unit::Coefficient),
            "next_sentence" => ("Next-sentence accuracy", Unit::Share),
            "perplexity" => ("Perplexity", Unit::Loss),
            "loss" => ("Loss", Unit::Loss),
            "latency" => ("Latency", Unit::Milliseconds),
            "parameters" => ("Parameters", Unit::Count),
            "flops" => ("FLOPs", Unit::Count),
            "size_mb" => ("Size", Unit::Megabytes),
            _ => (metric, Unit::Plain),
        };
        Self { title: title.to_owned(), unit }
    }

    /// A value with its unit: `82.22 %`, `2.63 ms`, `4.78 M`.
    pub fn show(&self, value: f64) -> String {
        match self.unit {
            Unit::Share if value.abs() <= 1.0 => fixed(value * 100.0, 2) + " %",
            Unit::Coefficient => fixed(value, 3),
            Unit::Milliseconds => measured(value, 3) + " ms",
            Unit::Count => with_prefix(value),
            Unit::Megabytes => measured(value, 3) + " MB",
            Unit::Share | Unit::Loss | Unit::Plain => measured(value, 4),
        }
    }

    /// A round value as a person gave it, without trailing zeros: `8 ms`, `90 %`.
    pub fn show_limit(&self, value: f64) -> String {
        let text = self.show(value);
        match text.split_once(' ') {
            Some((number, unit)) => format!("{} {unit}", trimmed(number)),
            None => trimmed(&text).to_owned(),
        }
    }

    /// The unit for an axis whose largest absolute value is given.
    pub fn axis_unit(&self, largest: f64) -> AxisUnit {
        let unit = |factor, symbol| AxisUnit { factor, symbol };
        match self.unit {
            Unit::Share if largest <= 1.0 => unit(100.0, "%"),
            Unit::Milliseconds => unit(1.0, "ms"),
            Unit::Megabytes => unit(1.0, "MB"),
            Unit::Count if largest >= 1e9 => unit(1e-9, "billions"),
            Unit::Count if largest >= 1e6 => unit(1e-6, "millions"),
            Unit::Count if largest >= 1e3 => unit(1e-3, "thousands"),
            _ => unit(1.0, ""),
        }
    }
}

/// A metric's name without the `eval_` prefix.
pub(crate) fn canonical(metric: &str) -> &str {
    metric.strip_prefix("eval_").unwrap_or(metric)
}

/// The metric behind a value measured on the way: `accuracy` of `flash_accuracy`.
pub(crate) fn of_intermediate(name: &str) -> &str {
    name.strip_prefix("flash_").unwrap_or(name)
}

/// Whether a metric says what a network costs rather than how good it is.
pub(crate) fn is_cost(metric: &str) -> bool {
    matches!(canonical(metric), "latency" | "parameters" | "flops" | "size_mb")
}

/// The best end of a goal in words: `most accurate`, `fastest`, `lowest energy`.
pub(crate) fn superlative(goal: &Goal) -> String {
    use autodistillation_search::Direction::{Maximize, Minimize};
    match (canonical(&goal.metric), goal.direction) {
        ("accuracy", Maximize) => "most accurate".to_owned(),
        ("latency", Minimize) => "fastest".to_owned(),
        ("parameters" | "size_mb", Minimize) => "smallest".to_owned(),
        ("flops", Minimize) => "cheapest to compute".to_owned(),
        (_, Maximize) => format!("best by {}", in_sentence(&goal.metric)),
        (_, Minimize) => format!("lowest in {}", in_sentence(&goal.metric)),
    }
}

/// A metric's title within a sentence: `accuracy`, but `F1` and `FLOPs`.
pub(crate) fn in_sentence(metric: &str) -> String {
    match canonical(metric) {
        "accuracy" | "loss" | "latency" | "parameters" => canonical(metric).to_owned(),
        "size_mb" => "size".to_owned(),
        _ => Quantity::of(metric).title,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(metric: &str, value: f64) -> String {
        Quantity::of(metric).show(value)
    }

    #[test]
    fn known_metrics_have_titles_and_units() {
        assert_eq!(show("accuracy", 0.822_247_7), "82.22 %");
        assert_eq!(show("eval_accuracy", 0.5), "50.00 %");
        assert_eq!(show("latency", 2.630_267), "2.63 ms");
        assert_eq!(show("parameters", 4_782_722.0), "4.78 M");
        assert_eq!(show("size_mb", 19.13), "19.1 MB");
        assert_eq!(show("matthews", 0.61236), "0.612");
        assert_eq!(Quantity::of("latency").show_limit(8.0), "8 ms");
        assert_eq!(Quantity::of("eval_loss").title, "Loss");
    }

    #[test]
    fn unknown_metrics_and_accuracies_already_in_per_cent_stay_plain() {
        assert_eq!(show("energy", 12.34567), "12.35");
        assert_eq!(Quantity::of("energy").title, "energy");
        assert_eq!(show("accuracy", 82.2247), "82.22");
        assert_eq!(Quantity::of("accuracy").axis_unit(82.0).factor, 1.0);
    }

    #[test]
    fn best_ends_read_as_words() {
        assert_eq!(superlative(&Goal::minimize("latency")), "fastest");
        assert_eq!(superlative(&Goal::maximize("eval_f1")), "best by F1");
        assert_eq!(superlative(&Goal::minimize("energy")), "lowest in energy");
    }
}
