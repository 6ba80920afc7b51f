//! Training in the state alone: what is asked, what overtakes the queue, what survives the engine, what is bounded.

use spec::message::{Event, Request};
use spec::model::ModelConfig;
use spec::prediction::Query;
use spec::run::{RunChange, RunExport, RunInfo, RunStatus, StartFrom, Steering, TrainingPlan};
use spec::train::cost::{MemoryLimits, PartCounts, StageMemory, propose};
use spec::train::preset::Preset;
use spec::train::report::{Curve, Gauges, History, TrainWarning};
use spec::train::run_file::RunData;
use spec::train::{Baseline, Stage, StepReport, TrainConfig};

use super::super::training::MAX_TRIES;
use super::super::{Dataset, ModelSource, Shared};
use super::{Job, Mode, Phase, Post, State, checkpoint, kept, opened, prepared, ready, started, step};

/// A state with cells of three targets and vectors.
fn with_targets() -> State {
    let mut state = started();
    let dataset = state.dataset.take().expect("the cells are prepared");
    let mut options = dataset.options.clone();
    options.control_label = Some("NT".into());
    let mut counted = dataset.prepared.clone();
    counted.n_genes = 30;
    counted.perturbations =
        [("NT", 90), ("IRF1", 40), ("NA", 7), ("STAT1", 50)].map(|(name, n)| (name.to_string(), n)).into();
    let Dataset { files, join, .. } = *dataset;
    let (name, quality) = ("screen.h5ad".into(), dataset.quality.clone());
    state.dataset = Some(Shared::new(Dataset { files, name, join, options, prepared: counted, quality }));
    state
}

fn run(id: &str, status: RunStatus, steps_done: usize) -> RunInfo {
    RunInfo {
        id: id.into(),
        name: format!("run {id}"),
        started_secs: 0.0,
        status,
        config: Preset::Tiny.config(),
        data: RunData { files: Vec::new(), bank: String::new(), fingerprint: String::new(), n_genes: 30 },
        n_cells: 180,
        seen: vec!["IRF1".into()],
        steps_done,
        n_steps: 1900,
        trained_secs: 1.0,
        history: History::default(),
        checkpoint: None,
    }
}

fn report(stage: Stage, done: usize) -> StepReport {
    StepReport {
        stage,
        step: done,
        n_steps: 1000,
        loss: 2.0,
        lr: 1e-3,
        step_secs: 0.01,
        terms: Vec::new(),
        validation: None,
        validated_before: None,
        gauges: None,
        warnings: Vec::new(),
        end: None,
    }
}

fn stepped(done: usize) -> Event {
    let report = Box::new(report(Stage::Pretrain, done));
    Event::Step { report, steps_done: done, remaining_secs: Some(9.0), stood_still_secs: None }
}

fn plan(config: &TrainConfig, limits: MemoryLimits) -> Event {
    let stages = Stage::ALL.into_iter().filter(|stage| config.stage(*stage).n_steps > 0);
    let plan = TrainingPlan {
        config: config.clone(),
        n_cells: 180,
        seen: vec!["IRF1".into()],
        warnings: Vec::new(),
        parameters: PartCounts::of(&config.model),
        memory: stages.map(|stage| StageMemory::of(config, stage)).collect(),
        limits,
        fitting: propose(config, limits).map(Box::new),
        probe: None,
    };
    Event::TrainingPlanned { plan: Box::new(plan) }
}

/// Posts what is next, which has to be one request, and says which.
fn next(state: &mut State) -> Post {
    let mut posts = state.take_posts();
    assert_eq!(posts.len(), 1, "{posts:?}");
    posts.remove(0)
}

/// A run that has begun.
fn training() -> (State, u32) {
    let mut state = with_targets();
    state.train();
    let id = next(&mut state).id;
    let run = Box::new(run("a", RunStatus::Running, 0));
    state.apply(id, Event::TrainingStarted { run, warnings: Vec::new() });
    (state, id)
}

