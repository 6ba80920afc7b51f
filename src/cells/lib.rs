//! Bytes to prepared cells: sources, readers, counts, preparation.
