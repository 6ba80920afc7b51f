// Training in the tab: a run goes on whatever dies under it, and ends as one that nobody disturbed.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { equal, holds, made, root, site, skip, test } from "./harness.mjs";

// How often a run dies: enough to meet every stage; by hand 20 (WADDINGTON_KILLS=20).
const KILLS = Number(process.env.WADDINGTON_KILLS ?? 6);
// A GPU that is rendered by the processor takes half a minute to start again.
const LOSSES = Number(process.env.WADDINGTON_KILLS ?? 1);

const stage = (n_steps) => ({ n_steps, batch_size: 4, max_lr: 0.002 });
const config = (steps) => ({
  model: {
    d_model: 8, n_heads: 2, n_layers: 1, n_pretrain_layers: 1,
    composer: { n_protein: 320, n_chemical: 4, n_dna: 4, n_latent: 8, n_mode: 4 },
  },
  report_every: 1, validate_every: 10, validation_batches: 1, validation_share: 0.2, hold_back: "cells",
  pretrain: stage(steps), action: stage(steps), decoder: stage(steps),
});

/** A page with the package, and `window.engine(backend)` that starts an engine in the place of the one before. */
async function withPackage(page) {
  await page.route("**/dropped/screen.h5ad", (route) => route.fulfill({ body: readFileSync(made("screen.h5ad")) }));
  await page.goto(new URL("pkg/worker.js", site).href);
  await page.evaluate(async () => {
    const { Waddington } = await import("/pkg/index.js");
    globalThis.engine = async (backend) => {
      globalThis.current?.close();
      return (globalThis.current = await Waddington.start({ backend }));
    };
    globalThis.withCells = async (backend) => {
      const engine = await globalThis.engine(backend);
      await engine.loadDemo(new URL("/demo/", location.href));
      const opened = await engine.open(new File([await (await fetch("/dropped/screen.h5ad")).blob()], "screen.h5ad"));
      await engine.prepare(opened.suggested);
      return engine;
    };
  });
}

/** In the page: starts the run, or goes on with it; resolves with how it ended, or with null once it is to die. */
async function drive({ config, id, dies_ms }) {
  const outcome = new Promise((resolve) => {
    const onEvent = (event) => {
      if (event.type !== "training_started") return;
      globalThis.reached = [event.run.id, event.run.steps_done];
      if (dies_ms !== null) setTimeout(() => resolve(null), dies_ms);
    };
    const options = { onEvent, saveEverySecs: 0.05 };
    const engine = globalThis.current;
    const run = id ? engine.resumeRun(id, options) : engine.train({ name: "killed", config, saveEverySecs: 0.05 }, options);
    run.then(resolve, (error) => resolve({ error: `${error.message} ${error.hint}` }));
  });
  const done = await outcome;
  return { done, reached: globalThis.reached };
}

/** What a run is killed by. Closing an engine ends its worker at once, whatever it is doing. */
const DEATHS = {
  "worker is killed": (page) => page.evaluate(() => globalThis.engine("cpu").then(() => null)),
  "page is loaded anew": async (page) => {
    await withPackage(page);
    await page.evaluate(() => globalThis.engine("cpu").then(() => null));
  },
};

for (const [name, die] of Object.entries(DEATHS)) {
  test(`a run whose ${name} again and again ends as one that nobody disturbed`, { limit_s: 400, once: true }, async ({ page }) => {
    await withPackage(page);
    const n_steps = 30 + 2 * KILLS;
    const undisturbed = await page.evaluate(async (config) => {
      const run = await (await withCells("cpu")).train({ name: "undisturbed", config });
      await withCells("cpu");
      return { id: run.id, n_losses: run.history.losses.points.length };
    }, config(n_steps));
    const reached = [];
    let [id, done] = [null, null];
    // The same moments in every run of this test, far from each other in no pattern.
    const moment = (n) => 120 + ((n * 7919) % 23) * 25;
    for (let kill = 0; kill <= KILLS && !done; kill += 1) {
      const dies_ms = kill < KILLS ? moment(kill) : null;
      const found = await page.evaluate(drive, { config: config(n_steps), id, dies_ms });
      holds(found.reached, `it was not resumed after deaths at steps ${reached}: ${found.done?.error}`);
      [id, done] = [found.reached[0], found.done];
      reached.push(found.reached[1]);
      if (!done) await die(page);
    }
    const { same, left, storage } = await page.evaluate(async (ids) => {
      const engine = globalThis.current;
      const bytes = async (id) => (await engine.exportRun(id)).bytes.join();
      const same = (await bytes(ids[0])) === (await bytes(ids[1]));
      const { runs, storage } = await engine.runs();
      for (const run of runs) await engine.deleteRun(run.id);
      return { same, storage, left: (await engine.runs()).runs.length };
    }, [undisturbed.id, id]);
    equal(done.status, { is: "done" }, `the run that was killed (${JSON.stringify(done.error)})`);
    holds(same, `the weights differ after deaths at steps ${reached}`);
    equal([undisturbed.n_losses, done.history.losses.points.length], [3 * n_steps, 3 * n_steps], "losses on the curves");
    holds(reached.length > KILLS / 2 && reached.at(-1) > 0, `it was resumed at steps ${reached}`);
    equal([storage.problem, left], [null, 0], "storage, and runs left after deleting");
    console.log(`         it died ${reached.length - 1} times and went on at steps ${reached.slice(1).join(", ")} of ${3 * n_steps}`);
  });
}

