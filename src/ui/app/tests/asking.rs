//! The question as it is put together: genes that are added and left out, cells that are chosen, answers beside each other.

use spec::backwards::{Backwards, Signature};
use spec::map::{Grouping, Mapped, PopulationConfig, Representation};
use spec::message::{EmbeddingMap, Event, Request};
use spec::model::Mode;
use spec::prediction::{CellChoice, Prediction, Query};
use spec::prepare::MapConfig;
use spec::shift::Shifts;

use super::{Screen, Shared, State, checkpoint, prediction, prepared, started, step};
use crate::app::{Address, Layout};

fn asked(state: &mut State) -> Query {
    state.ask();
    let posts = state.take_posts();
    let [post] = &posts[..] else { panic!("one request: {posts:?}") };
    let Request::Predict { query } = &post.request else { panic!("a question: {post:?}") };
    let answer = Prediction { query: query.clone(), ..prediction() };
    state.apply(post.id, Event::Predicted { prediction: answer });
    query.clone()
}

#[test]
fn genes_are_added_and_left_out() {
    let mut state = started();
    assert!(state.can_ask() && state.can_add_gene());
    state.add_gene();
    assert_eq!((state.asking.with.len(), state.target.as_str()), (1, ""));
    assert!(state.can_ask() && !state.can_add_gene(), "one gene is there, the next is not picked");
    assert_eq!(state.question(), Some(Query::of("STAT1", Mode::Knockout)));
    state.target = "STAT1".into();
    assert!(!state.can_ask() && !state.can_add_gene(), "the same gene twice");
    state.target = "NOSUCH".into();
    assert!(!state.can_ask() && !state.can_add_gene(), "a gene without a vector");
    state.target = "IRF1".into();
    assert!(state.can_ask());
    assert_eq!(asked(&mut state), Query { with: vec!["IRF1".into()], ..Query::of("STAT1", Mode::Knockout) });
    state.remove_gene("STAT1");
    assert_eq!(asked(&mut state), Query::of("IRF1", Mode::Knockout));
    // A gene that is picked elsewhere is asked about alone.
    state.add_gene();
    state.ask_about("STAT1".into());
    let posts = state.take_posts();
    assert_eq!(posts[0].request, Request::Predict { query: Query::of("STAT1", Mode::Knockout) });
    state.apply(posts[0].id, Event::Cancelled);
    state.target = "IRF1".into();
    // Of two that are kept, the one left is the picked gene again.
    state.add_gene();
    state.target = "STAT1".into();
    state.add_gene();
    state.remove_gene("IRF1");
    assert_eq!((state.asking.with.len(), state.target.as_str()), (0, "STAT1"));
}

#[test]
fn a_selection_is_that_of_the_map_when_it_is_asked_about() {
    let mut state = started();
    state.asking.cells = CellChoice::Selection { rows: Vec::new() };
    assert_eq!(asked(&mut state).cells, CellChoice::Selection { rows: Vec::new() }, "a lasso around nothing");
    state.asking.selected = Some(Shared::new(vec![3, 5]));
    assert_eq!(asked(&mut state).cells, CellChoice::Selection { rows: vec![3, 5] });
    let grouping = Grouping::Clusters { representation: Representation::Expression };
    state.asking.cells = CellChoice::Group { grouping, group: "2".into() };
    assert_eq!(asked(&mut state).label(), "STAT1 knockout in cluster 2 of expression");
    // Other cells have other clusters and nothing selected.
    state.prepare();
    step(&mut state, prepared());
    assert_eq!((&state.asking.cells, &state.asking.selected), (&CellChoice::All, &None));
    assert!(state.asking.compared.is_empty());
}

/// Clusters of three cells.
fn mapped(representation: Representation, clusters: [u32; 3]) -> Event {
    let map = EmbeddingMap { name: "UMAP".into(), axes: ["1".into(), "2".into()], x: vec![0.0; 3], y: vec![0.0; 3] };
    Event::Mapped {
        mapped: Box::new(Mapped {
            representation,
            config: PopulationConfig::default(),
            map,
            clusters: clusters.to_vec(),
            sizes: vec![2, 1],
            modularity: 0.5,
            n_neighbours: 2,
            computed: Vec::new(),
            warnings: Vec::new(),
        }),
    }
}

