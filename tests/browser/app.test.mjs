// The app as a person uses it: the built-in example, dropped files, with WebGPU and without.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { equal, holds, made, shared, test } from "./harness.mjs";

test("the built-in example runs to a prediction and a csv", {}, async ({ app }) => {
  await app.openExample();
  await app.noError();
  await app.at("nav-look").click();
  for (const id of ["qc-total-counts", "map-expression", "map-latent"]) await app.at(id).waitFor();
  await app.predict("STAT1");
  const { name, rows } = await app.csv();
  holds(name.includes("STAT1") && name.endsWith(".csv"), `the file is called ${name}`);
  equal(rows[0].slice(0, 3), ["gene", "control_mean_log1p", "predicted_change_log1p"], "columns");
  holds(rows.length > 50, `only ${rows.length} rows`);
  const changes = rows.slice(1).map((row) => Number(row[2]));
  holds(changes.every(Number.isFinite) && changes.some((change) => change !== 0), "changes are finite and not all 0");
  holds((await app.text("card")).length > 0, "the card is empty");
  holds((await app.text("prediction-interval")).includes("learnt from this response"), await app.text("prediction-interval"));
  equal(rows.slice(1).filter((row) => row[3] !== "").length, 0, "a response that was learnt from has no interval");
  await app.predict("JAK2");
  const said = await app.text("prediction-interval");
  holds(/80 % of measured changes .* 7 perturbations .* they held \d+ %/.test(said), said);
  const answer = (await app.csv()).rows.slice(1);
  const widths = answer.filter((row) => row[0] !== "JAK2").map((row) => Number(row[3]));
  holds(widths.every((width) => width > 0), "a gene has no interval");
  equal(answer.find((row) => row[0] === "JAK2")[3], "", "the width of the target's own gene");
});

test("neither the page nor its worker may ask anything of another site", {}, async ({ app, page, problems }) => {
  await app.openExample();
  holds(page.workers().length === 1, `${page.workers().length} workers`);
  for (const [what, where] of [["the page", page], ["the worker", page.workers()[0]]]) {
    const directive = await where.evaluate(async () => {
      const violation = new Promise((resolve) => self.addEventListener("securitypolicyviolation", resolve, { once: true }));
      await fetch("http://elsewhere.invalid/").catch(() => {});
      const late = new Promise((resolve) => setTimeout(resolve, 5000));
      return (await Promise.race([violation, late]))?.effectiveDirective;
    });
    equal(directive, "connect-src", `what kept ${what} from asking another site`);
  }
  // The browser reports what it refused.
  problems.splice(0, problems.length, ...problems.filter((problem) => !problem.includes("elsewhere.invalid")));
  holds((await app.text("privacy-chip")).includes("0 elsewhere"), await app.text("privacy-chip"));
});

test("without WebGPU the CPU takes over and says so", {}, async ({ app, page }) => {
  equal(await page.evaluate(async () => (await navigator.gpu?.requestAdapter()) ?? null), null, "an adapter");
  await app.openExample();
  holds(/CPU/.test(await app.text("device-chip")), `the device is ${await app.text("device-chip")}`);
  holds(/CPU/.test(await app.text("notice")), `the notice says ${await app.text("notice")}`);
});

test("on a software adapter the CPU takes over and says so", { gpu: true }, async ({ app }) => {
  await app.openExample();
  holds(/CPU/.test(await app.text("device-chip")), `the device is ${await app.text("device-chip")}`);
  await app.predict("STAT1");
});

test("a dropped screen is understood, mapped and predicted for", {}, async ({ app }) => {
  await app.openExample();
  const understood = await app.prepare(made("screen.h5ad"));
  holds(/240/.test(understood) && /25/.test(understood), `understood: ${understood}`);
  await app.at("nav-load").click();
  holds((await app.text("prepared-summary")).includes("screen.h5ad"), await app.text("prepared-summary"));
  await app.at("nav-look").click();
  await app.at("map-expression").waitFor();
  await app.predict("IRF1");
});

