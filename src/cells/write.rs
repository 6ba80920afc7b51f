//! Cells to bytes. [`h5ad`] alone; other formats come later.

pub mod h5ad;
