//! Which rows are read, and where they are gathered: [`RowBuilder`] in order, [`Scatter`] in any order.

use crate::counts::Counts;
use crate::read::error::ReadError;

/// The rows to read, ascending.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    /// The first `n`: all of them.
    All(usize),
    /// Some of `n_all`.
    Some {
        /// Their numbers, ascending.
        chosen: Vec<usize>,
        /// Rows in the file.
        n_all: usize,
    },
}

impl Rows {
    /// At most `max_cells` of `n` rows, each set of that size equally likely.
    pub(crate) fn draw(n: usize, max_cells: Option<usize>, seed: u64) -> Rows {
        let Some(k) = max_cells.filter(|k| *k < n) else { return Rows::All(n) };
        // Selection sampling (Knuth, algorithm S): each row is taken with (still wanted) / (still to come).
        let mut state = seed;
        let mut chosen = Vec::with_capacity(k);
        for row in 0..n {
            let to_come = (n - row) as u128;
            let wanted = (k - chosen.len()) as u128;
            if u128::from(split_mix(&mut state)) * to_come < wanted << 64 {
                chosen.push(row);
            }
        }
        Rows::Some { chosen, n_all: n }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Rows::All(n) => *n,
            Rows::Some { chosen, .. } => chosen.len(),
        }
    }

    pub(crate) fn n_all(&self) -> usize {
        match self {
            Rows::All(n) => *n,
            Rows::Some { n_all, .. } => *n_all,
        }
    }

    pub(crate) fn get(&self, at: usize) -> usize {
        match self {
            Rows::All(_) => at,
            Rows::Some { chosen, .. } => chosen[at],
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// The items of the rows read, from the items of all rows.
    pub(crate) fn pick<T>(&self, all: Vec<T>) -> Vec<T> {
        let Rows::Some { chosen, .. } = self else { return all };
        let mut chosen = chosen.iter().copied().peekable();
        let keep = |(row, item)| chosen.next_if_eq(&row).map(|_| item);
        all.into_iter().enumerate().filter_map(keep).collect()
    }
}

/// The generator of Steele, Lea and Flood (2014): the same on every platform, which a subsample must be.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Row pointers as they must be: from 0 to `n_values`, never decreasing, `n_lines + 1` of them.
pub(crate) fn checked_indptr(
    matrix: &str,
    pointers: Vec<i64>,
    n_lines: usize,
    n_values: u64,
) -> Result<Vec<u64>, ReadError> {
    let bad = |what: String| Err(ReadError::Indptr { matrix: matrix.to_owned(), what });
    if pointers.len() != n_lines + 1 {
        return bad(format!("has {} entries; {} are expected", pointers.len(), n_lines + 1));
    }
    if pointers[0] != 0 {
        return bad(format!("starts at {}; it must start at 0", pointers[0]));
    }
    if let Some(at) = pointers.windows(2).position(|pair| pair[1] < pair[0]) {
        return bad(format!("falls from {} to {} at position {}", pointers[at], pointers[at + 1], at + 1));
    }
    let last = pointers[n_lines];
    if u64::try_from(last) != Ok(n_values) {
        return bad(format!("ends at {last}; there are {n_values} values"));
    }
    Ok(pointers.into_iter().map(|pointer| pointer as u64).collect())
}

fn reserved<T>(matrix: &str, n: u64) -> Result<Vec<T>, ReadError> {
    let mut reserved = Vec::new();
    usize::try_from(n).ok().and_then(|n| reserved.try_reserve_exact(n).ok()).ok_or_else(|| ReadError::OverBudget {
        object: matrix.to_owned(),
        needed: n.saturating_mul(size_of::<T>() as u64),
        available: 0,
        advice: "the memory was refused: read fewer cells (max_cells)".into(),
    })?;
    Ok(reserved)
}

/// Gathers rows that come in order.
pub(crate) struct RowBuilder {
    matrix: String,
    n_genes: usize,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    row: Vec<(u32, f32)>,
    n_unsorted: usize,
    n_merged: usize,
}

impl RowBuilder {
    pub(crate) fn new(matrix: &str, n_genes: usize, n_rows: usize, n_values: u64) -> Result<Self, ReadError> {
        let mut indptr = reserved(matrix, n_rows as u64 + 1)?;
        indptr.push(0);
        Ok(Self {
            matrix: matrix.to_owned(),
            n_genes,
            indptr,
            indices: reserved(matrix, n_values)?,
            values: reserved(matrix, n_values)?,
            row: Vec::new(),
            n_unsorted: 0,
            n_merged: 0,
        })
    }

    /// Refuses a row with more values than there are genes, before it is read.
    pub(crate) fn check_row_length(&self, row: usize, n_values: u64) -> Result<(), ReadError> {
        if n_values <= self.n_genes as u64 {
            return Ok(());
        }
        let what = format!("gives row {row} {n_values} values, more than the {} genes", self.n_genes);
        Err(ReadError::Indptr { matrix: self.matrix.clone(), what })
    }

    /// Adds a row: sorted where it is not, duplicates summed, zeros dropped. `start` is its position in the file.
    pub(crate) fn push(&mut self, start: u64, indices: &[i64], values: &[f32]) -> Result<(), ReadError> {
        let mut last = -1;
        let mut is_ascending = true;
        for (position, &index) in (start..).zip(indices) {
            if index < 0 || index >= self.n_genes as i64 {
                let (matrix, limit) = (self.matrix.clone(), self.n_genes);
                return Err(ReadError::IndexOutOfRange { matrix, index, position, limit });
            }
            is_ascending &= index > last;
            last = index;
        }
        self.row.clear();
        self.row.extend(indices.iter().zip(values).map(|(index, value)| (*index as u32, *value)));
        if !is_ascending {
            self.n_unsorted += 1;
            self.row.sort_by_key(|(index, _)| *index);
            let before = self.row.len();
            merge_duplicates(&mut self.row);
            self.n_merged += before - self.row.len();
        }
        let kept = self.row.iter().filter(|(_, value)| *value != 0.0);
        for (index, value) in kept {
            self.indices.push(*index);
            self.values.push(*value);
        }
        self.indptr.push(self.values.len());
        Ok(())
    }

    /// Adds a dense row of `n_genes` values.
    pub(crate) fn push_dense(&mut self, row: &[f32]) {
        for (index, &value) in row.iter().enumerate() {
            if value != 0.0 {
                self.indices.push(index as u32);
                self.values.push(value);
            }
        }
        self.indptr.push(self.values.len());
    }

    /// Refuses once what was gathered outgrows the memory.
    pub(crate) fn check_budget(&self, budget: u64) -> Result<(), ReadError> {
        let held = 8 * self.values.capacity() as u64;
        if held <= budget {
            return Ok(());
        }
        let advice = format!("{} cells fitted: read fewer (max_cells)", self.indptr.len() - 1);
        Err(ReadError::OverBudget { object: self.matrix.clone(), needed: held, available: budget, advice })
    }

    pub(crate) fn finish(self) -> Result<(Counts, Vec<String>), ReadError> {
        let mut warnings = Vec::new();
        if self.n_merged > 0 {
            warnings.push(format!("{}: {} repeated entries were summed", self.matrix, self.n_merged));
        }
        let counts = Counts::from_parts(self.indptr, self.indices, self.values, self.n_genes)
            .map_err(|error| ReadError::Malformed { object: self.matrix, what: error.to_string() })?;
        Ok((counts, warnings))
    }
}

fn merge_duplicates(row: &mut Vec<(u32, f32)>) {
    row.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 += later.1;
        }
        same
    });
}

