//! A bank of perturbation vectors from the file that the person names: `.safetensors` (ours) or `.npz` (numpy).
//!
//! The npz holds `symbols` (fixed-width Unicode, one per gene) and `embedding` (`[genes, width]`, float16, float32 or
//! float64). It is quantised at once, so that training sees the very vectors that ship.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use engine::jepa::bank::Bank;
use npyz::NpyFile;
use zip::ZipArchive;

/// A bank and what quantising it cost.
pub struct Loaded {
    /// The bank.
    pub bank: Bank,
    /// Mean and smallest cosine between stored and exact vectors; none where the file was quantised already.
    pub cosine: Option<(f64, f64)>,
}

/// Reads a bank, by the file's ending.
pub fn load(path: &Path) -> Result<Loaded> {
    let shown = path.display();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("safetensors") => {
            let bank = Bank::from_bytes(&crate::file::read(path)?).with_context(|| format!("{shown}"))?;
            Ok(Loaded { bank, cosine: None })
        }
        Some("npz") => from_npz(path).with_context(|| format!("{shown}")),
        _ => bail!("{shown}: a bank ends in .npz or .safetensors"),
    }
}

fn from_npz(path: &Path) -> Result<Loaded> {
    let mut archive = ZipArchive::new(File::open(path)?).context("not a zip archive")?;
    let symbols = {
        let array = NpyFile::new(archive.by_name("symbols.npy").context("the array `symbols` is missing")?)?;
        ensure!(array.shape().len() == 1, "`symbols` must have one dimension");
        array.into_vec::<String>().context("`symbols` must be text of fixed width")?
    };
    let array = NpyFile::new(archive.by_name("embedding.npy").context("the array `embedding` is missing")?)?;
    let &[n, width] = array.shape() else { bail!("`embedding` must have two dimensions") };
    ensure!(n == symbols.len() as u64, "`embedding` has {n} rows for {} symbols", symbols.len());
    ensure!(array.header().order() == npyz::Order::C, "`embedding` must be in C order");
    let dtype = array.dtype().descr();
    let vectors: Vec<f32> = match dtype.trim_matches('\'') {
        "<f2" => array.into_vec::<half::f16>()?.into_iter().map(half::f16::to_f32).collect(),
        "<f4" => array.into_vec::<f32>()?,
        "<f8" => array.into_vec::<f64>()?.into_iter().map(|value| value as f32).collect(),
        other => bail!("`embedding` is {other}; it must be float16, float32 or float64"),
    };
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let bank = Bank::quantise(symbols, usize::try_from(width)?, &vectors, &name)?;
    let cosine = bank.mean_cosine(&vectors);
    Ok(Loaded { bank, cosine: Some(cosine) })
}
