//! `obs` and `var` of an h5ad: an index and columns, in every encoding AnnData has used.
//!
//! 0.5 to 0.6: one compound dataset, categories in `uns/<column>_categories`. 0.7: a group, categories under
//! `__categories`. 0.8 and later: a group whose columns carry `encoding-type` (categorical, string-array, nullable).
//! Columns of any other kind are left out of the listing.

use hdf5_pure::AttrValue;

use crate::read::array::Array;
use crate::read::compound;
use crate::read::dtype::number_label;
use crate::read::error::{ReadError, listed};
use crate::read::tree::{Kind, Tree};

/// Values of a column, one per row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Column {
    /// Labels: an index into `names` per row, or none where the label is missing.
    Labels { codes: Vec<Option<u32>>, names: Vec<String> },
    /// Numbers; missing ones are NaN.
    Numbers(Vec<f64>),
}

impl Column {
    /// Groups equal texts; names in order of first appearance.
    pub(crate) fn from_text(text: Vec<String>) -> Column {
        let mut code_of = std::collections::HashMap::new();
        let mut names = Vec::new();
        let mut codes = Vec::with_capacity(text.len());
        for label in text {
            let code = *code_of.entry(label).or_insert_with_key(|label: &String| {
                names.push(label.clone());
                names.len() as u32 - 1
            });
            codes.push(Some(code));
        }
        Column::Labels { codes, names }
    }

    fn from_booleans(values: &[f64]) -> Column {
        let codes = values.iter().map(|value| (!value.is_nan()).then_some(u32::from(*value != 0.0))).collect();
        Column::Labels { codes, names: vec!["False".into(), "True".into()] }
    }

    fn from_codes(codes: &[f64], names: Vec<String>) -> Column {
        let n = names.len();
        let code = |value: &f64| (*value >= 0.0 && *value < n as f64).then_some(*value as u32);
        Column::Labels { codes: codes.iter().map(code).collect(), names }
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            Column::Labels { codes, .. } => codes.len(),
            Column::Numbers(values) => values.len(),
        }
    }

    /// Each row as text; numbers are written out, missing labels take `missing`.
    pub(crate) fn to_text(&self, missing: &str) -> Vec<String> {
        match self {
            Column::Labels { codes, names } => codes
                .iter()
                .map(|code| code.map_or_else(|| missing.to_owned(), |code| names[code as usize].clone()))
                .collect(),
            Column::Numbers(values) => values.iter().map(|value| number_label(*value, false)).collect(),
        }
    }
}

/// A frame at a path of the file.
pub(crate) struct Frame {
    path: String,
    is_compound: bool,
    /// Name of the index; none where the file has none.
    index: Option<String>,
    columns: Vec<String>,
    n_rows: Option<usize>,
}

impl Frame {
    /// Reads the names of the columns.
    pub(crate) fn open(h5: &Tree, path: &str) -> Result<Frame, ReadError> {
        match h5.kind(path)? {
            Some(Kind::Dataset) => Self::open_compound(h5, path),
            Some(Kind::Group) => Self::open_group(h5, path),
            None => Ok(Frame { path: path.into(), is_compound: false, index: None, columns: Vec::new(), n_rows: None }),
        }
    }

    fn open_compound(h5: &Tree, path: &str) -> Result<Frame, ReadError> {
        let array = h5.array(path)?;
        let fields = compound::fields(&array)?;
        let index = ["index", "_index"].iter().find(|name| fields.iter().any(|field| field == *name));
        let index = index.map(|name| (*name).to_owned()).or_else(|| fields.first().cloned());
        let columns = fields.into_iter().filter(|field| Some(field) != index.as_ref()).collect();
        let n_rows = Some(array.len()?);
        Ok(Frame { path: path.into(), is_compound: true, index, columns, n_rows })
    }

    fn open_group(h5: &Tree, path: &str) -> Result<Frame, ReadError> {
        let (datasets, groups) = h5.children(path)?;
        let attributes = h5.attributes(path)?;
        let has = |name: &str| datasets.iter().chain(&groups).any(|child| child == name);
        let named = attributes.get("_index").and_then(AttrValue::as_str).filter(|name| has(name));
        let index = named.or_else(|| ["_index", "index"].into_iter().find(|name| has(name))).map(str::to_owned);
        let ordered = attributes.get("column-order").and_then(AttrValue::as_strings).unwrap_or(&[]);
        let mut columns: Vec<String> = ordered.iter().filter(|name| has(name)).cloned().collect();
        for name in datasets.iter().chain(&groups) {
            if !columns.contains(name) && name != "__categories" && Some(name) != index.as_ref() {
                columns.push(name.clone());
            }
        }
        let n_rows = match &index {
            Some(index) => frame_rows(h5, &format!("{path}/{index}"))?,
            None => None,
        };
        Ok(Frame { path: path.into(), is_compound: false, index, columns, n_rows })
    }

    /// Rows, where the index tells.
    pub(crate) fn n_rows(&self) -> Option<usize> {
        self.n_rows
    }

