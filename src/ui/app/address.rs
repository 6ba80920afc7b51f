//! What is on screen, as the fragment of a link: the step, the question, and how maps are made and coloured.
//!
//! A link carries no data and no file: who follows it sees the same view of the built-in example, or of cells of their own.
//! Fragments stay in the browser; no server is told of them.

use form_urlencoded::{Serializer, parse};
use spec::map::{PopulationConfig, Representation};
use spec::message::Request;
use spec::model::Mode;
use spec::prediction::{CellChoice, Query};

use super::{Screen, State};

/// Which layout a map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// The first two principal components.
    #[default]
    Pca,
    /// UMAP.
    Umap,
}

/// What the maps show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looks {
    /// The layout of expression and of latent states.
    pub layouts: [Layout; 2],
    /// Key of what cells are coloured by; none: what they are coloured by at first.
    pub colour: Option<String>,
}

/// A view without its data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Address {
    /// The step.
    pub screen: Screen,
    /// Genes of the question, the one in the box last.
    pub genes: Vec<String>,
    /// How they are perturbed.
    pub mode: Option<Mode>,
    /// Whether the answer is on screen.
    pub is_answered: bool,
    /// What the maps show.
    pub looks: Looks,
    /// How they are made.
    pub map: PopulationConfig,
}

/// The steps by their names in a link.
const STEPS: [(Screen, &str); 5] = [
    (Screen::Load, "load"),
    (Screen::Look, "look"),
    (Screen::Perturb, "perturb"),
    (Screen::Train, "train"),
    (Screen::Evaluate, "evaluate"),
];
/// The two maps by their names in a link.
const MAPS: [&str; 2] = ["map", "latent_map"];

impl Address {
    /// What the screen shows.
    pub fn of(state: &State) -> Self {
        let picked = Some(&state.target).filter(|gene| !gene.is_empty());
        let genes: Vec<String> = state.asking.with.iter().chain(picked).cloned().collect();
        // Cells that were chosen are data: an answer in them does not go into a link.
        let is_shown = |query: &Query| {
            query.cells == CellChoice::All && Some(query.mode) == state.mode && query.genes().eq(genes.iter())
        };
        Self {
            screen: state.screen,
            mode: state.mode,
            is_answered: state.prediction.as_ref().is_some_and(|answer| is_shown(&answer.query)),
            genes,
            looks: state.looks.clone(),
            map: state.population.config.clone(),
        }
    }

    /// As a fragment, without its `#`; what is as it is at first is left out.
    pub fn fragment(&self) -> String {
        let mut written = Serializer::new(String::new());
        let step = STEPS.iter().find(|(screen, _)| *screen == self.screen).map_or("load", |(_, name)| name);
        written.append_pair("step", step);
        for gene in &self.genes {
            written.append_pair("gene", gene);
        }
        if let Some(mode) = self.mode.filter(|_| !self.genes.is_empty()) {
            written.append_pair("mode", mode.label());
        }
        if self.is_answered {
            written.append_pair("answer", "yes");
        }
        for (name, layout) in MAPS.into_iter().zip(self.looks.layouts) {
            if layout == Layout::Umap {
                written.append_pair(name, "umap");
            }
        }
        if let Some(colour) = &self.looks.colour {
            written.append_pair("colour", colour);
        }
        for (name, value) in numbers(&self.map, &PopulationConfig::default()) {
            written.append_pair(name, &value);
        }
        written.finish()
    }

    /// Of a fragment; names and values that mean nothing here are passed over.
    pub fn read(fragment: &str) -> Option<Self> {
        let fragment = fragment.trim_start_matches('#');
        let mut address = Self::default();
        let mut has_step = false;
        for (name, value) in parse(fragment.as_bytes()) {
            match &*name {
                "step" => {
                    let step = STEPS.iter().find(|(_, known)| *known == value);
                    address.screen = step.map_or(Screen::Load, |(screen, _)| *screen);
                    has_step = step.is_some();
                }
                "gene" => address.genes.push(value.into_owned()),
                "mode" => address.mode = Mode::ALL.into_iter().find(|mode| mode.label() == value),
                "answer" => address.is_answered = value == "yes",
                "colour" => address.looks.colour = Some(value.into_owned()),
                _ => {
                    if let Some(at) = MAPS.iter().position(|map| *map == name) {
                        address.looks.layouts[at] = if value == "umap" { Layout::Umap } else { Layout::Pca };
                    } else {
                        address.map = with_number(&address.map, &name, &value);
                    }
                }
            }
        }
        has_step.then_some(address)
    }
}

