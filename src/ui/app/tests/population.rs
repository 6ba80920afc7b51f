//! The map of the cells in the state alone: what is asked, what a setting asks again, what other cells make forgotten.

use spec::map::{CellColumn, CellQuantity, Mapped, PopulationConfig, Representation};
use spec::message::{EmbeddingMap, Event, Request};
use spec::prepare::{CellFilter, MapConfig};

use super::{State, prepared, started, step};

fn map() -> EmbeddingMap {
    EmbeddingMap { name: "UMAP".into(), axes: ["UMAP1".into(), "UMAP2".into()], x: vec![0.0], y: vec![0.0] }
}

fn mapped(representation: Representation, config: PopulationConfig) -> Event {
    Event::Mapped {
        mapped: Box::new(Mapped {
            representation,
            config,
            map: map(),
            clusters: vec![0],
            sizes: vec![1],
            modularity: 0.5,
            n_neighbours: 15,
            computed: Vec::new(),
            warnings: Vec::new(),
        }),
    }
}

/// The one map that is asked for.
fn asked(state: &mut State) -> (u32, Representation, PopulationConfig) {
    let posts = state.take_posts();
    match &posts[..] {
        [post] => match &post.request {
            Request::Map { representation, config } => (post.id, *representation, config.clone()),
            other => panic!("a map is asked for: {other:?}"),
        },
        other => panic!("one request: {other:?}"),
    }
}

#[test]
fn a_layout_is_shown_as_it_unfolds_and_the_last_one_where_it_is_cancelled() {
    let mut state = started();
    state.map_population(Representation::Expression);
    let (id, of, config) = asked(&mut state);
    let unfolding = || Event::Unfolding { representation: of, map: map(), n_done: 10, n_epochs: 500 };
    state.apply(id + 100, unfolding());
    assert!(state.population.unfolding.is_none(), "of no request of this page");
    state.apply(id, unfolding());
    assert_eq!(state.population.unfolding.as_ref().map(|unfolding| unfolding.n_done), Some(10));
    assert!(state.running.is_some(), "it goes on");
    state.apply(id, mapped(of, config.clone()));
    assert!(state.population.unfolding.is_none() && state.population.mapped(of).is_some());

    state.map_population_by(PopulationConfig { min_dist: 0.2, ..config });
    let (id, ..) = asked(&mut state);
    state.apply(id, unfolding());
    state.apply(id, Event::Cancelled);
    assert!(state.population.unfolding.is_none());
    assert!(state.population.mapped(of).is_some(), "the one of before is still there");
}

#[test]
fn a_setting_asks_again_for_what_is_there_and_replaces_what_waits() {
    let mut state = started();
    state.map_population_by(PopulationConfig { resolution: 0.5, ..PopulationConfig::default() });
    assert!(state.take_posts().is_empty(), "nothing is there that would change");
    state.map_population(Representation::Expression);
    let (id, of, config) = asked(&mut state);
    assert_eq!((of, config.resolution), (Representation::Expression, 0.5));
    // Two changes while it runs: it is stopped once, and asked for as it was said last.
    for resolution in [0.7, 0.9] {
        state.map_population_by(PopulationConfig { resolution, ..PopulationConfig::default() });
    }
    let posts = state.take_posts();
    assert_eq!(posts.iter().map(|post| &post.request).collect::<Vec<_>>(), [&Request::Cancel { request: id }]);
    state.apply(id, Event::Cancelled);
    let (id, _, config) = asked(&mut state);
    assert_eq!(config.resolution, 0.9);
    state.apply(id, mapped(of, config));
    assert!(state.take_posts().is_empty());
}

#[test]
fn other_cells_and_other_components_make_other_maps() {
    let mut state = started();
    for of in Representation::ALL {
        state.map_population(of);
        let (id, of, config) = asked(&mut state);
        state.apply(id, mapped(of, config));
    }
    state.map_by(MapConfig { genes: None, ..MapConfig::default() });
    let there = |state: &State| Representation::ALL.map(|of| state.population.mapped(of).is_some());
    assert_eq!(there(&state), [false, true], "latent states know nothing of the genes chosen");
    step(&mut state, Event::Embedded { genes: None, maps: Vec::new() });
    state.ask_for_scores("kind".into());
    state.filter(CellFilter { min_counts: Some(1.0), ..CellFilter::default() });
    // The question about the old cells is answered first.
    step(&mut state, Event::Failed { message: "no labels".into(), hint: String::new() });
    step(&mut state, prepared());
    assert_eq!(there(&state), [false, false]);
    assert!(state.population.columns.is_empty() && state.population.markers.is_none());
}

#[test]
fn a_column_is_asked_for_once() {
    let mut state = started();
    let gene = |symbol: &str| CellQuantity::Gene { symbol: symbol.into() };
    state.ask_for_values(gene("A"));
    state.ask_for_values(gene("B"));
    assert_eq!(state.queue.len(), 1, "what was chosen last");
    let posts = state.take_posts();
    state.ask_for_values(gene("B"));
    assert!(state.queue.is_empty(), "it is under way");
    let column = CellColumn::Numbers { values: vec![1.0], unit: "log1p".into() };
    state.apply(posts[0].id, Event::CellValues { quantity: gene("B"), column });
    state.ask_for_values(gene("B"));
    assert!(state.queue.is_empty() && state.population.column(&gene("B")).is_some());
    for at in 0..40 {
        state.ask_for_values(gene(&at.to_string()));
        let column = CellColumn::Numbers { values: vec![1.0], unit: "log1p".into() };
        step(&mut state, Event::CellValues { quantity: gene(&at.to_string()), column });
    }
    assert!(state.population.columns.len() <= 16, "columns are kept, but not all");
    state.ask_for_symbols();
    state.ask_for_symbols();
    step(&mut state, Event::GeneSymbols { symbols: vec!["A".into()] });
    state.ask_for_symbols();
    assert!(state.take_posts().is_empty());
}
