//! Asking the model that ships backwards, with a response that was measured: which measured responses are like it, which
//! genes the optimised vector leads to, and how often either way is right.

use std::path::Path;

use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use jepa::measured::MeasuredTable;
use spec::backwards::{Backwards, Candidates, Signature};
use spec::device::{AttentionPath, BackendChoice};
use spec::message::{Event, Request};
use spec::model::Mode;
use spec::prediction::Support;

use super::{GENES, LOAD, Person, checkpoint_files};

pub(super) fn shipped(name: &str) -> NamedSource {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/demo").join(name);
    NamedSource::from_bytes(name, std::fs::read(path).expect("it ships"))
}

/// The answer to the response measured to a target in the shipped screen.
fn asked(person: &mut Person, target: &str) -> Backwards {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/demo/measured.safetensors");
    let table = MeasuredTable::from_bytes(&std::fs::read(path).expect("it ships")).expect("a table");
    let response = table.response(target).expect("it was measured");
    let there = table.genes.iter().zip(&response.delta).filter(|(_, delta)| delta.is_finite());
    let (genes, weights) = there.map(|(gene, delta)| (gene.clone(), *delta)).unzip();
    let signature = Box::new(Signature { name: target.into(), genes, weights });
    let request = Request::AskBackwards { signature, mode: Mode::Knockout, candidates: Candidates::OfModel };
    let Event::AskedBackwards { found } = person.ask(request, vec![]) else { panic!("no answer to {target}") };
    *found
}

#[test]
fn a_measured_response_finds_its_mechanism() {
    let mut person = Person::new();
    person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
    let files = ["model.safetensors", "bank.safetensors", "measured.safetensors", "card.json"].map(shipped);
    let loaded = person.ask(LOAD, files.into());
    assert!(matches!(loaded, Event::CheckpointLoaded { .. }), "{loaded:?}");
    let Event::Opened { opened } = person.ask(Request::OPEN, vec![shipped("metacells.h5ad")]) else { panic!("opened") };
    person.ask(Request::Prepare { options: opened.suggested }, vec![]);
    let found = asked(&mut person, "IFNGR1");
    // The interferon receptor and what it signals by: Papalexi's own four.
    let mechanism = found.mechanism.as_ref().expect("a screen ships with the model");
    let first: Vec<&str> = mechanism.nearest[..3].iter().map(|one| one.target.as_str()).collect();
    assert!(["IFNGR2", "JAK2", "STAT1"].iter().all(|gene| first.contains(gene)), "{first:?}");
    assert!(mechanism.nearest[2].score > mechanism.chance, "{mechanism:?}");
    assert!(mechanism.nearest.iter().all(|one| one.target != "IFNGR1"), "the question is no answer to itself");

    let optimised = found.optimised.as_ref().expect("vectors differ");
    let held_out = |of: &[spec::backwards::Retrieval]| of.iter().find(|of| of.support == Support::HeldOut).cloned();
    let (by_vector, by_rank) =
        (held_out(&optimised.accuracy).expect("eight"), held_out(&found.accuracy).expect("eight"));
    eprintln!("held out, by optimising: {by_vector:?}; by retrieval: {by_rank:?}; best vector {}", optimised.score);
    assert_eq!(by_vector.n, by_rank.n);
    // What was sought to meet the signature meets it at least as well as a middling candidate does.
    assert!(optimised.score > found.towards[found.towards.len() / 2].score, "{}", optimised.score);
    let next = &found.priorities;
    assert!(!next.is_empty() && next.iter().all(|one| one.support == Support::NeverMeasured));
    assert!(next.iter().all(|one| one.distance.is_finite() && (0.0..=2.0).contains(&one.distinct)), "{:?}", next[0]);
}

/// Cells with labels that have these many each.
fn labelled(n_of_label: &[(&str, usize)]) -> NamedSource {
    let labels: Vec<&str> = n_of_label.iter().flat_map(|(label, n)| vec![*label; *n]).collect();
    let n_cells = labels.len();
    let counts = (0..n_cells * GENES.len()).map(|at| ((at * 7 + at / 5) % 11) as f32).collect();
    let mut file = H5ad::new(
        Matrix::Dense { values: counts, n_obs: n_cells, n_vars: GENES.len() },
        (0..n_cells).map(|cell| format!("cell{cell}")).collect(),
        GENES.map(String::from).into(),
    );
    file.obs.columns.push(("condition".into(), Values::categorical(&labels)));
    NamedSource::from_bytes("labelled.h5ad", write_h5ad(&file).expect("a well-formed file"))
}

#[test]
fn labels_of_few_cells_are_no_mechanism() {
    let mut person = Person::new();
    person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
    person.ask(LOAD, checkpoint_files());
    for (n_of_few, compared) in [(9, None), (10, Some(["JAK2", "STAT1", "TP53"]))] {
        let file = labelled(&[("control", 20), ("STAT1", 12), ("JAK2", 12), ("TP53", n_of_few), ("MYC", 1)]);
        let Event::Opened { opened } = person.ask(Request::OPEN, vec![file]) else { panic!("opened") };
        person.ask(Request::Prepare { options: opened.suggested }, vec![]);
        let weights = (0..GENES.len()).map(|gene| gene as f32 - 2.5).collect();
        let signature = Box::new(Signature { name: "typed".into(), genes: GENES.map(String::from).into(), weights });
        let request = Request::AskBackwards { signature, mode: Mode::Knockout, candidates: Candidates::OfModel };
        let answer = person.ask(request, vec![]);
        let Event::AskedBackwards { found } = answer else { panic!("{answer:?}") };
        // The table that came with the model has two responses, of three cells each.
        let named = found.mechanism.map(|mechanism| {
            let mut named: Vec<String> = mechanism.nearest.into_iter().map(|one| one.target).collect();
            named.sort();
            named
        });
        assert_eq!(named, compared.map(|names| names.map(String::from).to_vec()), "{n_of_few} cells");
    }
}
