//! What is written, read by AnnData itself, where Python has it.

use std::process::Command;

use cells::counts::Counts;
use cells::write::h5ad::{Embedding, H5ad, Matrix, UnsArray, Values, write_h5ad};

use super::build::{self, CELLS, GENES, dense};

const SCRIPT: &str = r#"
import sys, anndata, numpy
a = anndata.read_h5ad(sys.argv[1])
b = anndata.read_h5ad(sys.argv[2])
x = a.X.toarray()
assert (x == b.X).all() and a.X.has_canonical_format
assert list(a.obs["condition"].cat.categories) == ["JAK2", "control"]
assert a.uns["waddington"]["unit"] == "metacell" and a.obsm["X_pca"].shape == (7, 2)
assert (a.layers["counts"].toarray() == x).all()
assert a.obs["n_cells"].dtype == "int64" and a.obs["note"].iloc[0] == "grüße"
assert a.obs["is_kept"].dtype == bool and a.obs["is_kept"].sum() == 6 and not a.obs["is_kept"].iloc[2]
assert a.uns["pca"]["ratio"].shape == (2, 2) and a.uns["pca"]["n"] == 50 and ",".join(a.uns["colors"]) == "red,blue"
c = anndata.read_h5ad(sys.argv[3])
assert c.shape == (300, 400) and c.X.nnz == 120000 and c.X[299, 399] == 3 and c.obsm["X_pca"].shape == (300, 300)
print(a.shape, x.sum(), list(a.var_names))
"#;

#[test]
fn anndata_reads_what_is_written() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let has_anndata = Command::new(&python).args(["-c", "import anndata"]).output();
    if !has_anndata.is_ok_and(|output| output.status.success()) {
        crate::say_skipped(&format!("{python} has no anndata, what is written is read by our own reader alone"));
        return;
    }
    let mut file =
        H5ad::new(Matrix::Csr(Counts::from_dense(&dense(), GENES).unwrap()), build::cell_names(), build::gene_names());
    file.obs.columns = vec![
        ("condition".into(), Values::categorical(&["control", "JAK2", "JAK2", "control", "JAK2", "JAK2", "JAK2"])),
        ("n_cells".into(), Values::I64(vec![40; CELLS])),
        ("is_kept".into(), Values::Bool((0..CELLS).map(|cell| cell != 2).collect())),
        ("note".into(), Values::Text(vec!["grüße".into(); CELLS])),
    ];
    file.layers.push(("counts".into(), Counts::from_dense(&dense(), GENES).unwrap()));
    file.obsm.push(Embedding { name: "X_pca".into(), values: vec![0.5; CELLS * 2], n_dims: 2 });
    file.uns.push(("waddington/unit".into(), "metacell".into()));
    file.uns_arrays = vec![
        ("colors".into(), UnsArray::Text(vec!["red".into(), "blue".into()])),
        ("pca/ratio".into(), UnsArray::Numbers { values: vec![0.5; 4], shape: vec![2, 2] }),
        ("pca/n".into(), UnsArray::Numbers { values: vec![50.0], shape: Vec::new() }),
    ];
    let folder = std::env::temp_dir().join(format!("waddington-anndata-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (sparse, full) = (folder.join("sparse.h5ad"), folder.join("dense.h5ad"));
    std::fs::write(&sparse, write_h5ad(&file).unwrap()).unwrap();
    file.x = Matrix::Dense { values: dense(), n_obs: CELLS, n_vars: GENES };
    std::fs::write(&full, write_h5ad(&file).unwrap()).unwrap();
    // Long enough for several chunks.
    let long = folder.join("long.h5ad");
    let (cells, genes) = ((0..300).map(|cell| format!("c{cell}")), (0..400).map(|gene| format!("g{gene}")));
    let counts = Counts::from_dense(&vec![3.0; 300 * 400], 400).unwrap();
    let mut large = H5ad::new(Matrix::Csr(counts), cells.collect(), genes.collect());
    large.obsm.push(Embedding { name: "X_pca".into(), values: vec![0.5; 300 * 300], n_dims: 300 });
    std::fs::write(&long, write_h5ad(&large).unwrap()).unwrap();
    let output = Command::new(&python).arg("-c").arg(SCRIPT).args([&sparse, &full, &long]).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sum: f32 = dense().iter().sum();
    let expected = format!("(7, 5) {sum:.1} ['STAT1', 'JAK2', 'MT-CO1', 'IFNGR1', 'GAPDH']");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected);
}
