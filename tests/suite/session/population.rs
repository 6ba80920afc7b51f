//! What a session makes of cells: genes met by id, lacking genes, filters, corrected labels, and the file that is saved.

use std::path::Path;

use cells::source::NamedSource;
use cells::write::h5ad::UnsArray;
use spec::dataset::{GeneSelection, PrepareOptions};
use spec::device::{AttentionPath, BackendChoice};
use spec::labels::{LabelOptions, Reading};
use spec::message::{Event, ExportKind, Request};
use spec::model::Mode;
use spec::prediction::{Prediction, Query};
use spec::prepare::CellFilter;

use super::{GENES, LOAD, Person, cells_file, embed, failure, file_of_cells};

#[test]
fn a_file_of_ensembl_ids_meets_the_model_that_ships() {
    let shipped = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/demo").join(name);
        NamedSource::from_bytes(name, std::fs::read(path).expect("it ships"))
    };
    let mut person = Person::new();
    person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
    let files = ["model.safetensors", "bank.safetensors", "measured.safetensors", "card.json"].map(shipped);
    let loaded = person.ask(LOAD, files.into());
    let Event::CheckpointLoaded { header, .. } = loaded else { panic!("{loaded:?}") };
    let ids: Vec<String> = header.gene_ids.iter().filter(|id| !id.is_empty()).map(|id| format!("{id}.7")).collect();
    assert!(ids.len() > 250, "{} ids", ids.len());
    let opened = person.ask(Request::OPEN, vec![cells_file(&ids.iter().map(String::as_str).collect::<Vec<_>>())]);
    let Event::Opened { opened } = opened else { panic!("{opened:?}") };
    let prepared = person.ask(Request::Prepare { options: opened.suggested }, vec![]);
    let Event::Prepared { prepared } = prepared else { panic!("{prepared:?}") };
    assert_eq!(prepared.coverage.map(|coverage| coverage.n_found), Some(ids.len()));
    let query = Query::of("STAT1", Mode::Knockout);
    let answer = person.ask(Request::Predict { query }, vec![]);
    assert!(matches!(answer, Event::Predicted { .. }), "{answer:?}");
}

#[test]
fn genes_that_the_file_lacks_are_no_measurement() {
    let ask = |genes: &[&str]| {
        let mut person = Person::with_model_and_cells();
        let Event::Opened { opened } = person.ask(Request::OPEN, vec![cells_file(genes)]) else { panic!("opened") };
        person.ask(Request::Prepare { options: opened.suggested }, vec![]);
        let query = Query::of("JAK2", Mode::Knockout);
        let Event::Predicted { prediction } = person.ask(Request::Predict { query }, vec![]) else {
            panic!("an answer")
        };
        prediction
    };
    let whole = ask(&GENES);
    // A plain file of cells is nowhere said to be of the training screen.
    assert_eq!(whole.warnings.len(), 1, "{:?}", whole.warnings);
    let part = ask(&GENES[..2]);
    let measured = part.measured.expect("JAK2 is in the file");
    let finite = |values: &[f32]| values.iter().map(|value| value.is_finite()).collect::<Vec<bool>>();
    let there = [true, true, false, false, false, false];
    assert_eq!((finite(&part.control_mean), finite(&measured.delta)), (there.into(), there.into()));
    assert_eq!(finite(&measured.standard_error), there);
    assert!(part.warnings[0].starts_with("4 of the model's 6 genes") && part.warnings[0].contains("next to nothing"));
    let none = part.agreement.iter().find(|score| score.method == "no change").expect("it is scored");
    let expected = measured.delta[..2].iter().map(|delta| f64::from(*delta).powi(2)).sum::<f64>() / 2.0;
    assert!((none.mse - expected).abs() <= 1e-6 * expected, "{} is not {expected}", none.mse);
}

