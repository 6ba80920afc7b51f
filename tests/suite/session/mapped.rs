//! The map of a population through a session: what is computed anew and what is not, layouts that unfold, markers and
//! scores of groups, one thing of every cell, and input that makes no map.

use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use spec::device::{AttentionPath, BackendChoice};
use spec::map::{
    CellColumn, CellQuantity, Grouping, MapStep, Mapped, MarkerOptions, MarkerTable, MarkerTest, NO_CLUSTER,
    PopulationConfig, Representation, ScoreTable,
};
use spec::message::{Envelope, Event, ExportKind, Request};
use spec::model::Mode;
use spec::prediction::Query;
use spec::prepare::{CellFilter, MapConfig};

use super::{Person, failure};

const N_GENES: usize = 12;
const EXPRESSION: Representation = Representation::Expression;

/// Cells of three kinds, of which each has four genes of its own; the last cell has no label, the first gene is constant
/// where it is not silent.
fn kinds(n_cells: usize) -> NamedSource {
    let names: Vec<String> = (0..N_GENES).map(|gene| format!("G{gene}")).collect();
    let value = |at: usize| {
        let (cell, gene) = (at / N_GENES, at % N_GENES);
        let own = if gene / 4 == cell % 3 { 40 } else { 3 };
        // Noise without a period (splitmix64).
        let mut mixed = (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed >> 40) % 7 + own) as f32
    };
    let counts: Vec<f32> = (0..n_cells * N_GENES).map(value).collect();
    let kinds: Vec<&str> = (0..n_cells).map(|cell| ["alpha", "beta", "gamma"][cell % 3]).collect();
    let mut file = H5ad::new(
        Matrix::Dense { values: counts, n_obs: n_cells, n_vars: N_GENES },
        (0..n_cells).map(|cell| format!("cell{cell}")).collect(),
        names,
    );
    let Values::Categorical { mut codes, names } = Values::categorical(&kinds) else { panic!("categories") };
    codes[n_cells - 1] = -1;
    file.obs.columns.push(("kind".into(), Values::Categorical { codes, names }));
    file.obs.columns.push(("all".into(), Values::categorical(&vec!["same"; n_cells])));
    file.obs.columns.push(("leiden".into(), Values::categorical(&vec!["theirs"; n_cells])));
    file.obs.columns.push(("score".into(), Values::F32((0..n_cells).map(|cell| cell as f32).collect())));
    NamedSource::from_bytes("kinds.h5ad", write_h5ad(&file).expect("a well-formed file"))
}

impl Person {
    fn with_kinds(n_cells: usize) -> Self {
        let mut person = Self::new();
        person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
        person.open(kinds(n_cells));
        person
    }

    fn open(&mut self, file: NamedSource) {
        let Event::Opened { opened } = self.ask(Request::OPEN, vec![file]) else { panic!("opened") };
        let prepared = self.ask(Request::Prepare { options: opened.suggested }, vec![]);
        assert!(matches!(prepared, Event::Prepared { .. }), "{prepared:?}");
        self.embed(MapConfig { genes: None, ..MapConfig::default() });
    }

    fn embed(&mut self, config: MapConfig) {
        let embedded = self.ask(Request::Embed { config }, vec![]);
        assert!(matches!(embedded, Event::Embedded { .. }), "{embedded:?}");
    }

    /// The final event of a map, and the layouts before it.
    pub(super) fn unfold(&mut self, representation: Representation, config: PopulationConfig) -> (Event, Vec<Event>) {
        self.asked += 1;
        self.events.0.borrow_mut().clear();
        let request = Request::Map { representation, config };
        futures_lite::future::block_on(self.session.handle(self.asked, request, vec![]));
        let mut events = std::mem::take(&mut *self.events.0.borrow_mut());
        let last = events.pop().expect("an answer");
        events.retain(|event| !matches!(event, Event::Progress { .. }));
        assert!(events.iter().all(|event| matches!(event, Event::Unfolding { .. })), "{events:?}");
        (last, events)
    }

