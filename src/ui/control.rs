//! Ties the state to the link: what a person does and what the engine says go through here.

use js_sys::Uint8Array;
use leptos::prelude::{
    LocalStorage, Memo, RwSignal, StoredValue, Update, UpdateUntracked, UpdateValue, With, WithUntracked, WithValue,
    window,
};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use spec::device::{AttentionPath, BackendChoice};
use spec::message::{Event, Request};
use spec::recipe::{RECIPE_FORMAT, Recipe};
use web_sys::File;

use crate::app::{Failure, FileSet, Job, Phase, Post, Shared, State, Tries};
use crate::demo;
use crate::dropped::{Dropped, Handed, handed};
use crate::export::download;
use crate::link::{Arrival, Link, said};

/// What the names of files with a model's parameters end with; what they are is told by their first bytes.
const MODEL_ENDINGS: [&str; 5] = [".safetensors", ".pt", ".pth", ".ckpt", ".bin"];

/// Of the files that are dropped with a model, those that belong to it: its card and its gene list.
const BESIDE_MODEL_ENDINGS: [&str; 4] = [".json", ".txt", ".csv", ".tsv"];

/// What collections of gene sets end with.
const PATHWAY_ENDINGS: [&str; 2] = [".gmt", ".gmt.gz"];

/// Handle to the state and the link; every view has a copy.
#[derive(Clone, Copy)]
pub struct Control {
    /// What the screen shows.
    pub state: RwSignal<State>,
    link: StoredValue<Link, LocalStorage>,
}

impl Control {
    /// Starts the engine and opens the built-in example.
    pub fn start() -> Self {
        let state = RwSignal::new(State::default());
        let slot: StoredValue<Option<Self>, LocalStorage> = StoredValue::new_local(None);
        let link = Link::new(move |arrival| {
            if let Some(control) = slot.try_with_value(|control| *control).flatten() {
                control.arrive(arrival);
            }
        });
        state.update_untracked(|state| state.training.tries = stored_tries());
        let control = Self { state, link: StoredValue::new_local(link) };
        slot.update_value(|slot| *slot = Some(control));
        control.start_worker();
        control.change(|state| {
            state
                .enqueue(Job::new(Request::Start { backend: BackendChoice::Auto, attention: AttentionPath::default() }))
        });
        control.fetch_example(false);
        control
    }

