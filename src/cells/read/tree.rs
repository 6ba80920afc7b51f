//! Groups, arrays and attributes by path, in HDF5 or in zarr: AnnData lays itself out alike in both.

use std::collections::HashMap;

use hdf5_pure::AttrValue;

use crate::read::array::Array;
use crate::read::error::ReadError;
use crate::read::hdf5::H5;
use crate::read::zarr::Zarr;

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dataset,
    Group,
}

/// An open hierarchy.
pub(crate) enum Tree {
    Hdf5(H5),
    Zarr(Zarr),
}

impl Tree {
    /// What lies at a path, if anything.
    pub(crate) fn kind(&self, path: &str) -> Result<Option<Kind>, ReadError> {
        match self {
            Tree::Hdf5(h5) => h5.kind(path),
            Tree::Zarr(zarr) => Ok(zarr.kind(path)),
        }
    }

    /// Whether there is something at a path.
    pub(crate) fn has(&self, path: &str) -> Result<bool, ReadError> {
        Ok(self.kind(path)?.is_some())
    }

    /// Names of the datasets and groups in a group.
    pub(crate) fn children(&self, path: &str) -> Result<(Vec<String>, Vec<String>), ReadError> {
        match self {
            Tree::Hdf5(h5) => h5.children(path),
            Tree::Zarr(zarr) => Ok(zarr.children(path)),
        }
    }

    /// Attributes of the dataset or group at a path.
    pub(crate) fn attributes(&self, path: &str) -> Result<HashMap<String, AttrValue>, ReadError> {
        match self {
            Tree::Hdf5(h5) => h5.attributes(path),
            Tree::Zarr(zarr) => Ok(zarr.attributes(path)),
        }
    }

    /// A dataset.
    pub(crate) fn array(&self, path: &str) -> Result<Array, ReadError> {
        match self {
            Tree::Hdf5(h5) => h5.array(path),
            Tree::Zarr(zarr) => zarr.array(path),
        }
    }

    /// A number of cells or genes that an object claims: they are numbered with 32 bits, and a file cannot hold more
    /// than its size allows.
    pub(crate) fn extent(&self, object: &str, extent: u64) -> Result<usize, ReadError> {
        match self {
            Tree::Hdf5(h5) => h5.extent(object, extent),
            Tree::Zarr(zarr) => zarr.extent(object, extent),
        }
    }
}
