//! `environment.json`: everything besides the config that a run's numbers depend on.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Machine;

/// Version, machine, seeds, and the hashes of what went in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Environment {
    /// The version of autodistillation.
    pub version: String,
    /// When this was gathered, in UTC: `2026-11-23T19:12:00Z`.
    pub created: String,
    /// The machine.
    pub machine: Machine,
    /// The device that trained, such as `flex`, and its precision.
    pub device: String,
    /// Students trained side by side.
    pub jobs: usize,
    /// Threads of each student.
    pub threads_per_job: usize,
    /// Versions of what the numbers depend on, such as `burn`.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// Seeds by what they drive, such as `search`.
    #[serde(default)]
    pub seeds: BTreeMap<String, u64>,
    /// Content hashes by what was read: `teacher`, `train`, `validation`, `test`.
    #[serde(default)]
    pub hashes: BTreeMap<String, String>,
    /// How latency was measured.
    #[serde(default)]
    pub latency: Option<LatencySettings>,
    /// The other machine that it was measured on; absent = this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_machine: Option<String>,
}

/// How latency was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencySettings {
    /// Examples in a call.
    pub batch_size: usize,
    /// Tokens of each example.
    pub length: usize,
    /// Threads of the call.
    pub threads: usize,
    /// Timed calls after the warm-up.
    pub repeats: usize,
}

impl Environment {
    /// This program on this machine, now; the caller adds device, jobs, seeds and hashes.
    pub fn gather() -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created: utc(seconds),
            machine: Machine::gather(),
            ..Self::default()
        }
    }
}

impl LatencySettings {
    /// One line: `batch 1, 32 tokens, 1 thread, 50 calls after warm-up`.
    pub fn describe(&self) -> String {
        let threads = super::machine::counted(self.threads, "thread");
        format!(
            "batch {}, {} tokens, {threads}, {} calls after warm-up",
            self.batch_size, self.length, self.repeats
        )
    }
}

/// Seconds since 1970 as an RFC 3339 time in UTC.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let (mut year, mut left) = (1970, days);
    while left >= days_in_year(year) {
        left -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while left >= days_in_month(year, month) {
        left -= days_in_month(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates_across_leap_years() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn a_gathered_environment_states_its_version_and_is_read_back_the_same() {
        let environment = Environment::gather();
        assert_eq!(environment.version, env!("CARGO_PKG_VERSION"));
        let json = serde_json::to_string(&environment).unwrap();
        assert_eq!(serde_json::from_str::<Environment>(&json).unwrap(), environment);
    }
}
