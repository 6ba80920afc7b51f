//! The map of a population of cells: principal components.
