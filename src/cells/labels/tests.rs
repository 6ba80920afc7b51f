//! Every convention of labels, as a table: label, what it is read as.

use spec::labels::{Dose, LabelOptions, LabelRow, LabelTable, Reading};

use super::{LabelColumn, LabelError, correct, labels_of, read_labels};
use crate::data::Labels;
use crate::genes::GeneNames;

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn genes(symbols: &[&str]) -> GeneNames {
    GeneNames { symbols: texts(symbols), ids: None }
}

/// Genes of most of the tables below.
const GENES: [&str; 16] = [
    "STAT1",
    "JAK2",
    "MYC",
    "CBL",
    "CNN1",
    "HLA-A",
    "NKX2-1",
    "C1orf112",
    "ERVK3-1",
    "GATA1",
    "IRF1",
    "KLF1",
    "CTRL",
    "RP11-799D4.4",
    "C4B_2",
    "WT1",
];

fn read_with(column: &str, labels: &[&str], genes: &GeneNames, options: &LabelOptions) -> LabelTable {
    let labels = texts(labels);
    let column = LabelColumn { name: column, labels: &labels, amounts: None, units: None };
    read_labels(&column, genes, options).unwrap()
}

/// A reading in short: `control`, `-` (not assigned), `?` (unknown), or the targets joined by `+`.
fn short(reading: &Reading) -> String {
    match reading {
        Reading::Control => "control".into(),
        Reading::Targets(targets) => targets.join("+"),
        Reading::NotAssigned => "-".into(),
        Reading::Unknown => "?".into(),
    }
}

fn row<'a>(table: &'a LabelTable, label: &str) -> &'a LabelRow {
    table.rows.iter().find(|row| row.label == label).unwrap_or_else(|| panic!("{label:?} has a row"))
}

/// Each label is read in a column of its own, so that no other label helps.
fn check(column: &str, known: &[&str], expected: &[(&str, &str)]) {
    for (label, reading) in expected {
        let table = read_with(column, &[label], &genes(known), &LabelOptions::default());
        let found = row(&table, label);
        assert_eq!(short(&found.reading), *reading, "{label:?}: {}", found.rule);
        assert!(!found.rule.is_empty(), "{label:?} has a rule");
    }
}

#[test]
fn combinations_are_parted_as_files_write_them() {
    check(
        "condition",
        &GENES,
        &[
            // GEARS.
            ("STAT1+ctrl", "STAT1"),
            ("ctrl+STAT1", "STAT1"),
            ("CBL+CNN1", "CBL+CNN1"),
            ("ctrl+ctrl", "control"),
            ("ctrl", "control"),
            ("NOTHERE+ctrl", "NOTHERE"),
            ("A+B", "A+B"),
            ("a1bg + ctrl", "a1bg"),
            // scPerturb.
            ("control", "control"),
            ("CBL_CNN1", "CBL+CNN1"),
            ("STAT1_control", "STAT1"),
            ("STAT1_non-targeting", "STAT1"),
            ("NegCtrl0_CBL", "CBL"),
            ("CBL_NegCtrl0__CBL_NegCtrl0", "CBL"),
            ("NegCtrl0_NegCtrl0__NegCtrl0_NegCtrl0", "control"),
            ("CBL_ABCDE", "?"),
            // Others.
            ("STAT1|JAK2", "STAT1+JAK2"),
            ("STAT1,JAK2", "STAT1+JAK2"),
            ("STAT1;JAK2", "STAT1+JAK2"),
            ("STAT1&JAK2", "STAT1+JAK2"),
            ("STAT1 & JAK2", "STAT1+JAK2"),
            ("STAT1+JAK2+MYC", "STAT1+JAK2+MYC"),
            ("STAT1|STAT1", "STAT1"),
            ("STAT1|ambiguous", "-"),
            // No combinations.
            ("CD4+", "?"),
            ("CD14+ Monocytes", "?"),
            ("CD4 T cells", "?"),
        ],
    );
}

