//! The splits of GEARS, to the perturbation: the same draws in the same order over the same lists (spec §3.3).
//!
//! What they do that one would not guess: names are sorted by code point before a draw of genes, but keep their order in
//! the file before a draw of perturbations; `simulation` seeds again before it draws combinations, and again for
//! validation; the other kinds draw genes even where they use none of them, and draw with replacement, so that fewer
//! than asked for are tested.

use std::collections::{BTreeSet, HashSet};

use spec::split::{GearsKind, GearsOptions, Members, Part, Split, SplitKind};

use crate::read::listed;
use crate::split::legacy::LegacyRandom;
use crate::split::{Condition, SplitError, check_conditions, number};

/// Share of the training genes, and of the combinations of two of them, that validation leaves to training.
const TRAIN_OF_VALIDATION: f64 = 0.9;

/// Parts perturbations as GEARS does. `conditions` are those of the file in order of first appearance, the control
/// (`control`) not among them; GEARS takes `A+ctrl` and `ctrl+A` for two.
///
/// # Errors
/// Where a share is none, where a perturbation has more targets than GEARS knows, is named twice or is called as the
/// control, and where `simulation_single` meets a combination.
pub fn gears(
    kind: GearsKind,
    conditions: &[Condition],
    control: Option<&str>,
    options: &GearsOptions,
) -> Result<Split, SplitError> {
    check_conditions(conditions, control)?;
    check_shares(options)?;
    check_targets(kind, conditions)?;
    check_held_out(kind, conditions, &options.held_out)?;
    let all: Vec<&Condition> = conditions.iter().collect();
    let mut subgroups = Vec::new();
    let (val, test, left_out) = match kind {
        GearsKind::Simulation | GearsKind::SimulationSingle => {
            let shares = (options.train_gene_set_size, options.combo_seen2_train_frac);
            let outer = simulate(&all, shares, options.seed, &options.held_out, options.only_held_out)?;
            let shares = (TRAIN_OF_VALIDATION, TRAIN_OF_VALIDATION);
            let inner = simulate(&outer.train, shares, options.seed, &[], false)?;
            if kind == GearsKind::Simulation {
                let names = |group: &[&Condition]| group.iter().map(|condition| condition.name.clone()).collect();
                subgroups = outer.groups.iter().map(|(name, group)| ((*name).to_owned(), names(group))).collect();
            }
            (inner.test(), outer.test(), Vec::new())
        }
        GearsKind::NoSplit => (Vec::new(), all.clone(), Vec::new()),
        GearsKind::NoTest => {
            let drawn = draw(kind, &all, options.val_size, &[], &mut LegacyRandom::new(options.seed))?;
            (drawn.test, Vec::new(), drawn.left_out)
        }
        _ => {
            let mut random = LegacyRandom::new(options.seed);
            let outer = draw(kind, &all, options.test_size, &options.held_out, &mut random)?;
            let inner = draw(kind, &outer.train, options.val_size, &[], &mut random)?;
            (inner.test, outer.test, outer.left_out.into_iter().chain(inner.left_out).collect())
        }
    };
    let control_part = if kind == GearsKind::NoSplit { Part::Test } else { Part::Train };
    let members =
        members(conditions, control.map(|control| (control, control_part)), &val, &test, &left_out, subgroups);
    Ok(Split { kind: SplitKind::Gears { kind, options: options.clone() }, members })
}

/// What is neither validation, test nor left out is for training.
fn members(
    conditions: &[Condition],
    control: Option<(&str, Part)>,
    val: &[&Condition],
    test: &[&Condition],
    left_out: &[&Condition],
    subgroups: Vec<(String, Vec<String>)>,
) -> Members {
    let names = |of: &[&Condition]| of.iter().map(|condition| condition.name.clone()).collect::<HashSet<String>>();
    let (val, test, out) = (names(val), names(test), names(left_out));
    let mut parts: Vec<(String, Part)> = control.iter().map(|(control, part)| ((*control).to_owned(), *part)).collect();
    let mut left_out = Vec::new();
    for Condition { name, .. } in conditions {
        match (test.contains(name), val.contains(name), out.contains(name)) {
            (true, ..) => parts.push((name.clone(), Part::Test)),
            (_, true, _) => parts.push((name.clone(), Part::Val)),
            (_, _, true) => left_out.push(name.clone()),
            _ => parts.push((name.clone(), Part::Train)),
        }
    }
    Members::Conditions { parts, left_out, subgroups }
}