#[test]
fn a_run_is_planned_started_followed_and_kept() {
    let mut state = with_targets();
    let config = state.training_config().expect("cells and vectors are there");
    assert_eq!((config.model.n_genes, config.held_out.as_slice()), (30, &["STAT1".to_string()][..]));
    assert_eq!(config.data.control_label.as_deref(), Some("NT"));
    state.plan_training();
    state.plan_training();
    let post = next(&mut state);
    assert_eq!(
        post.request,
        Request::PlanTraining { config: Box::new(config.clone()), start: StartFrom::Scratch },
        "asked once"
    );
    state.apply(post.id, plan(&config, MemoryLimits { total: 1 << 40, buffer: None }));
    assert!(state.plan_in_force().is_some());
    state.training.setup.config.seed = 7;
    assert!(state.plan_in_force().is_none(), "it is of other settings");

    state.train();
    let post = next(&mut state);
    let Request::Train { name, config, save_every_secs, .. } = &post.request else { panic!("{post:?}") };
    assert_eq!((name.as_str(), config.seed, *save_every_secs), ("screen tiny", 7, 15.0));
    assert!(state.start_problem().is_some_and(|problem| problem.contains("screen tiny")), "one run at a time");
    state.train();
    let started = run("a", RunStatus::Running, 0);
    state.apply(post.id, Event::TrainingStarted { run: Box::new(started), warnings: vec!["few cells".into()] });
    state.apply(post.id, stepped(20));
    state.apply(post.id, Event::RunSaved { steps_done: 20, problem: None });
    state.apply(post.id, stepped(40));
    state.apply(post.id, Event::RunSaved { steps_done: 40, problem: Some("no room".into()) });
    let live = state.training.live.as_ref().expect("it is under way");
    assert_eq!((live.steps_done, live.history.losses.points.len()), (40, 2));
    assert_eq!(live.saved, Some((20, Some("no room".into()))), "what was safe stays safe");
    assert_eq!(state.progress.as_ref().map(|progress| progress.done), Some(40.0));

    let done = RunInfo { checkpoint: Some("f".into()), ..run("a", RunStatus::Done, 1900) };
    state.apply(post.id, Event::Trained { run: Box::new(done.clone()) });
    assert!(state.training.live.is_none() && state.running.is_none());
    assert_eq!(next(&mut state).request, Request::Runs);
    let known = state.training.runs.as_ref().map(|runs| runs[0].status.clone());
    assert_eq!(known, Some(RunStatus::Done), "known before the list comes");
    assert!(state.training.ended.is_some() && state.start_problem().is_none());
    assert!(state.notices.iter().any(|notice| notice.contains("no room")), "what was not kept stays said");
}

#[test]
fn what_does_not_fit_is_offered_smaller_and_not_started() {
    let mut state = with_targets();
    assert_eq!(state.training.limits.map(|limits| limits.total), Some(2), "known from the file that was opened");
    let config = state.training_config().expect("cells and vectors are there");
    let largest = Stage::ALL.map(|stage| StageMemory::of(&config, stage).total());
    let limits = MemoryLimits { total: largest.into_iter().max().unwrap_or(0) * 2 / 3, buffer: None };
    state.plan_training();
    let id = next(&mut state).id;
    state.apply(id, plan(&config, limits));
    assert!(state.start_problem().is_some_and(|problem| problem.contains("memory")));
    state.train();
    assert!(state.take_posts().is_empty());
    state.use_fitting();
    let post = next(&mut state);
    let Request::PlanTraining { config: smaller, .. } = &post.request else { panic!("{post:?}") };
    assert!(smaller.pretrain.batch_size < config.pretrain.batch_size);
    state.apply(post.id, plan(smaller, limits));
    assert_eq!(state.start_problem(), None);
}

#[test]
fn a_setup_that_cannot_run_says_why() {
    assert!(State::default().setup_problem().is_some());
    let mut state = with_targets();
    state.training.setup.config.patience = Some(3);
    state.training.setup.config.validation_share = 0.0;
    assert!(state.setup_problem().is_some_and(|problem| problem.contains("validation_share")));
    let mut state = with_targets();
    for stage in Stage::ALL {
        state.training.setup.config.stage_mut(stage).n_steps = 0;
    }
    assert!(state.setup_problem().is_some_and(|problem| problem.contains("steps")));
}

