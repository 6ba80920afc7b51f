//! From prepared cells to the map of a population.
//!
//! Today: principal components. Neighbours, UMAP, clusters and markers are absent until they can be held against scanpy.
//! Nothing here knows a model: latent states are rows of numbers like any other.

pub mod pca;
