//! Several files as samples of one study: genes united or intersected, labels united, one memory bound for all.

use cells::counts::Counts;
use cells::data::CellData;
use cells::read::{GeneJoin, OpenedFile, ReadError, Sample, group_samples, open_samples};
use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use spec::dataset::{ColumnKind, PrepareOptions};

use super::archives::{tar, trio, zip};
use super::build::{self, PLENTY, read_opened, to_dense};

/// An h5ad of two cells whose values are `first`, `first + 1`, …
fn two_cells(genes: &[&str], first: usize, columns: Vec<(String, Values)>) -> Vec<u8> {
    let values: Vec<f32> = (0..2 * genes.len()).map(|at| (first + at) as f32).collect();
    let counts = Counts::from_dense(&values, genes.len()).unwrap();
    let genes = genes.iter().map(|gene| (*gene).to_owned()).collect();
    let mut file = H5ad::new(Matrix::Csr(counts), vec!["AAA".into(), "CCC".into()], genes);
    file.obs.columns = columns;
    write_h5ad(&file).unwrap()
}

fn labels(values: [&str; 2]) -> Values {
    Values::categorical(&values)
}

fn three() -> Vec<NamedSource> {
    let a = two_cells(
        &["A", "B"],
        1,
        vec![("condition".into(), labels(["control", "X"])), ("age".into(), Values::I64(vec![1, 2]))],
    );
    let b = two_cells(&["B", "C", "B"], 10, vec![("condition".into(), labels(["Y", "control"]))]);
    let c = two_cells(
        &["C", "B"],
        20,
        vec![("age".into(), labels(["old", "young"])), ("sample".into(), labels(["s", "t"]))],
    );
    let files = [("b.h5ad", b), ("c.h5ad", c), ("a.h5ad", a)];
    files.map(|(name, bytes)| NamedSource::from_bytes(name, bytes)).into()
}

fn study(files: Vec<NamedSource>, join: GeneJoin) -> Result<OpenedFile, ReadError> {
    open_samples(group_samples(files, PLENTY)?, join, PLENTY)
}

fn whole(opened: &OpenedFile) -> CellData {
    read_opened(opened, &PrepareOptions::default()).unwrap()
}

#[test]
fn genes_are_united_and_absent_ones_are_zero() {
    let opened = study(three(), GeneJoin::Union).unwrap();
    let data = whole(&opened);
    // The second B of b is a gene of its own.
    assert_eq!(data.genes.symbols, ["A", "B", "C", "B"]);
    let rows: [[f32; 4]; 6] = [
        [1., 2., 0., 0.],
        [3., 4., 0., 0.],
        [0., 10., 11., 12.],
        [0., 13., 14., 15.],
        [0., 21., 20., 0.],
        [0., 23., 22., 0.],
    ];
    assert_eq!(to_dense(&data.counts), rows.concat());
    assert_eq!(data.barcodes, ["AAA-a", "CCC-a", "AAA-b", "CCC-b", "AAA-c", "CCC-c"]);
    let says = |text: &str| data.warnings.iter().any(|warning| warning.contains(text));
    assert!(says("1 of 4 genes are in every sample"), "{:?}", data.warnings);
    assert_eq!((opened.opened().matrices[0].n_cells, opened.opened().matrices[0].n_stored), (6, 14));
}

#[test]
fn genes_are_intersected_on_request() {
    let data = whole(&study(three(), GeneJoin::Intersection).unwrap());
    assert_eq!(data.genes.symbols, ["B"]);
    assert_eq!(to_dense(&data.counts), [2., 4., 10., 13., 21., 23.]);
    let apart =
        ["A", "B"].map(|gene| NamedSource::from_bytes(format!("{gene}.h5ad"), two_cells(&[gene], 1, Vec::new())));
    let error = study(apart.into(), GeneJoin::Intersection).unwrap_err().to_string();
    assert!(error.contains("A, B have no gene in common"), "{error}");
}

