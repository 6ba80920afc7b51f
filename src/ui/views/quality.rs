//! Quality of the cells: three histograms with the bounds of what is kept, live counts, and the way back.

use leptos::prelude::*;
use spec::dataset::{CellQuality, CellUnit};
use spec::message::{ExportKind, Request};
use spec::prepare::CellFilter;

use crate::app::{Job, Shared};
use crate::control::Control;
use crate::format::{count, percent};
use crate::plots::histogram::{Cut, Histogram};
use crate::views::before_after::BeforeAfter;
use crate::views::shell::use_control;

/// A bound among the filters.
struct Bound {
    name: &'static str,
    testid: &'static str,
    is_lower: bool,
    get: fn(&CellFilter) -> Option<f64>,
    set: fn(&mut CellFilter, Option<f64>),
}

const COUNTS: [Bound; 2] = [
    Bound {
        name: "fewest counts",
        testid: "min-counts",
        is_lower: true,
        get: |filter| filter.min_counts,
        set: |filter, bound| filter.min_counts = bound,
    },
    Bound {
        name: "most counts",
        testid: "max-counts",
        is_lower: false,
        get: |filter| filter.max_counts,
        set: |filter, bound| filter.max_counts = bound,
    },
];

const GENES: [Bound; 2] = [
    Bound {
        name: "fewest genes",
        testid: "min-genes",
        is_lower: true,
        get: |filter| filter.min_genes.map(f64::from),
        set: |filter, bound| filter.min_genes = bound.map(|bound| bound as u32),
    },
    Bound {
        name: "most genes",
        testid: "max-genes",
        is_lower: false,
        get: |filter| filter.max_genes.map(f64::from),
        set: |filter, bound| filter.max_genes = bound.map(|bound| bound as u32),
    },
];

const MITOCHONDRIAL: [Bound; 1] = [Bound {
    name: "most percent mitochondrial",
    testid: "max-pct-mt",
    is_lower: false,
    get: |filter| filter.max_pct_mitochondrial,
    set: |filter, bound| filter.max_pct_mitochondrial = bound,
}];

/// What can be saved: as what, and in words.
const SAVES: [(ExportKind, &str, &str, &str); 3] = [
    (
        ExportKind::H5ad,
        "save-h5ad",
        "Save as h5ad",
        "Expression, counts, quality, maps and predictions of the cells that are kept, for scanpy",
    ),
    (
        ExportKind::CellsCsv,
        "save-cells",
        "Cells as csv",
        "Columns of the file, quality and maps of the cells that are kept",
    ),
    (
        ExportKind::Recipe,
        "save-recipe",
        "Recipe",
        "How these cells were read and prepared; waddington prepare --recipe does it again",
    ),
];

/// The histograms, with the bounds in force and those being drawn.
#[component]
pub fn Quality(quality: Shared<CellQuality>, unit: CellUnit) -> impl IntoView {
    let control = use_control();
    let in_force =
        control.part(|state| state.dataset.as_ref().map(|dataset| dataset.options.filter).unwrap_or_default());
    let draft = RwSignal::new(in_force.get_untracked());
    Effect::new(move |_| draft.set(in_force.get()));
    let n_read = quality.total_counts.len();
    let counted = quality.clone();
    let n_kept = Memo::new(move |_| {
        let filter = draft.get();
        (0..n_read).filter(|&cell| filter.keeps(&counted, cell)).count()
    });
    let cut = move |bound: &'static Bound| Cut {
        name: bound.name,
        is_lower: bound.is_lower,
        at: Signal::derive(move || (bound.get)(&draft.get())),
        moved: Callback::new(move |(to, rests): (Option<f64>, bool)| {
            draft.update(|filter| (bound.set)(filter, to));
            if rests {
                apply(control, draft, n_kept.get_untracked());
            }
        }),
        testid: bound.testid,
    };
    let cuts = |bounds: &'static [Bound]| bounds.iter().map(cut).collect::<Vec<Cut>>();
    let (units, label) = (unit.plural(), format!("counts per {}", unit.singular()));
    view! {
        <div class="panel">
            <div class="histograms">
                <Histogram quality=quality.clone() values=|quality| &quality.total_counts cuts=cuts(&COUNTS) title="Total counts" label unit=units testid="qc-total-counts" />
                <Histogram quality=quality.clone() values=|quality| &quality.n_genes_by_counts cuts=cuts(&GENES) title="Genes found" label="genes with a count above 0".to_string() unit=units testid="qc-n-genes" />
                <Histogram quality=quality.clone() values=|quality| &quality.pct_counts_mt cuts=cuts(&MITOCHONDRIAL) title="Mitochondrial, %" label="% of counts in mitochondrial (MT-) genes".to_string() unit=units testid="qc-pct-mt" />
            </div>
            <BeforeAfter quality=quality.clone() unit draft />
            <div class="row kept">
                <span data-testid="kept" aria-live="polite">{move || kept(n_kept.get(), n_read, units)}</span>
                <WayBack draft />
            </div>
        </div>
    }
}

