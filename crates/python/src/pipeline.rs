//! Whole runs from Python: the calling thread hears events and watches for Ctrl-C while others work.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use autodistillation::report::ParetoFile;
use autodistillation::run::{RunOptions, RunResult};
use autodistillation::{Error, Plan, RunEvent};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::failure::{config_error, raised};

/// How often a run looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);

/// Where a run goes and what it may use.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    output: PathBuf,
    jobs: Option<usize>,
    threads: Option<usize>,
}

/// Runs the search of a config's text into a folder, or goes on with it; its results as JSON. `listener` is called with
/// one event at a time, as JSON, on the calling thread.
#[pyfunction]
#[pyo3(signature = (text, origin, options, listener=None))]
pub(crate) fn run(
    py: Python<'_>,
    text: &str,
    origin: PathBuf,
    options: Options,
    listener: Option<Py<PyAny>>,
) -> PyResult<String> {
    let plan = Plan::parse(text, &origin).map_err(|errors| config_error(&errors))?;
    let options = RunOptions {
        output: options.output,
        config_text: text.to_owned(),
        jobs: options.jobs,
        threads: options.threads,
        cache: None,
        latency_profile: None,
    };
    let stop = AtomicBool::new(false);
    let (result, heard) = py.detach(|| {
        let (sender, events) = channel();
        std::thread::scope(|scope| {
            let (options, stop) = (&options, &stop);
            let work = scope.spawn(move || {
                let tell = move |event: &RunEvent| {
                    // A listener that has gone away hears nothing; the run goes on.
                    let _ = described(event).map(|event| sender.send(event));
                };
                autodistillation::run::run(plan, options, (&tell, stop))
            });
            let heard = watch(&events, listener.as_ref(), stop);
            (work.join().unwrap_or(Err(Error::WorkerPanicked)), heard)
        })
    });
    heard?;
    found(&result.map_err(|error| raised(&error))?)
}

/// Checks a config's text without training: points, stages, mappings and costs as JSON.
#[pyfunction]
pub(crate) fn check(py: Python<'_>, text: &str, origin: PathBuf) -> PyResult<String> {
    let plan = Plan::parse(text, Path::new(&origin)).map_err(|errors| config_error(&errors))?;
    let report = py.detach(|| autodistillation::check::check(plan, None)).map_err(|error| raised(&error))?;
    serde_json::to_string(&report).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Hands events on until the run ends. An exception of the listener, or Ctrl-C, stops the run after saving.
fn watch(events: &Receiver<Value>, listener: Option<&Py<PyAny>>, stop: &AtomicBool) -> PyResult<()> {
    let mut heard = Ok(());
    loop {
        let event = match events.recv_timeout(LOOK) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return heard,
        };
        let looked = Python::attach(|py| {
            py.check_signals()?;
            match (event, listener) {
                (Some(event), Some(listener)) => listener.call1(py, (event.to_string(),)).map(|_| ()),
                _ => Ok(()),
            }
        });
        if looked.is_err() {
            stop.store(true, Ordering::Relaxed);
            heard = heard.and(looked);
        }
    }
}

/// An event as JSON; `None` for the steps of a training.
fn described(event: &RunEvent) -> Option<Value> {
    Some(match event {
        RunEvent::Note(text) => json!({"event": "note", "text": text}),
        RunEvent::Phase(text) => json!({"event": "phase", "text": text}),
        RunEvent::SearchStarted { trials, finished, jobs } => {
            json!({"event": "search_started", "trials": trials, "finished": finished, "jobs": jobs})
        }
        RunEvent::TrialStarted { number, architecture, steps } => {
            json!({"event": "trial_started", "number": number, "architecture": architecture, "steps": steps})
        }
        RunEvent::TrialWaiting { number, early } => {
            json!({"event": "trial_waiting", "number": number, "metrics": early})
        }
        RunEvent::TrialFinished { number, outcome } => {
            json!({"event": "trial_finished", "number": number, "outcome": outcome})
        }
        RunEvent::Training { .. } => return None,
    })
}

fn found(result: &RunResult) -> PyResult<String> {
    let value = json!({
        "output": result.output,
        "pareto": ParetoFile::of(&result.summary),
        "trials": result.summary.study.trials,
    });
    serde_json::to_string(&value).map_err(|error| PyValueError::new_err(error.to_string()))
}
