//! Cell-JEPA: what its attention mask promises, its sizes, and its memory-frugal attention against the long way. The numbers
//! of its PyTorch twin are compared in `parity`.

mod embedding;
mod running;

pub use running::trained_on;

use burn::tensor::{Device, Tensor, TensorData, activation};
use cells::counts::Counts;
use futures_lite::future::block_on;
use jepa::cell_jepa::attention::masked_attention;
use jepa::cell_jepa::dropout::Dropout;
use jepa::cell_jepa::encoder::{View, cell_of};
use jepa::cell_jepa::tokens::{CellTokens, TokenBatch};
use jepa::cell_jepa::{CellJepa, step};
use jepa::device;
use jepa::model::parameters::{Parameters, read_back};
use spec::cell_jepa::CellJepaConfig;
use spec::device::BackendChoice;

const N_GENES: usize = 30;

fn cpu() -> Device {
    block_on(device::open(BackendChoice::Cpu)).expect("the CPU is always there").0
}

fn config() -> CellJepaConfig {
    CellJepaConfig {
        d_model: 16,
        n_layers: 2,
        n_heads: 2,
        feed_forward: 24,
        predictor_width: 20,
        max_genes: 12,
        mask_ratio: 0.3,
        ..CellJepaConfig::default()
    }
}

fn model(config: &CellJepaConfig) -> CellJepa {
    CellJepa::init(config, N_GENES, 5, &cpu()).expect("a valid configuration")
}

/// Two cells, of nine and of five genes; every third value is hidden.
fn cells() -> Vec<CellTokens> {
    [9, 5]
        .map(|n: u32| CellTokens {
            genes: (0..n).map(|at| (at * 7 + n) % N_GENES as u32).collect(),
            bins: (0..n).map(|at| 1 + (at * 11 + n) % 50).collect(),
            hidden: (0..n).map(|at| at % 3 == 1).collect(),
            kind: None,
        })
        .to_vec()
}

