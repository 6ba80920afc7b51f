//! What the dots of a map are coloured by, and the colours that makes.

use leptos::prelude::*;
use spec::labels::UNLABELLED;
use spec::map::{CellColumn, CellQuantity, Mapped, Representation};
use spec::prediction::Query;

use crate::app::{Dataset, Shared, State};
use crate::format::{count, significant};
use crate::plots::axis::range;
use crate::plots::cloud::picture::N_RAMP;
use crate::plots::cloud::splat::UNPAINTED;
use crate::plots::cloud::{Coloured, Paint, Palette};
use crate::views::atlas::Atlas;

/// Colours of labels, defined per theme in the stylesheet.
const N_COLOURS: usize = 16;

/// Share of the cells beyond each end of a ramp of genes' values: one cell of a thousand hides no other.
const TAIL: f64 = 0.001;

/// What the dots are coloured by.
#[derive(Debug, Clone, PartialEq)]
pub enum ColourBy {
    /// Control against all others.
    Perturbed,
    /// One perturbation against control and the rest.
    One(usize),
    /// The sum of counts.
    TotalCounts,
    /// Genes with a count.
    NGenes,
    /// Mitochondrial counts.
    Mitochondrial,
    /// Clusters of a map.
    Clusters(Representation),
    /// How many cells lie about each place.
    Density,
    /// What the engine is asked for.
    Asked(CellQuantity),
}

impl ColourBy {
    /// What cells are coloured by at first.
    pub fn first(dataset: &Dataset) -> Self {
        if dataset.prepared.perturbations.len() > 1 { Self::Perturbed } else { Self::TotalCounts }
    }

    /// What the engine has to be asked for.
    pub fn quantity(&self) -> Option<CellQuantity> {
        match self {
            Self::Asked(quantity) => Some(quantity.clone()),
            _ => None,
        }
    }

    /// As the value of a select box, and in a link.
    pub fn key(&self) -> String {
        match self {
            Self::Perturbed => "perturbed".into(),
            Self::One(one) => one.to_string(),
            Self::TotalCounts => "total".into(),
            Self::NGenes => "genes".into(),
            Self::Mitochondrial => "mitochondrial".into(),
            Self::Clusters(Representation::Expression) => "clusters".into(),
            Self::Clusters(Representation::Latent) => "clusters-latent".into(),
            Self::Density => "density".into(),
            Self::Asked(CellQuantity::Gene { symbol }) => format!("gene {symbol}"),
            Self::Asked(CellQuantity::Column { name }) => format!("column {name}"),
            Self::Asked(CellQuantity::Component { index }) => format!("component {index}"),
            Self::Asked(CellQuantity::Latent { index }) => format!("latent {index}"),
            Self::Asked(CellQuantity::Shift { .. }) => "shift".into(),
        }
    }

    /// What a key stands for; none where these cells have no such thing. A predicted change is that of the last `query`.
    pub fn of_key(key: &str, dataset: &Dataset, query: Option<&Query>) -> Option<Self> {
        let plain = [
            Self::TotalCounts,
            Self::NGenes,
            Self::Mitochondrial,
            Self::Density,
            Self::Clusters(Representation::Expression),
            Self::Clusters(Representation::Latent),
        ];
        if let Some(known) = plain.into_iter().find(|known| known.key() == key) {
            return Some(known);
        }
        let n = dataset.prepared.perturbations.len();
        match key.split_once(' ') {
            None if key == "shift" => Some(Self::Asked(CellQuantity::Shift { query: query?.clone() })),
            None if key == Self::Perturbed.key() => (n > 1).then_some(Self::Perturbed),
            None => key.parse().ok().filter(|one| (1..n).contains(one)).map(Self::One),
            Some(("gene", symbol)) => Some(Self::Asked(CellQuantity::Gene { symbol: symbol.into() })),
            Some(("column", name)) => Some(Self::Asked(CellQuantity::Column { name: name.into() })),
            Some(("component", index)) => Some(Self::Asked(CellQuantity::Component { index: index.parse().ok()? })),
            Some(("latent", index)) => Some(Self::Asked(CellQuantity::Latent { index: index.parse().ok()? })),
            Some(_) => None,
        }
    }
}

/// What colours can be made of, beside the prepared cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    mapped: [Option<Shared<Mapped>>; 2],
    columns: Vec<(CellQuantity, Shared<CellColumn>)>,
}

impl Known {
    /// What the state has.
    pub fn of(state: &State) -> Self {
        Self { mapped: state.population.mapped.clone(), columns: state.population.columns.clone() }
    }
}

