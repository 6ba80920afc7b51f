//! The map of the cells: two linked views (expression, latent states), what colours them, what was chosen in them.
//!
//! `colour` makes colours of what is known of the cells, `legend` says what they mean, `gene` finds a gene by name, `views`
//! are the two maps, `tools` what one does with them, `settings` how they are made, `markers` and `scores` what is found.

pub mod colour;
pub mod gene;
pub mod legend;
pub mod markers;
pub mod scores;
pub mod settings;
pub mod tools;
pub mod views;

use std::collections::BTreeSet;

use leptos::prelude::*;
use spec::map::Representation;

use crate::app::{Dataset, Layout, Shared};
use crate::control::Control;
use crate::plots::cloud::{Coloured, Frame, Linked, Selection, Tool};
use crate::views::atlas::colour::{ColourBy, ColourChoice, Known, coloured};
use crate::views::atlas::gene::GeneSearch;
use crate::views::atlas::legend::Legend;
use crate::views::atlas::markers::MarkersPanel;
use crate::views::atlas::scores::ScoresPanel;
use crate::views::atlas::settings::Settings;
use crate::views::atlas::tools::{SelectionLine, Tools};
use crate::views::atlas::views::MapPair;
use crate::views::shell::use_control;

/// What the parts of the map share; every part has a copy.
#[derive(Clone, Copy)]
pub struct Atlas {
    /// State and link.
    pub control: Control,
    /// What both views share.
    pub linked: Linked,
    /// What dots are coloured by.
    pub colour_by: Memo<ColourBy>,
    /// Their colours.
    pub coloured: Memo<Shared<Coloured>>,
    /// What each view shows.
    pub frames: [Frame; 2],
    /// Which layout each view shows.
    pub layouts: [Memo<Layout>; 2],
}

impl Atlas {
    /// Colours the dots by something else, and asks for it where it is not known.
    pub fn colour(self, by: ColourBy) {
        self.linked.hidden.set(BTreeSet::new());
        self.control.change(|state| state.looks.colour = Some(by.key()));
    }

    /// Shows a layout; where there is none yet, it is asked for.
    pub fn show(self, representation: Representation, layout: Layout) {
        if self.layouts[representation as usize].get_untracked() != layout {
            self.control.change(|state| state.looks.layouts[representation as usize] = layout);
            self.frames[representation as usize].seen.set(None);
        }
        let is_known = self.control.state.with_untracked(|state| state.population.mapped(representation).is_some());
        if layout == Layout::Umap && !is_known {
            self.control.change(|state| state.map_population(representation));
        }
    }
}

/// The cells that were selected when the map was left.
fn kept_selection(control: Control, dataset: &Dataset) -> Option<Shared<Selection>> {
    let rows = control.state.with_untracked(|state| state.asking.selected.clone())?;
    let n_cells = dataset.quality.total_counts.len();
    Some(Shared::new(Selection::new(rows.to_vec(), n_cells)))
}

/// The panel.
#[component]
pub fn AtlasPanel(dataset: Shared<Dataset>) -> impl IntoView {
    let control = use_control();
    let linked = Linked {
        hovered: RwSignal::new(None),
        selected: RwSignal::new(kept_selection(control, &dataset)),
        hidden: RwSignal::new(BTreeSet::new()),
        tool: RwSignal::new(Tool::Pan),
        names_labels: RwSignal::new(true),
    };
    let colour_by = {
        let dataset = dataset.clone();
        control.part(move |state| {
            let query = state.prediction.as_ref().map(|prediction| &prediction.query);
            let chosen = state.looks.colour.as_deref().and_then(|key| ColourBy::of_key(key, &dataset, query));
            chosen.unwrap_or_else(|| ColourBy::first(&dataset))
        })
    };
    Effect::new(move |_| {
        // Other cells take this panel down; an effect that was due by then finds nothing here.
        if let Some(quantity) = colour_by.try_with(ColourBy::quantity).flatten() {
            control.change(|state| state.ask_for_values(quantity));
        }
    });
    let known = control.part(Known::of);
    let colours = {
        let dataset = dataset.clone();
        Memo::new(move |before: Option<&Shared<Coloured>>| {
            let made = colour_by.with(|by| known.with(|known| coloured(&dataset, by, known)));
            // What is still being read has the colours of before.
            match (made, before) {
                (Some(made), _) => Shared::new(made),
                (None, Some(before)) => before.clone(),
                (None, None) => Shared::new(colour::plain(&dataset)),
            }
        })
    };
    let atlas = Atlas {
        control,
        linked,
        colour_by,
        coloured: colours,
        frames: [Frame::new(), Frame::new()],
        layouts: [0, 1].map(|representation| control.part(move |state| state.looks.layouts[representation])),
    };
    // What is selected can be asked about on another screen, and is there again when one comes back.
    Effect::new(move |_| {
        let rows = linked.selected.get().map(|selection| Shared::new(selection.rows.clone()));
        control.change(|state| {
            let is_known = state.asking.selected.as_deref() == rows.as_deref();
            if !is_known {
                state.asking.selected = rows;
            }
        });
    });
    view! {
        <section class="panel atlas" aria-label="Map of the cells">
            <div class="row">
                <ColourChoice atlas dataset=dataset.clone() />
                <GeneSearch atlas />
                <Tools atlas dataset=dataset.clone() />
            </div>
            <Legend atlas />
            <MapPair atlas dataset=dataset.clone() />
            <SelectionLine atlas />
            <Settings atlas />
            <MarkersPanel atlas dataset=dataset.clone() />
            <ScoresPanel atlas dataset />
        </section>
    }
}