#[test]
fn guides_are_read_as_their_target() {
    check(
        "guide",
        &GENES,
        &[
            ("STAT1g2", "STAT1"),
            ("STAT1_2", "STAT1"),
            ("STAT1-2", "STAT1"),
            ("STAT1.2", "STAT1"),
            ("sgSTAT1", "STAT1"),
            ("sgSTAT1-1", "STAT1"),
            ("sgSTAT1_3", "STAT1"),
            ("sg-STAT1-1", "STAT1"),
            ("gSTAT1", "STAT1"),
            ("STAT1_sg2", "STAT1"),
            ("STAT1-sg2", "STAT1"),
            ("STAT1_guide_12", "STAT1"),
            ("STAT1_+_123.23-P1P2", "STAT1"),
            ("STAT1_-_124194976-P1P2", "STAT1"),
            ("STAT1_+_123.23-P1,P2", "STAT1"),
            ("STAT1_+_123.23-P1|JAK2_-_7.23-P1P2", "STAT1+JAK2"),
            ("STAT1_ACGTACGTACGTACGTACGT", "STAT1"),
            // Targets that the panel does not measure.
            ("TNFRSF14g3", "TNFRSF14"),
            ("PDCD1LG2_2", "PDCD1LG2"),
            ("CCNE2_+_95907328.23-P1P2", "CCNE2"),
            ("sgCCNE2-4", "CCNE2"),
            ("TNFRSF14-3", "TNFRSF14"),
            // 10x feature calls.
            ("STAT1-1|NTC-2", "STAT1"),
            ("STAT1-1|STAT1-2", "STAT1"),
            ("STAT1-1|JAK2-2", "STAT1+JAK2"),
            ("NTC-1|NTC-2", "control"),
            // A sequence alone names nothing.
            ("ACGTACGTACGTACGTACGT", "?"),
        ],
    );
    let table = read_with("guide", &["STAT1-1|NTC-2"], &genes(&GENES), &LabelOptions::default());
    assert_eq!(table.rows[0].guides, ["STAT1-1", "NTC-2"]);
}

#[test]
fn names_that_end_in_numbers_or_letters_are_kept_whole() {
    for column in ["guide", "perturbation", "gene"] {
        check(
            column,
            &GENES,
            &[
                ("HLA-A", "HLA-A"),
                ("NKX2-1", "NKX2-1"),
                ("C1orf112", "C1orf112"),
                ("ERVK3-1", "ERVK3-1"),
                ("RP11-799D4.4", "RP11-799D4.4"),
                ("C4B_2", "C4B_2"),
                ("WT1", "WT1"),
                // And their guides are cut once.
                ("HLA-A-2", "HLA-A"),
                ("NKX2-1_3", "NKX2-1"),
                ("NKX2-1g3", "NKX2-1"),
                ("sgNKX2-1", "NKX2-1"),
                ("sgNKX2-1-4", "NKX2-1"),
                ("sgHLA-A", "HLA-A"),
                ("C1orf112-2", "C1orf112"),
                ("ERVK3-1_+_55.23-P1", "ERVK3-1"),
                ("NKX2-1+ctrl", "NKX2-1"),
                ("HLA-A|NKX2-1", "HLA-A+NKX2-1"),
                // The file does not measure these.
                ("HLA-B", "HLA-B"),
                ("NKX3-2", "NKX3-2"),
                ("ERVW-1", "ERVW-1"),
                ("C9orf72", "C9orf72"),
                ("KRTAP10-4", "KRTAP10-4"),
                ("H1-0", "H1-0"),
                ("sgNKX3-2", "NKX3-2"),
            ],
        );
    }
    // Not though a sibling is there: no family of guides.
    let table = read_with("guide", &["HLA-B", "HLA-C", "NKX2-2", "NKX2-3"], &genes(&[]), &LabelOptions::default());
    assert!(table.rows.iter().all(|row| short(&row.reading) == row.label), "{table:?}");
    check(
        "gene",
        &["Stat1", "Nkx2-1", "Hba-a1"],
        &[("Stat1", "Stat1"), ("Nkx2-1", "Nkx2-1"), ("Irf7", "Irf7"), ("sgStat1-2", "Stat1")],
    );
}

