//! Files that cannot be: each error names the object, what is wrong and what to do.

use cells::data::CellData;
use cells::read::ReadError;
use cells::source::NamedSource;
use hdf5_pure::FileBuilder;
use spec::dataset::PrepareOptions;

use super::build::{
    self, CELLS, Dtype, GENES, Sparse, dense, h5ad, open, plain_h5ad, read, read_opened, sparse, sparse_group,
};

fn says(error: &ReadError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

fn with_rows(rows: &Sparse) -> Vec<u8> {
    h5ad(|file| {
        let group = sparse_group(file.create_group("X"), rows, "csr_matrix", Dtype::F32);
        file.add_group(group.finish());
    })
}

#[test]
fn foreign_files_are_described() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "HTML or XML"),
        (&[0; 600], "all zero"),
        (b"STAT1\nJAK2\n", "text beginning with \"STAT1\", but no table"),
        (b"{\"a\": 1}", "JSON"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00", "gzip around nothing"),
        (b"\x93NUMPY\x01\x00v\x00", "93 4e 55 4d 50 59 01 00"),
        (b"\x1f\x8b\x08\x00garbage", "gzip stream is damaged"),
    ];
    for (bytes, looks_like) in cases {
        says(&open("notes.bin", bytes.to_vec()).unwrap_err(), &["notes.bin is not a file this reads", looks_like]);
    }
    says(&cells::read::open(Vec::new(), build::PLENTY).unwrap_err(), &["no file was given"]);
    says(&open("a.zip", b"PK\x03\x04rest".to_vec()).unwrap_err(), &["a.zip is a zip archive that cannot be read"]);
}

#[test]
fn hdf5_that_is_no_matrix_of_cells() {
    let mut file = FileBuilder::new();
    file.create_dataset("signal").with_f32_data(&[1.0, 2.0]);
    let bytes = file.finish().unwrap();
    says(&open("a.h5", bytes.clone()).unwrap_err(), &["a.h5 is an HDF5 file", "at its root are: signal"]);
    let two = vec![NamedSource::from_bytes("a.h5", bytes.clone()), NamedSource::from_bytes("b.h5", bytes)];
    says(&cells::read::open(two, build::PLENTY).unwrap_err(), &["open one matrix at a time"]);
}

#[test]
fn an_h5ad_without_var_is_named() {
    let mut file = FileBuilder::new();
    file.set_attr("encoding-type", build::text("anndata"));
    file.create_dataset("X").with_f32_data(&dense()).with_shape(&[CELLS as u64, GENES as u64]);
    let obs = build::frame(file.create_group("obs"), &build::cell_names());
    file.add_group(obs.finish());
    says(&open("a", file.finish().unwrap()).unwrap_err(), &["the h5ad has no var"]);
}

#[test]
fn text_that_is_called_hdf5_is_said_to_be_text() {
    let html = b"<!doctype html><html><body>Sign in</body></html>".to_vec();
    for bytes in [b"a,b,c\n1,2,3\n".to_vec(), html] {
        let error = open("cells.h5ad", bytes).unwrap_err();
        says(&error, &["cells.h5ad is not a file this reads"]);
    }
    says(&open("cells.h5ad", b"a,b,c\n1,2,3\n".to_vec()).unwrap_err(), &["called an HDF5 file, but is text"]);
}

#[test]
fn an_h5ad_without_x_lists_its_layers() {
    let without = h5ad(|_| {});
    says(&open("a", without).unwrap_err(), &["no X", "nor has it layers"]);
    let with_layer = h5ad(|file| {
        let mut layers = file.create_group("layers");
        layers.create_dataset("spliced").with_f32_data(&dense()).with_shape(&[CELLS as u64, GENES as u64]);
        file.add_group(layers.finish());
    });
    says(&open("a", with_layer).unwrap_err(), &["no X", "its layers are spliced", "adata.layers[\"spliced\"]"]);
}

#[test]
fn damaged_sparse_matrices_are_refused() {
    let broken = |change: fn(&mut Sparse)| {
        let mut rows = sparse(true);
        change(&mut rows);
        read("broken", with_rows(&rows)).unwrap_err()
    };
    says(&broken(|rows| rows.indptr[0] = 1), &["X/indptr starts at 1"]);
    says(&broken(|rows| rows.indptr[2] = 0), &["X/indptr falls from", "at position 2"]);
    says(&broken(|rows| *rows.indptr.last_mut().unwrap() += 1), &["X/indptr ends at"]);
    says(&broken(|rows| rows.indptr.push(rows.values.len() as i64)), &["X/indptr has 9 entries; 8 are expected"]);
    says(&broken(|rows| rows.indices[3] = 5), &["X/indices holds 5 at position 3", "0 to 5"]);
    says(&broken(|rows| rows.indices[0] = -1), &["X/indices holds -1 at position 0"]);
    says(&broken(|rows| rows.indices.truncate(4)), &["X has 4 indices for"]);
    says(&broken(|rows| (rows.indptr[1], rows.indptr[2]) = (0, 8)), &["gives row 1 8 values, more than the 5 genes"]);

    let mut columns = sparse(false);
    columns.indices[1] = 7;
    let bytes = h5ad(|file| {
        let group = sparse_group(file.create_group("X"), &columns, "csc_matrix", Dtype::F32);
        file.add_group(group.finish());
    });
    says(&read("csc", bytes).unwrap_err(), &["X/indices holds 7 at position 1", "0 to 7"]);
}

