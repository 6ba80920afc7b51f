//! The frame around the five steps: header, steps, chips, notices and the drop target that is the whole page.

use leptos::ev;
use leptos::prelude::*;
use spec::device::{Backend, DeviceReport};
use wasm_bindgen::prelude::JsCast;

use crate::app::{Phase, Screen};
use crate::control::Control;
use crate::dropped::Dropped;
use crate::format::sentence;
use crate::views::cell_jepa::PredictsNothing;
use crate::views::evaluate::Evaluate;
use crate::views::load::Load;
use crate::views::look::Look;
use crate::views::perturb::Perturb;
use crate::views::privacy::Privacy;
use crate::views::share::{ShareButton, follow_address};
use crate::views::task::{ErrorPanel, TaskBar};
use crate::views::train::Train;

/// The colour scheme; a signal of it is in the context, since canvases are painted anew when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark text on light.
    Light,
    /// Light text on dark.
    Dark,
}

const STEPS: [(Screen, &str, &str, &str); 5] = [
    (Screen::Load, "1", "Load", "nav-load"),
    (Screen::Look, "2", "Look", "nav-look"),
    (Screen::Perturb, "3", "Perturb", "nav-perturb"),
    (Screen::Train, "4", "Train", "nav-train"),
    (Screen::Evaluate, "5", "Evaluate", "nav-evaluate"),
];

/// The whole page.
#[component]
pub fn Shell() -> impl IntoView {
    let control = Control::start();
    provide_context(control);
    let theme = RwSignal::new(stored_theme());
    provide_context(theme);
    listen_for_files(control);
    listen_for_keys(control);
    follow_address(control);
    let screen = control.part(|state| state.screen);
    let predicts = control.part(|state| state.checkpoint.as_ref().is_none_or(|model| !model.header.is_cell_jepa()));
    view! {
        <header class="top">
            <div class="brand"><h1>"Waddington"</h1><span>"A cell world model in a browser tab"</span></div>
            <Steps />
            <div class="chips"><ShareButton /><DeviceChip /><ThemeToggle theme /></div>
        </header>
        <div class="messages"><Notices /><ErrorPanel /></div>
        <main id="main" tabindex="-1">
            {move || match screen.get() {
                Screen::Load => view! { <Load /> }.into_any(),
                Screen::Look => view! { <Look /> }.into_any(),
                Screen::Perturb if !predicts.get() => view! { <PredictsNothing /> }.into_any(),
                Screen::Perturb => view! { <Perturb /> }.into_any(),
                Screen::Train => view! { <Train /> }.into_any(),
                Screen::Evaluate => view! { <Evaluate /> }.into_any(),
            }}
        </main>
        <footer class="bottom"><TaskBar /><Privacy /></footer>
    }
}

#[component]
fn Steps() -> impl IntoView {
    let control = use_control();
    let screen = control.part(|state| state.screen);
    let has_cells = control.part(|state| state.dataset.is_some());
    let steps = STEPS.map(|(step, number, name, testid)| {
        let disabled = move || needs_cells(step) && !has_cells.get();
        let current = move || if screen.get() == step { "step" } else { "false" };
        view! {
            <button
                type="button"
                class="step"
                data-testid=testid
                aria-current=current
                aria-keyshortcuts=number
                title=move || if disabled() { "Open and prepare cells first".to_string() } else { format!("Key {number}") }
                disabled=disabled
                on:click=move |_| control.change(|state| state.screen = step)
            >
                <span class="number" aria-hidden="true">{number}</span>
                {name}
            </button>
        }
    });
    view! {
        <nav class="steps" aria-label="Steps" on:keydown=move |event| walk_steps(&event)>
            {steps.collect_view()}
        </nav>
    }
}

/// Whether there is nothing to see in a step without cells. Runs are kept, and can be resumed, without any.
fn needs_cells(step: Screen) -> bool {
    matches!(step, Screen::Look | Screen::Perturb)
}

/// Left and right move between the steps.
fn walk_steps(event: &ev::KeyboardEvent) {
    let Some(active) = document().active_element() else { return };
    let next = match event.key().as_str() {
        "ArrowRight" => active.next_element_sibling(),
        "ArrowLeft" => active.previous_element_sibling(),
        _ => return,
    };
    if let Some(button) = next.and_then(|next| next.dyn_into::<web_sys::HtmlElement>().ok()) {
        event.prevent_default();
        // A button that cannot take the focus leaves it where it is.
        let _ = button.focus();
    }
}

