//! The command line on files: what it trains, predicts and scores is what the engine does, and mistakes are named.

mod cell_jepa;
mod genes;
mod map;
mod prepare;
mod training;
mod vectors;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cells::counts::Counts;
use cells::data::CellData;
use cells::read::OpenedFile;
use cells::source::NamedSource;
use cells::write::h5ad::{Embedding, H5ad, Matrix, Values, write_h5ad};
use cli::{Arguments, Parser};
use engine::store::MemoryStore;
use engine::{Session, Sink};
use futures_lite::future::block_on;
use jepa::bank::Bank;
use jepa::checkpoint;
use serde_json::json;
use spec::dataset::{ColumnKind, PrepareOptions};
use spec::evaluation::Evaluation;
use spec::message::{Envelope, Event, Request};
use spec::metrics::Metric;
use spec::prediction::Prediction;

use crate::checkpoints::torch_file;

const GENES: [&str; 7] = ["STAT1", "JAK2", "IRF1", "CD86", "MYC", "ACTB", "GAPDH"];

const CONFIG: &str = r#"
seed = 3
mode = "knockout"
held_out = ["JAK2"]
checkpoint_every = 4
report_every = 2

[model]
version = "v05"
d_model = 8
n_heads = 2
n_layers = 1
n_pretrain_layers = 1

[model.composer]
n_chemical = 2
n_dna = 2
n_latent = 6
n_mode = 3

[pretrain]
n_steps = 4
batch_size = 5

[action]
n_steps = 5
batch_size = 5

[decoder]
n_steps = 3
batch_size = 5
"#;

