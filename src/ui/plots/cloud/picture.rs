//! Pixels on a canvas, and away as a file: a map as PNG at several times its size, or as SVG with its axes and names.

use std::cell::RefCell;

use js_sys::{Uint8ClampedArray, Uint32Array};
use leptos::prelude::{document, window};
use wasm_bindgen::prelude::{Closure, JsCast, JsValue, wasm_bindgen};
use web_sys::{Blob, CanvasRenderingContext2d, Element, EventTarget, HtmlCanvasElement, HtmlElement};

use super::camera::{Camera, Seen};
use super::labels::{Name, placed};
use super::splat::{Scene, Style};
use super::{Coloured, Palette};

/// Up to so many dots, all are painted while a map is moved.
const MAX_DRAFT: usize = 350_000;
/// Pixels of a picture on the screen, at most: a finer screen gets a coarser picture.
const MAX_PIXELS: f64 = 5e6;
/// Levels of a ramp of values.
pub const N_RAMP: usize = 64;
/// Colours of the stylesheet that it runs through.
const N_STOPS: usize = 8;
/// Up to so many dots, an SVG holds each; beyond, one picture of all.
const MAX_VECTOR: usize = 20_000;

thread_local! {
    /// The picture that is painted into, to be used again.
    static PICTURE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

#[wasm_bindgen]
extern "C" {
    type ImageData;

    #[wasm_bindgen(constructor, catch)]
    fn new(pixels: &Uint8ClampedArray, width: u32) -> Result<ImageData, JsValue>;

    #[wasm_bindgen(js_name = CanvasRenderingContext2D)]
    type Context;

    #[wasm_bindgen(method, catch, js_name = putImageData)]
    fn put(this: &Context, image: &ImageData, x: f64, y: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, setter)]
    fn set_font(this: &Context, font: &str);

    #[wasm_bindgen(method, setter, js_name = textAlign)]
    fn set_text_align(this: &Context, align: &str);

    #[wasm_bindgen(method, catch, js_name = fillText)]
    fn fill_text(this: &Context, text: &str, x: f64, y: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = strokeText)]
    fn stroke_text(this: &Context, text: &str, x: f64, y: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, setter, js_name = lineWidth)]
    fn set_line_width(this: &Context, width: f64);
}

/// How a map is painted now.
pub struct Look {
    /// In pixels of the page.
    pub camera: Camera,
    /// Whether a draft is enough.
    pub is_moving: bool,
}

/// The element that an event came to.
pub fn element(target: &EventTarget) -> Option<Element> {
    target.clone().dyn_into().ok()
}

/// Paints the dots onto the canvas.
pub fn show(canvas: &HtmlCanvasElement, dots: Scene<'_>, palette: &Palette, look: Look, seen: Option<Seen>) {
    let Camera { width, height, .. } = look.camera;
    if width < 1.0 || height < 1.0 {
        return;
    }
    let is_draft = look.is_moving && dots.n_shown() > MAX_DRAFT;
    let fine = window().device_pixel_ratio().max(1.0).min((MAX_PIXELS / (width * height)).sqrt()).max(1.0);
    let density = if is_draft { 1.0 } else { fine };
    let every = if is_draft { dots.n_shown().div_ceil(MAX_DRAFT) } else { 1 };
    let (table, ground) = colours(canvas, palette);
    let style = Style { every, ..style(dots.n_shown(), seen, density) };
    let camera = look.camera.scaled(density);
    let (n_columns, n_rows) = (camera.width as usize, camera.height as usize);
    if canvas.width() as usize != n_columns || canvas.height() as usize != n_rows {
        canvas.set_width(n_columns as u32);
        canvas.set_height(n_rows as u32);
    }
    PICTURE.with_borrow_mut(|picture| {
        painted(picture, (n_columns, n_rows), ground, dots, palette, &camera, &table, style);
        if let Some(context) = context(canvas) {
            // A picture of the canvas's own size can be put.
            let _ =
                image(picture, n_columns).and_then(|image| context.unchecked_ref::<Context>().put(&image, 0.0, 0.0));
        }
    });
}

/// Radius and opacity of dots by how many there are, larger where a person has zoomed in.
fn style(n_dots: usize, seen: Option<Seen>, density: f64) -> Style {
    let zoom = seen.map_or(1.0, |seen| seen.zoom).max(1.0);
    let radius = (220.0 / (n_dots.max(1) as f64).sqrt() * zoom.sqrt()).clamp(0.55, 5.0);
    let opacity = if n_dots > 100_000 && zoom < 4.0 { 0.6 } else { 0.85 };
    Style { radius: radius * density, opacity, every: 1 }
}