#[test]
fn letters_count_guides_only_beside_their_siblings() {
    let labels = ["GATA1-A", "GATA1-B", "HS2-A", "HS2-B", "HS2-C", "MYC-A"];
    let table = read_with("guide", &labels, &genes(&GENES), &LabelOptions::default());
    let reading = |label| short(&row(&table, label).reading);
    assert_eq!((reading("GATA1-A"), reading("GATA1-B")), ("GATA1".into(), "GATA1".into()));
    assert_eq!(reading("HS2-C"), "HS2");
    assert_eq!(reading("MYC-A"), "MYC-A", "one alone may be a name of its own");
}

#[test]
fn controls_are_recognised_and_genes_are_not() {
    let controls = [
        "control",
        "Control",
        "ctrl",
        "CTRL",
        "NT",
        "NTC",
        "NTg4",
        "NTg10",
        "NTC-2",
        "non-targeting",
        "Non-Targeting",
        "non_targeting",
        "nontargeting",
        "non-targeting_00021",
        "non-targeting_00021|non-targeting_00032",
        "safe-targeting",
        "safe-targeting_3",
        "AAVS1",
        "AAVS1-2",
        "sgAAVS1",
        "sgNT-1",
        "sgNTC_4",
        "AAVS1_sg3",
        "Neg_ctrl",
        "NegCtrl10",
        "negative control",
        "unperturbed",
        "scrambled",
        "scramble_2",
        "DMSO",
        "DMSO_0.1%",
        "vehicle",
        "untreated",
        "mock",
        "WT",
        "INTERGENIC1216",
        "NO_SITE_12",
        "ONE_INTERGENIC_SITE_5",
        "non-targeting_-_123.5",
        "CTRL00698",
        "LacZ",
        "eGFP",
    ];
    let expected: Vec<(&str, &str)> = controls.iter().map(|label| (*label, "control")).collect();
    check("perturbation", &GENES, &expected);
    check(
        "guide",
        &[],
        &[
            ("WT1", "WT1"),
            ("NT5E", "NT5E"),
            ("NTF3", "NTF3"),
            ("CTRB1", "CTRB1"),
            ("SCRIB", "SCRIB"),
            ("LUC7L2", "LUC7L2"),
        ],
    );
    // A label that a person names is the control, whatever it says.
    let options = LabelOptions { control_label: Some("stim".into()), ..LabelOptions::default() };
    let table = read_with("condition", &["stim", "stim+STAT1", "other"], &genes(&GENES), &options);
    assert_eq!(short(&row(&table, "stim").reading), "control");
    assert_eq!(short(&row(&table, "stim+STAT1").reading), "STAT1");
    assert_eq!(table.control_name, "stim");
}

#[test]
fn cells_that_nobody_could_assign_are_said_to_be_so() {
    let labels = [
        "ambiguous",
        "multiple",
        "unassigned",
        "nan",
        "NaN",
        "NA",
        "",
        " ",
        "None",
        "none",
        "doublet",
        "multiplet",
        "unknown",
        "*",
    ];
    let expected: Vec<(&str, &str)> = labels.iter().map(|label| (*label, "-")).collect();
    check("perturbation", &GENES, &expected);
    check("treatment", &GENES, &[("none", "control"), ("nan", "-")]);
    let tags = read_with("hash", &["Negative", "Doublet", "STAT1"], &genes(&GENES), &LabelOptions::default());
    assert_eq!(short(&row(&tags, "Negative").reading), "-");
    check("perturbation", &GENES, &[("Negative", "control")]);
}

