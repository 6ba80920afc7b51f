//! What the engine says of runs: how one goes, how it ends, which are kept, and which goes on by itself.

use spec::message::{Event, Request};
use spec::run::{RunInfo, RunStatus, StorageReport, TrainingPlan};
use spec::train::StepReport;
use spec::train::report::{CurvePoint, History, TrainWarning};

use super::training::{Live, MAX_TRIES, Planned, SAVE_EVERY_SECS, Tries};
use super::{Job, Phase, Progress, Shared, State};

impl State {
    /// Takes in what is said of the run under way; gives back what is no such event.
    pub(super) fn run_goes_on(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::TrainingStarted { run, warnings } => self.accept_start(*run, warnings),
            Event::Step { report, steps_done, remaining_secs, stood_still_secs } => {
                if let Some(live) = &mut self.training.live {
                    live.stood_still_secs += stood_still_secs.unwrap_or(0.0);
                }
                self.accept_step(*report, steps_done, remaining_secs);
            }
            Event::Glimpsed { glimpse } => {
                if let Some(live) = &mut self.training.live {
                    live.glimpse = Some(Shared::new(glimpse));
                }
            }
            Event::RunSaved { steps_done, problem } => self.accept_saving(steps_done, problem),
            other => return Some(other),
        }
        None
    }

    fn accept_start(&mut self, run: RunInfo, warnings: Vec<String>) {
        let saved = (run.steps_done > 0).then_some((run.steps_done, None));
        self.upsert(run.clone());
        self.training.live = Some(Live {
            warnings,
            report: None,
            steps_done: run.steps_done,
            remaining_secs: None,
            history: Shared::new(run.history.clone()),
            validation: None,
            gauges: None,
            report_warnings: Vec::new(),
            ends: Vec::new(),
            glimpse: None,
            stood_still_secs: 0.0,
            saved,
            run: Shared::new(run),
        });
    }

    fn accept_step(&mut self, report: StepReport, steps_done: usize, remaining_secs: Option<f64>) {
        let Some(live) = &mut self.training.live else { return };
        let (stage, step) = (report.stage, report.step);
        let point = |loss: f64| CurvePoint { stage, step, loss: loss as f32 };
        let mut history = History::clone(&live.history);
        history.losses.push(point(report.loss));
        if let Some(loss) = report.validated_before.filter(|_| history.validation.last_of(stage).is_none()) {
            history.validation.push(CurvePoint { stage, step: 0, loss: loss as f32 });
        }
        if let Some(validation) = &report.validation {
            history.validation.push(point(validation.loss));
            live.validation = Some((stage, step, validation.clone()));
        }
        live.history = Shared::new(history);
        // A collapse is told from gauges, which do not come with every report.
        let is_new_stage = live.report.as_ref().is_some_and(|last| last.stage != stage);
        live.report_warnings.retain(|warning| {
            matches!(warning, TrainWarning::Collapse { .. }) && report.gauges.is_none() && !is_new_stage
        });
        live.report_warnings.extend(report.warnings.iter().copied());
        live.gauges = report.gauges.map(|gauges| (stage, step, gauges)).or(live.gauges);
        live.ends.extend(report.end.map(|end| (stage, end)));
        live.steps_done = steps_done;
        live.remaining_secs = remaining_secs;
        live.report = Some(report);
        self.progress = Some(Progress {
            task: format!("Training {} · {}", live.run.name, stage.label()),
            done: steps_done as f64,
            total: Some(live.run.n_steps as f64),
            unit: "steps".into(),
            remaining_secs,
        });
    }

    fn accept_saving(&mut self, steps_done: usize, problem: Option<String>) {
        let Some(live) = &mut self.training.live else { return };
        if problem.is_none() {
            let is_further = |tries: &Tries| tries.run == live.run.id && steps_done <= tries.steps_done;
            // An engine that gets somewhere between two deaths is worth starting again.
            if !self.training.tries.as_ref().is_some_and(is_further) {
                self.training.tries = None;
                self.failed_starts = 0;
            }
        }
        // What was safe before stays safe where saving fails.
        let safe = match &problem {
            None => steps_done,
            Some(_) => live.saved.as_ref().map_or(0, |(safe, _)| *safe),
        };
        live.saved = Some((safe, problem));
    }

    /// Takes in how a run ended, or that it was paused.
    pub(super) fn accept_trained(&mut self, run: RunInfo) {
        let saved = self.training.live.as_ref().and_then(|live| live.saved.as_ref());
        if let Some(problem) = saved.and_then(|(_, problem)| problem.as_ref()) {
            self.notices.push(format!(
                "{} could not be kept in this browser ({problem}): download what you need of it before you close this page.",
                run.name
            ));
        }
        self.run_is_over();
        self.failed_starts = 0;
        self.training.tries.take_if(|tries| tries.run == run.id);
        self.upsert(run.clone());
        self.training.ended = Some(Shared::new(run));
    }

    /// No run is under way any more, however it came to that.
    pub(super) fn run_is_over(&mut self) {
        self.training.live = None;
        self.training.steering = None;
        self.ask_for_runs();
    }

    pub(super) fn accept_plan(&mut self, job: Job, plan: TrainingPlan) {
        let Request::PlanTraining { config, start } = job.request else { return };
        self.failure = None;
        self.training.limits = Some(plan.limits);
        self.training.plan = Some(Shared::new(Planned { config: *config, start, plan }));
    }

    pub(super) fn accept_runs(&mut self, runs: Vec<RunInfo>, storage: StorageReport) {
        let is_gone = |run: &RunInfo| !runs.iter().any(|kept| kept.id == run.id);
        self.training.ended.take_if(|ended| is_gone(ended));
        self.training.runs = Some(Shared::new(runs));
        self.training.storage = storage;
        if std::mem::take(&mut self.training.looks_for_died) {
            self.look_for_died();
        }
    }

    /// Lines up the run whose page or engine died, unless that has happened too often without getting further.
    fn look_for_died(&mut self) {
        if self.is_training() {
            return;
        }
        let runs = self.training.runs.clone();
        let Some(run) = runs.iter().flat_map(|runs| runs.iter()).find(|run| run.status == RunStatus::Running) else {
            self.training.tries = None;
            return;
        };
        let step = run.steps_done;
        let same = self.training.tries.as_ref().filter(|tries| tries.run == run.id && step <= tries.steps_done);
        let n = same.map_or(0, |tries| tries.n);
        if n >= MAX_TRIES {
            self.notices.push(format!(
                "The run {} broke off {n} times at step {step} without getting further; it is left as it is. It can be \
                 resumed on the Train screen.",
                run.name
            ));
            return;
        }
        self.training.tries = Some(Tries { run: run.id.clone(), steps_done: step, n: n + 1 });
        self.training.resume_next = Some(run.id.clone());
        self.notices.push(format!("The run {} goes on from step {step}.", run.name));
    }

    /// The run to go on with by itself, where nothing else is to be done or on its way.
    pub(super) fn job_when_idle(&mut self) -> Option<Job> {
        let is_idle = self.phase == Phase::Ready && self.queue.is_empty() && self.fetching.is_none();
        let run = self.training.resume_next.take_if(|_| is_idle)?;
        Some(Job::new(Request::ResumeRun { run, save_every_secs: SAVE_EVERY_SECS }))
    }

    /// Puts a run in its place among those that are kept, the latest first.
    fn upsert(&mut self, run: RunInfo) {
        let mut runs: Vec<RunInfo> = self.training.runs.iter().flat_map(|runs| runs.iter().cloned()).collect();
        match runs.iter_mut().find(|kept| kept.id == run.id) {
            Some(kept) => *kept = run,
            None => runs.insert(0, run),
        }
        self.training.runs = Some(Shared::new(runs));
    }
}
