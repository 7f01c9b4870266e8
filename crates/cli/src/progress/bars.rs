//! Progress in bars, for terminals: one for the search, one for each training that runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use autodistillation::RunEvent;
use autodistillation::distillation::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::pace::Pace;
use super::phrases;
use crate::terminal::say;

/// How often the clocks of the bars move on.
const TICK: Duration = Duration::from_secs(1);
const SEARCH: &str = "{prefix} {bar:24} {pos}/{len} trials, {elapsed} so far, about {eta} left";
const TRAINING: &str = "{prefix} {bar:24} {pos}/{len} {msg}";
const PHASE: &str = "{spinner} {msg}";

/// Draws the bars.
pub struct Bars {
    goals: Vec<String>,
    screen: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    search: Option<ProgressBar>,
    phase: Option<ProgressBar>,
    running: BTreeMap<u32, (ProgressBar, Pace)>,
}

impl Bars {
    pub fn new(goals: Vec<String>) -> Self {
        Self { goals, screen: MultiProgress::new(), state: Mutex::default() }
    }

    /// Takes all bars away.
    pub fn clear(&self) {
        *self.state() = State::default();
        let _ = self.screen.clear(); // A terminal that has gone away shows nothing anyhow.
    }

    /// Draws what has changed.
    pub fn hear(&self, event: &RunEvent) {
        let mut state = self.state();
        match event {
            RunEvent::Note(note) => self.keep(&format!("note: {note}")),
            RunEvent::Phase(phase) => self.start_phase(&mut state, phase),
            RunEvent::SearchStarted { trials, finished, .. } => {
                self.start_search(&mut state, (*trials, *finished))
            }
            RunEvent::TrialStarted { number, architecture, steps } => {
                remove_phase(&mut state);
                remove_training(&mut state, *number);
                let bar = self.training_bar(*steps, self.name(&state, *number));
                bar.set_message(architecture.to_string());
                state.running.insert(*number, (bar, Pace::new(*steps, Instant::now())));
            }
            RunEvent::Training { number, event } => self.train(&mut state, *number, event),
            RunEvent::TrialWaiting { number, early } => {
                remove_training(&mut state, *number);
                self.keep(&format!("trial {number} {}", phrases::waiting(early, &self.goals)));
            }
            RunEvent::TrialFinished { number, outcome } => {
                remove_training(&mut state, *number);
                self.keep(&format!("trial {number} {}", phrases::outcome(outcome, &self.goals)));
                state.search.iter().for_each(|bar| bar.inc(1));
            }
        }
    }

    fn start_phase(&self, state: &mut State, phase: &str) {
        remove_phase(state);
        for number in state.running.keys().copied().collect::<Vec<_>>() {
            remove_training(state, number); // The teacher's: phases lie before and after the search.
        }
        let bar = self.screen.add(ProgressBar::new_spinner().with_style(style(PHASE)));
        bar.set_message(phase.to_owned());
        bar.enable_steady_tick(TICK / 10);
        state.phase = Some(bar);
    }

    fn start_search(&self, state: &mut State, (trials, finished): (u32, u32)) {
        remove_phase(state);
        let bar = ProgressBar::new(trials.into()).with_style(style(SEARCH)).with_prefix("search");
        let bar = self.screen.insert(0, bar);
        bar.set_position(finished.into());
        bar.reset_eta();
        bar.enable_steady_tick(TICK);
        state.search = Some(bar);
    }

    fn train(&self, state: &mut State, number: u32, event: &Event) {
        match event {
            Event::StageStarted { stage, steps } => {
                let name = self.name(state, number);
                let (bar, pace) = state.running.entry(number).or_insert_with(|| {
                    (self.training_bar((*steps).into(), name), Pace::new(0, Instant::now()))
                });
                pace.start_stage((*stage, *steps), Instant::now());
                bar.tick();
            }
            Event::TeacherAnswered { done, total, .. } => {
                if let Some((bar, _)) = state.running.get(&number) {
                    bar.set_message(phrases::teacher(*done, *total));
                }
            }
            Event::Step { step, loss, .. } => {
                let Some((bar, pace)) = state.running.get(&number) else { return };
                let moment = pace.at(*step, Instant::now());
                bar.set_position(moment.done);
                bar.set_message(phrases::moment(&moment, *loss));
            }
            Event::StageFinished(report) => {
                self.keep(&format!("{}: {}", self.name(state, number), phrases::stage(report)));
            }
            Event::Explained { .. } | Event::Narrowed { .. } => {}
        }
    }

    /// Before a search begins, training is the teacher's or a single student's.
    fn name(&self, state: &State, number: u32) -> String {
        if state.search.is_some() { format!("trial {number}") } else { "training".to_owned() }
    }

    fn training_bar(&self, steps: u64, name: String) -> ProgressBar {
        let bar = self.screen.add(ProgressBar::new(steps).with_style(style(TRAINING)).with_prefix(name));
        bar.tick();
        bar
    }

    /// A line that stays above the bars.
    fn keep(&self, line: &str) {
        self.screen.suspend(|| say(line));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_phase(state: &mut State) {
    state.phase.take().iter().for_each(ProgressBar::finish_and_clear);
}

fn remove_training(state: &mut State, number: u32) {
    state.running.remove(&number).iter().for_each(|(bar, _)| bar.finish_and_clear());
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_understood() {
        for template in [SEARCH, TRAINING, PHASE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
