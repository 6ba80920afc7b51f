//! Vectors of language models in the layouts that their scripts leave behind, and a screen in GEARS' layout scored with
//! them.

use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use engine::jepa::checkpoint::write_raw;
use engine::jepa::tensors::{NamedTensor, TensorMap};
use jepa::bank::Bank;
use serde_json::json;
use spec::evaluation::Evaluation;

use super::Folder;
use crate::checkpoints::torch_file;

/// Perturbed genes of the screen.
const TARGETS: [&str; 6] = ["AAAS", "AARS", "ABCB7", "ABCF1", "ACTR5", "AQR"];
/// Their Ensembl ids, as in the reference's `anchor_to_id.json`.
const IDS: [&str; 6] =
    ["ENSG00000094914", "ENSG00000090861", "ENSG00000131269", "ENSG00000204574", "ENSG00000101442", "ENSG00000021776"];
const WIDTH: usize = 3;

fn vector(target: usize) -> [f32; WIDTH] {
    [target as f32 + 1.0, (target % 2) as f32, -0.5]
}

/// What `numpy.save` writes of a float32 matrix.
fn npy(rows: &[[f32; WIDTH]]) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {WIDTH}), }}", rows.len());
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// The bank holds what was given, to what eight bits can hold.
fn check_bank(folder: &Folder, name: &str, expected: impl Fn(usize) -> [f32; WIDTH]) {
    let bank = Bank::from_bytes(&folder.read(name)).expect("a bank");
    for (at, target) in TARGETS.iter().enumerate() {
        let (found, expected) = (bank.vector(target).unwrap_or_else(|| panic!("{target} in {name}")), expected(at));
        let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= largest / 254.0 + 1e-6, "{name}: {target}: {found} for {expected}");
        }
    }
}

#[test]
fn every_layout_of_vectors_makes_the_same_bank() {
    let folder = Folder::new("vectors");
    let rows: Vec<[f32; WIDTH]> = (0..TARGETS.len()).map(vector).collect();
    folder.write("esm2.npy", &npy(&rows));
    let rows_of: serde_json::Map<_, _> = IDS.iter().enumerate().map(|(row, id)| ((*id).into(), row.into())).collect();
    folder.write("anchor_to_id.json", json!(rows_of).to_string().as_bytes());
    let table: String = TARGETS.iter().zip(IDS).map(|(symbol, id)| format!("{symbol}\t{id}\n")).collect();
    folder.write("genes.tsv", format!("symbol\tensembl\n{table}").as_bytes());
    let said = folder.succeed("vectors esm2.npy --names anchor_to_id.json --genes genes.tsv --out npy.safetensors");
    assert!(said.contains("6 genes of 3 numbers"), "{said}");
    check_bank(&folder, "npy.safetensors", vector);

    folder.write("names.txt", TARGETS.join("\n").as_bytes());
    folder.succeed("vectors esm2.npy --names names.txt --out lines.safetensors");
    check_bank(&folder, "lines.safetensors", vector);

    let numbers = |row: &[f32; WIDTH]| row.map(|value| value.to_string()).join(",");
    let lines: String = TARGETS.iter().zip(&rows).map(|(name, row)| format!("{name},{}\n", numbers(row))).collect();
    folder.write("esm2.csv", format!("gene,0,1,2\n{lines}").as_bytes());
    folder.succeed("vectors esm2.csv --out csv.safetensors");
    check_bank(&folder, "csv.safetensors", vector);

    folder.write("bare.csv", lines.as_bytes());
    folder.succeed("vectors bare.csv --out bare_bank.safetensors");
    check_bank(&folder, "bare_bank.safetensors", vector);

    let tensor = |row: &[f32; WIDTH]| NamedTensor { shape: vec![WIDTH], values: row.to_vec() };
    let tensors: TensorMap = TARGETS.iter().zip(&rows).map(|(name, row)| ((*name).to_owned(), tensor(row))).collect();
    folder.write("by_gene.safetensors", &write_raw(&tensors, &Default::default()).expect("six small tensors"));
    folder.write("by_gene.pt", &torch_file::of_part(&tensors, ""));
    for name in ["by_gene.safetensors", "by_gene.pt"] {
        let out = format!("{}.bank.safetensors", name.replace('.', "_"));
        folder.succeed(&format!("vectors {name} --out {out}"));
        check_bank(&folder, &out, vector);
    }
}

#[test]
fn guides_of_a_gene_are_averaged() {
    let folder = Folder::new("guides");
    // Two pairs of guides of each gene, one of the non-targeting, and one that no vector was made of.
    let mut table = String::from("cell_barcode,gene,gem_group,gene_id,UMI_count,sgID_AB,guide_seq_a,guide_seq_b\n");
    let mut rows = Vec::new();
    let mut ids = serde_json::Map::new();
    for (at, (target, id)) in TARGETS.iter().zip(IDS).enumerate() {
        for guide in 0..2 {
            let name = format!("{target}_+_{guide}.23-P1P2|{target}_-_{guide}.23-P1P2");
            table.push_str(&format!("AAAC{at}{guide}-1,{target},1,{id},5000,{name},GACC,GTTA\n"));
            ids.insert(name, rows.len().into());
            rows.push(vector(at).map(|value| value + if guide == 0 { 0.25 } else { -0.25 }));
        }
    }
    ids.insert("non-targeting_1|non-targeting_2".into(), rows.len().into());
    rows.push([9.0; WIDTH]);
    table.push_str("AAACZZ-1,LATE,1,ENSG1,5000,LATE_1|LATE_2,GACC,GTTA\n");
    folder.write("input_embeddings_dna.npy", &npy(&rows));
    folder.write("input_to_id.json", json!(ids).to_string().as_bytes());
    folder.write("crispri_seq.csv", table.as_bytes());
    let make =
        "vectors input_embeddings_dna.npy --names input_to_id.json --guides crispri_seq.csv --out bank2.safetensors";
    let said = folder.succeed(make);
    assert!(said.contains("13 vectors read; 6 genes"), "{said}");
    check_bank(&folder, "bank2.safetensors", vector);
}

