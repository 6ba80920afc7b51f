"""Makes tests/golden/splits.json: draws of NumPy's legacy generator, the splits
of GEARS' own code, and the folds of scikit-learn.

    pip install numpy==2.4.6 pandas==2.3.3 scanpy==1.11.5 && pip install --no-deps cell-gears==0.1.2
    python tests/golden/splits.py

Of GEARS only `gears.data_utils` is loaded, so that nothing it needs for its model (torch) has to be installed.
"""

import importlib.metadata
import importlib.util
import json
import pathlib
import sys
import types
from unittest import mock

import numpy as np
import pandas as pd
import scanpy  # noqa: F401  (before torch is stood in for: scipy asks what it is)
from sklearn.model_selection import KFold


def splitter():
    places = importlib.util.find_spec("gears").submodule_search_locations
    package = types.ModuleType("gears")
    package.__path__ = list(places)
    sys.modules["gears"] = package
    for name in ["torch", "torch_geometric", "torch_geometric.data", "tqdm", "requests", "networkx", "dcor"]:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = mock.MagicMock()
    return importlib.import_module("gears.data_utils").DataSplitter


class Cells:
    """What DataSplitter looks at of an AnnData."""

    def __init__(self, conditions):
        self.obs = pd.DataFrame({"condition": conditions})


def gene(number):
    return f"{'KLMNABCDEF'[number % 10]}GENE{number * 7919 % 1000}"


def singles(n_genes):
    """In no order, and with the control on either side."""
    order = [(number * 37 + 11) % n_genes for number in range(n_genes)]
    return [f"{gene(at)}+ctrl" if at % 3 else f"ctrl+{gene(at)}" for at in order]


def doubles(n_genes, n_pairs):
    pairs = []
    for number in range(n_pairs):
        a, b = (number * 13 + 5) % n_genes, (number * number * 3 + 7 * number + 1) % n_genes
        if a != b and f"{gene(a)}+{gene(b)}" not in pairs:
            pairs.append(f"{gene(a)}+{gene(b)}")
    return pairs


def mixed(n_genes, n_pairs):
    """Singles and doubles by turns, the control somewhere inside."""
    left, right = singles(n_genes), doubles(n_genes, n_pairs)
    out = []
    for at in range(max(len(left), len(right))):
        out += left[at : at + 1] + right[at : at + 1]
    return out[:5] + ["ctrl"] + out[5:]


def split(kind, conditions, seed, **asked):
    cells = Cells(conditions)
    if kind == "no_split":
        cells.obs["split"] = "test"
        result = cells
    else:
        seen = int(kind[-1]) if kind.startswith("combo_seen") else 0
        type_ = "combo" if kind.startswith("combo_seen") else kind
        result = DataSplitter(cells, split_type=type_, seen=seen).split_data(seed=seed, **asked)
    subgroups = {}
    if isinstance(result, tuple):
        result, of_split = result
        subgroups = {name: [str(x) for x in members] for name, members in of_split["test_subgroup"].items()}
    column = result.obs["split"]
    parts = {"val": [], "test": [], "left_out": []}
    for condition, part in zip(result.obs["condition"], column):
        if part != "train":
            parts["left_out" if pd.isna(part) else part].append(str(condition))
    return {"kind": kind, "seed": seed, "asked": asked, **parts, "subgroups": subgroups}


DataSplitter = splitter()
out = {"numpy": np.__version__, "gears": importlib.metadata.version("cell-gears"), "draws": [], "sets": {}, "splits": [], "folds": []}
for seed, n, k in [(0, 1, 1), (0, 2, 2), (1, 3, 2), (7, 64, 64), (7, 65, 30), (42, 1000, 20), (4294967295, 257, 40)]:
    np.random.seed(seed)
    without = np.random.choice(n, k, replace=False).tolist()
    # Not seeded again: the second draw goes on where the first ended.
    with_ = np.random.choice(n, k).tolist()
    out["draws"].append({"seed": seed, "n": n, "k": k, "without": without, "with": with_})
out["sets"] = {
    "mixed": mixed(40, 60),
    "singles": singles(101) + ["ctrl"],
    "few": ["ctrl", "B+ctrl", "A+ctrl", "ctrl+C", "A+B", "B+C"],
}
for seed in [1, 2, 1337]:
    for kind in ["simulation", "combo_seen0", "combo_seen1", "combo_seen2", "single", "single_only", "no_test", "no_split"]:
        out["splits"].append({"set": "mixed"} | split(kind, out["sets"]["mixed"], seed))
    for kind in ["simulation", "simulation_single", "single", "no_test"]:
        out["splits"].append({"set": "singles"} | split(kind, out["sets"]["singles"], seed))
for kind, asked in [
    ("simulation", {"train_gene_set_size": 0.5, "combo_seen2_train_frac": 0.4}),
    ("simulation_single", {"train_gene_set_size": 0.8}),
    ("combo_seen2", {"test_size": 0.4, "val_size": 0.3}),
    ("combo_seen0", {"test_size": 0.3, "val_size": 0.2}),
    ("combo_seen1", {"test_size": 0.3, "val_size": 0.2}),
    ("single", {"test_size": 0.25, "val_size": 0.2}),
]:
    which = "singles" if kind == "simulation_single" else "mixed"
    out["splits"].append({"set": which} | split(kind, out["sets"][which], 5, **asked))
held = [gene(3), gene(8), gene(21), gene(30)]
pairs = [name for name in out["sets"]["mixed"] if "+" in name and "ctrl" not in name][4:9]
for which, kind, asked in [
    ("mixed", "simulation", {"test_perts": held}),
    ("mixed", "simulation", {"test_perts": held, "only_test_set_perts": True}),
    ("singles", "simulation_single", {"test_perts": held}),
    ("singles", "simulation_single", {"test_perts": held, "only_test_set_perts": True}),
    ("mixed", "combo_seen0", {"test_pert_genes": held}),
    ("mixed", "combo_seen1", {"test_pert_genes": held}),
    ("mixed", "single", {"test_pert_genes": held}),
    ("mixed", "combo_seen2", {"test_perts": pairs}),
    ("mixed", "no_test", {"val_size": 0.3}),
]:
    out["splits"].append({"set": which} | split(kind, out["sets"][which], 3, **asked))
out["splits"].append({"set": "few"} | split("simulation", out["sets"]["few"], 1))
# Folds as scikit-learn draws them.
for n_cells, n_folds, seed in [(10, 3, 0), (23, 5, 7), (100, 10, 1)]:
    folds = KFold(n_splits=n_folds, shuffle=True, random_state=seed).split(range(n_cells))
    folds = [test.tolist() for _, test in folds]
    out["folds"].append({"n_cells": n_cells, "n_folds": n_folds, "seed": seed, "folds": folds})
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=None, separators=(",", ":")) + "\n")
