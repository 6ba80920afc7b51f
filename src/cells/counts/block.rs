//! Sixty-four rows of counts, packed into as few bytes as their values allow, and one row of them unpacked.
//!
//! Most counts fit a byte, but most cells have a gene or two that do not. So values are coded in the narrowest of u8,
//! u16 and f32 that takes least in all: a code 0 (no stored value is 0) stands for a value that the width cannot hold,
//! and those follow in order as f32. Genes are u16 where the matrix has at most 65,536 of them. Counts as 10x makes them
//! take a little over 3 bytes a value; fractions take 6.

use std::slice::Iter;

use crate::counts::CountsError;

/// Rows of a block. Few enough that unpacked rows of a dense matrix stay small, enough that a block's own fields do not
/// weigh.
pub(crate) const BLOCK_ROWS: usize = 64;

/// Most genes that can be numbered with 16 bits.
const MOST_U16_GENES: usize = 1 << 16;

/// Bytes of the number of a gene.
pub(crate) fn gene_bytes(n_genes: usize) -> u64 {
    if n_genes <= MOST_U16_GENES { 2 } else { 4 }
}

/// An empty vector with room for `n` and no more.
pub(crate) fn reserved<T>(n: usize) -> Result<Vec<T>, CountsError> {
    let mut reserved = Vec::new();
    match reserved.try_reserve_exact(n) {
        Ok(()) => Ok(reserved),
        Err(_) => Err(CountsError::Memory { n_bytes: (n as u64).saturating_mul(size_of::<T>() as u64) }),
    }
}

/// The gene of each value.
#[derive(Debug, Clone)]
pub(crate) enum Genes {
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Genes {
    /// Room for `n`, all gene 0.
    pub(crate) fn zeros(n: usize, n_genes: usize) -> Result<Genes, CountsError> {
        if n_genes <= MOST_U16_GENES {
            let mut genes = reserved(n)?;
            genes.resize(n, 0);
            return Ok(Genes::U16(genes));
        }
        let mut genes = reserved(n)?;
        genes.resize(n, 0);
        Ok(Genes::U32(genes))
    }

    fn pack(unpacked: &[u32], n_genes: usize) -> Result<Genes, CountsError> {
        if n_genes <= MOST_U16_GENES {
            let mut genes = reserved(unpacked.len())?;
            genes.extend(unpacked.iter().map(|gene| *gene as u16));
            return Ok(Genes::U16(genes));
        }
        let mut genes = reserved(unpacked.len())?;
        genes.extend_from_slice(unpacked);
        Ok(Genes::U32(genes))
    }

    pub(crate) fn get(&self, at: usize) -> u32 {
        match self {
            Genes::U16(genes) => u32::from(genes[at]),
            Genes::U32(genes) => genes[at],
        }
    }

    pub(crate) fn set(&mut self, at: usize, gene: u32) {
        match self {
            Genes::U16(genes) => genes[at] = gene as u16,
            Genes::U32(genes) => genes[at] = gene,
        }
    }

    pub(crate) fn n_bytes(&self) -> u64 {
        match self {
            Genes::U16(genes) => 2 * genes.capacity() as u64,
            Genes::U32(genes) => 4 * genes.capacity() as u64,
        }
    }
}

/// The code of each value; 0 where it is among the wide ones.
#[derive(Debug, Clone)]
enum Codes {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
}

/// The code of a value in a byte; 0 where it has none.
pub(crate) fn code_u8(value: f32) -> u8 {
    let code = value as u8;
    if f32::from(code) == value { code } else { 0 }
}

fn code_u16(value: f32) -> u16 {
    let code = value as u16;
    if f32::from(code) == value { code } else { 0 }
}

/// Bytes of the codes and wide values of `n` values, of which `n_wide_u8` do not fit u8 and `n_wide_u16` not u16.
pub(crate) fn value_bytes(n: u64, n_wide_u8: u64, n_wide_u16: u64) -> u64 {
    (n + 4 * n_wide_u8).min(2 * n + 4 * n_wide_u16).min(4 * n)
}

/// How many values have no code in a byte, and how many none in two.
pub(crate) fn n_wide(values: &[f32]) -> (u64, u64) {
    values.iter().fold((0, 0), |(u8s, u16s), &value| {
        (u8s + u64::from(code_u8(value) == 0), u16s + u64::from(code_u16(value) == 0))
    })
}

impl Codes {
    /// The narrowest codes, and the values that have none.
    fn pack(values: &[f32]) -> Result<(Codes, Vec<f32>), CountsError> {
        let n = values.len() as u64;
        let (n_wide_u8, n_wide_u16) = n_wide(values);
        let least = value_bytes(n, n_wide_u8, n_wide_u16);
        if least == n + 4 * n_wide_u8 {
            let mut codes = reserved(values.len())?;
            codes.extend(values.iter().map(|value| code_u8(*value)));
            let mut wide = reserved(n_wide_u8 as usize)?;
            wide.extend(values.iter().filter(|value| code_u8(**value) == 0));
            return Ok((Codes::U8(codes), wide));
        }
        if least == 2 * n + 4 * n_wide_u16 {
            let mut codes = reserved(values.len())?;
            codes.extend(values.iter().map(|value| code_u16(*value)));
            let mut wide = reserved(n_wide_u16 as usize)?;
            wide.extend(values.iter().filter(|value| code_u16(**value) == 0));
            return Ok((Codes::U16(codes), wide));
        }
        let mut codes = reserved(values.len())?;
        codes.extend_from_slice(values);
        Ok((Codes::F32(codes), Vec::new()))
    }