/// The settings of the maps that are not as they are at first.
fn numbers(map: &PopulationConfig, first: &PopulationConfig) -> Vec<(&'static str, String)> {
    let written = [
        ("neighbours", map.n_neighbours.to_string(), first.n_neighbours.to_string()),
        ("components", map.n_pcs.to_string(), first.n_pcs.to_string()),
        ("resolution", map.resolution.to_string(), first.resolution.to_string()),
        ("min_dist", map.min_dist.to_string(), first.min_dist.to_string()),
        ("seed", map.seed.to_string(), first.seed.to_string()),
    ];
    written.into_iter().filter(|(_, value, first)| value != first).map(|(name, value, _)| (name, value)).collect()
}

/// The settings with one of them as a link says; as they were where that cannot be.
fn with_number(map: &PopulationConfig, name: &str, value: &str) -> PopulationConfig {
    let mut with = map.clone();
    match name {
        "neighbours" => with.n_neighbours = value.parse().unwrap_or(map.n_neighbours),
        "components" => with.n_pcs = value.parse().unwrap_or(map.n_pcs),
        "resolution" => with.resolution = value.parse().unwrap_or(map.resolution),
        "min_dist" => with.min_dist = value.parse().unwrap_or(map.min_dist),
        "seed" => with.seed = value.parse().unwrap_or(map.seed),
        _ => {}
    }
    if with.validate().is_ok() { with } else { map.clone() }
}

impl State {
    /// Goes to the view of a link: at once where cells and a model are there, else as soon as they are.
    pub fn visit(&mut self, address: Address) {
        self.screen = Screen::Load;
        self.visiting = Some(address);
        self.arrive();
    }

    /// Whether a link was followed to a view that cannot be shown yet.
    pub fn is_arriving(&self) -> bool {
        self.visiting.is_some()
    }

    /// Shows the view that a link asked for, once there is something to show.
    pub(super) fn arrive(&mut self) {
        if self.dataset.is_none() || self.checkpoint.is_none() {
            return;
        }
        let Some(address) = self.visiting.take() else { return };
        // Who went on to another step meanwhile stays there.
        if self.screen == Screen::Load {
            self.screen = address.screen;
        }
        self.looks = address.looks;
        self.map_population_by(address.map);
        let laid_out = Representation::ALL.into_iter().filter(|map| self.looks.layouts[*map as usize] == Layout::Umap);
        for representation in laid_out.collect::<Vec<_>>() {
            if self.maps.is_none() && !self.has_job(|request| matches!(request, Request::Embed { .. })) {
                self.ask_for_maps();
            }
            if self.population.mapped(representation).is_none() {
                self.map_population(representation);
            }
        }
        let checkpoint = self.checkpoint.clone();
        let is_known = |gene: &String| checkpoint.as_ref().is_some_and(|known| known.support(gene).is_some());
        let (mut known, unknown): (Vec<String>, Vec<String>) = address.genes.into_iter().partition(is_known);
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            self.notices.push(format!("The link asks for {names}, which the loaded model cannot be asked for."));
        }
        let Some(target) = known.pop() else { return };
        self.target = target;
        self.asking.with = known;
        self.mode = address.mode.or(self.mode);
        if address.is_answered && unknown.is_empty() && self.can_ask() {
            self.ask();
        }
    }
}

#[cfg(test)]
mod tests {
    use spec::map::PopulationConfig;
    use spec::model::Mode;

    use super::{Address, Layout, Looks};
    use crate::app::Screen;

    fn check(address: &Address, fragment: &str) {
        assert_eq!(address.fragment(), fragment);
        assert_eq!(Address::read(fragment).as_ref(), Some(address), "{fragment}");
        assert_eq!(Address::read(&format!("#{fragment}")).as_ref(), Some(address));
    }

    #[test]
    fn a_view_survives_its_link() {
        check(&Address::default(), "step=load");
        let asked = Address {
            screen: Screen::Perturb,
            genes: vec!["HLA-A".into(), "STAT1".into()],
            mode: Some(Mode::Knockout),
            is_answered: true,
            ..Address::default()
        };
        check(&asked, "step=perturb&gene=HLA-A&gene=STAT1&mode=knockout&answer=yes");
        let seen = Address {
            screen: Screen::Look,
            looks: Looks { layouts: [Layout::Umap, Layout::Pca], colour: Some("column cell type & more=100 %".into()) },
            map: PopulationConfig { resolution: 0.4, seed: 7, ..PopulationConfig::default() },
            ..Address::default()
        };
        check(&seen, "step=look&map=umap&colour=column+cell+type+%26+more%3D100+%25&resolution=0.4&seed=7");
    }

    #[test]
    fn what_means_nothing_is_passed_over() {
        assert_eq!(Address::read(""), None);
        assert_eq!(Address::read("#main"), None);
        assert_eq!(Address::read("step=elsewhere&gene=A"), None);
        let read =
            Address::read("step=look&neighbours=-3&resolution=NaN&components=900&min_dist=9&what=ever&mode=x&map=3d");
        assert_eq!(read, Some(Address { screen: Screen::Look, ..Address::default() }));
    }
}