test("a run goes on after its GPU is lost", { gpu: true, limit_s: 600 + 60 * LOSSES }, async ({ page, problems }) => {
  // The worker's device is remembered, so that it can be taken away.
  page.on("worker", (worker) => {
    const remember = () => {
      const request = GPUAdapter.prototype.requestDevice;
      GPUAdapter.prototype.requestDevice = async function (...wanted) {
        return (globalThis.taken = await request.apply(this, wanted));
      };
    };
    worker.evaluate(remember).catch(() => {});
  });
  await withPackage(page);
  const n_steps = 2 + LOSSES;
  await page.evaluate(async (config) => {
    await withCells("webgpu");
    globalThis.attempt = () => {
      globalThis.reached = null;
      globalThis.outcome = new Promise((resolve) => {
        const onEvent = (event) => {
          if (event.type === "training_started") [globalThis.id, globalThis.began] = [event.run.id, event.run.steps_done];
          if (event.type === "run_saved") globalThis.reached = event.steps_done;
        };
        const options = { onEvent, saveEverySecs: 0 };
        const engine = globalThis.current;
        const run = globalThis.id
          ? engine.resumeRun(globalThis.id, options)
          : engine.train({ name: "lost", config, saveEverySecs: 0 }, options);
        run.then(resolve, (error) => resolve({ error: error.message }));
      });
    };
    globalThis.attempt();
  }, config(n_steps));
  const lost_at = [];
  for (let loss = 0; loss < LOSSES; loss += 1) {
    // A step further than it began, so that the device is in use when it goes.
    await page.waitForFunction(() => globalThis.reached > globalThis.began, null, { timeout: 240_000 });
    lost_at.push(await page.evaluate(() => globalThis.reached));
    await page.workers()[0].evaluate(() => globalThis.taken.destroy());
    const outcome = await page.evaluate(() => globalThis.outcome);
    holds(outcome.error, `the run did not notice loss ${loss + 1}: ${JSON.stringify(outcome)}`);
    await page.evaluate(async () => {
      await globalThis.engine("webgpu");
      globalThis.attempt();
    });
  }
  const found = await page.evaluate(async () => {
    const run = await globalThis.outcome;
    if (!run.error) await globalThis.current.deleteRun(run.id);
    globalThis.current.close();
    return run;
  });
  equal([found.error, found.status], [undefined, { is: "done" }], "after the last loss");
  equal([found.steps_done, found.history.losses.points.length], [3 * n_steps, 3 * n_steps], "steps and losses");
  console.log(`         its GPU was lost at steps ${lost_at.join(", ")} of ${3 * n_steps}`);
  // What the device and the worker said as they went.
  problems.length = 0;
});

/** Sets a number of steps for every stage. */
async function steps(app, n) {
  for (const stage of ["pretraining", "action", "decoder"]) {
    await app.at(`${stage}-steps`).fill(String(n));
    await app.at(`${stage}-steps`).press("Tab");
    await app.at(`${stage}-batch`).fill("8");
    await app.at(`${stage}-batch`).press("Tab");
  }
}

/** Waits until the latest run says so. */
async function untilRun(page, status) {
  await page.waitForFunction((status) => {
    const rows = [...document.querySelectorAll('[data-testid="run-status"]')];
    return rows[0]?.innerText.includes(status);
  }, status, { timeout: 200_000, polling: 200 });
}