    fn mapped(&mut self, config: PopulationConfig) -> Mapped {
        let (last, _) = self.unfold(EXPRESSION, config);
        let Event::Mapped { mapped } = last else { panic!("a map: {last:?}") };
        *mapped
    }

    fn markers(&mut self, grouping: Grouping, options: MarkerOptions) -> Event {
        self.ask(Request::Markers { grouping, options }, vec![])
    }

    fn score(&mut self, column: &str) -> Event {
        self.ask(Request::Score { column: column.into(), config: PopulationConfig::default() }, vec![])
    }

    fn colour(&mut self, quantity: CellQuantity) -> Event {
        self.ask(Request::CellValues { quantity }, vec![])
    }
}

fn stat1() -> Query {
    Query::of("STAT1", Mode::Knockout)
}

fn table(event: Event) -> MarkerTable {
    let Event::MarkersFound { table } = event else { panic!("markers: {event:?}") };
    *table
}

#[test]
fn only_the_steps_that_changed_are_computed() {
    let mut person = Person::with_kinds(90);
    let config = PopulationConfig::default();
    let all = [MapStep::Neighbours, MapStep::Clusters, MapStep::Layout];
    let first = person.mapped(config.clone());
    assert_eq!((&first.computed[..], first.sizes.len()), (&all[..], 3), "{first:?}");
    for (changed, expected) in [
        (config.clone(), &[][..]),
        (PopulationConfig { resolution: 0.5, ..config.clone() }, &[MapStep::Clusters][..]),
        (PopulationConfig { min_dist: 0.1, resolution: 0.5, ..config.clone() }, &[MapStep::Layout]),
        (PopulationConfig { n_epochs: Some(20), min_dist: 0.1, resolution: 0.5, ..config.clone() }, &[MapStep::Layout]),
        (PopulationConfig { n_neighbours: 10, ..config.clone() }, &all),
        (PopulationConfig { n_neighbours: 10, n_pcs: 2, ..config.clone() }, &all),
        (PopulationConfig { seed: 1, ..config.clone() }, &all),
        (config.clone(), &all),
    ] {
        assert_eq!(person.mapped(changed.clone()).computed, expected, "{changed:?}");
    }
    // The same components, once more: nothing changed. Other ones: everything.
    person.embed(MapConfig { genes: None, ..MapConfig::default() });
    let again = person.mapped(config.clone());
    assert_eq!((again.computed.len(), &again.map, &again.clusters), (0, &first.map, &first.clusters));
    let scale = Some(spec::prepare::ScaleConfig::default());
    person.embed(MapConfig { genes: None, scale, ..MapConfig::default() });
    assert_eq!(person.mapped(config.clone()).computed, all);
    // Other cells have other components.
    let filter = CellFilter { min_counts: Some(220.0), ..CellFilter::default() };
    let Event::Prepared { prepared } = person.ask(Request::Filter { filter }, vec![]) else { panic!("filtered") };
    assert!(!prepared.dropped.is_empty() && prepared.n_cells > 30, "{}", prepared.n_cells);
    let (last, _) = person.unfold(EXPRESSION, config.clone());
    assert!(failure(last).contains("principal components"));
    person.embed(MapConfig { genes: None, ..MapConfig::default() });
    let filtered = person.mapped(config);
    let of_dropped = prepared.dropped.iter().map(|&row| row as usize);
    for row in of_dropped {
        assert!(filtered.map.x[row].is_nan() && filtered.clusters[row] == NO_CLUSTER);
    }
    assert_eq!(filtered.clusters.iter().filter(|&&cluster| cluster != NO_CLUSTER).count(), prepared.n_cells);
}