    /// Names of the columns, the index not among them.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The index of each row; none where the file has no index.
    pub(crate) fn read_index(&self, h5: &Tree) -> Result<Option<Vec<String>>, ReadError> {
        let Some(index) = &self.index else { return Ok(None) };
        if self.is_compound {
            return Ok(compound::column(&h5.array(&self.path)?, index)?.map(|column| column.to_text("")));
        }
        let path = format!("{}/{index}", self.path);
        Ok(match h5.kind(&path)? {
            Some(Kind::Dataset) => Some(h5.array(&path)?.strings_of_any()?),
            _ => read_group_column(h5, &path)?.map(|column| column.to_text("")),
        })
    }

    /// The first rows of the index.
    pub(crate) fn first_of_index(&self, h5: &Tree, count: usize) -> Result<Vec<String>, ReadError> {
        if let (false, Some(index)) = (self.is_compound, &self.index) {
            let path = format!("{}/{index}", self.path);
            if h5.kind(&path)? == Some(Kind::Dataset) && h5.array(&path)?.is_text() {
                return h5.array(&path)?.first_strings(count as u64);
            }
        }
        let mut names = self.read_index(h5)?.unwrap_or_default();
        names.truncate(count);
        Ok(names)
    }

    /// A column; none where it is of a kind that is not read.
    pub(crate) fn read_column(&self, h5: &Tree, name: &str) -> Result<Option<Column>, ReadError> {
        if !self.columns.iter().any(|column| column == name) && self.index.as_deref() != Some(name) {
            return Err(ReadError::NoSuchColumn { wanted: name.into(), available: listed(&self.columns, 20) });
        }
        let column = if self.is_compound {
            compound::column(&h5.array(&self.path)?, name)?
        } else {
            let path = format!("{}/{name}", self.path);
            match h5.kind(&path)? {
                Some(Kind::Group) => return read_group_column(h5, &path),
                _ => read_dataset_column(&h5.array(&path)?)?,
            }
        };
        self.with_old_categories(h5, name, column)
    }

    /// Before 0.8 a categorical column was its codes, and its categories lay elsewhere.
    fn with_old_categories(&self, h5: &Tree, name: &str, column: Option<Column>) -> Result<Option<Column>, ReadError> {
        let Some(Column::Numbers(codes)) = &column else { return Ok(column) };
        let places = [format!("{}/__categories/{name}", self.path), format!("uns/{name}_categories")];
        let is_code = |code: &f64| code.fract() == 0.0 && *code >= -1.0;
        for place in &places[if self.is_compound { 1..2 } else { 0..1 }] {
            if h5.kind(place)? == Some(Kind::Dataset) && codes.iter().all(is_code) {
                return Ok(Some(Column::from_codes(codes, h5.array(place)?.strings_of_any()?)));
            }
        }
        Ok(column)
    }
}

fn frame_rows(h5: &Tree, path: &str) -> Result<Option<usize>, ReadError> {
    for path in [path.to_owned(), format!("{path}/codes"), format!("{path}/values")] {
        if h5.kind(&path)? == Some(Kind::Dataset) {
            return h5.array(&path)?.len().map(Some);
        }
    }
    Ok(None)
}

fn read_dataset_column(array: &Array) -> Result<Option<Column>, ReadError> {
    if array.shape().len() != 1 {
        return Ok(None);
    }
    if array.is_text() {
        return Ok(Some(Column::from_text(array.strings()?)));
    }
    if !array.is_number() {
        return Ok(None);
    }
    let values = array.f64s(0, array.n_rows())?;
    Ok(Some(if array.is_boolean() { Column::from_booleans(&values) } else { Column::Numbers(values) }))
}

fn read_group_column(h5: &Tree, path: &str) -> Result<Option<Column>, ReadError> {
    let child = |name: &str| format!("{path}/{name}");
    if h5.has(&child("codes"))? && h5.has(&child("categories"))? {
        let codes = h5.array(&child("codes"))?;
        let codes = codes.f64s(0, codes.n_rows())?;
        let categories = match h5.kind(&child("categories"))? {
            Some(Kind::Group) => read_group_column(h5, &child("categories"))?.map(|column| column.to_text("")),
            _ => Some(h5.array(&child("categories"))?.strings_of_any()?),
        };
        return Ok(categories.map(|names| Column::from_codes(&codes, names)));
    }
    if h5.has(&child("values"))? && h5.has(&child("mask"))? {
        let mask = h5.array(&child("mask"))?;
        let is_missing = mask.f64s(0, mask.n_rows())?;
        let values = h5.array(&child("values"))?;
        let column = read_dataset_column(&values)?;
        if is_missing.len() as u64 != values.n_rows() {
            return Err(ReadError::Malformed { object: path.into(), what: "has a mask of another length".into() });
        }
        let is_missing: Vec<bool> = is_missing.into_iter().map(|value| value != 0.0).collect();
        return Ok(column.map(|column| masked(column, &is_missing)));
    }
    Ok(None)
}

fn masked(mut column: Column, is_missing: &[bool]) -> Column {
    match &mut column {
        Column::Labels { codes, .. } => {
            codes.iter_mut().zip(is_missing).filter(|(_, missing)| **missing).for_each(|(code, _)| *code = None);
        }
        Column::Numbers(values) => {
            values.iter_mut().zip(is_missing).filter(|(_, missing)| **missing).for_each(|(value, _)| *value = f64::NAN);
        }
    }
    column
}
