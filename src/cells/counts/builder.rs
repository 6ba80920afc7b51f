//! Rows in order become blocks: one block at a time is held unpacked, so that no buffer ever grows with the matrix.

use crate::counts::block::{BLOCK_ROWS, Block, reserved};
use crate::counts::{Counts, CountsError};

/// Gathers rows and packs every [`BLOCK_ROWS`] of them.
pub(crate) struct CountsBuilder {
    n_genes: usize,
    blocks: Vec<Block>,
    /// The rows of the block being gathered: where each ends, and their genes and values.
    ends: Vec<usize>,
    genes: Vec<u32>,
    values: Vec<f32>,
    n_nonzero: usize,
    n_bytes: u64,
}

impl CountsBuilder {
    /// For a matrix of `n_genes` columns and `n_rows` rows, as far as is known.
    pub(crate) fn new(n_genes: usize, n_rows: usize) -> Result<Self, CountsError> {
        Ok(Self {
            n_genes,
            blocks: reserved(n_rows.div_ceil(BLOCK_ROWS))?,
            ends: Vec::with_capacity(BLOCK_ROWS),
            genes: Vec::new(),
            values: Vec::new(),
            n_nonzero: 0,
            n_bytes: 0,
        })
    }

    /// Makes room for a block of rows of which `n_rows` hold `n_values` values.
    pub(crate) fn reserve_block(&mut self, n_rows: usize, n_values: u64) -> Result<(), CountsError> {
        let per_row = n_values.div_ceil((n_rows as u64).max(1)).min(self.n_genes as u64);
        let n = usize::try_from(per_row.saturating_mul(BLOCK_ROWS as u64).min(n_values)).unwrap_or(usize::MAX);
        self.genes = reserved(n)?;
        self.values = reserved(n)?;
        Ok(())
    }

    /// Adds a value to the row being gathered, unless it is zero. Genes ascend within a row.
    pub(crate) fn push(&mut self, gene: u32, value: f32) {
        if value != 0.0 {
            self.push_stored(gene, value);
        }
    }

    /// Adds a value even if it is zero.
    fn push_stored(&mut self, gene: u32, value: f32) {
        self.genes.push(gene);
        self.values.push(value);
    }

    /// Adds all stored values of a row; one that became zero stays stored.
    pub(crate) fn push_row(&mut self, row: impl Iterator<Item = (u32, f32)>) -> Result<(), CountsError> {
        row.for_each(|(gene, value)| self.push_stored(gene, value));
        self.end_row()
    }

    /// Ends the row being gathered.
    ///
    /// # Errors
    /// Where the memory for a block is refused.
    pub(crate) fn end_row(&mut self) -> Result<(), CountsError> {
        self.ends.push(self.values.len());
        if self.ends.len() == BLOCK_ROWS { self.end_block() } else { Ok(()) }
    }

    /// Rows that are ended.
    pub(crate) fn n_rows(&self) -> usize {
        self.blocks.len() * BLOCK_ROWS + self.ends.len()
    }

    /// Bytes of the blocks packed.
    pub(crate) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    pub(crate) fn finish(mut self) -> Result<Counts, CountsError> {
        let n_cells = self.n_rows();
        if !self.ends.is_empty() {
            self.end_block()?;
        }
        Ok(Counts {
            blocks: self.blocks,
            n_cells,
            n_genes: self.n_genes,
            n_nonzero: self.n_nonzero,
            factors: None,
            is_logged: false,
        })
    }

    fn end_block(&mut self) -> Result<(), CountsError> {
        let block = Block::pack(&self.ends, &self.genes, &self.values, self.n_genes)?;
        self.n_bytes += block.n_bytes();
        self.n_nonzero += self.values.len();
        self.blocks.push(block);
        self.ends.clear();
        self.genes.clear();
        self.values.clear();
        Ok(())
    }
}
