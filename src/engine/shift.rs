//! Shifts on the map: control cells in patches, each moved by what the model says of its mean.
//!
//! On principal components a change is projected as the map projects cells. A layout by neighbours (UMAP) places no new
//! cells: both ends of an arrow are the mean place of the nearest cells by components, so that no change is no arrow.

use cells::counts::Counts;
use spec::map::Representation;
use spec::message::EmbeddingMap;
use spec::prediction::{Prediction, Query};
use spec::shift::{Arrow, ShiftLayout, Shifts};

use crate::checkpoint::Checkpoint;
use crate::chosen::Chosen;
use crate::failure::EngineError;
use crate::look::Looked;
use crate::perturb::asked;
use crate::population::Population;
use crate::task::Task;

/// Patches along each side of a map.
const N_SIDE: usize = 6;
/// Rows that a patch has at least.
const FEWEST: usize = 3;
/// Arrows that are drawn at most.
const MOST: usize = 24;
/// Cells whose mean place is that of a profile on a layout by neighbours.
const N_NEAREST: usize = 15;

/// A patch of control cells, or all of them.
struct Patch {
    n_cells: f64,
    /// Mean expression, over the model's genes.
    mean: Vec<f32>,
    /// Mean components.
    place: Vec<f64>,
}

/// What is known of all patches.
struct Asking<'a> {
    population: &'a Population,
    looked: &'a Looked,
    aligned: &'a Counts,
}

/// The shifts of the control cells that `query` is about, which was predicted before.
pub async fn shifts(
    task: &mut Task,
    population: &Population,
    looked: &Looked,
    checkpoint: &Checkpoint,
    (predictions, query): (&[Prediction], Query),
) -> Result<Shifts, EngineError> {
    let prediction = predictions
        .iter()
        .find(|known| known.query == query)
        .ok_or_else(|| EngineError::Query(format!("{} was not predicted yet", query.label())))?;
    let asked = asked(checkpoint, &query)?;
    let chosen = Chosen::of(population, looked, &query.cells)?;
    let aligned = population.aligned()?;
    let projection = looked.projection().ok_or(EMBEDDED_FIRST)?;
    let asking = Asking { population, looked, aligned: &aligned };
    let maps = asking.maps();
    let patches: Vec<Vec<Patch>> = maps.iter().map(|map| asking.patches(map, &chosen.controls)).collect();
    let means: Vec<f32> = patches.iter().flatten().flat_map(|patch| patch.mean.iter().copied()).collect();
    let all = Counts::from_dense(&means, aligned.n_genes())?;
    let rows: Vec<usize> = (0..all.n_cells()).collect();
    let mut changes = vec![0.0_f32; means.len()];
    let mut stretch = task.begin("Moving the cells on the map", "patches", rows.len() * asked.len()).await?;
    for (nth, (gene, vector)) in asked.iter().enumerate() {
        let running = checkpoint.predictor.predict_each(&all, &rows, vector, query.mode)?;
        let mut running = running.of_gene(gene);
        while let Some(done) = running.advance().await? {
            stretch.reached(nth * rows.len() + done).await?;
        }
        changes.iter_mut().zip(running.finish_each()).for_each(|(sum, value)| *sum += value);
    }
    let column_of = asking.column_of();
    let moved = |change: &[f32]| projection.moved(change, &column_of);
    let whole =
        asking.patch(&chosen.controls).ok_or_else(|| EngineError::Cells("the control cells weigh nothing".into()))?;
    let predicted = moved(&prediction.delta);
    let measured = prediction.measured.as_ref().map(|measured| moved(&measured.delta));
    let mut each = changes.chunks_exact(aligned.n_genes().max(1));
    let mut layouts = Vec::with_capacity(maps.len());
    for (map, patches) in maps.iter().zip(&patches) {
        let arrow = |patch: &Patch, shift: &[f64]| asking.arrow(map, patch, shift);
        let arrows = patches.iter().zip(each.by_ref()).map(|(patch, change)| arrow(patch, &moved(change))).collect();
        layouts.push(ShiftLayout {
            is_umap: map.is_umap,
            arrows,
            predicted: arrow(&whole, &predicted),
            measured: measured.as_ref().map(|shift| arrow(&whole, shift)),
        });
    }
    Ok(Shifts {
        query,
        layouts,
        share_drawn: projection.share(&prediction.delta, &column_of, 2),
        n_genes: [projection.n_known(&column_of), projection.n_genes()],
    })
}

const EMBEDDED_FIRST: EngineError =
    EngineError::OutOfOrder { what: "no map to draw on", needed: "the maps are computed under Look" };