#[allow(clippy::too_many_arguments, reason = "one picture, and all that it is painted with")]
fn painted(
    picture: &mut Vec<u32>,
    (n_columns, n_rows): (usize, usize),
    ground: u32,
    dots: Scene<'_>,
    palette: &Palette,
    camera: &Camera,
    table: &[u32],
    style: Style,
) {
    picture.clear();
    picture.resize(n_columns * n_rows, ground);
    match palette {
        Palette::Density => {
            let reach = (style.radius * 1.5).ceil().max(2.0) as usize;
            dots.paint_density(picture, n_columns, camera, table, reach);
        }
        Palette::Labels(_) | Palette::Ramp { .. } => dots.paint(picture, n_columns, camera, table, style),
    }
}

fn image(picture: &[u32], n_columns: usize) -> Result<ImageData, JsValue> {
    let words = Uint32Array::from(picture);
    ImageData::new(&Uint8ClampedArray::new(&words.buffer()), n_columns as u32)
}

fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok().flatten()?.dyn_into().ok()
}

/// The colour of each level, that of cells that are not selected, and that of the ground.
fn colours(canvas: &HtmlCanvasElement, palette: &Palette) -> (Vec<u32>, u32) {
    let mut table: Vec<u32> = match palette {
        Palette::Labels(labels) => labels.iter().map(|(colour, _)| packed(resolve(canvas, colour))).collect(),
        Palette::Ramp { .. } | Palette::Density => ramp(canvas).into_iter().map(packed).collect(),
    };
    table.push(packed(resolve(canvas, "var(--c-rest)")));
    (table, packed(resolve(canvas, "var(--ground)")))
}

/// [`N_RAMP`] colours from low to high.
fn ramp(canvas: &HtmlCanvasElement) -> Vec<[u8; 3]> {
    let stops: Vec<[u8; 3]> = (0..N_STOPS).map(|stop| resolve(canvas, &format!("var(--ramp-{stop})"))).collect();
    let colour = |level: usize| {
        let along = level as f64 / (N_RAMP - 1) as f64 * (N_STOPS - 1) as f64;
        let low = (along as usize).min(N_STOPS - 2);
        let share = along - low as f64;
        let mixed = |channel: usize| {
            let (a, b) = (f64::from(stops[low][channel]), f64::from(stops[low + 1][channel]));
            (a + (b - a) * share).round() as u8
        };
        [mixed(0), mixed(1), mixed(2)]
    };
    (0..N_RAMP).map(colour).collect()
}

/// A colour as the canvas has it: custom properties are resolved against the theme.
fn resolve(canvas: &HtmlCanvasElement, colour: &str) -> [u8; 3] {
    let style = HtmlElement::style(canvas);
    // An invalid colour leaves the inherited one, which is visible too.
    let _ = style.set_property("color", colour);
    let computed = window().get_computed_style(canvas).ok().flatten();
    let text = computed.and_then(|style| style.get_property_value("color").ok()).unwrap_or_default();
    channels(&text)
}

/// `rgb(1, 2, 3)` as numbers; grey where it is written in another way.
fn channels(text: &str) -> [u8; 3] {
    let inner = text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inner, _)| inner);
    let mut numbers = inner.split([',', ' ', '/']).filter_map(|part| part.trim().parse::<f64>().ok());
    let mut next = || numbers.next().map(|number| number.round().clamp(0.0, 255.0) as u8);
    match (next(), next(), next()) {
        (Some(red), Some(green), Some(blue)) => [red, green, blue],
        _ => [128, 128, 128],
    }
}

/// In the order of bytes that a canvas wants.
fn packed([red, green, blue]: [u8; 3]) -> u32 {
    u32::from_le_bytes([red, green, blue, 255])
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A map to be saved.
pub struct Saved<'a> {
    /// Its canvas, for the colours of the theme.
    pub canvas: &'a HtmlCanvasElement,
    /// Its dots, and which of them are shown.
    pub dots: Scene<'a>,
    /// Its colours.
    pub coloured: &'a Coloured,
    /// What is seen of it, in pixels of the page.
    pub camera: Camera,
    /// The same.
    pub seen: Option<Seen>,
    /// Names on it.
    pub names: &'a [Name],
    /// What it is.
    pub title: &'a str,
    /// What the axes are.
    pub axes: &'a [String; 2],
}

/// Pixels of the page around a saved map, for title, axes and legend.
const FRAME: (f64, f64, f64, f64) = (36.0, 34.0, 190.0, 34.0);

