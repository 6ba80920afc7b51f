"""Makes tests/golden/scanpy_prepare.json: what scanpy makes of a small seeded matrix, step by step.

    pip install scanpy==1.11.5 scikit-misc==0.5.3 && python tests/golden/scanpy_prepare.py [../shared/data]

With the folder of public data it also makes tests/golden/scanpy_prepare_kang.json: numbers, not cells, of one public file.

The matrix holds what steps stumble over: a gene without counts, one that a batch lacks, one that is the same in all
cells, two that are equal, one so high that it is alone in its bin, and a cell with five counts. Logged values are f32 as
in any scanpy session, but enter the choice of genes as f64: scanpy would else take exp(x) - 1 in f32 (7 digits), and
the difference of two such logarithms would decide the tolerance. For seurat_v3 scanpy ranks by a sort that is not
stable, so that equal genes come in no order that holds; here it is told to keep the order of the columns.
"""

import importlib.metadata
import json
import pathlib
import sys
import unittest.mock
import warnings

import anndata
import numpy as np
import pandas
import scanpy
import scipy.sparse
from scipy.stats import median_abs_deviation
from skmisc.loess import loess

warnings.filterwarnings("ignore")
here = pathlib.Path(__file__).parent
CELLS, GENES = 90, 160
COLUMNS = ["means", "dispersions", "dispersions_norm", "variances", "variances_norm", "highly_variable_rank"]


def numbers(values):
    """Nine digits, two more than f32 holds; what JSON has no word for is spelled out."""
    out = []
    for value in np.asarray(values, dtype=np.float64).ravel():
        if np.isfinite(value):
            out.append(int(value) if value == int(value) and abs(value) < 1e9 else float(f"{value:.9g}"))
        else:
            out.append(str(value))
    return out


def small_matrix():
    rng = np.random.default_rng(20)
    mean = np.exp(rng.normal(0, 1.3, GENES))
    library = np.exp(rng.normal(0, 0.4, CELLS))
    fold = np.ones((CELLS, GENES))
    fold[45:, :25] *= 4
    fold[20:60, 25:40] *= 0.2
    expected = mean * library[:, None] * fold
    counts = rng.negative_binomial(2, 2 / (2 + expected))
    counts[:, 150] = 0
    counts[45:, 151] = 0
    counts[:, 152] = 3
    counts[:, 154] = counts[:, 153]
    counts[:, 155] = rng.poisson(900, CELLS)
    counts[7] = 0
    counts[7, :5] = 1
    return counts


def names():
    out = [f"G{gene:03}" for gene in range(GENES)]
    out[:4] = ["MT-CO1", "MT-ND1", "MT-CYB", "MT-ATP6"]
    out[10:13] = ["RPS3", "RPL13A", "RPS6KA1"]
    out[20:23] = ["HBA1", "HBB", "HBP1"]
    return out


def sets(var_names):
    return {
        "mt": var_names.str.startswith("MT-"),
        "ribo": var_names.str.startswith(("RPS", "RPL")),
        "hb": var_names.str.contains("^HB[^P]"),
    }


def quality(data, tops):
    for name, is_in in sets(data.var_names).items():
        data.var[name] = is_in
    obs, var = scanpy.pp.calculate_qc_metrics(data, qc_vars=["mt", "ribo", "hb"], percent_top=tops)
    return obs, var


def outliers(obs):
    """https://www.sc-best-practices.org/preprocessing_visualization/quality_control.html, one side each."""
    out = {}
    any_removed = np.zeros(len(obs), dtype=bool)
    for column, n_mads in [("log1p_total_counts", -5), ("log1p_n_genes_by_counts", -5), ("pct_counts_mt", 3)]:
        values = obs[column].to_numpy(dtype=np.float64)
        median, mad = np.median(values), median_abs_deviation(values)
        bound = median + n_mads * mad
        removed = values < bound if n_mads < 0 else values > bound
        any_removed |= removed
        out[column] = {"median": median, "mad": mad, "bound": bound, "n_removed": int(removed.sum())}
    out["n_removed"] = int(any_removed.sum())
    return out


def variable(data, batch_key=None, every=1, **config):
    data = data.copy()
    argsort = np.argsort
    with unittest.mock.patch("numpy.argsort", lambda values, axis=-1: argsort(values, axis=axis, kind="stable")):
        scanpy.pp.highly_variable_genes(data, batch_key=batch_key, **config)
    out = {"config": config, "batches": batch_key is not None}
    out["highly_variable"] = np.flatnonzero(data.var["highly_variable"]).tolist()
    for column in COLUMNS:
        if column in data.var:
            out[column] = numbers(data.var[column].to_numpy()[::every])
    if batch_key is not None:
        out["highly_variable_nbatches"] = numbers(data.var["highly_variable_nbatches"].to_numpy()[::every])
    return out


