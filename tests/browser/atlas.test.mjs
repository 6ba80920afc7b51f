// The map of the cells as a person uses it: UMAP and clusters, colours, lasso, markers, scores, pictures; with keys alone,
// on a phone, in both themes, and where there is nothing to choose.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { equal, holds, made, screenshots, test } from "./harness.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const saved = async (app, page, id) => {
  const [download] = await Promise.all([page.waitForEvent("download"), app.at(id).click()]);
  await app.idle();
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
};

/** How many pixels of a map differ from its ground. */
const painted = (page, id) =>
  page.evaluate((id) => {
    const canvas = document.querySelector(`canvas[data-testid="${id}"]`);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(data.buffer);
    return pixels.reduce((n, pixel) => n + (pixel !== pixels[0]), 0);
  }, id);

/** Drags from one place of a map to another, in shares of its size, by the places between. */
const drag = async (page, id, places) => {
  const canvas = page.locator(`canvas[data-testid="${id}"]`);
  // Away from what sticks to the page's ends.
  await canvas.evaluate((canvas) => canvas.scrollIntoView({ block: "center" }));
  const box = await canvas.boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(places[0]));
  await page.mouse.down();
  for (const place of places.slice(1)) await page.mouse.move(...at(place), { steps: 4 });
  await page.mouse.up();
  await page.waitForTimeout(250);
};

const AROUND = [[0.02, 0.02], [0.98, 0.02], [0.98, 0.98], [0.02, 0.98], [0.02, 0.05]];

