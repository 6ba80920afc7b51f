//! Cell-JEPA from the command line: trained, resumed, repeated, asked for embeddings; and what is refused.

use jepa::checkpoint;

use super::{Folder, TRAIN, open};

const CONFIG: &str = r#"
seed = 3
checkpoint_every = 4
report_every = 2

[pretrain]
n_steps = 7
batch_size = 5

[cell_jepa]
d_model = 8
n_heads = 2
n_layers = 1
feed_forward = 8
predictor_width = 8
max_genes = 5
"#;

const CELL_TRAIN: &str = "train cell.toml cells.h5ad --cpu --out";
const EMBED: &str = "embed cells.h5ad --checkpoint cell.safetensors --cpu";

fn folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("cell.toml", CONFIG.as_bytes());
    folder
}

#[test]
fn a_run_needs_no_vectors_resumes_and_repeats() {
    let folder = folder("cell-jepa-train");
    folder.succeed(&format!("{CELL_TRAIN} cell.safetensors"));
    folder.succeed(&format!("{CELL_TRAIN} parts.safetensors --at-most 3"));
    folder.succeed(&format!("{CELL_TRAIN} parts.safetensors --resume"));
    assert_eq!(folder.read("parts.safetensors"), folder.read("cell.safetensors"));
    let again = "train cells.h5ad --run cell.safetensors.run.json --cpu --out again.safetensors";
    folder.succeed(again);
    assert_eq!(folder.read("again.safetensors"), folder.read("cell.safetensors"));

    let written = checkpoint::read(&folder.read("cell.safetensors")).expect("a checkpoint");
    assert_eq!(written.header.cell_jepa.as_ref().map(|model| (model.d_model, model.max_genes)), Some((8, 5)));
    assert_eq!(written.header.genes, super::GENES);
    assert_eq!(written.tensors["model.student.encoder.embedding.weight"].shape, [9, 8]);

    folder.write("vocab.json", br#"{"ACTB": 1, "<pad>": 0, "MYC": 2, "OTHER": 3}"#);
    let with = format!("{CELL_TRAIN} vocabulary.safetensors --vocabulary vocab.json --steps 1 --seed 9");
    folder.succeed(&with);
    let other = checkpoint::read(&folder.read("vocabulary.safetensors")).expect("a checkpoint");
    assert_eq!(other.header.genes, ["ACTB", "MYC", "OTHER"]);
}

#[test]
fn cells_are_embedded_and_scored() {
    let folder = folder("cell-jepa-embed");
    folder.succeed(&format!("{CELL_TRAIN} cell.safetensors"));
    let said = folder.succeed(&format!("{EMBED} --out e.csv --labels condition --compare 1 --json"));
    let scores: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let scores = scores["scores"].as_array().expect("a list");
    let names: Vec<&str> = scores.iter().step_by(4).map(|one| one["embedding"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["Cell-JEPA", "PCA, 7 components", "untrained, seed 0"]);
    for one in scores {
        let part = |name: &str| one[name].as_f64().expect("a number");
        assert!((part("avg_bio") - (part("nmi") + part("ari") + part("asw")) / 3.0).abs() < 1e-12, "{one}");
        assert_eq!(one["chosen_by_labels"], one["clustering"] != "Leiden at 1, not chosen");
    }
    let text = folder.succeed(&format!("{EMBED} --labels condition"));
    assert!(text.starts_with("32 cells, 3 labels of condition") && text.contains("optimistic"), "{text}");

    let csv = String::from_utf8(folder.read("e.csv")).expect("text");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), rows[0].len(), rows[0][1], rows[1][0]), (33, 9, "cell_jepa_1", "cell0"));
    folder.succeed(&format!("{EMBED} --out e.h5ad --labels condition"));
    let file = hdf5_pure::File::open(folder.0.join("e.h5ad")).expect("HDF5");
    let values: Vec<f32> = file.dataset("obsm/X_cell_jepa").and_then(|values| values.read()).expect("an embedding");
    let of_csv: Vec<f32> = rows[1..].iter().flat_map(|row| row[1..].iter().map(|v| v.parse().expect("f32"))).collect();
    assert_eq!(values, of_csv);
    assert_eq!(open(folder.read("e.h5ad")).opened().matrices[0].n_cells, 32);
}

