//! szip as HDF5 has it: Rice coding of CCSDS 121.0-B in blocks of a few samples, by scanlines.
//!
//! Samples are mapped differences from the one before, unless the settings say otherwise. Each block says how it is
//! coded: all zero, in pairs, as numbers split into a unary and a binary part, or not at all. Words of 32 and 64 bits are
//! coded as bytes, the first of all words before the second of all.

use crate::read::codec::{Decoded, little_u32, too_long};

const MSB_FIRST: usize = 16;
const IS_MAPPED: usize = 32;

/// The run of blocks of zeros whose code means that the rest of the segment is zero.
const REST_OF_SEGMENT: usize = 5;
/// Blocks of a segment.
const SEGMENT: usize = 64;
/// The largest code of a pair of samples.
const MOST_PAIR: u32 = 90;

/// How a dataset was coded, from the settings of its filter.
#[derive(Debug, Clone, Copy)]
struct Coding {
    is_msb_first: bool,
    is_mapped: bool,
    block_len: usize,
    sample_bits: u32,
    scanline: usize,
    /// Bytes of the words that were coded byte by byte; 1 where samples are whole.
    word_bytes: usize,
}

impl Coding {
    /// Options, samples of a block, bits of a sample, samples of a scanline.
    fn of([options, block_len, bits, scanline]: [usize; 4]) -> Result<Coding, String> {
        let (sample_bits, word_bytes) = match bits {
            32 => (8, 4),
            64 => (8, 8),
            1..=24 => (bits as u32, 1),
            _ => return Err(format!("is coded by szip in {bits} bits, which cannot be")),
        };
        if !(2..=64).contains(&block_len) || !block_len.is_multiple_of(2) || !(1..=1 << 16).contains(&scanline) {
            return Err(format!("is coded by szip in blocks of {block_len} and lines of {scanline}, which cannot be"));
        }
        let (is_msb_first, is_mapped) = (options & MSB_FIRST != 0, options & IS_MAPPED != 0);
        Ok(Coding { is_msb_first, is_mapped, block_len, sample_bits, scanline, word_bytes })
    }

    fn sample_bytes(self) -> usize {
        match self.sample_bits {
            0..=8 => 1,
            9..=16 => 2,
            _ => 4,
        }
    }

    /// Bits of the number that says how a block is coded.
    fn id_bits(self) -> u32 {
        match self.sample_bits {
            0..=8 => 3,
            9..=16 => 4,
            _ => 5,
        }
    }

    fn largest(self) -> u32 {
        (1 << self.sample_bits) - 1
    }
}

/// A chunk: its length, then its scanlines. `settings` are those of the filter.
pub(crate) fn decode(bytes: &[u8], settings: [usize; 4], limit: usize) -> Decoded {
    let coding = Coding::of(settings)?;
    let length = little_u32(bytes, 0).ok_or("is too short for its length before szip data")? as usize;
    if length > limit {
        return Err(too_long("szip", limit));
    }
    if !length.is_multiple_of(coding.sample_bytes() * coding.word_bytes) {
        return Err(format!("holds {length} bytes behind szip, which is no whole number of values"));
    }
    let mut bits = Bits { bytes: &bytes[4..], at: 0 };
    let (mut whole, mut line) = (Vec::new(), Vec::new());
    while whole.len() < length {
        let n_left = (length - whole.len()) / coding.sample_bytes();
        read_line(&mut bits, coding, n_left.min(coding.scanline), &mut line)?;
        for sample in &line {
            match (coding.sample_bytes(), coding.is_msb_first) {
                (1, _) => whole.push(*sample as u8),
                (2, true) => whole.extend((*sample as u16).to_be_bytes()),
                (2, false) => whole.extend((*sample as u16).to_le_bytes()),
                (_, true) => whole.extend(sample.to_be_bytes()),
                (_, false) => whole.extend(sample.to_le_bytes()),
            }
        }
    }
    Ok(if coding.word_bytes > 1 { words(&whole, coding.word_bytes) } else { whole })
}

/// Words from all their first bytes, then all their second, and so on.
fn words(bytes: &[u8], word_bytes: usize) -> Vec<u8> {
    let n_words = bytes.len() / word_bytes;
    (0..bytes.len()).map(|at| bytes[at % word_bytes * n_words + at / word_bytes]).collect()
}