#[test]
fn a_matrix_that_does_not_fit_its_names_is_refused() {
    let bytes = h5ad(|file| {
        file.create_dataset("X").with_f32_data(&[1.0; 12]).with_shape(&[4, 3]);
    });
    says(&open("a", bytes).unwrap_err(), &["X has 4 rows for the 7 cells of obs"]);
    let bytes = h5ad(|file| {
        file.create_dataset("X").with_vlen_strings(&["a", "b"]);
    });
    says(&open("a", bytes).unwrap_err(), &["X holds str; numbers are expected"]);
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let whole = plain_h5ad();
    for length in (0..whole.len()).step_by(97) {
        let error = read("cut", whole[..length].to_vec()).expect_err("a part of a file was read as a whole");
        if length > 600 {
            says(&error, &["cut off"]);
        }
    }
}

#[test]
fn what_needs_too_much_memory_is_refused_with_both_numbers() {
    // 2,000 cells of 600 genes: about half a million values.
    let rows: Vec<f32> = (0..2000 * 600).map(|at| (at % 5 < 2) as u8 as f32).collect();
    let counts = cells::counts::Counts::from_dense(&rows, 600).unwrap();
    let names = |n: usize| (0..n).map(|at| at.to_string()).collect::<Vec<_>>();
    let matrix = cells::write::h5ad::Matrix::Csr(counts);
    let bytes =
        cells::write::h5ad::write_h5ad(&cells::write::h5ad::H5ad::new(matrix, names(2000), names(600))).unwrap();
    let file = || vec![NamedSource::from_bytes("large.h5ad", bytes.clone())];
    let needed = cells::read::open(file(), 0).unwrap().opened().bytes_needed;
    let opened = cells::read::open(file(), needed - 1_000_000).unwrap();
    let error = opened.begin(&PrepareOptions::default()).unwrap_err();
    let ReadError::OverBudget { needed: shown, available, .. } = &error else { panic!("{error}") };
    assert_eq!((*shown, *available), (needed, needed - 1_000_000));
    says(&error, &["reading X needs 35.", " MB", "of its 2000 cells (max_cells)"]);
    let fewer = PrepareOptions { max_cells: Some(500), ..PrepareOptions::default() };
    assert_eq!(read_opened(&opened, &fewer).unwrap().counts.n_cells(), 500);
    let none = cells::read::open(file(), 1000).unwrap();
    says(&none.begin(&fewer).unwrap_err(), &["1.0 kB are available", "more memory"]);
}

#[test]
fn options_that_cannot_be_followed() {
    let opened = open("a", plain_h5ad()).unwrap();
    let refused = |options: PrepareOptions| opened.begin(&options).unwrap_err();
    let text = |value: &str| Some(value.to_owned());
    let matrix = PrepareOptions { matrix: text("layers/counts"), ..PrepareOptions::default() };
    says(&refused(matrix), &["no matrix layers/counts", "there are: X"]);
    let column = PrepareOptions { perturbation_column: text("guide"), ..PrepareOptions::default() };
    says(&refused(column), &["obs has no column guide"]);
    let control = PrepareOptions { control_label: text("ctrl"), ..PrepareOptions::default() };
    says(&refused(control), &["no perturbation_column is chosen"]);
    says(&refused(PrepareOptions { max_cells: Some(0), ..PrepareOptions::default() }), &["max_cells is 0"]);
    let index = PrepareOptions {
        perturbation_column: text("_index"),
        control_label: text("ctrl"),
        ..PrepareOptions::default()
    };
    says(&refused(index), &["no cell has ctrl in obs column _index", "cell0"]);
    let size = PrepareOptions { library_size_column: text("_index"), ..PrepareOptions::default() };
    says(&refused(size), &["library sizes are numbers"]);
    let mut reading = opened.begin(&PrepareOptions::default()).unwrap();
    reading.advance().unwrap();
    says(&reading.finish().unwrap_err(), &["7 of 7 cells are read"]);
}

#[test]
fn what_is_no_count_is_named() {
    let with = |value: f32| -> CellData {
        let mut rows = sparse(true);
        rows.values[5] = value;
        read("values", with_rows(&rows)).unwrap()
    };
    let refused = |value: f32| cells::check::require_counts(&with(value), &[]).unwrap_err().to_string();
    let (cell, gene) = {
        let rows = sparse(true);
        let cell = rows.indptr.iter().position(|start| *start > 5).unwrap() - 1;
        (format!("cell{cell}"), build::gene_names()[rows.indices[5] as usize].clone())
    };
    for (value, says) in [
        (f32::NAN, "NaN at cell"),
        (f32::INFINITY, "infinity at cell"),
        (-2.0, "the negative value -2 at cell"),
        (0.5, "the fraction 0.5 at cell"),
    ] {
        let message = refused(value);
        assert!(message.starts_with(says), "{message}");
        assert!(message.contains(&cell) && message.contains(&gene), "{message}");
    }
    let mut metacells = with(0.5);
    metacells.unit = spec::dataset::CellUnit::Metacell;
    cells::check::require_counts(&metacells, &[]).unwrap();
    cells::check::require_counts(&with(3.0), &[]).unwrap();
}
