"""Makes tests/golden/scanpy_map.json: scores, tails and maps by scanpy, scikit-learn, scipy, leidenalg and umap-learn.

    pip install scanpy==1.11.5 leidenalg igraph && python tests/golden/scanpy_map.py ../shared/data

Numbers of two public files, no cells: PBMC 68k (700 cells; its own principal components) and Kang (1,556 cells).
Leiden and UMAP depend on the machine in their last digits and on the seed in more: several seeds are run, and what is
written is their quality (modularity, trustworthiness) and how far they agree with each other.
"""

import importlib.metadata
import json
import pathlib
import sys
import warnings

import anndata
import numpy as np
import scanpy
import scipy.sparse
from scipy import stats
from sklearn.manifold import trustworthiness
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
    silhouette_samples,
    silhouette_score,
)

warnings.filterwarnings("ignore")
here = pathlib.Path(__file__).parent
folder = pathlib.Path(sys.argv[1])


def numbers(values, digits=12):
    out = []
    for value in np.asarray(values, dtype=np.float64).ravel():
        if np.isfinite(value):
            out.append(int(value) if value == int(value) and abs(value) < 1e9 else float(f"{value:.{digits}g}"))
        else:
            out.append(str(value))
    return out


def tails():
    t = [[x, df] for df in [1, 2.5, 30.7, 1500.3, 2e4, 3e5] for x in [0.1, 1, 1.75, 5, 20, 37]]
    t += [[60, 40], [105, 400.5], [1e4, 75.2], [50, 1e3]]
    z = [0, 0.1, 0.7, 1.96, 5, 12, 20, 30, 36, 37, 37.5]
    return {
        "t": t,
        "t_p": numbers([2 * stats.t.sf(x, df) for x, df in t]),
        "z": z,
        "z_p": numbers([2 * stats.norm.sf(x) for x in z]),
    }


def agreement():
    rng = np.random.default_rng(1)
    out = []
    cases = [(50, 3, 4, 0.5), (200, 10, 7, 0.1), (200, 5, 5, 0.95), (30, 1, 3, 0), (12, 12, 3, 0.3)]
    for n, n_one, n_other, share in cases:
        one = rng.integers(0, n_one, n)
        other = np.where(rng.random(n) < share, one % n_other, rng.integers(0, n_other, n))
        out.append({
            "one": one.tolist(),
            "other": other.tolist(),
            "nmi": normalized_mutual_info_score(one, other),
            "ari": adjusted_rand_score(one, other),
        })
    return out


def silhouettes():
    rng = np.random.default_rng(2)
    labels = np.r_[np.arange(4), rng.integers(0, 3, 56)]
    rows = np.round(rng.normal(0, 1, (60, 5)) + labels[:, None] * [1, 0, -0.5, 0, 2], 3)
    values = silhouette_samples(rows, labels)
    return {"rows": rows.ravel().tolist(), "n_columns": 5, "labels": labels.tolist(), "values": numbers(values)}


def modularity(links, labels, resolution=1.0):
    links = scipy.sparse.csr_matrix(links, dtype=np.float64)
    total, degrees = links.sum(), np.asarray(links.sum(axis=1)).ravel()
    quality = 0.0
    for label in np.unique(labels):
        inside = labels == label
        quality += links[inside][:, inside].sum() / total - resolution * (degrees[inside].sum() / total) ** 2
    return quality


