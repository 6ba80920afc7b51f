//! A session that the command line asks one thing after another, as the browser's worker does; progress goes to the
//! terminal.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::{Result, anyhow, bail};
use engine::store::MemoryStore;
use engine::{NamedSource, Session, Sink};
use futures_lite::future::block_on;
use indicatif::ProgressBar;
use spec::message::{Envelope, Event, Request};

use crate::dataset;

/// Takes the events of a session; progress goes to the terminal.
#[derive(Default)]
struct Answers {
    last: RefCell<Option<Event>>,
    bar: RefCell<Option<(String, ProgressBar)>>,
}

impl Sink for Answers {
    fn emit(&self, envelope: Envelope<Event>) {
        match envelope.body {
            Event::Progress { task, done, total, unit, .. } => {
                let mut bar = self.bar.borrow_mut();
                if bar.as_ref().is_none_or(|(of, _)| *of != task) {
                    *bar = Some((task.clone(), dataset::progress_bar(0, &task.to_lowercase(), &unit)));
                }
                if let Some((_, bar)) = bar.as_ref() {
                    bar.set_length(total.unwrap_or(done) as u64);
                    bar.set_position(done as u64);
                }
            }
            answer => {
                if let Some((_, bar)) = self.bar.take() {
                    bar.finish_and_clear();
                }
                *self.last.borrow_mut() = Some(answer);
            }
        }
    }
}

/// A session that is asked one thing after another.
pub struct Asked {
    session: Session,
    answers: Rc<Answers>,
}

impl Asked {
    /// A new one, with nothing loaded.
    pub fn new() -> Self {
        let answers = Rc::new(Answers::default());
        Self {
            session: Session::new(answers.clone(), crate::file::memory_available(), Rc::new(MemoryStore::default())),
            answers,
        }
    }

    /// The answer; a failure is an error that says what to do.
    pub fn ask(&mut self, request: Request, files: Vec<NamedSource>) -> Result<Event> {
        block_on(self.session.handle(1, request, files));
        match self.answers.last.take() {
            Some(Event::Failed { message, hint }) => Err(anyhow!("{message}. {hint}")),
            Some(answer) => Ok(answer),
            None => bail!("the session gave no answer"),
        }
    }
}
