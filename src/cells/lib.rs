//! Bytes to prepared cells: sources, readers, counts, preparation.
//!
//! Reading order: [`source`] (random access to bytes), [`read`] (a format is planned from its metadata, then read in
//! windows of bounded size), [`counts`] and [`data`] (what comes out), [`labels`] (what was done to the cells), [`check`]
//! (is this counts?), [`prepare`] (pure steps), [`split`] (what is learnt from and what is held back),
//! [`write`](mod@write).
//!
//! Deliberately absent: file paths, threads, tensors, JavaScript. Formats that are not read: zarr, Seurat and RDS,
//! parquet, and HDF5 chunks behind third-party filters (zstd, blosc, lz4, bitshuffle); each is named in
//! the error that refuses it. Preparation steps beyond quality, `normalize_total` and `log1p` are not here either.

pub mod check;
pub mod counts;
pub mod data;
pub mod genes;
pub mod labels;
pub mod prepare;
pub mod read;
pub mod source;
pub mod split;
pub mod write;
