// Each bad file is refused with a message that names the object, and the app goes on with what it had.

import { equal, holds, made, site, test } from "./harness.mjs";

/** Opens and, where it opens, prepares a file that must be refused; returns what the app says. */
async function refusal(app, path) {
  await app.drop(path);
  await app.idle();
  if (!(await app.at("error").count())) {
    await app.at("prepare").click();
    await app.idle();
  }
  holds(await app.at("error").count(), "the file was not refused");
  const said = await app.text("error");
  await app.at("error-dismiss").click();
  return said;
}

test("bad files are refused by name, and the app goes on", { limit_s: 600 }, async ({ app }) => {
  await app.openExample();
  for (const [name, part] of [
    ["not_hdf5.h5ad", /is not a file this reads/],
    ["without_x.h5ad", /no X/],
    ["bad_indptr.h5ad", /X\/indptr/],
    ["nan.h5ad", /NaN/],
    ["negative.h5ad", /negative/],
    ["fraction.h5ad", /fraction/],
    ["truncated.h5ad", /the file is cut off/],
  ]) {
    const said = await refusal(app, made(name));
    holds(part.test(said), `${name}: ${said}`);
    console.log(`    ${name}: ${said}`);
  }
  const said = await refusal(app, made("foreign_genes.h5ad"));
  equal((said.match(/plantgene\d+/g) ?? []).length, 5, "examples of the file's genes");
  equal((said.match(/wanted are ([^;]+);/)?.[1] ?? "").split(", ").length, 5, "examples of the checkpoint's genes");
  console.log(`    foreign_genes.h5ad: ${said}`);
  // What was there before is still there.
  await app.at("nav-load").click();
  holds((await app.text("prepared-summary")).includes("metacells"), await app.text("prepared-summary"));
  await app.predict("STAT1");
});

test("a file that needs too much memory is refused with both numbers, and fewer cells are offered", {}, async ({ app, page }) => {
  // A machine that reports next to no memory stands for a file of 30 GB: both are told apart from metadata alone.
  await page.route("**/pkg/worker.js", async (route) => {
    const worker = await (await route.fetch()).text();
    const scarce = 'Object.defineProperty(navigator, "deviceMemory", { value: 6e-5 });\n';
    await route.fulfill({ body: scarce + worker, contentType: "text/javascript" });
  });
  await page.goto(site);
  await app.idle();
  await app.drop(made("screen.h5ad"));
  await app.at("over-budget").waitFor();
  const said = await app.text("over-budget");
  const [, needed, available] = said.match(/Memory: ([\d.]+ .?B) needed, ([\d.]+ .?B) available/) ?? [];
  const n_bytes = (text = "") => parseFloat(text) * { kB: 1e3, MB: 1e6, GB: 1e9 }[text.split(" ")[1]];
  holds(n_bytes(needed) > n_bytes(available) && n_bytes(available) > 0, `both numbers: ${said}`);
  holds(await app.at("prepare").isDisabled(), "it could be prepared all the same");
  const offer = Number((await app.text("use-subsample")).match(/Read ([\d,]+) cells/)?.[1]);
  holds(offer >= 1 && offer < 240, `${offer} cells are offered`);
});
