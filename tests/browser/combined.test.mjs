// Questions about several genes and about some of the cells, and the ways to look at an answer.

import { readFileSync } from "node:fs";
import { equal, holds, made, screenshots, test } from "./harness.mjs";

test("genes are combined by keyboard, and the answer says what it is made of", {}, async ({ app, page }) => {
  await app.openExample();
  await app.at("nav-perturb").click();
  await app.at("target-input").fill("STAT1");
  await app.at("target-input").press("Escape");
  await app.at("add-gene").focus();
  await page.keyboard.press("Enter");
  equal(await app.at("together-gene").innerText(), "STAT1\n×", "the gene that is kept");
  holds(await app.at("target-input").evaluate((input) => input === document.activeElement), "the input has the focus");
  // A former name is offered with the gene that it means.
  await app.at("target-input").fill("CD120a");
  await app.at("target-option").waitFor();
  equal((await app.at("target-option").innerText()).split("\n")[0], "CD120a → TNFRSF1A", "the gene of an alias");
  await app.at("target-input").fill("");
  // The same gene twice, and one that nothing is known of, cannot be asked for.
  await page.keyboard.type("stat1");
  await app.at("target-twice").waitFor();
  holds(await app.at("predict").isDisabled(), "the same gene twice can be asked for");
  await app.at("target-input").fill("NOSUCHGENE");
  holds(await app.at("predict").isDisabled(), "a gene without a vector can be asked for");
  await app.at("target-input").fill("JAK2");
  await app.at("target-input").press("Escape");
  await app.at("target-input").press("Enter");
  await app.idle();
  await app.noError();
  await app.at("combination-parts").waitFor();
  holds((await page.locator(".result h2").innerText()).includes("STAT1+JAK2 knockout"), "the title names both");
  holds((await app.text("prediction-warnings")).includes("saw no combination in training"), await app.text("prediction-warnings"));
  holds(/JAK2, STAT1 alone, added/.test(await app.text("additive")), await app.text("additive"));
  holds((await app.text("prediction-interval")).includes("combinations"), await app.text("prediction-interval"));
  const { name, rows } = await app.csv();
  holds(name.includes("STAT1+JAK2"), name);
  equal(rows[0].slice(7), ["additive_change_log1p", "predicted_change_of_JAK2_alone_log1p", "predicted_change_of_STAT1_alone_log1p"], "columns");
  for (const row of rows.slice(1)) {
    const off = Math.abs(Number(row[2]) - Number(row[8]) - Number(row[9]));
    holds(off < 1e-6, `${row[0]} is ${off} off the sum of its parts`);
  }
  await page.screenshot({ path: `${screenshots}/combined-1280x720-light.png`, fullPage: true });
  await app.at("together-remove").click();
  equal(await page.getByTestId("together-gene").count(), 0, "genes that are left");
  await app.predict("JAK2");
  holds((await page.locator(".result h2").innerText()).includes("JAK2 knockout"), "one gene is asked for again");
});

