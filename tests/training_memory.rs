//! What a training says it takes, before it starts, against what its process allocates at the peak. The only test of its
//! binary, so that no other allocates meanwhile.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;
use cells::counts::Counts;
use futures_lite::future::block_on;
use jepa::batch::{Role, Target, TrainingCells};
use jepa::train::Trainer;
use spec::cell_jepa::CellJepaConfig;
use spec::checkpoint::CheckpointHeader;
use spec::model::{ComposerConfig, ModelConfig, ModelVersion};
use spec::train::anchor::AnchorConfig;
use spec::train::cost::StageMemory;
use spec::train::{Baseline, HoldBack, Stage, StageConfig, TrainConfig};

/// The system's allocator, counted.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(
    unsafe_code,
    reason = "the signatures of an allocator are unsafe; this one hands everything on to the system's"
)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Sizes of one run.
#[derive(Debug, Clone, Copy)]
struct Shape {
    version: ModelVersion,
    n_genes: usize,
    d_model: usize,
    /// Of the encoder and the predictor; the masked predictor has one.
    n_layers: usize,
    batch_size: usize,
    accumulate: usize,
}

const USUAL: Shape =
    Shape { version: ModelVersion::V05, n_genes: 400, d_model: 32, n_layers: 2, batch_size: 8, accumulate: 1 };

/// From the model itself to activations that are a hundred times as large.
const SHAPES: [Shape; 7] = [
    USUAL,
    Shape { version: ModelVersion::V04, n_layers: 3, ..USUAL },
    Shape { n_layers: 1, batch_size: 24, ..USUAL },
    Shape { d_model: 8, batch_size: 40, ..USUAL },
    Shape { d_model: 128, batch_size: 2, ..USUAL },
    Shape { n_genes: 3000, batch_size: 1, ..USUAL },
    Shape { batch_size: 4, accumulate: 6, ..USUAL },
];

fn config(shape: Shape, stage: Stage) -> TrainConfig {
    let Shape { version, n_genes, d_model, n_layers, batch_size, accumulate } = shape;
    let composer = ComposerConfig { n_protein: 8, n_chemical: 2, n_dna: 2, n_latent: 16, n_mode: 4 };
    let mut config = TrainConfig {
        model: ModelConfig {
            version,
            n_genes,
            d_model,
            n_heads: 2,
            n_layers,
            n_pretrain_layers: 1,
            composer,
            ..ModelConfig::default()
        },
        accumulate,
        // All that is kept beside is kept: earlier runs to go back to, and the best validation.
        report_every: 1,
        validation_share: 0.2,
        validate_every: 1,
        hold_back: HoldBack::Cells,
        ..TrainConfig::default()
    };
    *config.stage_mut(stage) = StageConfig { n_steps: 9, batch_size, clip_norm: Some(1.0), ..StageConfig::default() };
    config
}

fn cells(n_genes: usize) -> TrainingCells {
    let roles = [vec![Role::Control; 10], vec![Role::Perturbed(0); 5], vec![Role::Perturbed(1); 5]].concat();
    let dense: Vec<f32> = (0..20 * n_genes).map(|at| (at % 7) as f32 / 3.0).collect();
    let target = |name: &str, value| Target { name: name.into(), vector: vec![value; 8] };
    let counts = Counts::from_dense(&dense, n_genes).expect("rows are whole");
    TrainingCells::new(counts, &roles, None, vec![target("A", 0.5), target("B", 0.25)]).expect("all parts fit")
}

/// Bytes at the peak of the third step, beside the cells, and of the largest allocation.
fn measure(config: &TrainConfig, cells: TrainingCells) -> (usize, usize) {
    let header = CheckpointHeader {
        format: 1,
        model: config.model.clone(),
        cell_jepa: config.cell_jepa.clone(),
        genes: (0..config.model.n_genes).map(|gene| format!("G{gene}")).collect(),
        gene_ids: Vec::new(),
        target_sum: 1e4,
        modes: Vec::new(),
        seen: Vec::new(),
        held_out: Vec::new(),
        baseline: Baseline::ControlState,
        cells_per_example: 1,
        shrinkage: None,
        anchor: config.anchor.clone(),
    };
    let before = NOW.load(Ordering::Relaxed);
    let mut trainer = Trainer::new(config.clone(), header, cells, Device::flex()).expect("the parts fit");
    for _ in 0..2 {
        block_on(trainer.step()).expect("finite");
    }
    PEAK.store(NOW.load(Ordering::Relaxed), Ordering::Relaxed);
    LARGEST.store(0, Ordering::Relaxed);
    block_on(trainer.step()).expect("finite");
    (PEAK.load(Ordering::Relaxed) - before, LARGEST.load(Ordering::Relaxed))
}

