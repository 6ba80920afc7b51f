//! What is asked about responses: the sets of genes that one falls into, and which perturbation would lead to one.

use cells::counts::Counts;
use cells::source::NamedSource;
use futures_lite::future::block_on;
use jepa::device::Device;
use jepa::query::Predictor;
use jepa::query::backwards::{Changes, NO_SCORE};
use spec::backwards::{Backwards, Candidates, Signature};
use spec::enrichment::{Enrichment, EnrichmentConfig, GeneValues};
use spec::message::{Event, Request};
use spec::model::Mode;
use spec::prediction::Support;

use super::{GENES, Person, checkpoint_files, failure};

fn gmt() -> NamedSource {
    let set = |name: &str, from: usize| {
        let genes: Vec<String> = (from..from + 8).map(|gene| format!("G{gene}")).collect();
        format!("{name}\t\t{}\n", genes.join("\t"))
    };
    let text = set("RISES", 0) + &set("STAYS", 16) + "TINY\t\tG1\tG2\n";
    NamedSource::from_bytes("sets.gmt", text.into_bytes())
}

/// Forty genes, of which the first eight rise; the last two have no value.
fn values() -> GeneValues {
    let value = |gene: usize| match gene {
        38.. => f32::NAN,
        0..8 => 1.0 + gene as f32 / 10.0,
        _ => ((gene * 7) % 11) as f32 / 50.0 - 0.1,
    };
    GeneValues {
        name: "made up".into(),
        genes: (0..40).map(|gene| format!("G{gene}")).collect(),
        values: (0..40).map(value).collect(),
    }
}

fn enrich(person: &mut Person, asked: GeneValues) -> Event {
    person.ask(Request::Enrich { asked: Box::new(asked), config: EnrichmentConfig::default() }, vec![])
}

fn enriched(event: Event) -> Enrichment {
    let Event::Enriched { enrichment } = event else { panic!("{event:?}") };
    *enrichment
}

#[test]
fn the_set_that_rises_is_found() {
    let mut person = Person::new();
    assert!(failure(enrich(&mut person, values())).contains("no sets of genes before"));
    assert!(failure(person.ask(Request::Pathways, vec![])).contains("no file"));
    let read = person.ask(Request::Pathways, vec![gmt()]);
    let Event::PathwaysRead { collection } = read else { panic!("{read:?}") };
    assert_eq!((collection.name.as_str(), collection.n_sets), ("sets.gmt", 3));

    let found = enriched(enrich(&mut person, values()));
    assert_eq!((found.n_genes, found.n_changed, found.sets.len()), (38, 3, 2), "the set of two genes is too small");
    let [first, second] = &found.sets[..] else { panic!("{found:?}") };
    assert_eq!((first.name.as_str(), first.n_genes, first.score), ("RISES", 8, 1.0));
    assert!(first.p_adjusted < 0.01 && first.normalised > 1.2, "{first:?}");
    assert_eq!(first.leading[0], "G7");
    assert_eq!(first.changed, ["G5", "G6", "G7"]);
    assert!(second.p_value > 0.05, "{second:?}");
}

#[test]
fn values_that_no_set_can_be_looked_for_in_fall_into_none() {
    let mut person = Person::new();
    person.ask(Request::Pathways, vec![gmt()]);
    let mut few = values();
    few.values[5..].fill(f32::NAN);
    let found = enriched(enrich(&mut person, few));
    assert_eq!((found.n_genes, found.sets.len()), (5, 1), "all there is is in one set, which then says nothing");
    assert_eq!((found.sets[0].score, found.sets[0].p_value), (0.0, 1.0));
    let nothing = GeneValues { name: "nothing".into(), genes: Vec::new(), values: Vec::new() };
    assert!(enriched(enrich(&mut person, nothing)).sets.is_empty());
    let mut short = values();
    short.values.pop();
    assert!(failure(enrich(&mut person, short)).contains("39 values"));
    let mut others = values();
    others.genes.iter_mut().for_each(|gene| gene.insert(0, 'X'));
    assert!(enriched(enrich(&mut person, others)).sets.is_empty());
    let constant = GeneValues { values: vec![0.0; 40], ..values() };
    let found = enriched(enrich(&mut person, constant));
    assert!(found.n_changed == 0 && found.sets.iter().all(|set| set.p_value == 1.0), "{found:?}");
}

fn look_back(person: &mut Person, genes: &[&str], weights: Vec<f32>, candidates: Candidates) -> Event {
    let genes = genes.iter().map(|gene| (*gene).to_owned()).collect();
    let signature = Box::new(Signature { name: "made up".into(), genes, weights });
    person.ask(Request::AskBackwards { signature, mode: Mode::Knockout, candidates }, vec![])
}

fn found(event: Event) -> Backwards {
    let Event::AskedBackwards { found } = event else { panic!("{event:?}") };
    *found
}

