//! Checkpoints as files: the reference's own `.pt`, and what is said of those that do not fit or hold together.

use std::fs;
use std::path::PathBuf;

use jepa::checkpoint::{self, pt};
use jepa::model::BioJepa;
use jepa::tensors::{NamedTensor, TensorMap};
use proptest::prelude::{any, prop};
use proptest::{prop_assert, proptest};
use spec::device::BackendChoice;

const HEADS: [(&str, usize); 2] = [("biojepa_v0_4", 4), ("biojepa_v0_5", 2)];

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The parameters of the reference, from the file of numbers that was made with the `.pt`.
fn expected(name: &str) -> TensorMap {
    let bytes = golden(&format!("{name}.safetensors"));
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a golden file");
    let tensors = file.iter().filter_map(|(name, view)| {
        let name = name.strip_prefix("model.")?;
        let values = view.data().as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        Some((name.to_owned(), NamedTensor { shape: view.shape().to_vec(), values }))
    });
    tensors.collect()
}

#[test]
fn the_references_own_files_hold_its_parameters() {
    for (name, n_heads) in HEADS {
        let read = pt::state_dict(&golden(&format!("{name}.pt"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = expected(name);
        assert_eq!(read.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        assert!(read == expected, "{name}: the values differ");

        let config = pt::infer_config(&read, n_heads).unwrap_or_else(|error| panic!("{name}: {error}"));
        let device = futures_lite::future::block_on(jepa::device::open(BackendChoice::Cpu)).expect("the CPU").0;
        BioJepa::from_tensors(&config, &read, &device).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn what_does_not_fit_the_model_is_named() {
    let device = futures_lite::future::block_on(jepa::device::open(BackendChoice::Cpu)).expect("the CPU").0;
    let whole = expected("biojepa_v0_4");
    let config = pt::infer_config(&whole, 4).expect("the reference's sizes");
    let refused = |change: &dyn Fn(&mut TensorMap)| {
        let mut tensors = whole.clone();
        change(&mut tensors);
        BioJepa::from_tensors(&config, &tensors, &device).expect_err("it does not fit").to_string()
    };
    let name = "student.blocks.1.ln_1.bias";
    assert!(refused(&|tensors| drop(tensors.remove(name))).contains(name));
    assert!(
        refused(&|tensors| drop(tensors.insert("student.extra".into(), NamedTensor::scalar(1.0))))
            .contains("student.extra")
    );
    assert!(refused(&|tensors| drop(tensors.insert(name.into(), NamedTensor::scalar(1.0)))).contains(name));
}

#[test]
fn sizes_that_no_weight_bears_out_are_refused() {
    let mut tensors = expected("biojepa_v0_4");
    tensors
        .insert("student.gene_embeddings".into(), NamedTensor { shape: vec![1, 400_000], values: vec![0.0; 400_000] });
    let error = pt::infer_config(&tensors, 4).expect_err("a width of 400,000").to_string();
    assert!(error.contains("q_proj.weight") && error.contains("400000"), "{error}");
}

#[test]
fn files_that_are_cut_off_or_something_else_are_refused() {
    let whole = golden("biojepa_v0_4.pt");
    for n_bytes in [0, 3, 30, 1000, whole.len() / 2, whole.len() - 1] {
        assert!(pt::state_dict(&whole[..n_bytes]).is_err(), "cut to {n_bytes} bytes");
    }
    let legacy = pt::state_dict(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9").expect_err("torch before 1.6").to_string();
    assert!(legacy.contains("torch 1.6 or later"), "{legacy}");

    let numbers = golden("biojepa_v0_4.safetensors");
    let cut = checkpoint::read(&numbers[..numbers.len() - 9]).expect_err("cut off").to_string();
    assert!(cut.contains("safetensors") || cut.contains("header") || cut.contains("cut"), "{cut}");
}

#[test]
fn a_pickle_that_would_run_something_is_refused_by_name() {
    let program = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
    let error = checkpoint::pickle::Pickle::read(program).expect_err("a call").to_string();
    assert!(error.contains("os.system") && error.contains("nothing was executed"), "{error}");
    let error = checkpoint::pickle::Pickle::read(b"\x80\x02(i__main__\nX\n.").expect_err("an instance").to_string();
    assert!(error.contains("0x69"), "{error}");
}

proptest! {
    #[test]
    fn damaged_files_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = golden("biojepa_v0_5.pt");
        for (at, value) in &flips {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if let Ok(tensors) = pt::state_dict(&bytes) {
            prop_assert!(tensors.values().all(NamedTensor::is_consistent));
        }
    }

    #[test]
    fn any_bytes_are_a_pickle_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = checkpoint::pickle::Pickle::read(&bytes);
    }
}
