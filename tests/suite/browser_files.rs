//! The files that the browser tests drop onto the page, made here so that the repository holds none of them.
//!
//! They are written to `target/browser-files`; what the readers say of them natively is asserted on the way, so that a
//! difference between here and the browser is the browser's.

use std::fs;
use std::path::PathBuf;

use cells::counts::Counts;
use cells::read::open;
use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use hdf5_pure::{AttrValue, FileBuilder, GroupBuilder};
use jepa::bank::Bank;
use spec::dataset::PrepareOptions;

use crate::checkpoints::{random_model, torch_file};

const N_CELLS: usize = 240;
/// The targets of the screen behind the example, which are among its checkpoint's genes.
const GENES: [&str; 25] = [
    "ATF2", "BRD4", "CAV1", "CD86", "CMTM6", "CUL3", "ETV7", "IFNGR1", "IFNGR2", "IRF1", "IRF7", "JAK2", "MARCH8",
    "MYC", "NFKBIA", "PDCD1LG2", "POU2F2", "SMAD4", "SPI1", "STAT1", "STAT2", "STAT3", "STAT5A", "TNFRSF14", "UBE2L6",
];

/// Whole numbers, about half of them 0, without a pattern that a reader could live on.
fn values(n_cells: usize) -> Vec<f32> {
    let scattered = |at: usize| (at as u32).wrapping_mul(2_654_435_761) >> 24;
    (0..n_cells * GENES.len()).map(|at| scattered(at).saturating_sub(128) as f32 / 8.0).map(f32::floor).collect()
}

fn cells_named(n_cells: usize) -> Vec<String> {
    (0..n_cells).map(|cell| format!("cell{cell}")).collect()
}

fn h5ad(values: &[f32], genes: &[&str]) -> H5ad {
    let counts = Counts::from_dense(values, genes.len()).expect("rows are whole");
    let n_cells = values.len() / genes.len();
    H5ad::new(Matrix::Csr(counts), cells_named(n_cells), genes.iter().map(|gene| (*gene).to_owned()).collect())
}

fn screen() -> H5ad {
    let mut file = h5ad(&values(N_CELLS), &GENES);
    let labels: Vec<&str> = (0..N_CELLS).map(|cell| ["NT", "NT", "STAT1", "IRF1"][cell % 4]).collect();
    file.obs.columns.push(("gene".into(), Values::categorical(&labels)));
    file.obs.columns.push(("n_umis_all_genes".into(), Values::F64(vec![9000.0; N_CELLS])));
    file
}

/// The same with batches, and with a column that has one value alone.
fn screen_in_batches() -> H5ad {
    let mut file = screen();
    let plates: Vec<&str> = (0..N_CELLS).map(|cell| ["plate 1", "plate 2"][cell / 4 % 2]).collect();
    file.obs.columns.push(("plate".into(), Values::categorical(&plates)));
    file.obs.columns.push(("donor".into(), Values::categorical(&["D1"; N_CELLS])));
    file
}

fn dense() -> H5ad {
    let mut file = h5ad(&values(N_CELLS), &GENES);
    file.x = Matrix::Dense { values: values(N_CELLS), n_obs: N_CELLS, n_vars: GENES.len() };
    let types: Vec<&str> = (0..N_CELLS).map(|cell| ["CD14+ Monocyte", "CD19+ B"][cell % 2]).collect();
    file.obs.columns.push(("bulk_labels".into(), Values::categorical(&types)));
    file
}

/// The same with one value replaced.
fn with(value: f32) -> H5ad {
    let mut changed = values(N_CELLS);
    changed[7] = value;
    h5ad(&changed, &GENES)
}