#[test]
fn doses_are_read_from_labels_and_columns() {
    let cases = [
        ("Nutlin_0.5uM", "Nutlin", 0.5, "uM"),
        ("drug_10_nM", "drug", 10.0, "nM"),
        ("Nutlin-3_10 µM", "Nutlin-3", 10.0, "µM"),
        ("BMS (100 nM)", "BMS", 100.0, "nM"),
        ("IFNG 5 ng/ml", "IFNG", 5.0, "ng/ml"),
        ("drug@1.5mM", "drug", 1.5, "mM"),
    ];
    for (label, compound, amount, unit) in cases {
        let table = read_with("perturbation", &[label], &genes(&GENES), &LabelOptions::default());
        assert_eq!(short(&table.rows[0].reading), compound, "{label}");
        assert_eq!(table.rows[0].doses, [(Dose { amount, unit: unit.into() }, 1)], "{label}");
    }
    for label in ["STAT1_2", "CD4M", "10nM", "STAT1"] {
        let table = read_with("perturbation", &[label], &genes(&GENES), &LabelOptions::default());
        assert!(table.rows[0].doses.is_empty(), "{label}: {:?}", table.rows[0]);
    }
    let labels = texts(&["a", "a", "b", "a", "b"]);
    let (amounts, units) = (texts(&["10", "1", "2.5", "10", "nan"]), texts(&["nM", "nM", "uM", "nM", ""]));
    let column = LabelColumn { name: "drug", labels: &labels, amounts: Some(&amounts), units: Some(&units) };
    let table = read_labels(&column, &genes(&[]), &LabelOptions::default()).unwrap();
    let dose = |amount, unit: &str| Dose { amount, unit: unit.into() };
    assert_eq!(row(&table, "a").doses, [(dose(1.0, "nM"), 1), (dose(10.0, "nM"), 2)]);
    assert_eq!(row(&table, "b").doses, [(dose(2.5, "uM"), 1)]);
    let marks = texts(&["1", "1+1", "1", "1", "1"]);
    let column = LabelColumn { name: "drug", labels: &labels, amounts: Some(&marks), units: None };
    let table = read_labels(&column, &genes(&[]), &LabelOptions::default()).unwrap();
    assert!(table.rows.iter().all(|row| row.doses.is_empty()) && table.warnings[0].contains("1+1"), "{table:?}");
    let short = LabelColumn { amounts: Some(&marks[..2]), ..column };
    let error = read_labels(&short, &genes(&[]), &LabelOptions::default()).unwrap_err();
    assert_eq!(error, LabelError::Lengths { what: "doses", n_values: 2, n_cells: 5 });
}

#[test]
fn other_words_are_left_to_a_person_unless_the_column_says_what_they_are() {
    check(
        "condition",
        &GENES,
        &[("stim", "?"), ("Nutlin", "?"), ("GATA1_enh", "GATA1_enh"), ("STAT1_KO", "STAT1"), ("KO", "?")],
    );
    check("gene", &GENES, &[("whatever", "whatever")]);
    check("target_gene", &GENES, &[("JAK9", "JAK9"), ("non-targeting", "control")]);
    check("drug", &GENES, &[("dexamethasone", "dexamethasone")]);
    let ids = GeneNames { symbols: texts(&["STAT1"]), ids: Some(texts(&["ENSG00000115415"])) };
    let table = read_with("perturbation", &["ENSG00000115415.19"], &ids, &LabelOptions::default());
    assert_eq!(short(&table.rows[0].reading), "STAT1");
}

