//! What is on screen, one file per part. Tests find the parts by their `data-testid`s, which are listed here.

// shell: `nav-load`, `nav-look`, `nav-perturb`, `nav-train`, `nav-evaluate`, `device-chip`, `privacy-chip`, `theme-toggle`, `copy-link`,
//   `progress`, `cancel`, `pause`, `error`, `notice` (each with `-dismiss`).
// load: `drop-zone`, `file-input`, `folder-input`, `open-example`, `opened-summary`, `matrix-select`, `values`,
//   `perturbation-column`, `control-label`, `library-size-column`, `genes-to-read`, `genes-named`, `gene-join`,
//   `max-cells`, `stratify-by`, `use-model-genes`, `over-budget`, `use-subsample`, `labels`, `label-row`,
//   `prepare`, `prepared-summary`, `evidence`, `gene-names`, `choose-gene-names`, `gene-names-input`,
//   `forget-gene-names`, `naming`.
// look: `qc-total-counts`, `qc-n-genes`, `qc-pct-mt`, `kept`, `suggest-filter`, `undo-filter`, `keep-all`,
//   `save-h5ad`, `save-cells`, `save-recipe`, `before-after`, `n-after`, `genes`, `variable-genes`, `n-top-genes`,
//   `batch-column`, `scale`, `gene-variability`, `genes-csv`, `min-` and `max-counts`, `min-` and `max-genes`,
//   `max-pct-mt` (each with `-line`), `coverage`.
// atlas: `compute-maps`, `colour-by`, `map-gene`, `gene-option`, `legend`, `legend-entry`, `tool-pan`, `tool-lasso`,
//   `select-shown`, `names-on-map`, `selection`, `compare-selection`, `clear-selection`, `map-expression`, `map-latent`
//   (each with `-title`, `-png`, `-svg`), `layout-expression`, `layout-latent`, `map-warning`, `map-settings`,
//   `n-neighbours`, `n-pcs`, `resolution`, `min-dist`, `map-seed`, `map-cells`, `map-cells-latent`, `markers`,
//   `marker-groups`, `marker-reference`, `marker-test`, `find-markers`, `marker-group`, `marker-table`, `marker-row`,
//   `markers-csv`, `scores`, `score-column`, `score`, `score-table`, `scores-csv`, `save-methods`, `save-snippet`.
// perturb: `target-input`, `target-option`, `target-support`, `together-gene`, `together-remove`, `add-gene`,
//   `target-twice`, `cells-select`, `cells-note`, `mode-select`, `predict`, `card`, `model-summary`,
//   `n-heads`, `cannot-answer`, `prediction-headline`, `prediction-support`, `prediction-warnings`, `prediction-interval`,
//   `combination-parts`, `additive`, `tab-bars`, `tab-volcano`, `tab-compared`, `tab-map`, `shift-map`, `shift-layout`, `shift-times`, `shift-note`, `shift-svg`, `bar-plot`, `volcano`, `volcano-of`,
//   `volcano-note`, `volcano-svg`, `heat-map`, `heat-measured`, `heat-csv`, `heat-svg`, `compared-answer`,
//   `compared-show`, `compared-forget`, `compared-clear`, `agreement-table`,
//   `gene-filter`, `gene-table`, `gene-row`, `download-csv`, `predicts-nothing`.
// evaluate: `evaluate-empty`, `evaluate-folds`, `evaluate-batches`, `evaluate-min-cells`, `evaluate`,
//   `evaluate-headline`, `evaluate-problems`, `evaluate-csv`, `evaluate-targets-csv`, `evaluate-json`,
//   `evaluate-measures`, `evaluate-table`, `evaluate-row`, `headroom-measure`, `headroom-row`, `headroom-svg`,
//   `scatter-target`, `scatter-method`, `scatter`, `scatter-svg`, `calibration`, `calibration-svg`, `coverage-table`,
//   `distance`, `distance-svg`, `evaluate-outside`, `null-table`, `null-row`, `null-absent`, `audit`.
// train: `train-empty`, `architecture-bio-jepa`, `architecture-cell-jepa`, `types-column`, `cell-settings`, `cell-` followed by
//   `steps`, `batch`, `max-genes`, `rate`, `rate-decay`, `mask`, `ema` or `weight`, `start-scratch`, `start-model`, `train-encoder`, `preset-tiny`, `preset-small`,
//   `preset-production`, `held-out`, `held-out-search`, `held-out-target`, `train-mode`, `validation-share`,
//   `hold-back`, `patience`, `train-seed`, `expert`, `<stage>-` followed by `steps`, `batch`, `rate`, `decay` or
//   `clip`, `mask-ratio`, `validate-every`, `report-every`, `accumulate`, `pair-within`,
//   `train-plan`, `train-estimate`,
//   `train-time`, `train-too-large`, `use-fitting`, `run-name`, `train-start`, `train-problem`, `train-progress`,
//   `train-pause`, `train-stop`, `train-discard` and `train-discard-yes`, `train-saved`, `train-rescue`,
//   `train-curve`, `train-gauges`, `train-terms`, `train-glimpse`, `train-waiting`, `train-hidden`, `train-ended`,
//   `runs`, `run-row`, `run-compare`, `run-name-input`, `run-status`, `run-resume`, `run-use`, `run-export-model`,
//   `run-export-file`, `run-export-curves`, `run-export-state`, `run-delete` and `run-delete-yes`, `compared`,
//   `storage`.

pub mod atlas;
pub mod backwards;
pub mod before_after;
pub mod card;
pub mod cell_jepa;
pub mod changes;
pub mod choices;
pub mod compared;
pub mod evaluate;
pub mod file_button;
pub mod genes;
pub mod labels;
pub mod load;
pub mod look;
pub mod naming;
pub mod opened;
pub mod pathways;
pub mod perturb;
pub mod picker;
pub mod privacy;
pub mod quality;
pub mod result;
pub mod selection;
pub mod share;
pub mod shell;
pub mod shifted;
pub mod table;
pub mod task;
pub mod train;
pub mod which_cells;
