//! Labels, splits and leaks in public files, where `../shared/data` lies beside the repository: the guides of a screen
//! are read as the targets that its authors wrote beside them, and no human gene is cut.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use cells::data::{CellData, Labels};
use cells::genes::GeneNames;
use cells::labels::{LabelColumn, read_labels};
use cells::read::OpenedFile;
use cells::source::NamedSource;
use cells::split::leakage::{self, Parted};
use cells::split::{conditions_of, fold, gears, leave_target_out, parts_of_cells};
use spec::dataset::PrepareOptions;
use spec::labels::{LabelOptions, LabelTable, Reading};
use spec::split::{Finding, FindingKind, GearsKind, GearsOptions, Leakage, Members, Part, Severity, Split};

const PAPALEXI: &str = "perturbseq/papalexi2021_thp1_eccite_299genes_counts.h5ad";
const PAPALEXI_FEW: &str = "perturbseq/papalexi2021_thp1_eccite_585genes_7k_counts.h5ad";
const SCHRAIVOGEL: &str = "perturbseq/schraivogel2020_k562_crispri_tapseq_72genes_counts.h5ad";
const NORMAN: &str = "perturbseq/perturbench_devel_norman19_mcfaline23_500hvg_lognorm.h5ad";
const KANG: &str = "cells/muscat_example_kang_1556cells_1267genes_celltypes_counts.h5ad";

fn file(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if path.is_file() {
        return Some(path);
    }
    crate::say_skipped(&format!("../shared/data/{name} is absent, its labels are not read"));
    None
}