#[test]
fn a_layout_is_seen_as_it_unfolds() {
    let mut person = Person::with_kinds(60);
    let (last, layouts) = person.unfold(EXPRESSION, PopulationConfig::default());
    let Event::Mapped { mapped } = last else { panic!("a map") };
    assert!((40..=70).contains(&layouts.len()), "{} layouts of 500 epochs", layouts.len());
    let mut before = 0;
    for layout in &layouts {
        let Event::Unfolding { representation, map, n_done, n_epochs } = layout else { panic!("a layout") };
        assert_eq!((*representation, *n_epochs, map.x.len()), (EXPRESSION, 500, 60));
        assert!(map.x.iter().chain(&map.y).all(|place| place.is_finite()) && *n_done >= before);
        before = *n_done;
    }
    let Some(Event::Unfolding { map, .. }) = layouts.last() else { panic!("a layout") };
    assert_ne!(*map, mapped.map, "the last one shown is not yet the end");
    assert_eq!(mapped.map.axes, ["UMAP1", "UMAP2"]);
}

/// Cancels the request it hears of as soon as a layout unfolds.
struct Impatient {
    wishes: std::cell::RefCell<Option<engine::Wishes>>,
    events: std::cell::RefCell<Vec<Event>>,
}

impl engine::Sink for Impatient {
    fn emit(&self, envelope: Envelope<Event>) {
        if let (Event::Unfolding { .. }, Some(wishes)) = (&envelope.body, &*self.wishes.borrow()) {
            wishes.cancel(envelope.id);
        }
        self.events.borrow_mut().push(envelope.body);
    }
}

#[test]
fn what_became_whole_is_kept_where_a_map_is_cancelled() {
    let sink = std::rc::Rc::new(Impatient { wishes: None.into(), events: Vec::new().into() });
    let store = std::rc::Rc::new(engine::store::MemoryStore::default());
    let mut session = engine::Session::new(sink.clone(), 1 << 30, store);
    let mut id = 0;
    let mut ask = |request: Request, files: Vec<NamedSource>| {
        id += 1;
        futures_lite::future::block_on(session.handle(id, request, files));
        sink.events.borrow_mut().pop().expect("an answer")
    };
    let Event::Opened { opened } = ask(Request::OPEN, vec![kinds(60)]) else { panic!("opened") };
    ask(Request::Prepare { options: opened.suggested }, vec![]);
    ask(Request::Embed { config: MapConfig { genes: None, ..MapConfig::default() } }, vec![]);
    let map = || Request::Map { representation: EXPRESSION, config: PopulationConfig::default() };
    *sink.wishes.borrow_mut() = Some(session.wishes());
    let mut ask = |request: Request| {
        id += 1;
        futures_lite::future::block_on(session.handle(id, request, vec![]));
        sink.events.borrow_mut().pop().expect("an answer")
    };
    assert_eq!(ask(map()), Event::Cancelled);
    *sink.wishes.borrow_mut() = None;
    let Event::Mapped { mapped } = ask(map()) else { panic!("a map") };
    assert_eq!(mapped.computed, [MapStep::Layout], "neighbours and clusters were whole");
}

#[test]
fn markers_are_those_of_the_groups() {
    let mut person = Person::with_kinds(60);
    let kinds = || Grouping::Column { name: "kind".into() };
    let found = table(person.markers(kinds(), MarkerOptions { n_told: 4, ..MarkerOptions::default() }));
    assert_eq!((found.n_genes, found.groups.len(), found.warnings.len()), (N_GENES, 3, 0));
    for (at, group) in found.groups.iter().enumerate() {
        assert_eq!(group.name, ["alpha", "beta", "gamma"][at]);
        assert_eq!(group.n_cells, if at == 2 { 19 } else { 20 }, "the last cell has no label");
        let own: Vec<String> = (4 * at..4 * at + 4).map(|gene| format!("G{gene}")).collect();
        assert!(group.markers.iter().all(|marker| own.contains(&marker.gene)), "{group:?}");
        assert!(group.markers.iter().all(|marker| marker.log2_fold_change > 1.0 && marker.p_adjusted < 1e-6));
    }
    let reference = Some("beta".to_owned());
    for test in [MarkerTest::Welch, MarkerTest::Wilcoxon, MarkerTest::WilcoxonTies] {
        let options = MarkerOptions { test, reference: reference.clone(), ..MarkerOptions::default() };
        let against = table(person.markers(kinds(), options));
        let names: Vec<&str> = against.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["alpha", "gamma"], "the reference has no markers of its own");
    }
    let (name, csv) = {
        let Event::Exported { name, bytes } = person.ask(Request::Export { kind: ExportKind::Markers }, vec![]) else {
            panic!("a file")
        };
        (name, String::from_utf8(bytes).expect("text"))
    };
    assert_eq!((name.as_str(), csv.lines().count()), ("kinds_markers.csv", 1 + 2 * N_GENES));

    // Chosen cells against all others; those that are not there are not chosen.
    let rows = (0..60).filter(|row| row % 3 == 1).chain([1000]).collect();
    let chosen = table(person.markers(Grouping::Selection { rows }, MarkerOptions::default()));
    assert_eq!((chosen.groups.len(), chosen.groups[0].n_cells), (1, 20));
    assert!(["G4", "G5", "G6", "G7"].contains(&chosen.groups[0].markers[0].gene.as_str()));

    // The clusters are the kinds, by another way.
    let message = failure(person.markers(Grouping::Clusters { representation: EXPRESSION }, MarkerOptions::default()));
    assert!(message.contains("no clusters of expression yet"), "{message}");
    person.mapped(PopulationConfig::default());
    let of_clusters =
        table(person.markers(Grouping::Clusters { representation: EXPRESSION }, MarkerOptions::default()));
    assert_eq!(of_clusters.groups.len(), 3);
}