impl Saved<'_> {
    /// Paints the map at `times` its size on a canvas of its own.
    fn plain(&self, times: f64) -> Option<HtmlCanvasElement> {
        let camera = self.camera.scaled(times);
        let (n_columns, n_rows) = (camera.width as usize, camera.height as usize);
        let canvas = fresh_canvas(n_columns, n_rows)?;
        let (table, ground) = colours(self.canvas, &self.coloured.palette);
        let mut picture = Vec::new();
        let style = style(self.dots.n_shown(), self.seen, times);
        let size = (n_columns, n_rows);
        painted(&mut picture, size, ground, self.dots, &self.coloured.palette, &camera, &table, style);
        let image = image(&picture, n_columns).ok()?;
        context(&canvas)?.unchecked_ref::<Context>().put(&image, 0.0, 0.0).ok()?;
        Some(canvas)
    }

    /// A PNG at `times` the size on the page, with title, names and legend; it goes to `saved` once it is packed.
    pub fn png(&self, times: f64, saved: impl FnOnce(Blob) + 'static) -> Option<()> {
        let plain = self.plain(times)?;
        let (left, top, right, bottom) = FRAME;
        let size = (self.camera.width + left + right, self.camera.height + top + bottom);
        let canvas = fresh_canvas((size.0 * times) as usize, (size.1 * times) as usize)?;
        let paper = context(&canvas)?;
        paper.set_fill_style_str(&hex(resolve(self.canvas, "var(--panel)")));
        paper.fill_rect(0.0, 0.0, size.0 * times, size.1 * times);
        paper.draw_image_with_html_canvas_element(&plain, left * times, top * times).ok()?;
        paper.scale(times, times).ok()?;
        let text: &Context = paper.unchecked_ref();
        let ink = hex(resolve(self.canvas, "var(--text)"));
        for line in self.lines() {
            text.set_font(&format!(
                "{} {}px system-ui, sans-serif",
                if line.is_bold { "600" } else { "400" },
                line.size
            ));
            text.set_text_align(if line.is_middle { "center" } else { "left" });
            if let Some(colour) = &line.dot {
                paper.set_fill_style_str(colour);
                paper.begin_path();
                paper.arc(line.x - 10.0, line.y - 4.0, 5.0, 0.0, std::f64::consts::TAU).ok()?;
                paper.fill();
            }
            if line.has_halo {
                paper.set_stroke_style_str(&hex(resolve(self.canvas, "var(--ground)")));
                text.set_line_width(3.0);
                text.stroke_text(&line.text, line.x, line.y).ok()?;
            }
            paper.set_fill_style_str(&ink);
            text.fill_text(&line.text, line.x, line.y).ok()?;
        }
        let done = Closure::once_into_js(move |blob: Option<Blob>| {
            if let Some(blob) = blob {
                saved(blob);
            }
        });
        canvas.to_blob(done.unchecked_ref()).ok()
    }

    /// An SVG: dots as shapes where they are few, as one picture where they are many; all text is text.
    pub fn svg(&self) -> Option<String> {
        let (left, top, right, bottom) = FRAME;
        let Camera { width, height, .. } = self.camera;
        let size = (width + left + right, height + top + bottom);
        let (paper, ink) = (hex(resolve(self.canvas, "var(--panel)")), hex(resolve(self.canvas, "var(--text)")));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0}\" height=\"{1:.0}\" viewBox=\"0 0 {0:.0} {1:.0}\" \
             font-family=\"Helvetica, Arial, sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"{paper}\"/>\n",
            size.0, size.1
        );
        if self.dots.n_shown() <= MAX_VECTOR && self.coloured.palette != Palette::Density {
            let (table, _) = colours(self.canvas, &self.coloured.palette);
            let Style { radius, opacity, .. } = style(self.dots.n_shown(), self.seen, 1.0);
            svg.push_str(&format!("<g transform=\"translate({left} {top})\" fill-opacity=\"{opacity}\">\n"));
            self.dots.each(1, |[x, y], colour| {
                let (x, y) = self.camera.place(x, y);
                if (0.0..=width).contains(&x) && (0.0..=height).contains(&y) {
                    let [red, green, blue, _] = table.get(colour as usize).copied().unwrap_or_default().to_le_bytes();
                    let fill = hex([red, green, blue]);
                    svg.push_str(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"{fill}\"/>\n"));
                }
            });
            svg.push_str("</g>\n");
        } else {
            let picture = self.plain(3.0)?.to_data_url().ok()?;
            svg.push_str(&format!(
                "<image x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" href=\"{picture}\"/>\n"
            ));
        }
        let ground = hex(resolve(self.canvas, "var(--ground)"));
        for line in self.lines() {
            if let Some(colour) = &line.dot {
                let (x, y) = (line.x - 10.0, line.y - 4.0);
                svg.push_str(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/>\n"));
            }
            let halo = if line.has_halo {
                format!(" stroke=\"{ground}\" stroke-width=\"3\" paint-order=\"stroke\"")
            } else {
                String::new()
            };
            svg.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{}\" font-weight=\"{}\" text-anchor=\"{}\" fill=\"{ink}\"{halo}>{}</text>\n",
                line.x,
                line.y,
                line.size,
                if line.is_bold { "600" } else { "400" },
                if line.is_middle { "middle" } else { "start" },
                escaped(&line.text)
            ));
        }
        svg.push_str("</svg>\n");
        Some(svg)
    }

    /// All text: title, axes, names and legend, in pixels of the page.
    fn lines(&self) -> Vec<Line> {
        let (left, top, ..) = FRAME;
        let Camera { width, height, .. } = self.camera;
        let line = |text: &str, x: f64, y: f64, size: f64| Line {
            text: text.into(),
            x,
            y,
            size,
            is_bold: false,
            is_middle: false,
            has_halo: false,
            dot: None,
        };
        let mut lines = vec![Line { is_bold: true, ..line(self.title, left, top - 12.0, 14.0) }];
        let axes = format!("{} → · {} ↑", self.axes[0], self.axes[1]);
        lines.push(Line { is_middle: true, ..line(&axes, left + width / 2.0, top + height + 20.0, 12.0) });
        for (name, x, y) in placed(self.names, &self.camera) {
            let name = line(&name.text, left + x, top + y + 4.0, 12.0);
            lines.push(Line { is_bold: true, is_middle: true, has_halo: true, ..name });
        }
        let x = left + width + 28.0;
        lines.push(Line { is_bold: true, ..line(&self.coloured.title, x - 16.0, top + 10.0, 12.0) });
        let entries: Vec<(String, String)> = match &self.coloured.palette {
            Palette::Labels(labels) => {
                labels.iter().map(|(colour, name)| (hex(resolve(self.canvas, colour)), name.clone())).collect()
            }
            Palette::Ramp { low, high, unit } => {
                let ramp = ramp(self.canvas);
                let at = |step: usize| {
                    let value = high + (low - high) * step as f64 / 5.0;
                    (hex(ramp[(N_RAMP - 1) * (5 - step) / 5]), crate::format::significant(value) + " " + unit)
                };
                (0..=5).map(at).collect()
            }
            Palette::Density => {
                let ramp = ramp(self.canvas);
                vec![(hex(ramp[N_RAMP - 1]), "many cells".into()), (hex(ramp[0]), "few".into())]
            }
        };
        let room = (((height - 10.0) / 18.0) as usize).max(1);
        for (at, (colour, text)) in entries.into_iter().take(room).enumerate() {
            lines.push(Line { dot: Some(colour), ..line(&text, x, top + 32.0 + 18.0 * at as f64, 12.0) });
        }
        lines
    }
}

