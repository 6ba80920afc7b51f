//! Intervals around a prediction: by the errors on what was held out, the target and own genes left out.

use engine::intervals::Known;
use futures_lite::future::block_on;
use jepa::bank::Bank;
use jepa::checkpoint;
use jepa::device::Device;
use jepa::eval::response::Response;
use jepa::query::Predictor;
use spec::model::Mode;
use spec::prediction::{Query, Uncertainty};

use super::{GENES, checkpoint_files};

const HELD_OUT: [&str; 7] = ["A1", "A2", "A3", "A4", "A5", "JAK2", "IRF1"];

/// The model of the session's tests, that held out seven targets.
fn predictor() -> Predictor {
    let file = checkpoint_files().remove(0);
    let mut bytes = vec![0; file.source.len() as usize];
    file.source.read_at(0, &mut bytes).expect("a file in memory");
    let mut whole = checkpoint::read(&bytes).expect("a checkpoint");
    whole.header.held_out = HELD_OUT.map(String::from).into();
    Predictor::new(&whole, &Device::flex()).expect("a whole checkpoint")
}

fn bank() -> Bank {
    let symbols: Vec<String> = HELD_OUT.iter().chain(&["STAT1", "NEW"]).map(|name| (*name).to_owned()).collect();
    let vectors: Vec<f32> = (0..symbols.len() * 4).map(|at| ((at * 7) % 5) as f32 - 2.0).collect();
    Bank::quantise(symbols, 4, &vectors, "made up").expect("a row of four per symbol")
}

/// Responses that differ from what is predicted by `error(target, gene)`.
fn responses(predictor: &Predictor, bank: &Bank, error: impl Fn(usize, usize) -> f32) -> Vec<Response> {
    let control = vec![1.0; GENES.len()];
    let sweep = predictor.sweep(&control, Mode::Knockout).expect("it has a decoder");
    let of = |(at, name): (usize, &&str)| {
        let said = block_on(sweep.ask(&[(name, bank.vector(name).expect("it is there"))])).expect("an answer");
        Response {
            target: (*name).into(),
            n_cells: 20,
            delta: said.iter().enumerate().map(|(gene, said)| said + error(at, gene)).collect(),
            standard_error: vec![0.1; GENES.len()],
        }
    };
    HELD_OUT.iter().enumerate().map(of).collect()
}

fn ask(target: &str, n_known: usize, error: impl Fn(usize, usize) -> f32) -> Uncertainty {
    let (predictor, bank) = (predictor(), bank());
    let responses = responses(&predictor, &bank, error);
    let control_mean = vec![1.0; GENES.len()];
    let known = Known {
        predictor: &predictor,
        bank: &bank,
        source: "made up",
        control_mean: &control_mean,
        responses: &responses[..n_known],
    };
    block_on(known.uncertainty(&Query::of(target, Mode::Knockout))).expect("an answer")
}

#[test]
fn widths_are_the_errors_on_the_others() {
    // The errors of target t on every gene is (t + 1) / 10, up and down in turn.
    let error =
        |target: usize, gene: usize| (target + 1) as f32 / 10.0 * if gene.is_multiple_of(2) { 1.0 } else { -1.0 };
    let column = |name: &str| GENES.iter().position(|gene| *gene == name).expect("one of the genes");
    let (jak2, irf1) = (column("JAK2"), column("IRF1"));

    let Uncertainty::Intervals(found) = ask("NEW", 7, error) else { panic!("seven are enough") };
    assert_eq!((found.promised, found.n_targets, found.source.as_str()), (0.8, 7, "made up"));
    // Of seven errors the seventh, ⌈8 · 0.8⌉; of six, where one of them is the own gene, the sixth.
    for (gene, &width) in found.half_width.iter().enumerate() {
        let expected = if gene == irf1 { 0.6 } else { 0.7 };
        assert!((width - expected).abs() < 1e-5, "{}: {width}", GENES[gene]);
    }
    // The two with the largest errors lie outside of what the others allow.
    let share = found.found.expect("six others are enough");
    assert!(share > 0.8 && share < 0.95, "{share}");

    // Asked about one of them, it is left out of its own interval, and its own gene has none.
    let Uncertainty::Intervals(found) = ask("JAK2", 7, error) else { panic!("six are enough") };
    assert_eq!(found.n_targets, 6);
    assert!(found.half_width[jak2].is_nan());
    assert!((found.half_width[(jak2 + 1) % GENES.len()] - 0.7).abs() < 1e-5 || (jak2 + 1) % GENES.len() == irf1);
}

#[test]
fn without_errors_to_go_by_there_is_a_reason() {
    let check = |target: &str, n_known: usize, said: &str| {
        let Uncertainty::Unknown { reason } = ask(target, n_known, |_, _| 0.1) else { panic!("{target}: an interval") };
        assert!(reason.contains(said), "{reason}");
    };
    check("STAT1", 7, "learnt from this response");
    check("NEW", 4, "5 are needed, and there are 4");
    check("A1", 5, "5 are needed, and there are 4");
}
