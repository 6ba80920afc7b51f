// Types of the promise API. Fields are named as on the wire; columns of numbers have one value per cell or gene.

export type BackendChoice = "auto" | "webgpu" | "cpu";
export type Mode =
  | "crispri" | "crispra" | "overexpression" | "knockout" | "inhibitor"
  | "agonist" | "degrader" | "binder" | "control" | "unknown";
/** What the checkpoint knows of a target. */
export type Support = "seen" | "held_out" | "never_measured";

export interface Progress {
  type: "progress";
  task: string;
  done: number;
  total: number | null;
  /** `cells`, `bytes`, `files`, `maps`. */
  unit: string;
  remaining_secs: number | null;
}

export interface RequestOptions {
  onProgress?: (progress: Progress) => void;
  /** Stops the request at its next step; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

export interface StartOptions extends RequestOptions {
  /** Default: `"auto"`, the GPU if there is a real one, else the CPU. */
  backend?: BackendChoice;
  /** How attention is computed; the result is the same to rounding. Default: `"plain"`; `"fused"` is the kernel. */
  attention?: "plain" | "fused";
  /** Where `worker.js` lies, if not beside `index.js`. */
  workerUrl?: string | URL;
}

export interface DeviceReport {
  backend: "webgpu" | "cpu";
  adapter: string;
  is_software: boolean;
  max_buffer_bytes: number | null;
  notice: string | null;
}

export interface ModelConfig {
  version: "v04" | "v05";
  n_genes: number;
  d_model: number;
  n_heads: number;
  n_layers: number;
  n_pretrain_layers: number;
  composer: { n_protein: number; n_chemical: number; n_dna: number; n_latent: number; n_mode: number };
}

export interface CheckpointHeader {
  format: number;
  model: ModelConfig;
  genes: string[];
  /** Library size that cells are scaled to before log1p (counts per cell). */
  target_sum: number;
  modes: Mode[];
  seen: string[];
  held_out: string[];
  /** What a predicted state is compared with. */
  baseline: "control_state" | "control_action";
  /** Cells averaged into one example, in training and in a query. */
  cells_per_example: number;
  /** How far a query draws a perturbation's vector towards the mean of those of training. */
  shrinkage: { mean: number[]; weight: number } | null;
}

export interface MethodScore {
  method: string;
  delta_pearson: number | null;
  /** log1p units squared. */
  mse: number;
}

export interface TargetScore {
  target: string;
  n_cells: number;
  delta_pearson: (number | null)[];
  mse: number[];
}

export interface Card {
  title: string;
  data_source: string;
  data_licence: string;
  split: string;
  scores: MethodScore[];
  targets: TargetScore[];
  limitations: string[];
  command: string;
}

export interface Checkpoint {
  header: CheckpointHeader;
  card: Card | null;
  /** Genes that can be asked for; none where vectors or the decoder are missing. */
  targets: { symbol: string; support: Support }[];
  n_parameters: number;
  n_vectors: number;
  /** Whether the number of attention heads is not in the file, but was assumed or chosen. */
  heads_unknown: boolean;
  /** What is missing and what was assumed. */
  warnings: string[];
}

export interface MatrixInfo {
  name: string;
  encoding: "csr" | "csc" | "dense" | "coordinate";
  n_cells: number;
  n_genes: number;
  n_stored: number;
  dtype: string;
}

export type ColumnKind =
  | { labels: { n_distinct: number; values: [string, number][] } }
  | { numbers: { min: number | null; max: number | null } };

export interface PrepareOptions {
  /** Default: the first matrix. */
  matrix?: string | null;
  perturbation_column?: string | null;
  control_label?: string | null;
  library_size_column?: string | null;
  target_sum?: number | null;
  max_cells?: number | null;
  seed?: number;
  /** Column of labels that keep their shares in the subsample. */
  stratify_by?: string | null;
  /** Genes that are kept, by symbol or id; library sizes and quality stay those of all. */
  genes?: string[] | null;
  filter?: CellFilter;
  /** What the values are. Default: told from the values. */
  values?: ValueScale | null;
  /** What labels of the perturbation column mean, where they do not mean what they say. */
  corrections?: [string, Reading][];
}

