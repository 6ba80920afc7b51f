//! The linear model of Ahlmann-Eltze and others (spec §7.4): `ŷ = G K p + b + y₀`, where G embeds genes by the principal
//! components of the training profiles and p is the embedding of the perturbed gene, from G itself or from vectors.
//!
//! `K = (GᵀG + λ)⁻¹ Gᵀ (Δ - b) Pᵀ (PPᵀ + λ)⁻¹`, b the mean change over the training columns, of which control (no
//! change, no embedding) is one. The sign of a component does not matter: it is in G and P alike, or in K.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// Components by default.
pub const N_COMPONENTS: usize = 10;
/// λ by default.
pub const PENALTY: f64 = 0.1;

/// A fitted bilinear model.
#[derive(Debug, Clone)]
pub struct Bilinear {
    /// Genes × components.
    genes: Mat<f64>,
    /// Genes × features of a perturbation.
    slopes: Mat<f64>,
    /// Mean change over the training columns.
    offset: Vec<f64>,
}

impl Bilinear {
    /// Fits training responses: mean profiles of the perturbed cells (not changes) and of control, and per perturbation
    /// the column of its gene. One without a column (not measured) has no embedding and is left out of the fit.
    ///
    /// None without such perturbations, where lengths differ, or where a value is not finite.
    pub fn fit(
        control: &[f32],
        means: &[&[f32]],
        perturbed: &[Option<usize>],
        n_components: usize,
        penalty: f64,
    ) -> Option<Self> {
        let kept = kept(control, means, perturbed)?;
        let genes = components(control, &kept, n_components)?;
        let n_features = genes.ncols();
        let embedded = Mat::from_fn(n_features, kept.len() + 1, |feature, column| match column {
            0 => 0.0,
            column => genes[(kept[column - 1].1, feature)],
        });
        Self::with(control, &kept, genes, &embedded, penalty)
    }

    /// The same with vectors of the perturbations in place of the genes' own embedding (random ones, GO, another line).
    ///
    /// None as [`Bilinear::fit`], and where vectors differ in length.
    pub fn fit_vectors(
        control: &[f32],
        means: &[&[f32]],
        vectors: &[&[f32]],
        n_components: usize,
        penalty: f64,
    ) -> Option<Self> {
        let kept = kept(control, means, &vec![Some(0); means.len()])?;
        let n_features = vectors.first()?.len();
        if vectors.len() != means.len() || vectors.iter().any(|vector| vector.len() != n_features) {
            return None;
        }
        let genes = components(control, &kept, n_components)?;
        let embedded = Mat::from_fn(n_features, kept.len() + 1, |feature, column| match column {
            0 => 0.0,
            column => f64::from(vectors[column - 1][feature]),
        });
        Self::with(control, &kept, genes, &embedded, penalty)
    }

    fn with(
        control: &[f32],
        kept: &[(&[f32], usize)],
        genes: Mat<f64>,
        embedded: &Mat<f64>,
        penalty: f64,
    ) -> Option<Self> {
        let n_columns = kept.len() + 1;
        let mut change = Mat::<f64>::zeros(control.len(), n_columns);
        for (column, (mean, _)) in kept.iter().enumerate() {
            for (gene, (&value, &still)) in mean.iter().zip(control).enumerate() {
                change[(gene, column + 1)] = f64::from(value) - f64::from(still);
            }
        }
        let mut offset = vec![0.0; control.len()];
        for (gene, offset) in offset.iter_mut().enumerate() {
            *offset = (0..n_columns).map(|column| change[(gene, column)]).sum::<f64>() / n_columns as f64;
            for column in 0..n_columns {
                change[(gene, column)] -= *offset;
            }
        }
        let left = solved(&(genes.transpose() * &genes), &(genes.transpose() * &change), penalty)?;
        // X (PPᵀ + λ)⁻¹ is the transpose of (PPᵀ + λ)⁻¹ Xᵀ, as that matrix is symmetric.
        let products = (&left * embedded.transpose()).transpose().to_owned();
        let coefficients = solved(&(embedded * embedded.transpose()), &products, penalty)?.transpose().to_owned();
        let slopes = &genes * &coefficients;
        Some(Self { genes, slopes, offset })
    }