/// A folder of one test with cells, vectors and a configuration in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the target folder can be written");
        let folder = Self(path);
        folder.write("cells.h5ad", &cells_file());
        folder.write("bank.safetensors", &bank());
        folder.write("train.toml", CONFIG.as_bytes());
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).expect("the target folder can be written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn has(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }

    /// Runs a command whose words that name files (those with a dot) lie in this folder.
    fn run(&self, command: &str) -> Result<String, String> {
        let word = |word: &str| match word.contains('.') {
            true => self.0.join(word).to_string_lossy().into_owned(),
            false => word.to_owned(),
        };
        let words = std::iter::once("waddington".to_owned()).chain(command.split_whitespace().map(word));
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        cli::run(&arguments, &mut out).map_err(|error| format!("{error:#}"))?;
        Ok(String::from_utf8(out).expect("the output is text"))
    }

    fn succeed(&self, command: &str) -> String {
        self.run(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// What the engine behind the browser answers on the same files.
    fn ask_engine(&self, target: &str) -> Prediction {
        let events = Rc::new(Events::default());
        let mut session = Session::new(events.clone(), 1 << 30, Rc::new(MemoryStore::default()));
        let file = |name: &str| NamedSource::from_bytes(name, self.read(name));
        let mut ask = |request: serde_json::Value, files: Vec<NamedSource>| -> Event {
            let request: Request = serde_json::from_value(request).expect("a request");
            block_on(session.handle(1, request, files));
            events.0.borrow_mut().pop().expect("a final event")
        };
        ask(json!({ "type": "start", "backend": "cpu" }), vec![]);
        ask(json!({ "type": "load_checkpoint" }), vec![file("model.safetensors"), file("bank.safetensors")]);
        let opened = ask(json!({ "type": "open" }), vec![file("cells.h5ad")]);
        let Event::Opened { opened } = opened else { panic!("{opened:?}") };
        ask(json!({ "type": "prepare", "options": opened.suggested }), vec![]);
        let answer = ask(json!({ "type": "predict", "query": { "target": target, "mode": "knockout" } }), vec![]);
        let Event::Predicted { prediction } = answer else { panic!("{answer:?}") };
        prediction
    }
}

#[derive(Default)]
struct Events(RefCell<Vec<Event>>);

impl Sink for Events {
    fn emit(&self, envelope: Envelope<Event>) {
        self.0.borrow_mut().push(envelope.body);
    }
}

/// 32 cells: 16 controls, 8 with STAT1 knocked out, 8 with JAK2.
fn cells_file() -> Vec<u8> {
    let n_cells = 32;
    let labels: Vec<&str> = (0..n_cells).map(|cell| ["control", "control", "STAT1", "JAK2"][cell % 4]).collect();
    let counts = (0..n_cells * GENES.len()).map(|at| ((at * 7 + at / 5) % 11) as f32).collect();
    let mut file = H5ad::new(
        Matrix::Dense { values: counts, n_obs: n_cells, n_vars: GENES.len() },
        (0..n_cells).map(|cell| format!("cell{cell}")).collect(),
        GENES.map(String::from).into(),
    );
    file.obs.columns.push(("condition".into(), Values::categorical(&labels)));
    write_h5ad(&file).expect("a well-formed file")
}

fn bank() -> Vec<u8> {
    let symbols = vec!["STAT1".to_owned(), "JAK2".into(), "TP53".into()];
    let vectors = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5];
    Bank::quantise(symbols, 4, &vectors, "made up").and_then(|bank| bank.to_bytes()).expect("three rows of four")
}

fn open(bytes: Vec<u8>) -> OpenedFile {
    cells::read::open(vec![NamedSource::from_bytes("p.h5ad", bytes)], 1 << 30).expect("an h5ad")
}

fn read_h5ad(bytes: Vec<u8>) -> CellData {
    let opened = open(bytes);
    let mut reading = opened.begin(&PrepareOptions::default()).expect("it has an X");
    while reading.advance().expect("its values can be read").is_some() {}
    reading.finish().expect("all of it was read")
}

const TRAIN: &str = "train train.toml cells.h5ad --bank bank.safetensors --cpu --out";
const PREDICT: &str = "predict cells.h5ad --checkpoint model.safetensors --bank bank.safetensors --cpu";

#[test]
fn a_training_that_is_stopped_and_resumed_ends_as_one_that_ran_through() {
    let folder = Folder::new("resume");
    folder.succeed(&format!("{TRAIN} through.safetensors"));
    assert!(!folder.has("through.safetensors.state"), "a finished run leaves no state");
    // Into the second stage, and not where a checkpoint was due.
    folder.succeed(&format!("{TRAIN} parts.safetensors --at-most 6"));
    assert!(!folder.has("parts.safetensors") && folder.has("parts.safetensors.state"));
    let refused = folder.run(&format!("{TRAIN} parts.safetensors")).expect_err("half a run is there");
    assert!(refused.contains("--resume") && refused.contains("--force"), "{refused}");
    folder.succeed(&format!("{TRAIN} parts.safetensors --resume"));
    assert!(!folder.has("parts.safetensors.state"));
    assert_eq!(folder.read("parts.safetensors"), folder.read("through.safetensors"));
    let refused = folder.run(&format!("{TRAIN} parts.safetensors")).expect_err("a checkpoint is there");
    assert!(refused.contains("--force"), "{refused}");
}

#[test]
fn predictions_are_those_of_the_engine_in_both_formats() {
    let folder = Folder::new("predict");
    folder.succeed(&format!("{TRAIN} model.safetensors"));
    let expected = folder.ask_engine("JAK2");
    let measured = expected.measured.expect("JAK2 is in the data");

    folder.succeed(&format!("{PREDICT} --target JAK2 --out p.csv"));
    let text = String::from_utf8(folder.read("p.csv")).expect("csv is text");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..3], ["gene", "control_mean_log1p", "predicted_change_log1p"]);
    let column =
        |index: usize| -> Vec<f32> { rows[1..].iter().map(|row| row[index].parse().expect("a number")).collect() };
    assert_eq!(rows[1..].iter().map(|row| row[0]).collect::<Vec<_>>(), GENES);
    assert_eq!(column(1), expected.control_mean);
    assert_eq!(column(2), expected.delta);
    assert_eq!(column(5), measured.delta);
    assert_eq!(column(6), measured.standard_error);

    let refused = folder.run(&format!("{PREDICT} --target STAT1 --out p.csv")).expect_err("there is one already");
    assert!(refused.contains("p.csv is there already") && refused.contains("--force"), "{refused}");
    assert_eq!(folder.read("p.csv"), text.as_bytes());
    folder.succeed(&format!("{PREDICT} --target STAT1 --out p.csv --force"));
    assert_ne!(folder.read("p.csv"), text.as_bytes());

    folder.succeed(&format!("{PREDICT} --target JAK2 --out p.h5ad"));
    let data = read_h5ad(folder.read("p.h5ad"));
    assert_eq!(data.genes.symbols, GENES);
    assert_eq!(data.barcodes, ["control", "predicted", "measured"]);
    let row = |index: usize| {
        let mut values = vec![0.0; GENES.len()];
        data.counts.add_row_to(index, &mut values);
        values
    };
    let plus = |delta: &[f32]| expected.control_mean.iter().zip(delta).map(|(c, d)| c + d).collect::<Vec<f32>>();
    assert_eq!(row(0), expected.control_mean);
    assert_eq!(row(1), plus(&expected.delta));
    assert_eq!(row(2), plus(&measured.delta));
}