    fn n_bytes(&self) -> u64 {
        match self {
            Codes::U8(codes) => codes.capacity() as u64,
            Codes::U16(codes) => 2 * codes.capacity() as u64,
            Codes::F32(codes) => 4 * codes.capacity() as u64,
        }
    }

    /// How many of a range have no code of their own.
    fn n_wide(&self, range: std::ops::Range<usize>) -> usize {
        match self {
            Codes::U8(codes) => codes[range].iter().filter(|code| **code == 0).count(),
            Codes::U16(codes) => codes[range].iter().filter(|code| **code == 0).count(),
            Codes::F32(_) => 0,
        }
    }
}

/// At most [`BLOCK_ROWS`] rows.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Where each row begins among the values and among the wide ones, and where the last ends.
    starts: Vec<(usize, usize)>,
    genes: Genes,
    codes: Codes,
    wide: Vec<f32>,
}

impl Block {
    /// Packs rows that end at `ends` among `genes` and `values`.
    pub(crate) fn pack(ends: &[usize], genes: &[u32], values: &[f32], n_genes: usize) -> Result<Block, CountsError> {
        let (codes, wide) = Codes::pack(values)?;
        let mut starts = reserved(ends.len() + 1)?;
        let mut start = (0, 0);
        starts.push(start);
        for &end in ends {
            start = (end, start.1 + codes.n_wide(start.0..end));
            starts.push(start);
        }
        Ok(Block { starts, genes: Genes::pack(genes, n_genes)?, codes, wide })
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Bytes of its own and of what it points to.
    pub(crate) fn n_bytes(&self) -> u64 {
        let starts = self.starts.capacity() * size_of::<(usize, usize)>();
        let own = size_of::<Self>() + starts + 4 * self.wide.capacity();
        own as u64 + self.genes.n_bytes() + self.codes.n_bytes()
    }

    pub(crate) fn row(&self, row: usize, change: Change) -> Row<'_> {
        let ((start, wide_start), (end, wide_end)) = (self.starts[row], self.starts[row + 1]);
        let genes = match &self.genes {
            Genes::U16(genes) => GeneIter::U16(genes[start..end].iter()),
            Genes::U32(genes) => GeneIter::U32(genes[start..end].iter()),
        };
        let codes = match &self.codes {
            Codes::U8(codes) => CodeIter::U8(codes[start..end].iter(), change.of_small_counts(end - start)),
            Codes::U16(codes) => CodeIter::U16(codes[start..end].iter()),
            Codes::F32(codes) => CodeIter::F32(codes[start..end].iter()),
        };
        Row { genes, codes, wide: self.wide[wide_start..wide_end].iter(), change }
    }
}

/// What is done to each value of a row as it is unpacked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    /// Each value is multiplied by this in f64, then rounded to f32.
    pub(crate) factor: Option<f64>,
    /// Then `x` becomes `ln(1 + x)`.
    pub(crate) is_logged: bool,
}

/// Counts below this are changed once a row, not once a value: they are nine tenths of all.
const N_SMALL: usize = 16;