#[test]
fn vectors_that_cannot_be_read_are_named() {
    let folder = Folder::new("no-vectors");
    let rows: Vec<[f32; WIDTH]> = (0..2).map(vector).collect();
    folder.write("two.npy", &npy(&rows));
    folder.write("three.txt", b"A\nB\nC\n");
    folder.write("gap.json", br#"{"A": 0}"#);
    folder.write("twice.json", br#"{"A": 0, "B": 0}"#);
    folder.write("beyond.json", br#"{"A": 0, "B": 2}"#);
    folder.write("words.csv", b"gene,0,1\nA,1,two\n");
    folder.write("ragged.csv", b"gene,0,1\nA,1\n");
    folder.write("guides.csv", b"gene,guide\nA,1\n");
    folder.write("genes.tsv", b"symbol\tensembl\nX\tENSG1\n");
    folder.write("ab.txt", b"A\nB\n");
    let check = |command: &str, said: &str| {
        let error = folder.run(&format!("vectors {command} --out out.safetensors")).expect_err(command);
        assert!(error.contains(said), "{command}: {error}");
        assert!(!folder.has("out.safetensors"));
    };
    check("two.npy", "--names");
    check("two.npy --names three.txt", "3 lines for 2 rows");
    check("two.npy --names gap.json", "row 1 has no name");
    check("two.npy --names twice.json", "row 0 has two names");
    check("two.npy --names beyond.json", "B has row 2, and there are 2");
    check("words.csv", "A: `two` is no number");
    check("ragged.csv", "record 1");
    check("words.csv --names ab.txt", "for a .npy");
    check("two.npy --names ab.txt --guides guides.csv", "no column `sgID_AB`");
    check("two.npy --names ab.txt --genes genes.tsv", "knows none of the 2 names");
    check("train.toml", "vectors are read from");
}

/// GEARS' `perturb_processed.h5ad`: conditions `GENE+ctrl` and `ctrl`, genes by Ensembl id with `gene_name` beside it,
/// log1p of counts scaled to the median.
fn gears_file() -> Vec<u8> {
    let (n_cells, n_genes) = (TARGETS.len() * 12 + 24, 20);
    let label = |cell: usize| match cell {
        0..24 => "ctrl".to_owned(),
        _ => format!("{}+ctrl", TARGETS[(cell - 24) % TARGETS.len()]),
    };
    let labels: Vec<String> = (0..n_cells).map(label).collect();
    let mut values = Vec::with_capacity(n_cells * n_genes);
    for cell in 0..n_cells {
        let count = |gene: usize| ((cell * 31 + gene * 17 + cell * gene) % 13 + usize::from(gene == cell % 6)) as f32;
        let counts: Vec<f32> = (0..n_genes).map(count).collect();
        let total: f32 = counts.iter().sum();
        values.extend(counts.iter().map(|count| (count * 120.0 / total).ln_1p()));
    }
    let ids: Vec<String> = (0..n_genes).map(|gene| format!("ENSG{:011}", gene + 1)).collect();
    let mut file = H5ad::new(
        Matrix::Dense { values, n_obs: n_cells, n_vars: n_genes },
        (0..n_cells).map(|cell| format!("AAAC{cell}-1")).collect(),
        ids,
    );
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    file.obs.columns.push(("condition".into(), Values::categorical(&labels)));
    file.obs.columns.push(("cell_type".into(), Values::categorical(&vec!["K562"; n_cells])));
    let names: Vec<String> =
        (0..n_genes).map(|gene| TARGETS.get(gene).map_or(format!("G{gene}"), |t| (*t).into())).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    file.var.columns.push(("gene_name".into(), Values::categorical(&names)));
    write_h5ad(&file).expect("a well-formed file")
}

#[test]
fn a_screen_in_the_layout_of_gears_is_scored_with_such_vectors() {
    let folder = Folder::new("gears");
    folder.write("replogle.h5ad", &gears_file());
    let rows: Vec<[f32; WIDTH]> = (0..TARGETS.len()).map(vector).collect();
    folder.write("esm2.npy", &npy(&rows));
    folder.write("names.txt", TARGETS.join("\n").as_bytes());
    folder.succeed("vectors esm2.npy --names names.txt --out esm2.safetensors");
    folder.succeed(
        "eval replogle.h5ad --perturbation condition --control ctrl --bank esm2.safetensors --folds 3 --json found.json",
    );
    let found: Evaluation = serde_json::from_slice(&folder.read("found.json")).expect("an evaluation");
    assert_eq!(found.table.targets, TARGETS);
    assert_eq!(found.data.n_control_cells, 24);
    assert!(found.data.genes.contains(&"AAAS".to_owned()), "{:?}", found.data.genes);
    let row = found.table.rows.iter().find(|row| row.method == "ridge").expect("it goes by vectors");
    assert!(row.cells[0].values.iter().all(Option::is_some), "{row:?}");
}
