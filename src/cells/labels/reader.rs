//! One label, read by what it says, by the genes of the file, and by the other labels of its column.
//!
//! Rules are tried from the surest to the least sure; the first that fits is said with the reading. A name that is a
//! gene of the file is never cut.

use std::collections::{HashMap, HashSet};

use spec::labels::{Dose, LabelOptions, Reading};

use crate::labels::guide::{self, Form, Guide};
use crate::labels::symbols::Symbols;
use crate::labels::words::{TAG_CALLS, folded, is_control, is_control_word, is_not_assigned};
use crate::labels::{dose, separate};

/// Columns whose every label is the name of a gene, in lower case.
const GENE_COLUMNS: [&str; 9] = [
    "gene",
    "target_gene",
    "gene_target",
    "gene_targets",
    "target_genes",
    "gene_symbol",
    "gene_name",
    "perturbed_gene",
    "guide_target",
];
/// Columns whose every label is the name of a treatment, in lower case.
const TREATMENT_COLUMNS: [&str; 8] =
    ["drug", "compound", "treatment", "small_molecule", "drug_name", "product_name", "pert_iname", "drugname"];
/// Guides with the same letters behind a target, so that the letters count them.
const MIN_LETTERED: usize = 2;

/// What a label was understood to say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Understood {
    pub(crate) reading: Reading,
    pub(crate) guides: Vec<String>,
    pub(crate) dose: Option<Dose>,
    pub(crate) rule: String,
}

impl Understood {
    fn new(reading: Reading, rule: impl Into<String>) -> Understood {
        Understood { reading, guides: Vec::new(), dose: None, rule: rule.into() }
    }

    fn target(target: &str, rule: impl Into<String>) -> Understood {
        Understood::new(Reading::Targets(vec![target.to_owned()]), rule)
    }

    fn of_guide(mut self, guide: &str) -> Understood {
        self.guides = vec![guide.to_owned()];
        self
    }
}

