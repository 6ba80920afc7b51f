//! Questions about several genes at once and about some of the cells: sums, orders and halves, and what is refused.

use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use spec::device::{AttentionPath, BackendChoice};
use spec::map::{Grouping, PopulationConfig, Representation};
use spec::message::{Event, ExportKind, Request};
use spec::model::Mode;
use spec::prediction::{CellChoice, Prediction, Query, Support, Uncertainty};
use spec::prepare::{MapConfig, ScaleConfig};

use super::backwards::shipped;
use super::{GENES, LOAD, Person, checkpoint_files, embed, failure};

const LABELS: [&str; 6] = ["control", "STAT1", "control", "JAK2+STAT1", "control", "JAK2"];
const N_CELLS: usize = 48;

/// Cells of two donors, one of which gave two thirds of them; perturbed singly and together.
fn cells() -> NamedSource {
    NamedSource::from_bytes("pairs.h5ad", write_h5ad(&pairs(LABELS)).expect("a well-formed file"))
}

/// Rows with these labels in turn.
fn pairs(labels: [&str; 6]) -> H5ad {
    let n_genes = GENES.len();
    let counts = (0..N_CELLS * n_genes).map(|at| ((at * 7 + at / 5) % 11) as f32).collect();
    let mut file = H5ad::new(
        Matrix::Dense { values: counts, n_obs: N_CELLS, n_vars: n_genes },
        (0..N_CELLS).map(|cell| format!("cell{cell}")).collect(),
        GENES.map(String::from).into(),
    );
    let labels: Vec<&str> = (0..N_CELLS).map(|cell| labels[cell % 6]).collect();
    let donors: Vec<&str> = (0..N_CELLS).map(|cell| ["old", "old", "young"][cell / 3 % 3]).collect();
    let rare: Vec<&str> = labels.iter().map(|label| if *label == "JAK2" { "yes" } else { "no" }).collect();
    file.obs.columns.push(("condition".into(), Values::categorical(&labels)));
    file.obs.columns.push(("donor".into(), Values::categorical(&donors)));
    file.obs.columns.push(("rare".into(), Values::categorical(&rare)));
    file
}

impl Person {
    fn with_pairs() -> Self {
        let mut person = Self::new();
        person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
        person.ask(LOAD, checkpoint_files());
        let Event::Opened { opened } = person.ask(Request::OPEN, vec![cells()]) else { panic!("opened") };
        assert_eq!(opened.suggested.perturbation_column.as_deref(), Some("condition"));
        let prepared = person.ask(Request::Prepare { options: opened.suggested }, vec![]);
        assert!(matches!(prepared, Event::Prepared { .. }), "{prepared:?}");
        person
    }

    fn answer(&mut self, query: Query) -> Prediction {
        let answer = self.ask(Request::Predict { query }, vec![]);
        let Event::Predicted { prediction } = answer else { panic!("an answer: {answer:?}") };
        prediction
    }

    fn refusal(&mut self, query: Query) -> String {
        failure(self.ask(Request::Predict { query }, vec![]))
    }
}

fn together(genes: &[&str]) -> Query {
    let with = genes[1..].iter().map(|gene| (*gene).to_owned()).collect();
    Query { with, ..Query::of(genes[0], Mode::Knockout) }
}

fn of_donor(donor: &str) -> CellChoice {
    CellChoice::Group { grouping: Grouping::Column { name: "donor".into() }, group: donor.into() }
}

fn sum(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(a, b)| a + b).collect()
}

