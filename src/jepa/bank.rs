//! The perturbation vectors of genes: one unit-length row per gene, quantised to eight bits.
//!
//! File: safetensors with `codes` I8 `[n, width]` and `scale` F32 `[n]`; a vector is `codes * scale`. The metadata holds
//! `symbols` (one per line), `format` (`1`) and `source`. Eight bits, because the bank is most of what the demo ships;
//! [`Bank::mean_cosine`] tells what that costs. Deliberately absent: reading npz, which is the command line's business.

use std::collections::HashMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::Error;

/// Vectors by gene symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    symbols: Vec<String>,
    width: usize,
    codes: Vec<i8>,
    scale: Vec<f32>,
    index: HashMap<String, usize>,
    source: String,
}

impl Bank {
    /// Quantises `vectors`, row-major `[symbols.len(), width]`, each row by its own largest magnitude.
    ///
    /// # Errors
    /// Where the sizes disagree, a symbol comes twice, or a value is not finite.
    pub fn quantise(symbols: Vec<String>, width: usize, vectors: &[f32], source: &str) -> Result<Self, Error> {
        if width == 0 || Some(vectors.len()) != symbols.len().checked_mul(width) {
            return Err(bad(format!("{} values do not make {} rows of width {width}", vectors.len(), symbols.len())));
        }
        let mut codes = Vec::with_capacity(vectors.len());
        let mut scale = Vec::with_capacity(symbols.len());
        for (symbol, row) in symbols.iter().zip(vectors.chunks_exact(width)) {
            if row.iter().any(|value| !value.is_finite()) {
                return Err(bad(format!("the vector of {symbol} holds a value that is not finite")));
            }
            let largest = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            codes.extend(row.iter().map(|value| (value / step).round().clamp(-127.0, 127.0) as i8));
            scale.push(step);
        }
        Self::from_parts(symbols, width, codes, scale, source.into())
    }

