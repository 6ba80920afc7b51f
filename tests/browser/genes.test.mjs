// The genes: which of them the map is made of, what they are called, and what is saved of how it came about.

import { readFileSync } from "node:fs";
import { equal, holds, made, test } from "./harness.mjs";

const saved = async (app, page, id) => {
  const [download] = await Promise.all([page.waitForEvent("download"), app.at(id).click()]);
  await app.idle();
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
};

test("the genes of the map are chosen, and only that map is made again", {}, async ({ app, page }) => {
  await app.openExample();
  await app.prepare(made("screen.h5ad"));
  await app.at("nav-look").click();
  await app.idle();
  const panel = app.at("genes").locator("summary");
  equal(await panel.innerText(), "Genes of the expression map: all 25", "25 genes are fewer than 1,000");
  await panel.click();
  await app.at("n-top-genes").fill("8");
  await app.at("n-top-genes").press("Enter");
  await app.idle();
  await app.noError();
  // Genes that tie with the eighth are taken too, as scanpy does.
  const n_chosen = Number((await panel.innerText()).match(/: (\d+) of 25, those that vary most/)?.[1]);
  holds(n_chosen >= 8 && n_chosen < 25, await panel.innerText());
  await page.getByText(`expression (${n_chosen} most variable genes)`).waitFor();
  const { name, text } = await saved(app, page, "genes-csv");
  const rows = text.trim().split("\n");
  equal([name, rows.length, rows[0]], ["variable_genes.csv", 26, "gene,highly_variable,means,dispersions_norm"], "csv");
  equal(rows.filter((row) => row.includes(",true,")).length, n_chosen, "chosen genes");
  await app.at("scale").check();
  await app.idle();
  await app.noError();
  // A choice that leaves nothing says so; the map of before stays.
  await app.at("variable-genes").selectOption("seurat_v3");
  await app.idle();
  if (await app.at("error").count()) await app.at("error-dismiss").click();
  await app.at("variable-genes").selectOption("all");
  await app.idle();
  await app.noError();
  equal(await panel.innerText(), "Genes of the expression map: all 25", "all genes");
});

test("a table of genes renames them, and says what it did", {}, async ({ app }) => {
  await app.openExample();
  await app.prepare(made("screen.h5ad"));
  await app.at("nav-load").click();
  const table = (text) => ({ name: "genes.tsv", mimeType: "text/plain", buffer: Buffer.from(text) });
  await app.at("gene-names-input").setInputFiles(table("a\tb\n1\t2\n"));
  await app.idle();
  holds(/symbol/.test(await app.text("error")), await app.text("error"));
  await app.at("error-dismiss").click();
  equal(await app.text("gene-names"), "as in the file", "names");
  await app.at("gene-names-input").setInputFiles(table("symbol\taliases\nSTAT1\tSTAT91\nNEWNAME\tJAK2\n"));
  await app.idle();
  await app.noError();
  holds((await app.text("gene-names")).includes("genes.tsv (2 symbols)"), await app.text("gene-names"));
  const naming = await app.text("naming");
  holds(/1 current symbols?, 1 renamed, 23 not in the table/.test(naming), naming);
  await app.at("forget-gene-names").click();
  await app.idle();
  equal(await app.at("naming").count(), 0, "reports of a table that is gone");
});

test("cells and the recipe of their preparation are saved", {}, async ({ app, page }) => {
  await app.openExample();
  await app.prepare(made("screen.h5ad"));
  await app.at("nav-look").click();
  await app.at("map-latent").waitFor();
  await app.at("min-counts").fill("1");
  await app.at("min-counts").press("Enter");
  await app.idle();
  const n_after = Number((await app.text("n-after")).replace(",", ""));
  const cells = await saved(app, page, "save-cells");
  equal([cells.name, cells.text.trim().split("\n").length], ["screen_cells.csv", n_after + 1], "a line a cell");
  const recipe = await saved(app, page, "save-recipe");
  const { format, options, shape, map } = JSON.parse(recipe.text);
  equal([recipe.name, format, options.filter.min_counts, shape[0]], ["screen_recipe.json", 1, 1, n_after], "recipe");
  equal(map.genes.n_top_genes, 1000, "how the map was made");

  // Dropped with its file it does the same again; a file that is not its own is told apart.
  const again = (shape) => ({
    name: "screen_recipe.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify({ ...JSON.parse(recipe.text), shape })),
  });
  const h5ad = { name: "screen.h5ad", mimeType: "application/x-hdf5", buffer: readFileSync(made("screen.h5ad")) };
  await app.at("keep-all").click();
  await app.idle();
  await app.at("nav-load").click();
  await app.at("file-input").setInputFiles([h5ad, again(shape)]);
  await app.at("nav-look").click();
  await page.waitForFunction(() => document.querySelector('[data-testid="min-counts"]')?.value === "1");
  await app.idle();
  equal([await app.at("min-counts").inputValue(), await app.text("n-after")], ["1", String(n_after)], "the bound");
  await app.at("nav-load").click();
  await app.at("file-input").setInputFiles([again([1, 2, 3])]);
  await page.getByTestId("notice").filter({ hasText: "not the file of the recipe" }).waitFor();
  await app.at("file-input").setInputFiles([{ ...again(shape), buffer: Buffer.from("{}") }]);
  await page.getByTestId("error").filter({ hasText: "it is no recipe" }).waitFor();
  await app.at("error-dismiss").click();
});

test("some genes alone are read, and samples share all genes or those of each", {}, async ({ app, page }) => {
  await app.openExample();
  await app.drop(made("screen.h5ad"));
  await app.at("genes-to-read").selectOption("named");
  await app.at("genes-named").fill("STAT1, JAK2 NOGENE");
  await app.at("genes-named").blur();
  await app.at("prepare").click();
  await app.idle();
  await app.noError();
  const summary = await app.text("prepared-summary");
  holds(/240 cells × 2 genes/.test(summary) && /NOGENE/.test(summary), summary);
  await app.at("genes-to-read").selectOption("model");
  await app.at("prepare").click();
  await app.idle();
  const of_model = Number((await app.text("prepared-summary")).match(/240 cells × (\d+) genes/)?.[1]);
  holds(of_model > 2 && of_model <= 25, await app.text("prepared-summary"));

  const csv = (name, genes) => ({
    name,
    mimeType: "text/csv",
    buffer: Buffer.from([`cell,${genes.join(",")}`, ...[1, 2, 3].map((n) => `c${n},${genes.map(() => n).join(",")}`)].join("\n")),
  });
  const samples = [csv("a.csv", ["STAT1", "JAK2", "IRF1"]), csv("b.csv", ["STAT1", "JAK2", "MYC"]), csv("c.csv", ["JAK2", "STAT1"])];
  await app.at("file-input").setInputFiles(samples);
  await page.getByTestId("opened-summary").filter({ hasText: "9 cells × 4 genes" }).waitFor();
  await app.idle();
  await app.at("gene-join").selectOption("intersection");
  await page.getByTestId("opened-summary").filter({ hasText: "9 cells × 2 genes" }).waitFor();
  await app.idle();
  equal(await app.at("gene-join").inputValue(), "intersection", "the choice stays");
});