fn shifts(query: Query) -> Option<Shared<Shifts>> {
    Some(Shared::new(Shifts { query, layouts: Vec::new(), share_drawn: 1.0, n_genes: [1, 1] }))
}

#[test]
fn other_clusters_make_answers_in_the_old_ones_forgotten() {
    let mut state = started();
    let whole = asked(&mut state);
    for of in Representation::ALL {
        state.map_population(of);
        step(&mut state, mapped(of, [0, 0, 1]));
        let grouping = Grouping::Clusters { representation: of };
        state.asking.cells = CellChoice::Group { grouping, group: "1".into() };
        asked(&mut state);
    }
    let shown = state.asking.compared[1].clone();
    state.show_answer(shown.clone());
    state.asking.shifts = shifts(shown.query.clone());
    // Another layout of the same clusters: the answers stay, arrows are asked for anew.
    state.map_population(Representation::Expression);
    step(&mut state, mapped(Representation::Expression, [0, 0, 1]));
    assert_eq!((state.asking.compared.len(), state.asking.shifts.is_none()), (3, true));
    state.ask_for_shifts();
    assert!(state.has_job(|request| matches!(request, Request::Shifts { .. })));
    state.queue.clear();

    state.map_population(Representation::Expression);
    state.take_posts();
    state.asking.cells = shown.query.cells.clone();
    state.ask();
    state.ask_for_shifts();
    state.asking.shifts = shifts(whole.clone());
    let id = state.running.as_ref().map(|running| running.id).expect("the map is under way");
    state.apply(id, mapped(Representation::Expression, [0, 1, 0]));
    let labels: Vec<_> = state.asking.compared.iter().map(|one| one.query.label()).collect();
    assert_eq!(labels, ["STAT1 knockout", "STAT1 knockout in cluster 1 of latent states"]);
    assert!(state.prediction.is_none() && state.asking.shifts.is_none() && state.queue.is_empty());
    assert_eq!(state.asking.cells, CellChoice::All);
    assert!(state.notices.iter().any(|notice| notice.contains("clusters of expression are others now")));

    // Other genes of the map make other components: its clusters are gone.
    state.map_population(Representation::Expression);
    step(&mut state, mapped(Representation::Expression, [0, 1, 0]));
    state.asking.cells = shown.query.cells.clone();
    asked(&mut state);
    state.asking.shifts = shifts(shown.query.clone());
    state.map_by(MapConfig { genes: None, ..MapConfig::default() });
    assert!(state.prediction.is_none() && state.asking.compared.len() == 2);
    step(&mut state, Event::Embedded { genes: None, maps: Vec::new() });
    assert!(state.asking.shifts.is_none() && state.asking.cells == CellChoice::All);
}

#[test]
fn what_was_found_backwards_is_of_one_model_and_its_cells() {
    let found = || {
        let signature = Signature { name: "typed".into(), genes: vec!["A".into()], weights: vec![1.0] };
        Some(Shared::new(Backwards {
            signature,
            mode: Mode::Knockout,
            n_known: 1,
            unknown: Vec::new(),
            n_candidates: 2,
            towards: Vec::new(),
            away: Vec::new(),
            pairs: Vec::new(),
            chance: 0.5,
            accuracy: Vec::new(),
            optimised: None,
            mechanism: None,
            priorities: Vec::new(),
        }))
    };
    let mut state = started();
    asked(&mut state);
    state.backwards.found = found();
    state.prepare();
    state.ask_for_shifts();
    step(&mut state, prepared());
    assert!(state.backwards.found.is_none());
    assert!(!state.has_job(|request| matches!(request, Request::Shifts { .. })), "of the cells of before");

    state.backwards.found = found();
    let load = |state: &mut State, event| {
        state.queue.clear();
        state.enqueue(super::Job::with_files(Request::LoadCheckpoint { n_heads: None }, 7));
        step(state, event);
    };
    load(&mut state, checkpoint());
    assert!(state.backwards.found.is_some(), "the same model");
    let Event::CheckpointLoaded { header, card, targets, n_parameters, n_vectors, heads_unknown, warnings } =
        checkpoint()
    else {
        panic!("a checkpoint")
    };
    let header = Box::new(spec::checkpoint::CheckpointHeader { modes: Vec::new(), ..*header });
    load(
        &mut state,
        Event::CheckpointLoaded { header, card, targets, n_parameters, n_vectors, heads_unknown, warnings },
    );
    assert!(state.backwards.found.is_none());
}