#[test]
fn columns_are_united_with_the_sample_of_each_cell() {
    let opened = study(three(), GeneJoin::Union).unwrap();
    let names: Vec<&str> = opened.opened().columns.iter().map(|column| column.name.as_str()).collect();
    // c has a column called sample already.
    assert_eq!(names, ["study_sample", "condition", "age", "sample"]);
    let values = |at: usize| match &opened.opened().columns[at].kind {
        ColumnKind::Labels { values, .. } => values.iter().map(|(label, n)| (label.as_str(), *n)).collect::<Vec<_>>(),
        ColumnKind::Numbers { .. } => panic!("column {at} holds numbers"),
    };
    assert_eq!(values(0), [("a", 2), ("b", 2), ("c", 2)]);
    assert_eq!(values(1), [("control", 2), ("X", 1), ("Y", 1)]);
    // Numbers beside labels become labels.
    assert_eq!(values(2), [("1", 1), ("2", 1), ("old", 1), ("young", 1)]);
    let options = opened.opened().suggested.clone();
    assert_eq!(options.perturbation_column.as_deref(), Some("condition"));
    let data = read_opened(&opened, &options).unwrap();
    let perturbations = data.perturbations.unwrap();
    assert_eq!(perturbations.names, ["control", "NA", "X", "Y"]);
    assert_eq!(perturbations.codes, [0, 2, 3, 0, 1, 1]);
}

#[test]
fn a_subsample_of_a_study_is_of_its_rows() {
    let opened = study(three(), GeneJoin::Union).unwrap();
    let all = whole(&opened);
    for seed in 0..20 {
        let options = PrepareOptions { max_cells: Some(3), seed, ..PrepareOptions::default() };
        let some = read_opened(&opened, &options).unwrap();
        for (cell, barcode) in some.barcodes.iter().enumerate() {
            let at = all.barcodes.iter().position(|name| name == barcode).unwrap();
            assert!(some.counts.row(cell).eq(all.counts.row(at)), "{barcode}");
        }
    }
}

#[test]
fn trios_are_told_apart_by_prefix_folder_or_archive() {
    let entries: Vec<(String, Vec<u8>)> = [trio("GSM1_ctrl_", true), trio("GSM2_stim/", false)[1..].to_vec()].concat();
    let loose = entries.iter().filter(|(path, _)| !path.contains("MACOSX") && !path.contains("html"));
    let loose = loose.map(|(path, bytes)| NamedSource::from_bytes(path.as_str(), bytes.clone())).collect();
    let archive = |name: &str, bytes| vec![NamedSource::from_bytes(name, bytes)];
    for files in [loose, archive("GSE_RAW.tar", tar(&entries)), archive("GSE.zip", zip(&entries, false))] {
        let samples = group_samples(files, PLENTY).unwrap();
        let names: Vec<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
        assert_eq!(names, ["GSM1_ctrl", "GSM2_stim"]);
        assert!(samples.iter().all(|sample| sample.files.len() == 3), "{samples:?}");
        let opened = open_samples(samples, GeneJoin::Union, PLENTY).unwrap();
        let data = whole(&opened);
        assert_eq!(to_dense(&data.counts), [build::dense(), build::dense()].concat());
        assert_eq!(data.genes.symbols, build::gene_names());
    }
}

#[test]
fn stores_and_archives_of_one_matrix_are_one_sample_each() {
    let store = super::zarr_stores::STORES[1].2;
    let folder = super::zarr_stores::folder(store).into_iter();
    let mut files: Vec<NamedSource> = folder.map(|(path, bytes)| NamedSource::from_bytes(path, bytes)).collect();
    files.push(NamedSource::from_bytes("x.zarr.zip", store.to_vec()));
    files.push(NamedSource::from_bytes("plain.h5ad", build::plain_h5ad()));
    files.push(NamedSource::from_bytes("plain_labels.csv", b"cell,condition\ncell0,A\ncell1,B\n".to_vec()));
    let samples = group_samples(files, PLENTY).unwrap();
    let names: Vec<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(names, ["plain", "v3", "x"]);
    let data = whole(&open_samples(samples, GeneJoin::Union, PLENTY).unwrap());
    assert_eq!(to_dense(&data.counts), build::dense().repeat(3));
}