#[test]
fn a_combination_is_the_sum_of_its_genes_in_any_order() {
    let mut person = Person::with_pairs();
    let (stat1, jak2) = (person.answer(together(&["STAT1"])), person.answer(together(&["JAK2"])));
    assert!(stat1.parts.is_empty() && stat1.additive.is_none());
    let both = person.answer(together(&["STAT1", "JAK2"]));
    assert_eq!(both.delta, sum(&jak2.delta, &stat1.delta));
    let named: Vec<(&str, Support)> = both.parts.iter().map(|part| (part.target.as_str(), part.support)).collect();
    assert_eq!(named, [("JAK2", Support::HeldOut), ("STAT1", Support::Seen)]);
    assert_eq!((&both.parts[0].delta, &both.parts[1].delta), (&jak2.delta, &stat1.delta));
    assert_eq!(both.support, Support::NeverMeasured, "the checkpoint knows no combination");
    assert!(both.warnings[0].contains("saw no combination in training"), "{:?}", both.warnings);
    let Uncertainty::Unknown { reason } = &both.uncertainty else { panic!("{:?}", both.uncertainty) };
    assert!(reason.contains("combinations"), "{reason}");

    for genes in [["JAK2", "TP53", "STAT1"], ["STAT1", "JAK2", "TP53"], ["TP53", "STAT1", "JAK2"]] {
        let answer = person.answer(together(&genes));
        let first = person.answer(together(&["STAT1", "TP53", "JAK2"]));
        assert_eq!((answer.delta, answer.parts, answer.additive), (first.delta, first.parts, first.additive));
    }
}

#[test]
fn beside_a_combination_stand_its_measurement_and_the_sum_of_what_was_measured_alone() {
    let mut person = Person::with_pairs();
    let alone = |person: &mut Person, gene| person.answer(together(&[gene])).measured.expect("it is in the file").delta;
    let (stat1, jak2) = (alone(&mut person, "STAT1"), alone(&mut person, "JAK2"));
    let both = person.answer(together(&["STAT1", "JAK2"]));
    let measured = both.measured.as_ref().expect("JAK2+STAT1 is in the file, in the other order");
    assert_eq!(measured.n_cells, N_CELLS / 6);
    let additive = both.additive.as_ref().expect("both were measured alone");
    assert_eq!((&additive.delta, &additive.measured[..]), (&sum(&jak2, &stat1), &["JAK2".into(), "STAT1".into()][..]));
    assert!(additive.assumed.is_empty());
    let methods: Vec<&str> = both.agreement.iter().map(|score| score.method.as_str()).collect();
    assert_eq!(methods, ["model", "no change", "training mean", "additive"]);

    // A gene that was not measured alone counts as the mean of training.
    let some = person.answer(together(&["STAT1", "TP53"]));
    let additive = some.additive.expect("STAT1 was");
    assert_eq!((additive.measured, additive.assumed), (vec!["STAT1".to_owned()], vec!["TP53".to_owned()]));
    assert_eq!(additive.delta, sum(&stat1, &some.training_mean.expect("a table")));
    assert!(some.measured.is_none());
}

#[test]
fn an_additive_baseline_of_several_sources_names_them_all() {
    let mut person = Person::with_pairs();
    let source = |person: &mut Person, genes: &[&str]| person.answer(together(genes)).additive.expect("parts").source;
    assert_eq!(source(&mut person, &["STAT1", "JAK2"]), "these cells");
    // Of metacells the table that came with the model has STAT1 and JAK2, and only the file TP53.
    let mut file = pairs(["control", "STAT1", "control", "TP53", "control", "JAK2"]);
    file.uns.push(("waddington/unit".into(), "metacell".into()));
    file.obs.columns.push(("n_cells".into(), Values::F32(vec![4.0; N_CELLS])));
    let file = NamedSource::from_bytes("metacells.h5ad", write_h5ad(&file).expect("a well-formed file"));
    let Event::Opened { opened } = person.ask(Request::OPEN, vec![file]) else { panic!("opened") };
    let prepared = person.ask(Request::Prepare { options: opened.suggested }, vec![]);
    assert!(matches!(prepared, Event::Prepared { .. }), "{prepared:?}");
    assert_eq!(source(&mut person, &["STAT1", "JAK2"]), "made up");
    assert_eq!(source(&mut person, &["TP53", "STAT1"]), "STAT1: made up; TP53: these cells");
}