for (const scheme of ["light", "dark"]) {
  test(`cells are mapped, clustered, chosen, compared and scored in ${scheme}`, { limit_s: 420 }, async ({ app, page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    await app.openExample();
    await app.at("nav-look").click();
    await app.at("map-latent").waitFor();
    await app.idle();
    holds((await painted(page, "map-expression")) > 100, "the map is painted");
    await app.at("layout-expression").selectOption("umap");
    await app.idle();
    await app.noError();
    const title = await app.text("map-expression-title");
    holds(/UMAP of expression · \d+ clusters/.test(title), title);
    holds((await painted(page, "map-expression")) > 100, "the layout is painted");
    await app.at("layout-latent").selectOption("umap");
    await app.idle();
    holds(/UMAP of latent states/.test(await app.text("map-latent-title")), await app.text("map-latent-title"));

    // Clusters are a colour, their labels can be hidden.
    await app.at("colour-by").selectOption("clusters");
    const n = Number(title.match(/(\d+) clusters/)[1]);
    equal(await page.getByTestId("legend-entry").count(), n, "entries of the legend");
    const all = await painted(page, "map-expression");
    await app.at("legend-entry").click();
    await page.waitForTimeout(300);
    holds((await painted(page, "map-expression")) < all, "hidden cells are not painted");
    await app.at("legend-entry").click();

    // A gene by what one remembers of its name.
    await app.at("map-gene").fill("sta1");
    await app.at("gene-option").waitFor();
    await app.at("map-gene").press("Enter");
    await app.idle();
    await app.noError();
    holds(/STAT1/.test(await app.text("legend")), await app.text("legend"));

    // A lasso around nothing chooses nothing; around all, all.
    await app.at("tool-lasso").click();
    await drag(page, "map-expression", [[0.005, 0.005], [0.012, 0.005], [0.012, 0.012]]);
    equal(await app.text("selection"), "", "a lasso around nothing");
    await drag(page, "map-expression", AROUND);
    holds(/ cells selected/.test(await app.text("selection")), await app.text("selection"));
    await drag(page, "map-expression", [[0.02, 0.02], [0.5, 0.02], [0.5, 0.98], [0.02, 0.98]]);
    const some = await app.text("selection");
    await app.at("compare-selection").click();
    await app.idle();
    await app.noError();
    holds((await page.getByTestId("marker-row").count()) > 5, "markers of the selection");
    const { name, bytes } = await saved(app, page, "markers-csv");
    const rows = bytes.toString().trim().split("\n");
    equal([name, rows[0].split(",").length], ["metacells_markers.csv", 8], "csv of the markers");
    equal(String(rows.length - 1), (await app.text("markers")).match(/best of (\d+) genes/)[1], `all genes: ${some}`);
    await app.at("marker-row").locator("button").click();
    await app.idle();
    await app.at("clear-selection").click();
    await app.at("tool-pan").click();

    // Clusters against clusters, and against labels.
    await app.at("marker-groups").selectOption("clusters");
    await app.at("marker-test").selectOption("ties");
    await app.at("find-markers").click();
    await app.idle();
    await app.noError();
    equal(await app.at("marker-group").locator("option").count(), n, "a group for each cluster");
    await app.at("scores").locator("summary").click();
    await app.at("score").click();
    await app.idle();
    await app.noError();
    const scores = await app.text("score-table");
    holds(/PCA of expression/.test(scores) && /latent states/.test(scores) && /optimistic/.test(scores), scores);

    for (const [width, height] of [[1280, 720], [1920, 1080]]) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(300);
      await app.at("colour-by").scrollIntoViewIfNeeded();
      await page.screenshot({ path: `${screenshots}/atlas-${width}x${height}-${scheme}.png`, fullPage: true });
    }
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa"] }));
    equal(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 160)}`), [], "accessibility");
  });
}

test("a setting makes again only what depends on it, and a map can be cancelled", {}, async ({ app, page }) => {
  await app.openExample();
  await app.prepare(made("screen.h5ad"));
  await app.at("nav-look").click();
  await app.idle();
  // Tasks that the bar names, from now on.
  await page.evaluate(() => {
    globalThis.tasks = [];
    const bar = document.querySelector('[data-testid="progress"]');
    new MutationObserver(() => globalThis.tasks.push(bar.innerText)).observe(bar, { subtree: true, childList: true, characterData: true });
  });
  const tasks = async () => {
    const seen = await page.evaluate(() => globalThis.tasks.splice(0));
    return { clusters: seen.some((text) => /clusters/.test(text)), layout: seen.some((text) => /UMAP/.test(text)) };
  };
  await app.at("map-settings").locator("summary").click();
  await app.at("map-cells").click();
  await app.idle();
  await app.noError();
  equal(await tasks(), { clusters: true, layout: true }, "what was done at first");
  await app.at("resolution").fill("0");
  await app.at("resolution").press("Enter");
  await app.idle();
  equal(await tasks(), { clusters: true, layout: false }, "what another resolution changes");
  holds(/one cluster/.test(await app.text("map-warning")), await app.text("map-warning"));
  await app.at("min-dist").fill("0.1");
  await app.at("min-dist").press("Enter");
  await app.idle();
  equal(await tasks(), { clusters: false, layout: true }, "what another least distance changes");
  // One cluster is nothing to compare.
  await app.at("markers").locator("summary").click();
  await app.at("marker-groups").selectOption("clusters");
  await app.at("find-markers").click();
  await app.idle();
  holds(/outside group 0/i.test(await app.text("error")), await app.text("error"));
  await app.at("error-dismiss").click();
});

test("the maps can be used with keys alone, and on a phone", {}, async ({ app, page }) => {
  await app.openExample();
  await app.at("nav-look").click();
  await app.at("map-latent").waitFor();
  await app.idle();
  const map = page.locator('canvas[data-testid="map-expression"]');
  await map.focus();
  const picture = () => map.evaluate((canvas) => canvas.toDataURL());
  let before = await picture();
  for (const key of ["ArrowLeft", "ArrowUp", "+", "-", "0"]) {
    await page.keyboard.press(key);
    await page.waitForTimeout(350);
    const after = await picture();
    holds(after !== before, `${key} changes nothing`);
    before = after;
  }
  holds(/rows/.test(await map.getAttribute("aria-label")), await map.getAttribute("aria-label"));
  await app.at("select-shown").focus();
  await page.keyboard.press("Enter");
  holds(/selected/.test(await app.text("selection")), await app.text("selection"));
  await map.focus();
  await page.keyboard.press("Escape");
  equal(await app.text("selection"), "", "the selection after Escape");
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(300);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  holds(wide <= 390, `the page is ${wide} pixels wide on a phone of 390`);
  await page.screenshot({ path: `${screenshots}/atlas-390x844-light.png`, fullPage: true });
});

test("maps, methods and a script are saved", {}, async ({ app, page }) => {
  await app.openExample();
  await app.at("nav-look").click();
  await app.at("map-latent").waitFor();
  await app.idle();
  await app.at("layout-expression").selectOption("umap");
  await app.idle();
  const png = await saved(app, page, "map-expression-png");
  equal([...png.bytes.subarray(1, 4)].map((byte) => String.fromCharCode(byte)).join(""), "PNG", "the picture");
  const width = png.bytes.readUInt32BE(16);
  holds(width > 2000, `the picture is ${width} pixels wide`);
  const svg = (await saved(app, page, "map-expression-svg")).bytes.toString();
  holds(svg.startsWith("<svg") && svg.includes("<circle") && svg.includes("UMAP1"), svg.slice(0, 300));
  holds(await page.evaluate((svg) => !new DOMParser().parseFromString(svg, "image/svg+xml").querySelector("parsererror"), svg), "the SVG is well formed");
  const methods = (await saved(app, page, "save-methods")).bytes.toString();
  holds(/Leiden/.test(methods) && /seed 0/.test(methods) && /Waddington \d/.test(methods), methods);
  const script = await saved(app, page, "save-snippet");
  holds(/X_umap|umap/.test(script.bytes.toString()) && script.name.endsWith(".py"), script.name);
});