/// A layout with a place for every row that was read.
struct Layout<'a> {
    is_umap: bool,
    map: &'a EmbeddingMap,
}

impl<'a> Asking<'a> {
    fn maps(&self) -> Vec<Layout<'a>> {
        let components = self.looked.maps().next().map(|map| Layout { is_umap: false, map });
        let umap =
            self.looked.mapped(Representation::Expression).map(|mapped| Layout { is_umap: true, map: &mapped.map });
        components.into_iter().chain(umap).collect()
    }

    /// By the population's gene, its place among the model's genes.
    fn column_of(&self) -> Vec<Option<usize>> {
        let mut place = vec![None; self.population.symbols.len()];
        let aligned = self.population.alignment.as_ref().map_or(&[][..], |alignment| &alignment.column_of);
        for (gene, column) in aligned.iter().enumerate() {
            if let Some(place) = column.and_then(|column| place.get_mut(column as usize)) {
                *place = Some(gene);
            }
        }
        place
    }

    /// The control cells by patches of the map, those with the most first.
    fn patches(&self, layout: &Layout<'_>, controls: &[usize]) -> Vec<Patch> {
        let EmbeddingMap { x, y, .. } = layout.map;
        let there: Vec<usize> =
            controls.iter().copied().filter(|&row| x[row].is_finite() && y[row].is_finite()).collect();
        let cell_of = |values: &[f32]| {
            let (low, high) = there.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &row| {
                (low.min(values[row]), high.max(values[row]))
            });
            let step = ((high - low) / N_SIDE as f32).max(f32::MIN_POSITIVE);
            move |value: f32| (((value - low) / step) as usize).min(N_SIDE - 1)
        };
        let (column, line) = (cell_of(x), cell_of(y));
        let mut rows_of: Vec<Vec<usize>> = vec![Vec::new(); N_SIDE * N_SIDE];
        there.iter().for_each(|&row| rows_of[line(y[row]) * N_SIDE + column(x[row])].push(row));
        rows_of.retain(|rows| rows.len() >= FEWEST);
        rows_of.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
        rows_of.truncate(MOST);
        rows_of.iter().filter_map(|rows| self.patch(rows)).collect()
    }

    fn patch(&self, rows: &[usize]) -> Option<Patch> {
        let mean = self.population.mean_of(self.aligned, rows)?.mean;
        let n_cells: f64 = rows.iter().map(|&row| self.population.weight(row)).sum();
        let place = self.looked.components().iter().map(|component| {
            let along =
                rows.iter().filter_map(|&row| Some((row, self.population.kept_rows().binary_search(&row).ok()?)));
            along.map(|(row, at)| self.population.weight(row) * f64::from(component[at])).sum::<f64>() / n_cells
        });
        Some(Patch { n_cells, mean, place: place.collect() })
    }

    fn arrow(&self, layout: &Layout<'_>, patch: &Patch, shift: &[f64]) -> Arrow {
        let to: Vec<f64> = patch.place.iter().zip(shift).map(|(place, shift)| place + shift).collect();
        let n_cells = patch.n_cells.round() as usize;
        let at = |place: &[f64], axis: usize| place.get(axis).copied().unwrap_or(0.0);
        match layout.is_umap {
            false => {
                Arrow { from: [0, 1].map(|axis| at(&patch.place, axis)), to: [0, 1].map(|axis| at(&to, axis)), n_cells }
            }
            true => {
                Arrow { from: self.among_nearest(layout, &patch.place), to: self.among_nearest(layout, &to), n_cells }
            }
        }
    }

    /// The mean place on the layout of the cells that are nearest by components.
    fn among_nearest(&self, layout: &Layout<'_>, place: &[f64]) -> [f64; 2] {
        let components = self.looked.components();
        let kept = self.population.kept_rows();
        let distance = |at: usize| -> f64 {
            components.iter().zip(place).map(|(component, place)| (f64::from(component[at]) - place).powi(2)).sum()
        };
        let mut near: Vec<(f64, usize)> = (0..kept.len())
            .filter(|&at| layout.map.x[kept[at]].is_finite())
            .map(|at| (distance(at), kept[at]))
            .collect();
        let n = N_NEAREST.min(near.len());
        if n == 0 {
            return [f64::NAN; 2];
        }
        near.select_nth_unstable_by(n - 1, |a, b| a.0.total_cmp(&b.0));
        let mean = |values: &[f32]| near[..n].iter().map(|&(_, row)| f64::from(values[row])).sum::<f64>() / n as f64;
        [mean(&layout.map.x), mean(&layout.map.y)]
    }
}
