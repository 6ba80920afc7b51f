//! Checkpoints as files: the reference's own `.pt`, and what is said of those that do not fit or hold together.

mod numbers;
pub mod torch_file;

use std::fs;
use std::path::PathBuf;

use futures_lite::future::block_on;
use jepa::checkpoint::{self, Weights, pt};
use jepa::device::Device;
use jepa::model::BioJepa;
use jepa::model::decoder::Decoder;
use jepa::tensors::{NamedTensor, TensorMap};
use proptest::prelude::{any, prop};
use proptest::{prop_assert, proptest};
use spec::device::BackendChoice;
use spec::model::{ComposerConfig, ModelConfig, ModelVersion};

const HEADS: [(&str, usize); 2] = [("biojepa_v0_4", 4), ("biojepa_v0_5", 2)];

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn cpu() -> Device {
    block_on(jepa::device::open(BackendChoice::Cpu)).expect("the CPU is always there").0
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

        load(&golden(&format!("{name}.pt")), Some(n_heads)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The parameters of a small model, under PyTorch's names.
fn small() -> TensorMap {
    let config = ModelConfig {
        version: ModelVersion::V05,
        n_genes: 3,
        d_model: 4,
        n_heads: 2,
        n_layers: 2,
        n_pretrain_layers: 1,
        composer: ComposerConfig { n_protein: 4, n_chemical: 2, n_dna: 2, n_latent: 6, n_mode: 3 },
        ..ModelConfig::default()
    };
    let model = BioJepa::init(&config, 1, &cpu()).expect("a valid configuration");
    block_on(model.state()).expect("the CPU gives its values back")
}

/// The parameters in both formats, as files.
fn files(tensors: &TensorMap) -> [(&'static str, Vec<u8>); 2] {
    let safetensors = checkpoint::write_raw(tensors, &[].into()).expect("consistent tensors");
    [("safetensors", safetensors), (".pt", torch_file::of_tensors(tensors))]
}

/// Reads any file of parameters and builds its model; genes are made up.
fn load(bytes: &[u8], n_heads: Option<usize>) -> Result<Vec<String>, jepa::Error> {
    let Weights::Bare(bare) = checkpoint::read_any(bytes)? else { panic!("no header was written") };
    let genes = (0..bare.config(n_heads)?.n_genes).map(|gene| format!("gene{gene}")).collect();
    let (checkpoint, assumed) = bare.describe(genes, n_heads)?;
    checkpoint.build(&cpu())?;
    Ok(assumed)
}

#[test]
fn a_state_dict_is_a_model_and_what_was_assumed() {
    for (format, file) in files(&small()) {
        let assumed = load(&file, None).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert!(assumed.iter().any(|line| line.contains("4 attention heads")), "{format}: {assumed:?}");
        let assumed = load(&file, Some(2)).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert!(assumed.iter().all(|line| !line.contains("attention heads")), "{format}: {assumed:?}");
        let said = load(&file, Some(3)).expect_err("3 does not divide 4").to_string();
        assert!(said.contains("n_heads 3 does not divide d_model 4"), "{format}: {said}");
    }
}

#[test]
fn wrapped_names_and_decoders_are_understood() {
    let wrapped = small().into_iter().map(|(name, tensor)| (format!("module._orig_mod.{name}"), tensor)).collect();
    let Ok(Weights::Bare(mut bare)) = checkpoint::read_any(&torch_file::of_tensors(&wrapped)) else {
        panic!("a state dict")
    };
    assert!(!bare.has_decoder());
    let head = [("head.weight", vec![1, 4], 4), ("head.bias", vec![1], 1)];
    let head = head.map(|(name, shape, n)| (name.to_owned(), NamedTensor { shape, values: vec![0.5; n] }));
    let decoder = torch_file::of_tensors(&head.into());
    let Ok(Weights::Bare(decoder)) = checkpoint::read_any(&decoder) else { panic!("a decoder") };
    bare.join(decoder.clone()).expect("a model and its decoder");
    assert!(bare.has_decoder());
    let said = bare.clone().join(decoder).expect_err("a second decoder").to_string();
    assert!(said.contains("a second decoder"), "{said}");
    let genes = ["A", "B", "C"].map(String::from).to_vec();
    let (checkpoint, _) = bare.describe(genes, Some(2)).expect("a whole model");
    assert!(checkpoint.build(&cpu()).expect("a whole model").1.is_some());
    // With its header it is one of ours.
    let bytes = checkpoint::write(&checkpoint).expect("a well-formed checkpoint");
    assert_eq!(checkpoint::read_any(&bytes).expect("one of ours"), Weights::Described(Box::new(checkpoint)));
}

#[test]
fn what_does_not_fit_is_named_in_both_formats() {
    let check = |change: &dyn Fn(&mut TensorMap), parts: &[&str]| {
        let mut tensors = small();
        change(&mut tensors);
        for (format, file) in files(&tensors) {
            let said = load(&file, Some(2)).expect_err("it does not fit").to_string();
            assert!(parts.iter().all(|part| said.contains(part)), "{format}: {said}");
        }
    };
    let name = "student.blocks.1.ln_1.bias";
    let reshape = |name: &'static str, shape: &'static [usize]| {
        move |tensors: &mut TensorMap| {
            let values = vec![0.0; shape.iter().product()];
            tensors.insert(name.into(), NamedTensor { shape: shape.to_vec(), values });
        }
    };
    check(&|tensors| drop(tensors.remove(name)), &[name, "missing"]);
    check(&|tensors| drop(tensors.remove("student.gene_embeddings")), &["student.gene_embeddings", "missing"]);
    check(&reshape("student.extra", &[2]), &["student.extra", "surplus"]);
    check(&reshape(name, &[5]), &[name, "5", "4"]);
    check(&reshape("student.gene_embeddings", &[12]), &["student.gene_embeddings", "two axes"]);
    // Sizes that no weight bears out would make a model of any size.
    check(&reshape("student.gene_embeddings", &[1, 4000]), &["attn.q_proj.weight", "4000"]);
    check(&|tensors| tensors.get_mut(name).expect("is there").values[1] = f32::NAN, &[name, "finite"]);
    check(
        &|tensors| tensors.retain(|name, _| name.contains("ln_1")),
        &["student.gene_embeddings", "every BioJEPA-AC model", "the first are"],
    );
}

#[test]
fn files_that_are_cut_off_are_refused_in_both_formats() {
    for (format, file) in files(&small()) {
        for n_bytes in [0, 3, 30, 1000, file.len() / 2, file.len() - 1] {
            let said = load(&file[..n_bytes], Some(2)).expect_err("cut off").to_string();
            let names_it = ["empty", "begins with", "cut off", "damaged"].iter().any(|part| said.contains(part));
            assert!(names_it, "{format} cut to {n_bytes} bytes: {said}");
        }
    }
    let [(_, file), _] = files(&small());
    let said = load(&file[..file.len() - 1], Some(2)).expect_err("cut off").to_string();
    assert!(said.contains("the tensor `") && said.contains(&format!("{} bytes", file.len() - 1)), "{said}");
    for name in ["biojepa_v0_4.pt", "biojepa_v0_5.pt"] {
        let whole = golden(name);
        assert!(checkpoint::read_any(&whole[..whole.len() / 2]).is_err(), "{name}");
    }
}

#[test]
fn formats_are_told_apart_by_their_first_bytes() {
    let check = |bytes: &[u8], parts: &[&str]| {
        let said = checkpoint::read_any(bytes).expect_err("not parameters").to_string();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert_eq!(said.contains("torch before 1.6"), parts.contains(&"torch before 1.6"), "{said}");
    };
    check(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", &["torch before 1.6", "torch.save"]);
    let mut tar = b"sys_info".to_vec();
    tar.resize(257, 0);
    tar.extend(b"ustar  \0");
    check(&tar, &["torch before 1.6"]);
    check(b"\x80\x04\x95\x10", &["a pickle that torch.save did not write", "80 04 95 10"]);
    check(b"dear diary, today", &["begins with \"dear diary, toda\"", "torch.save", "safetensors"]);
    check(b"\x89HDF\r\n\x1a\n\0\0\0\0\0\0\0\0", &["89 48 44 46", "wanted"]);
    check(b"", &["empty"]);
    check(&torch_file::zip(&[b"x"], &[("sheet.xml", 0)]), &["no data.pkl"]);
    let quantised = torch_file::of_pickle(b"\x80\x02ctorch._utils\n_rebuild_qtensor\n.", &[]);
    check(&quantised, &["torch._utils._rebuild_qtensor", "nothing was executed"]);
    check(&torch_file::of_pickle(b"\x80\x02}.", &[]), &["state dict is empty"]);
    check(&torch_file::of_pickle(b"\x80\x02K\x01.", &[]), &["no state dict"]);
}

#[test]
fn a_pickle_that_would_run_something_is_refused_by_name() {
    let file = torch_file::of_pickle(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", &[]);
    let error = checkpoint::read_any(&file).expect_err("a call").to_string();
    assert!(error.contains("os.system") && error.contains("nothing was executed"), "{error}");
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

/// A small model of random weights, the same every time: its sizes, its parameters and those of its decoder.
pub fn random_model(n_genes: usize, n_protein: usize) -> (ModelConfig, TensorMap, TensorMap) {
    let config = ModelConfig {
        version: ModelVersion::V05,
        n_genes,
        d_model: 8,
        n_heads: 2,
        n_layers: 1,
        n_pretrain_layers: 1,
        composer: ComposerConfig { n_protein, n_chemical: 2, n_dna: 2, n_latent: 6, n_mode: 3 },
        ..ModelConfig::default()
    };
    let device = cpu();
    let model = BioJepa::init(&config, 1, &device).expect("a valid configuration");
    let decoder = Decoder::init(config.d_model, 1, &device);
    let [model, decoder] =
        [block_on(model.state()), block_on(decoder.state())].map(|state| state.expect("the CPU gives its values back"));
    (config, model, decoder)
}
