//! Bytes to prepared cells: sources, readers, counts, preparation.
//!
//! Reading order: [`source`] (random access to bytes), [`read`] (a format is planned from its metadata, then read in
//! windows of bounded size), [`counts`] and [`data`] (what comes out), [`labels`] (what was done to the cells), [`check`]
//! (is this counts?), [`prepare`] (pure steps), [`split`] (what is learnt from and what is held back),
//! [`write`](mod@write).
//!
//! Deliberately absent: file paths, threads, tensors, JavaScript. Formats that are not read: Seurat and RDS,
//! parquet, h5mu, and HDF5 chunks behind rarer filters (nbit, bzip2, zfp, blosc2); each is named in the error that
//! refuses it. Maps, neighbours and groups of cells are made elsewhere, from rows of numbers.

pub mod check;
pub mod counts;
pub mod data;
pub mod genes;
pub mod labels;
pub mod prepare;
pub mod read;
pub mod source;
pub mod split;
pub mod totals;
pub mod write;
