"""Makes tests/golden/scanpy_parity.json: what scanpy makes of one seeded matrix, from quality to markers.

    pip install scanpy==1.11.5 scikit-misc==0.5.3 && python tests/golden/scanpy_parity.py

The matrix and the names of the 92 checks are those of the specification's generator, which compares its own formulas with
scanpy; here scanpy's numbers are written down, for tests/suite/scanpy_parity.rs to compare ours with. 120 cells by 80
genes, groups of 40, a gene without counts, a cell with five counts. Of four matrices that are long to write every
`every`-th cell is kept.
"""

import importlib.metadata
import json
import pathlib
import warnings

import anndata
import numpy as np
import scanpy

warnings.filterwarnings("ignore")
here = pathlib.Path(__file__).parent
CELLS, GENES, EVERY = 120, 80, 6


def number(value, digits):
    if not np.isfinite(value):
        return str(value)
    return int(value) if value == int(value) and abs(value) < 1e9 else float(f"{value:.{digits}g}")


def numbers(values, digits=9):
    """Nine digits, two more than f32 holds; what JSON has no word for is spelled out."""
    return [number(value, digits) for value in np.asarray(values, dtype=np.float64).ravel()]


def matrix():
    rng = np.random.default_rng(7)
    mean = np.exp(rng.normal(0, 1.3, GENES))
    library = np.exp(rng.normal(0, 0.4, CELLS))
    fold = np.ones((CELLS, GENES))
    fold[40:80, :10] *= 3
    fold[80:, 5:15] *= 0.3
    counts = rng.negative_binomial(2, 2 / (2 + mean * library[:, None] * fold)).astype(np.float32)
    counts[:, 77] = 0
    counts[3] = 0
    counts[3, :5] = 1
    return counts


def prepared(data, out):
    obs, var = scanpy.pp.calculate_qc_metrics(data, qc_vars=["mt"], percent_top=[20, 50])
    out["qc.n_genes"] = numbers(obs["n_genes_by_counts"])
    out["qc.total"] = numbers(obs["total_counts"])
    out["qc.pct_top20"] = numbers(obs["pct_counts_in_top_20_genes"])
    out["qc.pct_mt"] = numbers(obs["pct_counts_mt"])
    out["qc.dropout"] = numbers(var["pct_dropout_by_counts"])
    scaled = data.copy()
    scanpy.pp.normalize_total(scaled, target_sum=1e4)
    out["norm.1e4"] = numbers(scaled.X[::EVERY])
    logged = data.copy()
    scanpy.pp.normalize_total(logged)
    out["norm.median"] = numbers(logged.X[::EVERY])
    scanpy.pp.log1p(logged)
    out["log1p"] = numbers(logged.X)
    for flavor in ["seurat", "cell_ranger"]:
        for top in [20, None]:
            wide = logged.copy()
            wide.X = wide.X.astype(np.float64)
            scanpy.pp.highly_variable_genes(wide, flavor=flavor, **({"n_top_genes": top} if top else {}))
            out[f"hvg.{flavor}.{top}.means"] = numbers(wide.var["means"])
            out[f"hvg.{flavor}.{top}.dispnorm"] = numbers(wide.var["dispersions_norm"])
            out[f"hvg.{flavor}.{top}.sel"] = np.flatnonzero(wide.var["highly_variable"]).tolist()
    wide = data.copy()
    wide.X = wide.X.astype(np.float64)
    scanpy.pp.highly_variable_genes(wide, flavor="seurat_v3", n_top_genes=20)
    out["hvg.v3.varnorm"] = numbers(wide.var["variances_norm"])
    out["hvg.v3.sel"] = np.flatnonzero(wide.var["highly_variable"]).tolist()
    standard = logged.copy()
    scanpy.pp.scale(standard, max_value=2.0)
    out["scale"] = numbers(standard.X[::EVERY])
    return logged


def mapped(logged, out):
    data = logged.copy()
    data.X = data.X.astype(np.float64)
    scanpy.pp.pca(data, n_comps=10)
    out["pca.abs"] = numbers(data.obsm["X_pca"])
    out["pca.var"] = numbers(data.uns["pca"]["variance"])
    out["pca.ratio"] = numbers(data.uns["pca"]["variance_ratio"])
    scanpy.pp.neighbors(data, n_neighbors=15)
    links = data.obsp["connectivities"].tocsr()
    links.sort_indices()
    out["neighbors.connect"] = {
        "starts": links.indptr.tolist(),
        "columns": links.indices.tolist(),
        "weights": numbers(links.data),
    }
    out["neighbors.nnz"] = np.asarray((data.obsp["distances"] > 0).sum(axis=1)).ravel().tolist()


def marked(logged, out):
    for test in ["t-test", "t-test_overestim_var", "wilcoxon", "wilcoxon_tie"]:
        for reference in ["ctrl", "rest"]:
            data = logged.copy()
            data.X = data.X.astype(np.float64)
            method, ties = test.replace("_tie", ""), test.endswith("tie")
            scanpy.tl.rank_genes_groups(
                data, "g", method=method, reference=reference, tie_correct=ties, n_genes=GENES, rankby_abs=True
            )
            found = data.uns["rank_genes_groups"]
            for group in ["A", "B"]:
                name = f"rgg.{test}.{reference}.{group}"
                order = [int(gene[1:]) for gene in found["names"][group]]
                by_gene = np.argsort(order)
                out[f"{name}.order"] = order
                out[f"{name}.score"] = numbers(found["scores"][group][by_gene])
                out[f"{name}.p"] = numbers(found["pvals"][group][by_gene])
                out[f"{name}.padj"] = numbers(found["pvals_adj"][group][by_gene])
                out[f"{name}.lfc"] = numbers(found["logfoldchanges"][group][by_gene])


counts = matrix()
data = anndata.AnnData(counts.copy())
data.obs["g"] = np.repeat(["ctrl", "A", "B"], 40)
data.var_names = [f"g{gene}" for gene in range(GENES)]
data.var["mt"] = np.arange(GENES) < 4
out = {"versions": {name: importlib.metadata.version(name) for name in ["scanpy", "scikit-misc", "numpy", "scipy"]}}
out["every"], out["n_genes"], out["counts"] = EVERY, GENES, counts.astype(int).ravel().tolist()
logged = prepared(data, out)
mapped(logged, out)
marked(logged, out)
(here / "scanpy_parity.json").write_text(json.dumps(out) + "\n")
