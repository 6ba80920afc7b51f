//! Training from the command line: from a checkpoint, within batches, with validation, and what is refused.

use std::fs;

use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use jepa::checkpoint;

use super::{CONFIG, Folder, GENES, TRAIN};

#[test]
fn a_run_starts_from_a_checkpoint_and_resumes() {
    let folder = Folder::new("from");
    folder.succeed(&format!("{TRAIN} base.safetensors"));
    folder.write("tune.toml", CONFIG.replace("seed = 3", "seed = 4").as_bytes());
    let tune = TRAIN.replace("train.toml", "tune.toml --from base.safetensors");
    folder.succeed(&format!("{tune} through.safetensors"));
    folder.succeed(&format!("{tune} parts.safetensors --at-most 6"));
    folder.succeed(&format!("{tune} parts.safetensors --resume"));
    assert_eq!(folder.read("parts.safetensors"), folder.read("through.safetensors"));
    let [base, tuned] = ["base.safetensors", "through.safetensors"]
        .map(|name| checkpoint::read(&folder.read(name)).expect("a checkpoint"));
    for (name, tensor) in &base.tensors {
        let is_encoder = name.starts_with("model.student.") || name.starts_with("model.teacher.");
        assert!(!is_encoder || tuned.tensors[name] == *tensor, "{name} was to be left alone");
    }
    assert_ne!(base.tensors["model.predictor.head_mu.weight"], tuned.tensors["model.predictor.head_mu.weight"]);

    let refused = |command: &str, parts: &[&str]| {
        let said = folder.run(command).expect_err(command);
        assert!(parts.iter().all(|part| said.contains(part)), "`{command}` says: {said}");
    };
    folder.write("wide.toml", CONFIG.replace("d_model = 8", "d_model = 16").as_bytes());
    refused(&format!("{} x.safetensors", tune.replace("tune.toml", "wide.toml")), &["d_model is 16", "is 8"]);
    refused(&format!("{} x.safetensors", tune.replace("base.", "none.")), &["reading", "none.safetensors"]);
    refused(&format!("{} x.safetensors", tune.replace("base.", "bank.")), &["bank.safetensors", "not a checkpoint"]);
    // Other genes: half of them are the least.
    let few = H5ad::new(
        Matrix::Dense { values: vec![1.0; 4 * 3], n_obs: 4, n_vars: 3 },
        (0..4).map(|cell| format!("cell{cell}")).collect(),
        GENES[..3].iter().map(|gene| (*gene).to_owned()).collect(),
    );
    let labels = ["control", "control", "STAT1", "JAK2"];
    let few = H5ad {
        obs: cells::write::h5ad::Frame { columns: vec![("condition".into(), Values::categorical(&labels))], ..few.obs },
        ..few
    };
    folder.write("few.h5ad", &write_h5ad(&few).expect("a well-formed file"));
    refused(&format!("{} x.safetensors", tune.replace("cells.h5ad", "few.h5ad")), &["3 of the checkpoint's 7", "CD86"]);
}

#[test]
fn controls_are_taken_from_the_own_batch_where_a_column_names_it() {
    let folder = Folder::new("batches");
    let batched = |column: &str| format!("batch_column = \"{column}\"\n{CONFIG}");
    folder.write("batched.toml", batched("plate").as_bytes());
    folder.write("missing.toml", batched("plait").as_bytes());
    let with = |config: &str| TRAIN.replace("train.toml", config);
    let said = folder.run(&format!("{} x.safetensors", with("missing.toml"))).expect_err("there is no such column");
    assert!(said.contains("batch_column") && said.contains("plait"), "{said}");
    folder.write("cells.h5ad", &with_plates());
    folder.succeed(&format!("{} batched.safetensors", with("batched.toml")));
    folder.succeed(&format!("{TRAIN} any.safetensors"));
    assert_ne!(folder.read("batched.safetensors"), folder.read("any.safetensors"));
}

/// The cells of every test, on two plates.
fn with_plates() -> Vec<u8> {
    let n_cells = 32;
    let labels: Vec<&str> = (0..n_cells).map(|cell| ["control", "control", "STAT1", "JAK2"][cell % 4]).collect();
    let plates: Vec<&str> = (0..n_cells).map(|cell| ["one", "two"][cell / 16]).collect();
    let counts = (0..n_cells * GENES.len()).map(|at| ((at * 7 + at / 5) % 11) as f32).collect();
    let mut file = H5ad::new(
        Matrix::Dense { values: counts, n_obs: n_cells, n_vars: GENES.len() },
        (0..n_cells).map(|cell| format!("cell{cell}")).collect(),
        GENES.map(String::from).into(),
    );
    file.obs.columns.push(("condition".into(), Values::categorical(&labels)));
    file.obs.columns.push(("plate".into(), Values::categorical(&plates)));
    write_h5ad(&file).expect("a well-formed file")
}

