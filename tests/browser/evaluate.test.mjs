// Evaluation as a person asks for it: the built-in example, the table read and sorted, the plots, what is saved.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { equal, holds, made, screenshots, test } from "./harness.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function evaluate(app) {
  await app.at("nav-evaluate").click();
  await app.at("evaluate").click();
  await app.idle();
  await app.noError();
  await app.at("evaluate-table").waitFor();
}

async function saved(app, id) {
  const [download] = await Promise.all([app.page.waitForEvent("download"), app.at(id).click()]);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  return { name: download.suggestedFilename(), text: Buffer.concat(chunks).toString() };
}

test("the built-in example is judged on what its model held out", {}, async ({ app, page }) => {
  await app.openExample();
  await evaluate(app);
  const headline = await app.text("evaluate-headline");
  holds(/^On 8 perturbations that it did not learn from, model .* the best simple method/.test(headline), headline);
  const methods = await page.getByTestId("evaluate-row").locator("th").allInnerTexts();
  for (const wanted of ["model", "model, vectors exchanged", "no change", "training mean", "ridge", "kernel ridge"]) {
    holds(methods.some((name) => name.split("\n")[0] === wanted), `${wanted} is no row of ${methods}`);
  }

  // What is written is what is shown.
  const { name, text } = await saved(app, "evaluate-json");
  equal(name, "waddington_evaluation.json", "name of the file");
  const report = JSON.parse(text);
  equal(report.table.targets.length, 8, "perturbations");
  holds(headline.startsWith(report.headline), "the sentence is the file's");
  const column = report.table.metrics.indexOf("GearsPearsonDelta");
  const row = report.table.rows.find((row) => row.method === "training mean");
  const shown = page.getByTestId("evaluate-row").filter({ hasText: "training mean" }).first();
  const cell = (await shown.locator("td").first().innerText()).replace("★ ", "").split("\n")[0];
  equal(cell, row.cells[column].mean.toFixed(2), "Pearson of the training mean");
  const csv = (await saved(app, "evaluate-csv")).text.split("\n").filter((line) => line && !line.startsWith("#"));
  equal(csv.length - 1, report.table.rows.length * report.table.metrics.length, "lines of the table");
  const svg = (await saved(app, "headroom-svg")).text;
  holds(svg.startsWith("<svg") && svg.includes("<style>") && svg.includes("JAK2"), svg.slice(0, 200));

  // Sorted by a measure, best first; then the other way.
  const head = app.at("evaluate-table").locator("thead button").first();
  await head.click();
  equal(await app.at("evaluate-table").locator("thead th").nth(1).getAttribute("aria-sort"), "descending", "order");
  const values = async () => {
    const texts = await page.getByTestId("evaluate-row").locator("td:first-of-type").allInnerTexts();
    return texts.map((text) => Number(text.replace("★ ", "").split("\n")[0].replace("−", "-"))).filter(Number.isFinite);
  };
  const sorted = await values();
  equal(sorted, sorted.toSorted((a, b) => b - a), "values of the column");
  await app.at("evaluate-measures").locator("summary").click();
  const before = await app.at("evaluate-table").locator("thead th").count();
  await app.at("evaluate-measures").locator("input:not(:checked)").first().check();
  equal(await app.at("evaluate-table").locator("thead th").count(), before + 1, "columns after choosing one more");
  await app.at("evaluate-measures").locator("summary").click();

  equal(await page.getByTestId("headroom-row").count(), 8, "rows of the headroom");
  await app.at("scatter-target").selectOption({ index: 1 });
  holds((await app.at("scatter").locator("circle title").first().textContent()).includes("measured"), "a dot names its gene");
  await app.at("null-absent").waitFor();
  holds(/no perturbation is in training and in the test/i.test(await app.text("audit")), await app.text("audit"));
});

test("the model is measured as its reference measures it", {}, async ({ app, page }) => {
  await app.openExample();
  await app.at("nav-evaluate").click();
  await app.at("evaluate-reference-choice").check();
  await evaluate(app);
  const panel = app.at("evaluate-reference");
  await panel.locator("summary").click();
  equal(await panel.locator("h4").count(), 8, "evaluations");
  const rows = await page.getByTestId("reference-row").allInnerTexts();
  holds(rows.some((row) => /Up, down or none at 0.25\s+as published\s+\S+\s+always none: /.test(row)), rows.slice(0, 30).join("\n"));
  // Metacells are no single cells, and nobody gave effects of losing genes.
  const missing = (await page.getByTestId("reference-missing").allInnerTexts()).join(" ");
  holds(/Single cells/.test(missing) && /gene-effect/.test(missing), missing);
  await page.screenshot({ path: `${screenshots}/evaluate-reference.png`, fullPage: true });
});

test("a dropped screen is judged by the simple methods, with the null of single cells", {}, async ({ app, page }) => {
  await app.openExample();
  await app.prepare(made("screen.h5ad"));
  await app.at("nav-evaluate").click();
  await app.at("evaluate-folds").selectOption("one");
  await evaluate(app);
  const rows = await page.getByTestId("null-row").allInnerTexts();
  holds(rows.some((row) => /the mean training cell\s+nothing/.test(row)), `${rows}`);
  holds(rows.some((row) => /shuffled: no effect at all/.test(row)), `${rows}`);

  // Tests of cells are a table of their own, and only where they are asked for.
  equal(await app.at("evaluate-cell-table").count(), 0, "tests of cells that nobody asked for");
  await app.at("evaluate-cell-tests-choice").check();
  await evaluate(app);
  await app.at("evaluate-cell-table").waitFor();
  holds((await app.text("evaluate-cell-rule")).includes("other control cells"), await app.text("evaluate-cell-rule"));
  const { text } = await saved(app, "evaluate-csv");
  holds(text.includes("overlap_at_N") && text.includes("mean of groups"), text.slice(0, 300));
  await page.screenshot({ path: `${screenshots}/evaluate-cells.png`, fullPage: true });
});

test("the evaluation looks right and can be used without a mouse or sight", {}, async ({ app, page }) => {
  await app.openExample();
  await evaluate(app);
  const found = [];
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.evaluate((theme) => document.documentElement.setAttribute("data-theme", theme), scheme);
    for (const [width, height] of [[1280, 720], [1920, 1080], [420, 900]]) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(300);
      await page.screenshot({ path: `${screenshots}/evaluate-${width}x${height}-${scheme}.png`, fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      holds(wide <= 1, `${wide} pixels wider than a window of ${width}`);
    }
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa"] }));
    found.push(...violations.map(({ id, nodes }) => `${scheme}: ${id}: ${nodes[0].html.slice(0, 120)}`));
  }
  equal(found, [], "accessibility");
});