#[test]
fn combinations_that_cannot_be_are_refused_by_name() {
    let mut person = Person::with_pairs();
    for (genes, expected) in [
        (&["STAT1", "STAT1"][..], "STAT1 is named twice"),
        (&["STAT1", "NOSUCH"], "no vector for the gene NOSUCH"),
        (&["STAT1", "jak2"], "did you mean JAK2?"),
        (&["STAT1", ""], "has no name"),
        (&["A", "B", "C", "D", "E", "F", "G"], "7 genes at once"),
    ] {
        let said = person.refusal(together(genes));
        assert!(said.contains(expected), "{genes:?}: {said}");
    }
}

#[test]
fn answers_in_parts_of_the_cells_make_up_that_in_all() {
    let mut person = Person::with_pairs();
    let ask = |person: &mut Person, cells| person.answer(Query { cells, ..together(&["JAK2"]) });
    let whole = ask(&mut person, CellChoice::All);
    let every = ask(&mut person, CellChoice::Selection { rows: (0..N_CELLS as u32).collect() });
    assert_eq!((&every.delta, &every.control_mean), (&whole.delta, &whole.control_mean));
    let (old, young) = (ask(&mut person, of_donor("old")), ask(&mut person, of_donor("young")));
    assert_eq!(old.n_control_cells + young.n_control_cells, whole.n_control_cells);
    assert_ne!(old.delta, young.delta);
    let share = old.n_control_cells as f32 / whole.n_control_cells as f32;
    for (of, parts) in
        [(&whole.delta, [&old.delta, &young.delta]), (&whole.control_mean, [&old.control_mean, &young.control_mean])]
    {
        for (gene, value) in of.iter().enumerate() {
            let mean = share * parts[0][gene] + (1.0 - share) * parts[1][gene];
            assert!((mean - value).abs() < 1e-5, "{}: {mean} {value}", GENES[gene]);
        }
    }
    // What is measured is of the same cells.
    let measured = [&old, &young, &whole].map(|answer| answer.measured.as_ref().expect("JAK2 is in the file"));
    assert_eq!(measured[0].n_cells + measured[1].n_cells, measured[2].n_cells);
    assert_eq!(measured[0].source, "these cells, in old (donor)");
    assert_eq!(measured[0].n_control_cells, old.n_control_cells);
    // Another question about the same gene stands beside the first, in the file as well.
    assert_eq!(old.query.label(), "JAK2 knockout in old (donor)");
}

#[test]
fn choices_without_control_cells_are_refused_and_small_ones_named() {
    let mut person = Person::with_pairs();
    let mut refused = |cells| person.refusal(Query { cells, ..together(&["JAK2"]) });
    let of = |column: &str, group: &str| CellChoice::Group {
        grouping: Grouping::Column { name: column.into() },
        group: group.into(),
    };
    for (cells, expected) in [
        (CellChoice::Selection { rows: vec![] }, "no cells in the selection"),
        (CellChoice::Selection { rows: vec![9999] }, "no cells in the selection"),
        (
            CellChoice::Selection { rows: vec![1, 3, 5] },
            "none of the 3 cells in the selection is one of the 24 control",
        ),
        (of("rare", "yes"), "none of the 8 cells in yes (rare)"),
        (of("donor", "nobody"), "nobody is no group of donor; there are: old, young"),
        (of("height", "tall"), "height is no column of labels"),
        (
            CellChoice::Group {
                grouping: Grouping::Clusters { representation: spec::map::Representation::Expression },
                group: "0".into(),
            },
            "no clusters of expression yet",
        ),
    ] {
        let said = refused(cells);
        assert!(said.contains(expected), "{expected}: {said}");
    }
    person.ask(embed(), vec![]);
    let two = person.answer(Query { cells: CellChoice::Selection { rows: vec![0, 2, 5] }, ..together(&["JAK2"]) });
    assert_eq!((two.n_control_cells, two.measured.as_ref().map(|measured| measured.n_cells)), (2, Some(1)));
    let warned = two.warnings.join(" ");
    for part in ["2 control cells in the selection", "the measured change is understated"] {
        assert!(warned.contains(part), "{part}: {warned}");
    }
    let Uncertainty::Unknown { reason } = &two.uncertainty else { panic!("{:?}", two.uncertainty) };
    assert!(reason.contains("say nothing of the selection"), "{reason}");
}

