//! A piece of work under way: progress with the time left, and the look at whether it was cancelled.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jepa::platform::{now_secs, yield_now};
use spec::message::{Envelope, Event};
use spec::run::Steering;

use crate::evaluate::Watch;
use crate::failure::EngineError;
use crate::session::Sink;

/// What somebody wants of requests under way. Clones share the list.
#[derive(Clone, Default)]
pub struct Wishes {
    of_request: Rc<RefCell<BTreeMap<u32, Wish>>>,
}

#[derive(Debug, Clone, Copy)]
enum Wish {
    Cancel,
    Steer(Steering),
}

impl Wishes {
    /// Asks for the request with this id to stop at its next step.
    pub fn cancel(&self, id: u32) {
        self.of_request.borrow_mut().insert(id, Wish::Cancel);
    }

    /// Asks for the run of this request to be paused or ended at its next step; a wish to cancel it stands.
    pub fn steer(&self, id: u32, how: Steering) {
        self.of_request.borrow_mut().entry(id).or_insert(Wish::Steer(how));
    }

    /// Whether somebody asked to stop; forgets that they did.
    fn take_cancelled(&self, id: u32) -> bool {
        let mut wishes = self.of_request.borrow_mut();
        let is_cancelled = matches!(wishes.get(&id), Some(Wish::Cancel));
        if is_cancelled {
            wishes.remove(&id);
        }
        is_cancelled
    }

    fn take_steering(&self, id: u32) -> Option<Steering> {
        let mut wishes = self.of_request.borrow_mut();
        match wishes.get(&id) {
            Some(Wish::Steer(how)) => {
                let how = *how;
                wishes.remove(&id);
                Some(how)
            }
            _ => None,
        }
    }
}

/// Seconds between two reports: often enough to look alive, seldom enough to cost nothing.
const REPORT_EVERY_SECS: f64 = 0.1;

/// One request being worked on.
pub struct Task {
    id: u32,
    sink: Rc<dyn Sink>,
    wishes: Wishes,
    reported_secs: f64,
    /// A piece of work that is watched, and when it began.
    watched: Option<(String, f64)>,
}

impl Watch for Task {
    async fn reached(&mut self, work: &str, unit: &str, done: usize, total: usize) -> Result<(), EngineError> {
        let started_secs = match self.watched.take() {
            Some((known, started_secs)) if known == work => started_secs,
            _ => {
                self.reported_secs = f64::NEG_INFINITY;
                now_secs()
            }
        };
        let (name, unit) = (work.to_owned(), unit.to_owned());
        let mut stretch = Stretch { task: self, name: name.clone(), unit, total: Some(total), started_secs };
        stretch.reached(done).await?;
        self.watched = Some((name, started_secs));
        Ok(())
    }
}

impl Task {
    pub fn new(id: u32, sink: Rc<dyn Sink>, wishes: Wishes) -> Self {
        Self { id, sink, wishes, reported_secs: f64::NEG_INFINITY, watched: None }
    }

    /// Says something of this request.
    pub fn emit(&self, body: Event) {
        self.sink.emit(Envelope { id: self.id, body });
    }

    /// Starts a countable stretch of the work and says so.
    pub async fn begin(&mut self, task: &str, unit: &str, total: usize) -> Result<Stretch<'_>, EngineError> {
        self.begin_with(task, unit, Some(total)).await
    }

    /// The same where nobody knows how long the stretch is.
    pub async fn begin_open(&mut self, task: &str, unit: &str) -> Result<Stretch<'_>, EngineError> {
        self.begin_with(task, unit, None).await
    }

    async fn begin_with(&mut self, task: &str, unit: &str, total: Option<usize>) -> Result<Stretch<'_>, EngineError> {
        self.reported_secs = f64::NEG_INFINITY;
        let stretch = Stretch { started_secs: now_secs(), name: task.into(), unit: unit.into(), total, task: self };
        stretch.report(0);
        stretch.task.pause().await?;
        Ok(stretch)
    }

    /// Forgets a wish to stop that came too late.
    pub fn end(self) {
        self.wishes.of_request.borrow_mut().remove(&self.id);
    }

    /// What somebody wants of the run that this is; forgets that they did.
    pub fn steering(&self) -> Option<Steering> {
        self.wishes.take_steering(self.id)
    }

    /// Lets messages in, and stops where somebody asked.
    pub async fn pause(&self) -> Result<(), EngineError> {
        yield_now().await;
        if self.wishes.take_cancelled(self.id) { Err(EngineError::Cancelled) } else { Ok(()) }
    }
}

/// A countable stretch of a task.
pub struct Stretch<'a> {
    task: &'a mut Task,
    name: String,
    unit: String,
    total: Option<usize>,
    started_secs: f64,
}

impl Stretch<'_> {
    /// Says how many units are done, if it is time to, and looks at whether to stop.
    pub async fn reached(&mut self, done: usize) -> Result<(), EngineError> {
        let now = now_secs();
        if now - self.task.reported_secs >= REPORT_EVERY_SECS || self.total.is_some_and(|total| done >= total) {
            self.task.reported_secs = now;
            self.report(done);
        }
        self.task.pause().await
    }

    /// Says something else of this request.
    pub fn emit(&self, body: Event) {
        self.task.emit(body);
    }

    fn report(&self, done: usize) {
        let elapsed = now_secs() - self.started_secs;
        let left = self.total.map(|total| total.saturating_sub(done) as f64);
        let remaining_secs = left.filter(|_| done > 0).map(|left| elapsed / done as f64 * left);
        self.task.emit(Event::Progress {
            task: self.name.clone(),
            done: done as f64,
            total: self.total.map(|total| total as f64),
            unit: self.unit.clone(),
            remaining_secs,
        });
    }
}