/// What one drawing of `simulation` gives.
struct Simulated<'a> {
    train: Vec<&'a Condition>,
    /// The test perturbations, by how much of them training has seen.
    groups: [(&'static str, Vec<&'a Condition>); 4],
}

impl<'a> Simulated<'a> {
    fn test(&self) -> Vec<&'a Condition> {
        self.groups.iter().flat_map(|(_, group)| group.iter().copied()).collect()
    }
}

fn simulate<'a>(
    all: &[&'a Condition],
    (gene_share, combination_share): (f64, f64),
    seed: u32,
    held_out: &[String],
    only_held_out: bool,
) -> Result<Simulated<'a>, SplitError> {
    let genes = genes_of(all);
    let held_out: HashSet<&str> = held_out.iter().map(String::as_str).collect();
    let is_trained = if only_held_out && !held_out.is_empty() {
        genes.iter().copied().filter(|gene| !held_out.contains(gene)).collect()
    } else {
        train_genes(&genes, share(genes.len(), gene_share), &held_out, &mut LegacyRandom::new(seed))?
    };
    let n_trained =
        |condition: &Condition| condition.targets.iter().filter(|gene| is_trained.contains(gene.as_str())).count();
    let (single, double): (Vec<&Condition>, Vec<&Condition>) = all.iter().partition(|one| one.targets.len() == 1);
    let (mut train, unseen_single): (Vec<&Condition>, Vec<&Condition>) =
        single.into_iter().partition(|condition| n_trained(condition) > 0);
    let of_seen = |n: usize| double.iter().copied().filter(move |condition| n_trained(condition) == n);
    let mut both: Vec<&Condition> = of_seen(2).collect();
    both.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let kept = LegacyRandom::new(seed).choose(number(both.len())?, share(both.len(), combination_share));
    let kept: HashSet<usize> = kept.into_iter().map(|at| at as usize).collect();
    let seen2 = (0..both.len()).filter(|at| !kept.contains(at)).map(|at| both[at]).collect();
    train.extend((0..both.len()).filter(|at| kept.contains(at)).map(|at| both[at]));
    let groups = [
        ("combo_seen0", of_seen(0).collect()),
        ("combo_seen1", of_seen(1).collect()),
        ("combo_seen2", seen2),
        ("unseen_single", unseen_single),
    ];
    Ok(Simulated { train, groups })
}

/// Draws the genes of training. For each that is held out another is drawn in its place.
fn train_genes<'a>(
    genes: &[&'a str],
    n: usize,
    held_out: &HashSet<&str>,
    random: &mut LegacyRandom,
) -> Result<HashSet<&'a str>, SplitError> {
    let drawn = random.choose(number(genes.len())?, n);
    let mut trained: HashSet<&str> = drawn.iter().map(|at| genes[*at as usize]).collect();
    let n_drawn = trained.len();
    trained.retain(|gene| !held_out.contains(gene));
    let n_replaced = n_drawn - trained.len();
    if !held_out.is_empty() {
        let is_left = |gene: &&str| !trained.contains(gene) && !held_out.contains(gene);
        let left: Vec<&str> = genes.iter().copied().filter(is_left).collect();
        if n_replaced > left.len() {
            return Err(SplitError::HeldOut { n: held_out.len(), n_left: left.len(), n_replaced });
        }
        trained.extend(random.choose(number(left.len())?, n_replaced).into_iter().map(|at| left[at as usize]));
    }
    Ok(trained)
}

/// What one drawing of the other kinds gives.
struct Drawn<'a> {
    train: Vec<&'a Condition>,
    test: Vec<&'a Condition>,
    left_out: Vec<&'a Condition>,
}