fn foreign_genes() -> H5ad {
    let names: Vec<String> = (0..GENES.len()).map(|gene| format!("plantgene{gene}")).collect();
    h5ad(&values(N_CELLS), &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn frame(file: &mut FileBuilder, name: &str, index: &[&str]) {
    let mut group = file.create_group(name);
    group.set_attr("_index", AttrValue::VarLenString("_index".into()));
    group.create_dataset("_index").with_vlen_strings(index);
    file.add_group(group.finish());
}

fn without_x() -> FileBuilder {
    let mut file = FileBuilder::new();
    frame(&mut file, "obs", &["cell0", "cell1"]);
    frame(&mut file, "var", &["STAT1", "IRF1"]);
    file
}

fn bad_indptr() -> Vec<u8> {
    let mut file = without_x();
    let mut group: GroupBuilder = file.create_group("X");
    group.set_attr("encoding-type", AttrValue::VarLenString("csr_matrix".into()));
    group.set_attr("shape", AttrValue::I64Array(vec![2, 2]));
    group.create_dataset("data").with_f32_data(&[1.0, 2.0, 3.0]);
    group.create_dataset("indices").with_i32_data(&[0, 1, 1]);
    group.create_dataset("indptr").with_i32_data(&[0, 2, 1]);
    file.add_group(group.finish());
    file.finish().expect("the builder holds a valid file")
}

fn written(file: &H5ad) -> Vec<u8> {
    write_h5ad(file).expect("the file holds together")
}

/// What reading the whole file says, checks of counts included; nothing where it is fine.
fn refusal(name: &str, bytes: Vec<u8>) -> Option<String> {
    let read = || {
        let opened = open(vec![NamedSource::from_bytes(name, bytes)], 1 << 30)?;
        let mut reading = opened.begin(&PrepareOptions::default())?;
        while reading.advance()?.is_some() {}
        reading.finish()
    };
    match read() {
        Ok(data) => cells::check::require_counts(&data, &[]).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// Where the browser tests look for them: below the build folder.
fn folder() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let folder = root.join(target).join("browser-files");
    fs::create_dir_all(&folder).expect("the build folder can be written to");
    folder
}

/// A small model of [`GENES`] as PyTorch would save it, its decoder, its genes and vectors, and a file that would run a
/// command if its pickle were executed.
fn models() -> Vec<(&'static str, Vec<u8>)> {
    let (_, model, decoder) = random_model(GENES.len(), 2);
    let vectors: Vec<f32> = (0..2 * GENES.len()).map(|at| (at as f32).sin()).collect();
    let bank = Bank::quantise(GENES.map(String::from).into(), 2, &vectors, "made up").expect("rows of two");
    let call = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
    vec![
        ("model.pt", torch_file::of_tensors(&model)),
        ("decoder.pt", torch_file::of_tensors(&decoder)),
        ("genes.txt", GENES.join("\n").into_bytes()),
        ("bank.safetensors", bank.to_bytes().expect("a small bank")),
        ("calls.pt", torch_file::of_pickle(call, &[])),
    ]
}

#[test]
fn model_files_for_the_browser() {
    let folder = folder();
    for (name, bytes) in models() {
        fs::write(folder.join(name), &bytes).expect("the build folder can be written to");
        if name.ends_with(".pt") {
            assert_eq!(jepa::checkpoint::read_any(&bytes).is_err(), name == "calls.pt", "{name}");
        }
    }
}

/// Cells of three types, each with genes of its own, and a Cell-JEPA that saw them for a moment.
#[test]
fn cell_jepa_files_for_the_browser() {
    let folder = folder();
    let write =
        |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("the build folder can be written to");
    write("types.h5ad", &written(&cells_of_types()));
    let model = crate::cell_jepa::trained_on(&GENES.map(str::to_owned), values_of_types(), 40);
    let header = jepa::checkpoint::read(&model).expect("a checkpoint").header;
    assert!(header.is_cell_jepa() && header.genes == GENES);
    write("cell_jepa.safetensors", &model);
    // Said to be one, without a tensor that it needs.
    let (mut tensors, metadata) = jepa::checkpoint::read_raw(&model).expect("safetensors");
    tensors.remove("model.student.encoder.embedding.weight").expect("its table of genes");
    let lacking = jepa::checkpoint::write_raw(&tensors, &metadata).expect("safetensors");
    write("cell_jepa_lacking.safetensors", &lacking);
}

const N_TYPED: usize = 150;
const TYPES: [&str; 3] = ["B", "T", "NK"];

/// A third of the genes is high in each type, about half of the others 0.
fn values_of_types() -> Vec<f32> {
    let scattered = values(N_TYPED);
    let of = |at: usize| {
        let (cell, gene) = (at / GENES.len(), at % GENES.len());
        let own = if gene % 3 == cell % 3 { 12.0 + ((cell * 7 + gene) % 5) as f32 } else { 0.0 };
        own + (scattered[at] / 4.0).floor()
    };
    (0..scattered.len()).map(of).collect()
}

fn cells_of_types() -> H5ad {
    let mut file = h5ad(&values_of_types(), &GENES);
    let types: Vec<&str> = (0..N_TYPED).map(|cell| TYPES[cell % 3]).collect();
    file.obs.columns.push(("cell_type".into(), Values::categorical(&types)));
    file
}

#[test]
fn files_for_the_browser() {
    let whole = written(&screen());
    let truncated = whole[..whole.len() / 2].to_vec();
    let files = [
        ("screen.h5ad", whole, None),
        ("screen_in_batches.h5ad", written(&screen_in_batches()), None),
        ("dense.h5ad", written(&dense()), None),
        ("foreign_genes.h5ad", written(&foreign_genes()), None),
        ("not_hdf5.h5ad", b"\x89no HDF5".to_vec(), Some("")),
        ("without_x.h5ad", without_x().finish().expect("the builder holds a valid file"), Some("no X")),
        ("bad_indptr.h5ad", bad_indptr(), Some("X/indptr")),
        ("nan.h5ad", written(&with(f32::NAN)), Some("NaN")),
        ("negative.h5ad", written(&with(-2.0)), Some("negative")),
        ("fraction.h5ad", written(&with(0.5)), Some("fraction")),
        ("truncated.h5ad", truncated, Some("")),
    ];
    let folder = folder();
    for (name, bytes, expected) in files {
        fs::write(folder.join(name), &bytes).expect("the build folder can be written to");
        match (refusal(name, bytes), expected) {
            (None, None) => {}
            (Some(said), Some(part)) if said.contains(part) => {}
            (said, _) => panic!("{name}: {said:?}"),
        }
    }
}

/// A zarr store as a folder.
#[test]
fn store_files_for_the_browser() {
    let archive = include_bytes!("../golden/zarr_v3.zip");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).expect("an archive");
    archive.extract(folder()).expect("the build folder can be written to");
}

/// 1 GB of values and indices, uncompressed, which `benches/memory.mjs` opens in the browser.
#[test]
#[ignore = "writes 1 GB; run by `cargo xtask bench`"]
fn large_file_for_the_benchmark() {
    const N_CELLS: usize = 50_000;
    const N_GENES: usize = 20_000;
    const PER_CELL: usize = 2_500;
    let names = |what: &str, n: usize| -> Vec<String> { (0..n).map(|at| format!("{what}{at}")).collect() };
    let (cells, genes) = (names("cell", N_CELLS), names("gene", N_GENES));
    let mut file = FileBuilder::new();
    frame(&mut file, "obs", &cells.iter().map(String::as_str).collect::<Vec<_>>());
    frame(&mut file, "var", &genes.iter().map(String::as_str).collect::<Vec<_>>());
    let mut group = file.create_group("X");
    group.set_attr("encoding-type", AttrValue::VarLenString("csr_matrix".into()));
    group.set_attr("shape", AttrValue::I64Array(vec![N_CELLS as i64, N_GENES as i64]));
    let n = N_CELLS * PER_CELL;
    let values: Vec<f32> = (0..n).map(|at| (at % 7 + 1) as f32).collect();
    group.create_dataset("data").with_f32_data(&values);
    let step = N_GENES / PER_CELL;
    let indices: Vec<i32> = (0..n).map(|at| ((at % PER_CELL) * step + at / PER_CELL % step) as i32).collect();
    group.create_dataset("indices").with_i32_data(&indices);
    let starts: Vec<i64> = (0..=N_CELLS).map(|cell| (cell * PER_CELL) as i64).collect();
    group.create_dataset("indptr").with_i64_data(&starts);
    file.add_group(group.finish());
    drop((values, indices));
    let folder = folder();
    let bytes = file.finish().expect("the builder holds a valid file");
    assert!(bytes.len() >= 1_000_000_000, "{} bytes", bytes.len());
    fs::write(folder.join("large.h5ad"), bytes).expect("the build folder can be written to");
}
