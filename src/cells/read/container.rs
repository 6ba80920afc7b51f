//! What every format offers once it is open; [`crate::read`] does the rest for all of them alike.

use spec::dataset::{CellUnit, FileFormat, MatrixInfo};

use crate::genes::GeneNames;
use crate::read::beside::Beside;
use crate::read::error::ReadError;
use crate::read::frame::Column;
use crate::read::matrix::MatrixReader;
use crate::read::rows::Rows;
use crate::read::selection::Columns;

/// An open file of any format.
pub(crate) trait Container: Send + Sync {
    /// What it is.
    fn format(&self) -> FileFormat;

    /// The matrices in it, at least one; the first is the default.
    fn matrices(&self) -> &[MatrixInfo];

    /// Names of the genes of a matrix.
    fn genes(&self, matrix: usize) -> Result<GeneNames, ReadError>;

    /// Names of the first genes, as the file has them.
    fn first_genes(&self, matrix: usize, count: usize) -> Result<Vec<String>, ReadError>;

    /// Names of the cells of a matrix.
    fn barcodes(&self, matrix: usize) -> Result<Vec<String>, ReadError>;

    /// Names of the columns of `obs`.
    fn columns(&self) -> &[String];

    /// A column of `obs`; none where it is of a kind that is not read.
    fn column(&self, name: &str) -> Result<Option<Column>, ReadError>;

    /// Columns of `var` of a matrix; what cannot be read of them is left out, and formats without such a table have none.
    fn var(&self, _matrix: usize) -> Result<Vec<(String, Column)>, ReadError> {
        Ok(Vec::new())
    }

    /// What one row is.
    fn unit(&self) -> CellUnit;

    /// Warnings from opening.
    fn warnings(&self) -> &[String];

    /// Values that the given rows hold in the given columns, where the metadata tell: exactly, or at most. Where they do
    /// not tell the values of each gene, about so many, by the first values of the matrix.
    fn n_values(&self, matrix: usize, rows: &Rows, columns: &Columns) -> Result<u64, ReadError>;

    /// The first values of a matrix, at most [`SAMPLE_VALUES`](crate::read::plan::SAMPLE_VALUES); none where they cannot
    /// be had at little cost.
    fn sample(&self, _matrix: usize) -> Option<Vec<f32>> {
        None
    }

    /// Bytes that reading a matrix takes beside its result and what [`plan`](crate::read::plan) counts.
    fn bytes_beside(&self, _matrix: usize) -> u64 {
        0
    }

    /// What lies beside the matrices, of some cells. `budget` bounds its bytes.
    fn beside(&self, _rows: &Rows, _budget: u64) -> Result<Beside, ReadError> {
        Ok(Beside::default())
    }

    /// Begins to read a matrix. `budget` bounds the bytes of the result.
    fn reader(
        &self,
        matrix: usize,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Box<dyn MatrixReader + '_>, ReadError>;
}