impl Change {
    pub(crate) const NONE: Change = Change { factor: None, is_logged: false };

    #[inline]
    fn of(self, value: f32) -> f32 {
        let scaled = self.factor.map_or(value, |factor| (f64::from(value) * factor) as f32);
        if self.is_logged { scaled.ln_1p() } else { scaled }
    }

    /// The small counts of a row of `n` values, changed; fewer of them where a row is too short to repay it.
    fn of_small_counts(self, n: usize) -> Small {
        let n = N_SMALL.min(n / 4);
        Small { n, changed: std::array::from_fn(|count| if count < n { self.of(count as f32) } else { 0.0 }) }
    }
}

/// What the counts below `n` become.
#[derive(Debug, Clone)]
struct Small {
    n: usize,
    changed: [f32; N_SMALL],
}

#[derive(Debug, Clone)]
enum GeneIter<'a> {
    U16(Iter<'a, u16>),
    U32(Iter<'a, u32>),
}

#[derive(Debug, Clone)]
enum CodeIter<'a> {
    U8(Iter<'a, u8>, Small),
    U16(Iter<'a, u16>),
    F32(Iter<'a, f32>),
}

/// The genes of a cell, ascending, each with its value; none of the values stored is zero.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    genes: GeneIter<'a>,
    codes: CodeIter<'a>,
    wide: Iter<'a, f32>,
    change: Change,
}

impl<'a> Row<'a> {
    /// The values alone.
    pub fn values(self) -> impl ExactSizeIterator<Item = f32> + use<'a> {
        self.map(|(_, value)| value)
    }

    /// The genes alone.
    pub fn genes(self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.map(|(gene, _)| gene)
    }
}

impl Iterator for Row<'_> {
    type Item = (u32, f32);

    #[inline]
    fn next(&mut self) -> Option<(u32, f32)> {
        let gene = match &mut self.genes {
            GeneIter::U16(genes) => u32::from(*genes.next()?),
            GeneIter::U32(genes) => *genes.next()?,
        };
        let value = match &mut self.codes {
            CodeIter::U8(codes, small) => match usize::from(*codes.next()?) {
                0 => *self.wide.next()?,
                code if code < small.n => return Some((gene, small.changed[code])),
                code => code as f32,
            },
            CodeIter::U16(codes) => match *codes.next()? {
                0 => *self.wide.next()?,
                code => f32::from(code),
            },
            CodeIter::F32(codes) => *codes.next()?,
        };
        Some((gene, self.change.of(value)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = match &self.genes {
            GeneIter::U16(genes) => genes.len(),
            GeneIter::U32(genes) => genes.len(),
        };
        (n, Some(n))
    }

    /// As `next` after `next`, but the widths are looked at once a row: `for_each` and sums run several times faster.
    fn fold<B, F: FnMut(B, (u32, f32)) -> B>(self, first: B, mut f: F) -> B {
        match self.genes.clone() {
            GeneIter::U16(genes) => {
                self.fold_values(genes, first, |so_far, gene, value| f(so_far, (u32::from(*gene), value)))
            }
            GeneIter::U32(genes) => self.fold_values(genes, first, |so_far, gene, value| f(so_far, (*gene, value))),
        }
    }
}

impl<'a> Row<'a> {
    fn fold_values<G, B>(self, genes: impl Iterator<Item = G>, first: B, mut f: impl FnMut(B, G, f32) -> B) -> B {
        let Row { codes, mut wide, change, .. } = self;
        // There are as many wide values as codes that stand for one.
        let mut wide = || wide.next().copied().unwrap_or_default();
        match codes {
            CodeIter::U8(codes, small) => genes.zip(codes).fold(first, |so_far, (gene, &code)| {
                let value = match usize::from(code) {
                    0 => change.of(wide()),
                    code if code < small.n => small.changed[code],
                    code => change.of(code as f32),
                };
                f(so_far, gene, value)
            }),
            CodeIter::U16(codes) => genes.zip(codes).fold(first, |so_far, (gene, &code)| {
                f(so_far, gene, change.of(if code == 0 { wide() } else { f32::from(code) }))
            }),
            CodeIter::F32(codes) => {
                genes.zip(codes).fold(first, |so_far, (gene, &code)| f(so_far, gene, change.of(code)))
            }
        }
    }
}

impl ExactSizeIterator for Row<'_> {}