    /// A part of the state that views follow; they run again only where it differs.
    pub fn part<T: PartialEq + Send + Sync + 'static>(
        self,
        of: impl Fn(&State) -> T + Send + Sync + 'static,
    ) -> Memo<T> {
        Memo::new(move |_| self.state.with(&of))
    }

    /// Changes the state and posts what follows from it.
    pub fn change(self, how: impl FnOnce(&mut State)) {
        let done = self.state.try_update(|state| {
            let before = state.training.tries.clone();
            how(state);
            let posts = state.take_posts();
            let tries = state.training.tries.clone();
            (posts, (tries != before).then_some(tries))
        });
        let Some((posts, tries)) = done else { return };
        // Kept before anything is posted that may take the whole page down.
        if let Some(tries) = tries {
            store_tries(tries.as_ref());
        }
        for post in posts {
            self.post(&post);
        }
    }

    /// Opens what a person dropped or chose: cells, or a checkpoint with its tables, or both.
    pub fn open(self, files: Vec<Handed>) {
        let ends = |file: &Handed, endings: &[&str]| {
            let name = file.name.to_lowercase();
            endings.iter().any(|ending| name.ends_with(ending))
        };
        let has_model = files.iter().any(|file| ends(file, &MODEL_ENDINGS));
        // Beside cells, a file of json is a recipe; within a folder it is a part of a store.
        let is_recipe = |file: &Handed| !has_model && !file.name.contains('/') && ends(file, &[".json"]);
        let (recipes, files): (Vec<Handed>, Vec<Handed>) = files.into_iter().partition(is_recipe);
        let (model, cells): (Vec<Handed>, Vec<Handed>) = files
            .into_iter()
            .partition(|file| has_model && (ends(file, &MODEL_ENDINGS) || ends(file, &BESIDE_MODEL_ENDINGS)));
        let is_sets = |file: &Handed| ends(file, &PATHWAY_ENDINGS);
        let (pathways, cells): (Vec<Handed>, Vec<Handed>) = cells.into_iter().partition(is_sets);
        self.open_as(Request::LoadCheckpoint { n_heads: None }, model);
        self.open_as(Request::Pathways, pathways);
        self.open_as(Request::OPEN, cells);
        for recipe in recipes {
            self.follow(recipe);
        }
    }

    /// Opens a drop, once all files of its folders are listed.
    pub fn open_drop(self, dropped: Dropped) {
        leptos::task::spawn_local(async move {
            match dropped.files().await {
                Ok(files) => self.open(files),
                Err(message) => {
                    let hint = "Drop the files themselves, or the folder of one matrix.".into();
                    let task = "Listing the folder".into();
                    self.change(|state| state.failure = Some(Failure { task, message, hint }));
                }
            }
        });
    }

    /// Reads a recipe, and does what it says.
    fn follow(self, recipe: Handed) {
        leptos::task::spawn_local(async move {
            let read = read_recipe(&recipe.file).await;
            self.change(|state| match read {
                Ok(recipe) => state.follow(recipe),
                Err(message) => {
                    let task = format!("Reading {}", recipe.name);
                    let hint = "Drop a recipe that was saved from this page, or choose the settings by hand.".into();
                    state.failure = Some(Failure { task, message, hint });
                }
            });
        });
    }

    /// Takes the names of genes from a table that a person chose.
    pub fn name_genes_by(self, files: Vec<Handed>) {
        if !files.is_empty() {
            let set = self.keep(files);
            self.change(|state| {
                state.failure = None;
                state.name_genes_by(Some(set));
            });
        }
    }

    fn open_as(self, request: Request, files: Vec<Handed>) {
        if files.is_empty() {
            return;
        }
        let set = self.keep(files);
        self.change(|state| {
            state.failure = None;
            state.enqueue(Job::with_files(request, set));
        });
    }

    /// Fetches the built-in example and opens it.
    pub fn open_example(self) {
        self.fetch_example(true);
    }

    /// Fetches the example; its cells are opened where they were asked for, or where nothing else is open.
    fn fetch_example(self, is_asked_for: bool) {
        // What is about to be opened is known to be on its way, from the first moment on.
        self.change(|state| state.fetching = Some(demo::begun()));
        leptos::task::spawn_local(async move {
            let fetched = demo::fetch(move |progress| self.change(|state| state.fetching = Some(progress))).await;
            let files = match fetched {
                Ok(files) => files,
                Err(message) => {
                    let hint = "Your own files can be opened all the same; predictions need a checkpoint.".into();
                    let task = "Fetching the built-in example".into();
                    return self.change(|state| {
                        state.fetching = None;
                        state.failure = Some(Failure { task, message, hint });
                    });
                }
            };
            self.fetch_aliases();
            let (checkpoint, cells, pathways) = self
                .link
                .try_update_value(|link| {
                    self.forget_files(link);
                    let handed = |files: Vec<File>| files.into_iter().map(handed).collect();
                    (
                        link.keep(handed(files.checkpoint)),
                        link.keep(handed(files.cells)),
                        link.keep(handed(files.pathways)),
                    )
                })
                .unwrap_or_default();
            self.change(|state| {
                state.fetching = None;
                let has_own = state.checkpoint.is_some()
                    || state.has_job(|request| matches!(request, Request::LoadCheckpoint { .. }));
                if has_own && !is_asked_for {
                    return;
                }
                let is_in_use =
                    state.opened.is_some() || state.has_job(|request| matches!(request, Request::Open { .. }));
                let at = state
                    .queue
                    .iter()
                    .position(|job| matches!(job.request, Request::Open { .. }))
                    .unwrap_or(state.queue.len());
                state.queue.insert(at, Job::with_files(Request::LoadCheckpoint { n_heads: None }, checkpoint));
                if state.pathways.collection.is_none() {
                    state.enqueue(Job::with_files(Request::Pathways, pathways));
                }
                if is_asked_for || !is_in_use {
                    state.enqueue(Job { prepare_at_once: true, ..Job::with_files(Request::OPEN, cells) });
                }
            });
        });
    }

    /// Fetches the aliases of genes; without them the picker knows symbols alone.
    fn fetch_aliases(self) {
        if self.state.with_untracked(|state| state.aliases.is_some()) {
            return;
        }
        leptos::task::spawn_local(async move {
            if let Ok(aliases) = demo::fetch_aliases().await {
                self.change(|state| state.aliases = Some(Shared::new(aliases)));
            }
        });
    }

    fn arrive(self, arrival: Arrival) {
        match arrival {
            Arrival::Event { id, event } => {
                if let Event::Exported { name, bytes } = event.as_ref() {
                    download(name, "application/octet-stream", Uint8Array::from(bytes.as_slice()));
                }
                self.change(|state| state.apply(id, *event));
            }
            Arrival::Requests(more) => {
                self.state.update(|state| state.worker_requests = state.worker_requests + more);
            }
            Arrival::Fatal { message } => {
                let mut restarts = false;
                self.state.update(|state| {
                    state.restart(message);
                    restarts = state.phase != Phase::Lost;
                });
                if restarts {
                    self.start_worker();
                    self.change(|_| {});
                }
            }
        }
    }

    fn start_worker(self) {
        let outcome = self.link.try_update_value(Link::start);
        if let Some(Err(message)) = outcome {
            self.change(|state| state.restart(message));
        }
    }

    fn post(self, post: &Post) {
        let outcome = self.link.try_with_value(|link| link.post(post));
        if let Some(Err(message)) = outcome {
            let hint = "Try again; if it stays, reload the page.".into();
            let event = Event::Failed { message, hint };
            self.change(|state| state.apply(post.id, event));
        }
    }

    fn keep(self, files: Vec<Handed>) -> FileSet {
        let kept = self.link.try_update_value(|link| {
            self.forget_files(link);
            link.keep(files)
        });
        kept.unwrap_or_default()
    }

    fn forget_files(self, link: &mut Link) {
        self.state.with_untracked(|state| link.retain(|set| state.holds(set)));
    }
}