fn batch(cells: &[CellTokens]) -> TokenBatch {
    TokenBatch::new(cells, N_GENES, &config(), &cpu())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    block_on(read_back("a test's tensor", tensor)).expect("the CPU gives its values back")
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn masked(model: &CellJepa, cells: &[CellTokens]) -> Tensor<3> {
    model.student.forward(&batch(cells), View::Masked, &mut Dropout::none())
}

#[test]
fn built_models_have_the_parameters_that_the_configuration_tells() {
    for config in [config(), CellJepaConfig { n_layers: 1, d_model: 8, ..config() }] {
        let (model, counts) = (model(&config), config.counts(N_GENES));
        assert_eq!(model.student.n_parameters(), counts.encoder);
        assert_eq!(model.teacher.n_parameters(), counts.encoder);
        assert_eq!(model.predictor.n_parameters(), counts.predictor);
        assert_eq!(model.value_head.n_parameters(), counts.value_head);
    }
    // A block of the paper's production model, built.
    let production = CellJepaConfig { n_layers: 1, ..CellJepaConfig::default() };
    let without = CellJepaConfig { n_layers: 0, ..production.clone() };
    let built = CellJepa::init(&production, 3, 1, &cpu()).expect("a valid configuration").student.n_parameters();
    assert_eq!(built - without.counts(3).encoder, 1_577_984);
}

#[test]
fn hidden_values_change_nothing_that_the_student_gives() {
    let model = model(&config());
    let mut other = cells();
    for cell in &mut other {
        for (bin, is_hidden) in cell.bins.iter_mut().zip(&cell.hidden) {
            *bin = if *is_hidden { 51 - *bin } else { *bin };
        }
    }
    assert_ne!(other, cells());
    let (one, two) = (masked(&model, &cells()), masked(&model, &other));
    assert_eq!(values(one.clone()), values(two.clone()));
    let head = |tokens| values(model.value_head.forward(tokens));
    assert_eq!(head(one), head(two));
    // The loss is told the truth, and the teacher sees whole cells.
    let loss = |cells: &[CellTokens]| {
        values(step::pretrain_loss(&model, &batch(cells), &config(), &mut Dropout::none()).total)[0]
    };
    assert!((loss(&cells()) - loss(&other)).abs() > 1.0);
}

#[test]
fn the_cell_depends_on_what_is_seen_alone() {
    let model = model(&config());
    let whole = |cells: &[CellTokens]| values(model.student.embed(&batch(cells), View::Whole, &mut Dropout::none()));
    let hidden = values(cell_of(masked(&model, &cells())));
    // Without the hidden genes at all.
    let seen: Vec<CellTokens> = cells()
        .iter()
        .map(|cell| {
            let kept: Vec<usize> = (0..cell.genes.len()).filter(|&at| !cell.hidden[at]).collect();
            CellTokens {
                genes: kept.iter().map(|&at| cell.genes[at]).collect(),
                bins: kept.iter().map(|&at| cell.bins[at]).collect(),
                hidden: vec![false; kept.len()],
                kind: None,
            }
        })
        .collect();
    assert!(largest_difference(&hidden, &whole(&seen)) < 1e-5);
    // Other genes in hidden places.
    let mut other = cells();
    other.iter_mut().for_each(|cell| {
        let hidden = cell.hidden.clone();
        cell.genes.iter_mut().zip(hidden).filter(|(_, hidden)| *hidden).for_each(|(gene, _)| *gene = 29 - *gene);
    });
    assert_eq!(hidden, values(cell_of(masked(&model, &other))));
    assert!(largest_difference(&hidden, &whole(&cells())) > 1e-3, "what is hidden would else matter");
}

#[test]
fn the_order_of_genes_and_the_length_of_the_batch_do_not_matter() {
    let model = model(&config());
    let mut turned = cells();
    for cell in &mut turned {
        cell.genes.reverse();
        cell.bins.reverse();
        cell.hidden.reverse();
    }
    let cell = |cells: &[CellTokens]| values(cell_of(masked(&model, cells)));
    assert!(largest_difference(&cell(&cells()), &cell(&turned)) < 1e-5);
    // The shorter cell alone has no padding.
    let alone = cell(&cells()[1..]);
    assert!(largest_difference(&cell(&cells())[16..], &alone) < 1e-5);
}

#[test]
fn a_seed_decides_every_initial_value_and_the_teacher_starts_as_the_student() {
    let state = |seed| {
        let model = CellJepa::init(&config(), N_GENES, seed, &cpu()).expect("a valid configuration");
        block_on(model.state()).expect("readable")
    };
    assert_eq!(state(1), state(1));
    assert_ne!(state(1), state(2));
    for (name, tensor) in state(1) {
        if let Some(rest) = name.strip_prefix("teacher.") {
            assert_eq!(tensor, state(1)[&format!("student.{rest}")], "{name}");
        }
    }
    let names: Vec<String> = state(1).into_keys().collect();
    for name in ["student.encoder.embedding.weight", "student.transformer_encoder.layers.1.self_attn.in_proj_weight"] {
        assert!(names.iter().any(|other| other == name), "{name}");
    }
}

/// A deterministic number between -1 and 1.
fn noise(at: usize, salt: usize) -> f32 {
    (((at * 7919 + salt * 104_729) % 2003) as f32 / 1001.5 - 1.0) * 1.5
}

/// Attention the long way: a matrix of all tokens by all tokens, softmax over it.
fn long_way(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, unread: &Tensor<2>, scale: f64) -> Tensor<4> {
    let [n_cells, _, n_tokens, _] = q.dims();
    let own = Tensor::<2>::eye(n_tokens, &unread.device()).reshape([1, 1, n_tokens, n_tokens]);
    let unread = unread.clone().reshape([n_cells, 1, 1, n_tokens]);
    let bias = unread * (own.neg() + 1.0) * -1e9;
    activation::softmax(q.matmul(k.swap_dims(2, 3)) * scale + bias, 3).matmul(v)
}

#[test]
fn frugal_attention_and_its_gradients_equal_the_long_way() {
    let device = cpu();
    // The second needs two chunks of queries.
    for (n_cells, n_heads, n_tokens, width) in [(2, 3, 17, 5), (2, 2, 1500, 4)] {
        let shape = [n_cells, n_heads, n_tokens, width];
        let n_values = shape.iter().product::<usize>();
        let random = |salt| {
            let values: Vec<f32> = (0..n_values).map(|at| noise(at, salt)).collect();
            Tensor::<4>::from_data(TensorData::new(values, shape), &device)
        };
        let unread: Vec<f32> = (0..n_cells * n_tokens).map(|at| f32::from(at % n_tokens % 3 == 1)).collect();
        let unread = Tensor::<2>::from_data(TensorData::new(unread, [n_cells, n_tokens]), &device);
        let weights = random(9);
        let outputs_and_gradients = |attention: &dyn Fn([Tensor<4>; 3]) -> Tensor<4>| {
            let inputs = [1, 2, 3].map(|salt| random(salt).autodiff().require_grad());
            let outputs = attention(inputs.clone());
            let mut recorded = (outputs.clone() * weights.clone()).sum().backward();
            let mut found = vec![values(outputs.inner())];
            found.extend(inputs.map(|input| values(input.grad_remove(&mut recorded).expect("a gradient"))));
            found
        };
        let frugal = outputs_and_gradients(&|[q, k, v]| masked_attention(q, k, v, &unread, 0.5));
        let long = outputs_and_gradients(&|[q, k, v]| long_way(q, k, v, &unread, 0.5));
        for (what, (found, expected)) in ["outputs", "queries", "keys", "values"].iter().zip(frugal.iter().zip(&long)) {
            let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
            let difference = largest_difference(found, expected) / largest;
            assert!(difference < 1e-5, "{what}, {n_tokens} tokens: {difference:.1e}");
        }
    }
}
