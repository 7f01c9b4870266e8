//! The machine that a run was made on: processor, cores, features, memory, system.

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

use super::digits::bytes;

/// Facts that measurements depend on. What the system does not tell is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model, such as `Intel(R) Xeon(R) Platinum 8481C`.
    #[serde(default)]
    pub processor: Option<String>,
    /// The instruction set, such as `x86_64`.
    pub architecture: String,
    /// Physical cores.
    #[serde(default)]
    pub cores: Option<usize>,
    /// Threads that this process may run at once, containers and affinity considered.
    pub threads: usize,
    /// Vector and matrix instructions that change training speed.
    #[serde(default)]
    pub features: Vec<String>,
    /// The operating system, such as `Debian GNU/Linux 12 (bookworm), Linux 6.1.0`.
    pub system: String,
    /// Main memory in bytes.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Sixteen hexadecimal digits that differ wherever the facts above do: latencies of different
    /// fingerprints are not comparable.
    pub fingerprint: String,
}

/// The instruction sets that the kernels of a small transformer can use.
const FEATURES: [&str; 19] = [
    "sse4_2",
    "f16c",
    "fma",
    "avx",
    "avx2",
    "avx_vnni",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "sve",
    "bf16",
    "i8mm",
];

impl Machine {
    /// This machine, from the standard library and, on Linux, `/proc` and `/etc/os-release`.
    pub fn gather() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let sources = Sources {
            processors: &read("/proc/cpuinfo"),
            memory: &read("/proc/meminfo"),
            release: &read("/etc/os-release"),
            kernel: &read("/proc/sys/kernel/osrelease"),
        };
        Self::from_sources(&sources, threads)
    }

    /// One line: processor, cores, threads, memory.
    pub fn describe(&self) -> String {
        let mut parts = vec![self.processor.clone().unwrap_or_else(|| self.architecture.clone())];
        parts.extend(self.cores.map(|cores| counted(cores, "core")));
        parts.push(counted(self.threads, "thread"));
        parts.extend(self.memory.map(bytes));
        parts.join(", ")
    }

    fn from_sources(sources: &Sources<'_>, threads: usize) -> Self {
        let mut machine = Self {
            processor: value_of(sources.processors, "model name").map(str::to_owned),
            architecture: std::env::consts::ARCH.to_owned(),
            cores: physical_cores(sources.processors),
            threads,
            features: features(sources.processors),
            system: system(sources),
            memory: memory(sources.memory),
            fingerprint: String::new(),
        };
        machine.fingerprint = machine.hashed();
        machine
    }

    fn hashed(&self) -> String {
        // Memory is left out: the kernel's share of it changes from boot to boot.
        let facts = format!(
            "{:?}|{}|{:?}|{}|{:?}|{}",
            self.processor, self.architecture, self.cores, self.threads, self.features, self.system
        );
        blake3::hash(facts.as_bytes()).to_hex().as_str().chars().take(16).collect()
    }
}

/// The text of the files that Linux describes itself in; empty where there are none.
struct Sources<'a> {
    processors: &'a str,
    memory: &'a str,
    release: &'a str,
    kernel: &'a str,
}

/// The value of the first `key : value` line.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    values_of(text, key).next()
}

fn values_of<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

fn physical_cores(processors: &str) -> Option<usize> {
    let sockets = values_of(processors, "physical id");
    let cores: BTreeSet<(&str, &str)> = sockets.zip(values_of(processors, "core id")).collect();
    (!cores.is_empty()).then_some(cores.len())
}

fn features(processors: &str) -> Vec<String> {
    let listed =
        value_of(processors, "flags").or_else(|| value_of(processors, "Features")).unwrap_or_default();
    let listed: BTreeSet<&str> = listed.split_whitespace().collect();
    FEATURES.iter().filter(|feature| listed.contains(*feature)).map(|feature| (*feature).to_owned()).collect()
}

fn memory(text: &str) -> Option<u64> {
    let kibibytes: u64 = value_of(text, "MemTotal")?.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn system(sources: &Sources<'_>) -> String {
    let distribution = sources.release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let distribution = distribution.map(|name| name.trim_matches('"'));
    let kernel = sources.kernel.trim();
    match (distribution, kernel) {
        (Some(name), "") => name.to_owned(),
        (Some(name), kernel) => format!("{name}, Linux {kernel}"),
        (None, "") => std::env::consts::OS.to_owned(),
        (None, kernel) => format!("Linux {kernel}"),
    }
}

pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORES_FOUR_THREADS: &str = "processor\t: 0\nmodel name\t: Example 9000\nphysical id\t: 0\ncore id\t\t: 0\n\
        flags\t\t: fpu avx2 avx512f fma\n\nprocessor\t: 1\nphysical id\t: 0\ncore id\t\t: 0\n\n\
        processor\t: 2\nphysical id\t: 0\ncore id\t\t: 1\n\nprocessor\t: 3\nphysical id\t: 0\ncore id\t\t: 1\n";

    fn example() -> Sources<'static> {
        Sources {
            processors: TWO_CORES_FOUR_THREADS,
            memory: "MemTotal:       25165824 kB\nMemFree: 1 kB\n",
            release: "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
            kernel: "6.1.0\n",
        }
    }

    #[test]
    fn linux_is_read_from_its_own_files() {
        let machine = Machine::from_sources(&example(), 4);
        assert_eq!(machine.describe(), "Example 9000, 2 cores, 4 threads, 24 GiB");
        assert_eq!(machine.features, ["fma", "avx2", "avx512f"]);
        assert_eq!(machine.system, "Debian GNU/Linux 12, Linux 6.1.0");
    }

    #[test]
    fn a_system_that_tells_nothing_is_described_by_what_the_compiler_knows() {
        let silent = Sources { processors: "", memory: "", release: "", kernel: "" };
        let machine = Machine::from_sources(&silent, 1);
        assert_eq!(machine.describe(), format!("{}, 1 thread", std::env::consts::ARCH));
        assert_eq!((machine.cores, machine.memory), (None, None));
        assert_eq!(machine.system, std::env::consts::OS);
    }

    #[test]
    fn the_fingerprint_follows_what_latency_depends_on() {
        let fingerprint = |threads| Machine::from_sources(&example(), threads).fingerprint;
        assert_eq!(fingerprint(4), fingerprint(4));
        assert_ne!(fingerprint(4), fingerprint(2));
        assert_eq!(fingerprint(4).len(), 16);
    }

    #[test]
    fn this_machine_has_at_least_one_thread() {
        assert!(Machine::gather().threads >= 1);
    }
}