def curves():
    rng = np.random.default_rng(3)
    out = []
    # Few points; many points in few places, as the means of small counts are; a bend between dense and sparse parts.
    for n, digits, span in [(14, 3, 0.3), (60, 1, 0.3), (250, 2, 0.3), (700, 3, 0.3), (120, 2, 0.75), (80, 2, 0.07)]:
        x = np.round(np.concatenate([rng.normal(0, 1, n - n // 4), rng.uniform(-3, 5, n // 4)]), digits)
        y = np.round(np.sin(x) + 0.3 * x + rng.normal(0, 0.2, n), 4)
        model = loess(x, y, span=span, degree=2)
        model.fit()
        out.append({"span": span, "x": x.tolist(), "y": y.tolist(), "fitted": numbers(model.outputs.fitted_values)})
    return out


def small():
    dense = small_matrix()
    batch = np.where(np.arange(CELLS) % 45 < 20, "b1", "b2")
    batch[45:] = np.where(np.arange(45) % 3 == 0, "b1", "b2")
    # The gene that b2 lacks.
    dense[batch == "b2", 151] = 0

    def cells(dtype=np.float32, sparse=True):
        x = dense.astype(dtype)
        data = anndata.AnnData(scipy.sparse.csr_matrix(x) if sparse else x)
        data.var_names = names()
        data.obs["batch"] = pandas.Categorical(batch)
        return data

    out = {"versions": {name: importlib.metadata.version(name) for name in ["scanpy", "scikit-misc", "numpy", "pandas"]}}
    out["n_genes"], out["counts"], out["names"], out["batch"] = GENES, dense.ravel().tolist(), names(), batch.tolist()
    obs, var = quality(cells(), [20, 50, 100])
    out["obs"] = {column: numbers(obs[column]) for column in obs}
    out["var"] = {column: numbers(var[column]) for column in var}
    out["outliers"] = outliers(obs)

    out["filter_cells"], out["filter_genes"] = [], []
    for bounds in [{"min_counts": 400}, {"max_counts": 900}, {"min_genes": 80}, {"max_genes": 100}]:
        kept, _ = scanpy.pp.filter_cells(cells().X, **bounds)
        out["filter_cells"].append({"bounds": bounds, "kept": np.flatnonzero(kept).tolist()})
    for bounds in [{"min_counts": 60}, {"max_counts": 90}, {"min_cells": 40}, {"max_cells": 89}, {"min_cells": 1}]:
        kept, _ = scanpy.pp.filter_genes(cells().X, **bounds)
        out["filter_genes"].append({"bounds": bounds, "kept": np.flatnonzero(kept).tolist()})

    out["normalize"] = []
    for config in [
        {},
        {"target_sum": 1e4},
        {"exclude_highly_expressed": True},
        {"exclude_highly_expressed": True, "max_fraction": 0.2, "target_sum": 1e3},
    ]:
        data = cells(sparse=False)
        norm = scanpy.pp.normalize_total(data, inplace=False, **config)
        out["normalize"].append({"config": config, "row_5": numbers(norm["X"][5]), "row_7": numbers(norm["X"][7])})

    logged = cells(sparse=False)
    scanpy.pp.normalize_total(logged, target_sum=1e4)
    scanpy.pp.log1p(logged)
    del logged.uns["log1p"]
    logged.X = logged.X.astype(np.float64)
    out["log1p_row_5"] = numbers(logged.X[5])
    counts = cells(np.float64)
    based = logged.copy()
    based.X = based.X / np.log(2)
    based.uns["log1p"] = {"base": 2}
    dispersion = [{}, {"n_top_genes": 25}, {"min_mean": 0.5, "max_mean": 5.5, "min_disp": 0.2, "max_disp": 2.0}]
    out["variable"] = []
    for flavor in ["seurat", "cell_ranger"]:
        for config in dispersion + [{"n_top_genes": 500}]:
            for key in [None, "batch"]:
                out["variable"].append(variable(logged, key, flavor=flavor, **config))
    out["variable"].append(variable(logged, flavor="seurat", n_bins=5))
    out["variable_base_2"] = variable(based, flavor="seurat", n_top_genes=25)
    for flavor in ["seurat_v3", "seurat_v3_paper"]:
        for key in [None, "batch"]:
            out["variable"].append(variable(counts, key, flavor=flavor, n_top_genes=30))
    out["variable"].append(variable(counts, flavor="seurat_v3", n_top_genes=30, span=0.6))

    out["scale"] = []
    for config in [{}, {"max_value": 1.5}, {"zero_center": False}, {"zero_center": False, "max_value": 1.5}]:
        data = logged.copy()
        if not config.get("zero_center", True):
            data.X = scipy.sparse.csr_matrix(data.X)
        scanpy.pp.scale(data, **config)
        x = data.X.toarray() if scipy.sparse.issparse(data.X) else data.X
        # Genes out of order, the gene without counts and the constant one among them.
        genes = [30, 5, 150, 152, 155]
        out["scale"].append({"config": config, "genes": genes, "values": numbers(x[:, genes])})
    out["loess"] = curves()
    (here / "scanpy_prepare.json").write_text(json.dumps(out) + "\n")


def kang(folder):
    every = 20
    data = anndata.read_h5ad(folder / "cells/muscat_example_kang_1556cells_1267genes_celltypes_counts.h5ad")
    out = {"every": every, "batch_column": "sample"}
    obs, var = quality(data.copy(), [50, 100, 200, 500])
    out["obs"] = {column: numbers(obs[column][::every]) for column in obs}
    out["var"] = {column: numbers(var[column][::every]) for column in var}
    out["outliers"] = outliers(obs.fillna(0))
    logged = data.copy()
    scanpy.pp.normalize_total(logged, target_sum=1e4)
    scanpy.pp.log1p(logged)
    key = out["batch_column"]
    # Here logged values are f32 throughout, as in any scanpy session.
    out["variable"] = [variable(logged, None, every, flavor="seurat")]
    for flavor in ["seurat", "cell_ranger"]:
        for batch_key in [None, key]:
            out["variable"].append(variable(logged, batch_key, every, flavor=flavor, n_top_genes=300))
    for flavor in ["seurat_v3", "seurat_v3_paper"]:
        for batch_key in [None, key]:
            out["variable"].append(variable(data, batch_key, every, flavor=flavor, n_top_genes=300))
    (here / "scanpy_prepare_kang.json").write_text(json.dumps(out) + "\n")


small()
if len(sys.argv) > 1:
    kang(pathlib.Path(sys.argv[1]))
