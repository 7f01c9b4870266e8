//! The one training loop: a stage takes a student, a teacher and examples, and gives the student back.

mod watch;

use std::ops::ControlFlow;

use autodistillation_kernels::DropoutKey;
use burn::tensor::{Device, Tensor};

use crate::criterion::{self, Criterion, Explained, Forwards, Pass};
use crate::event::{Event, Listener, StageEnd, StageReport};
use crate::gradients::FlatGradients;
use crate::matcher::Matchers;
use crate::optimizer::StepSize;
use crate::ramp::progress;
use crate::teacher::{Answers, Part, Progress};
use crate::{
    Batch, Block, Error, ExampleSet, Features, Mode, Network, Optimizer, OptimizerConfig, Order, Parameters,
    Schedule, Stage, StageKind, Teacher,
};
use watch::Watch;

/// How every stage of a run is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSettings {
    /// The optimiser and its constants.
    pub optimizer: OptimizerConfig,
    /// The learning rate's course within a stage.
    pub schedule: Schedule,
    /// Examples in a step.
    pub batch_size: usize,
    /// Micro-batches a step is cut into; their gradients are added.
    pub accumulation: usize,
    /// Largest global norm of a step's gradients; absent = no clipping.
    pub max_gradient_norm: Option<f64>,
    /// When a regular stage ends before its steps are done; absent = never.
    pub early_stop: Option<EarlyStop>,
}

/// When a stage ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlyStop {
    /// Steps between two looks at the validation set.
    pub every: u32,
    /// Looks without a better loss before the stage ends.
    pub patience: u32,
}

/// Where a run's random choices come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// The order of examples; shared by all trials.
    pub order: u64,
    /// Dropout and fresh matchers; one per trial.
    pub trial: u64,
}

/// Everything a stage is taught with.
pub struct Course<'a, T: Network> {
    /// Who teaches.
    pub teacher: &'a Teacher<T>,
    /// What on.
    pub training: &'a ExampleSet,
    /// What early stopping looks at.
    pub validation: &'a ExampleSet,
    /// How.
    pub settings: &'a TrainingSettings,
    /// With which random choices.
    pub seeds: Seeds,
    /// Who hears about it.
    pub listener: &'a dyn Listener,
}

/// Steps between two looks at how much of the teacher a block explains.
const WATCH_EVERY: u32 = 25;
/// Below this share of its mean square, a feature's variance across tokens counts as collapsed.
const COLLAPSED_SPREAD: f64 = 0.02;
/// Batches that fit the matchers before the first step.
const FITTING_BATCHES: usize = 16;

impl<T: Network> Course<'_, T> {
    /// Trains `student` through one stage; `matchers` are those of earlier stages and come back updated.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] when the loss is no longer a number, [`Error::NoGradient`] when part of a named block
    /// cannot learn, [`Error::Stopped`] when the listener breaks off, and the criterion's errors.
    pub fn run_stage<S: Network>(
        &self,
        student: S,
        (position, stage): (usize, &Stage),
        matchers: &mut Matchers,
    ) -> Result<(S, StageReport), Error> {
        if self.training.is_empty() {
            return Err(Error::NoExamples { role: "training" });
        }
        let seed = self.seeds.trial.wrapping_add(position as u64 + 1);
        let mut criterion =
            criterion::build(&stage.criterion, (&student, &self.teacher.network()), matchers, seed)?;
        let student = self.check_block(student.train_only(&stage.block), (position, stage))?;
        let mut run = StageRun::new(self, (position, stage), student);
        run.prepare_teacher(criterion.as_ref())?;
        run.fit_matchers(criterion.as_mut());
        let report = run.train(criterion.as_mut())?;
        if let Some(kept) = criterion.matchers() {
            matchers.append(kept);
        }
        Ok((run.student.frozen(), report))
    }

    fn check_block<S: Network>(&self, student: S, (_, stage): (usize, &Stage)) -> Result<S, Error> {
        let names = student.parameters();
        for module in stage.block.modules() {
            let block = Block::new([module.as_str()]);
            if !names.iter().any(|(name, _)| block.holds(name)) {
                let known =
                    crate::error::describe_layers(&student.layers(), &crate::LayerPath::new(module.as_str()));
                return Err(Error::EmptyBlock { block: module.clone(), known });
            }
        }
        Ok(student)
    }
}