#[test]
fn perturbations_are_ranked_by_how_they_meet_a_signature() {
    let mut person = Person::with_model_and_cells();
    let asked =
        look_back(&mut person, &["STAT1", "JAK2", "IRF1", "NOSUCH"], vec![1.0, -1.0, 0.5, 1.0], Candidates::All);
    let found = found(asked);
    assert_eq!((found.n_candidates, found.n_known), (3, 3));
    assert_eq!(found.unknown, ["NOSUCH"]);
    let ordered = |scores: Vec<f64>| scores.windows(2).all(|two| two[0] >= two[1]);
    assert_eq!(found.towards.len(), 3);
    assert!(ordered(found.towards.iter().map(|one| one.score).collect()), "{found:?}");
    assert_eq!(found.away[0].target, found.towards[2].target);
    assert_eq!(found.away[0].score, -found.towards[2].score);
    assert_eq!(found.pairs.len(), 3);
    assert!((-1.0..=1.0).contains(&found.chance));
    let told: Vec<_> = found.accuracy.iter().map(|of| (of.support, of.n)).collect();
    assert_eq!(told, [(Support::HeldOut, 1), (Support::Seen, 1)]);
    assert!(found.accuracy.iter().all(|of| (0.0..=1.0).contains(&of.mean_rank)));
    // The way by the vector is looked at in the same way; one gene was never measured, two responses are too few.
    let optimised = found.optimised.as_ref().expect("three vectors that differ");
    assert!((-1.0..=1.0).contains(&optimised.score) && optimised.nearest.len() == 3, "{optimised:?}");
    assert_eq!(optimised.accuracy.iter().map(|of| of.n).collect::<Vec<_>>(), [1, 1]);
    let next: Vec<&str> = found.priorities.iter().map(|one| one.target.as_str()).collect();
    assert_eq!(next, ["TP53"]);
    // Its vector's cosine with that of STAT1 is one half, to the bank's eight bits.
    assert!((found.priorities[0].distance - 0.5).abs() < 0.01, "{:?}", found.priorities);
    assert_eq!(found.mechanism, None);
}

#[test]
fn signatures_without_an_answer_are_refused() {
    let mut person = Person::with_model_and_cells();
    let mut check = |genes: &[&str], weights: &[f32], candidates, said: &str| {
        let message = failure(look_back(&mut person, genes, weights.to_vec(), candidates));
        assert!(message.contains(said), "{message}");
    };
    check(&["STAT1", "NOSUCH"], &[1.0, 1.0], Candidates::All, "does not know NOSUCH");
    check(&["STAT1", "JAK2", "IRF1"], &[f32::NAN; 3], Candidates::All, "knows 0 of the 3 genes");
    check(&["STAT1"], &[1.0, 2.0], Candidates::All, "1 genes, but 2 weights");
    let mut empty = Person::new();
    assert!(failure(look_back(&mut empty, &GENES[..3], vec![1.0; 3], Candidates::All)).contains("no cells before"));
}

#[test]
fn one_cell_under_many_perturbations_is_that_cell_under_each() {
    let files = checkpoint_files();
    let bytes = {
        let mut bytes = vec![0; files[0].source.len() as usize];
        files[0].source.read_at(0, &mut bytes).expect("bytes in memory");
        bytes
    };
    let predictor = Predictor::from_bytes(&bytes, &Device::flex()).expect("a whole checkpoint");
    let cell: Vec<f32> = (0..GENES.len()).map(|gene| gene as f32 / 3.0).collect();
    let counts = Counts::from_dense(&cell, GENES.len()).expect("one cell");
    let vectors = [("STAT1", vec![1.0, 0.0, 0.0, 0.0]), ("JAK2", vec![0.0, 1.0, 0.5, 0.0])];
    let swept =
        block_on(predictor.sweep(&cell, Mode::Knockout).expect("a decoder").ask(&vectors)).expect("two answers");
    for ((symbol, vector), swept) in vectors.iter().zip(swept.chunks_exact(GENES.len())) {
        let run = predictor.predict(&counts, &[0], None, vector, Mode::Knockout).expect("a question");
        let mut run = run.of_gene(symbol);
        while block_on(run.advance()).expect("an answer").is_some() {}
        let alone = run.finish();
        // The same arithmetic in batches of other sizes: f32 rounding.
        assert!(alone.iter().zip(swept).all(|(a, b)| (a - b).abs() < 1e-5), "{symbol}: {alone:?} and {swept:?}");
    }
    assert!(predictor.sweep(&cell[1..], Mode::Knockout).is_err());
}

#[test]
fn a_planted_change_meets_its_own_signature_whatever_all_share() {
    let (n, n_genes) = (20, 30);
    let own = |at: usize, gene: usize| ((at * 13 + gene * gene * 7) % 17) as f32 / 17.0;
    let shared = |gene: usize| 5.0 * (gene as f32).sin();
    let changes: Vec<f32> = (0..n * n_genes).map(|at| own(at / n_genes, at % n_genes) + shared(at % n_genes)).collect();
    let changes = Changes::new(changes, n_genes);
    let signature: Vec<f32> = (0..n_genes).map(|gene| own(4, gene)).collect();
    let scores = changes.scores(&signature);
    assert_eq!(scores.len(), n);
    let best = (0..n).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    assert_eq!(best, Some(4), "{scores:?}");
    assert!(scores[4] > 0.8, "{scores:?}");
    assert!(changes.best_of_shuffled(&signature, 1) < scores[4]);
    assert!(changes.scores(&vec![1.0; n_genes]).iter().all(|score| *score == NO_SCORE));
    let pairs = changes.pairs(&[3, 4, 5], &signature);
    assert!(pairs.len() == 3 && pairs[0].1 >= pairs[1].1 && pairs[0].0.contains(&4), "{pairs:?}");
}