/// Colours; none where what they are made of is not known yet.
pub fn coloured(dataset: &Dataset, by: &ColourBy, known: &Known) -> Option<Coloured> {
    let quality = &dataset.quality;
    let mut coloured = match by {
        ColourBy::Perturbed => perturbed(dataset),
        ColourBy::One(one) => one_perturbation(dataset, *one),
        ColourBy::TotalCounts => numbers("total counts", &quality.total_counts, "counts", false),
        ColourBy::NGenes => numbers("genes found", &quality.n_genes_by_counts, "genes", false),
        ColourBy::Mitochondrial => numbers("mitochondrial counts", &quality.pct_counts_mt, "%", false),
        ColourBy::Density => Coloured { title: "density".into(), palette: Palette::Density, ..plain(dataset) },
        ColourBy::Clusters(representation) => {
            let mapped = known.mapped[*representation as usize].as_ref()?;
            let names: Vec<String> = (0..mapped.sizes.len()).map(|cluster| cluster.to_string()).collect();
            labels(&format!("clusters of {}", representation.label()), &mapped.clusters, &names)
        }
        ColourBy::Asked(quantity) => {
            let (_, column) = known.columns.iter().find(|(known, _)| known == quantity)?;
            match &**column {
                CellColumn::Labels { codes, names } => labels(&title(quantity), codes, names),
                CellColumn::Numbers { values, unit } => {
                    numbers(&title(quantity), values, unit, matches!(quantity, CellQuantity::Gene { .. }))
                }
            }
        }
    };
    for &row in &dataset.prepared.dropped {
        if let Some(level) = coloured.paint.level_of_cell.get_mut(row as usize) {
            *level = UNPAINTED;
        }
    }
    Some(coloured)
}

/// One colour for all.
pub fn plain(dataset: &Dataset) -> Coloured {
    let n_cells = dataset.quality.total_counts.len();
    let palette = Palette::Labels(vec![("var(--c-control)".into(), "cells".into())]);
    Coloured {
        title: "cells".into(),
        paint: Paint { level_of_cell: vec![0; n_cells], n_levels: 1, is_ordered: false },
        palette,
    }
}

/// In words.
pub fn title(quantity: &CellQuantity) -> String {
    match quantity {
        CellQuantity::Gene { symbol } => symbol.clone(),
        CellQuantity::Column { name } => name.clone(),
        CellQuantity::Component { index } => format!("principal component {}", index + 1),
        CellQuantity::Latent { index } => format!("latent number {index}"),
        CellQuantity::Shift { query } => format!("along the predicted change of {}", query.name()),
    }
}

fn labels(title: &str, codes: &[u32], names: &[String]) -> Coloured {
    // More labels than levels: the last of them share one.
    let most = UNPAINTED - 1;
    let level = |&code: &u32| if (code as usize) < names.len() { code.min(u32::from(most)) as u16 } else { UNPAINTED };
    let label = |(at, name): (usize, &String)| {
        let name = if name == UNLABELLED { "not assigned".into() } else { name.clone() };
        (format!("var(--k-{})", at % N_COLOURS), name)
    };
    let palette: Vec<(String, String)> = names.iter().take(usize::from(most) + 1).enumerate().map(label).collect();
    Coloured {
        title: title.into(),
        paint: Paint { level_of_cell: codes.iter().map(level).collect(), n_levels: palette.len(), is_ordered: false },
        palette: Palette::Labels(palette),
    }
}

fn numbers(title: &str, values: &[f32], unit: &str, is_trimmed: bool) -> Coloured {
    let (low, high) = if is_trimmed { trimmed(values) } else { range(values).unwrap_or((0.0, 1.0)) };
    let step = N_RAMP as f64 / (high - low).max(f64::MIN_POSITIVE);
    let level = |&value: &f32| match value.is_finite() {
        true => (((f64::from(value) - low) * step).max(0.0) as usize).min(N_RAMP - 1) as u16,
        false => UNPAINTED,
    };
    Coloured {
        title: title.into(),
        paint: Paint { level_of_cell: values.iter().map(level).collect(), n_levels: N_RAMP, is_ordered: true },
        palette: Palette::Ramp { low, high, unit: unit.into() },
    }
}

/// From the lowest value to the one that a thousandth of the cells lies above, of at most 50,000 of them.
fn trimmed(values: &[f32]) -> (f64, f64) {
    let Some((low, high)) = range(values) else { return (0.0, 1.0) };
    let every = values.len().div_ceil(50_000).max(1);
    let mut sample: Vec<f32> = values.iter().copied().step_by(every).filter(|value| value.is_finite()).collect();
    sample.sort_unstable_by(f32::total_cmp);
    let place = ((sample.len() as f64) * (1.0 - TAIL)) as usize;
    let most = sample.get(place.min(sample.len().saturating_sub(1))).map_or(high, |value| f64::from(*value));
    (low, if most > low { most } else { high })
}

