//! Progress in plain lines, for logs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use autodistillation::RunEvent;
use autodistillation::distillation::Event;
use autodistillation::report::shown_duration;

use super::pace::Pace;
use super::phrases;
use crate::terminal::say;

/// Shortest time between two lines about steps.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes a line when something begins or ends, and now and then in between.
pub struct Lines {
    goals: Vec<String>,
    state: Mutex<State>,
}

struct State {
    trials: u32,
    finished: u32,
    /// Trials that this process has finished, for the estimate.
    finished_here: u32,
    search_began: Instant,
    running: BTreeMap<u32, Pace>,
    latest_step: Instant,
}

impl Lines {
    pub fn new(goals: Vec<String>) -> Self {
        let now = Instant::now();
        let state = State {
            trials: 0,
            finished: 0,
            finished_here: 0,
            search_began: now,
            running: BTreeMap::new(),
            latest_step: now,
        };
        Self { goals, state: Mutex::new(state) }
    }

    /// Says what there is to say about `event`.
    pub fn hear(&self, event: &RunEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = state.line(event, &self.goals, Instant::now()) {
            say(&line);
        }
    }
}

impl State {
    fn line(&mut self, event: &RunEvent, goals: &[String], now: Instant) -> Option<String> {
        match event {
            RunEvent::Note(note) => Some(format!("note: {note}")),
            RunEvent::Phase(phase) => Some(phase.clone()),
            RunEvent::SearchStarted { trials, finished, jobs } => {
                (self.trials, self.finished, self.search_began) = (*trials, *finished, now);
                Some(format!("search: {trials} trials, {finished} finished, {jobs} at a time"))
            }
            RunEvent::TrialStarted { number, architecture, steps } => {
                self.running.insert(*number, Pace::new(*steps, now));
                Some(format!("{}: {architecture} ({steps} steps)", self.name(*number)))
            }
            RunEvent::Training { number, event } => self.training(*number, event, now),
            RunEvent::TrialWaiting { number, early } => {
                self.running.remove(number);
                Some(format!("{} {}", self.name(*number), phrases::waiting(early, goals)))
            }
            RunEvent::TrialFinished { number, outcome } => {
                self.running.remove(number);
                self.finished += 1;
                self.finished_here += 1;
                let outcome = phrases::outcome(outcome, goals);
                Some(format!("{} {outcome} [{}]", self.name(*number), self.overall(now)))
            }
        }
    }

    fn training(&mut self, number: u32, event: &Event, now: Instant) -> Option<String> {
        let name = self.name(number);
        match event {
            Event::StageStarted { stage, steps } => {
                let pace = self.running.entry(number).or_insert_with(|| Pace::new(0, now));
                pace.start_stage((*stage, *steps), now);
                None
            }
            Event::TeacherAnswered { done, total, .. } => {
                self.is_due(now).then(|| format!("{name}: {}", phrases::teacher(*done, *total)))
            }
            Event::Step { step, loss, .. } => {
                if !self.is_due(now) {
                    return None;
                }
                let moment = self.running.get(&number)?.at(*step, now);
                Some(format!("{name}: {}", phrases::moment(&moment, *loss)))
            }
            Event::Narrowed { stage, untouched } => Some(format!(
                "{name}: stage {} trains {untouched} parameters less than its block has",
                stage + 1
            )),
            Event::Explained { .. } => None,
            Event::StageFinished(report) => Some(format!("{name}: {}", phrases::stage(report))),
        }
    }

    /// Whether it is time for another line about work that goes on.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.latest_step) >= PATIENCE;
        if due {
            self.latest_step = now;
        }
        due
    }

    /// Before a search begins, training is the teacher's or a single student's.
    fn name(&self, number: u32) -> String {
        if self.trials == 0 { "training".to_owned() } else { format!("trial {number}") }
    }

    /// `4 of 10 trials, 3 min 12 s left`
    fn overall(&self, now: Instant) -> String {
        let left = f64::from(self.trials.saturating_sub(self.finished));
        let each = now.saturating_duration_since(self.search_began).as_secs_f64()
            / f64::from(self.finished_here.max(1));
        let estimate =
            if left > 0.0 { format!(", {} left", shown_duration(left * each)) } else { String::new() };
        format!("{} of {} trials{estimate}", self.finished, self.trials)
    }
}

#[cfg(test)]
mod tests {
    use autodistillation::search::{Architecture, Outcome};

    use super::*;

    fn lines(events: &[(u64, RunEvent)]) -> Vec<String> {
        let start = Instant::now();
        let Lines { state, goals } = Lines::new(Vec::new());
        let mut state = state.into_inner().unwrap();
        state.latest_step = start;
        let line = |(seconds, event): &(u64, RunEvent)| {
            state.line(event, &goals, start + Duration::from_secs(*seconds))
        };
        events.iter().filter_map(line).collect()
    }

    fn step(step: u32) -> RunEvent {
        RunEvent::Training { number: 3, event: Event::Step { stage: 0, step, loss: 0.5 } }
    }

    #[test]
    fn a_trial_is_told_from_start_to_end_with_few_lines_in_between() {
        let architecture: Architecture = [("hidden_size", 128)].into_iter().collect();
        let started = RunEvent::Training { number: 3, event: Event::StageStarted { stage: 0, steps: 100 } };
        let told = lines(&[
            (0, RunEvent::SearchStarted { trials: 10, finished: 3, jobs: 2 }),
            (0, RunEvent::TrialStarted { number: 3, architecture, steps: 100 }),
            (0, started),
            (1, step(10)),
            (5, step(50)),
            (6, step(60)),
            (20, RunEvent::TrialFinished { number: 3, outcome: Outcome::Failed("loss is NaN".to_owned()) }),
        ]);
        assert_eq!(
            told,
            [
                "search: 10 trials, 3 finished, 2 at a time",
                "trial 3: hidden_size=128 (100 steps)",
                "trial 3: stage 1, step 50/100, loss 0.5000, 10.0 steps/s, 5.0 s left",
                "trial 3 failed: loss is NaN [4 of 10 trials, 2 min 00 s left]",
            ]
        );
    }

    #[test]
    fn training_outside_a_search_has_no_trial() {
        let started = RunEvent::Training { number: 3, event: Event::StageStarted { stage: 0, steps: 100 } };
        let told = lines(&[(0, started), (5, step(50))]);
        assert_eq!(told, ["training: stage 1, step 50/100, loss 0.5000, 10.0 steps/s, 5.0 s left"]);
    }
}
