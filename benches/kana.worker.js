// What the benchmark against kana's engine runs in a worker of the page: scran.js, and inflating alone.
//
// Messages in are `{ step, ... }`, in order; the answer to each is `{ answer }` or `{ error }`.

const state = {};

const steps = {
  async start({ version }) {
    state.scran = await import(`/node_modules/${version}/browser/index.js`);
    // kana gives its engine as many threads as there are cores.
    await state.scran.initialize({ numberOfThreads: navigator.hardwareConcurrency });
    return { threads: state.scran.maximumThreads() };
  },

  // It reads files of its own file system alone, and those whole.
  open({ file }) {
    const { scran } = state;
    scran.writeFile("cells.h5ad", new Uint8Array(new FileReaderSync().readAsArrayBuffer(file)));
    state.genes = new scran.H5DataSet("cells.h5ad", "var/_index").values;
    const n_cells = new scran.H5DataSet("cells.h5ad", "X/indptr").shape[0] - 1;
    state.shape = [state.genes.length, n_cells];
    return { n_cells };
  },

  read() {
    // Rows of the file are cells, which are columns here; whole numbers in layers are its default, and smallest.
    const rows = false;
    state.counts = state.scran.initializeSparseMatrixFromHdf5Group("cells.h5ad", "X", ...state.shape, rows);
    state.scran.removeFile("cells.h5ad");
    return {};
  },

  quality() {
    const isMitochondrial = Uint8Array.from(state.genes, (gene) => Number(gene.startsWith("MT-")));
    state.metrics = state.scran.perCellRnaQcMetrics(state.counts, [isMitochondrial]);
    state.scran.suggestRnaQcFilters(state.metrics).free();
    return {};
  },

  filter({ bounds }) {
    const filters = state.scran.emptySuggestRnaQcFiltersResults(1, 1);
    filters.sum({ copy: false })[0] = bounds.min_counts;
    filters.detected({ copy: false })[0] = bounds.min_genes;
    filters.subsetProportion(0, { copy: false })[0] = bounds.max_pct_mitochondrial / 100;
    const kept = filters.filter(state.metrics);
    state.filtered = state.scran.filterCells(state.counts, kept);
    return { n_kept: state.filtered.numberOfColumns() };
  },

  normalise() {
    state.logged = state.scran.normalizeCounts(state.filtered);
    return {};
  },

  variable_genes({ n_top_genes }) {
    const isChosen = state.scran.chooseHvgs(state.scran.modelGeneVariances(state.logged), { number: n_top_genes });
    return { chosen: state.genes.filter((_, gene) => isChosen[gene]) };
  },

  totals() {
    return { totals: state.metrics.sum(), n_genes: state.metrics.detected(), heap: state.scran.heapSize() };
  },

  // The floor: the file read, in pieces, then the chunks of its matrix inflated by the browser itself.
  read_file({ file }) {
    const piece = 16 << 20;
    const reader = new FileReaderSync();
    state.file = new Uint8Array(file.size);
    for (let at = 0; at < file.size; at += piece) {
      state.file.set(new Uint8Array(reader.readAsArrayBuffer(file.slice(at, at + piece))), at);
    }
    return { bytes: state.file.length };
  },

  async inflate({ chunks }) {
    let [read, bytes] = [0, 0];
    for (const [offset, size] of chunks) {
      const { readable, writable } = new DecompressionStream("deflate");
      const writer = writable.getWriter();
      writer.write(state.file.subarray(offset, offset + size));
      writer.close();
      for await (const piece of readable) bytes += piece.length;
      read += size;
    }
    return { read, bytes };
  },
};

let queue = Promise.resolve();
self.onmessage = ({ data }) => {
  queue = queue.then(async () => {
    try {
      self.postMessage({ answer: await steps[data.step](data) });
    } catch (error) {
      self.postMessage({ error: `${data.step}: ${error?.message ?? error}` });
    }
  });
};