#[test]
fn fine_tuning_keeps_what_the_model_is_and_freezes_the_encoder() {
    let mut state = with_targets();
    let Event::CheckpointLoaded { mut header, card, targets, n_parameters, n_vectors, heads_unknown, warnings } =
        checkpoint()
    else {
        panic!("a checkpoint")
    };
    header.model = ModelConfig { d_model: 32, n_genes: 12, ..ModelConfig::default() };
    header.baseline = Baseline::ControlAction;
    header.cells_per_example = 40;
    header.modes = vec![Mode::Knockout];
    let model = header.model.clone();
    state.enqueue(Job::with_files(Request::LoadCheckpoint { n_heads: None }, 9));
    let event = Event::CheckpointLoaded { header, card, targets, n_parameters, n_vectors, heads_unknown, warnings };
    step(&mut state, event);
    state.training.setup.start = StartFrom::Checkpoint;
    let config = state.training_config().expect("cells and vectors are there");
    assert_eq!((config.model, config.baseline, config.action.cells_per_example), (model, Baseline::ControlAction, 40));
    assert_eq!((config.pretrain.n_steps, config.action.n_steps), (0, Preset::Tiny.config().action.n_steps));
    assert_eq!(state.setup_problem(), None, "the baseline has the pairs it needs");
    state.training.setup.config.train_encoder = true;
    assert!(state.training_config().is_some_and(|config| config.pretrain.n_steps > 0));
}

#[test]
fn another_preset_keeps_what_is_not_its_own() {
    let mut state = with_targets();
    state.training.setup.config.seed = 5;
    state.training.setup.config.validation_share = 0.2;
    state.training.setup.held_out = Some(vec!["IRF1".into(), "GONE".into()]);
    state.training.setup = state.training.setup.with_preset(Preset::Small);
    let config = state.training_config().expect("cells and vectors are there");
    assert_eq!((config.seed, config.validation_share, config.model.d_model), (5, 0.2, 64));
    assert_eq!(config.held_out, ["IRF1"], "what the cells have not cannot be held out");
    assert_eq!(state.training_targets(), [("IRF1".to_string(), 40), ("STAT1".to_string(), 50)]);
}

#[test]
fn steering_overtakes_the_queue() {
    let (mut state, id) = training();
    let query = Query::of("STAT1", Mode::Knockout);
    state.enqueue(Job::new(Request::Predict { query: query.clone() }));
    assert!(state.take_posts().is_empty(), "what is asked meanwhile waits");
    state.steer(Steering::Pause);
    state.steer(Steering::Stop);
    assert_eq!(next(&mut state).request, Request::Steer { request: id, how: Steering::Pause });
    let paused = run("a", RunStatus::Paused, 60);
    state.apply(id, Event::Trained { run: Box::new(paused.clone()) });
    assert_eq!(state.training.steering, None);
    step(&mut state, kept(vec![paused]));
    let post = next(&mut state);
    assert_eq!(post.request, Request::Predict { query }, "now it is done");
    state.apply(post.id, Event::Cancelled);

    state.resume_run("a".into());
    let post = next(&mut state);
    assert_eq!(post.request, Request::ResumeRun { run: "a".into(), save_every_secs: 15.0 });
    assert_eq!(state.run_name().as_deref(), Some("run a"));
    let resumed = run("a", RunStatus::Running, 60);
    state.apply(post.id, Event::TrainingStarted { run: Box::new(resumed), warnings: Vec::new() });
    assert_eq!(state.training.live.as_ref().and_then(|live| live.saved.clone()), Some((60, None)));
}

#[test]
fn a_discarded_run_is_gone_and_one_that_waits_is_not_begun() {
    let (mut state, id) = training();
    state.discard();
    assert_eq!(next(&mut state).request, Request::Cancel { request: id });
    state.apply(id, Event::Cancelled);
    assert!(state.training.live.is_none());
    step(&mut state, kept(Vec::new()));
    assert!(state.training.runs.as_ref().is_some_and(|runs| runs.is_empty()));

    state.ask();
    state.take_posts();
    state.train();
    state.steer(Steering::Pause);
    assert!(!state.is_training() && state.take_posts().is_empty());
}

