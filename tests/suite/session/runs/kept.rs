//! What a run keeps where the disk is full, refuses some of it, or reports come seldom.

use std::rc::Rc;

use engine::store::MemoryStore;
use spec::message::{Event, Request};
use spec::run::{RunExport, RunStatus, StartFrom, Steering};
use spec::train::TrainConfig;

use super::{Disk, Page, Wanted, config, trained};

#[test]
fn what_cannot_be_kept_is_said_and_stays_in_memory() {
    let disk = Disk::default();
    let mut page = Page::with_cells(&disk).wanting(5, Wanted::Steer(Steering::Pause));
    disk.is_full.set(true);
    let paused = page.train();
    let events = page.listener.events.take();
    let problems: Vec<&String> = events
        .iter()
        .filter_map(|event| match event {
            Event::RunSaved { problem, .. } => problem.as_ref(),
            _ => None,
        })
        .collect();
    assert!(
        !problems.is_empty() && problems.iter().all(|problem| problem.contains("the disk is full")),
        "{problems:?}"
    );
    assert_eq!(page.runs().len(), 1, "this page still has it");
    assert!(!page.export(&paused.id, RunExport::State).1.is_empty(), "and can give it away");
    disk.is_full.set(false);
    let done = page.resume(&paused.id);
    assert_eq!(done.status, RunStatus::Done);
    assert_eq!(Page::open(&disk).runs().first().map(|run| run.status.clone()), Some(RunStatus::Done));

    let mut memory = Page::with_store(Rc::new(MemoryStore::instead("a private window".into())));
    memory.prepare();
    let Event::Runs { storage, .. } = memory.ask(Request::Runs) else { panic!("runs") };
    assert_eq!(storage.problem.as_deref(), Some("a private window"));
    assert_eq!(memory.train().status, RunStatus::Done);
}

#[test]
fn where_the_model_finds_no_room_the_state_stays() {
    let disk = Disk::default();
    let mut page = Page::with_cells(&disk);
    disk.refuses.set(Some("model.safetensors"));
    let done = page.train();
    assert_eq!(done.status, RunStatus::Done);
    let last = page.listener.events.borrow().iter().rev().find_map(|event| match event {
        Event::RunSaved { problem, .. } => Some(problem.clone()),
        _ => None,
    });
    assert!(last.flatten().is_some_and(|problem| problem.contains("the disk is full")));
    assert_eq!(page.runs()[0].status, RunStatus::Done, "this page has all of it");
    let model = page.export(&done.id, RunExport::Model).1;

    // The page is closed; the next one goes on from what was saved before, to the same model.
    disk.refuses.set(None);
    let mut next = Page::open(&disk);
    assert_eq!(next.runs()[0].status, RunStatus::Running);
    assert_eq!(next.resume(&done.id).status, RunStatus::Done);
    assert_eq!(next.export(&done.id, RunExport::Model).1, model);
}

#[test]
fn cells_that_find_no_room_are_not_forgotten() {
    let disk = Disk::default();
    let mut page = Page::with_cells(&disk).wanting(4, Wanted::Steer(Steering::Pause));
    disk.refuses.set(Some("cells.safetensors"));
    let paused = page.train();
    let problems: Vec<bool> = (page.listener.events.borrow().iter())
        .filter_map(|event| match event {
            Event::RunSaved { problem, .. } => Some(problem.is_some()),
            _ => None,
        })
        .collect();
    assert!(problems.len() > 1 && problems.iter().all(|has| *has), "said at every saving: {problems:?}");
    // Room is made: the next saving keeps them, and another page can go on.
    disk.refuses.set(None);
    page = page.wanting(6, Wanted::Steer(Steering::Pause));
    assert_eq!(page.resume(&paused.id).status, RunStatus::Paused);
    assert_eq!(Page::open(&disk).resume(&paused.id).status, RunStatus::Done);
}

#[test]
fn a_run_is_saved_between_two_reports() {
    let disk = Disk::default();
    let rare = TrainConfig { report_every: 1000, validate_every: 1000, checkpoint_every: 1000, ..config() };
    let mut page = Page::with_cells(&disk);
    let often = |rare: TrainConfig, save_every_secs| Request::Train {
        name: "often".into(),
        config: Box::new(rare),
        start: StartFrom::Scratch,
        save_every_secs,
    };
    let run = trained(page.ask(often(rare.clone(), 0.0)));
    let n_saved = page.listener.events.take().iter().filter(|event| matches!(event, Event::RunSaved { .. })).count();
    assert!(n_saved > run.n_steps, "{n_saved} savings of {} steps", run.n_steps);
    // Looking changes nothing.
    let seldom = trained(page.ask(often(rare, 1e9)));
    assert_eq!(page.export(&run.id, RunExport::Model).1, page.export(&seldom.id, RunExport::Model).1);
    assert_eq!(run.history, seldom.history);
}
