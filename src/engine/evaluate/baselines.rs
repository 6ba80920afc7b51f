//! The simple methods, always on: each learns from the training perturbations of a fold alone, and chooses its penalty by
//! holding back some of those.

use jepa::anchor::own_share;
use jepa::eval::baselines::bilinear::{Bilinear, N_COMPONENTS, PENALTY};
use jepa::eval::baselines::means::{Weighting, additive, nearest_mean, weighted_mean};
use jepa::eval::baselines::ridge::{Known, Ridge, chosen_within};
use jepa::eval::baselines::{KernelRidge, nearest_neighbour};
use spec::evaluation::MethodKind;

use super::Answers;
use super::folds::Fold;
use super::screen::Screen;
use crate::checkpoint::TRAINING_MEAN;

/// Parts that a penalty is chosen by, where targets are many.
const N_PARTS: usize = 10;
/// Baselines there are.
pub(super) const N_MOST: usize = 11;

/// A simple method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Baseline {
    NoChange,
    Mean(Weighting),
    MeanWithOwnGene,
    Additive,
    Nearest(usize),
    LinearOnGenes,
    LinearOnVectors,
    Ridge,
    KernelRidge,
}

/// What has been learnt in a fold.
enum Fitted<'a> {
    Bilinear(Option<Bilinear>),
    Ridge(Option<Ridge>),
    Kernel(Option<KernelRidge>),
    Known { vectors: Vec<&'a [f32]>, deltas: Vec<&'a [f32]> },
    OwnGene { mean: Vec<f32>, share: f32 },
    Nothing,
}

impl Baseline {
    /// Those that these data allow.
    pub fn of(screen: &Screen<'_>, folds: &[Fold]) -> Vec<Baseline> {
        let mut all = vec![Self::NoChange, Self::Mean(Weighting::Perturbations), Self::Mean(Weighting::Cells)];
        let is_own = |&at: &usize| screen.targets[at].own_gene.is_some();
        all.extend(folds.iter().flat_map(|fold| &fold.test).any(is_own).then_some(Self::MeanWithOwnGene));
        let tests_several = folds.iter().flat_map(|fold| &fold.test).any(|&at| screen.targets[at].parts.len() > 1);
        all.extend(tests_several.then_some(Self::Additive));
        all.push(Self::LinearOnGenes);
        if screen.bank.is_some() {
            all.extend([Self::Nearest(1), Self::Nearest(5), Self::LinearOnVectors, Self::Ridge, Self::KernelRidge]);
        }
        all
    }

