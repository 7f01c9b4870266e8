//! What a run is doing, on standard error: bars on a terminal, plain lines elsewhere, nothing if so wished.

mod bars;
mod lines;
mod pace;
mod phrases;

use std::io::IsTerminal;

use autodistillation::{RunEvent, RunListener};

use self::bars::Bars;
use self::lines::Lines;
use crate::arguments::ProgressArguments;

/// Shows the events of a run.
pub enum Progress {
    Silent,
    Lines(Lines),
    Bars(Bars),
}

impl Progress {
    /// As the flags and the kind of standard error ask for; of a finished trial's metrics only `goals` are shown,
    /// or all if there are none.
    pub fn new(arguments: &ProgressArguments, goals: Vec<String>) -> Self {
        match (arguments.quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Silent,
            (false, true) => Self::Bars(Bars::new(goals)),
            (false, false) => Self::Lines(Lines::new(goals)),
        }
    }

    /// Takes the bars away; notes and finished trials stay.
    pub fn finish(&self) {
        if let Self::Bars(bars) = self {
            bars.clear();
        }
    }
}

impl RunListener for Progress {
    fn hear(&self, event: &RunEvent) {
        match self {
            Self::Silent => {}
            Self::Lines(lines) => lines.hear(event),
            Self::Bars(bars) => bars.hear(event),
        }
    }
}