/** The text of a file that the latest run is exported as. */
async function exported(app, page, what) {
  const [download] = await Promise.all([page.waitForEvent("download"), app.at(`run-export-${what}`).click()]);
  return readFileSync(await download.path(), "utf8");
}

async function runFile(app, page) {
  return JSON.parse(await exported(app, page, "file"));
}

test("a person trains a model, closes the page on it, and asks what came of it", { limit_s: 400 }, async ({ app, page }) => {
  await app.openExample();
  await app.prepare(made("screen.h5ad"));
  await app.at("nav-train").click();
  await app.at("preset-tiny").click();
  await app.at("expert").locator("summary").click();
  await steps(app, 800);
  await app.at("train-estimate").click();
  await app.idle();
  await app.noError();
  holds(/About .* s on this device/.test(await app.text("train-time")), await app.text("train-time"));

  await app.at("run-name").fill("closed upon");
  await app.at("train-start").click();
  // The page is closed on it, and found where it was saved; then it is paused and resumed by hand.
  for (let closed = 0; closed < 2; closed += 1) {
    await page.getByTestId("train-saved").filter({ hasText: /step/ }).waitFor();
    await page.waitForTimeout(800);
    await page.reload();
    await app.at("nav-train").click();
    await page.getByTestId("notice").filter({ hasText: "goes on" }).first().waitFor();
    await app.at("train-progress").waitFor();
  }
  await app.at("train-pause").click();
  await untilRun(page, "paused");
  await app.at("run-resume").first().click();
  await untilRun(page, "done");
  await app.idle();
  const closedUpon = await runFile(app, page);

  // The same run, undisturbed.
  await app.prepare(made("screen.h5ad"));
  await app.at("nav-train").click();
  await app.at("preset-tiny").click();
  if (!(await app.at("pretraining-steps").isVisible())) await app.at("expert").locator("summary").click();
  await steps(app, 800);
  await app.at("run-name").fill("undisturbed");
  await app.at("train-start").click();
  await app.at("train-curve").first().waitFor();
  await app.at("train-gauges").waitFor();
  await app.at("train-glimpse").waitFor();
  await untilRun(page, "done");
  await app.idle();
  const undisturbed = await runFile(app, page);
  equal(closedUpon.data.fingerprint, undisturbed.data.fingerprint, "cells");
  equal(closedUpon.losses, undisturbed.losses, "losses");
  equal(closedUpon.checkpoint, undisturbed.checkpoint, "fingerprint of the model");

  await app.at("run-use").first().click();
  await app.idle();
  await app.noError();
  await app.predict("STAT1");
  // A model that is in use is not deleted; a page that is opened anew uses the example's.
  await app.openExample();
  await app.at("nav-train").click();
  for (let left = 2; left > 0; left -= 1) {
    await app.at("run-delete").click();
    await app.at("run-delete-yes").click();
    await page.waitForFunction((n) => document.querySelectorAll('[data-testid="run-row"]').length === n, left - 1);
  }
});

test("the loaded model is trained further, and asked", { limit_s: 240 }, async ({ app, page }) => {
  await app.openExample();
  await app.predict("JAK2");
  const before = (await app.csv()).rows;
  await app.at("nav-train").click();
  await app.at("start-model").check();
  await app.at("expert").locator("summary").click();
  for (const stage of ["action", "decoder"]) await app.at(`${stage}-steps`).fill("3");
  await app.at("run-name").fill("further");
  await app.at("train-start").click();
  await untilRun(page, "done");
  await app.idle();
  await app.noError();
  const { config, losses } = await runFile(app, page);
  holds(config.start_from?.length > 0, "the run file does not name the model that it began from");
  equal([...new Set(losses.map(({ stage }) => stage))], ["action", "decoder"], "stages that were trained");
  await app.at("run-use").first().click();
  await app.idle();
  await app.noError();
  await app.predict("JAK2");
  const after = (await app.csv()).rows;
  equal(after.map(([gene]) => gene), before.map(([gene]) => gene), "genes");
  holds(after.some((row, at) => row[2] !== before[at][2]), "training changed nothing");
});