#[test]
fn samples_share_the_genes_that_are_asked_for() {
    let samples = || {
        let of = |name: &str, genes: &[&str]| NamedSource { name: name.into(), ..cells_file(genes) };
        vec![of("a.h5ad", &GENES[..4]), of("b.h5ad", &GENES[2..])]
    };
    let mut person = Person::new();
    let asked = [r#"{"type": "open"}"#, r#"{"type": "open", "join": "intersection"}"#];
    for (request, n_genes) in asked.into_iter().zip([GENES.len(), 2]) {
        let request: Request = serde_json::from_str(request).expect("a request");
        let Event::Opened { opened } = person.ask(request, samples()) else { panic!("opened") };
        assert_eq!((opened.matrices[0].n_cells, opened.matrices[0].n_genes), (24, n_genes));
    }
}

/// Quality and expression of genes that are read alone are those they have among all.
#[test]
fn chosen_genes_are_prepared_as_among_all() {
    let mut person = Person::new();
    let Event::Opened { opened } = person.ask(Request::OPEN, vec![cells_file(&GENES)]) else { panic!("opened") };
    let mut prepare = |genes: Option<&[&str]>| {
        let names = |genes: &[&str]| genes.iter().map(|gene| (*gene).to_owned()).collect();
        let genes = genes.map(|genes| GeneSelection::new(names(genes)).expect("they are names"));
        let options = PrepareOptions { genes, ..opened.suggested.clone() };
        let Event::Prepared { prepared } = person.ask(Request::Prepare { options }, vec![]) else { panic!("prepared") };
        let Event::Exported { bytes, .. } = person.ask(Request::Export { kind: ExportKind::H5ad }, vec![]) else {
            panic!("exported")
        };
        let file = cells::read::open(vec![NamedSource::from_bytes("p.h5ad", bytes)], 1 << 30).expect("an h5ad");
        let mut reading = file.begin(&PrepareOptions::default()).expect("it has an X");
        while reading.advance().expect("its values can be read").is_some() {}
        (prepared, reading.finish().expect("all of it was read"))
    };
    let (whole, all) = prepare(None);
    let (part, some) = prepare(Some(&GENES[1..3]));
    assert_eq!((part.n_genes, &part.quality), (2, &whole.quality));
    assert_eq!(some.genes.symbols, GENES[1..3]);
    assert!(some.counts == all.counts.select_columns(&[Some(1), Some(2)]), "the same values after scaling");
}

#[test]
fn filtered_cells_are_as_if_the_file_had_no_others() {
    let mut person = Person::with_model_and_cells();
    let ask = |target: &str| Request::Predict { query: Query::of(target, Mode::Knockout) };
    let filter = CellFilter { min_counts: Some(26.0), ..CellFilter::default() };
    let filtered = person.ask(Request::Filter { filter }, vec![]);
    let Event::Prepared { prepared } = filtered else { panic!("{filtered:?}") };
    let dropped: Vec<usize> = prepared.dropped.iter().map(|cell| *cell as usize).collect();
    let totals = &prepared.quality.total_counts;
    assert_eq!(totals.len(), 12, "the quality of all cells, so that bounds can be moved back");
    assert!(!dropped.is_empty() && dropped.iter().all(|cell| totals[*cell] < 26.0));
    let kept: Vec<usize> = (0..12).filter(|cell| !dropped.contains(cell)).collect();
    assert!(kept.iter().all(|cell| totals[*cell] >= 26.0));
    assert_eq!(prepared.perturbations.iter().map(|(_, n)| n).sum::<usize>(), kept.len());

    let mut other = Person::with_model_and_cells();
    let opened = other.ask(Request::OPEN, vec![file_of_cells(&GENES, &kept)]);
    let Event::Opened { opened } = opened else { panic!("{opened:?}") };
    other.ask(Request::Prepare { options: opened.suggested.clone() }, vec![]);
    let answers = [person.ask(ask("STAT1"), vec![]), other.ask(ask("STAT1"), vec![])].map(|answer| match answer {
        Event::Predicted { prediction } => Prediction { elapsed_secs: 0.0, ..prediction },
        other => panic!("{other:?}"),
    });
    assert_eq!(answers[0], answers[1]);
    let maps = [person.ask(embed(), vec![]), other.ask(embed(), vec![])].map(|answer| match answer {
        Event::Embedded { maps, .. } => maps,
        other => panic!("{other:?}"),
    });
    for (all, some) in maps[0].iter().zip(&maps[1]) {
        assert!(dropped.iter().all(|cell| all.x[*cell].is_nan() && all.y[*cell].is_nan()));
        assert_eq!(kept.iter().map(|cell| all.x[*cell]).collect::<Vec<_>>(), some.x);
    }

    // The same from the start, as a run file says it.
    person.ask(Request::OPEN, vec![cells_file(&GENES)]);
    let again = person.ask(Request::Prepare { options: PrepareOptions { filter, ..opened.suggested } }, vec![]);
    assert_eq!(again, Event::Prepared { prepared });
    // Bounds that leave nothing change nothing; none bring all back.
    let nothing = CellFilter { min_genes: Some(1_000_000), ..CellFilter::default() };
    assert!(failure(person.ask(Request::Filter { filter: nothing }, vec![])).contains("all 12 cells"));
    let Event::Embedded { maps: same, .. } = person.ask(embed(), vec![]) else { panic!("the cells are there") };
    assert!(dropped.iter().all(|cell| same[0].x[*cell].is_nan()));
    let all = person.ask(Request::Filter { filter: CellFilter::default() }, vec![]);
    let Event::Prepared { prepared } = all else { panic!("{all:?}") };
    assert_eq!((prepared.n_cells, prepared.dropped.len()), (12, 0));
}

#[test]
fn labels_are_read_corrected_and_prepared() {
    let mut person = Person::with_model_and_cells();
    let read = Request::ReadLabels { column: "condition".into(), options: LabelOptions::default() };
    let Event::LabelsRead { table } = person.ask(read, vec![]) else { panic!("a column of labels") };
    let readings: Vec<(&str, usize)> = table.rows.iter().map(|row| (row.label.as_str(), row.n_cells)).collect();
    assert_eq!(readings, [("control", 6), ("JAK2", 3), ("STAT1", 3)]);
    let mut corrections = table.corrections();
    corrections.iter_mut().filter(|(label, _)| label == "STAT1").for_each(|(_, reading)| *reading = Reading::Control);
    let options = PrepareOptions {
        perturbation_column: Some("condition".into()),
        control_label: Some("control".into()),
        corrections,
        ..PrepareOptions::default()
    };
    let Event::Prepared { prepared } = person.ask(Request::Prepare { options }, vec![]) else { panic!("prepared") };
    assert_eq!(prepared.perturbations, [("control".into(), 9), ("JAK2".into(), 3)]);
    let read = Request::ReadLabels { column: "dose".into(), options: LabelOptions::default() };
    assert!(failure(person.ask(read, vec![])).contains("dose"));
}

#[test]
fn what_is_saved_opens_again_with_all_that_was_found() {
    let mut person = Person::with_model_and_cells();
    let filter = CellFilter { min_counts: Some(26.0), ..CellFilter::default() };
    let Event::Prepared { prepared } = person.ask(Request::Filter { filter }, vec![]) else { panic!("filtered") };
    let Event::Embedded { maps, .. } = person.ask(embed(), vec![]) else { panic!("maps") };
    let query = Query::of("JAK2", Mode::Knockout);
    let Event::Predicted { prediction } = person.ask(Request::Predict { query }, vec![]) else { panic!("an answer") };
    let Event::Exported { name, bytes } = person.ask(Request::Export { kind: ExportKind::H5ad }, vec![]) else {
        panic!("a file")
    };
    assert_eq!(name, "cells_waddington.h5ad");

    let opened = cells::read::open(vec![NamedSource::from_bytes(&*name, bytes.clone())], 1 << 30).expect("an h5ad");
    let names: Vec<&str> = opened.opened().matrices.iter().map(|matrix| matrix.name.as_str()).collect();
    assert_eq!((names, opened.opened().matrices[0].n_cells), (vec!["X", "layers/counts"], prepared.n_cells));
    let columns: Vec<&str> = opened.opened().columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["condition", "total_counts", "n_genes_by_counts", "pct_counts_mt", "perturbation"]);
    let beside = opened.beside(&PrepareOptions::default()).expect("it was written");
    let x: Vec<f32> = maps[0].x.iter().copied().filter(|x| x.is_finite()).collect();
    let saved = beside.obsm.iter().find(|embedding| embedding.name == "X_pca").expect("the map of expression");
    assert!(saved.n_dims > 2, "all components, as scanpy keeps them");
    assert_eq!(saved.values.iter().step_by(saved.n_dims).copied().collect::<Vec<f32>>(), x);
    let delta = beside.uns_arrays.iter().find(|(key, _)| key.ends_with("JAK2 knockout/predicted_change"));
    let Some((_, UnsArray::Numbers { values, .. })) = delta else { panic!("{:?}", beside.uns_arrays) };
    assert_eq!(values.iter().map(|value| *value as f32).collect::<Vec<f32>>(), prediction.delta);
    let run: serde_json::Value = serde_json::from_str(&beside.uns[0].1).expect("JSON");
    assert_eq!(run["recipe"]["options"]["filter"]["min_counts"], 26.0);

    // Opened as any file, its counts give the same answer.
    let mut again = Person::with_model_and_cells();
    let opened = again.ask(Request::OPEN, vec![NamedSource::from_bytes(&*name, bytes)]);
    let Event::Opened { opened } = opened else { panic!("{opened:?}") };
    assert_eq!(opened.suggested.matrix.as_deref(), Some("layers/counts"));
    again.ask(Request::Prepare { options: opened.suggested }, vec![]);
    let Event::Predicted { prediction: same } = again.ask(Request::Predict { query: prediction.query.clone() }, vec![])
    else {
        panic!("an answer")
    };
    assert_eq!(same.delta, prediction.delta);

    // Saved once more without maps of its own, it keeps those it came with, and its columns of genes.
    let event = again.ask(Request::Export { kind: ExportKind::H5ad }, vec![]);
    let Event::Exported { name, bytes } = event else { panic!("{event:?}") };
    let opened = cells::read::open(vec![NamedSource::from_bytes(&*name, bytes)], 1 << 30).expect("an h5ad");
    let kept = opened.beside(&PrepareOptions::default()).expect("it was written").obsm;
    assert_eq!(kept.iter().find(|embedding| embedding.name == "X_pca"), Some(saved));
    let var = opened.var(&PrepareOptions::default()).expect("it was written");
    assert!(var.iter().any(|(name, _)| name == "highly_variable"), "{var:?}");
}
