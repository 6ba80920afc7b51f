//! The columns of `obs` and `var`.

use std::collections::BTreeMap;

/// The values of a column of `obs` or `var`.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// A category per row.
    Categorical {
        /// Index into `names` for each row; -1 where missing.
        codes: Vec<i32>,
        /// The categories, each once.
        names: Vec<String>,
    },
    /// Text.
    Text(Vec<String>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
    /// Integers.
    I64(Vec<i64>),
    /// Yes or no.
    Bool(Vec<bool>),
}

impl Values {
    /// Categories from labels, in order of name.
    pub fn categorical<S: AsRef<str>>(labels: &[S]) -> Values {
        let distinct: BTreeMap<&str, i32> = labels.iter().map(|label| (label.as_ref(), 0)).collect();
        let code_of: BTreeMap<&str, i32> = distinct.into_keys().zip(0..).collect();
        let codes = labels.iter().map(|label| code_of[label.as_ref()]).collect();
        Values::Categorical { codes, names: code_of.into_keys().map(str::to_owned).collect() }
    }

    /// The values of the given rows, in the given order.
    ///
    /// # Panics
    /// Where there is no such row.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Values {
        fn pick<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| values[row].clone()).collect()
        }
        match self {
            Values::Categorical { codes, names } => {
                Values::Categorical { codes: pick(codes, rows), names: names.clone() }
            }
            Values::Text(values) => Values::Text(pick(values, rows)),
            Values::F32(values) => Values::F32(pick(values, rows)),
            Values::F64(values) => Values::F64(pick(values, rows)),
            Values::I64(values) => Values::I64(pick(values, rows)),
            Values::Bool(values) => Values::Bool(pick(values, rows)),
        }
    }

    /// A value in words; empty where there is none.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn text(&self, row: usize) -> String {
        match self {
            Values::Categorical { codes, names } => {
                usize::try_from(codes[row]).ok().and_then(|code| names.get(code)).cloned().unwrap_or_default()
            }
            Values::Text(values) => values[row].clone(),
            Values::F32(values) => values[row].to_string(),
            Values::F64(values) => values[row].to_string(),
            Values::I64(values) => values[row].to_string(),
            Values::Bool(values) => values[row].to_string(),
        }
    }

    /// Rows.
    #[expect(clippy::len_without_is_empty, reason = "a column is as long as its table")]
    pub fn len(&self) -> usize {
        match self {
            Values::Categorical { codes, .. } => codes.len(),
            Values::Text(text) => text.len(),
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::Bool(values) => values.len(),
        }
    }
}
