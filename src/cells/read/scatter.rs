//! Values that come in any order of rows: first all are counted, then all are placed.
//!
//! Places are kept as narrow as the matrix will be: a byte for each value, and beside it the few that need more. Where
//! many do, the block becomes f32. At the end each block is packed and given back before the next.

use crate::counts::{BLOCK_ROWS, CountsBuilder, CountsError, Genes, code_u8, gene_bytes, reserved};
use crate::read::error::ReadError;
use crate::read::matrix::Taken;
use crate::read::rows::{Rows, check_held, merge_duplicates, refused};
use crate::read::selection::Columns;
use crate::read::tally::Tally;

/// Gathers values of rows in any order.
pub(crate) struct Scatter {
    matrix: String,
    rows: Rows,
    columns: Columns,
    tally: Option<Tally>,
    budget: u64,
    /// Of each row in the file its place among the rows read, or none (`u32::MAX`); empty where all are read.
    place_of: Vec<u32>,
    /// While counting: values of each row; while placing: where in its block the next value of each row goes.
    cursor: Vec<usize>,
    blocks: Vec<Places>,
    held: u64,
    is_placing: bool,
}

impl Scatter {
    pub(crate) fn new(matrix: &str, rows: Rows, columns: Columns, budget: u64) -> Self {
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
            tally: Tally::new(&columns, rows.len()),
            rows,
            columns,
            budget,
            place_of,
            blocks: Vec::new(),
            held: 0,
            is_placing: false,
        }
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_placing(&self) -> bool {
        self.is_placing
    }

    /// Counts a value of a row and a column of the file.
    pub(crate) fn count(&mut self, row: usize, column: u32) {
        let is_read = self.columns.are_all() || self.columns.fate(column as usize).new.is_some();
        if let Some(place) = self.place_in(row).filter(|_| is_read) {
            self.cursor[place] += 1;
        }
    }

    /// Makes room for what was counted.
    pub(crate) fn begin_placing(&mut self) -> Result<(), ReadError> {
        let n_values: usize = self.cursor.iter().sum();
        let needed =
            (1 + gene_bytes(self.columns.n_read())).saturating_mul(n_values as u64) + 16 * self.cursor.len() as u64;
        if needed > self.budget {
            return Err(ReadError::OverBudget {
                object: self.matrix.clone(),
                needed,
                available: self.budget,
                advice: "read fewer cells (max_cells) or genes (genes)".into(),
            });
        }
        let refused = |error| refused(&self.matrix, error);
        self.blocks = reserved(self.cursor.len().div_ceil(BLOCK_ROWS)).map_err(refused)?;
        for cursors in self.cursor.chunks_mut(BLOCK_ROWS) {
            let block = Places::new(cursors, self.columns.n_read()).map_err(refused)?;
            self.held += block.n_bytes();
            self.blocks.push(block);
        }
        self.is_placing = true;
        Ok(())
    }

    /// Places a value; every value placed was counted before.
    pub(crate) fn place(&mut self, row: usize, column: u32, value: f32) {
        let Some(place) = self.place_in(row) else { return };
        let fate = self.columns.fate(column as usize);
        if let Some(tally) = &mut self.tally {
            tally.add(place, column, fate, value);
        }
        let Some(column) = fate.new else { return };
        let at = self.cursor[place];
        let block = &mut self.blocks[place / BLOCK_ROWS];
        // A file that changes between the passes could hold more than was counted.
        if at < block.ends[place % BLOCK_ROWS] {
            self.held += block.place(at, column, value);
            self.cursor[place] += 1;
        }
    }

    /// Refuses once what was placed outgrows the memory.
    pub(crate) fn check_budget(&self) -> Result<(), ReadError> {
        check_held(&self.matrix, self.held, self.budget, 0)
    }

