//! How much of NAS-Bench-201's Pareto front does the Bayesian advisor reach in 20, 50 and 100 trials?
//!
//! Accuracy after 200 epochs is maximised against a measured latency over all 15,625 networks; the
//! table answers every trial. Reported is the hypervolume relative to the table's whole front, with
//! the reference at the lowest accuracy and the highest latency of the table, seed by seed, as a mean
//! over seeds, and with Wilcoxon's signed-rank test beside other programs under the same protocol.
//! Modes: `learned` (both goals come from trials), `known` (latency is known before any training),
//! `two-looks` and `two-looks-known` (a trial costs 12 epochs, and 200 more where the advisor has
//! it trained to the end).
//!
//! ```text
//! cargo run --release -p autodistillation-search --example nb201 -- nb201.csv --out ours.jsonl
//!     [--seeds 0:20] [--modes learned,known] [--columns lat_ms_1080ti_1,lat_ms_fpga]
//!     [--peers peers.jsonl] [--figure docs/search.svg]
//! ```
//!
//! Runs that `--out` has already are not repeated.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads a table, its arguments and a clock")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

mod figure;
mod record;
mod report;
mod search;
mod table;
mod wilcoxon;

use std::error::Error;
use std::ops::Range;

use record::Mode;
use table::Table;

const LATENCIES: [&str; 3] = ["lat_ms_1080ti_1", "lat_ms_fpga", "lat_ms_pixel3"];
const USAGE: &str = "usage: nb201 TABLE [--out FILE] [--seeds FIRST:END] [--modes learned,known,two-looks,two-looks-known] [--columns A,B] [--peers FILE] [--figure FILE]";

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = Options::read()? else {
        eprintln!("{USAGE}");
        return Ok(());
    };
    let mut records = match &options.out {
        Some(path) => record::read(path)?,
        None => Vec::new(),
    };
    if !options.seeds.is_empty() {
        let table = Table::read(&options.table)?;
        for (mode, column, seed) in options.runs() {
            if records.iter().any(|known| known.is_run(mode, column, seed)) {
                continue;
            }
            let found = search::run(&table, mode, column, seed)?;
            if let Some(path) = &options.out {
                record::append(path, &found)?;
            }
            records.push(found);
        }
    }
    let peers = options.peers.as_deref().map_or(Ok(Vec::new()), record::read)?;
    println!("{}", report::text(&records, &peers));
    if let Some(path) = &options.figure {
        std::fs::write(path, figure::svg(&records, &peers))?;
    }
    Ok(())
}

struct Options {
    table: String,
    out: Option<String>,
    seeds: Range<u64>,
    modes: Vec<Mode>,
    columns: Vec<String>,
    peers: Option<String>,
    figure: Option<String>,
}

impl Options {
    fn read() -> Result<Option<Self>, Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let Some(table) = arguments.next() else { return Ok(None) };
        let mut options = Self {
            table,
            out: None,
            seeds: 0..20,
            modes: vec![Mode::Learned, Mode::Known],
            columns: LATENCIES.map(str::to_owned).to_vec(),
            peers: None,
            figure: None,
        };
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--out" => options.out = Some(value),
                "--seeds" => options.seeds = seeds(&value)?,
                "--modes" => options.modes = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--columns" => options.columns = value.split(',').map(str::to_owned).collect(),
                "--peers" => options.peers = Some(value),
                "--figure" => options.figure = Some(value),
                _ => return Err(format!("unknown flag {flag}\n{USAGE}").into()),
            }
        }
        Ok(Some(options))
    }

    fn runs(&self) -> impl Iterator<Item = (Mode, &str, u64)> {
        let columns = move |seed, mode| self.columns.iter().map(move |column| (mode, column.as_str(), seed));
        self.seeds.clone().flat_map(move |seed| self.modes.iter().flat_map(move |&mode| columns(seed, mode)))
    }
}

fn seeds(text: &str) -> Result<Range<u64>, Box<dyn Error>> {
    let (first, end) = text.split_once(':').ok_or("--seeds takes FIRST:END, such as 0:20")?;
    Ok(first.parse()?..end.parse()?)
}
