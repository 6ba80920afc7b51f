// A trained model from elsewhere, dropped as PyTorch saves it: what is understood, what it lacks, what it answers, and
// what is said of a file that would run something.

import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { holds, made, root, test } from "./harness.mjs";

/** Drops the files of a model, waits until it is loaded, and returns what the app says of it. */
async function load(app, ...paths) {
  await app.drop(...paths);
  await app.at("model-summary").waitFor();
  await app.idle();
  await app.noError();
  await app.at("nav-load").click();
  return app.text("card");
}

test("a bare .pt with its gene list is a model that says what it lacks", {}, async ({ app }) => {
  await app.openExample();
  const said = await load(app, made("model.pt"), made("genes.txt"));
  for (const part of [
    /BioJEPA-AC v0\.5, width 8, 1 layer, 25 genes/,
    /perturbation vectors: none/,
    /4 attention heads/,
    /No perturbation vectors/,
    /No decoder/,
  ]) holds(part.test(said), `${part} is not in: ${said}`);
  console.log(`    ${said}`);
  await app.at("nav-look").click();
  await app.at("map-latent").waitFor();
  await app.at("nav-perturb").click();
  holds(await app.at("predict").isDisabled(), "a model without vectors can be asked");
  holds(/cannot be asked/.test(await app.text("target-support")), await app.text("target-support"));
  holds(/No perturbation vectors/.test(await app.text("cannot-answer")), await app.text("cannot-answer"));
  // The number of heads can be put right.
  await app.at("n-heads").selectOption("2");
  await app.idle();
  await app.noError();
  holds(!/Assumed: \d+ attention heads/.test(await app.text("card")), await app.text("card"));
});

test("a bare .pt with decoder, genes, vectors and cells answers", {}, async ({ app }) => {
  await app.openExample();
  const model = [made("model.pt"), made("decoder.pt"), made("genes.txt"), made("bank.safetensors")];
  const said = await load(app, ...model, made("screen.h5ad"));
  holds(/perturbation vectors: 25/.test(said) && !/No decoder/.test(said), said);
  holds(/25/.test(await app.text("opened-summary")), await app.text("opened-summary"));
  await app.at("prepare").click();
  await app.idle();
  await app.predict("IRF1");
  const { rows } = await app.csv();
  holds(rows.length === 26, `${rows.length} rows`);
  holds(rows.slice(1).every((row) => Number.isFinite(Number(row[2]))), "changes are finite");
});

test("the reference's own .pt is understood, and asks for its genes", {}, async ({ app }) => {
  const reference = join(root, "tests/golden/biojepa_v0_5.pt");
  await app.openExample();
  await app.drop(reference);
  await app.at("error").waitFor();
  const asked = await app.text("error");
  holds(/BioJEPA-AC v0\.5, width 32, 2 layers, 40 genes/.test(asked) && /one per line/.test(asked), asked);
  console.log(`    ${asked}`);
  await app.at("error-dismiss").click();
  const list = join(dirname(made("genes.txt")), "genes40.csv");
  const known = ["STAT1", "IRF1", "JAK2", "MYC", "CD86"];
  const genes = Array.from({ length: 40 }, (_, i) => known[i] ?? `gene${i}`);
  writeFileSync(list, ["gene_symbol,place", ...genes.map((gene, i) => `${gene},${i}`)].join("\n"));
  const said = await load(app, reference, list);
  holds(/width 32, 2 layers, 40 genes/.test(said), said);
  await app.at("nav-look").click();
  await app.at("map-latent").waitFor();
});

test("a .pt that would run a command is refused by name, and the app goes on", {}, async ({ app }) => {
  await app.openExample();
  for (const [path, part] of [
    [made("calls.pt"), /calls\.pt.*os\.system.*nothing was executed/i],
    [made("genes.txt").replace("genes.txt", "notes.pth"), /notes\.pth.*begins with "dear diary.*torch\.save/i],
  ]) {
    if (path.endsWith("notes.pth")) writeFileSync(path, "dear diary, today");
    await app.drop(path);
    await app.at("error").waitFor();
    const said = await app.text("error");
    holds(part.test(said), said);
    console.log(`    ${said}`);
    await app.at("error-dismiss").click();
  }
  await app.predict("STAT1");
});
