//! Which rows are read, and [`RowBuilder`], which gathers rows that come in order.

use crate::counts::{CountsBuilder, CountsError};
use crate::read::error::ReadError;
use crate::read::matrix::Taken;
use crate::read::selection::Columns;
use crate::read::tally::Tally;

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

    /// At most `max_cells` rows, of which each label has the share that it has of all: `codes` is the label of each row.
    ///
    /// Shares are rounded by largest remainders (the label that comes first where they tie), and a label without a row
    /// takes one of the label that has most, as long as there is one to spare.
    pub(crate) fn draw_stratified(codes: &[u32], n_labels: usize, max_cells: usize, seed: u64) -> Rows {
        let n_all = codes.len();
        if max_cells >= n_all {
            return Rows::All(n_all);
        }
        let mut sizes = vec![0usize; n_labels];
        codes.iter().for_each(|&code| sizes[code as usize] += 1);
        let mut wanted = shares(&sizes, max_cells);
        let mut state = seed;
        let mut chosen = Vec::with_capacity(max_cells);
        for (row, &code) in codes.iter().enumerate() {
            // Selection sampling within each label.
            let (wanted, to_come) = (&mut wanted[code as usize], &mut sizes[code as usize]);
            if u128::from(split_mix(&mut state)) * (*to_come as u128) < (*wanted as u128) << 64 {
                chosen.push(row);
                *wanted -= 1;
            }
            *to_come -= 1;
        }
        Rows::Some { chosen, n_all }
    }

    pub(crate) fn are_all(&self) -> bool {
        matches!(self, Rows::All(_))
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

/// How many of `total` each label gets by its size.
fn shares(sizes: &[usize], total: usize) -> Vec<usize> {
    let n_all: u128 = sizes.iter().map(|size| *size as u128).sum();
    let exact = |size: usize| size as u128 * total as u128;
    let mut shares: Vec<usize> = sizes.iter().map(|&size| (exact(size) / n_all.max(1)) as usize).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&label| (std::cmp::Reverse(exact(sizes[label]) % n_all.max(1)), label));
    let left = total - shares.iter().sum::<usize>();
    by_remainder.into_iter().take(left).for_each(|label| shares[label] += 1);
    for label in 0..sizes.len() {
        let largest = (0..sizes.len()).max_by_key(|&label| (shares[label], std::cmp::Reverse(label)));
        if let Some(largest) = largest.filter(|&largest| shares[label] == 0 && sizes[label] > 0 && shares[largest] > 1)
        {
            shares[largest] -= 1;
            shares[label] += 1;
        }
    }
    shares
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

/// The refusal of memory, or of rows that are none, as an error of reading.
pub(crate) fn refused(matrix: &str, error: CountsError) -> ReadError {
    match error {
        CountsError::Memory { n_bytes } => ReadError::OverBudget {
            object: matrix.to_owned(),
            needed: n_bytes,
            available: 0,
            advice: "the memory was refused: read fewer cells (max_cells)".into(),
        },
        error => ReadError::Malformed { object: matrix.to_owned(), what: error.to_string() },
    }
}

/// Refuses once what is held outgrows the memory: a plan takes the width of values from the first of them.
pub(crate) fn check_held(matrix: &str, held: u64, budget: u64, n_rows: usize) -> Result<(), ReadError> {
    if held <= budget {
        return Ok(());
    }
    let advice = format!("{n_rows} cells fitted: read fewer (max_cells), or fewer genes (genes)");
    Err(ReadError::OverBudget { object: matrix.to_owned(), needed: held, available: budget, advice })
}

/// Gathers rows that come in order.
pub(crate) struct RowBuilder {
    matrix: String,
    columns: Columns,
    counts: CountsBuilder,
    tally: Option<Tally>,
    row: Vec<(u32, f32)>,
    n_merged: usize,
}

impl RowBuilder {
    /// For `n_rows` rows that hold `n_values` values in all, as far as is known.
    pub(crate) fn new(matrix: &str, columns: Columns, n_rows: usize, n_values: u64) -> Result<Self, ReadError> {
        let mut counts = CountsBuilder::new(columns.n_read(), n_rows).map_err(|error| refused(matrix, error))?;
        counts.reserve_block(n_rows, n_values).map_err(|error| refused(matrix, error))?;
        let tally = Tally::new(&columns, n_rows);
        Ok(Self { matrix: matrix.to_owned(), columns, counts, tally, row: Vec::new(), n_merged: 0 })
    }

    /// Refuses a row with more values than there are genes in the file, before it is read.
    pub(crate) fn check_row_length(&self, row: usize, n_values: u64) -> Result<(), ReadError> {
        let n_genes = self.columns.n_all();
        if n_values <= n_genes as u64 {
            return Ok(());
        }
        let what = format!("gives row {row} {n_values} values, more than the {n_genes} genes");
        Err(ReadError::Indptr { matrix: self.matrix.clone(), what })
    }

    /// Adds a row: sorted where it is not, duplicates summed, zeros dropped. `start` is its position in the file.
    pub(crate) fn push(&mut self, start: u64, indices: &[i64], values: &[f32]) -> Result<(), ReadError> {
        let mut last = -1;
        let mut is_ascending = true;
        for (position, &index) in (start..).zip(indices) {
            if index < 0 || index >= self.columns.n_all() as i64 {
                let (matrix, limit) = (self.matrix.clone(), self.columns.n_all());
                return Err(ReadError::IndexOutOfRange { matrix, index, position, limit });
            }
            is_ascending &= index > last;
            last = index;
        }
        let row = indices.iter().zip(values).map(|(index, value)| (*index as u32, *value));
        if is_ascending {
            self.push_ascending(row);
        } else {
            let mut sorted = std::mem::take(&mut self.row);
            sorted.clear();
            sorted.extend(row);
            sorted.sort_by_key(|(index, _)| *index);
            let before = sorted.len();
            merge_duplicates(&mut sorted);
            self.n_merged += before - sorted.len();
            self.push_ascending(sorted.iter().copied());
            self.row = sorted;
        }
        self.end_row()
    }

    /// Adds a dense row, a value for each gene of the file.
    pub(crate) fn push_dense(&mut self, row: &[f32]) -> Result<(), ReadError> {
        self.push_ascending((0u32..).zip(row.iter().copied()));
        self.end_row()
    }

    fn push_ascending(&mut self, row: impl Iterator<Item = (u32, f32)>) {
        if self.columns.are_all() {
            return row.for_each(|(index, value)| self.counts.push(index, value));
        }
        let cell = self.counts.n_rows();
        for (index, value) in row {
            let fate = self.columns.fate(index as usize);
            if let Some(tally) = &mut self.tally {
                tally.add(cell, index, fate, value);
            }
            if let Some(new) = fate.new {
                self.counts.push(new, value);
            }
        }
    }

    /// Refuses once what was gathered outgrows the memory.
    pub(crate) fn check_budget(&self, budget: u64) -> Result<(), ReadError> {
        check_held(&self.matrix, self.counts.n_bytes(), budget, self.counts.n_rows())
    }

    pub(crate) fn finish(self) -> Result<Taken, ReadError> {
        let mut warnings = Vec::new();
        if self.n_merged > 0 {
            warnings.push(format!("{}: {} repeated entries were summed", self.matrix, self.n_merged));
        }
        let counts = self.counts.finish().map_err(|error| refused(&self.matrix, error))?;
        Ok(Taken { counts, totals: self.tally.map(Tally::finish), warnings })
    }

    fn end_row(&mut self) -> Result<(), ReadError> {
        self.counts.end_row().map_err(|error| refused(&self.matrix, error))
    }
}

/// Sums the values of each gene of a sorted row.
pub(crate) fn merge_duplicates(row: &mut Vec<(u32, f32)>) {
    row.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 += later.1;
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::{Rows, shares};

    #[test]
    fn labels_keep_their_shares_and_none_is_lost() {
        assert_eq!(shares(&[50, 30, 20], 10), [5, 3, 2]);
        assert_eq!(shares(&[97, 2, 1, 0], 10), [8, 1, 1, 0]);
        assert_eq!(shares(&[5, 5, 5], 2), [1, 1, 0]);
        assert_eq!(shares(&[], 0), [0; 0]);
    }

    #[test]
    fn a_stratified_draw_has_as_many_of_each_label_whatever_the_seed() {
        let codes: Vec<u32> = (0..1000).map(|row| [0, 0, 0, 1, 1, 2, 0, 0, 0, 0][row % 10]).collect();
        let mut draws = Vec::new();
        for seed in 0..20 {
            let Rows::Some { chosen, n_all } = Rows::draw_stratified(&codes, 3, 50, seed) else { panic!("some rows") };
            let count = |label| chosen.iter().filter(|&&row| codes[row] == label).count();
            assert_eq!((n_all, [0, 1, 2].map(count)), (1000, [35, 10, 5]));
            assert!(chosen.is_sorted_by(|a, b| a < b));
            draws.push(chosen);
        }
        draws.dedup();
        assert_eq!(draws.len(), 20, "each seed draws other rows");
        assert!(matches!(Rows::draw_stratified(&codes, 3, 1000, 0), Rows::All(1000)));
    }
}