#[test]
fn where_saving_fails_the_state_is_taken_away_first() {
    let (mut state, id) = training();
    state.ask();
    state.rescue_run();
    assert_eq!(next(&mut state).request, Request::Steer { request: id, how: Steering::Pause });
    let paused = run("a", RunStatus::Paused, 60);
    state.apply(id, Event::Trained { run: Box::new(paused.clone()) });
    step(&mut state, kept(vec![paused]));
    let wanted = Request::ExportRun { run: "a".into(), part: RunExport::State };
    assert_eq!(next(&mut state).request, wanted);
}

#[test]
fn a_failed_run_is_shown_and_the_runs_are_asked_for() {
    let (mut state, id) = training();
    state.apply(id, Event::Failed { message: "the loss is NaN".into(), hint: "a lower max_lr".into() });
    assert_eq!(state.failure.as_ref().map(|failure| failure.task.as_str()), Some("Training screen tiny"));
    assert!(state.training.live.is_none());
    assert_eq!(next(&mut state).request, Request::Runs);
}

/// Brings a died engine back, answers with its runs, and gives what is posted once all is as it was.
fn bring_back(state: &mut State, runs: Vec<RunInfo>) -> Vec<Post> {
    step(state, ready());
    step(state, kept(runs));
    step(state, checkpoint());
    step(state, opened());
    step(state, prepared());
    step(state, Event::Embedded { genes: None, maps: Vec::new() });
    state.take_posts()
}

#[test]
fn a_dead_engine_goes_on_with_the_run() {
    let (mut state, id) = training();
    state.apply(id, stepped(20));
    state.restart("out of memory".into());
    assert!(
        state.training.live.is_none() && state.failure.as_ref().is_some_and(|f| f.hint.contains("the run goes on"))
    );
    let posts = bring_back(&mut state, vec![run("a", RunStatus::Running, 20)]);
    let wanted = Request::ResumeRun { run: "a".into(), save_every_secs: 15.0 };
    assert_eq!(posts.iter().map(|post| &post.request).collect::<Vec<_>>(), [&wanted]);
    assert!(state.notices.iter().any(|notice| notice == "The run run a goes on from step 20."), "{:?}", state.notices);
}

#[test]
fn a_run_that_gets_no_further_is_not_resumed_for_ever() {
    // Every death takes the page with it: what is known of the tries is all that is left.
    let mut tries = None;
    for n in 1..=MAX_TRIES {
        let mut state = started_with(tries.take(), 20);
        assert!(matches!(next(&mut state).request, Request::ResumeRun { .. }), "try {n}");
        tries = state.training.tries.clone();
        assert_eq!(tries.as_ref().map(|tries| tries.n), Some(n));
    }
    let mut state = started_with(tries.clone(), 20);
    assert!(state.take_posts().is_empty());
    assert!(state.notices.iter().any(|notice| notice.contains("left as it is")), "{:?}", state.notices);
    // By hand it goes on all the same.
    state.resume_run("a".into());
    let id = next(&mut state).id;
    let event = Event::TrainingStarted { run: Box::new(run("a", RunStatus::Running, 20)), warnings: Vec::new() };
    state.apply(id, event);
    state.apply(id, Event::RunSaved { steps_done: 20, problem: None });
    assert!(state.training.tries.is_some(), "it is where it was");
    state.apply(id, Event::RunSaved { steps_done: 40, problem: None });
    assert!(state.training.tries.is_none(), "it gets further");
    // Further than at the last try counts as well.
    assert!(matches!(next(&mut started_with(tries, 30)).request, Request::ResumeRun { .. }));
}