/** Bounds that a cell must keep within; a bound itself is within. */
export interface CellFilter {
  min_counts?: number | null;
  max_counts?: number | null;
  min_genes?: number | null;
  max_genes?: number | null;
  /** Percent of counts in mitochondrial genes. */
  max_pct_mitochondrial?: number | null;
}

/** What a label says was done to its cells; targets are never empty. */
export type Reading = "control" | { targets: string[] } | "not_assigned" | "unknown";

export interface Dose {
  amount: number;
  unit: string;
}

/** What the labels of a column were understood to mean, most cells first. */
export interface LabelTable {
  column: string;
  control_name: string;
  rows: {
    label: string;
    n_cells: number;
    reading: Reading;
    guides: string[];
    doses: [Dose, number][];
    rule: string;
    is_small: boolean;
    is_corrected: boolean;
  }[];
  warnings: string[];
}

export interface LabelOptions {
  control_label?: string | null;
  dose_column?: string | null;
  dose_unit_column?: string | null;
  min_cells?: number;
}

export interface Opened {
  name: string;
  n_bytes: number;
  format: "h5ad" | "tenx_h5_v2" | "tenx_h5_v3" | "tenx_mtx" | "loom" | "zarr" | "table";
  unit: "cell" | "metacell";
  matrices: MatrixInfo[];
  columns: { name: string; kind: ColumnKind }[];
  first_genes: string[];
  /** What the file's labels suggest; can be passed to `prepare` as it is. */
  suggested: PrepareOptions;
  bytes_needed: number;
  /** Of them, those that do not grow with the cells that are read. */
  bytes_fixed: number;
  bytes_available: number;
  warnings: string[];
}

/** What the values of a matrix are. */
export type ValueScale = "counts" | "normalized" | { logged: { base: number } } | "scaled" | "empty" | "unknown";

/** A bound that the spread of the cells suggests. */
export interface SuggestedThreshold {
  metric: "total_counts" | "n_genes" | "pct_mitochondrial";
  is_lower: boolean;
  value: number | null;
  median: number;
  mad: number;
  n_mads: number;
  n_removed: number;
}

export interface Prepared {
  /** Cells kept. */
  n_cells: number;
  /** Rows that the filters drop; columns of one value per cell have all rows that were read. */
  dropped: Uint32Array;
  n_genes: number;
  n_nonzero: number;
  unit: "cell" | "metacell";
  quality: { total_counts: Float32Array; n_genes_by_counts: Float32Array; pct_counts_mt: Float32Array };
  perturbations: [string, number][];
  /** Index into `perturbations`. */
  perturbation_of_cell: Uint32Array;
  suggested: { thresholds: SuggestedThreshold[]; n_cells: number; n_removed: number };
  /** What the values were taken for, and why; none where rows are metacells. */
  reading: { scale: ValueScale; target_sum: number | null; evidence: object[]; n_cells_looked_at: number; n_cells: number } | null;
  coverage: { n_checkpoint: number; n_found: number; missing: string[] } | null;
  warnings: string[];
}

export interface NamedBytes {
  name: string;
  bytes: Uint8Array;
}

/** How the map of expression is made; what is left out has its default (see `waddington prepare`). */
export interface MapConfig {
  /** `null` for all genes. */
  genes?: {
    flavor?: "seurat" | "cell_ranger" | "seurat_v3" | "seurat_v3_paper";
    n_top_genes?: number | null;
    min_mean?: number;
    max_mean?: number;
    min_dispersion?: number;
    max_dispersion?: number | null;
  } | null;
  /** Column of labels that are batches. */
  batch_column?: string | null;
  /** Scaling of each gene to unit variance; `null` for none. */
  scale?: { zero_center?: boolean; max_value?: number | null } | null;
}