#[component]
fn DeviceChip() -> impl IntoView {
    let control = use_control();
    let device = control.part(|state| (state.device.clone(), state.phase));
    let text = move || match device.get() {
        (_, Phase::Lost) => "Engine stopped".to_string(),
        (Some(device), _) => device_name(&device),
        (None, Phase::Starting | Phase::Ready) => "Engine is loading".to_string(),
    };
    let title = move || match device.get().0 {
        Some(device) => device.notice.unwrap_or_else(|| match device.backend {
            Backend::Webgpu => "The model runs on your graphics card".into(),
            Backend::Cpu => "The model runs on your processor".into(),
        }),
        None => "The engine is downloaded once and then kept by the browser".into(),
    };
    let class = move || match device.get() {
        (_, Phase::Lost) => "chip bad",
        (Some(device), _) if device.backend == Backend::Webgpu => "chip good",
        _ => "chip",
    };
    view! { <span class=class data-testid="device-chip" title=title>{text}</span> }
}

fn device_name(device: &DeviceReport) -> String {
    match device.backend {
        Backend::Webgpu if device.is_software => format!("WebGPU in software · {}", device.adapter),
        Backend::Webgpu => format!("WebGPU · {}", device.adapter),
        Backend::Cpu if device.adapter.to_uppercase().starts_with("CPU") => device.adapter.clone(),
        Backend::Cpu => format!("CPU · {}", device.adapter),
    }
}

#[component]
fn ThemeToggle(theme: RwSignal<Theme>) -> impl IntoView {
    Effect::new(move |_| {
        let name = theme_name(theme.get());
        if let Some(root) = document().document_element() {
            // Setting an attribute fails for an invalid name only.
            let _ = root.set_attribute("data-theme", name);
        }
    });
    let toggle = move |_| {
        let other = if theme.get_untracked() == Theme::Dark { Theme::Light } else { Theme::Dark };
        if let Ok(Some(storage)) = window().local_storage() {
            // A browser that stores nothing shows the system's scheme next time.
            let _ = storage.set_item("theme", theme_name(other));
        }
        theme.set(other);
    };
    let label = move || if theme.get() == Theme::Dark { "Light theme" } else { "Dark theme" };
    view! {
        <button type="button" class="icon" data-testid="theme-toggle" aria-label=label title=label on:click=toggle>
            {move || if theme.get() == Theme::Dark { "☀" } else { "☾" }}
        </button>
    }
}

fn theme_name(theme: Theme) -> &'static str {
    match theme {
        Theme::Light => "light",
        Theme::Dark => "dark",
    }
}

fn stored_theme() -> Theme {
    let stored = window().local_storage().ok().flatten().and_then(|storage| storage.get_item("theme").ok().flatten());
    let prefers_dark =
        || window().match_media("(prefers-color-scheme: dark)").ok().flatten().is_some_and(|query| query.matches());
    match stored.as_deref() {
        Some("dark") => Theme::Dark,
        Some("light") => Theme::Light,
        _ if prefers_dark() => Theme::Dark,
        _ => Theme::Light,
    }
}

#[component]
fn Notices() -> impl IntoView {
    let control = use_control();
    let notices = control.part(|state| state.notices.clone());
    move || {
        let items = notices.get().into_iter().enumerate().map(|(i, notice)| {
            view! {
                <div class="note" role="status" data-testid="notice">
                    <p title=notice.clone()>{sentence(&notice)}</p>
                    <button
                        type="button"
                        class="icon"
                        aria-label="Dismiss"
                        data-testid="notice-dismiss"
                        on:click=move |_| control.change(|state| drop(state.notices.remove(i)))
                    >
                        "✕"
                    </button>
                </div>
            }
        });
        items.collect_view()
    }
}

/// The handle that [`Shell`] put into the context.
pub fn use_control() -> Control {
    expect_context::<Control>()
}

fn listen_for_files(control: Control) {
    let root = || document().document_element();
    let mark = move |on: bool| {
        if let Some(root) = root() {
            // Setting an attribute fails for an invalid name only.
            let _ = root.toggle_attribute_with_force("data-dropping", on);
        }
    };
    let over = window_event_listener(ev::dragover, move |event| {
        event.prevent_default();
        mark(true);
    });
    let leave = window_event_listener(ev::dragleave, move |event| {
        if event.related_target().is_none() {
            mark(false);
        }
    });
    let dropped = window_event_listener(ev::drop, move |event| {
        event.prevent_default();
        mark(false);
        control.state.update(|state| state.screen = Screen::Load);
        if let Some(data) = event.data_transfer() {
            control.open_drop(Dropped::new(&data));
        }
    });
    for handle in [over, leave, dropped] {
        on_cleanup(move || handle.remove());
    }
}

/// 1 to 5 change the step wherever nothing is being typed.
fn listen_for_keys(control: Control) {
    let handle = window_event_listener(ev::keydown, move |event| {
        let typing = event
            .target()
            .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
            .is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "SELECT" | "TEXTAREA"));
        if typing || event.ctrl_key() || event.alt_key() || event.meta_key() {
            return;
        }
        if let Some((step, ..)) = STEPS.iter().find(|(_, number, ..)| *number == event.key()) {
            control.change(|state| {
                if !needs_cells(*step) || state.dataset.is_some() {
                    state.screen = *step;
                }
            });
        }
    });
    on_cleanup(move || handle.remove());
}