test("a run is driven by one tab alone, and discarding it leaves nothing", {}, async ({ page, context }) => {
  await withPackage(page);
  await page.evaluate(async (config) => {
    const engine = await withCells("cpu");
    globalThis.discard = new AbortController();
    globalThis.outcome = new Promise((resolve) => {
      const onEvent = (event) => event.type === "run_saved" && (globalThis.isSaved = true);
      engine.train({ name: "mine", config }, { onEvent, signal: discard.signal }).then(resolve, (error) => resolve(String(error.message ?? error)));
    });
  }, config(5000));
  await page.waitForFunction(() => globalThis.isSaved);
  const other = await context.newPage();
  await withPackage(other);
  const refused = await other.evaluate(async () => {
    const engine = await globalThis.engine("cpu");
    const { runs } = await engine.runs();
    const said = [];
    for (const change of [() => engine.resumeRun(runs[0].id), () => engine.deleteRun(runs[0].id)]) {
      said.push(await change().then(() => "it was done", (error) => error.message));
    }
    return [runs.length, ...said.map((words) => /another tab/.test(words) || words)];
  });
  equal(refused, [1, true, true], "what the other tab is told");
  const left = await page.evaluate(async () => {
    discard.abort(new Error("discarded"));
    return [await outcome, (await globalThis.current.runs()).runs.length];
  });
  equal(left, ["discarded", 0], "after discarding");
});

// A loss of the tab and of the command line, relative to itself. Both run the same code with the same draws, but the
// compilers order sums as the processor's vectors are wide, and each step passes the difference on: 1.3e-6 over a hundred
// steps is what PyTorch and this model differ by. Measured: none in the last losses; the weights differ in their last bits.
const SAME_LOSS = 1e-5;

/** What the command line makes of a run file: its losses by stage and step, and the last of each stage in full. */
async function repeat(run, data) {
  const folder = mkdtempSync(join(tmpdir(), "waddington-run-"));
  try {
    const out = join(folder, "again.safetensors");
    const bank = join(root, "web/demo/bank.safetensors");
    const given = ["train", data, "--run", run, "--bank", bank, "--out", out, "--cpu"];
    const { stderr } = await promisify(execFile)(process.env.WADDINGTON, given);
    const said = [...stderr.matchAll(/^(\w+) (\d+)\/\d+, loss ([\d.]+)/gm)].map(([, ...found]) => found);
    return { said, file: JSON.parse(readFileSync(`${out}.run.json`, "utf8")), outcome: stderr.trim().split("\n").at(-1) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("a run of the tab, its controls paired within batches, is repeated by the command line", {}, async ({ app, page }) => {
  if (!process.env.WADDINGTON) skip("the command line is not built: run `cargo xtask test --only browser`");
  const data = made("screen_in_batches.h5ad");
  await app.openExample();
  await app.prepare(data);
  await app.at("nav-train").click();
  await app.at("preset-tiny").click();
  await app.at("expert").locator("summary").click();
  await steps(app, 20);
  await app.at("report-every").fill("1");
  await app.at("report-every").press("Tab");
  // Neither what was done to the cells nor what is the same for all of them.
  const offered = await app.at("pair-within").locator("option").evaluateAll((options) => options.map((o) => o.value));
  equal(offered, ["", "plate"], "columns of batches");
  await app.at("pair-within").selectOption("plate");
  await app.at("train-start").click();
  await untilRun(page, "done");
  await app.idle();
  await app.noError();
  const [download] = await Promise.all([page.waitForEvent("download"), app.at("run-export-file").click()]);
  const run = JSON.parse(readFileSync(await download.path(), "utf8"));
  equal(run.config.batch_column, "plate", "column of the run file");
  const [, ...rows] = (await exported(app, page, "curves")).trim().split("\n").map((line) => line.split(","));

  const again = await repeat(await download.path(), data);
  equal(again.file.data.fingerprint, run.data.fingerprint, "cells");
  equal(again.said.length, 60, "losses that the command line says");
  const compare = (what, found, expected, rounding) => {
    const difference = Math.abs(found - expected) / Math.abs(expected);
    holds(difference <= SAME_LOSS + rounding, `${what}: ${found} by the command line, ${expected} in the tab`);
    return difference;
  };
  for (const [stage, step, loss] of again.said) {
    const row = rows.find((row) => row.slice(0, 3).join() === ["training", stage, step].join());
    // It says four digits after the point.
    compare(`${stage} ${step}`, Number(loss), Number(row?.at(-1)), 0.5e-4 / Number(loss));
  }
  const last = run.losses.map((point, at) => compare(`last of ${point.stage}`, again.file.losses[at].loss, point.loss, 0));
  equal(last.length, 3, "last losses");
  console.log(`         largest difference of a last loss ${Math.max(...last).toExponential(1)}; ${again.outcome}`);
});
