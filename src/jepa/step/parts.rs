//! One step of a large batch with the memory of a small one, and the same result but for rounding.
//!
//! Variance, covariance and the choice among a batch are of the whole batch, so gradients of parts do not simply add up.
//! Therefore twice: first each part is computed without recording, and the loss of all outputs together is differentiated
//! down to the outputs; then each part is computed again, recorded, and the outputs' gradients are carried on to the
//! parameters, where they do add up. It costs a second forward pass.

use std::ops::Range;

use burn::tensor::Tensor;
use spec::train::Baseline;
use spec::train::report::LossTerm;

use super::{PairBatch, decoder_loss};
use crate::loss::{self, Losses};
use crate::model::BioJepa;
use crate::model::composer::ActionComposer;
use crate::model::decoder::Decoder;
use crate::model::encoder::{CellBatch, Encoder};
use crate::model::predictor::{AcPredictor, MaskedPredictor};
use crate::optim::NamedGradients;

/// Loss and gradients of pretraining; `student` and `masked_predictor` are the tracked ones.
pub(super) fn pretrain(
    model: &BioJepa,
    student: &Encoder,
    masked_predictor: &MaskedPredictor,
    cells: &CellBatch,
    mask: &Tensor<2>,
    n_parts: usize,
) -> (Losses, NamedGradients) {
    let ranges = ranges(mask.dims()[0], n_parts);
    let (mut contexts, mut predictions, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for range in &ranges {
        let (cells, mask) = (cells.part(range.clone()), rows(mask, range));
        let context = model.student.forward(&cells, Some(&mask));
        predictions.push(model.masked_predictor.forward(context.clone()));
        contexts.push(context);
        targets.push(model.teacher.forward(&cells, None));
    }
    let (context, predicted) = (leaf(contexts), leaf(predictions));
    let target = Tensor::cat(targets, 0);
    let prediction = loss::masked_l1(predicted.clone(), target.clone(), mask);
    let losses = Losses::regularised(prediction, context.clone(), target);
    let [of_context, of_predicted] = output_gradients(&losses, [context, predicted]);
    let mut gradients = NamedGradients::default();
    for range in &ranges {
        let context = student.forward(&cells.part(range.clone()), Some(&rows(mask, range)));
        let predicted = masked_predictor.forward(context.clone());
        let carried = carried(context, &of_context, range) + carried(predicted, &of_predicted, range);
        let mut recorded = carried.backward();
        gradients.add("student", student, &mut recorded);
        gradients.add("masked_predictor", masked_predictor, &mut recorded);
    }
    (losses, gradients)
}

/// Loss and gradients of the action stage; `predictor` and `composer` are the tracked ones.
pub(super) fn action(
    model: &BioJepa,
    predictor: &AcPredictor,
    composer: &ActionComposer,
    pairs: &PairBatch,
    mask: Option<&Tensor<2>>,
    n_parts: usize,
) -> (Losses, NamedGradients) {
    let ranges = ranges(pairs.case.x.dims()[0], n_parts);
    let forward = |predictor: &AcPredictor, composer: &ActionComposer, range: &Range<usize>| {
        let pairs = pairs.part(range.clone());
        let mask = mask.map(|mask| rows(mask, range));
        let context = model.student.forward(&pairs.control, mask.as_ref());
        predictor.forward(context, composer.compose(&pairs.actions))
    };
    let (mut mus, mut logvars, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for range in &ranges {
        let predicted = forward(&model.predictor, &model.composer, range);
        mus.push(predicted.mu);
        logvars.push(predicted.logvar);
        targets.push(model.teacher.forward(&pairs.case.part(range.clone()), None));
    }
    let (mu, logvar, target) = (leaf(mus), leaf(logvars), Tensor::cat(targets, 0));
    let scored = mask.cloned().unwrap_or_else(|| pairs.case.x.ones_like());
    let nll = loss::masked_gaussian_nll(mu.clone(), logvar.clone(), target.clone(), &scored);
    let losses = Losses::regularised(nll, mu.clone(), target);
    let [of_mu, of_logvar] = output_gradients(&losses, [mu, logvar]);
    let mut gradients = NamedGradients::default();
    for range in &ranges {
        let predicted = forward(predictor, composer, range);
        let carried = carried(predicted.mu, &of_mu, range) + carried(predicted.logvar, &of_logvar, range);
        let mut recorded = carried.backward();
        gradients.add("predictor", predictor, &mut recorded);
        gradients.add("composer", composer, &mut recorded);
    }
    (losses, gradients)
}

/// Loss and gradients of the decoder, whose mean squared error is the mean of its parts' (weighed by their size).
pub(super) fn decoder(
    model: &BioJepa,
    decoder: &Decoder,
    pairs: &PairBatch,
    baseline: Baseline,
    n_parts: usize,
) -> (Losses, NamedGradients) {
    let n_pairs = pairs.case.x.dims()[0];
    let mut gradients = NamedGradients::default();
    let mut values = Vec::new();
    for range in ranges(n_pairs, n_parts) {
        let share = range.len() as f64 / n_pairs as f64;
        let value = decoder_loss(model, decoder, &pairs.part(range), baseline).total * share;
        gradients.add("decoder", decoder, &mut value.backward());
        values.push(value.inner());
    }
    (Losses::of_one(LossTerm::Change, Tensor::cat(values, 0).sum()), gradients)
}

/// `n` rows in `n_parts` ranges of one size, the last perhaps smaller.
pub(crate) fn ranges(n: usize, n_parts: usize) -> Vec<Range<usize>> {
    let size = n.div_ceil(n_parts.max(1)).max(1);
    (0..n).step_by(size).map(|start| start..n.min(start + size)).collect()
}

fn rows<const D: usize>(tensor: &Tensor<D>, range: &Range<usize>) -> Tensor<D> {
    tensor.clone().narrow(0, range.start, range.len())
}

/// The parts in one, from which gradients are asked.
fn leaf(parts: Vec<Tensor<3>>) -> Tensor<3> {
    Tensor::cat(parts, 0).autodiff().require_grad()
}

fn output_gradients<const N: usize>(losses: &Losses, outputs: [Tensor<3>; N]) -> [Tensor<3>; N] {
    let mut recorded = losses.total.backward();
    outputs.map(|output| output.grad_remove(&mut recorded).unwrap_or_else(|| output.inner().zeros_like()))
}

/// A number whose gradient is that of the loss, as far as it passes through these outputs.
fn carried(outputs: Tensor<3>, gradients: &Tensor<3>, range: &Range<usize>) -> Tensor<1> {
    (outputs * rows(gradients, range)).sum()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use spec::model::{ComposerConfig, Modality, Mode, ModelConfig, ModelVersion};

    use super::*;
    use crate::model::parameters::{Parameters, read_back};
    use crate::step::{action_loss, pretrain_loss};

    const N_GENES: usize = 5;
    const N_CELLS: usize = 7;

    fn values(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|at| (at * step % 13) as f32 / 7.0).collect()
    }

    fn cells(step: usize) -> CellBatch {
        let x =
            Tensor::from_data(TensorData::new(values(N_CELLS * N_GENES, step), [N_CELLS, N_GENES]), &Device::flex());
        let log_total = Tensor::from_data(TensorData::new(values(N_CELLS, step + 1), [N_CELLS]), &Device::flex());
        CellBatch { x, log_total }
    }

    fn mask() -> Tensor<2> {
        let values: Vec<f32> = (0..N_CELLS * N_GENES).map(|at| f32::from(u8::from(at % 3 > 0))).collect();
        Tensor::from_data(TensorData::new(values, [N_CELLS, N_GENES]), &Device::flex())
    }

    fn model() -> BioJepa {
        let composer = ComposerConfig { n_protein: 4, n_chemical: 2, n_dna: 2, n_latent: 6, n_mode: 3 };
        let config = ModelConfig {
            version: ModelVersion::V05,
            n_genes: N_GENES,
            d_model: 8,
            n_heads: 2,
            n_layers: 2,
            n_pretrain_layers: 1,
            composer,
            ..ModelConfig::default()
        };
        BioJepa::init(&config, 5, &Device::flex()).expect("a valid configuration")
    }

    fn pairs(model: &BioJepa) -> PairBatch {
        let mut modes = vec![Mode::Knockout; N_CELLS];
        modes[2] = Mode::Control;
        let modalities = vec![Modality::Protein; N_CELLS];
        let actions = model.composer.actions(values(N_CELLS * 4, 5), 4, modalities, modes, &Device::flex());
        PairBatch::new(cells(3), cells(5), actions.expect("all parts fit"))
    }

    fn read(tensor: Tensor<1>) -> Vec<f32> {
        run(read_back("a test's tensor", tensor)).expect("the CPU gives its values back")
    }

    /// Runs what never waits.
    fn run<F: Future>(future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
        }
    }

    /// Sums in another order differ by some units of f32 of the largest term; 1e-5 of the largest gradient.
    fn check(whole: (Losses, NamedGradients), parts: (Losses, NamedGradients)) {
        let (expected, found) = (read(whole.0.total.inner())[0], read(parts.0.total.inner())[0]);
        assert!((expected - found).abs() < 1e-5 * expected.abs(), "{found} for {expected}");
        let names: Vec<&str> = whole.1.names().collect();
        assert_eq!(names, parts.1.names().collect::<Vec<_>>());
        let gradient = |of: &NamedGradients, name: &str| read(of.get(name).expect("it is named").clone());
        let largest = names.iter().flat_map(|name| gradient(&whole.1, name)).map(f32::abs).fold(0.0, f32::max);
        assert!(largest > 1e-3, "gradients of {largest} show nothing");
        for name in names {
            for (a, b) in gradient(&whole.1, name).into_iter().zip(gradient(&parts.1, name)) {
                assert!((a - b).abs() < 1e-5 * largest, "{name}: {b} for {a}");
            }
        }
    }

    #[test]
    fn gradients_in_parts_are_those_of_the_whole() {
        let (model, mask) = (model(), mask());
        let (student, masked_predictor) = (model.student.tracked(), model.masked_predictor.tracked());
        let losses = pretrain_loss(&student, &masked_predictor, &model.teacher, &cells(3), &mask);
        let (mut recorded, mut gradients) = (losses.total.backward(), NamedGradients::default());
        gradients.collect("student", &student, &mut recorded);
        gradients.collect("masked_predictor", &masked_predictor, &mut recorded);
        check((losses, gradients), pretrain(&model, &student, &masked_predictor, &cells(3), &mask, 3));

        let pairs = pairs(&model);
        for mask in [Some(&mask), None] {
            let (predictor, composer) = (model.predictor.tracked(), model.composer.tracked());
            let losses = action_loss(&model, &predictor, &composer, &pairs, mask);
            let (mut recorded, mut gradients) = (losses.total.backward(), NamedGradients::default());
            gradients.collect("predictor", &predictor, &mut recorded);
            gradients.collect("composer", &composer, &mut recorded);
            check((losses, gradients), action(&model, &predictor, &composer, &pairs, mask, 4));
        }

        let tracked = Decoder::init(8, 3, &Device::flex()).tracked();
        let losses = decoder_loss(&model, &tracked, &pairs, Baseline::ControlState);
        let (mut recorded, mut gradients) = (losses.total.backward(), NamedGradients::default());
        gradients.collect("decoder", &tracked, &mut recorded);
        check((losses, gradients), decoder(&model, &tracked, &pairs, Baseline::ControlState, 2));
    }

    #[test]
    fn every_row_is_in_one_part() {
        for (n, n_parts, expected) in
            [(7, 3, vec![0..3, 3..6, 6..7]), (4, 2, vec![0..2, 2..4]), (2, 5, vec![0..1, 1..2])]
        {
            assert_eq!(ranges(n, n_parts), expected);
        }
    }
}
