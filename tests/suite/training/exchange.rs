//! A checkpoint goes to PyTorch and predicts the same there: names, layouts and formulas, by modules of another hand.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use cells::counts::Counts;
use futures_lite::future::block_on;
use jepa::query::Predictor;
use jepa::train::Trainer;
use spec::model::{Mode, ModelVersion};
use spec::train::TrainConfig;

use super::{N_GENES, cells, config, cpu, header, losses};
use crate::say_skipped;

/// The interpreter: the one that `WADDINGTON_PYTHON` names, else `python3`; none where it has no torch.
fn python() -> Option<String> {
    let name = std::env::var("WADDINGTON_PYTHON").unwrap_or_else(|_| "python3".into());
    let outcome = Command::new(&name).args(["-c", "import torch"]).stderr(Stdio::null()).status();
    outcome.is_ok_and(|status| status.success()).then_some(name)
}

#[test]
fn pytorch_loads_what_is_trained_here_and_predicts_the_same() {
    let Some(python) = python() else {
        say_skipped("no PyTorch: set WADDINGTON_PYTHON to an interpreter that has torch");
        return;
    };
    for version in [ModelVersion::V04, ModelVersion::V05] {
        let mut config = TrainConfig { seed: 8, ..config() };
        config.model.version = version;
        config.model.n_layers = 2;
        let mut trainer = Trainer::new(config.clone(), header(&config), cells(), cpu()).expect("the parts fit");
        losses(&mut trainer, config.n_steps());
        let bytes = block_on(trainer.weights()).expect("readable");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("exchange-{version:?}.safetensors"));
        std::fs::write(&path, &bytes).expect("the target folder can be written");

        let rows: Vec<Vec<f32>> =
            (0..6).map(|row| (0..N_GENES).map(|gene| ((row * 5 + gene * 3) % 8) as f32 / 3.0).collect()).collect();
        let vector = [0.75f32, -0.5, 0.25, 1.0];
        let question = serde_json::json!({ "x": rows, "vector": vector, "mode": Mode::Knockout.code() });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/torch_exchange.py");
        let mut asked = Command::new(&python)
            .arg(script)
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it could be started a moment ago");
        asked.stdin.take().expect("piped").write_all(question.to_string().as_bytes()).expect("it listens");
        let answer = asked.wait_with_output().expect("it ends");
        assert!(answer.status.success(), "PyTorch refuses the checkpoint; its words are on stderr");
        let theirs: Vec<f32> = serde_json::from_slice(&answer.stdout).expect("a list of numbers");

        let predictor = Predictor::from_bytes(&bytes, &cpu()).expect("its own checkpoint");
        let counts = Counts::from_dense(&rows.concat(), N_GENES).expect("rows are whole");
        let all: Vec<usize> = (0..rows.len()).collect();
        let mut run = predictor.predict(&counts, &all, None, &vector, Mode::Knockout).expect("fits");
        while block_on(run.advance()).expect("readable").is_some() {}
        let ours = run.finish();
        let largest = theirs.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert!(largest > 1e-2 && ours.len() == theirs.len(), "changes of {largest} show nothing");
        // As outputs in the parity tests.
        for (gene, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert!((ours - theirs).abs() < 1e-5 * largest, "{version:?}, gene {gene}: {ours} here, {theirs} there");
        }
    }
}