#[test]
fn the_table_counts_cells_and_marks_the_few() {
    let mut labels = vec!["STAT1"; 20];
    labels.extend(["JAK2"; 19]);
    labels.extend(["CBL+CNN1", "CBL+CNN1", "CNN1+CBL", "control"]);
    let table = read_with("condition", &labels, &genes(&GENES), &LabelOptions::default());
    let found: Vec<(&str, usize, bool)> =
        table.rows.iter().map(|row| (row.label.as_str(), row.n_cells, row.is_small)).collect();
    let expected =
        [("STAT1", 20, false), ("JAK2", 19, true), ("CBL+CNN1", 2, true), ("CNN1+CBL", 1, true), ("control", 1, true)];
    assert_eq!(found, expected);
    assert_eq!(short(&row(&table, "CNN1+CBL").reading), "CBL+CNN1", "one combination");
    assert!(table.warnings[0].contains("CNN1+CBL and CBL+CNN1 are one combination"), "{:?}", table.warnings);
    assert_eq!(table.control_name, "control");
}

#[test]
fn corrections_change_the_labels_that_come_out() {
    let cells = texts(&["NTg1", "STAT1g1", "strange", "NTg2", "both", "none", "JAK2g1", "odd"]);
    let cells_of: Vec<&str> = cells.iter().map(String::as_str).collect();
    let mut table = read_with("guide", &cells_of, &genes(&GENES), &LabelOptions::default());
    let names = |labels: &Labels| -> Vec<String> {
        labels.codes.iter().map(|code| labels.names[*code as usize].clone()).collect()
    };
    let before = labels_of(&table, &cells).unwrap();
    assert_eq!(names(&before), ["control", "STAT1", "strange", "control", "both", "NA", "JAK2", "odd"]);
    assert_eq!((before.control, before.names[0].as_str()), (Some(0), "control"));
    let set = |label: &str, reading: Reading| (label.to_owned(), reading);
    let targets = |names: &[&str]| Reading::Targets(texts(names));
    let corrections = [
        set("strange", Reading::Control),
        set("both", targets(&["STAT1", "JAK2"])),
        set("odd", Reading::NotAssigned),
        set("JAK2g1", Reading::Unknown),
    ];
    correct(&mut table, &corrections).unwrap();
    let after = labels_of(&table, &cells).unwrap();
    assert_eq!(names(&after), ["control", "STAT1", "control", "control", "STAT1+JAK2", "NA", "JAK2g1", "NA"]);
    assert!(row(&table, "both").is_corrected && !row(&table, "NTg1").is_corrected);
    assert_eq!(table.corrections().len(), table.rows.len());
    let was = table.clone();
    let refused = [
        (vec![set("nobody", Reading::Control)], "nobody is corrected, but guide has no such label"),
        (vec![set("odd", Reading::Control), set("odd", Reading::Unknown)], "odd is corrected twice"),
        (vec![set("odd", targets(&[]))], "nothing"),
        (vec![set("odd", targets(&["A+B"]))], "without +"),
        (vec![set("odd", targets(&["A", "A"]))], "A twice"),
        (vec![set("odd", targets(&["control"]))], "without a target"),
    ];
    for (corrections, words) in refused {
        let error = correct(&mut table, &corrections).unwrap_err().to_string();
        assert!(error.contains(words), "{error} does not say {words}");
        assert_eq!(table, was, "a refused correction changes nothing");
    }
    let error = labels_of(&table, &texts(&["NTg1", "elsewhere"])).unwrap_err().to_string();
    assert!(error.contains("cell 1 has the label elsewhere"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_label_makes_it_panic(labels in proptest::collection::vec("[sgNTA-Z0-9_+|,;&. \\-µé()@a-z%]{0,24}", 0..12)) {
        let column = LabelColumn { name: "guide", labels: &labels, amounts: Some(&labels), units: Some(&labels) };
        let table = read_labels(&column, &genes(&GENES), &LabelOptions::default()).unwrap();
        proptest::prop_assert_eq!(table.rows.iter().map(|row| row.n_cells).sum::<usize>(), labels.len());
        proptest::prop_assert!(labels_of(&table, &labels).is_ok());
    }
}