fn perturbed(dataset: &Dataset) -> Coloured {
    let prepared = &dataset.prepared;
    let not_assigned = prepared.perturbations.iter().position(|(label, _)| label == UNLABELLED);
    // The controls are few: painted last, they stay visible.
    let level = |i: &u32| match *i as usize {
        0 => 2,
        i if Some(i) == not_assigned => 0,
        _ => 1,
    };
    let control = prepared.perturbations.first().map(|(label, _)| label.clone()).unwrap_or_default();
    three(
        "control and perturbed",
        prepared.perturbation_of_cell.iter().map(level).collect(),
        [
            ("var(--c-rest)", "not assigned".into()),
            ("var(--c-perturbed)", "perturbed".into()),
            ("var(--c-control)", control),
        ],
    )
}

fn one_perturbation(dataset: &Dataset, one: usize) -> Coloured {
    let prepared = &dataset.prepared;
    let level = |i: &u32| match *i as usize {
        0 => 1,
        i if i == one => 2,
        _ => 0,
    };
    let name = |at: usize| prepared.perturbations.get(at).map(|(label, _)| label.clone()).unwrap_or_default();
    three(
        &name(one),
        prepared.perturbation_of_cell.iter().map(level).collect(),
        [("var(--c-rest)", "others".into()), ("var(--c-control)", name(0)), ("var(--c-picked)", name(one))],
    )
}

fn three(title: &str, level_of_cell: Vec<u16>, labels: [(&str, String); 3]) -> Coloured {
    Coloured {
        title: title.into(),
        paint: Paint { level_of_cell, n_levels: 3, is_ordered: true },
        palette: Palette::Labels(labels.map(|(colour, name)| (colour.to_string(), name)).into()),
    }
}

/// What the colour of a cell says, for its tooltip.
pub fn said(coloured: &Coloured, by: &ColourBy, known: &Known, cell: usize) -> Option<String> {
    let level = coloured.paint.level_of_cell.get(cell).copied()?;
    match (&coloured.palette, by) {
        (Palette::Labels(labels), _) => Some(labels.get(level as usize)?.1.clone()),
        (Palette::Ramp { unit, .. }, ColourBy::Asked(quantity)) => {
            let (_, column) = known.columns.iter().find(|(known, _)| known == quantity)?;
            let CellColumn::Numbers { values, .. } = &**column else { return None };
            Some(format!("{} {} {unit}", coloured.title, significant(f64::from(*values.get(cell)?))))
        }
        _ => None,
    }
}

/// The select box, by kinds.
#[component]
pub fn ColourChoice(atlas: Atlas, dataset: Shared<Dataset>) -> impl IntoView {
    let known = atlas.control.part(|state| {
        let dataset = state.dataset.as_ref();
        let opened = state.opened.as_ref().filter(|file| dataset.is_some_and(|dataset| dataset.files == file.files));
        let is_number = |kind: &spec::dataset::ColumnKind| matches!(kind, spec::dataset::ColumnKind::Numbers { .. });
        let columns = opened.map_or(&[][..], |file| &file.opened.columns);
        let numbers = columns.iter().filter(|column| is_number(&column.kind)).map(|column| column.name.clone());
        let query = state.prediction.as_ref().map(|prediction| prediction.query.clone());
        let mapped = state.population.mapped.each_ref().map(|mapped| mapped.as_ref().map(|mapped| mapped.sizes.len()));
        let d_model = state.checkpoint.as_ref().map(|checkpoint| checkpoint.header.width());
        Offered { numbers: numbers.collect(), query, mapped, d_model }
    });
    move || {
        let offered = known.get();
        let groups = groups(&dataset, &offered);
        let asked: Vec<(String, ColourBy)> =
            groups.iter().flat_map(|(_, choices)| choices).map(|(by, _)| (by.key(), by.clone())).collect();
        let chosen = atlas.colour_by;
        // A gene is chosen in its own box, and shown here while it is.
        let gene = move || match chosen.get() {
            ColourBy::Asked(CellQuantity::Gene { symbol }) => {
                Some(view! { <option value="gene" selected=true>{symbol}</option> })
            }
            _ => None,
        };
        let groups = groups.into_iter().map(|(name, choices)| {
            let options = choices.into_iter().map(|(by, text)| {
                let key = by.key();
                view! { <option value=key prop:selected=move || chosen.with(|chosen| *chosen == by)>{text}</option> }
            });
            view! { <optgroup label=name>{options.collect_view()}</optgroup> }
        });
        let groups = groups.collect_view();
        let choose = move |key: String| {
            if let Some((_, by)) = asked.iter().find(|(known, _)| *known == key) {
                atlas.colour(by.clone());
            }
        };
        view! {
            <label class="inline">
                "Colour by "
                <select data-testid="colour-by" on:change=move |event| choose(event_target_value(&event))>
                    {gene}
                    {groups}
                </select>
            </label>
        }
    }
}

