//! Loom files: genes by cells, layers, attributes, and what is refused.

use hdf5_pure::FileBuilder;
use spec::dataset::{ColumnKind, FileFormat, PrepareOptions};

use super::build::{
    self, CELLS, DTYPES, Dtype, GENES, cell_names, dense, gene_names, open, read_opened, refs, to_dense,
};

/// The matrix with genes in rows.
fn transposed() -> Vec<f32> {
    let dense = dense();
    (0..GENES).flat_map(|gene| (0..CELLS).map(move |cell| cell * GENES + gene)).map(|at| dense[at]).collect()
}

/// A loom file; `chunks` of none stores it in one piece.
pub fn loom(dtype: Dtype, chunks: Option<[u64; 2]>) -> Vec<u8> {
    let mut file = FileBuilder::new();
    let dataset = file.create_dataset("matrix");
    build::store(dataset, &transposed(), dtype);
    dataset.with_shape(&[GENES as u64, CELLS as u64]);
    if let Some(chunks) = chunks {
        dataset.with_chunks(&chunks).with_deflate(2);
    }
    let mut layers = file.create_group("layers");
    let doubled: Vec<f32> = transposed().iter().map(|value| value * 2.0).collect();
    layers.create_dataset("spliced").with_f32_data(&doubled).with_shape(&[GENES as u64, CELLS as u64]);
    layers.create_dataset("odd").with_f32_data(&[1.0; 4]).with_shape(&[2, 2]);
    file.add_group(layers.finish());
    let mut genes = file.create_group("row_attrs");
    genes.create_dataset("Gene").with_vlen_strings(&refs(&gene_names()));
    let ids: Vec<String> = (0..GENES).map(|gene| format!("ENSG0000000000{gene}")).collect();
    genes.create_dataset("Accession").with_ascii_strings(&refs(&ids)).unwrap();
    file.add_group(genes.finish());
    let mut cells = file.create_group("col_attrs");
    cells.create_dataset("CellID").with_vlen_strings(&refs(&cell_names()));
    cells.create_dataset("condition").with_vlen_strings(&["ctrl", "A", "A", "B", "B", "ctrl", "A"]);
    cells.create_dataset("age").with_i64_data(&[1, 2, 3, 4, 5, 6, 7]);
    cells.create_dataset("umap").with_f32_data(&[0.5; CELLS * 2]).with_shape(&[CELLS as u64, 2]);
    file.add_group(cells.finish());
    let mut graphs = file.create_group("col_graphs");
    graphs.create_dataset("none").with_i64_data(&[0]);
    file.add_group(graphs.finish());
    file.finish().unwrap()
}

#[test]
fn loom_reads_whatever_its_numbers_and_chunks() {
    for dtype in DTYPES {
        for chunks in [None, Some([64, 64]), Some([2, 3])] {
            let opened = open("a.loom", loom(dtype, chunks)).unwrap();
            let info = &opened.opened().matrices[0];
            assert_eq!((opened.opened().format, info.n_cells, info.n_genes), (FileFormat::Loom, CELLS, GENES));
            let data = read_opened(&opened, &PrepareOptions::default()).unwrap();
            assert_eq!(to_dense(&data.counts), dense(), "{dtype:?} {chunks:?}");
            assert_eq!((data.barcodes, data.genes.symbols), (cell_names(), gene_names()));
            assert_eq!(data.genes.ids.unwrap()[4], "ENSG00000000004");
        }
    }
}

#[test]
fn loom_labels_and_layers_read() {
    let opened = open("a.loom", loom(Dtype::U16, Some([64, 64]))).unwrap();
    let listed = opened.opened();
    let names: Vec<&str> = listed.matrices.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["matrix", "layers/spliced"]);
    assert!(listed.warnings.iter().any(|warning| warning.contains("layers/odd has another shape")));
    let names: Vec<&str> = listed.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["condition", "age"]);
    assert_eq!(listed.columns[1].kind, ColumnKind::Numbers { min: Some(1.0), max: Some(7.0) });
    assert_eq!(listed.suggested.control_label.as_deref(), Some("ctrl"));
    assert_eq!(listed.first_genes, gene_names());
    let options = PrepareOptions {
        matrix: Some("layers/spliced".into()),
        max_cells: Some(4),
        seed: 5,
        ..listed.suggested.clone()
    };
    let data = read_opened(&opened, &options).unwrap();
    assert_eq!(data.perturbations.unwrap().names[0], "ctrl");
    for (row, barcode) in to_dense(&data.counts).chunks_exact(GENES).zip(&data.barcodes) {
        let cell: usize = barcode["cell".len()..].parse().unwrap();
        let doubled: Vec<f32> = dense()[cell * GENES..(cell + 1) * GENES].iter().map(|value| value * 2.0).collect();
        assert_eq!(row, doubled);
    }
}

#[test]
fn loom_that_cannot_be_is_refused() {
    let refused = |build: fn(&mut FileBuilder)| {
        let mut file = FileBuilder::new();
        build(&mut file);
        open("a.loom", file.finish().unwrap()).unwrap_err().to_string()
    };
    let message = refused(|file| {
        let group = file.create_group("row_attrs");
        file.add_group(group.finish());
    });
    assert!(message.contains("loom without its matrix"), "{message}");
    let message = refused(|file| {
        file.create_dataset("matrix").with_f32_data(&[1.0]);
        let group = file.create_group("row_attrs");
        file.add_group(group.finish());
    });
    assert!(message.contains("matrix has the shape [1]; genes by cells is expected"), "{message}");
    let message = refused(|file| {
        file.create_dataset("matrix").with_f32_data(&[1.0; 4]).with_shape(&[2, 2]);
        let mut group = file.create_group("row_attrs");
        group.create_dataset("length").with_f32_data(&[1.0; 2]);
        file.add_group(group.finish());
    });
    assert!(message.contains("names no genes") && message.contains("length"), "{message}");
    let whole = loom(Dtype::F32, Some([2, 3]));
    for length in (0..whole.len()).step_by((whole.len() / 100).max(1)) {
        assert!(build::read("cut.loom", whole[..length].to_vec()).is_err(), "{length} of {} bytes", whole.len());
    }
}