#[test]
fn a_combination_is_the_sum_of_what_is_predicted_of_its_genes() {
    let folder = Folder::new("combination");
    folder.succeed(&format!("{TRAIN} model.safetensors"));
    let (jak2, stat1) = (folder.ask_engine("JAK2"), folder.ask_engine("STAT1"));
    folder.succeed(&format!("{PREDICT} --target STAT1+JAK2 --out both.csv"));
    let text = String::from_utf8(folder.read("both.csv")).expect("csv is text");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0].last(), Some(&"additive_change_log1p"));
    let sum = |gene: usize| jak2.delta[gene] + stat1.delta[gene];
    let measured = [&jak2, &stat1].map(|one| &one.measured.as_ref().expect("it is in the data").delta);
    for (gene, row) in rows[1..].iter().enumerate() {
        assert_eq!(row[2].parse(), Ok(sum(gene)), "{}", GENES[gene]);
        assert_eq!(row[7].parse(), Ok(measured[0][gene] + measured[1][gene]), "{}", GENES[gene]);
        assert_eq!((row[3], row[5]), ("", ""), "neither an interval nor a measurement");
    }
    for (target, expected) in
        [("STAT1+STAT1", "STAT1 is named twice"), ("STAT1+", "both sides"), ("STAT1+X", "no vector of X")]
    {
        let refused = folder.run(&format!("{PREDICT} --target {target} --out bad.csv")).expect_err(target);
        assert!(refused.contains(expected), "{target}: {refused}");
    }
}

#[test]
fn bare_parameters_predict_as_the_checkpoint_they_are_from() {
    let folder = Folder::new("bare");
    folder.succeed(&format!("{TRAIN} model.safetensors"));
    let whole = checkpoint::read(&folder.read("model.safetensors")).expect("it was just trained");
    folder.write("bare.pt", &torch_file::of_part(&whole.tensors, "model."));
    folder.write("decoder.pt", &torch_file::of_part(&whole.tensors, "decoder."));
    folder.write("genes.txt", GENES.join("\n").as_bytes());
    folder.succeed(&format!("{PREDICT} --target JAK2 --out whole.csv"));
    let bare = PREDICT.replace("model.safetensors", "bare.pt --target JAK2 --out bare.csv --mode knockout");
    folder.succeed(&format!("{bare} --decoder decoder.pt --genes genes.txt --heads 2"));
    let predicted = |name: &str| -> Vec<String> {
        let text = String::from_utf8(folder.read(name)).expect("csv is text");
        text.lines().map(|line| line.split(',').take(3).collect::<Vec<_>>().join(",")).collect()
    };
    assert_eq!(predicted("bare.csv"), predicted("whole.csv"));

    let check = |command: &str, parts: &[&str]| {
        let said = folder.run(command).expect_err(command);
        assert!(parts.iter().all(|part| said.contains(part)), "`{command}` says: {said}");
    };
    let bare = bare.replace("bare.csv", "refused.csv");
    check(&bare, &["BioJEPA-AC v0.5, width 8, 1 layer, 7 genes", "--genes"]);
    check(&format!("{bare} --genes genes.txt --heads 3"), &["bare.pt", "n_heads 3 does not divide d_model 8"]);
    check(&format!("{bare} --genes genes.txt"), &["no decoder"]);
    check(&format!("{bare} --genes train.toml"), &["train.toml", "genes; the model has 7"]);
}

