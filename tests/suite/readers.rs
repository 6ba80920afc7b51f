//! Readers: every dress of the same matrix reads the same; options, subsamples and round trips.

mod anndata;
mod archives;
mod bad_input;
mod build;
mod chosen_genes;
mod filters;
mod formats;
mod fuzz;
mod loom;
mod pathways;
mod samples;
mod shared_data;
mod tables;
mod tenx;
mod zarr_stores;

use build::{
    CELLS, DTYPES, Dtype, GENES, dense, h5ad, h5ad_with, open, read, read_opened, sparse, sparse_group, to_dense,
};
use cells::counts::Counts;
use cells::genes::{GeneNames, is_ensembl, without_version};
use cells::write::h5ad::{Embedding, Frame, H5ad, Matrix, UnsArray, Values, write_h5ad};
use hdf5_pure::{AttrValue, CompoundTypeBuilder, FileBuilder, GroupBuilder};
use spec::dataset::{CellUnit, ColumnKind, MatrixEncoding, PrepareOptions};

fn check(name: &str, bytes: Vec<u8>, encoding: MatrixEncoding) {
    let opened = open(name, bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let info = &opened.opened().matrices[0];
    assert_eq!((info.n_cells, info.n_genes, info.encoding), (CELLS, GENES, encoding), "{name}");
    let data = read_opened(&opened, &PrepareOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(to_dense(&data.counts), dense(), "{name}");
    assert_eq!(data.barcodes, build::cell_names(), "{name}");
    assert_eq!(data.genes.symbols, build::gene_names(), "{name}");
    assert!(data.counts.values().all(|value| value != 0.0), "{name}: stored zeros");
}

#[test]
fn every_encoding_and_number_type_reads_the_same() {
    for dtype in DTYPES {
        for (encoding, by_rows, kind) in
            [("csr_matrix", true, MatrixEncoding::Csr), ("csc_matrix", false, MatrixEncoding::Csc)]
        {
            let bytes = h5ad(|file| {
                let group = sparse_group(file.create_group("X"), &sparse(by_rows), encoding, dtype);
                file.add_group(group.finish());
            });
            check(&format!("{encoding} {dtype:?}"), bytes, kind);
        }
        let bytes = h5ad(|file| {
            let dataset = file.create_dataset("X");
            build::store(dataset, &dense(), dtype);
            dataset.with_shape(&[CELLS as u64, GENES as u64]);
        });
        check(&format!("dense {dtype:?}"), bytes, MatrixEncoding::Dense);
    }
}

#[test]
fn every_filter_reads_the_same() {
    for filter in ["none", "gzip", "gzip+shuffle", "lzf", "fletcher32"] {
        let bytes = h5ad(|file| {
            let dataset = file.create_dataset("X");
            dataset.with_f32_data(&dense()).with_shape(&[CELLS as u64, GENES as u64]).with_chunks(&[3, 2]);
            match filter {
                "gzip" => dataset.with_deflate(6),
                "gzip+shuffle" => dataset.with_shuffle().with_deflate(6),
                "lzf" => dataset.with_shuffle().with_lzf(),
                "fletcher32" => dataset.with_fletcher32(),
                _ => dataset,
            };
        });
        check(filter, bytes, MatrixEncoding::Dense);
    }
}

#[test]
fn legacy_anndata_reads() {
    // 0.5 and 0.6: records for obs and var, categories in uns, h5sparse attributes.
    let mut file = FileBuilder::new();
    let mut x = file.create_group("X");
    x.set_attr("h5sparse_format", build::text("csr"));
    x.set_attr("h5sparse_shape", AttrValue::I64Array(vec![CELLS as i64, GENES as i64]));
    let rows = sparse(true);
    x.create_dataset("indptr").with_i64_data(&rows.indptr);
    x.create_dataset("indices").with_i64_data(&rows.indices);
    x.create_dataset("data").with_f32_data(&rows.values);
    file.add_group(x.finish());
    let mut records = Vec::new();
    for cell in 0..CELLS {
        let mut name = format!("cell{cell}").into_bytes();
        name.resize(8, 0);
        records.extend(name);
        records.extend((cell as i16 % 2).to_le_bytes());
        records.extend((cell as f64 / 2.0).to_le_bytes());
    }
    let string = hdf5_pure::Datatype::String {
        size: 8,
        padding: hdf5_pure::StringPadding::NullPad,
        charset: hdf5_pure::CharacterSet::Ascii,
    };
    let record = CompoundTypeBuilder::new().field("index", string.clone()).i16_field("batch").f64_field("score");
    file.create_dataset("obs").with_compound_data(record.build().unwrap(), records, CELLS as u64);
    let genes: Vec<u8> = build::gene_names()
        .iter()
        .flat_map(|gene| {
            let mut name = gene.clone().into_bytes();
            name.resize(8, 0);
            name
        })
        .collect();
    let record = CompoundTypeBuilder::new().field("index", string);
    file.create_dataset("var").with_compound_data(record.build().unwrap(), genes, GENES as u64);
    let mut uns = file.create_group("uns");
    uns.create_dataset("batch_categories").with_vlen_strings(&["first", "second"]);
    file.add_group(uns.finish());
    let bytes = file.finish().unwrap();
    check("0.6", bytes.clone(), MatrixEncoding::Csr);
    let opened = open("0.6", bytes).unwrap();
    let kinds: Vec<&ColumnKind> = opened.opened().columns.iter().map(|column| &column.kind).collect();
    let values = vec![("first".to_owned(), 4), ("second".to_owned(), 3)];
    assert_eq!(kinds[0], &ColumnKind::Labels { n_distinct: 2, values });
    assert_eq!(kinds[1], &ColumnKind::Numbers { min: Some(0.0), max: Some(3.0) });
}

/// `tests/golden/records.h5ad`, made by `tests/golden/records.py`.
#[test]
fn half_floats_and_records_with_text_of_variable_length_read() {
    let bytes = include_bytes!("../golden/records.h5ad").to_vec();
    check("records", bytes.clone(), MatrixEncoding::Dense);
    let opened = open("records", bytes).unwrap();
    let kinds: Vec<&ColumnKind> = opened.opened().columns.iter().map(|column| &column.kind).collect();
    let values = vec![("control".to_owned(), 4), ("grün".to_owned(), 3)];
    assert_eq!(kinds[0], &ColumnKind::Labels { n_distinct: 2, values });
    assert_eq!(kinds[1], &ColumnKind::Numbers { min: Some(0.0), max: Some(3.0) });
    assert_eq!(kinds[2], &ColumnKind::Numbers { min: Some(-1.0), max: Some(0.0) });
    assert_eq!(opened.opened().matrices[0].dtype, "float16");
}

#[test]
fn columns_of_every_kind_read() {
    let obs = |obs: &mut GroupBuilder| {
        // 0.8 and later.
        let mut categorical = obs.create_group("perturbation");
        build::encode_group(&mut categorical, "categorical");
        categorical.create_dataset("codes").with_i8_data(&[0, 1, 1, -1, 2, 2, 0]);
        categorical.create_dataset("categories").with_vlen_strings(&["STAT1+ctrl", "ctrl", "ctrl+JAK2"]);
        obs.add_group(categorical.finish());
        let mut nullable = obs.create_group("age");
        build::encode_group(&mut nullable, "nullable-integer");
        nullable.create_dataset("values").with_i64_data(&[1, 2, 3, 4, 5, 6, 7]);
        nullable.create_dataset("mask").with_u8_data(&[0, 0, 0, 0, 0, 0, 1]);
        obs.add_group(nullable.finish());
        obs.create_dataset("free").with_vlen_strings(&["a", "b", "a", "a", "b", "c", "a"]);
        obs.create_dataset("n_umis_all_genes").with_f64_data(&[10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]);
        // 0.7.
        obs.create_dataset("old").with_i8_data(&[0, 0, 1, 1, -1, 0, 0]);
        let mut categories = obs.create_group("__categories");
        categories.create_dataset("old").with_vlen_strings(&["x", "y"]);
        obs.add_group(categories.finish());
    };
    let bytes = h5ad_with(
        |file| {
            let group = sparse_group(file.create_group("X"), &sparse(true), "csr_matrix", Dtype::F32);
            file.add_group(group.finish());
        },
        obs,
        |_| {},
    );
    let opened = open("columns", bytes).unwrap();
    let kind = |name: &str| &opened.opened().columns.iter().find(|column| column.name == name).unwrap().kind;
    let labels = |values: &[(&str, usize)]| ColumnKind::Labels {
        n_distinct: values.len(),
        values: values.iter().map(|(label, n)| ((*label).to_owned(), *n)).collect(),
    };
    assert_eq!(*kind("perturbation"), labels(&[("STAT1+ctrl", 2), ("ctrl", 2), ("ctrl+JAK2", 2)]));
    assert_eq!(*kind("age"), ColumnKind::Numbers { min: Some(1.0), max: Some(6.0) });
    assert_eq!(*kind("free"), labels(&[("a", 4), ("b", 2), ("c", 1)]));
    assert_eq!(*kind("old"), labels(&[("x", 4), ("y", 2)]));

    let suggested = opened.opened().suggested.clone();
    assert_eq!(suggested.perturbation_column.as_deref(), Some("perturbation"));
    assert_eq!(suggested.control_label.as_deref(), Some("ctrl"));
    assert_eq!(suggested.library_size_column.as_deref(), Some("n_umis_all_genes"));
    let data = read_opened(&opened, &suggested).unwrap();
    let perturbations = data.perturbations.unwrap();
    assert_eq!(perturbations.names, ["ctrl", "JAK2", "NA", "STAT1"]);
    assert_eq!(perturbations.codes, [3, 0, 0, 2, 1, 1, 3]);
    assert_eq!(perturbations.control, Some(0));
    assert_eq!(perturbations.sizes(), [2, 2, 1, 2]);
    assert_eq!(data.library_sizes.unwrap()[6], 70.0);
    assert!(data.warnings.iter().any(|warning| warning.contains("1 cells have no label")), "{:?}", data.warnings);
}

#[test]
fn layers_and_raw_are_listed_and_read() {
    let bytes = h5ad(|file| {
        let lognorm: Vec<f32> = dense().into_iter().map(f32::ln_1p).collect();
        file.create_dataset("X").with_f32_data(&lognorm).with_shape(&[CELLS as u64, GENES as u64]);
        let mut layers = file.create_group("layers");
        let counts = sparse_group(layers.create_group("counts"), &sparse(false), "csc_matrix", Dtype::I32);
        layers.add_group(counts.finish());
        file.add_group(layers.finish());
    });
    let opened = open("layers", bytes).unwrap();
    let names: Vec<&str> = opened.opened().matrices.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["X", "layers/counts"]);
    assert_eq!(opened.opened().suggested.matrix.as_deref(), Some("layers/counts"));
    let x = read_opened(&opened, &PrepareOptions::default()).unwrap();
    let error = cells::check::require_counts(&x, &opened.opened().matrices).unwrap_err().to_string();
    assert!(error.contains("log1p") && error.contains("choose layers/counts"), "{error}");
    assert!(error.contains("cell0") && error.contains("gene"), "{error}");
    let counts = read_opened(&opened, &opened.opened().suggested.clone()).unwrap();
    assert_eq!(to_dense(&counts.counts), dense());
    cells::check::require_counts(&counts, &opened.opened().matrices).unwrap();
}

#[test]
fn unsorted_and_repeated_entries_are_put_right() {
    let mut rows = sparse(true);
    let (start, end) = (rows.indptr[0] as usize, rows.indptr[1] as usize);
    assert!(end - start >= 2);
    rows.indices[start..end].reverse();
    rows.values[start..end].reverse();
    // The last value becomes two that sum to it.
    let last = rows.values.len() - 1;
    rows.values[last] -= 1.0;
    rows.values.push(1.0);
    rows.indices.push(rows.indices[last]);
    *rows.indptr.last_mut().unwrap() += 1;
    let bytes = h5ad(|file| {
        let group = sparse_group(file.create_group("X"), &rows, "csr_matrix", Dtype::F32);
        file.add_group(group.finish());
    });
    let data = read("unsorted", bytes).unwrap();
    assert_eq!(to_dense(&data.counts), dense());
    assert!(data.warnings.iter().any(|warning| warning.contains("summed")), "{:?}", data.warnings);
}

#[test]
fn a_subsample_is_even_seeded_and_the_same_in_every_encoding() {
    let make = |encoding: &str| {
        h5ad(|file| match encoding {
            "dense" => {
                file.create_dataset("X").with_f32_data(&dense()).with_shape(&[CELLS as u64, GENES as u64]);
            }
            encoding => {
                let rows = sparse(encoding == "csr_matrix");
                let group = sparse_group(file.create_group("X"), &rows, encoding, Dtype::F32);
                file.add_group(group.finish());
            }
        })
    };
    let mut seen = std::collections::HashSet::new();
    for seed in 0..40 {
        let options = PrepareOptions { max_cells: Some(3), seed, ..PrepareOptions::default() };
        let read = |encoding: &str| read_opened(&open(encoding, make(encoding)).unwrap(), &options).unwrap();
        let (csr, csc, all) = (read("csr_matrix"), read("csc_matrix"), read("dense"));
        assert_eq!(csr.barcodes.len(), 3);
        assert_eq!((&csr.barcodes, &csr.counts), (&csc.barcodes, &csc.counts));
        assert_eq!((&csr.barcodes, &csr.counts), (&all.barcodes, &all.counts));
        for (row, barcode) in to_dense(&csr.counts).chunks_exact(GENES).zip(&csr.barcodes) {
            let cell: usize = barcode["cell".len()..].parse().unwrap();
            assert_eq!(row, &dense()[cell * GENES..(cell + 1) * GENES]);
            seen.insert(cell);
        }
    }
    assert_eq!(seen.len(), CELLS, "every cell is drawn by some seed");
}

#[test]
fn what_is_written_is_read() {
    let counts = Counts::from_dense(&dense(), GENES).unwrap();
    let genes = build::gene_names();
    let mut h5ad = H5ad::new(Matrix::Csr(counts.clone()), build::cell_names(), genes.clone());
    let labels = ["control", "STAT1", "control", "JAK2", "STAT1", "control", "JAK2"];
    h5ad.obs.columns = vec![
        ("condition".into(), Values::categorical(&labels)),
        ("n_cells".into(), Values::I64(vec![40, 41, 42, 43, 44, 45, 46])),
        ("size".into(), Values::F64(vec![0.5; CELLS])),
        ("narrow".into(), Values::F32(vec![1.5; CELLS])),
        ("note".into(), Values::Text(labels.map(String::from).to_vec())),
    ];
    h5ad.obsm.push(Embedding { name: "X_pca".into(), values: vec![1.0; CELLS * 2], n_dims: 2 });
    h5ad.uns.push(("waddington/unit".into(), "metacell".into()));
    let opened = open("round trip", write_h5ad(&h5ad).unwrap()).unwrap();
    assert_eq!(opened.opened().columns.len(), 5);
    assert_eq!(opened.opened().suggested.perturbation_column.as_deref(), Some("condition"));
    let data = read_opened(&opened, &opened.opened().suggested.clone()).unwrap();
    assert_eq!(data.counts, counts);
    assert_eq!(data.unit, CellUnit::Metacell);
    assert_eq!(data.cell_weights.unwrap(), [40.0, 41.0, 42.0, 43.0, 44.0, 45.0, 46.0]);
    assert_eq!(data.perturbations.unwrap().names, ["control", "JAK2", "STAT1"]);

    h5ad.x = Matrix::Dense { values: dense(), n_obs: CELLS, n_vars: GENES };
    h5ad.uns.clear();
    let data = read("dense round trip", write_h5ad(&h5ad).unwrap()).unwrap();
    assert_eq!((data.counts, data.unit, data.cell_weights), (counts, CellUnit::Cell, None));
    assert_eq!(data.genes.symbols, genes);

    h5ad.var = Frame { index: vec!["one".into()], columns: Vec::new() };
    let error = write_h5ad(&h5ad).unwrap_err().to_string();
    assert_eq!(error, "var has 1 entries; 5 are expected");
}

#[test]
fn what_lies_beside_is_kept_and_written_back() {
    let mut h5ad =
        H5ad::new(Matrix::Csr(Counts::from_dense(&dense(), GENES).unwrap()), build::cell_names(), build::gene_names());
    let values: Vec<f32> = (0..CELLS * 3).map(|at| at as f32 / 4.0).collect();
    h5ad.obsm.push(Embedding { name: "X_umap".into(), values: values.clone(), n_dims: 3 });
    h5ad.uns.push(("log1p/base".into(), "e".into()));
    h5ad.uns_arrays = vec![
        ("colors".into(), UnsArray::Text(vec!["#fff".into(), "".into()])),
        ("pca/ratio".into(), UnsArray::Numbers { values: vec![0.5, 0.25, 0.0, 1.0], shape: vec![2, 2] }),
        ("pca/n".into(), UnsArray::Numbers { values: vec![50.0], shape: Vec::new() }),
    ];
    let opened = open("beside", write_h5ad(&h5ad).unwrap()).unwrap();
    let mut beside = opened.beside(&PrepareOptions::default()).unwrap();
    beside.uns_arrays.sort_by(|a, b| a.0.cmp(&b.0));
    let mut expected = h5ad.uns_arrays.clone();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!((&beside.obsm, &beside.uns, &beside.uns_arrays), (&h5ad.obsm, &h5ad.uns, &expected));
    assert!(beside.warnings.is_empty());
    // The embedding of a subsample is of its cells.
    let options = PrepareOptions { max_cells: Some(2), seed: 3, ..PrepareOptions::default() };
    let (data, beside) = (read_opened(&opened, &options).unwrap(), opened.beside(&options).unwrap());
    for (row, barcode) in beside.obsm[0].values.chunks_exact(3).zip(&data.barcodes) {
        let cell: usize = barcode["cell".len()..].parse().unwrap();
        assert_eq!(row, &values[cell * 3..cell * 3 + 3]);
    }
}

#[test]
fn a_long_matrix_is_read_in_several_windows() {
    // 3,000 cells of 400 genes, one in three stored: more values than one window.
    let (n_cells, n_genes) = (3000, 400);
    let dense: Vec<f32> = (0..n_cells * n_genes).map(|at| if at % 3 == 0 { (at % 17) as f32 } else { 0.0 }).collect();
    let counts = Counts::from_dense(&dense, n_genes).unwrap();
    let names = |prefix: &str, n: usize| (0..n).map(|at| format!("{prefix}{at}")).collect::<Vec<_>>();
    let h5ad = H5ad::new(Matrix::Csr(counts.clone()), names("c", n_cells), names("g", n_genes));
    let opened = open("long", write_h5ad(&h5ad).unwrap()).unwrap();
    let mut reading = opened.begin(&PrepareOptions::default()).unwrap();
    let mut n_windows = 0;
    while reading.advance().unwrap().is_some() {
        n_windows += 1;
    }
    assert!(n_windows > 1);
    assert_eq!(reading.finish().unwrap().counts, counts);
}

#[test]
fn genes_are_found_by_symbol_or_id_with_or_without_version() {
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let genes = GeneNames {
        symbols: strings(&["STAT1", "JAK2", "STAT1", "HLA-A"]),
        ids: Some(strings(&["ENSG00000115415.20", "ENSG00000096968", "ENSG00000000001", "ENSG00000206503.13"])),
    };
    let wanted = strings(&["JAK2", "ENSG00000206503", "ENSG00000115415.3", "TP53", "STAT1"]);
    let alignment = genes.align(&wanted, &[]).unwrap();
    assert_eq!(alignment.column_of, [Some(1), Some(3), Some(0), None, Some(0)]);
    assert_eq!((alignment.n_found, alignment.missing), (4, strings(&["TP53"])));

    let by_id = GeneNames { symbols: strings(&["ENSG00000115415.20", "x"]), ids: None };
    assert_eq!(by_id.align(&strings(&["ENSG00000115415"]), &[]).unwrap().column_of, [Some(0)]);

    // A file of ids alone meets a model of symbols by the ids that the model has for them.
    let ids = strings(&["", "ENSG00000115415", "ENSG00000096968"]);
    let alignment = by_id.align(&strings(&["TP53", "STAT1", "JAK2"]), &ids).unwrap();
    assert_eq!(alignment.column_of, [None, Some(0), None]);

    let error = genes.align(&strings(&["Stat1", "Jak2", "a", "b", "c", "d"]), &[]).unwrap_err().to_string();
    assert!(error.contains("Stat1, Jak2, a, b, c;") && error.contains("STAT1, JAK2, STAT1, HLA-A"), "{error}");
    assert!(is_ensembl("ENSMUSG00000026104.15") && !is_ensembl("ENSA") && !is_ensembl("AL627309.1"));
    assert_eq!(
        (without_version("AL627309.1"), without_version("ENSG00000115415.20")),
        ("AL627309.1", "ENSG00000115415")
    );
}