#[test]
fn a_run_that_breaks_off_leaves_the_state_that_was_good() {
    let folder = Folder::new("broken");
    let broken = CONFIG.replace("[pretrain]\nn_steps = 4", "[pretrain]\nmax_lr = 1e30\nn_steps = 40");
    folder.write("broken.toml", broken.as_bytes());
    let said = folder.run(&format!("{} x.safetensors", TRAIN.replace("train.toml", "broken.toml"))).expect_err("NaN");
    assert!(said.contains("of pretraining") && said.contains("x.safetensors.state"), "{said}");
    let (tensors, _) = checkpoint::read_raw(&folder.read("x.safetensors.state")).expect("a state");
    assert!(tensors.values().all(|tensor| tensor.values.iter().all(|value| value.is_finite())));
    assert!(fs::metadata(folder.0.join("x.safetensors")).is_err());
}

#[test]
fn a_run_file_repeats_its_run() {
    let folder = Folder::new("repeat");
    let validated = format!("validation_share = 0.25\nhold_back = \"cells\"\nvalidate_every = 2\n{CONFIG}");
    folder.write("validated.toml", validated.as_bytes());
    folder.succeed(&format!("{} one.safetensors", TRAIN.replace("train.toml", "validated.toml")));
    let run: serde_json::Value = serde_json::from_slice(&folder.read("one.safetensors.run.json")).expect("JSON");
    assert_eq!((&run["data"]["n_genes"], &run["data"]["files"][0]), (&7.into(), &"cells.h5ad".into()));
    assert_eq!(
        (run["losses"].as_array().map(Vec::len), run["validation"].as_array().map(Vec::len)),
        (Some(3), Some(3))
    );
    let again = "train cells.h5ad --run one.safetensors.run.json --bank bank.safetensors --cpu --out two.safetensors";
    folder.succeed(again);
    assert_eq!(folder.read("two.safetensors"), folder.read("one.safetensors"));
    assert_eq!(folder.read("two.safetensors.run.json"), folder.read("one.safetensors.run.json"));

    let refused = |command: &str, parts: &[&str]| {
        let said = folder.run(command).expect_err(command);
        assert!(parts.iter().all(|part| said.contains(part)), "`{command}` says: {said}");
    };
    folder.write("plates.h5ad", &with_plates());
    folder.succeed(&again.replace("cells.h5ad", "plates.h5ad").replace("two.", "three."));
    let text = String::from_utf8(folder.read("one.safetensors.run.json")).expect("text");
    assert!(text.contains("\"max_cells\": null"), "{text}");
    folder.write("other.run.json", text.replace("\"max_cells\": null", "\"max_cells\": 20").as_bytes());
    let other = again.replace("one.safetensors.run.json", "other.run.json").replace("two.", "four.");
    refused(&other, &["not those of the run file", "cells.h5ad", "bank.safetensors"]);
    refused(&again.replace("one.safetensors.run.json", "train.toml").replace("two.", "four."), &["no run file"]);
    refused(&again.replace("--cpu", "--cpu --from one.safetensors").replace("two.", "four."), &["not what the run"]);
    refused("train train.toml --bank bank.safetensors --out x.safetensors", &["data file"]);

    // A run from a checkpoint is repeated with it.
    let tune = format!("{} tuned.safetensors", TRAIN.replace("train.toml", "train.toml --from one.safetensors"));
    folder.succeed(&tune);
    let again = again.replace("one.safetensors.run", "tuned.safetensors.run").replace("two.", "five.");
    refused(&again, &["--from"]);
    folder.succeed(&again.replace("--cpu", "--cpu --from one.safetensors"));
    assert_eq!(folder.read("five.safetensors"), folder.read("tuned.safetensors"));
}

#[test]
fn a_preset_needs_no_configuration() {
    let folder = Folder::new("preset");
    let command = "train cells.h5ad --preset tiny --bank bank.safetensors --cpu --out preset.safetensors";
    folder.succeed(&format!("{command} --at-most 2"));
    folder.succeed(&format!("{command} --at-most 1 --resume"));
    let (tensors, metadata) = checkpoint::read_raw(&folder.read("preset.safetensors.state")).expect("a state");
    assert_eq!(tensors["model.student.gene_embeddings"].shape, [GENES.len(), 8]);
    assert!(metadata["waddington_run"].contains("\"step\":3"), "three steps are done");
    let said = folder.run(&command.replace("tiny", "huge")).expect_err("there is none");
    assert!(said.contains("tiny, waddington, small, production"), "{said}");
}