#[test]
fn scores_are_those_of_the_engine() {
    let folder = Folder::new("eval");
    folder.succeed(&format!("{TRAIN} model.safetensors"));
    let command = "eval cells.h5ad --checkpoint model.safetensors --bank bank.safetensors --cpu";
    let printed = folder.succeed(&format!("{command} --min-cells 5 --metrics all --json report.json"));
    let report: Evaluation = serde_json::from_slice(&folder.read("report.json")).expect("what was found");
    let expected = folder.ask_engine("JAK2").agreement;
    assert_eq!(report.table.targets, ["JAK2"]);
    // One target: its scores are the means.
    for method in &expected {
        let row = report.table.rows.iter().find(|row| row.method == method.method);
        let row = row.unwrap_or_else(|| panic!("{} is not scored", method.method));
        let found = |metric: Metric| row.cells.iter().find(|cell| cell.metric == metric).and_then(|cell| cell.mean);
        let close = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() <= 1e-6 * expected.abs().max(1e-3),
            (found, expected) => found == expected,
        };
        assert!(close(found(Metric::CellEvalPearsonDelta), method.delta_pearson), "{row:?} is not {method:?}");
        assert!(close(found(Metric::CellEvalMseDelta), Some(method.mse)), "{row:?} is not {method:?}");
    }
    // What is printed is what is written.
    assert!(printed.starts_with(&report.headline), "{printed}");
    for row in &report.table.rows {
        assert!(printed.contains(&row.method), "{} is not printed", row.method);
    }
    assert!(folder.run(&format!("{command} --json report.json")).expect_err("there already").contains("--force"));
    let said = folder.run(command).expect_err("8 cells are too few");
    assert!(said.contains("none of the perturbations that the checkpoint"), "{said}");
}

#[test]
fn inspect_counts() {
    let folder = Folder::new("inspect");
    let report: serde_json::Value =
        serde_json::from_str(&folder.succeed("inspect --json cells.h5ad")).expect("it prints JSON");
    let expected: f64 = (0..32 * GENES.len()).map(|at| ((at * 7 + at / 5) % 11) as f64).sum();
    assert_eq!((&report["n_cells"], &report["n_genes"]), (&json!(32), &json!(7)));
    assert_eq!(report["sum"], json!(expected));
    let said = folder.succeed("inspect cells.h5ad");
    assert!(said.contains("condition: 3 labels: control (16)"), "{said}");
    assert!(said.contains("  condition (") && said.contains("; control control"), "{said}");
    assert_eq!(report["perturbation_columns"][0]["column"], "condition");
}