/// Under what the page remembers how often it has resumed a run by itself.
const TRIES_KEY: &str = "resumed-runs";

fn stored_tries() -> Option<Tries> {
    let storage = window().local_storage().ok().flatten()?;
    let json = js_sys::JSON::parse(&storage.get_item(TRIES_KEY).ok().flatten()?).ok()?;
    serde_wasm_bindgen::from_value(json).ok()
}

/// A browser that stores nothing forgets the tries with the page.
fn store_tries(tries: Option<&Tries>) {
    let Ok(Some(storage)) = window().local_storage() else { return };
    let written = tries.and_then(|tries| tries.serialize(&Serializer::json_compatible()).ok());
    let text = written.and_then(|value| js_sys::JSON::stringify(&value).ok()).and_then(|text| text.as_string());
    let _ = match text {
        Some(text) => storage.set_item(TRIES_KEY, &text),
        None => storage.remove_item(TRIES_KEY),
    };
}

async fn read_recipe(file: &File) -> Result<Recipe, String> {
    let text = wasm_bindgen_futures::JsFuture::from(file.text()).await.map_err(|error| said(&error))?;
    let json = js_sys::JSON::parse(&text.as_string().unwrap_or_default()).map_err(|error| said(&error))?;
    let recipe: Recipe = serde_wasm_bindgen::from_value(json).map_err(|error| format!("it is no recipe: {error}"))?;
    if recipe.format != RECIPE_FORMAT {
        return Err(format!("it is a recipe of layout {}; this page reads {RECIPE_FORMAT}", recipe.format));
    }
    Ok(recipe)
}