fn draw<'a>(
    kind: GearsKind,
    all: &[&'a Condition],
    test_share: f64,
    held_out: &[String],
    random: &mut LegacyRandom,
) -> Result<Drawn<'a>, SplitError> {
    let of_names = kind == GearsKind::ComboSeen2;
    let (single, double): (Vec<&Condition>, Vec<&Condition>) = all.iter().partition(|one| one.targets.len() == 1);
    let genes = genes_of(all);
    let is_test_gene: HashSet<&str> = if held_out.is_empty() || of_names {
        let drawn = random.choose_with_replacement(number(genes.len())?, share(single.len(), test_share));
        drawn.into_iter().map(|at| genes[at as usize]).collect()
    } else {
        held_out.iter().map(String::as_str).collect()
    };
    let n_drawn =
        |condition: &Condition| condition.targets.iter().filter(|gene| is_test_gene.contains(gene.as_str())).count();
    let with_drawn = |of: &[&'a Condition]| -> Vec<&'a Condition> {
        of.iter().copied().filter(|condition| n_drawn(condition) > 0).collect()
    };
    let mut some_of = |of: &[&'a Condition]| -> Result<Vec<&'a Condition>, SplitError> {
        if !held_out.is_empty() {
            return Ok(all.iter().copied().filter(|condition| held_out.contains(&condition.name)).collect());
        }
        let drawn = random.choose_with_replacement(number(of.len())?, share(of.len(), test_share));
        Ok(drawn.into_iter().map(|at| of[at as usize]).collect())
    };
    let (test, left_out) = match kind {
        GearsKind::Single => (with_drawn(&single), with_drawn(&double)),
        GearsKind::SingleOnly => (with_drawn(&single), double),
        GearsKind::ComboSeen0 | GearsKind::ComboSeen1 => {
            // Genes of a tested combination that training may have seen.
            let most_seen = usize::from(kind == GearsKind::ComboSeen1);
            let is_tested = |condition: &&Condition| condition.targets.len() - n_drawn(condition) <= most_seen;
            let (tested, left_out): (Vec<&Condition>, Vec<&Condition>) =
                with_drawn(&double).into_iter().partition(is_tested);
            (with_drawn(&single).into_iter().chain(tested).collect(), left_out)
        }
        GearsKind::ComboSeen2 => (some_of(&double)?, Vec::new()),
        _ => (some_of(all)?, Vec::new()),
    };
    let taken: HashSet<&str> = test.iter().chain(&left_out).map(|condition| condition.name.as_str()).collect();
    let train = all.iter().copied().filter(|condition| !taken.contains(condition.name.as_str())).collect();
    Ok(Drawn { train, test, left_out })
}

/// Perturbed genes, sorted by code point.
fn genes_of<'a>(conditions: &[&'a Condition]) -> Vec<&'a str> {
    let genes: BTreeSet<&str> =
        conditions.iter().flat_map(|condition| condition.targets.iter().map(String::as_str)).collect();
    genes.into_iter().collect()
}

/// `int(n * share)`.
fn share(n: usize, share: f64) -> usize {
    (n as f64 * share) as usize
}

fn check_shares(options: &GearsOptions) -> Result<(), SplitError> {
    let named = [
        ("train_gene_set_size", options.train_gene_set_size),
        ("combo_seen2_train_frac", options.combo_seen2_train_frac),
        ("test_size", options.test_size),
        ("val_size", options.val_size),
    ];
    match named.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        Some((name, share)) => Err(SplitError::Share { name, share }),
        None => Ok(()),
    }
}

/// A name that is mistyped would be tested nowhere.
fn check_held_out(kind: GearsKind, conditions: &[Condition], held_out: &[String]) -> Result<(), SplitError> {
    if matches!(kind, GearsKind::NoTest | GearsKind::NoSplit) && !held_out.is_empty() {
        return Err(SplitError::NothingHeldOut);
    }
    let of_names = kind == GearsKind::ComboSeen2;
    let there: BTreeSet<&str> = conditions
        .iter()
        .flat_map(|one| if of_names { std::slice::from_ref(&one.name) } else { one.targets.as_slice() })
        .map(String::as_str)
        .collect();
    match held_out.iter().find(|name| !there.contains(name.as_str())) {
        Some(name) => Err(SplitError::NoSuch {
            what: if of_names { "the perturbations".into() } else { "the targets".into() },
            wanted: name.clone(),
            available: listed(there, 20),
        }),
        None => Ok(()),
    }
}

fn check_targets(kind: GearsKind, conditions: &[Condition]) -> Result<(), SplitError> {
    let most = if kind == GearsKind::SimulationSingle { 1 } else { 2 };
    if kind == GearsKind::NoSplit {
        return Ok(());
    }
    match conditions.iter().find(|condition| condition.targets.len() > most) {
        Some(condition) => {
            Err(SplitError::TooManyTargets { name: condition.name.clone(), n: condition.targets.len(), most })
        }
        None => Ok(()),
    }
}