test("an answer is drawn as a volcano and beside others", {}, async ({ app, page }) => {
  await app.openExample();
  await app.predict("JAK2");
  await app.at("tab-bars").press("ArrowRight");
  await app.at("volcano").waitFor();
  holds(/interval does not hold 0.*no p value/.test(await app.text("volcano-note")), await app.text("volcano-note"));
  holds((await page.locator(".volcano circle").count()) > 200, "dots of the volcano");
  await app.at("volcano-of").selectOption("measured");
  holds(/standard errors/.test(await app.text("volcano-note")), await app.text("volcano-note"));
  await page.screenshot({ path: `${screenshots}/volcano-1280x720-light.png`, fullPage: true });
  for (const gene of ["IFNGR1", "SMAD4"]) {
    await app.at("target-input").fill(gene);
    await app.at("target-input").press("Escape");
    await app.at("predict").click();
    await app.idle();
    await app.noError();
  }
  await app.at("tab-compared").click();
  equal(await page.getByTestId("compared-answer").count(), 3, "answers");
  equal(await page.locator(".heat g").count(), 3, "rows");
  await app.at("heat-measured").check();
  equal(await page.locator(".heat g").count(), 6, "rows with the measured changes");
  holds(/, \w.*: [+−]?\d/.test(await page.locator(".heat rect.cell title").first().textContent()), "a cell names its value");
  const save = async (id) => {
    const [download] = await Promise.all([page.waitForEvent("download"), app.at(id).click()]);
    return readFileSync(await download.path(), "utf8");
  };
  const lines = (await save("heat-csv")).trimEnd().split("\n");
  equal(lines[1].split(",").length, 1 + 3 * 4, "columns of the csv, names with a comma counted twice");
  const svg = await save("heat-svg");
  holds(svg.startsWith("<svg xmlns=") && svg.includes("#"), svg.slice(0, 120));
  for (const theme of ["light", "dark"]) {
    await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), theme);
    await page.screenshot({ path: `${screenshots}/compared-1280x720-${theme}.png`, fullPage: true });
  }
  await app.at("tab-map").click();
  await app.at("shift-map").waitFor();
  await app.idle();
  await app.noError();
  holds((await page.locator(".arrows polygon.shift").count()) > 3, "arrows on the map");
  holds(/neither paths of cells nor speeds/.test(await app.text("shift-note")), await app.text("shift-note"));
  await app.at("shift-times").selectOption({ label: "1 times as long" });
  holds(/drawn 1 times/.test(await app.text("shift-note")), await app.text("shift-note"));
  await page.screenshot({ path: `${screenshots}/shifts-1280x720-dark.png`, fullPage: true });
  await app.at("tab-compared").click();
  await app.at("compared-show").click();
  holds((await page.locator(".result h2").innerText()).includes("JAK2"), "the first answer is shown again");
  await app.at("compared-forget").click();
  equal(await page.getByTestId("compared-answer").count(), 2, "answers that are left");
});

test("an answer is about the cells that were chosen", {}, async ({ app, page }) => {
  await app.openExample();
  await app.prepare(made("screen.h5ad"));
  await app.predict("STAT1");
  const all = (await app.csv()).rows;
  await app.at("nav-look").click();
  await app.at("map-expression").waitFor();
  await app.at("tool-lasso").click();
  const map = await app.at("map-expression").boundingBox();
  const around = async (left, top, right, bottom) => {
    const at = (x, y) => [map.x + x * map.width, map.y + y * map.height];
    await page.mouse.move(...at(left, top));
    await page.mouse.down();
    for (const corner of [[right, top], [right, bottom], [left, bottom], [left, top]]) await page.mouse.move(...at(...corner), { steps: 4 });
    await page.mouse.up();
  };
  await around(0.02, 0.02, 0.5, 0.98);
  const n = Number((await app.text("selection")).match(/^([\d,]+) of/)[1]);
  holds(n > 5 && n < 235, `${n} cells are selected`);
  await app.at("nav-perturb").click();
  const option = app.at("cells-select").locator("option", { hasText: "the selection" });
  const n_controls = Number((await option.innerText()).match(/\((\d+) control cell/)[1]);
  await app.at("cells-select").selectOption({ label: await option.innerText() });
  await app.at("predict").click();
  await app.idle();
  await app.noError();
  holds((await page.locator(".agreement").innerText()).includes(`${n_controls} control cells in the selection`), await page.locator(".agreement").innerText());
  holds(/understated/.test(await app.text("prediction-warnings")), await app.text("prediction-warnings"));
  const some = (await app.csv()).rows;
  equal(some.map((row) => row[0]), all.map((row) => row[0]), "genes");
  holds(some.some((row, at) => row[2] !== all[at][2]), "the prediction is that of all cells");
  await page.screenshot({ path: `${screenshots}/cells-1280x720-light.png`, fullPage: true });
  // The selection is still there where it was made.
  await app.at("nav-look").click();
  holds((await app.text("selection")).startsWith(`${n} of`), await app.text("selection"));
});
