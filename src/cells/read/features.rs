//! Features of a 10x matrix that are of several types or genomes: each is a matrix of its own, beside the whole.

use spec::dataset::MatrixInfo;

use crate::read::error::listed;
use crate::read::selection::Columns;

/// Types of feature or genomes that are told apart, at most.
const MAX_VIEWS: usize = 16;

/// Ends the name of the matrix of genes alone, in a file that has other features too.
pub(crate) const GENES_ALONE: &str = ": Gene Expression";

/// Some features of a matrix, as a matrix of their own.
pub(crate) struct View {
    pub(crate) info: MatrixInfo,
    /// Their places among all features, ascending.
    features: Vec<u32>,
    n_all: usize,
}

impl View {
    /// A view of `whole` for each name that features have; none where all have the same, or where they are too many.
    pub(crate) fn of_each(whole: &MatrixInfo, codes: &[Option<u32>], names: &[String]) -> Vec<View> {
        // Features without a genome, as antibodies are, are no genome of their own.
        let named: Vec<usize> = (0..names.len()).filter(|code| !names[*code].is_empty()).collect();
        if codes.len() != whole.n_genes || !(2..=MAX_VIEWS).contains(&named.len()) {
            return Vec::new();
        }
        let view = |code: usize| {
            let features = codes.iter().zip(0..).filter(|(of, _)| **of == Some(code as u32));
            let features: Vec<u32> = features.map(|(_, feature)| feature).collect();
            let name = format!("{}: {}", whole.name, names[code]);
            View { info: MatrixInfo { name, n_genes: features.len(), ..whole.clone() }, features, n_all: whole.n_genes }
        };
        named.into_iter().map(view).collect()
    }

    /// Of names of all features those of the view.
    pub(crate) fn pick(&self, names: &[String]) -> Vec<String> {
        self.features.iter().filter_map(|feature| names.get(*feature as usize).cloned()).collect()
    }

    /// The columns of the view as those of the whole.
    pub(crate) fn in_whole(&self, columns: &Columns) -> Columns {
        columns.of_view(self.n_all, &self.features)
    }
}

/// A warning about features that are not genes, if there are any.
pub(crate) fn other_features(codes: &[Option<u32>], names: &[String]) -> Option<String> {
    let others: Vec<String> = names
        .iter()
        .enumerate()
        .filter(|(_, name)| *name != "Gene Expression" && !name.is_empty())
        .map(|(code, name)| {
            let n = codes.iter().filter(|of_feature| **of_feature == Some(code as u32)).count();
            format!("{n} of type {name}")
        })
        .collect();
    (!others.is_empty()).then(|| {
        format!("not all features are genes: {} are read along, unless another matrix is chosen", listed(&others, 5))
    })
}