#[test]
fn questions_cross_the_border_as_they_did_before() {
    let old: Query = serde_json::from_str(r#"{"target":"STAT1","mode":"knockout"}"#).expect("a question");
    assert_eq!(old, Query::of("STAT1", Mode::Knockout));
    for cells in [CellChoice::All, of_donor("old"), CellChoice::Selection { rows: vec![7, 70_000] }] {
        let asked = Query { with: vec!["JAK2".into()], cells, ..old.clone() };
        let text = serde_json::to_string(&asked).expect("json");
        assert_eq!(serde_json::from_str::<Query>(&text).expect("a question"), asked);
    }
}

#[test]
fn arrows_start_at_the_cells_and_end_where_the_change_takes_them() {
    let mut person = Person::with_pairs();
    let query = together(&["JAK2"]);
    let ask = |person: &mut Person, query: Query| person.ask(Request::Shifts { query }, vec![]);
    assert!(failure(ask(&mut person, query.clone())).contains("JAK2 knockout was not predicted yet"));
    let prediction = person.answer(query.clone());
    assert!(failure(ask(&mut person, query.clone())).contains("maps are computed under Look"));
    person.ask(Request::Embed { config: MapConfig { genes: None, ..MapConfig::default() } }, vec![]);
    let Event::Shifted { shifts } = ask(&mut person, query.clone()) else { panic!("shifts") };
    assert_eq!((shifts.layouts.len(), shifts.n_genes), (1, [GENES.len(), GENES.len()]));
    assert!(shifts.share_drawn > 0.0 && shifts.share_drawn <= 1.0, "{}", shifts.share_drawn);
    let layout = &shifts.layouts[0];
    assert_eq!(layout.predicted.n_cells, prediction.n_control_cells);
    assert!(!layout.arrows.is_empty() && layout.arrows.iter().all(|arrow| arrow.n_cells >= 3));

    // What was measured ends at the mean of the perturbed cells, as the map places them.
    let Event::Embedded { maps, .. } =
        person.ask(Request::Embed { config: MapConfig { genes: None, ..MapConfig::default() } }, vec![])
    else {
        panic!("maps")
    };
    let mean = |label: &str| {
        let rows: Vec<usize> = (0..N_CELLS).filter(|cell| LABELS[cell % 6] == label).collect();
        [&maps[0].x, &maps[0].y]
            .map(|axis| rows.iter().map(|&row| f64::from(axis[row])).sum::<f64>() / rows.len() as f64)
    };
    let measured = layout.measured.as_ref().expect("JAK2 is in the file");
    for axis in 0..2 {
        assert!((measured.from[axis] - mean("control")[axis]).abs() < 1e-4, "{measured:?}");
        assert!((measured.to[axis] - mean("JAK2")[axis]).abs() < 1e-4, "{measured:?} {:?}", mean("JAK2"));
    }
    // A layout by neighbours has arrows of its own, which end among cells.
    let representation = spec::map::Representation::Expression;
    let config = spec::map::PopulationConfig { n_neighbours: 5, n_epochs: Some(10), ..Default::default() };
    person.unfold(representation, config);
    let Event::Shifted { shifts } = ask(&mut person, query) else { panic!("shifts") };
    assert_eq!(shifts.layouts.iter().map(|layout| layout.is_umap).collect::<Vec<_>>(), [false, true]);
    assert!(shifts.layouts[1].predicted.to.iter().all(|value| value.is_finite()));
}

/// Names of what is saved in a file.
fn saved_answers(person: &mut Person) -> String {
    let Event::Exported { bytes, .. } = person.ask(Request::Export { kind: ExportKind::H5ad }, vec![]) else {
        panic!("a file")
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn answers_in_clusters_that_are_others_now_are_forgotten() {
    let mut person = Person::with_pairs();
    person.ask(Request::Embed { config: MapConfig { genes: None, ..MapConfig::default() } }, vec![]);
    let of = Representation::Expression;
    let map = |person: &mut Person, resolution: f64, min_dist: f64| {
        let config =
            PopulationConfig { n_neighbours: 5, n_epochs: Some(5), resolution, min_dist, ..Default::default() };
        let (Event::Mapped { mapped }, _) = person.unfold(of, config) else { panic!("a map") };
        mapped.clusters
    };
    let first = map(&mut person, 1.0, 0.5);
    let cells = CellChoice::Group { grouping: Grouping::Clusters { representation: of }, group: "0".into() };
    let in_cluster = Query { cells, ..together(&["JAK2"]) };
    let (whole, part) = (person.answer(together(&["JAK2"])), person.answer(in_cluster.clone()));
    assert_ne!(whole.n_control_cells, part.n_control_cells);
    let is_known = |person: &mut Person, query: &Query| {
        let answer = person.ask(Request::Shifts { query: query.clone() }, vec![]);
        matches!(answer, Event::Shifted { .. })
    };
    let named = "JAK2 knockout in cluster 0 of expression";
    assert!(is_known(&mut person, &in_cluster) && saved_answers(&mut person).contains(named));
    // Another layout of the same clusters changes nothing.
    assert_eq!(map(&mut person, 1.0, 0.1), first);
    assert!(is_known(&mut person, &in_cluster));
    assert_ne!(map(&mut person, 3.0, 0.1), first);
    assert!(!is_known(&mut person, &in_cluster) && is_known(&mut person, &together(&["JAK2"])));
    assert!(!saved_answers(&mut person).contains(named), "what is saved is of clusters that are there");
    // Other components: no clusters.
    person.answer(in_cluster.clone());
    person.ask(
        Request::Embed {
            config: MapConfig { scale: Some(ScaleConfig::default()), genes: None, ..MapConfig::default() },
        },
        vec![],
    );
    assert!(!is_known(&mut person, &in_cluster));
}

#[test]
fn what_the_model_came_with_is_not_said_to_be_of_the_chosen_metacells() {
    let mut person = Person::new();
    person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
    let files = ["model.safetensors", "bank.safetensors", "measured.safetensors", "card.json"].map(shipped);
    person.ask(LOAD, files.into());
    let Event::Opened { opened } = person.ask(Request::OPEN, vec![shipped("metacells.h5ad")]) else { panic!("opened") };
    let Event::Prepared { prepared } = person.ask(Request::Prepare { options: opened.suggested }, vec![]) else {
        panic!("prepared")
    };
    let target = prepared.perturbations[1].0.clone();
    let whole = person.answer(together(&[&target]));
    assert!(whole.measured.as_ref().is_some_and(|measured| !measured.is_of_these_cells), "{:?}", whole.measured);
    let warned = whole.warnings.join(" ");
    assert!(!warned.contains("of all cells of the screen"), "{warned}");
    let n = prepared.n_cells as u32;
    let part =
        person.answer(Query { cells: CellChoice::Selection { rows: (0..n / 2).collect() }, ..together(&[&target]) });
    assert!(part.measured.as_ref().is_some_and(|measured| !measured.is_of_these_cells), "{:?}", part.measured);
    let warned = part.warnings.join(" ");
    assert!(warned.contains("of all cells of the screen") && !warned.contains("understated"), "{warned}");
    assert!(part.uncertainty.intervals().is_none());
}