    /// Reads a bank file.
    ///
    /// # Errors
    /// Names what is missing or has the wrong type or shape.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| bad(format!("not a safetensors file: {e}")))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| bad(format!("not a safetensors file: {e}")))?;
        let symbols = metadata.get("symbols").ok_or_else(|| bad("the metadata lacks `symbols`".into()))?;
        let symbols: Vec<String> = symbols.lines().map(str::to_owned).collect();
        let tensor = |name: &str, dtype: Dtype| -> Result<TensorView<'_>, Error> {
            let view = tensors.tensor(name).map_err(|_| bad(format!("the tensor `{name}` is missing")))?;
            if view.dtype() != dtype {
                return Err(bad(format!("the tensor `{name}` is {:?}; it must be {dtype:?}", view.dtype())));
            }
            Ok(view)
        };
        let (codes, scale) = (tensor("codes", Dtype::I8)?, tensor("scale", Dtype::F32)?);
        let &[n, width] = codes.shape() else {
            return Err(bad(format!("the tensor `codes` has shape {:?}; it must be [genes, width]", codes.shape())));
        };
        if n != symbols.len() || scale.shape() != [n] {
            return Err(bad(format!(
                "{} symbols, codes {:?}, scale {:?}",
                symbols.len(),
                codes.shape(),
                scale.shape()
            )));
        }
        let codes = codes.data().iter().map(|&byte| byte.cast_signed()).collect();
        let scale = scale.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Self::from_parts(symbols, width, codes, scale, metadata.get("source").cloned().unwrap_or_default())
    }

    /// Writes a bank file.
    ///
    /// # Errors
    /// As the safetensors writer's.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let codes: Vec<u8> = self.codes.iter().map(|code| code.cast_unsigned()).collect();
        let scale: Vec<u8> = self.scale.iter().flat_map(|value| value.to_le_bytes()).collect();
        let view = |dtype, shape, data| TensorView::new(dtype, shape, data).map_err(|e| bad(e.to_string()));
        let tensors = [
            ("codes", view(Dtype::I8, vec![self.symbols.len(), self.width], &codes)?),
            ("scale", view(Dtype::F32, vec![self.symbols.len()], &scale)?),
        ];
        let metadata = HashMap::from([
            ("format".to_owned(), "1".to_owned()),
            ("source".to_owned(), self.source.clone()),
            ("symbols".to_owned(), self.symbols.join("\n")),
        ]);
        safetensors::serialize(tensors, Some(metadata)).map_err(|e| bad(e.to_string()))
    }

    fn from_parts(
        symbols: Vec<String>,
        width: usize,
        codes: Vec<i8>,
        scale: Vec<f32>,
        source: String,
    ) -> Result<Self, Error> {
        let mut index = HashMap::with_capacity(symbols.len());
        for (row, symbol) in symbols.iter().enumerate() {
            if index.insert(symbol.clone(), row).is_some() {
                return Err(bad(format!("the gene {symbol} comes twice")));
            }
        }
        if let Some(row) = scale.iter().position(|value| !value.is_finite()) {
            return Err(bad(format!("the scale of {} is not finite", symbols[row])));
        }
        Ok(Self { symbols, width, codes, scale, index, source })
    }

    /// The vector of a gene, or none where the bank has none.
    pub fn vector(&self, symbol: &str) -> Option<Vec<f32>> {
        self.index.get(symbol).map(|&row| self.row(row))
    }

    /// Whether the bank has a vector of this gene.
    pub fn contains(&self, symbol: &str) -> bool {
        self.index.contains_key(symbol)
    }

    /// Symbols, in the file's order.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// Values per vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Where the vectors come from, in words.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Mean and smallest cosine between the stored vectors and `vectors`, row-major in the bank's order; rows of zeros
    /// are left out. What quantisation cost.
    pub fn mean_cosine(&self, vectors: &[f32]) -> (f64, f64) {
        let (mut sum, mut n, mut smallest) = (0.0, 0usize, 1.0f64);
        for (row, exact) in vectors.chunks_exact(self.width).enumerate().take(self.symbols.len()) {
            let stored = self.row(row);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
            let norm = (dot(&stored, &stored) * dot(exact, exact)).sqrt();
            if norm > 0.0 {
                let cosine = dot(&stored, exact) / norm;
                (sum, n, smallest) = (sum + cosine, n + 1, smallest.min(cosine));
            }
        }
        (sum / n.max(1) as f64, smallest)
    }

    fn row(&self, row: usize) -> Vec<f32> {
        let scale = self.scale[row];
        self.codes[row * self.width..(row + 1) * self.width].iter().map(|&code| f32::from(code) * scale).collect()
    }
}

fn bad(problem: String) -> Error {
    Error::Bank { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank() -> (Bank, Vec<f32>) {
        let vectors: Vec<f32> = (0..12).map(|i| ((i * 7 % 11) as f32 - 5.0) / 9.0).collect();
        let symbols = ["STAT1", "JAK2", "IRF1"].map(String::from).to_vec();
        (Bank::quantise(symbols, 4, &vectors, "made up").expect("sizes agree"), vectors)
    }

    #[test]
    fn survives_its_file() {
        let (bank, vectors) = bank();
        let read = Bank::from_bytes(&bank.to_bytes().expect("writes")).expect("reads");
        assert_eq!(read, bank);
        let (mean, smallest) = read.mean_cosine(&vectors);
        assert!(mean > 0.9999 && smallest > 0.999, "{mean} {smallest}");
        assert!(read.vector("TP53").is_none());
        let jak2 = read.vector("JAK2").expect("is there");
        assert!(jak2.iter().zip(&vectors[4..8]).all(|(a, b)| (a - b).abs() < 0.005));
    }

    #[test]
    fn refuses_what_is_not_a_bank() {
        let (bank, _) = bank();
        let bytes = bank.to_bytes().expect("writes");
        assert!(Bank::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(Bank::from_bytes(b"not a bank").is_err());
        assert!(Bank::quantise(vec!["A".into(), "A".into()], 1, &[1.0, 2.0], "").is_err());
        assert!(Bank::quantise(vec!["A".into()], 1, &[f32::NAN], "").is_err());
        assert!(Bank::quantise(vec!["A".into()], 2, &[1.0], "").is_err());
    }
}
