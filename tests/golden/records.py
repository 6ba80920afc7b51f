"""Makes tests/golden/records.h5ad: what our own writer cannot make. Half floats, and records with text of variable
length and big-endian numbers, as AnnData before 0.7 could leave them.

    pip install h5py && python tests/golden/records.py
"""

import pathlib

import h5py
import numpy as np

CELLS, GENES = 7, 5


def value(cell, gene):
    """The matrix of tests/suite/readers/build.rs."""
    if cell == 3 or gene == 2 or (cell + 2 * gene) % 3 == 0:
        return 0
    return 1 + (cell * 7 + gene * 3) % 11


text = h5py.string_dtype()
obs = np.zeros(CELLS, dtype=[("index", text), ("condition", text), ("score", ">f4"), ("batch", ">i2")])
for cell in range(CELLS):
    obs[cell] = (f"cell{cell}", ["control", "grün"][cell % 2], cell / 2, cell % 2 - 1)
var = np.zeros(GENES, dtype=[("index", text)])
for gene, name in enumerate(["STAT1", "JAK2", "MT-CO1", "IFNGR1", "GAPDH"]):
    var[gene] = (name,)
matrix = np.array([[value(cell, gene) for gene in range(GENES)] for cell in range(CELLS)], dtype="f2")

with h5py.File(pathlib.Path(__file__).with_name("records.h5ad"), "w") as file:
    file.create_dataset("X", data=matrix)
    file.create_dataset("obs", data=obs)
    file.create_dataset("var", data=var)