    /// Change predicted for the perturbation of the gene in a column; none for a gene that is not measured, where the
    /// mean of training has to do.
    pub fn predict_gene(&self, gene: usize) -> Option<Vec<f32>> {
        if gene >= self.genes.nrows() || self.slopes.ncols() != self.genes.ncols() {
            return None;
        }
        let vector: Vec<f64> = (0..self.genes.ncols()).map(|feature| self.genes[(gene, feature)]).collect();
        Some(self.change(&vector))
    }

    /// Change predicted for a vector; none for one of another length.
    pub fn predict_vector(&self, vector: &[f32]) -> Option<Vec<f32>> {
        (vector.len() == self.slopes.ncols()).then(|| self.change(&crate::eval::pairs::widen(vector)))
    }

    fn change(&self, vector: &[f64]) -> Vec<f32> {
        let of = |(gene, offset): (usize, &f64)| {
            (offset + vector.iter().enumerate().map(|(at, v)| self.slopes[(gene, at)] * v).sum::<f64>()) as f32
        };
        self.offset.iter().enumerate().map(of).collect()
    }
}

/// Perturbations with an embedding, and the columns of their genes.
fn kept<'a>(control: &[f32], means: &[&'a [f32]], perturbed: &[Option<usize>]) -> Option<Vec<(&'a [f32], usize)>> {
    let differs = means.iter().any(|mean| mean.len() != control.len());
    let is_bad = |row: &[f32]| row.iter().any(|value| !value.is_finite());
    if differs || means.len() != perturbed.len() || is_bad(control) || means.iter().any(|mean| is_bad(mean)) {
        return None;
    }
    let kept: Vec<(&[f32], usize)> = means
        .iter()
        .zip(perturbed)
        .filter_map(|(&mean, gene)| gene.filter(|&gene| gene < control.len()).map(|gene| (mean, gene)))
        .collect();
    (!kept.is_empty()).then_some(kept)
}

/// Scores of the genes on the first components of the training columns, each column centred over the genes. By the
/// eigenvectors of the small matrix of the columns' products.
fn components(control: &[f32], kept: &[(&[f32], usize)], n_components: usize) -> Option<Mat<f64>> {
    let columns: Vec<&[f32]> = std::iter::once(control).chain(kept.iter().map(|(mean, _)| *mean)).collect();
    let n = columns.len();
    let mut centred = Mat::from_fn(control.len(), n, |gene, column| f64::from(columns[column][gene]));
    for column in 0..n {
        let mean = (0..control.len()).map(|gene| centred[(gene, column)]).sum::<f64>() / control.len().max(1) as f64;
        for gene in 0..control.len() {
            centred[(gene, column)] -= mean;
        }
    }
    let products = centred.transpose() * &centred;
    let decomposed = products.self_adjoint_eigen(Side::Lower).ok()?;
    // Eigenvalues ascend.
    let n_kept = n_components.min(n).min(control.len());
    let vectors = decomposed.U();
    let first = Mat::from_fn(n, n_kept, |row, component| vectors[(row, n - 1 - component)]);
    (n_kept > 0).then(|| &centred * &first)
}

/// `(matrix + penalty)⁻¹ right` for a symmetric matrix without negative eigenvalues.
fn solved(matrix: &Mat<f64>, right: &Mat<f64>, penalty: f64) -> Option<Mat<f64>> {
    let n = matrix.nrows();
    let added = Mat::from_fn(n, n, |i, j| matrix[(i, j)] + if i == j { penalty } else { 0.0 });
    Some(added.llt(Side::Lower).ok()?.solve(right))
}