/// Puts the drawn bounds in force; bounds that leave nothing go back to those that are.
fn apply(control: Control, draft: RwSignal<CellFilter>, n_kept: usize) {
    let filter = draft.get_untracked();
    if n_kept > 0 {
        control.change(|state| state.filter(filter));
    } else {
        let in_force =
            control.state.with_untracked(|state| state.dataset.as_ref().map(|dataset| dataset.options.filter));
        draft.set(in_force.unwrap_or_default());
    }
}

fn kept(n_kept: usize, n_read: usize, units: &str) -> String {
    let n_all = count(n_read as u64);
    match n_kept {
        n if n == n_read => {
            format!("All {n_all} {units} are kept. Drag the ends of a histogram, or type a bound, to drop some.")
        }
        0 => format!("None of {n_all} {units} would be left: widen the bounds."),
        n => format!(
            "{} of {n_all} {units} kept ({}), {} dropped",
            count(n as u64),
            percent(n, n_read),
            count((n_read - n) as u64)
        ),
    }
}

#[component]
fn WayBack(draft: RwSignal<CellFilter>) -> impl IntoView {
    let control = use_control();
    let can_undo = control.part(|state| !state.filter_history.is_empty());
    let suggested = control
        .part(|state| state.dataset.as_ref().map(|dataset| dataset.prepared.suggested.clone()).unwrap_or_default());
    let suggest = move |_| {
        let filter = suggested.get_untracked().filter();
        draft.set(filter);
        control.change(|state| state.filter(filter));
    };
    let would_drop = move || {
        let n = suggested.get().n_removed;
        format!(
            "5 median absolute deviations below the median counts and genes, 3 above the median mitochondrial share; \
                 drops {} cells",
            count(n as u64)
        )
    };
    let is_writing = control.part(|state| state.has_job(|request| matches!(request, Request::Export { .. })));
    let undo = move |_| control.change(|state| state.undo_filter());
    let clear = move |_| {
        draft.set(CellFilter::default());
        control.change(|state| state.filter(CellFilter::default()));
    };
    view! {
        <button
            type="button"
            class="small"
            data-testid="suggest-filter"
            title=would_drop
            prop:disabled=move || suggested.get().filter() == draft.get()
            on:click=suggest
        >
            "Suggest bounds"
        </button>
        <button type="button" class="small" data-testid="undo-filter" prop:disabled=move || !can_undo.get() on:click=undo>"Undo"</button>
        <button
            type="button"
            class="small"
            data-testid="keep-all"
            prop:disabled=move || draft.get() == CellFilter::default()
            on:click=clear
        >
            "Keep all"
        </button>
        {SAVES.map(|(kind, testid, label, title)| view! {
            <button
                type="button"
                class="small"
                data-testid=testid
                title=title
                prop:disabled=move || is_writing.get()
                on:click=move |_| control.change(|state| state.enqueue(Job::new(Request::Export { kind })))
            >
                {label}
            </button>
        }).collect_view()}
    }
}
