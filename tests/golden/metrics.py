"""Makes tests/golden/metrics.json: one small screen, predictions for it, and what the references say of them.

    pip install numpy scipy scikit-learn scanpy==1.11.5 cell-eval==0.8.1 pdex==0.2.5
    pip install --no-deps cell-gears==0.1.2
    python tests/golden/metrics.py

By their own code: GEARS (ranking, `compute_metrics`, `deeper_analysis`, `non_dropout_analysis`; only its analysis is
loaded, so that torch need not be there), cell-eval and pdex, scikit-learn, scipy.
From the formulas with numpy, as these are no packages: PerturBench, Systema, BioJEPA-AC, Mejia, Ahlmann-Eltze.
Every value is a multiple of 1/16 and every group has a power of two of cells, so that means are exact in f32.
"""

import importlib
import importlib.metadata
import importlib.util
import json
import pathlib
import sys
import tempfile
import types
import warnings
from unittest import mock

import anndata as ad
import numpy as np
import pandas as pd
import scanpy  # noqa: F401  (before torch is stood in for: scipy asks what it is)
import scipy.sparse as sp
from scipy import stats
from sklearn import linear_model, metrics as skm

warnings.filterwarnings("ignore")
SCALE = 16
N_GENES, N_TARGETS, N_CELLS, N_CONTROL = 40, 12, 16, 32
GENES = [f"G{i:02d}" for i in range(N_GENES)]
TARGETS = GENES[:N_TARGETS]


def screen():
    """Integer sixteenths: control, and per target the measured and the predicted cells."""
    rng = np.random.default_rng(7)
    base = rng.gamma(2.0, 0.7, N_GENES)
    base[30:34] = 0.15
    effects = rng.normal(0, 0.15, N_GENES) + rng.normal(0, 0.6, (N_TARGETS, N_GENES)) * (
        rng.random((N_TARGETS, N_GENES)) < 0.4
    )
    for t in range(N_TARGETS):
        effects[t, t] = -2.0
        effects[t, 30 + t % 4] = 2.0
        effects[t, 39 - t % 5] = -9.0

    def cells(mean, n):
        value = mean + rng.normal(0, 0.5, (n, N_GENES))
        value[rng.random((n, N_GENES)) < 0.15] = 0
        return np.maximum(np.rint(value * SCALE), 0).astype(int)

    control = cells(base, N_CONTROL)
    measured = [cells(base + e, N_CELLS) for e in effects]
    predicted = [cells(base + 0.2 * e + rng.normal(0, 0.35, N_GENES), N_CELLS) for e in effects]
    return control, measured, predicted