#[test]
fn answers_stand_beside_each_other_once() {
    let mut state = started();
    asked(&mut state);
    state.target = "IRF1".into();
    asked(&mut state);
    asked(&mut state);
    let labels = |state: &State| state.asking.compared.iter().map(|one| one.query.label()).collect::<Vec<_>>();
    assert_eq!(labels(&state), ["STAT1 knockout", "IRF1 knockout"]);
    let first = state.asking.compared[0].clone();
    state.show_answer(first.clone());
    assert!(state.prediction.as_ref() == Some(&first));
    state.forget_answers(Some("STAT1 knockout"));
    assert_eq!(labels(&state), ["IRF1 knockout"]);
    state.forget_answers(None);
    assert!(labels(&state).is_empty());

    // What another model said is not kept, nor are genes that it does not know.
    asked(&mut state);
    state.target = "IRF1".into();
    state.add_gene();
    let Event::CheckpointLoaded { header, card, mut targets, n_parameters, n_vectors, heads_unknown, warnings } =
        checkpoint()
    else {
        panic!("a checkpoint")
    };
    let header = Box::new(spec::checkpoint::CheckpointHeader { modes: Vec::new(), ..*header });
    targets.retain(|target| target.symbol != "IRF1");
    let event = Event::CheckpointLoaded { header, card, targets, n_parameters, n_vectors, heads_unknown, warnings };
    state.enqueue(super::Job::with_files(Request::LoadCheckpoint { n_heads: None }, 7));
    step(&mut state, event);
    assert!(labels(&state).is_empty() && state.asking.with.is_empty());
    assert_eq!(state.target, "STAT1");
}

#[test]
fn a_link_leads_to_its_view_once_there_is_something_to_see() {
    let link = "step=perturb&gene=NOSUCH&gene=IRF1&gene=STAT1&mode=knockout&map=umap&resolution=0.5";
    let address = Address::read(link).unwrap_or_default();
    let mut fresh = State::default();
    fresh.visit(address.clone());
    assert!(fresh.is_arriving() && fresh.screen == Screen::Load);

    let mut state = started();
    state.maps = None;
    state.visit(address);
    assert!(!state.is_arriving());
    assert_eq!(
        (state.screen, state.target.as_str(), &state.asking.with[..]),
        (Screen::Perturb, "STAT1", &["IRF1".into()][..])
    );
    assert_eq!((state.looks.layouts[0], state.population.config.resolution), (Layout::Umap, 0.5));
    assert!(state.notices.iter().any(|notice| notice.contains("NOSUCH")), "{:?}", state.notices);
    let waiting: Vec<_> = state.queue.iter().map(|job| &job.request).collect();
    assert!(matches!(waiting[..], [Request::Embed { .. }, Request::Map { .. }]), "{waiting:?}");

    // An answer that is on screen is part of the link, and asked for where it leads.
    state.queue.clear();
    asked(&mut state);
    let shown = Address::of(&state);
    assert!(shown.is_answered && shown.fragment().contains("gene=IRF1&gene=STAT1"), "{}", shown.fragment());
    let mut other = started();
    other.visit(shown);
    assert!(other.has_job(|request| matches!(request, Request::Predict { query } if query.with == ["STAT1"])));
    // In cells that were chosen there is no such link.
    state.asking.cells = CellChoice::Selection { rows: Vec::new() };
    asked(&mut state);
    assert!(!Address::of(&state).is_answered);
}
