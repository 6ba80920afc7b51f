//! Maps and the genes they are made of, names from a table of genes, and what can be saved beside the h5ad.

use cells::source::NamedSource;
use spec::genes::VariableGenesTable;
use spec::message::{EmbeddingMap, Event, ExportKind, Request};
use spec::prepare::{CellFilter, MapConfig, ScaleConfig, VariableGenesConfig, VariableGenesFlavor};
use spec::recipe::Recipe;

use super::{GENES, Person, cells_file, failure};

impl Person {
    /// The maps, and how variable the genes are; says as well whether cells were encoded for it.
    fn map(&mut self, config: MapConfig) -> (Option<VariableGenesTable>, Vec<EmbeddingMap>, bool) {
        self.asked += 1;
        self.events.0.borrow_mut().clear();
        futures_lite::future::block_on(self.session.handle(self.asked, Request::Embed { config }, vec![]));
        let mut events = self.events.0.borrow_mut();
        let encodes =
            events.iter().any(|event| matches!(event, Event::Progress { task, .. } if task.contains("Encoding")));
        let Some(Event::Embedded { genes, maps }) = events.pop() else { panic!("maps: {events:?}") };
        (genes, maps, encodes)
    }

    fn export(&mut self, kind: ExportKind) -> (String, String) {
        let Event::Exported { name, bytes } = self.ask(Request::Export { kind }, vec![]) else { panic!("a file") };
        (name, String::from_utf8(bytes).expect("text"))
    }
}

fn top(n: usize, flavor: VariableGenesFlavor) -> MapConfig {
    let genes = VariableGenesConfig { flavor, n_top_genes: Some(n), ..VariableGenesConfig::default() };
    MapConfig { genes: Some(genes), ..MapConfig::default() }
}

/// The genes whose mean lies below; six genes are too few to differ in more.
fn below(max_mean: f64) -> MapConfig {
    MapConfig {
        genes: Some(VariableGenesConfig { max_mean, ..VariableGenesConfig::default() }),
        ..MapConfig::default()
    }
}

#[test]
fn only_what_changed_is_mapped_again() {
    let mut person = Person::with_model_and_cells();
    let few = Request::Embed { config: top(3, VariableGenesFlavor::CellRanger) };
    let message = failure(person.ask(few, vec![]));
    assert!(message.contains("takes 0 of 6"), "bins of 6 genes have no spread: {message}");
    let (genes, maps, encodes) = person.map(below(7.4));
    let genes = genes.expect("genes were chosen");
    assert_eq!((genes.chosen.len(), genes.symbols.len(), maps.len(), encodes), (3, GENES.len(), 2, true));
    assert_eq!(maps[0].name, "expression (3 most variable genes)");

    let (all, again, encodes) = person.map(MapConfig { genes: None, ..MapConfig::default() });
    assert!(all.is_none() && !encodes, "the latent states are those of before");
    assert_eq!(again[1], maps[1]);
    assert_ne!(again[0].x, maps[0].x);
    let scale = Some(ScaleConfig { max_value: Some(10.0), ..ScaleConfig::default() });
    let (_, scaled, _) = person.map(MapConfig { genes: None, scale, ..MapConfig::default() });
    assert_ne!(scaled[0].x, again[0].x);

    // Other cells have other variable genes and other states.
    let filter = CellFilter { min_counts: Some(26.0), ..CellFilter::default() };
    person.ask(Request::Filter { filter }, vec![]);
    let (_, filtered, encodes) = person.map(below(7.4));
    assert!(encodes);
    assert_ne!(filtered[0].x, maps[0].x);
}

#[test]
fn batches_are_columns_of_labels() {
    let mut person = Person::with_model_and_cells();
    let by = |column: &str| MapConfig { batch_column: Some(column.into()), ..top(3, VariableGenesFlavor::SeuratV3) };
    let message = failure(person.ask(Request::Embed { config: by("donor") }, vec![]));
    assert!(message.contains("donor") && message.contains("condition"), "{message}");
    let config = MapConfig { batch_column: Some("condition".into()), ..top(3, VariableGenesFlavor::Seurat) };
    let (genes, ..) = person.map(config);
    let genes = genes.expect("genes were chosen");
    assert_eq!((genes.n_batches.len(), genes.spread_column()), (GENES.len(), "dispersions_norm"));
    let message = failure(person.ask(Request::Embed { config: top(0, VariableGenesFlavor::Seurat) }, vec![]));
    assert!(message.contains("n_top_genes is 0"), "{message}");
}

