"""Writes an h5ad of a million cells by 24 genes in eight kinds, for `benches/map.mjs`: what is measured is the map.

    python3 benches/million_map.py OUT.h5ad [cells]

Counts are Poisson, 3 genes of each kind high; labels in `obs` name the kind. Needs anndata, numpy and scipy.
"""

import sys

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

N_GENES, N_KINDS = 24, 8


def main(path, n_cells):
    rng = np.random.default_rng(0)
    kind = rng.integers(0, N_KINDS, n_cells)
    rate = np.full((N_KINDS, N_GENES), 0.3)
    for at in range(N_KINDS):
        rate[at, 3 * at : 3 * at + 3] = 6.0
    counts = rng.poisson(rate[kind] * rng.lognormal(0, 0.4, n_cells)[:, None]).astype(np.float32)
    obs = pd.DataFrame({"kind": pd.Categorical([f"kind {at}" for at in kind])}, index=[f"c{at}" for at in range(n_cells)])
    # The model of the built-in example refuses cells that share no gene with it.
    names = ["STAT1", "JAK2", "IRF1", "CD274"] + [f"G{at}" for at in range(4, N_GENES)]
    var = pd.DataFrame(index=names)
    anndata.AnnData(sparse.csr_matrix(counts), obs, var).write_h5ad(path, compression="gzip")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