def listed(value):
    """Plain JSON: NaN becomes null, infinities text."""
    if isinstance(value, dict):
        return {str(k): listed(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [listed(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if value is None or isinstance(value, str):
        return value
    value = float(value)
    if np.isnan(value):
        return None
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(f"{value:.12g}")


def gears(control, measured, predicted):
    places = importlib.util.find_spec("gears").submodule_search_locations
    package = types.ModuleType("gears")
    package.__path__ = list(places)
    sys.modules["gears"] = package
    stand_ins = ["torch", "torch_geometric", "torch_geometric.data", "tqdm", "requests", "networkx", "dcor"]
    for name in stand_ins:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = mock.MagicMock()
    data_utils = importlib.import_module("gears.data_utils")
    inference = importlib.import_module("gears.inference")

    conditions = ["ctrl"] * N_CONTROL + [f"{t}+ctrl" for t in TARGETS for _ in range(N_CELLS)]
    adata = ad.AnnData(sp.csr_matrix(np.vstack([control, *measured]) / SCALE))
    adata.var_names = GENES
    adata.var["gene_name"] = GENES
    adata.obs["condition"] = pd.Categorical(conditions)
    adata.obs["cell_type"] = "K"
    adata = data_utils.get_DE_genes(adata, False)
    adata = data_utils.get_dropout_non_zero_genes(adata)
    full = dict(adata.obs[["condition", "condition_name"]].values)
    rank = {c: [GENES.index(g) for g in adata.uns["rank_genes_groups_cov_all"][full[c]]] for c in set(conditions) - {"ctrl"}}
    order = [f"{t}+ctrl" for t in TARGETS]
    truth, pred = np.vstack(measured) / SCALE, np.vstack(predicted) / SCALE
    category = np.array(conditions[N_CONTROL:])
    top = np.vstack([truth[category == c][:, sorted(rank[c][:20])] for c in order])
    top_pred = np.vstack([pred[category == c][:, sorted(rank[c][:20])] for c in order])
    results = {"pert_cat": category, "truth": truth, "pred": pred, "truth_de": top, "pred_de": top_pred}
    mean, each = inference.compute_metrics(results)
    deeper = inference.deeper_analysis(adata, results)
    dropout = inference.non_dropout_analysis(adata, results)
    out = {"mean": mean, "ranking": [rank[c] for c in order], "targets": []}
    for c in order:
        merged = {**each[c], **deeper[c], **dropout[c]}
        # Its 20 genes are in gene order and its control in rank order (spec, section 3.4).
        merged.pop("frac_correct_direction_20_nonzero", None)
        out["targets"].append(merged)
    return out


def annotated(control, groups):
    adata = ad.AnnData(np.vstack([control, *groups]) / SCALE)
    adata.var_names = GENES
    adata.obs["target"] = pd.Categorical(["ctrl"] * N_CONTROL + [t for t in TARGETS for _ in range(N_CELLS)])
    adata.obs_names = [f"c{i}" for i in range(adata.n_obs)]
    return adata


def cell_eval(control, measured, predicted):
    from cell_eval import MetricsEvaluator
    from cell_eval._baseline import _build_pert_baseline
    from cell_eval._score import _calc_norm_by_one, _calc_norm_by_zero
    from cell_eval.metrics import metrics_registry

    real, pred = annotated(control, measured), annotated(control, predicted)
    evaluator = MetricsEvaluator(
        adata_pred=pred, adata_real=real, control_pert="ctrl", pert_col="target", num_threads=1, outdir=tempfile.mkdtemp()
    )
    tests = {}
    for name, side in [("real", evaluator.de_comparison.real), ("pred", evaluator.de_comparison.pred)]:
        frame = side.data.to_pandas()
        frame = frame.set_index(["target", "feature"]).astype(float)
        columns = {"log2_fold_change": side.log2_fold_change_col, "p_value": side.pvalue_col, "fdr": side.fdr_col}
        tests[name] = {k: [[frame.loc[(t, g), c] for g in GENES] for t in TARGETS] for k, c in columns.items()}
    out = {"tests": tests, "metrics": {}}
    for name in metrics_registry.list_metrics():
        if name == "clustering_agreement":
            continue
        info = metrics_registry.get_metric(name)
        pair = evaluator.anndata_pair if info.type.value == "anndata_pair" else evaluator.de_comparison
        value = metrics_registry.compute(name, pair)
        out["metrics"][name] = [value.get(t) for t in TARGETS] if isinstance(value, dict) else value
    for kind in ["overlap", "precision"]:
        value = metrics_registry.get_metric(f"{kind}_at_50").func(evaluator.de_comparison, k=4, metric=kind)
        out["metrics"][f"{kind}_at_4"] = [value[t] for t in TARGETS]
    out["baseline"] = _build_pert_baseline(real, "target", "ctrl", as_delta=False)
    out["baseline_delta"] = _build_pert_baseline(real, "target", "ctrl", as_delta=True)
    user, base = np.array([0.2, 0.7, 0.4]), np.array([0.5, 0.6, 0.3])
    out["score"] = {"lower": _calc_norm_by_zero(user, base), "higher": _calc_norm_by_one(user, base)}
    one, other = [0, 0, 1, 1, 2, 2, 2, 0, 1, 1, 2, 0], [0, 0, 1, 2, 2, 2, 1, 0, 1, 1, 0, 0]
    out["mutual_information"] = {"one": one, "other": other, "ami": skm.adjusted_mutual_info_score(one, other)}
    return out


def formulas(control, measured, predicted):
    """PerturBench, Systema, Mejia and BioJEPA-AC: no packages, so from what the specification says."""
    c = control.mean(0) / SCALE
    y = np.array([m.mean(0) for m in measured]) / SCALE
    p = np.array([m.mean(0) for m in predicted]) / SCALE
    out = {}

    def place(matrix):
        return [float((column < column[i]).sum()) / len(matrix) for i, column in enumerate(np.asarray(matrix).T)]

    lfc = lambda m: np.log2(m + 0.1) - np.log2(c + 0.1)
    rmse = np.sqrt(skm.pairwise_distances(p, y, "sqeuclidean") / N_GENES)
    out["perturbench"] = {
        "rank_rmse": place(rmse),
        "rank_mae": place(skm.pairwise_distances(p, y, "l1") / N_GENES),
        "rank_cosine_lfc": place(-skm.pairwise.cosine_similarity(lfc(p), lfc(y))),
        "rank_pearson": place(-np.corrcoef(p, y)[:N_TARGETS, N_TARGETS:]),
        "rank_r2": place(-np.array([[skm.r2_score(a, b) for b in y] for a in p])),
        "cosine_lfc": np.diag(skm.pairwise.cosine_similarity(lfc(p), lfc(y))),
        "rmse": np.diag(rmse),
    }
    reference = y[:6].mean(0)
    top = [np.argsort(-np.abs(t - c), kind="stable")[:20] for t in y]
    distance = skm.pairwise_distances(p, y)
    out["systema"] = {
        "pearson": [stats.pearsonr(a - reference, b - reference)[0] for a, b in zip(p, y)],
        "pearson20": [stats.pearsonr((a - reference)[k], (b - reference)[k])[0] for a, b, k in zip(p, y, top)],
        "accuracy": [(np.delete(d, i) > d[i]).sum() / (N_TARGETS - 1) for i, d in enumerate(distance)],
    }
    weights = []
    for m in measured:
        t = np.abs(stats.ttest_ind(m / SCALE, control / SCALE, equal_var=False).statistic)
        w = ((t - t.min()) / (t.max() - t.min())) ** 2
        weights.append(w / w.sum())
    out["mejia"] = {
        "scores": [np.abs(stats.ttest_ind(m / SCALE, control / SCALE, equal_var=False).statistic) for m in measured],
        "wmse": [(w * (a - b) ** 2).sum() for w, a, b in zip(weights, p, y)],
        "r2": [skm.r2_score(b - reference, a - reference, sample_weight=w) for w, a, b in zip(weights, p, y)],
    }
    out["biojepa"] = biojepa(c, y, p, control, measured, predicted)
    return out


def biojepa(c, y, p, control, measured, predicted):
    real, pred = y - c, p - c
    out = {"r2": [skm.r2_score(a, b) for a, b in zip(y, p)], "mse": [np.mean((a - b) ** 2) for a, b in zip(real, pred)]}
    top = lambda d, k: np.argsort(-np.abs(d), kind="stable")[:k]
    out["r2_top30"] = [skm.r2_score(a[top(d, 30)], b[top(d, 30)]) for a, b, d in zip(y, p, real)]
    out["pearson20"] = [stats.pearsonr(a[top(a, 20)], b[top(a, 20)])[0] for a, b in zip(real, pred)]
    size = np.linalg.norm(pred, axis=1), np.linalg.norm(real, axis=1)
    out["severity"] = [stats.pearsonr(*size)[0], stats.spearmanr(*size)[0]]
    edges = [0, 0.25, 0.5, 1, 1.5, 2, np.inf]
    flat, error = np.abs(real).ravel(), np.abs(real - pred).ravel()
    out["mae_bins"] = [error[(flat >= a) & (flat < b)].mean() if ((flat >= a) & (flat < b)).any() else None
                       for a, b in zip(edges, edges[1:])]
    klass = lambda d: (d >= 0.25).astype(int) - (d <= -0.25).astype(int)
    out["direction"] = [skm.accuracy_score(klass(a), klass(b)) for a, b in zip(real, pred)]
    out["balanced"] = [skm.balanced_accuracy_score(klass(a), klass(b)) for a, b in zip(real, pred)]
    out["precision10"] = [len(set(top(a, 10)) & set(top(b, 10))) / 10 for a, b in zip(real, pred)]
    gain = 1 / np.log2(np.arange(10) + 2)
    out["ndcg10"] = [(gain * np.isin(top(b, 10), top(a, 10))).sum() / gain.sum() for a, b in zip(real, pred)]
    # One cell at a time: measured cell minus a control cell, predicted cell minus the same.
    pairs = [(predicted[t][i] / SCALE - control[2 * i] / SCALE, measured[t][i] / SCALE - control[2 * i] / SCALE)
             for t in range(N_TARGETS) for i in range(N_CELLS)]
    out["sample_mse"] = np.mean([np.mean((a - b) ** 2) for a, b in pairs])
    out["sample_pearson20"] = np.mean([stats.pearsonr(a[top(b, 20)], b[top(b, 20)])[0] for a, b in pairs])
    # Retrieval: the predictions as a bank.
    unit = lambda m: m / (np.linalg.norm(m, axis=-1, keepdims=True) + 1e-8)
    similarity = unit(real) @ unit(pred).T
    rank = [int((row > row[i]).sum()) + 1 for i, row in enumerate(similarity)]
    out["retrieval"] = {"ranks": rank, "mrr": np.mean(1 / np.array(rank)), "median": np.median(rank)}
    # Uncertainty: any number beside the error.
    error = np.array([np.mean((a - b) ** 2) for a, b in pairs])
    unsure = np.round(np.sin(np.arange(len(error))) * 0.2 + 0.4 * error, 6)
    scaled = lambda v: (v - v.min()) / (v.max() - v.min())
    u, e, ece = scaled(unsure), scaled(error), 0.0
    for b in range(10):
        inside = (u >= b / 10) & ((u < (b + 1) / 10) if b < 9 else (u <= 1))
        ece += inside.mean() * abs(u[inside].mean() - e[inside].mean()) if inside.any() else 0
    parts = np.array_split(error[np.argsort(unsure, kind="stable")], 10)
    means = [part.mean() for part in parts]
    out["uncertainty"] = {
        "unsure": unsure, "pearson": stats.pearsonr(unsure, error)[0], "spearman": stats.spearmanr(unsure, error)[0],
        "ece": ece, "monotone": np.mean(np.diff(means) > 0),
    }
    # Pathways of targets and pairs within and between.
    pathway = [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 1, 2]
    cos = skm.pairwise.cosine_similarity(pred)
    upper = [(i, j) for i in range(N_TARGETS) for j in range(i + 1, N_TARGETS)]
    within = [cos[i, j] for i, j in upper if pathway[i] == pathway[j]]
    between = [cos[i, j] for i, j in upper if pathway[i] != pathway[j]]
    out["pathways"] = {
        "labels": pathway, "within": np.mean(within), "between": np.mean(between),
        "p": stats.mannwhitneyu(within, between, alternative="greater", method="asymptotic").pvalue,
    }
    from sklearn.neighbors import KNeighborsClassifier

    near = KNeighborsClassifier(n_neighbors=5, metric="cosine", algorithm="brute").fit(pred, pathway)
    out["pathways"]["neighbours"] = near.score(pred, pathway)
    out["probe"] = probes(pred, pathway)
    return out


def adam(gradient, weights, n_steps, rate):
    """torch.optim.Adam's update, full batch."""
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, n_steps + 1):
        g = gradient(weights)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g * g
        weights = weights - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weights


def probes(rows, labels):
    """Linear maps from zero by Adam: softmax with cross-entropy, and one number with squared error clipped at norm 1."""
    x = np.hstack([rows, np.ones((len(rows), 1))])
    hot = np.eye(3)[labels]

    def classes(w):
        z = x @ w
        z = np.exp(z - z.max(1, keepdims=True))
        return x.T @ (z / z.sum(1, keepdims=True) - hot) / len(x)

    wanted = np.arange(len(rows)) * 0.1 - 0.5

    def number(w):
        g = 2 * x.T @ (x @ w - wanted) / len(x)
        return g * min(1.0, 1.0 / (np.linalg.norm(g) + 1e-6))

    w = adam(classes, np.zeros((x.shape[1], 3)), 100, 1e-3)
    v = adam(number, np.zeros(x.shape[1]), 500, 1e-3)
    return {"wanted": wanted, "classes": (x @ w), "number": x @ v}


def baselines(measured, control):
    """Ridge by scikit-learn; the bilinear model of Ahlmann-Eltze by its formula."""
    c = control.mean(0) / SCALE
    y = np.array([m.mean(0) for m in measured]) / SCALE
    rng = np.random.default_rng(3)
    vectors = np.rint(rng.normal(0, 1, (N_TARGETS, 5)) * 8) / 8
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    delta = y - c
    ridge = {str(a): linear_model.Ridge(alpha=a).fit(unit[:8], delta[:8]).predict(unit[10:]) for a in [0.1, 1.0, 10.0]}
    errors = {str(a): np.mean((linear_model.Ridge(alpha=a).fit(unit[:8], delta[:8]).predict(unit[8:10]) - delta[8:10]) ** 2)
              for a in [0.1, 1.0, 10.0]}
    # Training: control and the first ten; the perturbed gene of target i is gene i.
    k, lam = 4, 0.1
    x = np.vstack([c, y[:10]]).T
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    g = u[:, :k] * s[:k]
    change = x - c[:, None]
    b = change.mean(1, keepdims=True)
    p = np.hstack([np.zeros((k, 1)), g[:10].T])
    inv = lambda m: np.linalg.inv(m + lam * np.eye(k))
    coef = inv(g.T @ g) @ g.T @ (change - b) @ p.T @ inv(p @ p.T)
    bilinear = [g @ coef @ g[t] + b[:, 0] + c for t in (10, 11)]
    return {"vectors": vectors, "ridge": ridge, "errors": errors, "bilinear": bilinear}


def significance():
    rng = np.random.default_rng(11)
    few, many = np.round(rng.normal(0.3, 1, 12), 3), np.round(rng.normal(0.15, 1, 60), 2)
    exact = stats.permutation_test((few,), np.mean, permutation_type="samples", n_resamples=np.inf)
    drawn = (rng.integers(0, 2, (1_000_000, len(many)), dtype=np.int8) * 2 - 1) @ many
    ties = np.array([1.0, -1.0, 2.0, 0.0, 3.0, 3.0, -2.0, 4.0, 5.0, 1.0, 2.0, -0.5])
    residuals = np.abs(np.round(rng.normal(0, 1, (19, 4)), 3))
    level = np.sort(residuals, axis=0)[int(np.ceil(20 * 0.9)) - 1]
    return {
        "few": few, "many": many, "ties": ties,
        "wilcoxon_few": stats.wilcoxon(few, method="exact").pvalue,
        "wilcoxon_many": stats.wilcoxon(many, method="approx", correction=False).pvalue,
        "wilcoxon_ties": stats.wilcoxon(ties, method="approx", correction=False).pvalue,
        "flips_few": exact.pvalue,
        "flips_many": (np.abs(drawn) >= abs(many.sum()) - 1e-9).mean(),
        "bootstrap_many": list(stats.bootstrap((many,), np.mean, n_resamples=20000, method="percentile", rng=1).confidence_interval),
        "residuals": residuals, "half_widths": level,
    }


def main():
    control, measured, predicted = screen()
    versions = {n: importlib.metadata.version(n) for n in ["scanpy", "cell-eval", "pdex", "cell-gears", "scipy", "scikit-learn"]}
    out = {
        "versions": versions,
        "control": control.tolist(),
        "measured": [m.tolist() for m in measured],
        "predicted": [m.tolist() for m in predicted],
        "cell_eval": cell_eval(control, measured, predicted),
        **formulas(control, measured, predicted),
        "baselines": baselines(measured, control),
        "significance": significance(),
        "gears": gears(control, measured, predicted),
    }
    path = pathlib.Path(__file__).with_name("metrics.json")
    path.write_text(json.dumps(listed(out), separators=(",", ":")) + "\n")


main()
