//! `waddington vectors`: a bank of perturbation vectors from what language models of proteins and DNA leave behind; and
//! the bank that another command's `--bank` names.
//!
//! A bank is quantised at once, so that training sees the very vectors that ship.

mod read;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use engine::cells::genes::table::{GeneTable, Meaning};
use engine::jepa::bank::Bank;
use read::Vectors;

/// Columns of a table of guides: the gene that a guide is of, and the guide's name (a pair of guides has one).
const GUIDE_COLUMNS: [&str; 2] = ["gene", "sgID_AB"];

/// Arguments of `vectors`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The vectors: .npz (`symbols`, `embedding`), .npy, .csv, .tsv (a name and its numbers in each line), or .safetensors
    /// and .pt with a tensor under each name.
    vectors: PathBuf,
    /// For .npy: whose the rows are; JSON from name to row, or a line each.
    #[arg(long)]
    names: Option<PathBuf>,
    /// A table of genes with columns `symbol` and `ensembl` (tab-separated), by which Ensembl ids and former symbols become
    /// symbols. Default: names are symbols.
    #[arg(long)]
    genes: Option<PathBuf>,
    /// A table of guides (csv with columns `gene` and `sgID_AB`): names are of guides, and a gene's vector is the mean of
    /// its guides' vectors.
    #[arg(long)]
    guides: Option<PathBuf>,
    /// The bank (.safetensors).
    #[arg(short, long)]
    out: PathBuf,
    /// Overwrite what is there already.
    #[arg(long)]
    force: bool,
}

/// A bank and what quantising it cost.
pub struct Loaded {
    /// The bank.
    pub bank: Bank,
    /// Mean and smallest cosine between stored and exact vectors; none where the file was quantised already.
    pub cosine: Option<(f64, f64)>,
}

/// The bank that `--bank` names: one that was made before, or vectors under the symbols of genes.
pub fn load(path: &Path) -> Result<Loaded> {
    let shown = path.display();
    if path.extension().is_some_and(|ending| ending == "safetensors") {
        let bytes = crate::file::read(path)?;
        return match Bank::from_bytes(&bytes) {
            Ok(bank) => Ok(Loaded { bank, cosine: None }),
            Err(error) => {
                quantised(path, read::read(path, None).map_err(|_| error).with_context(|| format!("{shown}"))?)
            }
        };
    }
    quantised(path, read::read(path, None).with_context(|| format!("{shown}"))?)
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    crate::file::require_folder(&arguments.out)?;
    crate::file::require_new(&arguments.out, arguments.force)?;
    let path = &arguments.vectors;
    let mut vectors = read::read(path, arguments.names.as_deref()).with_context(|| format!("{}", path.display()))?;
    let n_read = vectors.names.len();
    if let Some(guides) = &arguments.guides {
        vectors = of_genes(vectors, guides).with_context(|| format!("{}", guides.display()))?;
    }
    let n_before = vectors.names.len();
    if let Some(table) = &arguments.genes {
        vectors = in_symbols(vectors, table)?;
    }
    let n_lost = n_before - vectors.names.len();
    let Loaded { bank, cosine } = quantised(path, vectors)?;
    crate::file::write(&arguments.out, &bank.to_bytes()?)?;
    let (n, width) = (bank.symbols().len(), bank.width());
    writeln!(out, "{n_read} vectors read; {n} genes of {width} numbers written to {}", arguments.out.display())?;
    if n_lost > 0 {
        writeln!(out, "{n_lost} left out: the table of genes has no symbol of their own for them")?;
    }
    if let Some((mean, least)) = cosine {
        writeln!(
            out,
            "stored in 8 bits a number: cosine with the exact vectors {mean:.5} in the mean, {least:.5} at least"
        )?;
    }
    Ok(())
}

fn quantised(path: &Path, vectors: Vectors) -> Result<Loaded> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let Vectors { names, width, values } = vectors;
    let bank = Bank::quantise(names, width, &values, &name).with_context(|| format!("{}", path.display()))?;
    let cosine = Some(bank.mean_cosine(&values));
    Ok(Loaded { bank, cosine })
}

/// The mean over the guides of each gene.
fn of_genes(vectors: Vectors, guides: &Path) -> Result<Vectors> {
    let mut reader = csv::Reader::from_path(guides)?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        headers.iter().position(|header| header == name).with_context(|| format!("it has no column `{name}`"))
    };
    let [gene, guide] = [column(GUIDE_COLUMNS[0])?, column(GUIDE_COLUMNS[1])?];
    let mut gene_of = BTreeMap::new();
    for record in reader.records() {
        let record = record?;
        gene_of.insert(record[guide].to_owned(), record[gene].to_owned());
    }
    let mut sums: BTreeMap<&str, (Vec<f32>, usize)> = BTreeMap::new();
    for (name, vector) in vectors.names.iter().zip(vectors.values.chunks_exact(vectors.width)) {
        let Some(gene) = gene_of.get(name) else { continue };
        let (sum, n) = sums.entry(gene).or_insert_with(|| (vec![0.0; vectors.width], 0));
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        *n += 1;
    }
    ensure!(!sums.is_empty(), "none of its guides (`sgID_AB`) has a vector");
    let names = sums.keys().map(|name| (*name).to_owned()).collect();
    let values = sums.into_values().flat_map(|(sum, n)| sum.into_iter().map(move |sum| sum / n as f32)).collect();
    Ok(Vectors { names, width: vectors.width, values })
}

/// The vectors under current symbols; the first of several for one gene. Names that the table does not know are left out.
fn in_symbols(vectors: Vectors, table: &Path) -> Result<Vectors> {
    let table = GeneTable::read(&crate::file::open(&[table.to_owned()])?.remove(0))?;
    let mut found: BTreeMap<String, &[f32]> = BTreeMap::new();
    for (name, vector) in vectors.names.iter().zip(vectors.values.chunks_exact(vectors.width)) {
        let symbol = match table.meaning(name) {
            Meaning::Current => name.as_str(),
            Meaning::Renamed(symbol) | Meaning::Id(symbol) => symbol,
            Meaning::Ambiguous(_) | Meaning::Missing => continue,
        };
        found.entry(symbol.to_owned()).or_insert(vector);
    }
    ensure!(!found.is_empty(), "the table of genes knows none of the {} names", vectors.names.len());
    let values = found.values().flat_map(|vector| vector.iter().copied()).collect();
    Ok(Vectors { names: found.into_keys().collect(), width: vectors.width, values })
}