/// A line of text.
struct Line {
    text: String,
    x: f64,
    y: f64,
    size: f64,
    is_bold: bool,
    is_middle: bool,
    has_halo: bool,
    /// The colour of a dot before it.
    dot: Option<String>,
}

fn fresh_canvas(n_columns: usize, n_rows: usize) -> Option<HtmlCanvasElement> {
    let canvas: HtmlCanvasElement = document().create_element("canvas").ok()?.dyn_into().ok()?;
    canvas.set_width(n_columns as u32);
    canvas.set_height(n_rows as u32);
    Some(canvas)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::{channels, escaped, hex, packed};

    #[test]
    fn colours_are_read_as_browsers_write_them() {
        for (text, expected) in [
            ("rgb(1, 2, 255)", [1, 2, 255]),
            ("rgba(10, 20, 30, 0.5)", [10, 20, 30]),
            ("rgb(1 2 3 / 50%)", [1, 2, 3]),
            ("nonsense", [128, 128, 128]),
        ] {
            assert_eq!(channels(text), expected, "{text}");
        }
        assert_eq!((hex([0, 114, 178]), packed([1, 2, 3]).to_le_bytes()), ("#0072b2".into(), [1, 2, 3, 255]));
        assert_eq!(escaped("a<b>&\"c"), "a&lt;b&gt;&amp;&quot;c");
    }
}
