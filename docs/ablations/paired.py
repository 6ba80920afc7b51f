"""Sets evaluations beside each other: what `waddington eval --json` wrote, over the same perturbations.

    pip install numpy
    python docs/ablations/paired.py EVALUATION.json [EVALUATION.json ...]

Per file: the model (its first row) beside the best simple method and beside the training mean, and beside the model of
the first file; correlation of changes and squared error, with 95 % intervals of the paired differences (perturbations
drawn with replacement). A correlation that is undefined counts 0. STRONG are the targets of Papalexi 2021 whose halves
of cells correlate above 0.6.
"""

import json
import sys

import numpy as np

STRONG = {"BRD4", "CUL3", "IFNGR1", "IFNGR2", "IRF1", "JAK2", "SMAD4", "STAT1", "STAT2"}
NOT_SIMPLE = ("alone", "ceiling", "no change", ", vectors exchanged", ", no action")


def read(path):
    table = json.load(open(path))["table"]
    columns = [table["metrics"].index(metric) for metric in ("GearsPearsonDelta", "GearsMse")]
    values = lambda row, column: np.nan_to_num(np.array(row["cells"][column]["values"], float))
    rows = {row["method"]: [values(row, column) for column in columns] for row in table["rows"]}
    names = [name if isinstance(name, str) else name["name"] for name in table["targets"]]
    return np.array([name in STRONG for name in names]), rows


def difference(a, b):
    values = a - b
    draws = np.random.default_rng(0).integers(0, len(values), (10000, len(values)))
    low, high = np.percentile(values[draws].mean(1), [2.5, 97.5])
    digits = 3 if abs(values).max() > 0.05 else 5
    return f"{values.mean():+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def main():
    first = None
    for path in sys.argv[1:]:
        strong, rows = read(path)
        name, (r, error) = next(iter(rows.items()))
        simple = [m for m in rows if m != name and not any(word in m for word in NOT_SIMPLE)]
        best = max(simple, key=lambda method: rows[method][0].mean())
        print(f"{path}: {name}, {len(r)} perturbations: r {r.mean():.3f}, squared error {error.mean():.5f}")
        others = {best: rows[best], "training mean": rows["training mean"]}
        if first is not None:
            others[f"the first ({first[0]})"] = first[1]
        first = first or (name, [r, error])
        for other, (other_r, other_error) in others.items():
            line = f"  beside {other} ({other_r.mean():.3f}): r {difference(r, other_r)}"
            line += f", squared error {difference(error, other_error)}"
            if strong.any():
                line += f"; strong {r[strong].mean():.3f}, {difference(r[strong], other_r[strong])}"
            print(line)


if __name__ == "__main__":
    main()
