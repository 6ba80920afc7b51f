//! The action composer: from a perturbation's vector, kind of vector and mode to one action vector.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use spec::model::{ComposerConfig, Modality, Mode};

use crate::error::Error;
use crate::model::init::Init;
use crate::model::layers::Linear;
use crate::model::parameters::parameters;

/// Perturbations as the composer reads them; made by [`ActionComposer::actions`], which checks them.
#[derive(Debug, Clone)]
pub struct Actions {
    features: Tensor<2>,
    modalities: Vec<Modality>,
    modes: Vec<Mode>,
    /// The target's own gene, by column; none where it is not among the model's genes.
    genes: Vec<Option<usize>>,
}

/// Perturbations as the predictor reads them.
#[derive(Debug, Clone)]
pub struct Composed {
    /// Action vectors `[B, n_latent]`.
    pub action: Tensor<2>,
    /// Rows of the mode table, `[B, n_mode]`.
    pub mode: Tensor<2>,
    /// The target's own gene, by column; none where it is not among the model's genes.
    pub genes: Vec<Option<usize>>,
}

impl Actions {
    /// How many perturbations.
    pub fn len(&self) -> usize {
        self.modes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.modes.is_empty()
    }

    /// Some of them.
    pub fn part(&self, rows: Range<usize>) -> Self {
        Self {
            features: self.features.clone().narrow(0, rows.start, rows.len()),
            modalities: self.modalities[rows.clone()].to_vec(),
            modes: self.modes[rows.clone()].to_vec(),
            genes: self.genes[rows].to_vec(),
        }
    }

    /// The same with each target's own gene, by column; one per perturbation, those beyond are left out.
    pub fn with_genes(mut self, genes: impl IntoIterator<Item = Option<usize>>) -> Self {
        self.genes.iter_mut().zip(genes).for_each(|(own, gene)| *own = gene);
        self
    }

    /// As many times no perturbation: vectors of zeros under the mode `control`.
    pub fn none_instead(&self) -> Self {
        let modes = vec![Mode::Control; self.len()];
        let genes = vec![None; self.len()];
        Self { features: self.features.zeros_like(), modalities: self.modalities.clone(), modes, genes }
    }
}

/// Projects each vector by its modality and modulates it by its mode: `a = c ⊙ (1 + s) + t`.
#[derive(Debug, Clone)]
pub struct ActionComposer {
    projectors: Vec<Linear>,
    mode_embedding: Tensor<2>,
    film_scale: Linear,
    film_shift: Linear,
}

parameters!(ActionComposer {
    projectors: "projectors",
    mode_embedding: "mode_embedding.weight",
    film_scale: "film_scale",
    film_shift: "film_shift",
} keep {});

const MODALITIES: [Modality; 3] = [Modality::Protein, Modality::Chemical, Modality::Dna];

impl ActionComposer {
    /// A composer of the given sizes; the modulation starts as the identity.
    pub fn init(config: &ComposerConfig, init: &mut Init) -> Self {
        let widths = [config.n_protein, config.n_chemical, config.n_dna];
        Self {
            projectors: widths.iter().map(|&width| Linear::uniform(width, config.n_latent, init)).collect(),
            mode_embedding: init.normal([Mode::ALL.len(), config.n_mode], 1.0),
            film_scale: Linear::zeros(config.n_mode, config.n_latent, init),
            film_shift: Linear::zeros(config.n_mode, config.n_latent, init),
        }
    }

    /// Puts perturbations on a device: `features` are rows of `width`, of which a modality reads its first columns.
    ///
    /// # Errors
    /// Where there are none, the lengths disagree, or a row is narrower than its modality's input.
    pub fn actions(
        &self,
        features: Vec<f32>,
        width: usize,
        modalities: Vec<Modality>,
        modes: Vec<Mode>,
        device: &Device,
    ) -> Result<Actions, Error> {
        let n_rows = modes.len();
        if n_rows == 0 || modalities.len() != n_rows || Some(features.len()) != n_rows.checked_mul(width) {
            return Err(Error::Actions {
                problem: format!(
                    "{} values, {} modalities and {n_rows} modes for rows of {width}; one of each is needed per row",
                    features.len(),
                    modalities.len()
                ),
            });
        }
        for &modality in &modalities {
            let needed = self.projectors[modality.code()].weight.dims()[1];
            if width < needed {
                let problem = format!("rows have {width} columns, the {modality:?} input needs {needed}");
                return Err(Error::Actions { problem });
            }
        }
        let features = Tensor::from_data(TensorData::new(features, [n_rows, width]), device);
        let genes = vec![None; n_rows];
        Ok(Actions { features, modalities, modes, genes })
    }

    /// What the predictor reads.
    pub fn compose(&self, actions: &Actions) -> Composed {
        let mode = self.mode_vectors(&actions.modes, &actions.features.device());
        Composed { action: self.forward(actions), mode, genes: actions.genes.clone() }
    }

    /// Action vectors `[B, n_latent]`.
    ///
    /// Projectors without a row take no part: they get no gradient, as in the reference.
    pub fn forward(&self, actions: &Actions) -> Tensor<2> {
        let device = actions.features.device();
        let n_rows = actions.len();
        let mut content: Option<Tensor<2>> = None;
        for modality in MODALITIES {
            let member: Vec<f32> = actions.modalities.iter().map(|&m| f32::from(m == modality)).collect();
            let n_members = member.iter().filter(|&&is_member| is_member > 0.0).count();
            if n_members == 0 {
                continue;
            }
            let projector = &self.projectors[modality.code()];
            let n_in = projector.weight.dims()[1];
            let mut projected = projector.forward(actions.features.clone().narrow(1, 0, n_in));
            if n_members < n_rows {
                projected = projected * Tensor::from_data(TensorData::new(member, [n_rows, 1]), &device);
            }
            content = Some(match content {
                Some(sum) => sum + projected,
                None => projected,
            });
        }
        let mode = self.mode_vectors(&actions.modes, &device);
        let shift = self.film_shift.forward(mode.clone());
        match content {
            Some(content) => content * (self.film_scale.forward(mode) + 1.0) + shift,
            None => shift,
        }
    }

    /// Rows of the mode table, `[B, n_mode]`; by a product, whose gradient is the same on every run and backend.
    fn mode_vectors(&self, modes: &[Mode], device: &Device) -> Tensor<2> {
        let n_modes = Mode::ALL.len();
        let mut one_hot = vec![0.0f32; modes.len() * n_modes];
        for (row, mode) in one_hot.chunks_exact_mut(n_modes).zip(modes) {
            row[mode.code()] = 1.0;
        }
        Tensor::<2>::from_data(TensorData::new(one_hot, [modes.len(), n_modes]), device)
            .matmul(self.mode_embedding.clone())
    }
}
