//! A matrix of counts, cells by genes, in compressed sparse rows.
//!
//! Columns ascend within a row and no stored value is zero: [`Counts::from_parts`] checks it, so that every later step
//! may rely on it. Values are f32, which holds counts exactly up to 16,777,216.

/// Why parts do not make a matrix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountsError {
    /// Row pointers that do not start at 0, decrease, or do not end at the number of stored values.
    #[error("row pointers: {0}")]
    Indptr(String),
    /// Column indices and values differ in number.
    #[error("{n_indices} column indices for {n_values} values; there must be one for each")]
    Lengths {
        /// Column indices.
        n_indices: usize,
        /// Values.
        n_values: usize,
    },
    /// A column that is no gene, or columns of a row that do not ascend.
    #[error("row {row}: column {column} is out of range for {n_genes} genes, or not above the column before it")]
    Column {
        /// Which row.
        row: usize,
        /// The column it names.
        column: u32,
        /// Genes of the matrix.
        n_genes: usize,
    },
}

/// Counts of `n_cells` cells (rows) by `n_genes` genes (columns).
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    n_genes: usize,
}

impl Counts {
    /// Checks and takes the three arrays of a CSR matrix; stored zeros are dropped.
    ///
    /// # Errors
    /// See [`CountsError`].
    pub fn from_parts(
        indptr: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<f32>,
        n_genes: usize,
    ) -> Result<Self, CountsError> {
        if indices.len() != values.len() {
            return Err(CountsError::Lengths { n_indices: indices.len(), n_values: values.len() });
        }
        if indptr.first() != Some(&0) {
            return Err(CountsError::Indptr("they must start at 0".into()));
        }
        if indptr.last() != Some(&values.len()) {
            return Err(CountsError::Indptr(format!("they must end at {}, the number of values", values.len())));
        }
        for (row, pair) in indptr.windows(2).enumerate() {
            if pair[0] > pair[1] || pair[1] > indices.len() {
                return Err(CountsError::Indptr(format!("row {row} runs from {} to {}", pair[0], pair[1])));
            }
            let mut least = 0;
            for &column in &indices[pair[0]..pair[1]] {
                if (column as usize) < least || column as usize >= n_genes {
                    return Err(CountsError::Column { row, column, n_genes });
                }
                least = column as usize + 1;
            }
        }
        let mut counts = Self { indptr, indices, values, n_genes };
        counts.drop_zeros();
        Ok(counts)
    }

    /// A matrix from dense rows, row-major.
    ///
    /// # Errors
    /// Where the number of values is no multiple of `n_genes`.
    pub fn from_dense(dense: &[f32], n_genes: usize) -> Result<Self, CountsError> {
        if n_genes == 0 || !dense.len().is_multiple_of(n_genes) {
            return Err(CountsError::Lengths { n_indices: n_genes, n_values: dense.len() });
        }
        let mut counts = Self { indptr: vec![0], indices: Vec::new(), values: Vec::new(), n_genes };
        for row in dense.chunks_exact(n_genes) {
            for (column, &value) in row.iter().enumerate() {
                if value != 0.0 {
                    counts.indices.push(column as u32);
                    counts.values.push(value);
                }
            }
            counts.indptr.push(counts.values.len());
        }
        Ok(counts)
    }

    /// Cells (rows).
    pub fn n_cells(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Genes (columns).
    pub fn n_genes(&self) -> usize {
        self.n_genes
    }

    /// Stored values, none of them zero.
    pub fn n_nonzero(&self) -> usize {
        self.values.len()
    }

    /// Genes, ascending, and values of a cell.
    ///
    /// # Panics
    /// Where there is no such cell.
    pub fn row(&self, cell: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[cell]..self.indptr[cell + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&[u32], &[f32])> {
        self.indptr.windows(2).map(|pair| (&self.indices[pair[0]..pair[1]], &self.values[pair[0]..pair[1]]))
    }

    /// Row pointers: `n_cells + 1` of them, from 0 to `n_nonzero`.
    pub fn indptr(&self) -> &[usize] {
        &self.indptr
    }

    /// The gene of each stored value.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The stored values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The stored values, for steps that scale them in place. A value set to zero stays stored.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Sum of each cell, in f64.
    pub fn row_sums(&self) -> Vec<f64> {
        self.rows().map(|(_, values)| values.iter().map(|&value| f64::from(value)).sum()).collect()
    }

    /// Sum of all values, in f64.
    pub fn sum(&self) -> f64 {
        self.values.iter().map(|&value| f64::from(value)).sum()
    }

    /// The given cells, in the given order; a cell may be named twice.
    ///
    /// # Panics
    /// Where there is no such cell.
    pub fn select_rows(&self, cells: &[usize]) -> Counts {
        let n_values = cells.iter().map(|&cell| self.indptr[cell + 1] - self.indptr[cell]).sum();
        let mut selected = Counts {
            indptr: Vec::with_capacity(cells.len() + 1),
            indices: Vec::with_capacity(n_values),
            values: Vec::with_capacity(n_values),
            n_genes: self.n_genes,
        };
        selected.indptr.push(0);
        for &cell in cells {
            let (indices, values) = self.row(cell);
            selected.indices.extend_from_slice(indices);
            selected.values.extend_from_slice(values);
            selected.indptr.push(selected.values.len());
        }
        selected
    }

    /// Rearranges the genes: column `i` of the result is column `column_of[i]` of this matrix, or zero where that is
    /// none. Columns that are not named are dropped.
    pub fn select_columns(&self, column_of: &[Option<u32>]) -> Counts {
        let mut new_of = vec![Vec::new(); self.n_genes];
        for (new, old) in column_of.iter().enumerate() {
            if let Some(columns) = old.and_then(|old| new_of.get_mut(old as usize)) {
                columns.push(new as u32);
            }
        }
        let mut selected =
            Counts { indptr: vec![0], indices: Vec::new(), values: Vec::new(), n_genes: column_of.len() };
        let mut row: Vec<(u32, f32)> = Vec::new();
        for (indices, values) in self.rows() {
            row.clear();
            for (&index, &value) in indices.iter().zip(values) {
                row.extend(new_of[index as usize].iter().map(|&new| (new, value)));
            }
            row.sort_unstable_by_key(|(column, _)| *column);
            selected.indices.extend(row.iter().map(|(column, _)| *column));
            selected.values.extend(row.iter().map(|(_, value)| *value));
            selected.indptr.push(selected.values.len());
        }
        selected
    }

    /// Adds the values of a cell to a dense row of `n_genes` values.
    ///
    /// # Panics
    /// Where there is no such cell, or `dense` is shorter than `n_genes`.
    pub fn add_row_to(&self, cell: usize, dense: &mut [f32]) {
        let (indices, values) = self.row(cell);
        for (&index, &value) in indices.iter().zip(values) {
            dense[index as usize] += value;
        }
    }

    fn drop_zeros(&mut self) {
        if self.values.iter().all(|&value| value != 0.0) {
            return;
        }
        let mut kept = 0;
        let mut start = 0;
        for row in 0..self.n_cells() {
            let end = self.indptr[row + 1];
            for at in start..end {
                if self.values[at] != 0.0 {
                    self.values[kept] = self.values[at];
                    self.indices[kept] = self.indices[at];
                    kept += 1;
                }
            }
            start = end;
            self.indptr[row + 1] = kept;
        }
        self.values.truncate(kept);
        self.indices.truncate(kept);
    }
}