#[test]
fn groups_that_make_no_test_are_named() {
    let mut person = Person::with_kinds(30);
    let column = |name: &str| Grouping::Column { name: name.into() };
    let nobody = || Grouping::Selection { rows: Vec::new() };
    let one = || Grouping::Selection { rows: vec![3] };
    let everybody = || Grouping::Selection { rows: (0..30).collect() };
    let beyond = MarkerOptions { reference: Some("delta".into()), ..MarkerOptions::default() };
    for (grouping, options, expected) in [
        (nobody(), MarkerOptions::default(), "two cells"),
        (one(), MarkerOptions::default(), "two cells"),
        (everybody(), MarkerOptions::default(), "outside group 0 there are 0 cells"),
        (column("all"), MarkerOptions::default(), "outside group 0"),
        (column("nothing"), MarkerOptions::default(), "nothing is no column of labels"),
        (column("score"), MarkerOptions::default(), "score is no column of labels"),
        (column("kind"), beyond, "delta is no group of kind"),
        (Grouping::Perturbation, MarkerOptions::default(), "no column of perturbations"),
    ] {
        let message = failure(person.markers(grouping, options));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn clusters_are_scored_against_labels_side_by_side() {
    let mut person = Person::with_kinds(60);
    let scored = |event: Event| -> ScoreTable {
        let Event::Scored { table } = event else { panic!("scores: {event:?}") };
        *table
    };
    let alone = scored(person.score("kind"));
    assert_eq!((alone.n_labels, alone.scores.len(), alone.scores[0].n_labelled), (3, 1, 59));
    let of_expression = &alone.scores[0];
    // Three kinds that lie apart: every measure says so.
    assert_eq!((of_expression.nmi, of_expression.ari, of_expression.n_clusters), (1.0, 1.0, 3));
    let (asw, mean) = (of_expression.asw.expect("three labels"), of_expression.avg_bio.expect("three labels"));
    assert!(asw > 0.8 && (mean - (2.0 + asw) / 3.0).abs() < 1e-12, "{asw} {mean}");
    let tuned = of_expression.tuned.expect("three labels");
    assert!(tuned.avg_bio >= mean - 1e-12 && tuned.avg_bio >= of_expression.tuned_of_10.expect("labels") - 1e-12);
    for (column, expected) in [("all", "there are 1 for"), ("nothing", "no column of labels")] {
        let message = failure(person.score(column));
        assert!(message.contains(expected), "{message}");
    }

    // With a model, its latent states beside.
    let mut person = Person::with_model_and_cells();
    person.embed(MapConfig { genes: None, ..MapConfig::default() });
    let both = scored(person.score("condition"));
    let names: Vec<Representation> = both.scores.iter().map(|scores| scores.representation).collect();
    assert_eq!(names, Representation::ALL);
    assert_eq!(both.scores[0].n_cells, both.scores[1].n_cells);
    let message = failure(
        Person::with_kinds(30)
            .ask(Request::Map { representation: Representation::Latent, config: PopulationConfig::default() }, vec![]),
    );
    assert!(message.contains("no latent states"), "{message}");
}

#[test]
fn input_that_hardly_makes_a_map_says_what_it_made() {
    // Fewer cells than neighbours: half of them, as scanpy does.
    let mut person = Person::with_kinds(9);
    let few = person.mapped(PopulationConfig::default());
    assert_eq!(few.n_neighbours, 5);
    assert!(few.warnings[0].contains("9 cells, fewer than the 15 neighbours"), "{:?}", few.warnings);
    assert!(few.map.x.iter().all(|place| place.is_finite()));
    let one = person.mapped(PopulationConfig { resolution: 0.0, ..PopulationConfig::default() });
    assert_eq!(one.sizes, [9]);
    assert!(one.warnings.iter().any(|warning| warning.contains("one cluster")), "{:?}", one.warnings);
    for (config, expected) in [
        (PopulationConfig { n_neighbours: 1, ..PopulationConfig::default() }, "n_neighbours is 1"),
        (PopulationConfig { min_dist: 2.0, ..PopulationConfig::default() }, "min_dist is 2"),
        (PopulationConfig { resolution: -1.0, ..PopulationConfig::default() }, "resolution is -1"),
    ] {
        let (last, _) = person.unfold(EXPRESSION, config);
        let message = failure(last);
        assert!(message.contains(expected), "{message}");
    }
    // Genes that are the same in every cell: all cells at one place.
    let constant = H5ad::new(
        Matrix::Dense { values: vec![3.0; 40 * 4], n_obs: 40, n_vars: 4 },
        (0..40).map(|cell| format!("cell{cell}")).collect(),
        (0..4).map(|gene| format!("G{gene}")).collect(),
    );
    person.open(NamedSource::from_bytes("constant.h5ad", write_h5ad(&constant).expect("a well-formed file")));
    let flat = person.mapped(PopulationConfig::default());
    assert!(flat.map.x.iter().chain(&flat.map.y).all(|place| place.is_finite()));
    let rows = (0..20).collect();
    let nothing = table(person.markers(Grouping::Selection { rows }, MarkerOptions::default()));
    assert!(nothing.groups[0].markers.iter().all(|marker| marker.score == 0.0 && marker.p_adjusted == 1.0));
}

#[test]
fn one_thing_of_every_cell_is_told() {
    let mut person = Person::with_kinds(30);
    let numbers = |event: Event| -> Vec<f32> {
        let Event::CellValues { column: CellColumn::Numbers { values, .. }, .. } = event else { panic!("{event:?}") };
        values
    };
    let gene = numbers(person.colour(CellQuantity::Gene { symbol: "G5".into() }));
    let (own, other): (Vec<_>, Vec<_>) = (0..30).partition(|row| row % 3 == 1);
    let least = own.iter().map(|&row: &usize| gene[row]).fold(f32::MAX, f32::min);
    assert!(gene.len() == 30 && other.iter().all(|&row| gene[row] < least), "{gene:?}");
    let scores = numbers(person.colour(CellQuantity::Column { name: "score".into() }));
    assert_eq!(scores[..3], [0.0, 1.0, 2.0]);
    let kinds = person.colour(CellQuantity::Column { name: "kind".into() });
    let Event::CellValues { column: CellColumn::Labels { codes, names }, .. } = kinds else { panic!("{kinds:?}") };
    assert_eq!((&codes[..3], codes[29], names.len()), (&[0, 1, 2][..], u32::MAX, 3));
    assert!(numbers(person.colour(CellQuantity::Component { index: 1 })).iter().all(|value| value.is_finite()));
    for (quantity, expected) in [
        (CellQuantity::Gene { symbol: "NOPE".into() }, "no gene NOPE"),
        (CellQuantity::Column { name: "nope".into() }, "no column nope"),
        (CellQuantity::Component { index: 60 }, "no principal component 61"),
        (CellQuantity::Latent { index: 0 }, "no latent states"),
    ] {
        let message = failure(person.colour(quantity));
        assert!(message.contains(expected), "{message}");
    }
    let symbols = person.ask(Request::GeneSymbols, vec![]);
    assert!(matches!(&symbols, Event::GeneSymbols { symbols } if symbols.len() == N_GENES && symbols[3] == "G3"));

    // With a model and an answer: its states, and how far each cell lies along the predicted change.
    let mut person = Person::with_model_and_cells();
    person.embed(MapConfig { genes: None, ..MapConfig::default() });
    assert!(numbers(person.colour(CellQuantity::Latent { index: 1 })).iter().all(|value| value.is_finite()));
    let query = stat1();
    let shift = || CellQuantity::Shift { query: stat1() };
    assert!(failure(person.colour(shift())).contains("not predicted yet"));
    let predicted = person.ask(Request::Predict { query }, vec![]);
    assert!(matches!(predicted, Event::Predicted { .. }), "{predicted:?}");
    let along = numbers(person.colour(shift()));
    let mean: f32 = along.iter().sum::<f32>() / along.len() as f32;
    assert!(mean.abs() < 1e-4 && along.iter().any(|value| value.abs() > 1e-3), "{along:?}");
}

#[test]
fn maps_and_clusters_are_saved_and_told() {
    let mut person = Person::with_kinds(60);
    person.mapped(PopulationConfig { seed: 7, ..PopulationConfig::default() });
    person.markers(Grouping::Clusters { representation: EXPRESSION }, MarkerOptions::default());
    person.score("kind");
    let mut save = |kind: ExportKind| {
        let Event::Exported { name, bytes } = person.ask(Request::Export { kind }, vec![]) else { panic!("{kind:?}") };
        (name, bytes)
    };
    let (_, bytes) = save(ExportKind::H5ad);
    // For a look at it in scanpy.
    let keep = std::env::var_os("KEEP_MAPPED").map(std::path::PathBuf::from);
    let kept = |name: &str, bytes: &[u8]| {
        keep.iter().for_each(|folder| std::fs::write(folder.join(name), bytes).expect("a folder that can be written"));
    };
    kept("kinds_waddington.h5ad", &bytes);
    let file = hdf5_pure::File::from_bytes(bytes).expect("an hdf5 file");
    let shape = |name: &str| file.dataset(name).and_then(|dataset| dataset.shape()).expect(name);
    assert_eq!((shape("obsm/X_umap"), shape("obsm/X_pca")), (vec![60, 2], vec![60, N_GENES as u64]));
    // The file's own column of that name stays.
    assert_eq!((shape("obs/leiden/codes"), shape("obs/leiden_waddington/codes")), (vec![60], vec![60]));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let csv = text(save(ExportKind::CellsCsv).1);
    let header = csv.lines().next().unwrap_or_default();
    assert!(header.ends_with("leiden_waddington,X_pca_1,X_pca_2,X_umap_1,X_umap_2"), "{header}");
    let (name, methods) = save(ExportKind::Methods);
    let methods = text(methods);
    assert_eq!(name, "kinds_methods.txt");
    for part in ["60 cells by 12 genes", "15 nearest", "seed 7", "3 clusters", "min_dist 0.5, spread 1, 500 epochs"] {
        assert!(methods.contains(part), "{part}: {methods}");
    }
    assert!(methods.contains("Welch") && methods.contains("optimistic") && methods.contains("Traag"), "{methods}");
    let snippet = text(save(ExportKind::Snippet).1);
    kept("kinds_scanpy.py", snippet.as_bytes());
    assert!(snippet.contains("kinds_waddington.h5ad") && snippet.contains("color=\"leiden_waddington\""), "{snippet}");
    let nothing = Person::with_kinds(30).ask(Request::Export { kind: ExportKind::Markers }, vec![]);
    assert!(failure(nothing).contains("no markers to save"));
}
