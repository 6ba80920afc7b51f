//! Asking backwards, as the screen knows it: the signature that is being written, and the last answer.

use spec::backwards::{Backwards, Candidates, Signature};
use spec::message::Request;

use super::{Job, Shared, Side, State};

/// What is known of it.
#[derive(Debug, Default)]
pub struct AskingBackwards {
    /// Genes that should rise, as typed.
    pub rise: String,
    /// Genes that should fall, as typed.
    pub fall: String,
    /// Which genes are asked about.
    pub candidates: Candidates,
    /// The last answer.
    pub found: Option<Shared<Backwards>>,
}

impl State {
    /// Looks for perturbations that lead towards what was typed.
    pub fn ask_backwards(&mut self) {
        let signature = typed(&self.backwards.rise, &self.backwards.fall);
        self.look_back(signature);
    }

    /// Looks for perturbations that lead towards a side of the last answer.
    pub fn ask_backwards_from(&mut self, side: Side) {
        let Some(prediction) = &self.prediction else { return };
        let Some(delta) = side.of(prediction) else { return };
        let there = prediction.genes.iter().zip(delta).filter(|(_, value)| value.is_finite());
        let (genes, weights) = there.map(|(gene, value)| (gene.clone(), *value)).unzip();
        let query = &prediction.query;
        let name = format!("{} to {}", side.label(), query.label());
        self.look_back(Signature { name, genes, weights });
    }

    fn look_back(&mut self, signature: Signature) {
        let Some(mode) = self.mode else { return };
        self.failure = None;
        self.queue.retain(|job| !matches!(job.request, Request::AskBackwards { .. }));
        let candidates = self.backwards.candidates;
        self.enqueue(Job::new(Request::AskBackwards { signature: Box::new(signature), mode, candidates }));
    }
}

/// Genes parted by blanks, commas, semicolons or lines, each with the first number behind it where there are some (how much
/// it changes; further columns, such as a p value, are not read); a gene that should do both does neither.
///
/// A whole list of signed changes can be put among those that should rise: a negative one falls. Those that should fall
/// do, whatever the sign. A gene whose first number is none (`NaN`, `NA`, `inf`) is left out.
fn typed(rise: &str, fall: &str) -> Signature {
    let named = |text: &str| -> Vec<(String, f32)> {
        let parts = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"'));
        let mut found: Vec<(String, Option<f32>)> = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            let number = if part.eq_ignore_ascii_case("na") { Ok(f32::NAN) } else { part.parse::<f32>() };
            match (number, found.last_mut()) {
                (Ok(value), Some((_, weight))) => *weight = weight.or(Some(value)),
                // Numbers before any gene belong to none.
                (Ok(_), None) => {}
                (Err(_), _) => found.push((part.to_owned(), None)),
            }
        }
        let weighed = found.into_iter().map(|(name, weight)| (name, weight.unwrap_or(1.0)));
        let mut named: Vec<(String, f32)> = weighed.filter(|(_, weight)| weight.is_finite()).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named.dedup_by(|a, b| a.0 == b.0);
        named
    };
    let (rise, fall) = (named(rise), named(fall));
    let own = |names: &[(String, f32)], others: &[(String, f32)]| -> Vec<(String, f32)> {
        let is_own = |name: &str| others.iter().all(|(other, _)| other != name);
        names.iter().filter(|(name, _)| is_own(name)).cloned().collect()
    };
    let falls = own(&fall, &rise).into_iter().map(|(name, weight)| (name, -weight.abs()));
    let (genes, weights) = own(&rise, &fall).into_iter().chain(falls).unzip();
    Signature { name: "the genes that were typed".into(), genes, weights }
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn typed_genes_are_a_signature() {
        let signature = typed("STAT1, IRF1\nSTAT1;CD74", "MYC \"CD74\"");
        assert_eq!(signature.genes, ["IRF1", "STAT1", "MYC"]);
        assert_eq!(signature.weights, [1.0, 1.0, -1.0]);
        assert!(typed(" ,\n", "").genes.is_empty());
        // Numbers belong to the gene before them.
        let signature = typed("STAT1 2.5\nIRF1,-0.5 CD74", "MYC 2");
        assert_eq!(signature.genes, ["CD74", "IRF1", "STAT1", "MYC"]);
        assert_eq!(signature.weights, [1.0, -0.5, 2.5, -2.0]);
        // A fold change that is pasted among what should fall falls, whatever its sign.
        assert_eq!(typed("", "MYC -2, CD74 3").weights, [-3.0, -2.0]);
        // Of several columns the first is the change, not the p value.
        let signature = typed("gene,log2fc,p\nSTAT1,2.5,0.001\nIRF1\t-1\t0.5", "MYC;-2;0.04");
        let weights = signature.genes.iter().map(String::as_str).zip(signature.weights.iter().copied());
        let expected = [("IRF1", -1.0), ("STAT1", 2.5), ("gene", 1.0), ("log2fc", 1.0), ("p", 1.0), ("MYC", -2.0)];
        assert_eq!(weights.collect::<Vec<_>>(), expected);
        // What has no number is not weighed by the next column; a number before any gene is none's.
        assert_eq!(typed("7 STAT1,NA,0.03 IRF1,NaN,0.5 JAK2,inf,0 CD74,2", "").genes, ["CD74"]);
    }
}