    pub(crate) fn finish(self) -> Result<Taken, ReadError> {
        let Scatter { matrix, columns, tally, blocks, rows, .. } = self;
        let packed = || {
            let mut counts = CountsBuilder::new(columns.n_read(), rows.len())?;
            blocks.into_iter().try_for_each(|block| block.pack_into(&mut counts))?;
            counts.finish()
        };
        let counts = packed().map_err(|error| refused(&matrix, error))?;
        Ok(Taken { counts, totals: tally.map(Tally::finish), warnings: Vec::new() })
    }

    fn place_in(&self, row: usize) -> Option<usize> {
        if self.place_of.is_empty() {
            return (row < self.cursor.len()).then_some(row);
        }
        self.place_of.get(row).copied().filter(|place| *place != u32::MAX).map(|place| place as usize)
    }
}

/// The places of a block of rows.
struct Places {
    /// Where each row ends.
    ends: Vec<usize>,
    genes: Genes,
    values: Values,
}

/// The value of each place: 0 until it is placed.
enum Values {
    /// Bytes, and the values that do not fit one with their places.
    Narrow(Vec<u8>, Vec<(usize, f32)>),
    Wide(Vec<f32>),
}

impl Values {
    fn n_bytes(&self) -> u64 {
        (match self {
            Values::Narrow(codes, wide) => codes.capacity() + size_of::<(usize, f32)>() * wide.capacity(),
            Values::Wide(values) => 4 * values.capacity(),
        }) as u64
    }
}

impl Places {
    /// Room for rows of the given lengths, which become the positions where the rows begin.
    fn new(cursors: &mut [usize], n_genes: usize) -> Result<Places, CountsError> {
        let mut ends = reserved(cursors.len())?;
        let mut end = 0;
        for cursor in cursors {
            let start = end;
            end += *cursor;
            *cursor = start;
            ends.push(end);
        }
        let mut codes = reserved(end)?;
        codes.resize(end, 0);
        Ok(Places { ends, genes: Genes::zeros(end, n_genes)?, values: Values::Narrow(codes, Vec::new()) })
    }

    fn n_bytes(&self) -> u64 {
        let own = size_of::<Self>() + size_of::<usize>() * self.ends.capacity();
        own as u64 + self.genes.n_bytes() + self.values.n_bytes()
    }

    /// Places a value and gives the bytes by which the block grew.
    fn place(&mut self, at: usize, gene: u32, value: f32) -> u64 {
        self.genes.set(at, gene);
        let before = self.values.n_bytes();
        match &mut self.values {
            Values::Wide(values) => values[at] = value,
            Values::Narrow(codes, _) if code_u8(value) != 0 => codes[at] = code_u8(value),
            Values::Narrow(codes, wide) => {
                wide.push((at, value));
                // Beyond this, four bytes for every value take hardly more. Where they are refused, all stays as it is.
                if wide.len() > codes.len() / 8
                    && let Ok(mut values) = reserved(codes.len())
                {
                    values.extend(codes.iter().map(|code| f32::from(*code)));
                    wide.iter().for_each(|(at, value)| values[*at] = *value);
                    self.values = Values::Wide(values);
                }
            }
        }
        self.values.n_bytes().saturating_sub(before)
    }

    fn pack_into(self, counts: &mut CountsBuilder) -> Result<(), CountsError> {
        let values = match self.values {
            Values::Wide(values) => values,
            Values::Narrow(codes, wide) => {
                let mut values: Vec<f32> = codes.into_iter().map(f32::from).collect();
                wide.into_iter().for_each(|(at, value)| values[at] = value);
                values
            }
        };
        let mut row = Vec::new();
        let mut start = 0;
        for end in self.ends {
            row.clear();
            row.extend((start..end).map(|at| (self.genes.get(at), values[at])));
            if !row.is_sorted_by(|a, b| a.0 < b.0) {
                row.sort_by_key(|(gene, _)| *gene);
                merge_duplicates(&mut row);
            }
            row.iter().for_each(|(gene, value)| counts.push(*gene, *value));
            counts.end_row()?;
            start = end;
        }
        Ok(())
    }
}
