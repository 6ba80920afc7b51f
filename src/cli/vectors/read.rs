//! Vectors by name, from the files that language models of proteins and DNA leave behind.
//!
//! * `.npz`: `symbols` (text) and `embedding` `[names, width]`;
//! * `.npy`: `[names, width]`, with the names in another file: JSON from name to row (as the reference's
//!   `anchor_to_id.json`), or a line each in the order of the rows;
//! * `.csv`, `.tsv`: a name and its numbers in each line, with a first line that names the columns or without;
//! * `.safetensors`, `.pt`: a tensor of one dimension under each name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use engine::jepa::checkpoint::{pt, read_raw};
use npyz::NpyFile;
use zip::ZipArchive;

/// One vector per name.
pub(super) struct Vectors {
    pub names: Vec<String>,
    pub width: usize,
    /// Row-major `[names, width]`.
    pub values: Vec<f32>,
}

/// Reads vectors by the file's ending; `names` is the file that names the rows of an `.npy`.
pub(super) fn read(path: &Path, names: Option<&Path>) -> Result<Vectors> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ensure!(
        names.is_none() || ending == "npy",
        "names beside it are for a .npy; the others name their rows themselves"
    );
    let vectors = match ending {
        "npz" => from_npz(path)?,
        "npy" => {
            let names = names.context("a .npy does not say whose its rows are: give the file of names with --names")?;
            let (values, n, width) = matrix(NpyFile::new(Cursor::new(crate::file::read(path)?))?)?;
            Vectors { names: row_names(names, n).with_context(|| format!("{}", names.display()))?, width, values }
        }
        "csv" => from_text(path, b',')?,
        "tsv" => from_text(path, b'\t')?,
        "safetensors" => from_tensors(read_raw(&crate::file::read(path)?)?.0)?,
        "pt" => from_tensors(pt::state_dict(&crate::file::read(path)?)?)?,
        _ => bail!("vectors are read from .npz, .npy, .csv, .tsv, .safetensors and .pt"),
    };
    ensure!(vectors.width > 0 && !vectors.names.is_empty(), "it holds no vector");
    Ok(vectors)
}

fn from_npz(path: &Path) -> Result<Vectors> {
    let mut archive = ZipArchive::new(File::open(path)?).context("not a zip archive")?;
    let names = {
        let array = NpyFile::new(archive.by_name("symbols.npy").context("the array `symbols` is missing")?)?;
        ensure!(array.shape().len() == 1, "`symbols` must have one dimension");
        array.into_vec::<String>().context("`symbols` must be text of fixed width")?
    };
    let array = NpyFile::new(archive.by_name("embedding.npy").context("the array `embedding` is missing")?)?;
    let (values, n, width) = matrix(array).context("`embedding`")?;
    ensure!(n == names.len(), "`embedding` has {n} rows for {} symbols", names.len());
    Ok(Vectors { names, width, values })
}

/// The values of a matrix, its rows and columns.
fn matrix<R: Read>(array: NpyFile<R>) -> Result<(Vec<f32>, usize, usize)> {
    let &[n, width] = array.shape() else { bail!("it has {} dimensions; it must have two", array.shape().len()) };
    ensure!(array.header().order() == npyz::Order::C, "it must be in C order");
    let dtype = array.dtype().descr();
    let values: Vec<f32> = match dtype.trim_matches('\'') {
        "<f2" => array.into_vec::<half::f16>()?.into_iter().map(half::f16::to_f32).collect(),
        "<f4" => array.into_vec::<f32>()?,
        "<f8" => array.into_vec::<f64>()?.into_iter().map(|value| value as f32).collect(),
        other => bail!("its numbers are {other}; they must be float16, float32 or float64"),
    };
    Ok((values, usize::try_from(n)?, usize::try_from(width)?))
}

/// The names of `n` rows, in their order.
fn row_names(path: &Path, n: usize) -> Result<Vec<String>> {
    let text = String::from_utf8(crate::file::read(path)?).context("it is not text")?;
    if path.extension().is_none_or(|ending| ending != "json") {
        let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        ensure!(names.len() == n, "{} lines for {n} rows", names.len());
        return Ok(names);
    }
    let rows: BTreeMap<String, usize> = serde_json::from_str(&text).context("it must map each name to its row")?;
    let mut names = vec![None; n];
    for (name, row) in rows {
        let place = names.get_mut(row).with_context(|| format!("{name} has row {row}, and there are {n}"))?;
        ensure!(place.is_none(), "row {row} has two names, one of them {name}");
        *place = Some(name);
    }
    let unnamed = names.iter().position(Option::is_none);
    ensure!(unnamed.is_none(), "row {} has no name", unnamed.unwrap_or_default());
    Ok(names.into_iter().flatten().collect())
}

fn from_text(path: &Path, delimiter: u8) -> Result<Vectors> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_path(path)?;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    let mut width = 0;
    for (at, record) in reader.records().enumerate() {
        let record = record?;
        width = record.len().saturating_sub(1);
        if at == 0 && record.iter().skip(1).enumerate().all(is_column_name) {
            continue;
        }
        let name = &record[0];
        for field in record.iter().skip(1) {
            values.push(field.trim().parse().with_context(|| format!("{name}: `{field}` is no number"))?);
        }
        names.push(name.to_owned());
    }
    Ok(Vectors { names, width, values })
}

/// Whether a field of the first line is a column's name: text, or its place, as pandas writes.
fn is_column_name((place, field): (usize, &str)) -> bool {
    let field = field.trim();
    field.parse::<f32>().is_err() || field == place.to_string()
}

fn from_tensors(tensors: engine::jepa::tensors::TensorMap) -> Result<Vectors> {
    let width = tensors.values().next().map_or(0, |tensor| tensor.values.len());
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (name, tensor) in tensors {
        let shape = &tensor.shape;
        ensure!(
            shape.len() == 1 && shape[0] == width,
            "`{name}` has shape {shape:?}; all must be vectors of one width"
        );
        values.extend(tensor.values);
        names.push(name);
    }
    Ok(Vectors { names, width, values })
}
