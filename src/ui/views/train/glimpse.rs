//! What the model says of one target while it learns, beside what was measured.

use leptos::prelude::*;
use spec::run::Glimpse;

use crate::app::Shared;
use crate::format::{correlation, count, signed};
use crate::plots::scatter::{Paint, Points, Scatter};
use crate::views::shell::Theme;

/// Predicted against measured change of one target, a dot a gene.
#[component]
pub fn GlimpseView(glimpse: Shared<Glimpse>) -> impl IntoView {
    let theme = expect_context::<RwSignal<Theme>>();
    let hovered = RwSignal::new(None::<usize>);
    let n_genes = glimpse.predicted.len();
    let seen = if glimpse.is_seen { "which it learns from" } else { "which it has not seen" };
    let title = format!("What it says of {}, {seen}", glimpse.target);
    let at = format!(
        "r {} at step {} of {}",
        correlation(glimpse.delta_pearson),
        count(glimpse.step as u64),
        glimpse.stage.label()
    );
    let points = Shared::new(Points { x: glimpse.measured.clone(), y: glimpse.predicted.clone() });
    let paint = Shared::new(Paint { class_of_cell: vec![0; n_genes], palette: vec!["var(--c-predicted)".into()] });
    let spoken = format!("Predicted against measured change of {} genes: {at}", count(n_genes as u64));
    let describe = {
        let glimpse = glimpse.clone();
        move |gene: usize| {
            let of = |values: &[f32]| values.get(gene).map_or_else(String::new, |value| signed(f64::from(*value)));
            format!("measured {} · predicted {}", of(&glimpse.measured), of(&glimpse.predicted))
        }
    };
    let axes = ["measured change (log1p units)".to_string(), "predicted change, on the same scale".to_string()];
    view! {
        <figure class="plot glimpse">
            <figcaption><strong>{title}</strong><span>{at}</span></figcaption>
            <Scatter points axes paint=Signal::stored(paint) hovered theme describe spoken testid="train-glimpse" />
        </figure>
    }
}
