// A promise for every request of the engine's worker. See index.d.ts for the types and README.md for a walk through.

// Columns of numbers travel as bytes; these are whole numbers, all others are floats.
const WHOLE = new Set(["perturbation_of_cell", "dropped", "chosen", "n_batches", "clusters", "codes", "rows"]);

// What a training run, or a layout, says as it goes.
const ON_THE_WAY = new Set(["unfolding", "training_started", "step", "glimpsed", "run_saved"]);

/** A question with what it may leave out. */
function whole({ target, with: others = [], mode, cells = { of: "all" } }) {
  return { target, with: others, mode, cells };
}

/** The engine said no. `message` names what was wrong, `hint` what to do about it. */
export class WaddingtonError extends Error {
  constructor(message, hint) {
    super(message);
    this.name = "WaddingtonError";
    this.hint = hint;
  }
}

export class Waddington {
  #worker;
  #pending = new Map();
  #lastId = 0;
  #ended = null;

  /** Starts a worker and chooses the device: `"auto"`, `"webgpu"` or `"cpu"`. */
  static async start({ backend = "auto", attention = "plain", onProgress, signal, workerUrl } = {}) {
    const engine = new Waddington(workerUrl ?? new URL("./worker.js", import.meta.url));
    try {
      const { device } = await engine.#ask({ type: "start", backend, attention }, { onProgress, signal });
      engine.device = device;
      return engine;
    } catch (error) {
      engine.close();
      throw error;
    }
  }