/// A page that finds a run under way which died at a step.
fn started_with(tries: Option<super::super::Tries>, steps_done: usize) -> State {
    let mut state = State::default();
    state.training.tries = tries;
    let attention = super::AttentionPath::default();
    state.enqueue(Job::new(Request::Start { backend: super::BackendChoice::Auto, attention }));
    step(&mut state, ready());
    step(&mut state, kept(vec![run("a", RunStatus::Running, steps_done)]));
    state
}

#[test]
fn what_is_on_its_way_is_opened_before_a_run_goes_on() {
    let mut state = State { fetching: Some(crate::demo::begun()), ..State::default() };
    let attention = super::AttentionPath::default();
    state.enqueue(Job::new(Request::Start { backend: super::BackendChoice::Auto, attention }));
    step(&mut state, ready());
    step(&mut state, kept(vec![run("a", RunStatus::Running, 20)]));
    assert!(state.take_posts().is_empty(), "the example is still being downloaded");
    state.fetching = None;
    state.enqueue(Job::with_files(Request::LoadCheckpoint { n_heads: None }, 1));
    step(&mut state, checkpoint());
    assert!(matches!(next(&mut state).request, Request::ResumeRun { .. }));
    assert_eq!(state.phase, Phase::Ready);
}

#[test]
fn the_model_of_a_run_outlives_the_engine() {
    let mut state = with_targets();
    state.use_run("a".into());
    let post = next(&mut state);
    assert_eq!((&post.request, post.files), (&Request::UseRun { run: "a".into() }, None));
    state.apply(post.id, checkpoint());
    assert_eq!(state.model_from, Some(ModelSource::Run("a".into())));
    assert!(!state.holds(1), "the files of the model before are let go of");
    state.restart("out of memory".into());
    assert!(state.has_job(|request| *request == Request::UseRun { run: "a".into() }));
    assert!(!state.has_job(|request| matches!(request, Request::LoadCheckpoint { .. })));
}

#[test]
fn a_deleted_run_is_gone_from_the_screen() {
    let mut state = with_targets();
    state.training.ended = Some(Shared::new(run("a", RunStatus::Done, 1900)));
    state.change_run("a".into(), RunChange::Delete);
    step(&mut state, kept(vec![run("b", RunStatus::Done, 1900)]));
    assert!(state.training.ended.is_none() && state.run("a").is_none() && state.run("b").is_some());
    state.training.setup.name = None;
    state.training.runs =
        Some(Shared::new(vec![RunInfo { name: "screen tiny".into(), ..run("b", RunStatus::Done, 1) }]));
    assert_eq!(state.default_run_name(), "screen tiny 2");
}

#[test]
fn the_history_stays_bounded_and_a_collapse_is_not_forgotten_at_once() {
    let (mut state, id) = training();
    for done in 1..=(3 * Curve::MAX_POINTS) {
        state.apply(id, stepped(done));
    }
    let n = |state: &State| state.training.live.as_ref().map_or(0, |live| live.history.losses.points.len());
    assert!((Curve::MAX_POINTS / 2..=Curve::MAX_POINTS).contains(&n(&state)), "{}", n(&state));

    let gauges = Gauges {
        std_min: 0.0,
        std_mean: 0.01,
        effective_rank: 1.0,
        n_dims: 8,
        between_cells: 0.0,
        teacher_distance: None,
    };
    let collapse = TrainWarning::Collapse { std_mean: 0.01, effective_rank: 1.0 };
    let warnings = |state: &State| state.training.live.as_ref().map(|live| live.report_warnings.clone());
    let say = |state: &mut State, report: StepReport| {
        state.apply(
            id,
            Event::Step { report: Box::new(report), steps_done: 1, remaining_secs: None, stood_still_secs: None },
        );
    };
    let measured = StepReport { gauges: Some(gauges), ..report(Stage::Pretrain, 100) };
    say(&mut state, StepReport { warnings: vec![collapse], ..measured.clone() });
    say(&mut state, report(Stage::Pretrain, 120));
    assert_eq!(warnings(&state), Some(vec![collapse]), "nothing was measured since");
    say(&mut state, measured);
    assert_eq!(warnings(&state), Some(Vec::new()));
}
