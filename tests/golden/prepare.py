"""Makes tests/golden/prepare.json: scanpy's quality metrics, normalize_total and log1p on a small matrix.

    pip install scanpy==1.11.5 && python tests/golden/prepare.py
"""

import importlib.metadata
import json
import pathlib

import anndata
import numpy as np
import scanpy
import scipy.sparse

CELLS, GENES = 7, 6
# The matrix that tests/suite/prepare.rs builds; cell 3 is empty.
dense = np.array(
    [
        [0 if cell == 3 or (cell + 2 * gene) % 3 == 0 else (cell * cell * 5 + gene * 7) % 23 + 1 for gene in range(GENES)]
        for cell in range(CELLS)
    ],
    dtype=np.float32,
)
names = ["STAT1", "MT-CO1", "JAK2", "mt-Nd1", "MTOR", "GAPDH"]
sizes = np.array([100, 250, 75.5, 10, 1000, 33, 60], dtype=np.float64)


def cells():
    data = anndata.AnnData(scipy.sparse.csr_matrix(dense))
    data.var_names = names
    return data


qc = cells()
qc.var["mt"] = [name.startswith(("MT-", "mt-")) for name in names]
scanpy.pp.calculate_qc_metrics(qc, qc_vars=["mt"], percent_top=None, log1p=False, inplace=True)

out = {
    "scanpy": importlib.metadata.version("scanpy"),
    "total_counts": qc.obs["total_counts"].tolist(),
    "n_genes_by_counts": qc.obs["n_genes_by_counts"].tolist(),
    "pct_counts_mt": [None if np.isnan(x) else x for x in qc.obs["pct_counts_mt"].tolist()],
}
for key, target in [("median", None), ("ten_thousand", 1e4)]:
    data = cells()
    # scanpy 1.11 takes the median over the cells above 0 where X is dense, but over all cells where it is CSR: dense is
    # what its documentation says.
    data.X = dense.copy()
    scanpy.pp.normalize_total(data, target_sum=target)
    out[f"normalize_total_{key}"] = data.X.ravel().tolist()
    scanpy.pp.log1p(data)
    out[f"log1p_{key}"] = data.X.ravel().tolist()
# scanpy takes no library sizes: the same arithmetic, in numpy.
out["by_library_size"] = (dense * (1e4 / sizes)[:, None]).ravel().tolist()

path = pathlib.Path(__file__).with_name("prepare.json")
path.write_text(json.dumps(out, indent=1) + "\n")