    fn name(self) -> &'static str {
        match self {
            Self::NoChange => "no change",
            Self::Mean(Weighting::Perturbations) => TRAINING_MEAN,
            Self::Mean(Weighting::Cells) => "training mean by cells",
            Self::MeanWithOwnGene => "training mean, own gene",
            Self::Additive => "additive",
            Self::Nearest(1) => "nearest neighbour",
            Self::Nearest(_) => "5 nearest neighbours",
            Self::LinearOnGenes => "linear on genes",
            Self::LinearOnVectors => "linear on vectors",
            Self::Ridge => "ridge",
            Self::KernelRidge => "kernel ridge",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::NoChange => "The mean control cell: nothing happens.",
            Self::Mean(Weighting::Perturbations) => {
                "The mean response to the training perturbations, each counting alike."
            }
            Self::Mean(Weighting::Cells) => "The mean response of all perturbed training cells, each counting alike.",
            Self::MeanWithOwnGene => {
                "The training mean, in which the perturbed gene's own transcript falls by the share by which the others' did: what \
                 is known of a knockdown without knowing the gene."
            }
            Self::Additive => {
                "The responses to the single perturbations added; one that was not seen counts as the mean of training."
            }
            Self::Nearest(1) => "The response to the training perturbation whose vector is most alike.",
            Self::Nearest(_) => "The mean response to the five training perturbations whose vectors are most alike.",
            Self::LinearOnGenes => {
                "The bilinear model of Ahlmann-Eltze and others: perturbed genes described by the components of expression."
            }
            Self::LinearOnVectors => "The same with the perturbations' vectors in place of components.",
            Self::Ridge => "Ridge regression from the perturbations' vectors, its penalty chosen within training.",
            Self::KernelRidge => "Kernel ridge on the perturbations' vectors, its penalty chosen within training.",
        }
    }

    /// What it says of everything that is tested.
    pub fn answers(self, screen: &Screen<'_>, folds: &[Fold]) -> Answers {
        let mut answers = Answers::new(self.name(), MethodKind::Baseline, self.about(), screen.targets.len());
        for fold in folds {
            let fallback = training_mean(screen, fold, self.weighting());
            let fitted = self.fit(screen, fold);
            for &at in &fold.test {
                let answer = self.answer(screen, fold, &fitted, at, &fallback);
                answers.note.n_fallback += usize::from(answer.is_none());
                answers.deltas[at] = Some(answer.unwrap_or_else(|| fallback.clone()));
            }
        }
        answers
    }

    fn weighting(self) -> Weighting {
        if let Self::Mean(weighting) = self { weighting } else { Weighting::Perturbations }
    }

    fn fit<'a>(self, screen: &'a Screen<'_>, fold: &Fold) -> Fitted<'a> {
        let with_vectors = fold.train.iter().map(|&at| &screen.targets[at]);
        let known: Vec<(&[f32], &[f32], &[f32])> = with_vectors
            .filter_map(|target| {
                Some((target.vector.as_deref()?, target.response.delta.as_slice(), target.mean.as_slice()))
            })
            .collect();
        let vectors: Vec<&[f32]> = known.iter().map(|(vector, ..)| *vector).collect();
        let deltas: Vec<&[f32]> = known.iter().map(|(_, delta, _)| *delta).collect();
        let training = Known { vectors: &vectors, deltas: &deltas };
        let profiles =
            |of: &mut dyn Iterator<Item = usize>| -> Vec<Vec<f32>> { of.map(|at| screen.profile(at)).collect() };
        match self {
            Self::Nearest(_) => Fitted::Known { vectors, deltas },
            Self::Ridge => Fitted::Ridge(chosen_within(training, N_PARTS)),
            Self::KernelRidge => Fitted::Kernel(KernelRidge::chosen(training)),
            Self::LinearOnGenes => {
                // Combinations have no gene of their own.
                let means = profiles(&mut fold.train.iter().copied());
                let means: Vec<&[f32]> = means.iter().map(Vec::as_slice).collect();
                let own: Vec<Option<usize>> = fold.train.iter().map(|&at| screen.targets[at].own_gene).collect();
                Fitted::Bilinear(Bilinear::fit(&screen.control.mean, &means, &own, N_COMPONENTS, PENALTY))
            }
            Self::LinearOnVectors => {
                let mut of = fold.train.iter().copied().filter(|&at| screen.targets[at].vector.is_some());
                let means = profiles(&mut of);
                let means: Vec<&[f32]> = means.iter().map(Vec::as_slice).collect();
                let fitted = Bilinear::fit_vectors(&screen.control.mean, &means, &vectors, N_COMPONENTS, PENALTY);
                Fitted::Bilinear(fitted)
            }
            Self::MeanWithOwnGene => with_own_gene(screen, fold),
            Self::NoChange | Self::Mean(_) | Self::Additive => Fitted::Nothing,
        }
    }

    /// None where it has nothing to go by.
    fn answer(
        self,
        screen: &Screen<'_>,
        fold: &Fold,
        fitted: &Fitted<'_>,
        at: usize,
        mean: &[f32],
    ) -> Option<Vec<f32>> {
        let target = &screen.targets[at];
        let vector = target.vector.as_deref();
        match (self, fitted) {
            (Self::NoChange, _) => Some(vec![0.0; mean.len()]),
            (Self::Mean(_), _) => Some(mean.to_vec()),
            (Self::Additive, _) => {
                let single = |part: &String| {
                    let single = screen.find(part).filter(|single| fold.train.contains(single))?;
                    Some(screen.targets[single].response.delta.as_slice())
                };
                let parts: Vec<Option<&[f32]>> = target.parts.iter().map(single).collect();
                let is_known = parts.iter().any(Option::is_some);
                additive(&parts, mean).filter(|_| is_known).map(|(sum, _)| sum)
            }
            (_, Fitted::OwnGene { mean, share }) => {
                let gene = target.own_gene?;
                let mut said = mean.clone();
                said[gene] += share * screen.control.mean[gene];
                Some(said)
            }
            (Self::Nearest(1), Fitted::Known { vectors, deltas }) => nearest_neighbour(vectors, deltas, vector?),
            (Self::Nearest(n), Fitted::Known { vectors, deltas }) => nearest_mean(vectors, deltas, vector?, n),
            (Self::LinearOnGenes, Fitted::Bilinear(fitted)) => fitted.as_ref()?.predict_gene(target.own_gene?),
            (_, Fitted::Bilinear(fitted)) => fitted.as_ref()?.predict_vector(vector?),
            (_, Fitted::Ridge(fitted)) => fitted.as_ref()?.predict(vector?),
            (_, Fitted::Kernel(fitted)) => fitted.as_ref()?.predict(vector?),
            _ => None,
        }
    }
}

/// The share by which own transcripts change in training, and the mean response without that.
fn with_own_gene<'a>(screen: &Screen<'_>, fold: &Fold) -> Fitted<'a> {
    let control = &screen.control.mean;
    let training = || fold.train.iter().map(|&at| &screen.targets[at]);
    let own = training().filter_map(|target| target.own_gene.map(|gene| (target.response.delta[gene], control[gene])));
    let measured = own.filter(|(change, _)| change.is_finite());
    let share = own_share(measured.map(|(change, control)| (f64::from(change), f64::from(control)))) as f32;
    let rests: Vec<Vec<f32>> = training()
        .map(|target| {
            let mut rest = target.response.delta.clone();
            if let Some(gene) = target.own_gene {
                rest[gene] -= share * control[gene];
            }
            rest
        })
        .collect();
    let rests: Vec<&[f32]> = rests.iter().map(Vec::as_slice).collect();
    match weighted_mean(&rests, &vec![1; rests.len()], Weighting::Perturbations) {
        Some(mean) => Fitted::OwnGene { mean, share },
        None => Fitted::Nothing,
    }
}

/// Mean response to the training perturbations of a fold.
pub(super) fn training_mean(screen: &Screen<'_>, fold: &Fold, weighting: Weighting) -> Vec<f32> {
    let of = || fold.train.iter().map(|&at| &screen.targets[at].response);
    let deltas: Vec<&[f32]> = of().map(|response| response.delta.as_slice()).collect();
    let n_cells: Vec<usize> = of().map(|response| response.n_cells).collect();
    weighted_mean(&deltas, &n_cells, weighting).unwrap_or_else(|| vec![0.0; screen.control.mean.len()])
}

impl Screen<'_> {
    /// Mean profile of a perturbation; 0 for genes that the file lacks.
    fn profile(&self, at: usize) -> Vec<f32> {
        let change = &self.targets[at].response.delta;
        self.control.mean.iter().zip(change).map(|(control, change)| control + change).collect()
    }
}