def pbmc():
    data = anndata.read_h5ad(folder / "cells/pbmc68k_reduced.h5ad")
    labels = data.obs["bulk_labels"].cat.codes.to_numpy()
    rows = data.obsm["X_pca"]
    del data.obsp, data.uns["neighbors"]
    scanpy.pp.neighbors(data, n_neighbors=15)
    links = data.obsp["connectivities"]
    weights = np.asarray(links.sum(axis=1)).ravel()
    out = {"labels": labels.tolist(), "n_links": int(links.nnz), "weight_of_cells": numbers(weights, 9)}
    out["distance_to_last"] = numbers(data.obsp["distances"].max(axis=1).toarray(), 9)
    out["silhouette"] = float(silhouette_score(rows, labels))
    out["leiden"], by_resolution = [], {}
    for resolution in [0.3, 1.0, 2.0]:
        found = []
        for seed in range(5):
            scanpy.tl.leiden(data, resolution=resolution, random_state=seed)
            found.append(data.obs["leiden"].astype(int).to_numpy())
        by_resolution[resolution] = found
        agreeing = [adjusted_rand_score(found[0], other) for other in found[1:]]
        out["leiden"].append({
            "resolution": resolution,
            "labels": found[0].tolist(),
            "modularity": [modularity(links, one, resolution) for one in found],
            "ari_between_seeds": agreeing,
        })
    # scib's: Leiden at ten resolutions, the one of highest NMI.
    best = max(
        (normalized_mutual_info_score(labels, one), -resolution, adjusted_rand_score(labels, one))
        for resolution in np.round(np.arange(1, 11) * 0.2, 1)
        for one in [scanpy.tl.leiden(data, resolution=resolution, copy=True).obs["leiden"].to_numpy()]
    )
    out["scib"] = {"nmi": best[0], "ari": best[2], "asw": (out["silhouette"] + 1) / 2}
    out["trustworthiness"] = []
    for seed in range(3):
        scanpy.tl.umap(data, random_state=seed)
        out["trustworthiness"].append(float(trustworthiness(rows, data.obsm["X_umap"], n_neighbors=15)))
    # A layout of all cells by the first two components, for the score itself.
    out["trustworthiness_of_two_components"] = float(trustworthiness(rows, rows[:, :2], n_neighbors=15))
    return out


def curves():
    from umap.umap_ import find_ab_params

    return [
        {"spread": spread, "min_dist": min_dist, "a_b": numbers(find_ab_params(spread, min_dist))}
        for spread, min_dist in [(1.0, 0.5), (1.0, 0.1), (1.0, 0.001), (2.0, 0.5), (1.5, 1.0)]
    ]


def kang():
    data = anndata.read_h5ad(folder / "cells/muscat_example_kang_1556cells_1267genes_celltypes_counts.h5ad")
    # Not divided by library sizes: whether two quotients are a tie would be decided by the last bit of f32.
    scanpy.pp.log1p(data)
    data.X = data.X.astype(np.float64)
    key = next(name for name in data.obs if data.obs[name].nunique() == 5)
    out = {"column": key, "groups": [str(name) for name in data.obs[key].cat.categories], "every": 15, "found": []}
    for test in ["t-test", "wilcoxon", "wilcoxon_tie"]:
        scanpy.tl.rank_genes_groups(data, key, method=test.replace("_tie", ""), tie_correct=test.endswith("tie"))
        found = data.uns["rank_genes_groups"]
        group = out["groups"][0]
        by_gene = {name: at for at, name in enumerate(data.var_names)}
        order = [by_gene[name] for name in found["names"][group]]
        at = np.argsort(order)[:: out["every"]]
        out["found"].append({
            "test": test,
            "first": order[:20],
            "scores": numbers(found["scores"][group][at], 9),
            "p": numbers(found["pvals"][group][at]),
            "p_adjusted": numbers(found["pvals_adj"][group][at]),
            "log_fold_changes": numbers(found["logfoldchanges"][group][at], 9),
            "least_p": float(found["pvals"][group].min()),
        })
    return out


packages = ["scanpy", "scikit-learn", "scipy", "leidenalg", "igraph", "umap-learn"]
out = {"versions": {name: importlib.metadata.version(name) for name in packages}}
out["tails"], out["agreement"], out["silhouette"], out["curves"] = tails(), agreement(), silhouettes(), curves()
out["pbmc"], out["kang"] = pbmc(), kang()
(here / "scanpy_map.json").write_text(json.dumps(out) + "\n")
