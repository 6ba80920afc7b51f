//! What a matrix says it takes against what the system says the process grew by, and what preparation takes beside it.
//! The only test of its binary, so that no other allocates meanwhile, but for one that is run by itself: a file of a
//! million cells.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Mutex;
use std::time::Instant;

use cells::counts::Counts;
use cells::prepare::{highly_variable_genes, log1p, normalize_total};
use cells::read::{OpenedFile, human_bytes};
use cells::source::{NamedSource, Source, SourceError};
use spec::dataset::{GeneSelection, PrepareOptions};
use spec::prepare::VariableGenesConfig;

/// Bytes of memory that the process has; none where the system does not say.
fn resident() -> Option<u64> {
    status("VmRSS:")
}

fn status(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[test]
fn the_memory_it_takes_is_what_it_says() {
    let Some(before) = resident() else {
        println!("skipped: the system does not say how much memory a process has");
        return;
    };
    let (n_cells, per_cell, n_genes) = (20_000usize, 1000usize, 30_000usize);
    let counts = {
        let indptr = (0..=n_cells).map(|cell| cell * per_cell).collect();
        let indices = (0..n_cells * per_cell).map(|at| (at % per_cell * 29) as u32).collect();
        // Of a thousand values, ten are wider than a byte.
        let value = |at: usize| if at.is_multiple_of(100) { 256 + at % 9000 } else { 1 + at % 11 };
        let values = (0..n_cells * per_cell).map(|at| value(at) as f32).collect();
        Counts::from_parts(indptr, indices, values, n_genes).expect("the parts make a matrix")
    };
    let grown = resident().expect("it was there before") - before;
    let ratio = grown as f64 / counts.n_bytes() as f64;
    assert!((0.95..1.05).contains(&ratio), "{grown} bytes for the {} it says", counts.n_bytes());
    let per_value = counts.n_bytes() as f64 / counts.n_nonzero() as f64;
    assert!(per_value < 3.1, "{per_value} bytes a value");
    choosing_genes_makes_nothing_dense(&counts);
}

/// 2,000 of the cells would be 240 MB dense.
fn choosing_genes_makes_nothing_dense(counts: &Counts) {
    let cells: Vec<usize> = (0..2000).collect();
    let mut logged = counts.select_rows(&cells);
    normalize_total(&mut logged, Some(1e4), None).expect("counts can be scaled");
    log1p(&mut logged);
    // Forgets the peak so far.
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        println!("skipped: the system does not measure the peak anew");
        return;
    }
    let before = status("VmHWM:").expect("it was there before");
    let config = VariableGenesConfig { n_top_genes: Some(100), ..VariableGenesConfig::default() };
    let chosen = highly_variable_genes(&logged, &config, None).expect("logged values can be chosen from");
    let peak = status("VmHWM:").expect("it was there before") - before;
    assert!(chosen.indices().len() >= 100);
    // Twenty numbers a gene, and what the allocator takes at once.
    assert!(peak < 20 * 8 * 30_000 + (8 << 20), "{peak} bytes at the peak");
}

/// A file on disk, and how many of its bytes were read.
struct OnDisk(Mutex<File>, u64);

impl Source for OnDisk {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        self.check_range(offset, buffer.len() as u64)?;
        let mut file = self.0.lock().expect("no read breaks off");
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(buffer));
        read.map_err(|error| SourceError::Failed { offset, length: buffer.len() as u64, reason: error.to_string() })
    }
}

/// The memory that the page gives to reading, of the 4 GiB there are.
const BUDGET: u64 = 2 << 30;

/// `benches/million.py` makes the file. Plans it, is refused with numbers that hold, and reads some cells and some genes
/// of it within the memory that was planned:
///
/// `MILLION=million.h5ad cargo test --release -p cells --test memory million -- --ignored --nocapture`
#[test]
#[ignore = "needs the file of benches/million.py, named by MILLION"]
fn a_million_cells_are_planned_and_read_in_part() {
    let path = std::env::var("MILLION").expect("MILLION names the file");
    let open = || {
        let file = File::open(&path).expect("it is there");
        let length = file.metadata().expect("it has a length").len();
        let source = NamedSource::new("million.h5ad", OnDisk(Mutex::new(file), length));
        cells::read::open(vec![source], BUDGET).expect("it is an h5ad")
    };
    let begun = Instant::now();
    let before = resident().unwrap_or(0);
    let opened = open();
    let matrix = &opened.opened().matrices[0];
    let shape = (matrix.n_cells, matrix.n_genes, matrix.n_stored);
    println!(
        "{shape:?} planned in {:.2} s: {}",
        begun.elapsed().as_secs_f64(),
        human_bytes(opened.opened().bytes_needed)
    );
    let begun = Instant::now();
    let refused = opened.begin(&PrepareOptions::default()).expect_err("it does not fit").to_string();
    println!("refused in {:.2} s: {refused}", begun.elapsed().as_secs_f64());
    let fitting = |before: &str| -> usize {
        let rest = refused.split(before).nth(1).expect("it is offered");
        rest.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    };
    let (n_cells, n_genes) = (fitting("at most "), fitting("at most about "));
    let seeded = PrepareOptions { seed: 1, ..PrepareOptions::default() };
    let by_share = || PrepareOptions { stratify_by: Some("perturbation".into()), ..seeded.clone() };
    let genes = |n: usize| GeneSelection::new((0..n).map(|gene| format!("G{}", gene * 7 % 30_000)).collect());
    for (name, options) in [
        ("1,000 cells", PrepareOptions { max_cells: Some(1000), ..seeded.clone() }),
        ("50,000 cells", PrepareOptions { max_cells: Some(50_000), ..seeded.clone() }),
        ("50,000 cells by shares", PrepareOptions { max_cells: Some(50_000), ..by_share() }),
        ("2,000 genes", PrepareOptions { genes: genes(2000).ok(), ..seeded.clone() }),
        ("the cells that fit", PrepareOptions { max_cells: Some(n_cells), ..by_share() }),
        ("the genes that fit", PrepareOptions { genes: genes(n_genes).ok(), ..seeded.clone() }),
    ] {
        measure(name, &opened, &options, before);
    }
}

/// Seconds that this thread has computed: others may load the machine. 0 where the system does not say.
fn computed_secs() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// What earlier readings left with the allocator counts, so that the peak is never too small.
fn measure(name: &str, opened: &OpenedFile, options: &PrepareOptions, before: u64) {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (begun, computed) = (Instant::now(), computed_secs());
    let mut reading = opened.begin(options).unwrap_or_else(|error| panic!("{name}: {error}"));
    while reading.advance().unwrap_or_else(|error| panic!("{name}: {error}")).is_some() {}
    let data = reading.finish().expect("all of it was read");
    let (secs, peak) = (begun.elapsed().as_secs_f64(), status("VmHWM:").unwrap_or(0).saturating_sub(before));
    let shape = (data.counts.n_cells(), data.counts.n_genes(), data.counts.n_nonzero());
    let computed = computed_secs() - computed;
    println!("{name}: {shape:?} in {secs:.1} s, {computed:.1} s computing, {} at the peak", human_bytes(peak));
    assert!(data.quality().n_genes_by_counts.iter().all(|n| *n == 1500.0), "each cell has 1,500 genes in the file");
    assert!(peak < BUDGET, "{name}: {peak} bytes at the peak");
}