test("bounds drawn on the histograms drop cells, and undo brings them back", {}, async ({ app, page }) => {
  await app.openExample();
  await app.prepare(made("screen.h5ad"));
  await app.at("nav-look").click();
  holds((await app.text("kept")).startsWith("All 240 cells are kept"), await app.text("kept"));
  const kept = async () => Number((await app.text("kept")).match(/^([\d,]+) of 240 cells kept/)?.[1]);
  // Dragged from the left end to the middle of the plot; the count follows before the line is let go.
  const plot = await app.at("qc-total-counts").locator("svg").boundingBox();
  const line = await app.at("min-counts-line").boundingBox();
  await page.mouse.move(line.x + line.width / 2, line.y + line.height / 2);
  await page.mouse.down();
  await page.mouse.move(plot.x + plot.width / 2, line.y + line.height / 2, { steps: 5 });
  const while_dragged = await kept();
  holds(while_dragged > 0 && while_dragged < 240, `${while_dragged} cells while the line moves`);
  await page.mouse.up();
  await app.idle();
  await app.noError();
  equal(await kept(), while_dragged, "cells kept");
  holds((await page.locator(".headline h2").innerText()).includes(`${while_dragged} cells`), "the headline counts them");
  await app.at("map-latent").waitFor();
  // A typed bound; one that leaves nothing is not taken.
  await app.at("max-genes").fill("0");
  await app.at("max-genes").press("Enter");
  await app.idle();
  equal([await kept(), await app.at("max-genes").inputValue()], [while_dragged, ""], "after a bound that leaves nothing");
  await app.predict("STAT1");
  await app.at("nav-look").click();
  await app.at("undo-filter").click();
  await app.idle();
  holds((await app.text("kept")).startsWith("All 240 cells are kept"), await app.text("kept"));
  equal(await app.at("min-counts").inputValue(), "", "the bound that was undone");
});

test("a folder that is a zarr store is one matrix, and several files are the samples of a study", {}, async ({ app, page }) => {
  await app.openExample();
  await app.at("nav-load").click();
  await app.at("folder-input").setInputFiles(made("v3.zarr"));
  await page.getByTestId("opened-summary").filter({ hasText: "AnnData zarr" }).waitFor();
  holds(/7 cells × 5 genes/.test(await app.text("opened-summary")), await app.text("opened-summary"));
  const buffer = readFileSync(made("screen.h5ad"));
  const file = (name) => ({ name, mimeType: "application/x-hdf5", buffer });
  const understood = await app.prepare(file("day1.h5ad"), file("day2.h5ad"));
  holds(/480 cells × 25 genes/.test(understood) && /sample/.test(understood), understood);
});

test("what labels were understood to mean is shown, and can be corrected", {}, async ({ app, page }) => {
  await app.openExample();
  await app.drop(made("screen.h5ad"));
  await app.at("labels").waitFor();
  holds((await app.text("labels")).includes("2 targets, 120 control cells"), await app.text("labels"));
  await app.at("labels").getByRole("button").click();
  const rows = page.getByTestId("label-row");
  equal(await rows.count(), 3, "labels");
  await rows.filter({ hasText: "STAT1" }).getByRole("combobox").selectOption("control");
  holds((await app.text("labels")).includes("1 target, 180 control cells"), await app.text("labels"));
  holds(/corrected by you/.test(await rows.filter({ hasText: "STAT1" }).innerText()), "the correction is marked");
  await app.idle();
  await app.at("prepare").click();
  await app.idle();
  await app.noError();
  holds((await app.text("prepared-summary")).includes("1 perturbation and control"), await app.text("prepared-summary"));
});

test("what is saved as an h5ad opens again with its counts", {}, async ({ app, page }) => {
  await app.openExample();
  await app.prepare(made("screen.h5ad"));
  await app.predict("STAT1");
  const before = (await app.csv()).rows;
  await app.at("nav-look").click();
  const [download] = await Promise.all([page.waitForEvent("download"), app.at("save-h5ad").click()]);
  equal(download.suggestedFilename(), "screen_waddington.h5ad", "name of the file");
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  await app.idle();
  const understood = await app.prepare({ name: "again.h5ad", mimeType: "application/x-hdf5", buffer: Buffer.concat(chunks) });
  holds(/240 cells × 25 genes/.test(understood) && /perturbation/.test(understood), understood);
  await app.at("nav-load").click();
  holds((await app.at("matrix-select").inputValue()).includes("layers/counts"), "the counts are suggested");
  await app.predict("STAT1");
  equal((await app.csv()).rows.map((row) => row[0]), before.map((row) => row[0]), "genes");
});

