//! Words by which files say that cells are controls, or that nobody knows.

/// Case, blanks and separators do not tell two spellings apart: `Non-targeting` is `nontargeting`.
pub(crate) fn folded(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '-' | '_' | ' ' | '.' | '*')).flat_map(char::to_lowercase).collect()
}

/// Folded labels of controls. `nt`, `ntc` and `nc`: non-targeting (negative) control; `aavs1`, `rosa26`: places of the
/// genome where a cut does nothing; reporters: guides or transgenes that do not act on the cells.
const CONTROL: [&str; 70] = [
    "aavs1",
    "bfp",
    "control",
    "controlsgrna",
    "ctl",
    "ctr",
    "ctrl",
    "ctrlg",
    "dmso",
    "egfp",
    "emptyvector",
    "gfp",
    "intergenic",
    "lacz",
    "luc",
    "luciferase",
    "mcherry",
    "media",
    "medium",
    "mock",
    "nc",
    "neg",
    "negative",
    "negativecontrol",
    "negcontrol",
    "negctl",
    "negctrl",
    "nocurrent",
    "noperturbation",
    "nosite",
    "notarget",
    "notargetcontrol",
    "notargeting",
    "notreatment",
    "nonegenesite",
    "nonessential",
    "nongenesite",
    "nonperturbed",
    "nontarget",
    "nontargetcontrol",
    "nontargeted",
    "nontargeting",
    "nontargetingcontrol",
    "nontargetinggrna",
    "nontargetingsgrna",
    "nonspecific",
    "nt",
    "ntc",
    "ntctrl",
    "ntrgt",
    "oneintergenicsite",
    "onenongenesite",
    "parental",
    "pbs",
    "random",
    "rfp",
    "rosa26",
    "safe",
    "safeharbor",
    "safeharbour",
    "safetargeting",
    "scr",
    "scramble",
    "scrambled",
    "unperturbed",
    "unstimulated",
    "untreated",
    "vehicle",
    "wildtype",
    "wt",
];

/// Folded words that say control wherever they stand in a label.
const CONTROL_INSIDE: [&str; 8] = [
    "nontargeting",
    "nontargetting",
    "safetargeting",
    "negctrl",
    "negcontrol",
    "negativecontrol",
    "scrambled",
    "safeharbo",
];

/// What may stand between the word and the number of a control guide.
const GUIDE_MARKS: [&str; 8] = ["sgrna", "grna", "guide", "sg", "g", "site", "p", "s"];

/// What looks like a word for control, but with a number is the symbol of a gene (`WT1`, `CTR9`, `NCS1`, `SCRG1`).
const GENES_WITH_NUMBER: [&str; 4] = ["wt", "ctr", "ncs", "scrg"];

/// Folded labels of cells that could not be given to one perturbation, or to none.
const NOT_ASSIGNED: [&str; 30] = [
    "",
    "?",
    "ambiguous",
    "conflict",
    "doublet",
    "fail",
    "failed",
    "filtered",
    "missing",
    "multi",
    "multiguide",
    "multiple",
    "multipleguides",
    "multiplet",
    "n/a",
    "na",
    "nan",
    "nd",
    "nocall",
    "noguide",
    "nosgrna",
    "notassigned",
    "notdetected",
    "null",
    "unassigned",
    "undefined",
    "undetermined",
    "unknown",
    "unmapped",
    "<na>",
];

/// Folded labels beside which `negative` means that no tag was found.
pub(crate) const TAG_CALLS: [&str; 3] = ["doublet", "multiplet", "multiple"];

/// Whether a label says that its cells are controls: a word, or a word with the number of a guide (`NTg4`).
pub(crate) fn is_control(text: &str) -> bool {
    let folded = folded(text);
    if CONTROL.contains(&folded.as_str()) || CONTROL_INSIDE.iter().any(|word| folded.contains(word)) {
        return true;
    }
    let word = folded.trim_end_matches(|c: char| c.is_ascii_digit());
    if word.len() == folded.len() || GENES_WITH_NUMBER.contains(&word) {
        return false;
    }
    // `nt` and `g` of `ntg4`; `oneintergenicsite` is a word of its own.
    CONTROL.contains(&word)
        || GUIDE_MARKS.iter().any(|mark| word.strip_suffix(mark).is_some_and(|word| CONTROL.contains(&word)))
}

/// Whether a label is a word for control as it stands, without a number.
pub(crate) fn is_control_word(text: &str) -> bool {
    CONTROL.contains(&folded(text).as_str())
}

/// Whether a label says that its cells belong to no one perturbation.
pub(crate) fn is_not_assigned(text: &str) -> bool {
    NOT_ASSIGNED.contains(&folded(text).as_str())
}
