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

/// Genes parted by blanks, commas, semicolons or lines, each with a number behind it where there is one (how much it
/// changes); a gene that should do both does neither.
fn typed(rise: &str, fall: &str) -> Signature {
    let named = |text: &str| -> Vec<(String, f32)> {
        let parts = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"'));
        let mut named: Vec<(String, f32)> = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            match (part.parse::<f32>(), named.last_mut()) {
                (Ok(value), Some((_, weight))) if value.is_finite() => *weight = value,
                _ => named.push((part.to_owned(), 1.0)),
            }
        }
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named.dedup_by(|a, b| a.0 == b.0);
        named
    };
    let (rise, fall) = (named(rise), named(fall));
    let own = |names: &[(String, f32)], others: &[(String, f32)], sign: f32| -> Vec<(String, f32)> {
        let is_own = |name: &str| others.iter().all(|(other, _)| other != name);
        names.iter().filter(|(name, _)| is_own(name)).map(|(name, weight)| (name.clone(), sign * weight)).collect()
    };
    let (genes, weights) = own(&rise, &fall, 1.0).into_iter().chain(own(&fall, &rise, -1.0)).unzip();
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
    }
}