#[test]
fn responses_are_learned_from_pairs_and_scored_on_what_was_held_out() {
    let folder = folder("cell-jepa-respond");
    folder.succeed(&format!("{CELL_TRAIN} cell.safetensors"));
    const RESPOND: &str =
        "respond cells.h5ad --checkpoint cell.safetensors --held-out JAK2 --batch 4 --rate 1e-2 --cpu --json";
    let scores = |more: &str| -> Vec<(String, f64)> {
        let said = folder.succeed(&format!("{RESPOND} {more}"));
        let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!((said["n_learned"].as_u64(), said["scores"][0]["target"].as_str()), (Some(1), Some("JAK2")));
        let methods = said["scores"][0]["methods"].as_array().expect("a list");
        methods
            .iter()
            .map(|one| (one["method"].as_str().unwrap_or("").into(), one["pearson"].as_f64().unwrap_or(-2.0)))
            .collect()
    };
    let few = scores("--steps 1");
    let names: Vec<&str> = few.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Cell-JEPA", "training mean", "no change"]);
    let many = scores("--steps 300 --genes 6");
    assert!(many[0].1 > few[0].1, "it learns what values these genes have: {few:?} {many:?}");
    assert_eq!(many[1..], few[1..], "what does not learn stays");
    assert_eq!(scores("--steps 3"), scores("--steps 3"), "a seed decides every draw");
    let delta = scores("--steps 3 --delta");
    assert!(delta[0].1 > -1.5 && delta[0] != scores("--steps 3")[0], "told as a change it is another model: {delta:?}");
    let refused = |command: &str, part: &str| {
        let said = folder.run(command).expect_err(command);
        assert!(said.contains(part), "`{command}` says: {said}");
    };
    refused(&RESPOND.replace("JAK2", "TP53"), "TP53 is no perturbation of the data");
    refused(&RESPOND.replace("JAK2", "JAK2,STAT1"), "to learn from");
    refused(&format!("{RESPOND} --steps 0"), "--steps");
}

#[test]
fn what_belongs_to_the_other_model_is_refused() {
    let folder = folder("cell-jepa-refused");
    let refused = |command: &str, parts: &[&str]| {
        let said = folder.run(command).expect_err(command);
        assert!(parts.iter().all(|part| said.contains(part)), "`{command}` says: {said}");
    };
    folder.succeed(&format!("{CELL_TRAIN} cell.safetensors"));
    folder.succeed(&format!("{TRAIN} bio.safetensors"));
    refused(&format!("{EMBED} --out e.txt"), &["e.txt", ".csv"]);
    refused(EMBED, &["--out", "--labels"]);
    refused(&format!("{EMBED} --labels kind"), &["no column kind"]);
    refused(&EMBED.replace("cell.safetensors", "bio.safetensors --out e.csv"), &["bio.safetensors", "BioJEPA-AC"]);
    let predict = "predict cells.h5ad --bank bank.safetensors --cpu --target JAK2 --out p.csv --checkpoint";
    refused(&format!("{predict} cell.safetensors"), &["cell.safetensors", "Cell-JEPA"]);
    refused("train train.toml cells.h5ad --cpu --out x.safetensors", &["--bank"]);
    refused(&format!("{TRAIN} x.safetensors --vocabulary vocab.json"), &["vocab.json"]);
    folder.write("rate.toml", CONFIG.replace("batch_size = 5", "batch_size = 5\nmax_lr = 1e-5").as_bytes());
    refused(&format!("{} x.safetensors", CELL_TRAIN.replace("cell.toml", "rate.toml")), &["[cell_jepa]"]);
}