#[test]
fn what_a_sample_lacks_is_said_with_its_name() {
    let mut files = three();
    files.push(NamedSource::from_bytes("d.h5ad", build::plain_h5ad()[..3000].to_vec()));
    let error = study(files, GeneJoin::Union).unwrap_err().to_string();
    assert!(error.starts_with("sample d: ") && error.contains("cut off"), "{error}");
    let mut metacells =
        H5ad::new(Matrix::Dense { values: vec![0.5], n_obs: 1, n_vars: 1 }, vec!["m".into()], vec!["A".into()]);
    metacells.uns.push(("waddington/unit".into(), "metacell".into()));
    let mut files = three();
    files.push(NamedSource::from_bytes("m.h5ad", write_h5ad(&metacells).unwrap()));
    let error = study(files, GeneJoin::Union).unwrap_err().to_string();
    assert!(error.contains("single cells, others means"), "{error}");
    let one = Sample { name: "only".into(), files: vec![NamedSource::from_bytes("a.h5ad", build::plain_h5ad())] };
    assert_eq!(whole(&open_samples(vec![one], GeneJoin::Union, PLENTY).unwrap()).barcodes, build::cell_names());
}

#[test]
fn a_study_is_planned_with_its_largest_sample_beside_it() {
    let large = |name: &str, n_cells: usize| {
        let values: Vec<f32> = (0..n_cells * 500).map(|at| (at % 3) as f32).collect();
        let counts = Counts::from_dense(&values, 500).unwrap();
        let named = |n: usize| (0..n).map(|at| at.to_string()).collect::<Vec<_>>();
        NamedSource::from_bytes(name, write_h5ad(&H5ad::new(Matrix::Csr(counts), named(n_cells), named(500))).unwrap())
    };
    let files = || vec![large("a.h5ad", 2000), large("b.h5ad", 1000)];
    let needed = study(files(), GeneJoin::Union).unwrap().opened().bytes_needed;
    let alone = cells::read::open(vec![large("a.h5ad", 2000)], PLENTY).unwrap().opened().bytes_needed;
    assert!(needed > alone * 3 / 2, "{needed} for both, {alone} for the larger");
    let opened = open_samples(group_samples(files(), PLENTY).unwrap(), GeneJoin::Union, needed - 1).unwrap();
    assert!(matches!(opened.begin(&PrepareOptions::default()).unwrap_err(), ReadError::OverBudget { .. }));
    let opened = open_samples(group_samples(files(), PLENTY).unwrap(), GeneJoin::Union, needed).unwrap();
    let data = whole(&opened);
    assert_eq!((data.counts.n_cells(), data.counts.n_nonzero()), (3000, 666_666 + 333_333));
}

#[test]
fn what_is_dropped_together_is_one_matrix_or_a_study() {
    let open = |files: Vec<NamedSource>| cells::read::open_study(files, GeneJoin::Union, PLENTY).unwrap();
    let columns =
        |opened: &OpenedFile| opened.opened().columns.iter().map(|column| column.name.clone()).collect::<Vec<String>>();
    let study = open(three());
    assert_eq!((study.opened().name.as_str(), study.opened().matrices[0].n_cells), ("a, b, c", 6));
    assert!(columns(&study).contains(&"age".to_owned()));

    let named = |name: &str, text: &str| NamedSource::from_bytes(name, text.as_bytes().to_vec());
    let labels = "barcode,treatment\nAAA,control\nCCC,X\n";
    let beside = open(vec![named("anything.csv", labels), three().remove(2)]);
    assert_eq!(beside.opened().matrices[0].n_cells, 2);
    assert!(columns(&beside).contains(&"treatment".to_owned()), "{:?}", columns(&beside));
    let table = |values: &str| format!("cell,G1,G2\nAAA,{values}\nCCC,3,4\n");
    let beside = open(vec![named("counts.csv", &table("1,2")), named("labels.csv", labels)]);
    assert_eq!((beside.opened().matrices[0].n_cells, columns(&beside)), (2, vec!["treatment".to_owned()]));
    let tables = ["a.csv", "b.csv", "c.csv"].map(|name| named(name, &table("1,2"))).into();
    assert_eq!(open(tables).opened().matrices[0].n_cells, 6);

    let common = cells::read::open_study(three(), GeneJoin::Intersection, PLENTY).unwrap();
    assert_eq!((common.opened().matrices[0].n_genes, study.opened().matrices[0].n_genes), (1, 4));

    let one = open(vec![NamedSource::from_bytes("one.zip", zip(&trio("GSM1_", true), false))]);
    assert_eq!(one.opened().name, "one.zip");
}