export interface VariableGenes {
  flavor: string;
  symbols: string[];
  means: Float32Array;
  /** Normalised dispersion, or normalised variance of counts. */
  spread: Float32Array;
  /** The chosen genes, by index. */
  chosen: Uint32Array;
  n_batches: Uint32Array;
  warnings: string[];
}

export type StartFrom = "scratch" | "checkpoint";

/** A training run as the command line's TOML has it; what is left out has its default. */
export type TrainConfig = Record<string, unknown>;

export interface TrainingOptions extends RequestOptions {
  /** Hears `training_started`, `step`, `glimpsed` and `run_saved`. */
  onEvent?: (event: { type: string; [field: string]: unknown }) => void;
  /** Called once with the ways to pause the run (it can be resumed) and to end it here (its model is kept). */
  onStart?: (control: { pause: () => void; stop: () => void }) => void;
}

/** Values of genes, such as a response; NaN where there is none. */
export interface GeneValues {
  name: string;
  genes: string[];
  values: Float32Array;
}

export interface EnrichmentConfig {
  /** Default: 5. */
  min_size?: number;
  /** Default: 500. */
  max_size?: number;
  /** Genes that count as changed; 0 is a tenth of them. Default: 0. */
  n_changed?: number;
  /** Default: 1000. */
  n_random?: number;
  seed?: number;
}

export interface Enrichment {
  name: string;
  collection: { name: string; n_sets: number };
  n_genes: number;
  n_changed: number;
  /** By the p-value of the ranked score. */
  sets: {
    name: string;
    n_genes: number;
    score: number;
    normalised: number;
    p_value: number;
    p_adjusted: number;
    leading: string[];
    changed: string[];
    fold: number;
    fisher_p: number;
    fisher_p_adjusted: number;
  }[];
}

/** Genes that should rise (above 0) or fall (below 0). */
export interface Signature {
  name: string;
  genes: string[];
  weights: Float32Array;
}

export interface Backwards {
  n_known: number;
  unknown: string[];
  n_candidates: number;
  towards: { target: string; support: Support; score: number }[];
  away: { target: string; support: Support; score: number }[];
  pairs: { targets: [string, string]; score: number }[];
  /** The best match that 95 % of shuffled signatures stay below. */
  chance: number;
  accuracy: { support: Support; n: number; mean_rank: number; n_in_best_tenth: number }[];
}

export interface TrainingPlan {
  config: TrainConfig;
  n_cells: number;
  seen: string[];
  warnings: string[];
  parameters: { encoder: number; predictor: number; composer: number; masked_predictor: number; decoder: number };
  /** Bytes of each stage at its peak. */
  memory: { stage: string; weights: number; gradients: number; optimiser: number; kept: number; activations: number; largest_buffer: number }[];
  limits: { total: number; buffer: number | null };
  fitting: TrainConfig | null;
  /** Seconds a step; `null` where the run does not fit. */
  probe: { stages: { stage: string; step_secs: number; n_steps: number }[] } | null;
}

export interface TrainingRun {
  id: string;
  name: string;
  started_secs: number;
  status: { is: "running" | "paused" | "done" | "stopped" } | { is: "failed"; message: string };
  config: TrainConfig;
  n_cells: number;
  seen: string[];
  steps_done: number;
  n_steps: number;
  trained_secs: number;
  history: { losses: Curve; validation: Curve };
  checkpoint: string | null;
}

export interface Curve {
  points: { stage: string; step: number; loss: number }[];
}

export interface StorageReport {
  /** Why runs end with the page; `null` where they are kept. */
  problem: string | null;
  n_bytes_used: number | null;
  n_bytes_allowed: number | null;
}

