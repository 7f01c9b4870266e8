//! A search that is asked and told: the study behind `AutoDistillation` and `Study` in Python.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use autodistillation::config::SearchConfig;
use autodistillation::search::{Architecture, Metrics, Trial};
use autodistillation::store::{RunLock, StudyStore};
use autodistillation::{AutoDistillation, Elsewhere, Error};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::failure::{ForkedProcessError, config_error, raised};

/// A study with its advisor: `ask` proposes an architecture, `tell` ends its trial.
#[pyclass(frozen, module = "autodistillation._autodistillation")]
pub(crate) struct Search {
    agent: ManuallyDrop<AutoDistillation<Elsewhere>>,
    config: String,
    process: u32,
    lock: ManuallyDrop<Option<RunLock>>,
}

#[pymethods]
impl Search {
    /// The search of a config's text; messages call the config `origin`. With a folder the study is kept in its
    /// `study.db`, and goes on where that left off.
    #[new]
    #[pyo3(signature = (text, origin, folder=None))]
    fn new(py: Python<'_>, text: &str, origin: PathBuf, folder: Option<PathBuf>) -> PyResult<Self> {
        let config = SearchConfig::parse(text, &origin).map_err(|errors| config_error(&errors))?;
        let json = json(&config)?;
        let (agent, lock) = py.detach(|| open(config, folder.as_deref())).map_err(|error| raised(&error))?;
        let (agent, lock) = (ManuallyDrop::new(agent), ManuallyDrop::new(lock));
        Ok(Self { agent, config: json, process: std::process::id(), lock })
    }

    /// The next trial as JSON, `None` once the search is over.
    fn ask(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.require_own_process()?;
        let asked = py.detach(|| self.agent.model_arch_proposition()).map_err(|error| raised(&error))?;
        let Some(trial) = asked else { return Ok(None) };
        if let Err(interrupt) = py.check_signals() {
            self.agent.give_back(trial.number).map_err(|error| raised(&error))?;
            return Err(interrupt);
        }
        json(&trial).map(Some)
    }

    /// Ends a trial with its metrics; the trial as JSON, failed where a goal is missing or no number.
    fn tell(&self, py: Python<'_>, number: u32, metrics: Vec<(String, f64)>) -> PyResult<String> {
        self.end(py, number, Ok(metrics.into_iter().collect()))
    }

    /// Ends a trial without metrics, for this reason; the trial as JSON.
    fn fail(&self, py: Python<'_>, number: u32, reason: String) -> PyResult<String> {
        self.end(py, number, Err(reason))
    }

    /// Gives back a trial whose work was interrupted: it is asked for again next.
    fn give_back(&self, number: u32) -> PyResult<()> {
        self.require_own_process()?;
        self.agent.give_back(number).map_err(|error| raised(&error))
    }

    /// Every trial as JSON, in the order in which it was started.
    fn trials(&self) -> PyResult<String> {
        json(&self.agent.search_result().trials)
    }

    /// The numbers of the trials on the Pareto front, in order of evaluation.
    fn front(&self) -> Vec<u32> {
        self.agent.search_result().pareto_front().into_iter().map(|trial| trial.number).collect()
    }

    /// The volume between the front and a reference point, given in the goals' order and units.
    fn hypervolume(&self, reference: Vec<f64>) -> PyResult<f64> {
        let goals = self.agent.config().goals.len();
        if reference.len() != goals {
            let message = format!("the reference has {} values, the study {goals} goals", reference.len());
            return Err(PyValueError::new_err(message));
        }
        Ok(self.agent.search_result().hypervolume(&reference))
    }

    /// Why an architecture, as JSON, is no point of the search space; `None` where it is one.
    fn misfit(&self, architecture: &str) -> Option<String> {
        let space = self.agent.search_space().space();
        let read: Result<Architecture, _> = serde_json::from_str(architecture);
        match read {
            Err(problem) => Some(problem.to_string()),
            Ok(read) if space.index_of(&read).is_none() => {
                Some(format!("`{read}` is not a point of the search space"))
            }
            Ok(_) => None,
        }
    }

    /// The config as it was understood, as JSON.
    #[getter]
    fn config(&self) -> &str {
        &self.config
    }

    /// Points of the search space.
    #[getter]
    fn size(&self) -> u128 {
        self.agent.search_space().space().size()
    }
}

impl Search {
    fn end(&self, py: Python<'_>, number: u32, measured: Result<Metrics, String>) -> PyResult<String> {
        self.require_own_process()?;
        py.detach(|| self.agent.tell(number, measured)).map_err(|error| raised(&error))?;
        let study = self.agent.search_result();
        json(&study.trials.iter().find(|trial: &&Trial| trial.number == number))
    }

    /// A forked copy would write to the parent's study store.
    fn require_own_process(&self) -> PyResult<()> {
        if std::process::id() == self.process {
            return Ok(());
        }
        let message = "this study belongs to the process that was forked: end the child with os._exit, or open a study of its own";
        Err(ForkedProcessError::new_err(message))
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        if std::process::id() != self.process {
            return; // The parent's: closing its files here would end its lock and its database's log.
        }
        // SAFETY: neither is used after this, and drop runs once.
        unsafe {
            ManuallyDrop::drop(&mut self.agent);
            ManuallyDrop::drop(&mut self.lock);
        }
    }
}

fn open(
    config: SearchConfig,
    folder: Option<&Path>,
) -> Result<(AutoDistillation<Elsewhere>, Option<RunLock>), Error> {
    let Some(folder) = folder else { return Ok((agent(config), None)) };
    let lock = RunLock::acquire(folder)?;
    let store = StudyStore::open(&folder.join("study.db"), &config.definition())?;
    Ok((agent(config).with_store(store)?, Some(lock)))
}

fn agent(config: SearchConfig) -> AutoDistillation<Elsewhere> {
    let mut agent = AutoDistillation::new(config.search, Elsewhere);
    agent.start_clock();
    agent
}

fn json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))
}