/// Reads the labels of one column.
pub(crate) struct Reader<'a> {
    symbols: &'a Symbols<'a>,
    control_label: Option<&'a str>,
    is_of_genes: bool,
    is_of_treatments: bool,
    /// Whether `negative` stands beside the calls of a tag.
    is_of_tags: bool,
    /// Labels, and parts of labels beside a control: a name that is perturbed alone.
    alone: HashSet<&'a str>,
    /// How many labels have a base and a letter behind it.
    n_lettered: HashMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        column: &str,
        labels: &[&'a str],
        symbols: &'a Symbols<'a>,
        options: &'a LabelOptions,
    ) -> Reader<'a> {
        let column = column.to_lowercase();
        let mut n_lettered = HashMap::new();
        let mut alone = HashSet::new();
        for label in labels {
            if let Some(Guide { base, form: Form::Letter }) = guide::parse(label.trim()) {
                *n_lettered.entry(base).or_insert(0) += 1;
            }
            alone.insert(label.trim());
            if let Some((a, b)) = label.trim().split_once('_') {
                alone.extend(is_control(b).then_some(a).into_iter().chain(is_control(a).then_some(b)));
            }
        }
        Reader {
            symbols,
            control_label: options.control_label.as_deref(),
            is_of_genes: GENE_COLUMNS.contains(&column.as_str()),
            is_of_treatments: TREATMENT_COLUMNS.contains(&column.as_str()),
            is_of_tags: labels.iter().any(|label| TAG_CALLS.contains(&folded(label).as_str())),
            alone,
            n_lettered,
        }
    }

    /// Reads a label.
    pub(crate) fn read(&self, label: &str) -> Understood {
        let text = label.trim();
        if self.control_label.is_some_and(|control| control == label || control == text) {
            return Understood::new(Reading::Control, "chosen as the control");
        }
        if let Some((half, other)) = text.split_once("__")
            && half == other
        {
            return self.read(half);
        }
        if let Some(word) = self.word(text) {
            return word;
        }
        match separate::parts(text) {
            Some((separator, parts)) if self.symbols.find(text).is_none() => self.combination(text, separator, &parts),
            _ => self.one(text),
        }
    }

    /// Labels that are words.
    fn word(&self, text: &str) -> Option<Understood> {
        let folded = folded(text);
        let untreated = folded == "none" && self.is_of_treatments;
        let untagged = folded == "negative" && self.is_of_tags;
        if untreated {
            return Some(Understood::new(Reading::Control, "none, in a column of treatments: not treated"));
        }
        if is_not_assigned(text) || untagged || folded == "none" {
            let rule = if text.is_empty() {
                "empty: not assigned to a perturbation".into()
            } else {
                format!("{text} says that the cells were not assigned to a perturbation")
            };
            return Some(Understood::new(Reading::NotAssigned, rule));
        }
        if !is_control_word(text) {
            return None;
        }
        let gene = self.symbols.find(text).map_or("", |_| "; a gene of the file has this name too");
        Some(Understood::new(Reading::Control, format!("{text} is a word for control{gene}")))
    }

    /// A label of several parts.
    fn combination(&self, text: &str, separator: char, parts: &[&str]) -> Understood {
        let read: Vec<Understood> = parts.iter().map(|part| self.part(part, separator)).collect();
        let find = |wanted: &Reading| read.iter().position(|part| part.reading == *wanted);
        if let Some(at) = find(&Reading::NotAssigned) {
            return Understood::new(Reading::NotAssigned, format!("its part {}: {}", parts[at], read[at].rule));
        }
        if let Some(at) = find(&Reading::Unknown) {
            let whole = self.one(text);
            if whole.reading != Reading::Unknown {
                return whole;
            }
            return Understood::new(Reading::Unknown, format!("its part {} was not understood", parts[at]));
        }
        let mut targets: Vec<String> = Vec::new();
        for part in &read {
            let Reading::Targets(of_part) = &part.reading else { continue };
            targets.extend(of_part.iter().filter(|target| !targets.contains(*target)).cloned().collect::<Vec<_>>());
        }
        let n_controls = read.iter().filter(|part| part.reading == Reading::Control).count();
        let reasons: Vec<&str> = read.iter().map(|part| part.rule.as_str()).collect();
        let told = match (targets.len(), n_controls) {
            (0, _) => format!("all parts between {separator} are controls"),
            (1, 0) => format!("all parts between {separator} are of one target"),
            (1, _) => format!("one target; a part that is control adds none ({separator} joins parts)"),
            (n, _) => format!("{n} targets joined by {separator}"),
        };
        let dose = read.iter().find_map(|part| part.dose.clone());
        let guides = read.iter().flat_map(|part| part.guides.iter().cloned()).collect();
        let reading = if targets.is_empty() { Reading::Control } else { Reading::Targets(targets) };
        Understood { reading, guides, dose, rule: format!("{told}: {}", reasons.join("; ")) }
    }

    /// A part of a combination; between `+` any name without blanks is a target, as GEARS writes them.
    fn part(&self, part: &str, separator: char) -> Understood {
        let read = match self.word(part) {
            Some(read) => read,
            None if self.control_label == Some(part) => Understood::new(Reading::Control, "chosen as the control"),
            None => self.one(part),
        };
        if read.reading == Reading::Unknown && separator == '+' && !part.contains(char::is_whitespace) {
            return Understood::target(part, format!("{part} is a name beside +{}", self.where_found(part)));
        }
        read
    }

    /// A label of one part, or one that is none of the above.
    fn one(&self, text: &str) -> Understood {
        if let Some(gene) = self.symbols.find(text) {
            let rule = if gene == text {
                format!("{text} is a gene of the file")
            } else {
                format!("{text} is the id of {gene}")
            };
            return Understood::target(gene, rule);
        }
        if let Some(read) = self.underscored(text) {
            return read;
        }
        // `NTSg2` is a guide of NTS, where the file has that gene.
        let is_of_gene = |guide: Guide<'_>| self.symbols.find(guide.base).is_some() && !is_control(guide.base);
        if is_control(text) && !guide::parse(text).is_some_and(is_of_gene) {
            return Understood::new(Reading::Control, format!("{text} is a guide without a target")).of_guide(text);
        }
        if let Some((compound, dose)) = dose::in_label(text) {
            return self.dosed(text, compound, dose);
        }
        if let Some(read) = self.guide(text) {
            return read;
        }
        if let Some(base) = guide::without_mode(text).filter(|base| self.symbols.is_like(base)) {
            return Understood::target(base, format!("{base}, and how it is perturbed{}", self.where_found(base)));
        }
        if let Some(base) = guide::near_element(text).filter(|base| self.symbols.is_like(base)) {
            return Understood::target(text, format!("an element of the genome near {base}, a target of its own"));
        }
        if guide::is_spacer(text) {
            return Understood::new(Reading::Unknown, "the sequence of a guide; it does not name its target")
                .of_guide(text);
        }
        if self.symbols.is_like(text) {
            return Understood::target(text, format!("{text} is written as a gene{}", self.where_found(text)));
        }
        if self.is_of_genes || self.is_of_treatments {
            let what = if self.is_of_genes { "genes" } else { "treatments" };
            return Understood::target(text, format!("the column is one of {what}{}", self.where_found(text)));
        }
        Understood::new(
            Reading::Unknown,
            format!("{text} is no gene of the file, no word for control and no form that is known"),
        )
    }

    fn where_found(&self, name: &str) -> &'static str {
        if self.symbols.find(name).is_some() { "" } else { "; the file has no gene of this name" }
    }

    fn dosed(&self, text: &str, compound: &str, dose: Dose) -> Understood {
        let reading = if is_control(compound) { Reading::Control } else { Reading::Targets(vec![compound.to_owned()]) };
        let rule = format!("{compound} at {} {}", dose.amount, dose.unit);
        let rule = if reading == Reading::Control { format!("{rule}: the vehicle of {text}") } else { rule };
        Understood { reading, guides: Vec::new(), dose: Some(dose), rule }
    }

    /// The id of a guide, where what stands before its mark is a gene or control.
    fn guide(&self, text: &str) -> Option<Understood> {
        let Guide { mut base, form } = guide::parse(text)?;
        if form == Form::Prefix
            && !self.symbols.is_whole(base)
            && let Some(inner) = guide::numbered(base).filter(|inner| self.is_guide_of(*inner))
        {
            base = inner.base;
        }
        if form != Form::Prefix && self.symbols.is_whole(text) {
            return None;
        }
        if is_control(base) {
            return Some(
                Understood::new(Reading::Control, format!("a guide of {base}, which is control")).of_guide(text),
            );
        }
        if !self.is_guide_of(Guide { base, form }) {
            return None;
        }
        let target = self.symbols.find(base).unwrap_or(base);
        let rule = format!("a guide of {target}{}", self.where_found(base));
        Some(Understood::target(target, rule).of_guide(text))
    }

    fn is_guide_of(&self, Guide { base, form }: Guide<'_>) -> bool {
        let is_gene = self.symbols.find(base).is_some();
        match form {
            Form::Strand => true,
            Form::Prefix | Form::Marked | Form::Underscore | Form::Spacer | Form::Hyphen => self.symbols.is_like(base),
            Form::Dot => is_gene,
            Form::Letter => {
                let n = self.n_lettered.get(base).copied().unwrap_or(0);
                n >= MIN_LETTERED && (is_gene || self.symbols.is_like(base))
            }
        }
    }

    /// `A_B`, where both are genes of the file, or are perturbed alone in the same column, or are control.
    fn underscored(&self, text: &str) -> Option<Understood> {
        let parts: Vec<&str> = text.split('_').collect();
        let is_known = |part: &&str| {
            self.symbols.find(part).is_some() || (self.alone.contains(part) && self.symbols.is_like(part))
        };
        if parts.len() < 2 || !parts.iter().all(|part| is_known(part) || is_control(part)) {
            return None;
        }
        Some(self.combination(text, '_', &parts))
    }
}