export interface EmbeddingMap {
  name: string;
  axes: [string, string];
  x: Float32Array;
  y: Float32Array;
}

export interface Measured {
  source: string;
  n_cells: number;
  n_control_cells: number;
  delta: Float32Array;
  standard_error: Float32Array;
}

/** Control cells that a question is about; `grouping` is no selection, `rows` are the bytes of a `Uint32Array`. */
export type CellChoice =
  | { of: "all" }
  | { of: "group"; grouping: Grouping; group: string }
  | { of: "selection"; rows: Uint8Array };

/** A perturbation of one gene, or of several together (`with`), in all control cells or in some. */
export interface Query {
  target: string;
  with?: string[];
  mode: Mode;
  cells?: CellChoice;
}

/** Columns have one value per gene of `genes`, in log1p units. */
export interface Prediction {
  query: Query;
  support: Support;
  genes: string[];
  control_mean: Float32Array;
  delta: Float32Array;
  training_mean: number[] | null;
  /** The genes of a combination, each alone; empty for one gene. */
  parts: { target: string; support: Support; delta: Float32Array }[];
  /** The sum of the changes that were measured for the genes of a combination alone. */
  additive: { delta: Float32Array; measured: string[]; assumed: string[]; source: string } | null;
  measured: Measured | null;
  agreement: MethodScore[];
  /** What stands between this prediction and belief in it. */
  warnings: string[];
  n_control_cells: number;
  /** Rows that hold those cells: as many, or fewer where a row is a metacell. */
  n_control_rows: number;
  elapsed_secs: number;
}

/** The engine said no: `message` names what was wrong, `hint` what to do about it. */
export class WaddingtonError extends Error {
  readonly hint: string;
}

export type Representation = "expression" | "latent";

/** What is left out has scanpy's default. */
export interface PopulationConfig {
  n_pcs?: number;
  n_neighbours?: number;
  resolution?: number;
  min_dist?: number;
  n_epochs?: number | null;
  seed?: number;
}

export interface Mapped {
  representation: Representation;
  config: Required<PopulationConfig>;
  /** UMAP; NaN for rows that were dropped or not drawn. */
  map: EmbeddingMap;
  /** By row, 0 the largest; 4294967295 where there is none. */
  clusters: Uint32Array;
  sizes: number[];
  modularity: number;
  n_neighbours: number;
  computed: ("neighbours" | "clusters" | "layout")[];
  warnings: string[];
}

export type Grouping =
  | { by: "clusters"; representation: Representation }
  | { by: "column"; name: string }
  | { by: "perturbation" }
  /** `rows`: the bytes of a `Uint32Array` of row numbers. */
  | { by: "selection"; rows: Uint8Array };

export interface MarkerOptions {
  test?: "welch" | "wilcoxon" | "wilcoxon_ties";
  /** Group that all are compared with; `null` for all other cells. */
  reference?: string | null;
  n_told?: number;
}

export interface Marker {
  gene: string;
  score: number;
  log2_fold_change: number;
  p: number;
  p_adjusted: number;
  fraction: number;
  fraction_rest: number;
}

export interface MarkerTable {
  grouping: Grouping;
  n_genes: number;
  groups: { name: string; n_cells: number; markers: Marker[] }[];
  warnings: string[];
}

export interface ScoreTable {
  column: string;
  n_labels: number;
  scores: {
    name: string;
    representation: Representation;
    n_cells: number;
    n_labelled: number;
    n_clusters: number;
    nmi: number;
    ari: number;
    asw: number | null;
    avg_bio: number | null;
    /** With the resolution that meets the labels best: optimistic. */
    tuned: { resolution: number; nmi: number; ari: number; avg_bio: number } | null;
    /** The same by Louvain clusters, as scGPT has it. */
    tuned_louvain: { resolution: number; nmi: number; ari: number; avg_bio: number } | null;
    tuned_of_10: number | null;
  }[];
  warnings: string[];
}