/// The training examples that a stage sees, some of them several times.
pub fn rows_of_stage(order: Order, training: &ExampleSet, steps: u32) -> Vec<u32> {
    order.batches(training).take((steps as usize).max(FITTING_BATCHES)).flatten().collect()
}

/// One stage while it runs.
struct StageRun<'a, S: Network, T: Network> {
    course: &'a Course<'a, T>,
    stage: &'a Stage,
    position: usize,
    student: S,
    start: S,
    optimizer: Optimizer,
    device: Device,
    /// The teacher on the training set and on the validation set.
    answers: (Answers<'a, T>, Answers<'a, T>),
    losses: Vec<f32>,
    tokens: Tokens,
}

/// Real and padded tokens seen.
#[derive(Default)]
struct Tokens {
    real: f64,
    padded: f64,
}

impl<'a, S: Network, T: Network> StageRun<'a, S, T> {
    fn new(course: &'a Course<'a, T>, (position, stage): (usize, &'a Stage), student: S) -> Self {
        let device = student.device();
        let optimizer = Optimizer::new(course.settings.optimizer);
        let start = student.clone();
        let answers = (
            course.teacher.answers(Part::Training, course.training),
            course.teacher.answers(Part::Validation, course.validation),
        );
        Self {
            course,
            stage,
            position,
            student,
            start,
            optimizer,
            device,
            answers,
            losses: Vec::new(),
            tokens: Tokens::default(),
        }
    }

    /// The rule that may end this stage early; flash stages always run to their end.
    fn early_stop(&self) -> Option<EarlyStop> {
        self.course.settings.early_stop.filter(|_| self.stage.kind == StageKind::Regular)
    }

    fn order(&self) -> Order {
        let batch_size = self.course.settings.batch_size;
        Order { seed: self.course.seeds.order, stage: self.position as u64, batch_size }
    }

    /// Has the teacher answer everything that the stage will ask, as far as there is room to keep it.
    fn prepare_teacher(&self, criterion: &dyn Criterion) -> Result<(), Error> {
        let Course { training, validation, .. } = *self.course;
        let rows = rows_of_stage(self.order(), training, self.stage.steps);
        let mut tell = |Progress { done, total }| {
            self.course.listener.hear(&Event::TeacherAnswered { stage: self.position, done, total })
        };
        let taps = criterion.teacher_taps();
        let mut told = self.answers.0.prepare(rows, taps, &mut tell);
        if self.early_stop().is_some() && told.is_continue() {
            told = self.answers.1.prepare(0..validation.len() as u32, taps, &mut tell);
        }
        if told.is_break() { Err(Error::Stopped) } else { Ok(()) }
    }

    fn train(&mut self, criterion: &mut dyn Criterion) -> Result<StageReport, Error> {
        self.tell(&Event::StageStarted { stage: self.position, steps: self.stage.steps })?;
        let start = (self.student.clone(), criterion.matchers().cloned());
        let mut watch = Watch::new(self.early_stop(), start);
        let order = self.order();
        let set = self.course.training;
        let mut end = StageEnd::Complete;
        for (step, rows) in (0..self.stage.steps).zip(order.batches(set)) {
            let (loss, mut gradients) = self.gradients(criterion, &rows, step)?;
            self.update(criterion, &mut gradients, step);
            self.losses.push(loss);
            self.tell(&Event::Step { stage: self.position, step: step + 1, loss })?;
            if let Some(reason) = self.look(criterion, &rows, (step + 1, &mut watch))? {
                end = reason;
                break;
            }
        }
        self.finish(criterion, end, watch)
    }

    /// The loss and the gradients of one step, summed over its micro-batches.
    fn gradients(
        &mut self,
        criterion: &mut dyn Criterion,
        rows: &[u32],
        step: u32,
    ) -> Result<(f32, FlatGradients), Error> {
        let parts = rows.chunks(rows.len().div_ceil(self.course.settings.accumulation.max(1)));
        let mut sum = FlatGradients::default();
        let mut loss = 0.0;
        for (number, part) in parts.enumerate() {
            let share = part.len() as f64 / rows.len() as f64;
            let batch = self.course.training.batch(part, &self.device);
            self.tokens.count(&batch);
            let tokens = self.course.training.tokens(part);
            self.change_student(|optimizer, student| optimizer.catch_up(student, &tokens));
            let key = self.dropout_key(step).derive(number as u64);
            let progress = progress(step, self.stage.steps);
            let total = self.loss(criterion, (&batch, Mode::Training(key)), progress)? * share;
            loss += total.clone().without_autodiff().into_scalar::<f32>();
            if !loss.is_finite() {
                return Err(Error::Diverged { stage: self.position + 1, step: step + 1, loss });
            }
            let mut gradients = total.backward();
            let mut flat = FlatGradients::default();
            flat.collect(&self.student, &mut gradients);
            for matcher in criterion.matchers().into_iter().flat_map(|matchers| matchers.values()) {
                flat.collect(matcher, &mut gradients);
            }
            if step == 0 && number == 0 {
                self.check_reach(&flat)?;
            }
            sum.accumulate(flat);
        }
        Ok((loss, sum))
    }

    fn loss(
        &self,
        criterion: &dyn Criterion,
        (batch, mode): (&Batch, Mode),
        progress: f64,
    ) -> Result<Tensor<1>, Error> {
        let (student, teacher) = self.forwards(criterion, batch, mode);
        let terms = criterion.terms(Forwards { batch, student: &student, teacher: &teacher, progress })?;
        let total = terms.total().filter(Tensor::is_tracked);
        total.ok_or(Error::NothingToMinimise { stage: self.position + 1 })
    }

    fn forwards(&self, criterion: &dyn Criterion, batch: &Batch, mode: Mode) -> (Features, Features) {
        let teacher = self.answers.0.features(batch, criterion.teacher_taps());
        (self.student.forward(batch, criterion.student_taps(), mode), teacher)
    }

    /// A named block must learn as a whole; the whole network may leave out what the losses do not reach.
    fn check_reach(&self, gradients: &FlatGradients) -> Result<(), Error> {
        let missing = gradients.missing();
        if missing.is_empty() {
            return Ok(());
        }
        if self.stage.block == Block::everything() {
            return self.tell(&Event::Narrowed { stage: self.position, untouched: missing.len() });
        }
        let names = self.student.names_of(missing);
        Err(Error::NoGradient { stage: self.position + 1, names })
    }

    fn update(&mut self, criterion: &mut dyn Criterion, gradients: &mut FlatGradients, step: u32) {
        let settings = self.course.settings;
        let gradient_scale = settings.max_gradient_norm.map_or(1.0, |most| gradients.clipping(most));
        let learning_rate = self.stage.learning_rate * settings.schedule.factor(step, self.stage.steps);
        let size = StepSize { learning_rate, gradient_scale };
        self.optimizer.next_step();
        self.change_student(|optimizer, student| optimizer.update(student, gradients, size));
        for matcher in criterion.matchers().into_iter().flat_map(|matchers| matchers.values_mut()) {
            *matcher = self.optimizer.update(matcher.clone(), gradients, size);
        }
    }

    /// Replaces the student without a second handle on its values, so that they can be changed in place.
    fn change_student(&mut self, change: impl FnOnce(&mut Optimizer, S) -> S) {
        let student = std::mem::replace(&mut self.student, self.start.clone());
        self.student = change(&mut self.optimizer, student);
    }

    /// Fits fresh width matchers in closed form, so that no step is wasted on them.
    fn fit_matchers(&self, criterion: &mut dyn Criterion) {
        let student = self.student.clone().frozen();
        let taps = (criterion.student_taps().clone(), criterion.teacher_taps().clone());
        let order = self.order();
        let mut passes = order.batches(self.course.training).take(FITTING_BATCHES).map(|rows| {
            let batch = self.course.training.batch(&rows, &self.device);
            let student = student.forward(&batch, &taps.0, Mode::Evaluation);
            let teacher = self.answers.0.features(&batch, &taps.1);
            Pass { batch, student, teacher }
        });
        criterion.fit(&mut passes);
    }

    /// Looks after the block and at the validation set from time to time; says how the stage ends if it does.
    fn look(
        &mut self,
        criterion: &mut dyn Criterion,
        rows: &[u32],
        (step, watch): (u32, &mut Watch<S>),
    ) -> Result<Option<StageEnd>, Error> {
        if step % WATCH_EVERY == 0 && self.stage.kind == StageKind::Flash {
            let mappings = self.explained(criterion, rows);
            let collapsed = mappings.iter().any(|mapping| mapping.spread < COLLAPSED_SPREAD);
            self.tell(&Event::Explained { stage: self.position, step, mappings })?;
            watch.collapsed = if collapsed { watch.collapsed + 1 } else { 0 };
            if watch.collapsed >= 2 {
                return Ok(Some(StageEnd::Collapsed));
            }
        }
        match watch.early_stop {
            Some(rule) if step % rule.every == 0 => {
                self.change_student(Optimizer::settle);
                let loss = self.validation_loss(criterion)?;
                let tired = watch.judge(loss, (&self.student, criterion.matchers()), rule);
                Ok(tired.then_some(StageEnd::Early))
            }
            _ => Ok(None),
        }
    }

    fn explained(&self, criterion: &dyn Criterion, rows: &[u32]) -> Vec<Explained> {
        let batch = self.course.training.batch(rows, &self.device);
        let student = self.student.clone().frozen();
        let student = student.forward(&batch, criterion.student_taps(), Mode::Evaluation);
        let teacher = self.answers.0.features(&batch, criterion.teacher_taps());
        criterion.explained(Forwards { batch: &batch, student: &student, teacher: &teacher, progress: 1.0 })
    }

    /// With the temperature and the weights of the stage's end, so that losses of different steps can be compared.
    fn validation_loss(&self, criterion: &dyn Criterion) -> Result<f64, Error> {
        let student = self.student.clone().frozen();
        let set = self.course.validation;
        let mut sum = 0.0;
        for rows in set.by_length(self.course.settings.batch_size) {
            let batch = set.batch(&rows, &self.device);
            let features = student.forward(&batch, criterion.student_taps(), Mode::Evaluation);
            let teacher = self.answers.1.features(&batch, criterion.teacher_taps());
            let forwards = Forwards { batch: &batch, student: &features, teacher: &teacher, progress: 1.0 };
            let terms = criterion.terms(forwards)?;
            let total = terms.total().map_or(0.0, |total| f64::from(total.into_scalar::<f32>()));
            sum += total * rows.len() as f64;
        }
        Ok(sum / set.len().max(1) as f64)
    }

    fn finish(
        &mut self,
        criterion: &mut dyn Criterion,
        end: StageEnd,
        watch: Watch<S>,
    ) -> Result<StageReport, Error> {
        self.change_student(Optimizer::settle);
        let goes_back = match end {
            StageEnd::Collapsed => Some(watch.start),
            StageEnd::Early => Some(watch.best),
            StageEnd::Complete if watch.early_stop.is_some() => {
                let last = self.validation_loss(criterion)?;
                (watch.best_loss < last).then_some(watch.best)
            }
            StageEnd::Complete => None,
        };
        if let Some((student, matchers)) = goes_back {
            self.student = student;
            if let (Some(present), Some(earlier)) = (criterion.matchers(), matchers) {
                *present = earlier;
            }
        }
        let last_rows = self.order().batches(self.course.training).next().unwrap_or_default();
        let tail = self.losses.len().div_ceil(10);
        let last = &self.losses[self.losses.len() - tail..];
        let report = StageReport {
            stage: self.position,
            steps: self.losses.len() as u32,
            first_loss: self.losses.first().copied().unwrap_or(f32::NAN),
            last_loss: last.iter().sum::<f32>() / tail as f32,
            explained: self.explained(criterion, &last_rows),
            end,
            padding: self.tokens.padding(),
            teacher_seconds: self.answers.0.seconds() + self.answers.1.seconds(),
        };
        // A finished stage is handed over though the user wants to stop: the next one stops before its first step.
        let _ = self.course.listener.hear(&Event::StageFinished(report.clone()));
        Ok(report)
    }

    fn dropout_key(&self, step: u32) -> DropoutKey {
        DropoutKey { seed: self.course.seeds.trial }.derive(self.position as u64).derive(u64::from(step))
    }

    fn tell(&self, event: &Event) -> Result<(), Error> {
        match self.course.listener.hear(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }
}

impl Tokens {
    fn count(&mut self, batch: &Batch) {
        let real: f64 = batch.lengths.iter().map(|&length| f64::from(length)).sum();
        self.real += real;
        self.padded += (batch.size() * batch.length()) as f64 - real;
    }

    fn padding(&self) -> f64 {
        self.padded / (self.real + self.padded).max(1.0)
    }
}
