// What the tests share: the browsers, a page per test that notes its errors, and the steps a person takes in the app.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const target = resolve(root, process.env.CARGO_TARGET_DIR ?? "target");
export const screenshots = join(target, "screenshots");
export const site = process.env.SITE;
if (!process.env.CHROME || !site) {
  console.error("error: CHROME and SITE are not set: run `cargo xtask test --only browser`");
  process.exit(1);
}

export const QUIET = [
  "--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];
const FLAGS = [
  ...QUIET,
  // A page that the browser takes for hidden gets its timers once a second or less.
  "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
];
// WebGPU on a software adapter; without these flags the same browser has no adapter.
const GPU_FLAGS = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

export const tests = [];

/** Adds a test: `body` gets `{ page, context, problems, app }`. */
export function test(name, { gpu = false, limit_s = 300, once = false } = {}, body) {
  tests.push({ name, gpu, limit_s, once, body });
}

export class Skipped extends Error {}

export function skip(reason) {
  throw new Skipped(reason);
}

export function equal(found, expected, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: found ${a}, expected ${b}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(what);
}

/** A file that a native test made (tests/suite/browser_files.rs). */
export function made(name) {
  const path = join(target, "browser-files", name);
  holds(existsSync(path), `${name} is not there: run \`cargo test --test suite files_for_the_browser\``);
  return path;
}

/** A public file, which the repository does not hold. */
export function shared(name) {
  const path = resolve(root, "../shared/data", name);
  if (!existsSync(path)) skip(`${name} is not on this machine`);
  return path;
}

/** One browser with WebGPU and one without, each started when first asked for. */
export class Browsers {
  #open = new Map();

  async open(gpu) {
    if (!this.#open.has(gpu)) {
      const folder = mkdtempSync(join(tmpdir(), "waddington-browser-"));
      const args = gpu ? [...FLAGS, ...GPU_FLAGS] : FLAGS;
      const browser = await chromium.launch({ executablePath: process.env.CHROME, headless: true, args });
      this.#open.set(gpu, { browser, folder });
    }
    const { browser } = this.#open.get(gpu);
    const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, acceptDownloads: true });
    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    const problems = [];
    page.on("pageerror", (error) => problems.push(`uncaught: ${error.message}`));
    page.on("console", (message) => {
      // The browser itself asks for this beside a page that names no icon, such as a bare script.
      const isIcon = message.location().url.endsWith("/favicon.ico");
      if (message.type() === "error" && !isIcon) problems.push(message.text());
    });
    const requests = [];
    page.on("request", (request) => requests.push(request.url()));
    const check = () => {
      equal(problems, [], "errors in the console");
      const elsewhere = requests.filter((url) => !url.startsWith(site) && !/^(blob|data):/.test(url));
      equal(elsewhere, [], "requests to other places than the site");
    };
    return { page, context, problems, requests, check, app: new App(page) };
  }

  async close() {
    for (const { browser, folder } of this.#open.values()) {
      await browser.close().catch(() => {});
      rmSync(folder, { recursive: true, force: true });
    }
    this.#open.clear();
  }
}

/** The app as a person uses it; elements are found by the `data-testid`s that src/ui/views.rs lists. */
export class App {
  constructor(page) {
    this.page = page;
  }

  at(id) {
    return this.page.getByTestId(id).first();
  }

  async text(id) {
    return (await this.at(id).innerText()).replace(/\s+/g, " ");
  }

  /** Opens the site and waits until its built-in example is prepared. */
  async openExample() {
    await this.page.goto(site);
    await this.idle();
    await this.at("nav-load").click();
    await this.at("prepared-summary").waitFor();
  }

  /** Waits until nothing is being worked on, or something failed. */
  async idle() {
    await this.page.waitForFunction(() => {
      if (document.querySelector('[data-testid="error"]')) return true;
      const task = document.querySelector('[data-testid="progress"]');
      return task?.classList.contains("idle") && document.querySelector('[data-testid="device-chip"]');
    }, null, { timeout: 240_000, polling: 250 });
    // A job that ends may start the next in the same moment.
    await this.page.waitForTimeout(400);
  }

  async noError() {
    if (await this.at("error").count()) throw new Error(`the app says: ${await this.text("error")}`);
  }

  /** Hands files over as a drop would. */
  async drop(...paths) {
    await this.at("nav-load").click();
    await this.at("file-input").setInputFiles(paths);
  }

  /** Opens and prepares files; returns what the app understood of them. */
  async prepare(...paths) {
    await this.drop(...paths);
    await this.at("opened-summary").waitFor();
    await this.idle();
    await this.noError();
    const understood = await this.text("opened-summary");
    await this.at("prepare").click();
    await this.idle();
    await this.noError();
    return understood;
  }

  async predict(gene) {
    await this.at("nav-perturb").click();
    await this.at("target-input").fill(gene);
    await this.at("target-input").press("Escape");
    await this.at("predict").click();
    await this.idle();
    await this.noError();
    await this.at("bar-plot").waitFor();
  }

  /** The rows of the csv of the answer on screen, its remarks left out. */
  async csv() {
    const [download] = await Promise.all([this.page.waitForEvent("download"), this.at("download-csv").click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    const lines = Buffer.concat(chunks).toString().trimEnd().split("\n");
    return { name: download.suggestedFilename(), rows: lines.filter((line) => !line.startsWith("#")).map((l) => l.split(",")) };
  }
}