#[test]
fn what_is_wrong_is_named() {
    let folder = Folder::new("mistakes");
    folder.succeed(&format!("{TRAIN} model.safetensors"));
    folder.write("notes.txt", b"not a matrix");
    fs::create_dir(folder.0.join("empty.d")).expect("the target folder can be written");
    folder.write("typo.toml", CONFIG.replace("d_model", "d_modle").as_bytes());
    folder.write("kind.toml", CONFIG.replace("seed = 3", "seed = \"three\"").as_bytes());
    let cases: [(&str, &[&str]); 18] = [
        ("inspect notes.txt", &["notes.txt", "It reads h5ad"]),
        ("inspect nothing.h5ad", &["opening", "nothing.h5ad"]),
        ("inspect empty.d", &["empty.d is an empty folder"]),
        ("convert cells.h5ad cells.csv", &["cells.csv does not end in .h5ad"]),
        ("convert cells.h5ad model.safetensors.h5ad --matrix raw/X", &["no matrix raw/X"]),
        ("convert notes.txt new.h5ad", &["notes.txt"]),
        ("predict cells.h5ad", &["--checkpoint", "--bank", "--target", "--out"]),
        (&format!("{PREDICT} --target stat1 --out p.csv"), &["no vector of stat1"]),
        (&format!("{PREDICT} --target STAT1 --out p.txt"), &[".csv or .h5ad"]),
        (&format!("{PREDICT} --target STAT1 --out no/p.csv"), &["there is no folder"]),
        (&format!("{PREDICT} --target STAT1 --out p.csv --mode ablation"), &["--mode", "knockout"]),
        (&format!("{PREDICT} --target STAT1 --out p.csv --perturbation gene"), &["no column gene", "condition"]),
        (&format!("{PREDICT} --target STAT1 --out p.csv --control wild"), &["wild", "condition", "control"]),
        (&format!("{PREDICT} --target STAT1 --out p.csv --matrix counts"), &["no matrix counts", "X"]),
        (&format!("{PREDICT} --target STAT1 --out p.csv --min-counts 1e9"), &["drop all 32 cells"]),
        (&TRAIN.replace("train.toml", "typo.toml"), &["typo.toml", "model.d_modle"]),
        (&TRAIN.replace("train.toml", "kind.toml"), &["kind.toml, line 2", "three"]),
        (&format!("{TRAIN} new.safetensors --resume"), &["no unfinished run", "new.safetensors.state"]),
    ];
    for (command, parts) in cases {
        let command =
            if command.ends_with("--out") { format!("{command} new.safetensors") } else { command.to_owned() };
        let said = folder.run(&command).expect_err(&command);
        for part in parts {
            assert!(said.contains(part), "`{command}` says: {said}; it does not say {part}");
        }
    }
    assert!(!folder.has("p.csv") && !folder.has("new.safetensors"), "a mistake leaves no file");
}