#[test]
fn names_come_from_a_table_of_genes() {
    let table = "symbol\taliases\tensembl\nSTAT1\tISGF-3,STAT91\tENSG00000115415\nJAK2\t\tENSG00000096968\n\
                 ACTB\t\tENSG00000075624\nFIRST\tTWICE\t\nSECOND\tTWICE\t\n";
    let table = || NamedSource::from_bytes("genes.tsv", table.as_bytes().to_vec());
    let mut person = Person::with_model_and_cells();
    let file = cells_file(&["STAT91", "ENSG00000096968", "TWICE", "CD274", "JAK2", "ACTB"]);
    let opened = person.ask(Request::OPEN, vec![file]);
    let Event::Opened { opened } = opened else { panic!("{opened:?}") };
    let prepare = |person: &mut Person| {
        let options = opened.suggested.clone();
        let Event::Prepared { prepared } = person.ask(Request::Prepare { options }, vec![]) else { panic!("prepared") };
        (prepared.naming, prepared.coverage.expect("a model is loaded").n_found)
    };
    assert_eq!(prepare(&mut person), (None, 3));
    let read = person.ask(Request::GeneTable, vec![table()]);
    assert_eq!(read, Event::GeneTableRead { table: Some(("genes.tsv".into(), 5)) });
    let (naming, n_found) = prepare(&mut person);
    let naming = naming.expect("names were looked up");
    assert_eq!(n_found, 4, "STAT1 is found under its former name");
    assert_eq!(naming.renamed, [("STAT91".to_owned(), "STAT1".to_owned())]);
    assert_eq!(naming.ambiguous, [("TWICE".to_owned(), vec!["FIRST".to_owned(), "SECOND".to_owned()])]);
    assert_eq!((naming.n_current, naming.n_by_id, naming.missing), (2, 1, vec!["CD274".to_owned()]));
    assert_eq!(naming.duplicates, [("JAK2".to_owned(), vec!["ENSG00000096968".to_owned(), "JAK2".to_owned()])]);

    let message = failure(person.ask(Request::GeneTable, vec![NamedSource::from_bytes("x.tsv", b"a\tb\n".to_vec())]));
    assert!(message.contains("symbol"), "{message}");
    assert_eq!(prepare(&mut person).1, 4, "the table of before is still there");
    assert_eq!(person.ask(Request::GeneTable, vec![]), Event::GeneTableRead { table: None });
    assert_eq!(prepare(&mut person), (None, 3));
}

#[test]
fn cells_and_the_recipe_are_saved() {
    let mut person = Person::with_model_and_cells();
    let filter = CellFilter { min_counts: Some(26.0), ..CellFilter::default() };
    let Event::Prepared { prepared } = person.ask(Request::Filter { filter }, vec![]) else { panic!("filtered") };
    person.map(top(3, VariableGenesFlavor::Seurat));
    let (name, csv) = person.export(ExportKind::CellsCsv);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((name.as_str(), lines.len()), ("cells_cells.csv", prepared.n_cells + 1));
    let header = "cell,condition,total_counts,n_genes_by_counts,pct_counts_mt,perturbation,\
                  X_pca_1,X_pca_2,X_jepa_1,X_jepa_2";
    assert_eq!(lines[0], header);
    assert!(lines[1..].iter().all(|line| line.split(',').count() == 10), "{csv}");

    let (name, json) = person.export(ExportKind::Recipe);
    let recipe: Recipe = serde_json::from_str(&json).expect("a recipe");
    assert_eq!((name.as_str(), recipe.file.as_str()), ("cells_recipe.json", "cells.h5ad"));
    assert_eq!((recipe.options.filter, recipe.map.clone()), (filter, Some(top(3, VariableGenesFlavor::Seurat))));
    let shape = [prepared.n_cells as u64, prepared.n_genes as u64, prepared.n_nonzero];
    assert_eq!(recipe.shape, shape);
    let other = Recipe { shape: [1, 2, 3], ..recipe };
    assert!(
        other.difference(shape).is_some_and(|words| words.contains("1 cells")) && other.difference([1, 2, 3]).is_none()
    );
}