/// Gathers values that come in any order of rows: first all are counted, then all are placed.
pub(crate) struct Scatter {
    matrix: String,
    rows: Rows,
    n_genes: usize,
    budget: u64,
    /// Of each row in the file its place among the rows read, or none (`u32::MAX`); empty where all are read.
    place_of: Vec<u32>,
    /// While counting: values per row, shifted by one; while placing: where the next value of each row goes.
    cursor: Vec<usize>,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    is_placing: bool,
}

impl Scatter {
    pub(crate) fn new(matrix: &str, rows: Rows, n_genes: usize, budget: u64) -> Self {
        let place_of = match &rows {
            Rows::All(_) => Vec::new(),
            Rows::Some { chosen, n_all } => {
                let mut place_of = vec![u32::MAX; *n_all];
                for (place, &row) in chosen.iter().enumerate() {
                    place_of[row] = place as u32;
                }
                place_of
            }
        };
        Self {
            matrix: matrix.to_owned(),
            cursor: vec![0; rows.len()],
            rows,
            n_genes,
            budget,
            place_of,
            indptr: Vec::new(),
            indices: Vec::new(),
            values: Vec::new(),
            is_placing: false,
        }
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_placing(&self) -> bool {
        self.is_placing
    }

    /// Counts a value of a row of the file.
    pub(crate) fn count(&mut self, row: usize) {
        if let Some(place) = self.place_in(row) {
            self.cursor[place] += 1;
        }
    }

    /// Makes room for what was counted.
    pub(crate) fn begin_placing(&mut self) -> Result<(), ReadError> {
        let n_values: usize = self.cursor.iter().sum();
        let needed = 8 * n_values as u64 + 16 * self.cursor.len() as u64;
        if needed > self.budget {
            return Err(ReadError::OverBudget {
                object: self.matrix.clone(),
                needed,
                available: self.budget,
                advice: "read fewer cells (max_cells)".into(),
            });
        }
        self.indices = reserved(&self.matrix, n_values as u64)?;
        self.values = reserved(&self.matrix, n_values as u64)?;
        self.indices.resize(n_values, 0);
        self.values.resize(n_values, 0.0);
        self.indptr = reserved(&self.matrix, self.cursor.len() as u64 + 1)?;
        self.indptr.push(0);
        let mut end = 0;
        for cursor in &mut self.cursor {
            let start = end;
            end += *cursor;
            *cursor = start;
            self.indptr.push(end);
        }
        self.is_placing = true;
        Ok(())
    }

    /// Places a value; every value placed was counted before.
    pub(crate) fn place(&mut self, row: usize, column: u32, value: f32) {
        if let Some(place) = self.place_in(row) {
            let at = self.cursor[place];
            // A file that changes between the passes could hold more than was counted.
            if at < self.indptr[place + 1] {
                self.indices[at] = column;
                self.values[at] = value;
                self.cursor[place] += 1;
            }
        }
    }

    pub(crate) fn finish(self) -> Result<(Counts, Vec<String>), ReadError> {
        let Scatter { matrix, n_genes, indptr, mut indices, mut values, .. } = self;
        let mut merged = vec![0; 1];
        let mut row = Vec::new();
        let mut kept = 0;
        for pair in indptr.windows(2) {
            row.clear();
            row.extend(indices[pair[0]..pair[1]].iter().copied().zip(values[pair[0]..pair[1]].iter().copied()));
            if !row.is_sorted_by(|a, b| a.0 < b.0) {
                row.sort_by_key(|(column, _)| *column);
                merge_duplicates(&mut row);
            }
            for (column, value) in row.iter().filter(|(_, value)| *value != 0.0) {
                indices[kept] = *column;
                values[kept] = *value;
                kept += 1;
            }
            merged.push(kept);
        }
        indices.truncate(kept);
        values.truncate(kept);
        let counts = Counts::from_parts(merged, indices, values, n_genes)
            .map_err(|error| ReadError::Malformed { object: matrix, what: error.to_string() })?;
        Ok((counts, Vec::new()))
    }

    fn place_in(&self, row: usize) -> Option<usize> {
        if self.place_of.is_empty() {
            return (row < self.cursor.len()).then_some(row);
        }
        self.place_of.get(row).copied().filter(|place| *place != u32::MAX).map(|place| place as usize)
    }
}