#[test]
fn what_is_converted_reads_back_the_same() {
    let folder = Folder::new("convert");
    let cells = read_h5ad(folder.read("cells.h5ad"));
    folder.succeed("convert cells.h5ad again.h5ad");
    assert!(folder.run("convert cells.h5ad again.h5ad").expect_err("there already").contains("--force"));
    let again = read_h5ad(folder.read("again.h5ad"));
    assert_eq!((&again.counts, &again.genes, &again.barcodes), (&cells.counts, &cells.genes, &cells.barcodes));
    assert!(folder.succeed("inspect again.h5ad").contains("condition: 3 labels: control (16)"));

    // With layers, an embedding and ids, out of two samples of which some cells are drawn.
    let mut file = H5ad::new(Matrix::Csr(cells.counts.clone()), cells.barcodes.clone(), cells.genes.symbols.clone());
    file.layers.push(("doubled".into(), doubled(&cells.counts)));
    file.obsm.push(Embedding { name: "X_pca".into(), values: (0..64).map(|at| at as f32).collect(), n_dims: 2 });
    folder.write("rich.h5ad", &write_h5ad(&file).expect("a well-formed file"));
    folder.succeed("convert rich.h5ad some.h5ad --max-cells 10 --seed 3");
    let some = open(folder.read("some.h5ad"));
    let names: Vec<&str> = some.opened().matrices.iter().map(|matrix| matrix.name.as_str()).collect();
    assert_eq!(names, ["X", "layers/doubled"]);
    let of = |name: &str| {
        let options = PrepareOptions { matrix: Some(name.into()), ..PrepareOptions::default() };
        let mut reading = some.begin(&options).expect("it is there");
        while reading.advance().expect("its values can be read").is_some() {}
        reading.finish().expect("all of it was read")
    };
    let (x, layer) = (of("X"), of("layers/doubled"));
    assert_eq!((x.counts.n_cells(), &layer.counts), (10, &doubled(&x.counts)));
    let embedding = &some.beside(&PrepareOptions::default()).expect("it was written").obsm[0];
    for (row, barcode) in x.barcodes.iter().enumerate() {
        let cell = cells.barcodes.iter().position(|name| name == barcode).expect("one of the cells");
        assert_eq!(embedding.values[2 * row..2 * row + 2], [2.0 * cell as f32, 2.0 * cell as f32 + 1.0]);
    }

    folder.succeed("convert cells.h5ad shares.h5ad --max-cells 8 --stratify-by condition");
    let sizes = |name: &str| match &open(folder.read(name)).opened().columns[0].kind {
        ColumnKind::Labels { values, .. } => values.clone(),
        kind => panic!("{kind:?}"),
    };
    let quarter: Vec<(String, usize)> = sizes("cells.h5ad").into_iter().map(|(label, n)| (label, n / 4)).collect();
    assert_eq!(sizes("shares.h5ad"), quarter);
    let refused = folder.run("convert cells.h5ad x.h5ad --max-cells 8 --stratify-by colour").expect_err("no column");
    assert!(refused.contains("colour"), "{refused}");

    // A folder stands for the files in it.
    fs::create_dir(folder.0.join("trio.d")).expect("the target folder can be written");
    folder.write("trio.d/matrix.mtx", b"%%MatrixMarket matrix coordinate integer general\n2 3 2\n1 1 5\n2 3 7\n");
    folder.write("trio.d/barcodes.tsv", b"AAA\nCCC\nGGG\n");
    folder.write(
        "trio.d/features.tsv",
        b"ENSG00000115415\tSTAT1\tGene Expression\nENSG00000096968\tJAK2\tGene Expression\n",
    );
    folder.succeed("convert trio.d trio.h5ad");
    let trio = read_h5ad(folder.read("trio.h5ad"));
    assert_eq!(
        (trio.counts.sum(), trio.barcodes.len(), trio.genes.symbols),
        (12.0, 3, vec!["STAT1".into(), "JAK2".into()])
    );
    assert_eq!(trio.genes.ids, Some(vec!["ENSG00000115415".into(), "ENSG00000096968".into()]));
}

fn doubled(counts: &Counts) -> Counts {
    let mut doubled = counts.clone();
    doubled.map_values(|value| 2.0 * value);
    doubled
}

#[test]
fn a_split_is_made_checked_and_trained_on() {
    let folder = Folder::new("split");
    let said = folder.succeed("split cells.h5ad --leave-out JAK2 --out out.json");
    assert!(said.contains("test   8 cells") && said.contains("train  24 cells"), "{said}");
    let again = folder.succeed("split cells.h5ad --check out.json --out out.csv");
    assert_eq!(said, again);
    folder.write("other.toml", CONFIG.replace("held_out = [\"JAK2\"]", "held_out = []").as_bytes());
    folder.succeed(
        "train other.toml cells.h5ad --bank bank.safetensors --cpu --split out.csv --out by_split.safetensors",
    );
    folder.succeed(&format!("{TRAIN} by_config.safetensors"));
    assert_eq!(folder.read("by_split.safetensors"), folder.read("by_config.safetensors"));
    let folds = folder.succeed("split cells.h5ad --fold 1/4 --seed 2 --out fold.json");
    assert!(folds.contains("test   8 cells"), "{folds}");
    let refused = |command: &str, part: &str| {
        let said = folder.run(command).expect_err(command);
        assert!(said.contains(part), "`{command}` says: {said}");
    };
    refused("split cells.h5ad", "--gears");
    refused("split cells.h5ad --leave-out TP53", "TP53");
    refused("split cells.h5ad --gears simulations", "simulations");
    refused("split cells.h5ad --test colour=red", "no column colour");
    refused("split cells.h5ad --fold 0/4", "K/N");
    refused(&format!("{TRAIN} x.safetensors --split fold.json"), "parts cells");
}