fn open(name: &str) -> Option<OpenedFile> {
    let bytes = std::fs::read(file(name)?).unwrap_or_else(|error| panic!("{name}: {error}"));
    let source = NamedSource::from_bytes(name, bytes);
    Some(cells::read::open(vec![source], 1 << 40).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn table(opened: &OpenedFile, column: &str) -> LabelTable {
    opened.label_table(column, &LabelOptions::default()).unwrap()
}

fn read(opened: &OpenedFile, options: &PrepareOptions) -> CellData {
    let mut reading = opened.begin(options).unwrap();
    while reading.advance().unwrap().is_some() {}
    reading.finish().unwrap()
}

/// The cells with the labels of a column as its table reads them.
fn read_by_table(opened: &OpenedFile, column: &str) -> CellData {
    let corrections = table(opened, column).corrections();
    read(opened, &PrepareOptions { perturbation_column: Some(column.into()), corrections, ..PrepareOptions::default() })
}

fn read_plainly(opened: &OpenedFile, column: &str, control: &str) -> CellData {
    let (perturbation_column, control_label) = (Some(column.into()), Some(control.into()));
    read(opened, &PrepareOptions { perturbation_column, control_label, ..PrepareOptions::default() })
}

fn names(data: &CellData) -> Vec<&str> {
    let labels = data.perturbations.as_ref().unwrap();
    labels.codes.iter().map(|code| labels.names[*code as usize].as_str()).collect()
}

/// Rows read as control, as one target, as several, as not assigned, not understood.
fn kinds(table: &LabelTable) -> [usize; 5] {
    let mut kinds = [0; 5];
    for row in &table.rows {
        kinds[match &row.reading {
            Reading::Control => 0,
            Reading::Targets(targets) if targets.len() == 1 => 1,
            Reading::Targets(_) => 2,
            Reading::NotAssigned => 3,
            Reading::Unknown => 4,
        }] += 1;
    }
    kinds
}

#[test]
fn columns_of_public_files_are_read() {
    const TABLES: [(&str, &str, [usize; 5]); 11] = [
        (PAPALEXI, "condition", [1, 25, 0, 0, 0]),
        (PAPALEXI, "target", [1, 25, 0, 0, 0]),
        (PAPALEXI, "guide", [9, 98, 0, 0, 0]),
        (PAPALEXI_FEW, "condition", [1, 25, 0, 0, 0]),
        // One guide of the list has no cell left.
        (PAPALEXI_FEW, "guide", [9, 97, 0, 0, 0]),
        (SCHRAIVOGEL, "condition", [1, 14, 0, 1, 0]),
        (SCHRAIVOGEL, "guide", [30, 56, 0, 1, 0]),
        (NORMAN, "condition", [1, 18, 15, 0, 0]),
        (NORMAN, "perturbation_raw", [1, 18, 15, 0, 0]),
        // Lines of cells are written as genes are; what a column is of, its name and its labels say together.
        (NORMAN, "cell_type", [0, 3, 0, 0, 1]),
        // What `stim` is, the file does not say.
        (KANG, "condition", [1, 0, 0, 0, 1]),
    ];
    for (name, column, expected) in TABLES {
        let Some(opened) = open(name) else { continue };
        let table = table(&opened, column);
        assert_eq!(kinds(&table), expected, "{name} {column}: {table:#?}");
        assert_eq!(table.rows.iter().map(|row| row.n_cells).sum::<usize>(), opened.opened().matrices[0].n_cells);
    }
}

#[test]
fn guides_are_of_the_targets_that_the_authors_name() {
    for name in [PAPALEXI, PAPALEXI_FEW] {
        let Some(opened) = open(name) else { continue };
        let (of_guides, of_authors) = (read_by_table(&opened, "guide"), read_plainly(&opened, "condition", "control"));
        assert_eq!(of_guides.perturbations, of_authors.perturbations, "{name}");
        // MYCg4 has one cell, so the table marks it.
        let table = table(&opened, "guide");
        let row = |label: &str| table.rows.iter().find(|row| row.label == label);
        assert!(row("STAT1g4").is_some_and(|row| row.is_small && row.guides == ["STAT1g4"]), "{name}");
    }
    let Some(opened) = open(SCHRAIVOGEL) else { return };
    let (of_guides, of_authors) = (read_by_table(&opened, "guide"), read_plainly(&opened, "condition", "control"));
    for (of_guide, of_authors) in names(&of_guides).into_iter().zip(names(&of_authors)) {
        // The enhancer of a gene has guides that are named by the gene; cells of several guides have none.
        let expected = match of_authors {
            "ambiguous" => "NA",
            name => name.strip_suffix("_enh").unwrap_or(name),
        };
        assert_eq!(of_guide, expected);
    }
}

#[test]
fn the_column_of_perturbations_is_found() {
    const COLUMNS: [(&str, &[&str], &str); 5] = [
        (PAPALEXI, &["condition", "target"], "control"),
        (PAPALEXI_FEW, &["condition", "target"], "control"),
        (SCHRAIVOGEL, &["condition"], "control"),
        (NORMAN, &["perturbation", "condition", "perturbation_raw"], "control"),
        (KANG, &["condition"], "ctrl"),
    ];
    for (name, expected, control) in COLUMNS {
        let Some(opened) = open(name) else { continue };
        let suggested = opened.suggest_columns().unwrap();
        let columns: Vec<&str> = suggested.iter().map(|one| one.column.as_str()).collect();
        assert_eq!(columns[..expected.len()], *expected, "{name}: {suggested:#?}");
        assert_eq!(suggested[0].controls[0].label, control, "{name}");
        assert!(suggested[0].reasons.len() >= 3 && suggested[0].score > 0.6, "{name}: {suggested:#?}");
        // What is suggested at once agrees.
        assert_eq!(opened.opened().suggested.perturbation_column.as_deref(), Some(expected[0]), "{name}");
    }
}

/// Symbols of human genes, and those of them that code for proteins.
fn human_symbols() -> Option<(Vec<String>, Vec<String>)> {
    let bytes = std::fs::read(file("genes/human_genes_orgHsEg_3.16.tsv.gz")?).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let symbols = |coding: bool| {
        let rows = rows.iter().filter(|row| !coding || row.last() == Some(&"protein-coding"));
        rows.map(|row| row[1].to_owned()).collect::<Vec<String>>()
    };
    Some((symbols(false), symbols(true)))
}

#[test]
fn no_human_gene_is_cut() {
    let Some((all, coding)) = human_symbols() else { return };
    let cut = |labels: &[String], genes: &GeneNames| -> Vec<String> {
        let column = LabelColumn { name: "perturbation", labels, amounts: None, units: None };
        let table = read_labels(&column, genes, &LabelOptions::default()).unwrap();
        let is_whole = |row: &&spec::labels::LabelRow| row.reading != Reading::Targets(vec![row.label.clone()]);
        let mut cut: Vec<String> = table.rows.iter().filter(is_whole).map(|row| row.label.clone()).collect();
        cut.sort_unstable();
        cut
    };
    let genes = GeneNames { symbols: all.clone(), ids: None };
    // The words for control that are symbols too: a locus without a function, and chymotrypsin's relative.
    assert_eq!(cut(&all, &genes), ["AAVS1", "CTRL"]);
    // A panel may measure none of them.
    assert_eq!(cut(&coding, &GeneNames::default()), ["CTRL"]);
    // Guides of every gene, numbered as files number them.
    for form in ["{}g2", "{}_2", "{}-2", "sg{}", "sg{}-1", "{}_+_123.23-P1P2", "{}_sg3"] {
        let labels: Vec<String> = coding.iter().map(|symbol| form.replace("{}", symbol)).collect();
        let column = LabelColumn { name: "guide", labels: &labels, amounts: None, units: None };
        let table = read_labels(&column, &genes, &LabelOptions::default()).unwrap();
        let mut wrong = Vec::new();
        for row in &table.rows {
            let is_right = matches!(&row.reading, Reading::Targets(of) if form.replace("{}", &of[0]) == row.label);
            wrong.extend((!is_right).then_some((row.label.as_str(), row.rule.as_str())));
        }
        // A guide may be called as another gene (`C4B_2`, and `sgERVFC1-1`): then it is that gene.
        let is_free = |(label, _): &&(&str, &str)| {
            let name = label.strip_prefix("sg").unwrap_or(label);
            !genes.symbols.iter().any(|symbol| symbol == name)
        };
        let wrong: Vec<_> = wrong.iter().filter(is_free).filter(|(label, _)| !label.contains("CTRL")).collect();
        assert!(wrong.is_empty(), "{form}: {} {:?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    }
}

#[test]
fn corrections_reach_the_cells_that_are_read() {
    let Some(opened) = open(KANG) else { return };
    let condition = |corrections: Vec<(String, Reading)>| PrepareOptions {
        perturbation_column: Some("condition".into()),
        control_label: Some("ctrl".into()),
        corrections,
        ..PrepareOptions::default()
    };
    let set = |label: &str, reading: Reading| (label.to_owned(), reading);
    let interferon = Reading::Targets(vec!["IFNB1".into()]);
    let data = read(&opened, &condition(vec![set("stim", interferon)]));
    let sizes = |labels: &Labels| labels.names.iter().cloned().zip(labels.sizes()).collect::<Vec<_>>();
    let expected = vec![("ctrl".to_owned(), 750), ("IFNB1".to_owned(), 806)];
    assert_eq!(sizes(data.perturbations.as_ref().unwrap()), expected);
    let refused = |corrections, words: &str| {
        let error = opened.begin(&condition(corrections)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error} does not say {words}");
    };
    refused(vec![set("stimulated", Reading::Control)], "condition has no such label: ctrl, stim");
    refused(vec![set("stim", Reading::Targets(Vec::new()))], "stim is said to target nothing");
    let no_column = PrepareOptions { corrections: vec![set("stim", Reading::Control)], ..PrepareOptions::default() };
    let error = opened.begin(&no_column).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no perturbation_column"), "{error}");
}

fn found(leakage: &Leakage, kind: FindingKind) -> &Finding {
    leakage.findings.iter().find(|finding| finding.kind == kind).unwrap()
}

fn leaks(split: &Split, data: &CellData, guides: Option<&[String]>) -> Leakage {
    let parts = parts_of_cells(split, &data.barcodes, data.perturbations.as_ref()).unwrap();
    let cells = Parted {
        kind: &split.kind,
        parts: &parts,
        barcodes: &data.barcodes,
        labels: data.perturbations.as_ref(),
        guides,
        counts: Some(&data.counts),
    };
    leakage::check(&cells).unwrap()
}

#[test]
fn splits_of_public_screens_keep_what_they_promise() {
    if let Some(opened) = open(PAPALEXI) {
        let data = read_plainly(&opened, "condition", "control");
        let guides = read_plainly(&opened, "guide", "NTg1");
        let guides: Vec<String> = names(&guides).into_iter().map(str::to_owned).collect();
        let conditions = conditions_of(data.perturbations.as_ref().unwrap());
        let split = leave_target_out(&conditions, Some("control"), "STAT1").unwrap();
        let leakage = leaks(&split, &data, Some(&guides));
        assert!(leakage.findings.iter().all(|finding| finding.severity == Severity::Note), "{leakage:#?}");
        let cells = fold(&data.barcodes, 5, 0, 1).unwrap();
        let leakage = leaks(&cells, &data, Some(&guides));
        assert_eq!(found(&leakage, FindingKind::SharedPerturbations).count, 25, "{leakage:#?}");
        assert_eq!(found(&leakage, FindingKind::SharedGuides).severity, Severity::Warning);
    }
    let Some(opened) = open(NORMAN) else { return };
    let data = read_plainly(&opened, "condition", "control");
    let conditions = conditions_of(data.perturbations.as_ref().unwrap());
    assert_eq!(conditions.len(), 33);
    let split = gears(GearsKind::Simulation, &conditions, Some("control"), &GearsOptions::default()).unwrap();
    let Members::Conditions { parts, subgroups, .. } = &split.members else { panic!("perturbations are parted") };
    let n_test = parts.iter().filter(|(_, part)| *part == Part::Test).count();
    assert_eq!(n_test, subgroups.iter().map(|(_, group)| group.len()).sum::<usize>());
    let leakage = leaks(&split, &data, None);
    assert_eq!(found(&leakage, FindingKind::SharedPerturbations).count, 0);
    // `combo_seen1` and `combo_seen2` are tests whose genes were seen, by design.
    let targets = found(&leakage, FindingKind::SharedTargets);
    assert_eq!(targets.severity, Severity::Warning, "{leakage:#?}");
    assert_eq!(targets.examples.len(), targets.count.min(5));
}