/// What the estimate may be over what is measured. Below 1 it would promise too much; the optimiser's temporaries and what
/// the allocator of the backend rounds up are in it. Above, copies that are counted but shared.
const FACTOR: std::ops::Range<f64> = 0.93..1.25;

#[test]
fn the_memory_a_training_takes_is_what_it_says() {
    for shape in SHAPES {
        for stage in [Stage::Pretrain, Stage::Action, Stage::Decoder] {
            let config = config(shape, stage);
            let said = StageMemory::of(&config, stage);
            let (peak, largest) = measure(&config, cells(config.model.n_genes));
            let factor = said.total() as f64 / peak as f64;
            println!("{shape:?} {stage:?}: {} said, {peak} measured, {factor:.3}", said.total());
            assert!(FACTOR.contains(&factor), "{shape:?} {stage:?}: {said:?} for {peak} bytes, {factor:.3}");
            assert_eq!(said.largest_buffer as usize, largest, "{shape:?} {stage:?}");
        }
    }
    sets_and_anchors_are_counted();
    cells_are_counted();
    attention_of_600_genes_has_no_matrix_of_them();
}

/// What our own preset adds to the decoder's step: cells of a set are compared with one another, a change is bounded.
fn sets_and_anchors_are_counted() {
    let shape = Shape { d_model: 8, n_genes: 1000, ..USUAL };
    for (batch_size, set_size, has_anchor) in
        [(24, 8, true), (24, 4, false), (32, 16, true), (64, 64, false), (64, 64, true)]
    {
        let mut config = config(Shape { batch_size, ..shape }, Stage::Decoder);
        let set_weight = if set_size > 1 { 1.0 } else { 0.0 };
        config.decoder = StageConfig { set_size, set_weight, ..config.decoder };
        config.anchor = has_anchor.then(AnchorConfig::default);
        let said = StageMemory::of(&config, Stage::Decoder).with_anchor(&config, 2);
        let (peak, largest) = measure(&config, cells(config.model.n_genes));
        let factor = said.total() as f64 / peak as f64;
        let what = format!("{batch_size} in sets of {set_size}, anchor: {has_anchor}");
        println!("{what}: {} said, {peak} measured, {factor:.3}", said.total());
        assert!(FACTOR.contains(&factor), "{what}: {said:?} for {peak} bytes, {factor:.3}");
        assert_eq!(said.largest_buffer as usize, largest, "{what}");
    }
}

/// A Cell-JEPA's step at the paper's 32 cells of 600 genes with 8 heads, in which one matrix of attention weights would take
/// 370 MB: no allocation is larger than a tenth of that, and the peak of a narrow block stays below one such matrix.
fn attention_of_600_genes_has_no_matrix_of_them() {
    const N_GENES: usize = 610;
    let model = CellJepaConfig {
        d_model: 16,
        n_layers: 1,
        n_heads: 8,
        feed_forward: 16,
        predictor_width: 16,
        dropout: 0.0,
        ..CellJepaConfig::default()
    };
    let mut config = TrainConfig {
        cell_jepa: Some(model),
        pretrain: StageConfig { n_steps: 9, batch_size: 32, ..StageConfig::default() },
        ..TrainConfig::default()
    };
    config.model.n_genes = N_GENES;
    let dense: Vec<f32> = (0..32 * N_GENES).map(|at| 1.0 + (at % 7) as f32 / 3.0).collect();
    let counts = Counts::from_dense(&dense, N_GENES).expect("rows are whole");
    let cells = TrainingCells::new(counts, &[Role::Unlabelled; 32], None, Vec::new()).expect("rows of one kind");
    let (peak, largest) = measure(&config, cells);
    let matrix = 32 * 8 * 601 * 601 * 4;
    println!("32 cells of 600 genes, 8 heads: {largest} bytes at most at once, {peak} in all; a matrix is {matrix}");
    assert!(10 * largest < matrix, "{largest}");
    assert!(peak < matrix, "{peak}");
}

