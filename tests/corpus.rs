//! Damaged files, the same ones every time: each seed cut at every hundredth, and with bytes changed. No reader panics,
//! and none asks for memory that its file cannot fill. A binary of its own: it measures its process.

use std::path::Path;

use cells::counts::Counts;
use cells::read::{GeneJoin, group_samples, open_samples};
use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, write_h5ad};
use hdf5_pure::FileBuilder;
use spec::dataset::GeneSelection;

/// What a reading may take: seeds are a few kilobytes.
const BUDGET: u64 = 1 << 28;
/// The most address space the process may come to: windows and caches of some dozen megabytes beside the arenas of the
/// allocator. A reader that believes a claim of a gigabyte passes it.
const MOST_BYTES: u64 = 600 << 20;
/// Changed copies of each seed.
const N_CHANGED: u64 = 60;

/// The most address space the process had; none where the system does not say.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmPeak:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn read_everything(files: impl Fn() -> Vec<NamedSource>) {
    if let Ok(opened) = cells::read::open(files(), BUDGET) {
        for info in &opened.opened().matrices {
            let gene = opened.opened().first_genes.first();
            let gene = gene.and_then(|gene| GeneSelection::new(vec![gene.clone()]).ok());
            for (max_cells, genes) in [(None, None), (Some(2), None), (Some(3), gene)] {
                let mut options = opened.opened().suggested.clone();
                (options.matrix, options.max_cells, options.genes) = (Some(info.name.clone()), max_cells, genes);
                let Ok(mut reading) = opened.begin(&options) else { continue };
                while let Ok(Some(_)) = reading.advance() {}
                let _ = reading.finish();
            }
        }
        let _ = opened.beside(&opened.opened().suggested);
    }
    if let Ok(samples) = group_samples(files(), BUDGET) {
        let _ = open_samples(samples, GeneJoin::Union, BUDGET);
    }
}

/// Name and bytes of a file that is damaged, and the files that lie beside it unharmed.
type Seed = (String, Vec<u8>, Vec<(&'static str, &'static str)>);

fn seeds() -> Vec<Seed> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let mut names: Vec<String> = std::fs::read_dir(&golden)
        .expect("tests/golden is there")
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".h5ad") || (name.starts_with("zarr_") && name.ends_with(".zip")))
        .collect();
    names.sort();
    assert!(names.len() >= 14, "{names:?}");
    let read = |name: String| (std::fs::read(golden.join(&name)).expect("it can be read"), name);
    let mut seeds: Vec<_> = names.into_iter().map(read).map(|(bytes, name)| (name, bytes, Vec::new())).collect();
    let counts = Counts::from_dense(&[1.0, 0.0, 2.0, 0.0, 300.0, 0.5], 3).expect("it is whole");
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let written = H5ad::new(Matrix::Csr(counts), named(&["a", "b"]), named(&["A", "B", "C"]));
    seeds.push(("written.h5ad".into(), write_h5ad(&written).expect("its parts fit"), Vec::new()));
    seeds.push(("genomes.h5".into(), two_genomes(), Vec::new()));
    let mtx = "%%MatrixMarket matrix coordinate integer general\n3 2 4\n1 1 1\n3 1 2\n2 2 300\n3 2 1\n";
    let beside = vec![("barcodes.tsv", "a\nb\n"), ("features.tsv", "E1\tA\tGene\nE2\tB\tPeak\nE3\tC\tGene\n")];
    seeds.push(("matrix.mtx".into(), mtx.into(), beside));
    seeds.push((
        "table.csv".into(),
        "\"\";\"A\";\"B\"\r\na;1,5;0\r\nb;2;3\r\n".into(),
        vec![("l.csv", "x,y\na,p\nb,q\n")],
    ));
    seeds
}

/// A 10x file of two genomes, each with cells of its own: the fuzzer's `tenx_h5` found that they were taken for the same.
fn two_genomes() -> Vec<u8> {
    let mut file = FileBuilder::new();
    for (genome, cells) in [("hg19", &["a", "b", "c"][..]), ("mm10", &["d"])] {
        let mut group = file.create_group(genome);
        group.create_dataset("shape").with_i32_data(&[2, cells.len() as i32]);
        group.create_dataset("indptr").with_i64_data(&(0..=cells.len() as i64).collect::<Vec<_>>());
        group.create_dataset("indices").with_i64_data(&vec![1; cells.len()]);
        group.create_dataset("data").with_i32_data(&vec![7; cells.len()]);
        for (name, texts) in [("barcodes", cells), ("genes", &["E1", "E2"]), ("gene_names", &["A", "B"])] {
            group.create_dataset(name).with_ascii_strings(texts).expect("it is ASCII");
        }
        file.add_group(group.finish());
    }
    file.finish().expect("it is a valid file")
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn no_damaged_file_makes_a_reader_panic_or_run_away() {
    let (mut state, mut n_read) = (1, 0);
    for (name, whole, beside) in seeds() {
        let mut read = |bytes: &[u8]| {
            n_read += 1;
            read_everything(|| {
                let others = beside.iter().map(|(name, text)| NamedSource::from_bytes(*name, text.as_bytes().to_vec()));
                std::iter::once(NamedSource::from_bytes(name.as_str(), bytes.to_vec())).chain(others).collect()
            });
        };
        for hundredth in 0..=100 {
            read(&whole[..whole.len() * hundredth / 100]);
        }
        for copy in 0..N_CHANGED {
            let mut changed = whole.clone();
            for _ in 0..1 + copy % 4 {
                let at = (split_mix(&mut state) % whole.len() as u64) as usize;
                changed[at] = match copy % 3 {
                    0 => changed[at] ^ 1 << (split_mix(&mut state) % 8),
                    1 => 0xff,
                    _ => split_mix(&mut state) as u8,
                };
            }
            read(&changed);
        }
    }
    let Some(peak) = peak() else {
        println!("skipped: the system does not say how much memory a process has; {n_read} files were read");
        return;
    };
    assert!(peak < MOST_BYTES, "the process came to {peak} bytes over {n_read} damaged files");
    println!("{n_read} damaged files; the process came to {peak} bytes at most");
}