/// What can be coloured by beside what the prepared cells tell.
#[derive(Debug, Clone, PartialEq)]
struct Offered {
    numbers: Vec<String>,
    query: Option<Query>,
    mapped: [Option<usize>; 2],
    d_model: Option<usize>,
}

/// Components and latent numbers that are offered.
const N_OFFERED: usize = 20;

fn groups(dataset: &Dataset, offered: &Offered) -> Vec<(&'static str, Vec<(ColourBy, String)>)> {
    let prepared = &dataset.prepared;
    let column = |name: &String| (ColourBy::Asked(CellQuantity::Column { name: name.clone() }), name.clone());
    let mut labels = Vec::new();
    if prepared.perturbations.len() > 1 {
        labels.push((ColourBy::Perturbed, "control and perturbed".to_string()));
    }
    for representation in Representation::ALL {
        if let Some(n) = offered.mapped[representation as usize] {
            let text = format!("clusters of {} ({n})", representation.label());
            labels.push((ColourBy::Clusters(representation), text));
        }
    }
    labels.extend(prepared.label_columns.iter().map(column));
    let mut quality = vec![
        (ColourBy::TotalCounts, "total counts".to_string()),
        (ColourBy::NGenes, "genes found".to_string()),
        (ColourBy::Mitochondrial, "mitochondrial counts".to_string()),
        (ColourBy::Density, "density of cells".to_string()),
    ];
    quality.extend(offered.numbers.iter().map(column));
    let mut numbers: Vec<(ColourBy, String)> = Vec::new();
    numbers.extend(offered.query.clone().map(|query| {
        let text = format!("along the predicted change of {}", query.name());
        (ColourBy::Asked(CellQuantity::Shift { query }), text)
    }));
    numbers.extend((0..N_OFFERED.min(10)).map(|index| {
        (ColourBy::Asked(CellQuantity::Component { index }), format!("principal component {}", index + 1))
    }));
    numbers.extend(
        (0..offered.d_model.unwrap_or(0).min(N_OFFERED))
            .map(|index| (ColourBy::Asked(CellQuantity::Latent { index }), format!("latent number {index}"))),
    );
    let perturbations: Vec<(ColourBy, String)> = prepared
        .perturbations
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, (label, _))| label != UNLABELLED)
        .map(|(i, (label, n))| (ColourBy::One(i), format!("{label} ({})", count(*n as u64))))
        .collect();
    [
        ("Labels", labels),
        ("Quality and columns", quality),
        ("Model and components", numbers),
        ("One perturbation", perturbations),
    ]
    .into_iter()
    .filter(|(_, choices)| !choices.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{N_RAMP, UNPAINTED, labels, numbers};
    use crate::plots::cloud::Palette;

    #[test]
    fn values_become_levels_and_what_has_none_is_not_painted() {
        let made = numbers("x", &[0.0, 1.0, f32::NAN, 2.0], "u", false);
        assert_eq!(made.paint.level_of_cell, [0, 32, UNPAINTED, N_RAMP as u16 - 1]);
        // A single large value does not take all colours.
        let mut values = vec![1.0; 5_000];
        values[7] = 900.0;
        values[8] = 0.0;
        let Palette::Ramp { low, high, .. } = numbers("x", &values, "u", true).palette else { panic!("a ramp") };
        assert_eq!((low, high), (0.0, 1.0));
        // Values that are all the same have one colour, and no division by nothing.
        assert!(numbers("x", &[3.0; 4], "u", true).paint.level_of_cell.iter().all(|level| *level == 0));
        assert!(numbers("x", &[], "u", true).paint.level_of_cell.is_empty());
    }

    #[test]
    fn labels_become_levels() {
        let made = labels("x", &[1, 0, u32::MAX], &["a".into(), "b".into()]);
        assert_eq!((made.paint.level_of_cell, made.paint.n_levels), (vec![1, 0, UNPAINTED], 2));
    }
}