export type CellQuantity =
  | { of: "gene"; symbol: string }
  | { of: "column"; name: string }
  | { of: "component"; index: number }
  | { of: "latent"; index: number }
  | { of: "shift"; query: Query };

export type CellColumn =
  | { as: "numbers"; values: Float32Array; unit: string }
  | { as: "labels"; codes: Uint32Array; names: string[] };

export class Waddington {
  private constructor(workerUrl: string | URL);
  static start(options?: StartOptions): Promise<Waddington>;
  readonly device: DeviceReport;
  /** `nHeads`: attention heads of a model whose file does not say it, such as a PyTorch `.pt`. */
  loadCheckpoint(files: Iterable<File>, options?: RequestOptions & { nHeads?: number }): Promise<Checkpoint>;
  loadDemo(baseUrl: string | URL, options?: RequestOptions): Promise<{ checkpoint: Checkpoint; cells: File }>;
  /** `join`: which genes samples share, where several files are the samples of a study. */
  open(files: File | Iterable<File>, options?: RequestOptions & { join?: "union" | "intersection" }): Promise<Opened>;
  readLabels(column: string, labelOptions?: LabelOptions, options?: RequestOptions): Promise<LabelTable>;
  prepare(choices?: PrepareOptions, options?: RequestOptions): Promise<Prepared>;
  filter(filter?: CellFilter, options?: RequestOptions): Promise<Prepared>;
  /** Its name and how many symbols it has; `null` where names are as files have them. */
  geneTable(file: File | null, options?: RequestOptions): Promise<[string, number] | null>;
  embed(options?: RequestOptions & { config?: MapConfig }): Promise<{ maps: EmbeddingMap[]; genes: VariableGenes | null }>;
  map(representation?: Representation, options?: RequestOptions & { config?: PopulationConfig; onEvent?: (event: object) => void }): Promise<Mapped>;
  markers(grouping: Grouping, options?: RequestOptions & { config?: MarkerOptions }): Promise<MarkerTable>;
  score(column: string, options?: RequestOptions & { config?: PopulationConfig }): Promise<ScoreTable>;
  values(quantity: CellQuantity, options?: RequestOptions): Promise<CellColumn>;
  export(kind?: "h5ad" | "cells_csv" | "recipe" | "markers" | "methods" | "snippet", options?: RequestOptions): Promise<NamedBytes>;
  planTraining(config: TrainConfig, options?: RequestOptions & { start?: StartFrom }): Promise<TrainingPlan>;
  train(
    run: { name: string; config: TrainConfig; start?: StartFrom; saveEverySecs?: number },
    options?: TrainingOptions,
  ): Promise<TrainingRun>;
  resumeRun(run: string, options?: TrainingOptions & { saveEverySecs?: number }): Promise<TrainingRun>;
  runs(options?: RequestOptions): Promise<{ runs: TrainingRun[]; storage: StorageReport }>;
  renameRun(run: string, name: string, options?: RequestOptions): Promise<TrainingRun[]>;
  deleteRun(run: string, options?: RequestOptions): Promise<TrainingRun[]>;
  exportRun(run: string, part?: "model" | "run_file" | "curves" | "state", options?: RequestOptions): Promise<NamedBytes>;
  useRun(run: string, options?: RequestOptions): Promise<Checkpoint>;
  /** Gene sets from a `.gmt`. */
  pathways(file: File, options?: RequestOptions): Promise<{ name: string; n_sets: number }>;
  enrich(asked: GeneValues, options?: RequestOptions & { config?: EnrichmentConfig }): Promise<Enrichment>;
  askBackwards(
    signature: Signature,
    options: RequestOptions & { mode: Mode; candidates?: "measured" | "of_model" | "all" },
  ): Promise<Backwards>;
  predict(query: Query, options?: RequestOptions): Promise<Prediction>;
  close(): void;
}