/// Reads the blocks of a scanline, whose last is filled up, and keeps `n` samples.
fn read_line(bits: &mut Bits<'_>, coding: Coding, n: usize, line: &mut Vec<u32>) -> Result<(), String> {
    line.clear();
    let n_blocks = coding.scanline.div_ceil(coding.block_len);
    while line.len() < n {
        read_block(bits, coding, n_blocks, line)?;
    }
    if coding.is_mapped {
        unmap(line, coding.largest());
    }
    line.truncate(n);
    Ok(())
}

fn read_block(bits: &mut Bits<'_>, coding: Coding, n_blocks: usize, line: &mut Vec<u32>) -> Result<(), String> {
    let done = line.len() / coding.block_len;
    let id = bits.take(coding.id_bits())?;
    let is_raw = id == (1 << coding.id_bits()) - 1;
    let is_paired = id == 0 && bits.take(1)? == 1;
    // The first sample of a line is itself, and the others follow from it.
    if coding.is_mapped && line.is_empty() && !is_raw {
        line.push(bits.take(coding.sample_bits)?);
    }
    let end = (done + 1) * coding.block_len;
    if is_raw {
        while line.len() < end {
            line.push(bits.take(coding.sample_bits)?);
        }
    } else if is_paired {
        while line.len() < end {
            let code = bits.unary()?;
            if code > MOST_PAIR {
                return Err("is damaged within its szip data".into());
            }
            let sum = (0..).take_while(|sum| sum * (sum + 1) / 2 <= code).last().unwrap_or(0);
            let second = code - sum * (sum + 1) / 2;
            // The second of a pair may stand behind the first sample of a line.
            if line.len().is_multiple_of(2) {
                line.push(sum - second);
            }
            line.push(second);
        }
    } else if id == 0 {
        let run = bits.unary()? as usize + 1;
        let n_zero = match run {
            REST_OF_SEGMENT => (n_blocks - done.min(n_blocks)).min(SEGMENT - done % SEGMENT),
            run if run > REST_OF_SEGMENT => run - 1,
            run => run,
        };
        if n_zero == 0 || done + n_zero > n_blocks {
            return Err("is damaged within its szip data".into());
        }
        line.resize((done + n_zero) * coding.block_len, 0);
    } else {
        let (start, low_bits) = (line.len(), id - 1);
        while line.len() < end {
            let high = bits.unary()?;
            line.push(high.checked_shl(low_bits).unwrap_or(0));
        }
        for sample in &mut line[start..] {
            *sample |= bits.take(low_bits)?;
        }
    }
    Ok(())
}

/// Differences back to samples of 0 to `largest`: small ones lie on both sides of the sample before, by turns, and those
/// that only one side has room for follow.
fn unmap(line: &mut [u32], largest: u32) {
    let Some((first, rest)) = line.split_first_mut() else { return };
    let mut before = *first;
    for sample in rest {
        let code = *sample;
        let room = before.min(largest - before);
        before = if code.div_ceil(2) <= room {
            if code.is_multiple_of(2) { before + code / 2 } else { before - code.div_ceil(2) }
        } else if before <= largest / 2 {
            code.min(largest)
        } else {
            largest - code.min(largest)
        };
        *sample = before;
    }
}

/// Bits of bytes, the most significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits taken.
    at: usize,
}

impl Bits<'_> {
    /// The next `n` bits as a number, 32 at most.
    fn take(&mut self, n: u32) -> Result<u32, String> {
        let mut number = 0u64;
        let mut left = n as usize;
        while left > 0 {
            let byte = *self.bytes.get(self.at / 8).ok_or("ends within its szip data")?;
            let there = 8 - self.at % 8;
            let taken = there.min(left);
            let part = (u64::from(byte) >> (there - taken)) & ((1 << taken) - 1);
            number = number << taken | part;
            (self.at, left) = (self.at + taken, left - taken);
        }
        Ok(number as u32)
    }

    /// How many zeros stand before the next one, which is passed over.
    fn unary(&mut self) -> Result<u32, String> {
        let mut n_zeros = 0;
        loop {
            let byte = *self.bytes.get(self.at / 8).ok_or("ends within its szip data")?;
            let rest = byte << (self.at % 8);
            if rest != 0 {
                let zeros = rest.leading_zeros();
                self.at += zeros as usize + 1;
                return Ok(n_zeros + zeros);
            }
            let passed = 8 - self.at % 8;
            n_zeros += passed as u32;
            self.at += passed;
        }
    }
}
