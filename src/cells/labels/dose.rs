//! Doses: in a label (`Nutlin_0.5uM`, `drug_10_nM`, `drug (10 nM)`) or in columns of their own.

use spec::labels::Dose;

/// Units, as they are compared: in lower case, `µ` as `u`.
const UNITS: [&str; 26] = [
    "pm", "nm", "um", "mm", "m", "nmol", "umol", "mmol", "pg/ml", "ng/ml", "ug/ml", "mg/ml", "ng/ul", "ug/ul", "pg",
    "ng", "ug", "mg", "g/l", "mg/l", "ug/l", "%", "u/ml", "iu/ml", "gy", "ngml",
];

/// A label without its dose, and the dose; none where it names none.
pub(crate) fn in_label(text: &str) -> Option<(&str, Dose)> {
    let text = text.trim().trim_end_matches(')');
    // The unit is what follows the last digit.
    let digits_end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let unit = text[digits_end..].trim_start_matches(['_', ' ', '-']);
    if !is_unit(unit) {
        return None;
    }
    let number_start = text[..digits_end]
        .rfind(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map_or(0, |at| at + char_length(text, at));
    let (name, number) = (&text[..number_start], &text[number_start..digits_end]);
    let compound = name.trim_end_matches(['_', ' ', '-', '@', '(', ':']);
    // Without anything between them the digits belong to the name (`CD4M` is no dose).
    if compound.is_empty() || compound.len() == name.len() {
        return None;
    }
    Some((compound, Dose { amount: amount(number)?, unit: unit.to_owned() }))
}

/// A dose from columns; none where the amount is no number, or GEARS' mark for the number of targets (`1+1`).
pub(crate) fn in_columns(amount_text: &str, unit: &str) -> Option<Dose> {
    let text = amount_text.trim();
    if let Some(amount) = amount(text) {
        return Some(Dose { amount, unit: unit.trim().to_owned() });
    }
    let digits_end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let written = text[digits_end..].trim();
    let amount = amount(&text[..digits_end])?;
    is_unit(written).then(|| Dose { amount, unit: written.to_owned() })
}

fn is_unit(text: &str) -> bool {
    let folded = text.to_lowercase().replace(['µ', 'μ'], "u");
    UNITS.contains(&folded.as_str())
}

fn amount(text: &str) -> Option<f64> {
    text.parse().ok().filter(|amount: &f64| amount.is_finite() && *amount >= 0.0)
}

fn char_length(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}
