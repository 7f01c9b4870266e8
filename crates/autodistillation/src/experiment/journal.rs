//! What happens in one stage of a trial.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;

use autodistillation_distillation::event::Event;
use parking_lot::RwLockReadGuard;

use crate::event::RunEvent;
use crate::experiment::TrialContext;
use crate::report::CurvePoint;
use crate::teacher_cache::Notes;

/// Points of a learning curve that a stage keeps.
const CURVE_POINTS: u32 = 200;

/// Follows one stage: passes events on, keeps the curve, and holds the right to compute.
pub(super) struct Journal<'a> {
    trial: &'a TrialContext<'a>,
    notes: &'a Notes,
    every: u32,
    position: usize,
    curve: RefCell<Vec<CurvePoint>>,
    working: RefCell<RwLockReadGuard<'a, ()>>,
}

impl<'a> Journal<'a> {
    pub(super) fn new(
        (trial, notes): (&'a TrialContext<'a>, &'a Notes),
        position: usize,
        steps: u32,
    ) -> Self {
        let working = RefCell::new(trial.shared.working());
        Self {
            trial,
            notes,
            every: steps.div_ceil(CURVE_POINTS).max(1),
            position,
            curve: RefCell::default(),
            working,
        }
    }

    pub(super) fn hear(&self, event: &Event) -> ControlFlow<()> {
        if let Event::Step { .. } | Event::TeacherAnswered { .. } = event {
            self.give_way();
        }
        for note in self.notes.take() {
            let _ = self.trial.tell(RunEvent::Note(note)); // The event itself is answered below.
        }
        if let Event::Step { step, loss, .. } = event
            && (step % self.every == 0 || *step == 1)
        {
            let point = CurvePoint { stage: self.position as u32, step: *step, loss: f64::from(*loss) };
            self.curve.borrow_mut().push(point);
        }
        self.trial.tell(RunEvent::Training { number: self.trial.number, event: event.clone() })
    }

    /// Lets a waiting latency measurement run between two steps, or two rounds of the teacher's answers.
    fn give_way(&self) {
        RwLockReadGuard::bump(&mut self.working.borrow_mut());
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), crate::Error> {
        crate::files::append_lines(&folder.join("curve.jsonl"), &self.curve.borrow())
    }
}
