"""Writes an h5ad of a million cells by 30,000 genes, a twentieth of them above 0: 1.5e9 values in 4 to 6 GB.

    python3 benches/million.py OUT.h5ad [cells]

Each cell has one gene of every twenty, drawn evenly, and a count that halves in share from one to the next. Written in
pieces of 2,000 cells as anndata would write it: CSR, uint16 values and int32 indices in gzip, level 1, chunks as h5py
chooses them. Needs h5py and numpy. `million_cells` in tests/memory.rs reads it.
"""

import sys

import h5py
import numpy as np

N_GENES, SLOT, PIECE, N_LABELS = 30_000, 20, 2_000, 200


def main(path, n_cells):
    rng = np.random.default_rng(0)
    per_cell = N_GENES // SLOT
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        x = file.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [n_cells, N_GENES]})
        n_values = n_cells * per_cell
        gzip = {"compression": "gzip", "compression_opts": 1}
        x.create_dataset("indptr", data=np.arange(n_cells + 1, dtype=np.int64) * per_cell, **gzip)
        indices = x.create_dataset("indices", (n_values,), np.int32, **gzip)
        values = x.create_dataset("data", (n_values,), np.uint16, **gzip)
        slots = np.arange(0, N_GENES, SLOT, dtype=np.int32)
        for start in range(0, n_cells, PIECE):
            n = min(PIECE, n_cells - start)
            place = slice(start * per_cell, (start + n) * per_cell)
            indices[place] = (slots + rng.integers(0, SLOT, (n, per_cell), dtype=np.int32)).ravel()
            values[place] = np.minimum(rng.geometric(0.5, n * per_cell), 60_000).astype(np.uint16)
        for name, index in [("obs", [f"cell{cell}" for cell in range(n_cells)]), ("var", [f"G{gene}" for gene in range(N_GENES)])]:
            frame = file.create_group(name)
            columns = ["perturbation"] if name == "obs" else []
            frame.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
            frame.attrs["column-order"] = np.array(columns, dtype=text)
            frame.create_dataset("_index", data=np.array(index, dtype=object), dtype=text, **gzip)
        labels = file["obs"].create_group("perturbation")
        labels.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": False})
        names = ["control"] + [f"P{label}" for label in range(1, N_LABELS)]
        labels.create_dataset("categories", data=np.array(names, dtype=object), dtype=text)
        labels.create_dataset("codes", data=rng.integers(0, N_LABELS, n_cells, dtype=np.int16), **gzip)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