/// A Cell-JEPA's sizes.
#[derive(Debug, Clone, Copy)]
struct CellShape {
    n_genes: usize,
    max_genes: usize,
    d_model: usize,
    n_layers: usize,
    n_heads: usize,
    feed_forward: usize,
    batch_size: usize,
    accumulate: usize,
    dropout: f64,
}

const USUAL_CELLS: CellShape = CellShape {
    n_genes: 300,
    max_genes: 150,
    d_model: 32,
    n_layers: 2,
    n_heads: 4,
    feed_forward: 32,
    batch_size: 8,
    accumulate: 1,
    dropout: 0.1,
};

/// From small ones to 600 tokens of 32 cells, where attention is computed in chunks.
const CELL_SHAPES: [CellShape; 11] = [
    USUAL_CELLS,
    CellShape { n_layers: 1, ..USUAL_CELLS },
    CellShape { n_layers: 4, ..USUAL_CELLS },
    CellShape { d_model: 64, feed_forward: 64, ..USUAL_CELLS },
    CellShape { feed_forward: 128, ..USUAL_CELLS },
    CellShape { dropout: 0.0, ..USUAL_CELLS },
    CellShape { n_genes: 5000, ..USUAL_CELLS },
    CellShape { d_model: 128, feed_forward: 128, n_heads: 2, max_genes: 60, n_layers: 3, batch_size: 4, ..USUAL_CELLS },
    CellShape { batch_size: 4, accumulate: 4, ..USUAL_CELLS },
    CellShape {
        n_genes: 610,
        max_genes: 600,
        batch_size: 32,
        n_heads: 8,
        d_model: 16,
        feed_forward: 16,
        n_layers: 1,
        ..USUAL_CELLS
    },
    CellShape { n_genes: 610, max_genes: 600, batch_size: 16, n_heads: 2, ..USUAL_CELLS },
];

fn cell_run(shape: CellShape) -> (TrainConfig, TrainingCells) {
    let CellShape { n_genes, max_genes, d_model, n_layers, n_heads, feed_forward, batch_size, accumulate, dropout } =
        shape;
    let model = CellJepaConfig {
        d_model,
        n_layers,
        n_heads,
        feed_forward,
        predictor_width: d_model,
        max_genes,
        dropout,
        ..CellJepaConfig::default()
    };
    let mut config = TrainConfig {
        cell_jepa: Some(model),
        pretrain: StageConfig { n_steps: 9, batch_size, ..StageConfig::default() },
        accumulate,
        report_every: 1,
        validation_share: 0.2,
        validate_every: 1,
        hold_back: HoldBack::Cells,
        ..TrainConfig::default()
    };
    config.model.n_genes = n_genes;
    let dense: Vec<f32> = (0..40 * n_genes).map(|at| 1.0 + (at % 7) as f32 / 3.0).collect();
    let counts = Counts::from_dense(&dense, n_genes).expect("rows are whole");
    (config, TrainingCells::new(counts, &[Role::Unlabelled; 40], None, Vec::new()).expect("rows of one kind"))
}

/// What the estimate may be over what is measured. How many copies of a chunk of attention weights stand at once is a matter
/// of moments (three or four: runs differ by 6 %), and gradients of a large table are not alive at the same moment; the
/// estimate counts the worst of both.
const FACTOR_OF_CELLS: std::ops::Range<f64> = 0.93..1.55;

/// What a Cell-JEPA's run says it takes is what it takes.
fn cells_are_counted() {
    for shape in CELL_SHAPES {
        let (config, cells) = cell_run(shape);
        let said = StageMemory::of(&config, Stage::Pretrain);
        let (peak, largest) = measure(&config, cells);
        let factor = said.total() as f64 / peak as f64;
        println!("{shape:?}: {} said, {peak} measured, {factor:.3}", said.total());
        assert!(FACTOR_OF_CELLS.contains(&factor), "{shape:?}: {said:?} for {peak} bytes, {factor:.3}");
        let share = largest as f64 / said.largest_buffer as f64;
        assert!((0.95..=1.0).contains(&share), "{shape:?}: {said:?}, largest {largest}");
    }
}