test("a dropped dense file without perturbations is mapped", {}, async ({ app }) => {
  await app.openExample();
  const understood = await app.prepare(made("dense.h5ad"));
  holds(/bulk_labels/.test(understood), `understood: ${understood}`);
  await app.at("nav-look").click();
  await app.at("map-expression").waitFor();
});

/** A matrix as 10x writes it, three files. */
function matrixMarket(genes, n_cells) {
  const entries = [];
  for (let cell = 0; cell < n_cells; cell++) {
    for (let gene = 0; gene < genes.length; gene++) {
      if ((cell + gene) % 3) entries.push(`${gene + 1} ${cell + 1} ${1 + ((cell * 7 + gene * 3) % 11)}`);
    }
  }
  const head = `%%MatrixMarket matrix coordinate integer general\n${genes.length} ${n_cells} ${entries.length}\n`;
  return {
    "matrix.mtx.gz": head + entries.join("\n") + "\n",
    "features.tsv.gz": genes.map((gene, i) => `ENSG${String(i).padStart(11, "0")}\t${gene}\tGene Expression\n`).join(""),
    "barcodes.tsv.gz": Array.from({ length: n_cells }, (_, i) => `CELL${i}-1\n`).join(""),
  };
}

test("dropped 10x matrix files make one matrix", {}, async ({ app }) => {
  const files = matrixMarket(["STAT1", "IRF1", "JAK2", "MYC", "IFNGR1", "CD86"], 90);
  const folder = dirname(made("screen.h5ad"));
  const paths = Object.entries(files).map(([name, text]) => {
    writeFileSync(join(folder, name), gzipSync(text));
    return join(folder, name);
  });
  await app.openExample();
  const understood = await app.prepare(...paths);
  holds(/10x/.test(understood) && /90/.test(understood), `understood: ${understood}`);
});

for (const [name, part] of [
  ["formats/generated/10x_v2.h5", "10x"],
  ["formats/generated/10x_v3.h5", "10x"],
  ["formats/generated/h5ad_csc_f32_gzip.h5ad", "h5ad"],
  ["cells/pbmc68k_reduced.h5ad", "h5ad"],
  ["perturbseq/schraivogel2020_k562_crispri_tapseq_72genes_counts.h5ad", "h5ad"],
]) {
  test(`the public file ${name} is understood`, {}, async ({ app }) => {
    const path = shared(name);
    await app.openExample();
    await app.drop(path);
    await app.idle();
    await app.noError();
    const understood = await app.text("opened-summary");
    holds(understood.includes(part), `understood: ${understood}`);
  });
}

test("the public pbmc68k file, whose X is scaled, is prepared from its raw values without a choice", {}, async ({ app }) => {
  const path = shared("cells/pbmc68k_reduced.h5ad");
  await app.openExample();
  await app.prepare(path);
  await app.at("nav-load").click();
  equal(await app.at("matrix-select").inputValue(), "raw/X", "the suggested matrix");
  holds((await app.text("evidence")).includes("log1p"), await app.text("evidence"));
  await app.predict("STAT1");
  // Hardly a gene of the model is in it, and no response was measured in these cells.
  holds(/genes are not in this file/.test(await app.text("prediction-warnings")), await app.text("prediction-warnings"));
  holds(/cannot be checked here/.test(await app.text("prediction-headline")), await app.text("prediction-headline"));
});

test("the public screen of the example is read whole", { limit_s: 600 }, async ({ app }) => {
  const path = shared("perturbseq/papalexi2021_thp1_eccite_299genes_counts.h5ad");
  await app.openExample();
  await app.prepare(path);
  await app.at("nav-load").click();
  holds(/20,729/.test(await app.text("prepared-summary")), await app.text("prepared-summary"));
});
