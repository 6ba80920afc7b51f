// Training in the tab: a run goes on whatever dies under it, and ends as one that nobody disturbed.

import { readFileSync } from "node:fs";
import { equal, holds, made, site, test } from "./harness.mjs";

// How often a run is killed: enough to meet every stage; by hand 20 (WADDINGTON_KILLS=20).
const KILLS = Number(process.env.WADDINGTON_KILLS ?? 6);

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

test("a run whose worker is killed again and again ends as one that nobody disturbed", {}, async ({ page }) => {
  await withPackage(page);
  const found = await page.evaluate(async ({ config, kills }) => {
    const undisturbed = await (await withCells("cpu")).train({ name: "undisturbed", config });
    let engine = await withCells("cpu");
    let [id, done] = [null, null];
    const reached = [];
    // The same moments in every run of this test, far from each other in no pattern.
    const moment = (n) => 120 + ((n * 7919) % 23) * 25;
    for (let kill = 0; kill <= kills && !done; kill += 1) {
      const dies = kill < kills;
      const outcome = new Promise((resolve) => {
        const onEvent = (event) => {
          if (event.type !== "training_started") return;
          id = event.run.id;
          reached.push(event.run.steps_done);
          if (dies) setTimeout(() => resolve(null), moment(kill));
        };
        const options = { onEvent, saveEverySecs: 0.05 };
        const run = id ? engine.resumeRun(id, options) : engine.train({ name: "killed", config, saveEverySecs: 0.05 }, options);
        run.then(resolve, (error) => resolve({ error: `${error.message} ${error.hint}` }));
      });
      done = await outcome;
      // Closing ends the worker at once, whatever it is doing.
      if (!done) engine = await globalThis.engine("cpu");
    }
    const { runs, storage } = await engine.runs();
    const bytes = async (run) => (await engine.exportRun(run)).bytes.join();
    const same = !done?.error && (await bytes(undisturbed.id)) === (await bytes(id));
    for (const run of runs) await engine.deleteRun(run.id);
    const left = (await engine.runs()).runs.length;
    engine.close();
    return { done, reached, same, losses: [undisturbed, done].map((run) => run.history?.losses.points.length), storage, left };
  }, { config: config(30), kills: KILLS });
  equal(found.done.status, { is: "done" }, `the run that was killed (${JSON.stringify(found.done.error)})`);
  holds(found.same, `the weights differ after kills at steps ${found.reached}`);
  equal(found.losses, [90, 90], "losses on the curves");
  holds(found.reached.length > KILLS / 2 && found.reached.at(-1) > 0, `it was resumed at steps ${found.reached}`);
  equal([found.storage.problem, found.left], [null, 0], "storage, and runs left after deleting");
});

test("a run goes on after its GPU is lost", { gpu: true, limit_s: 600 }, async ({ page, problems }) => {
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
  await page.evaluate(async (config) => {
    const engine = await withCells("webgpu");
    globalThis.reached = 0;
    globalThis.outcome = new Promise((resolve) => {
      const onEvent = (event) => {
        if (event.type === "training_started") globalThis.id = event.run.id;
        if (event.type === "run_saved") globalThis.reached = event.steps_done;
      };
      engine.train({ name: "lost", config, saveEverySecs: 0 }, { onEvent }).then(resolve, (error) => resolve({ error: error.message }));
    });
  }, config(3));
  await page.waitForFunction(() => globalThis.reached >= 2, null, { timeout: 240_000 });
  await page.workers()[0].evaluate(() => globalThis.taken.destroy());
  const found = await page.evaluate(async () => {
    const outcome = await globalThis.outcome;
    const engine = await globalThis.engine("webgpu");
    const run = await engine.resumeRun(globalThis.id);
    await engine.deleteRun(run.id);
    engine.close();
    return { outcome, status: run.status, steps: [run.steps_done, run.history.losses.points.length] };
  });
  holds(found.outcome.error, `the run did not notice: ${JSON.stringify(found.outcome)}`);
  equal([found.status, found.steps], [{ is: "done" }, [9, 9]], "after the loss");
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

async function runFile(app, page) {
  const [download] = await Promise.all([page.waitForEvent("download"), app.at("run-export-file").click()]);
  return JSON.parse(readFileSync(await download.path(), "utf8"));
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
