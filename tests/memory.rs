//! What a matrix says it takes against what the system says the process grew by, and what preparation takes beside it.
//! The only test of its binary, so that no other allocates meanwhile.

use cells::counts::Counts;
use cells::prepare::{highly_variable_genes, log1p, normalize_total};
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