  /** Use `Waddington.start`. */
  constructor(workerUrl) {
    // Through a blob the worker comes under the page's content security policy; by its own address it would not.
    const start = URL.createObjectURL(new Blob([`import ${JSON.stringify(String(new URL(workerUrl, globalThis.location?.href)))};`], { type: "text/javascript" }));
    this.#worker = new Worker(start, { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault?.();
      this.#end(new WaddingtonError(`the worker stopped: ${event.message ?? "it could not be loaded"}`, "Start another."));
    };
  }

  /** Loads a checkpoint from its files, in any order; a PyTorch `.pt` with a gene list as text beside it. */
  async loadCheckpoint(files, { nHeads: n_heads = null, ...options } = {}) {
    const request = { type: "load_checkpoint", n_heads };
    const { type, ...checkpoint } = await this.#ask(request, { ...options, files: [...files] });
    return checkpoint;
  }

  /** Loads the checkpoint of the built-in example from where the site keeps it; returns it and its control cells. */
  async loadDemo(baseUrl, options) {
    const names = ["model.safetensors", "bank.safetensors", "measured.safetensors", "card.json", "metacells.h5ad"];
    const files = await download(baseUrl, names, options);
    const cells = files.pop();
    return { checkpoint: await this.loadCheckpoint(files, options), cells };
  }

  /** Understands one file, or the several that make one matrix; reads no value of it yet. */
  async open(files, { join = "union", ...options } = {}) {
    const list = files instanceof Blob ? [files] : [...files];
    return (await this.#ask({ type: "open", join }, { ...options, files: list })).opened;
  }

  /** Says what the labels of a column mean; `corrections` of the choices of `prepare` take other readings. */
  async readLabels(column, labelOptions = {}, options) {
    return (await this.#ask({ type: "read_labels", column, options: labelOptions }, options)).table;
  }

  /** Reads and prepares the opened file. */
  async prepare(choices = {}, options) {
    return (await this.#ask({ type: "prepare", options: { ...choices } }, options)).prepared;
  }

  /** Keeps the prepared cells within bounds, of all that were read; nothing is read again. */
  async filter(filter = {}, options) {
    return (await this.#ask({ type: "filter", filter }, options)).prepared;
  }

  /** Takes the names of genes from a table (symbol, aliases, Ensembl id) in preparations from now on; `null` lets go of it. */
  async geneTable(file, options) {
    return (await this.#ask({ type: "gene_table" }, { ...options, files: file ? [file] : [] })).table;
  }

  /** Takes the sets of genes that values are looked for in from a `.gmt`; the demo's come with it. */
  async pathways(file, options) {
    return (await this.#ask({ type: "pathways" }, { ...options, files: [file] })).collection;
  }

  /** Looks for the sets of genes that values fall into, such as a response: `{ name, genes, values }`. */
  async enrich(asked, { config = {}, ...options } = {}) {
    return (await this.#ask({ type: "enrich", asked, config }, options)).enrichment;
  }

  /** Maps of the prepared cells: of expression and, with a checkpoint, of its latent states; and how variable the genes are. */
  async embed({ config = {}, ...options } = {}) {
    const { maps, genes } = await this.#ask({ type: "embed", config }, options);
    return { maps, genes };
  }

  /**
   * Neighbours, clusters and UMAP of `"expression"` or of `"latent"` states, after `embed`; `onEvent` sees the layout unfold.
   * Only what changed since the last call is computed.
   */
  async map(representation = "expression", { config = {}, ...options } = {}) {
    return (await this.#ask({ type: "map", representation, config }, options)).mapped;
  }

  /** Genes that tell groups apart: `{ by: "clusters", representation }`, `{ by: "column", name }`, `{ by: "selection", rows }`. */
  async markers(grouping, { config = {}, ...options } = {}) {
    return (await this.#ask({ type: "markers", grouping, options: config }, options)).table;
  }

  /** How well clusters of expression and of latent states meet the labels of a column. */
  async score(column, { config = {}, ...options } = {}) {
    return (await this.#ask({ type: "score", column, config }, options)).table;
  }

  /** One thing of every cell: `{ of: "gene", symbol }`, `{ of: "column", name }`, `{ of: "latent", index }`. */
  async values(quantity, options) {
    return (await this.#ask({ type: "cell_values", quantity }, options)).column;
  }

  /** Predicts the response to a perturbation. */
  async predict(query, options) {
    return (await this.#ask({ type: "predict", query: whole(query) }, options)).prediction;
  }

  /** Where the answer to a question takes control cells on the map; after `embed` and `predict`. */
  async shifts(query, options) {
    return (await this.#ask({ type: "shifts", query: whole(query) }, options)).shifts;
  }

  /** Looks for the perturbations that lead towards a signature, `{ name, genes, weights }`; `candidates`: `"measured"`, `"of_model"`, `"all"`. */
  async askBackwards(signature, { mode, candidates = "of_model", ...options }) {
    return (await this.#ask({ type: "ask_backwards", signature, mode, candidates }, options)).found;
  }

  /** Writes the prepared cells as `"h5ad"` or `"cells_csv"`; or the `"recipe"`, `"markers"`, `"methods"`, or a `"snippet"` for scanpy. */
  async export(kind = "h5ad", options) {
    const { name, bytes } = await this.#ask({ type: "export", kind }, options);
    return { name, bytes };
  }

  /** Looks at a training run before it is started: what it would take, and how long. */
  async planTraining(config, { start = "scratch", ...options } = {}) {
    return (await this.#ask({ type: "plan_training", config, start }, options)).plan;
  }

  /**
   * Trains on the prepared cells until the run is done, paused or stopped, and returns it. `onEvent` hears how it goes,
   * `onStart` gets `{ pause, stop }`; aborting the signal discards the run.
   */
  async train({ name, config, start = "scratch", saveEverySecs: save_every_secs = 15 }, options) {
    return (await this.#ask({ type: "train", name, config, start, save_every_secs }, options)).run;
  }

  /** Goes on with a run that this browser keeps; it brings its own cells. As `train`. */
  async resumeRun(run, { saveEverySecs: save_every_secs = 15, ...options } = {}) {
    return (await this.#ask({ type: "resume_run", run, save_every_secs }, options)).run;
  }

  /** The runs that this browser keeps, and where. */
  async runs(options) {
    const { runs, storage } = await this.#ask({ type: "runs" }, options);
    return { runs, storage };
  }

  async renameRun(run, name, options) {
    return (await this.#ask({ type: "change_run", run, change: { how: "rename", name } }, options)).runs;
  }

  async deleteRun(run, options) {
    return (await this.#ask({ type: "change_run", run, change: { how: "delete" } }, options)).runs;
  }

  /** A run's `"model"`, `"run_file"`, `"curves"` or `"state"` as a file. */
  async exportRun(run, part = "model", options) {
    const { name, bytes } = await this.#ask({ type: "export_run", run, part }, options);
    return { name, bytes };
  }

  /** Asks the model of a run from now on, with the vectors of the one before. */
  async useRun(run, options) {
    const { type, ...checkpoint } = await this.#ask({ type: "use_run", run }, options);
    return checkpoint;
  }

  /** Ends the worker and frees what it holds. */
  close() {
    this.#end(new WaddingtonError("the engine was closed", "Start another."));
  }

  #ask(body, { onProgress, onEvent, onStart, signal, files = [] } = {}) {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const post = (body) => this.#worker.postMessage({ id: ++this.#lastId, body, files: [] });
      const abort = () => post({ type: "cancel", request: id });
      const steer = (how) => () => post({ type: "steer", request: id, how });
      signal?.addEventListener("abort", abort, { once: true });
      const settle = (how) => (value) => {
        signal?.removeEventListener("abort", abort);
        this.#pending.delete(id);
        how(value);
      };
      const heard = { onProgress, onEvent, signal };
      this.#pending.set(id, { resolve: settle(resolve), reject: settle(reject), ...heard });
      // A path does not survive the way to the worker as part of its file.
      const names = files.map((file) => file.webkitRelativePath || file.name);
      this.#worker.postMessage({ id, body, files, names });
      onStart?.({ pause: steer("pause"), stop: steer("stop") });
    });
  }

  #receive({ id, body, fatal }) {
    if (fatal) return this.#end(new WaddingtonError(body.message, body.hint));
    // The download of the engine belongs to whoever waits for it.
    const request = id === 0 ? this.#pending.values().next().value : this.#pending.get(id);
    if (!request) return;
    switch (body.type) {
      case "progress":
        request.onProgress?.(body);
        break;
      case "failed":
        request.reject(new WaddingtonError(body.message, body.hint));
        break;
      case "cancelled":
        request.reject(request.signal?.reason ?? new DOMException("stopped", "AbortError"));
        break;
      default:
        if (ON_THE_WAY.has(body.type)) request.onEvent?.(withNumbers(body));
        else request.resolve(withNumbers(body));
    }
  }

  #end(error) {
    if (this.#ended) return;
    this.#ended = error;
    this.#worker.terminate();
    for (const request of [...this.#pending.values()]) request.reject(error);
  }
}

/** Bytes become the numbers they are, without a copy. */
function withNumbers(value, name) {
  if (value instanceof Uint8Array) {
    if (name === "bytes") return value;
    const Numbers = WHOLE.has(name) ? Uint32Array : Float32Array;
    return new Numbers(value.buffer, value.byteOffset, value.byteLength / 4);
  }
  if (Array.isArray(value)) {
    // Names and pairs hold no columns; records may.
    if (value[0] !== null && typeof value[0] === "object") value.forEach((part) => withNumbers(part));
    return value;
  }
  if (value !== null && typeof value === "object") {
    for (const [key, part] of Object.entries(value)) value[key] = withNumbers(part, key);
  }
  return value;
}

/** All are asked for at once, so that their sizes are known before the first has arrived. */
async function download(baseUrl, names, { onProgress, signal } = {}) {
  const base = new URL(baseUrl, globalThis.location?.href);
  const answers = await Promise.all(names.map((name) => fetch(new URL(name, base), { signal })));
  const refused = answers.findIndex((answer) => !answer.ok);
  if (refused >= 0) {
    throw new WaddingtonError(`${names[refused]}: the site answered ${answers[refused].status}`, "Check the address.");
  }
  const sum = answers.reduce((sum, answer) => sum + Number(answer.headers.get("content-length") ?? NaN), 0);
  const started = performance.now();
  let done = 0;
  const count = (n) => {
    done += n;
    // A host that packs on the way names the packed size: then the total is unknown.
    const total = done <= sum ? sum : null;
    const seconds = (performance.now() - started) / 1000;
    const remaining_secs = total !== null && seconds > 0.5 ? (seconds / done) * (total - done) : null;
    onProgress?.({ type: "progress", task: "Downloading the built-in example", done, total, unit: "bytes", remaining_secs });
  };
  const pass = () => new TransformStream({ transform(piece, out) { count(piece.byteLength); out.enqueue(piece); } });
  const body = (answer) => new Response(answer.body.pipeThrough(pass())).blob();
  return Promise.all(answers.map(async (answer, i) => new File([await body(answer)], names[i])));
}
