"""Simple predictors of an unseen knock-out, tried on means before any of them was written in Rust.

    pip install numpy anndata
    python docs/ablations/anchors.py SCREEN.h5ad VECTORS.npz [--library-size COLUMN] [--drop LABEL]

Each target is left out in turn; what a method chooses (the noise) it chooses by leaving out one of the others. Printed
per method: mean correlation of predicted and measured change over targets, its difference from the mean of the other
targets with a 95 % interval (targets drawn with replacement), the same over the targets whose halves of cells correlate
above 0.6, the same without each target's own gene, and the mean squared error.
"""

import argparse

import anndata as ad
import numpy as np

NOISES = (0.1, 0.3, 1.0)


def unit(rows):
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def pearson(a, b):
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return a @ b / size if size > 1e-12 else 0.0


class Screen:
    def __init__(self, path, library_size, drop):
        data = ad.read_h5ad(path)
        data = data[~data.obs.condition.isin(drop)]
        counts = data.X.toarray().astype(float)
        totals = counts.sum(1) if library_size is None else data.obs[library_size].to_numpy(float)
        logs = np.log1p(counts / np.maximum(totals, 1)[:, None] * 1e4)
        label = data.obs.condition.to_numpy(str)
        self.targets = sorted(set(label) - {"control"})
        genes = list(data.var_names)
        self.own = [genes.index(t) if t in genes else None for t in self.targets]
        control = logs[label == "control"]
        self.control = control.mean(0)
        self.delta = np.array([logs[label == t].mean(0) for t in self.targets]) - self.control
        self.covariance = np.cov(control.T)
        rng = np.random.default_rng(0)
        half = lambda rows: np.array_split(rng.permutation(rows), 2)
        self.reliability = []
        for t in self.targets:
            (a, b), (c, d) = half(logs[label == t]), half(control)
            self.reliability.append(pearson(a.mean(0) - c.mean(0), b.mean(0) - d.mean(0)))
        self.strong = np.array(self.reliability) > 0.6


def process(kernel, train, asked, values, noise):
    inverse = np.linalg.inv(kernel[np.ix_(train, train)] + noise * np.eye(len(train)))
    ones = np.ones(len(train))
    mean = (ones @ inverse @ values) / (ones @ inverse @ ones)
    return mean + kernel[asked, train] @ inverse @ (values - mean)


def method(screen, kernel=None, power=0.0, own=True, coexpression=False, noise=0.3):
    """From training targets and a target to its predicted change."""

    def column(target):
        """What co-expression with the target's gene says: the others fall as it falls."""
        gene = screen.own[target]
        along = -screen.covariance[gene] / screen.covariance[gene, gene] * screen.control[gene]
        along[gene] = 0
        return along

    def predict(train, asked):
        rest = screen.delta[train].copy()
        known = [(row, t) for row, t in enumerate(train) if screen.own[t] is not None]
        shares = [screen.delta[t, screen.own[t]] / screen.control[screen.own[t]] for _, t in known]
        share = np.median(shares) if own and shares else 0.0
        for row, t in known:
            rest[row, screen.own[t]] -= share * screen.control[screen.own[t]]
        slope = 0.0
        if coexpression and known:
            along = [(column(t), rest[row], np.linalg.norm(rest[row]) ** 2) for row, t in known]
            over = sum(c @ c / size for c, _, size in along)
            slope = max(0.0, sum(c @ d / size for c, d, size in along) / (over * (1 + 1 / len(along))))
            for row, t in known:
                rest[row] -= slope * column(t)
        lengths = np.linalg.norm(rest, axis=1)
        directions = rest / lengths[:, None] ** power
        similar = np.zeros((len(screen.targets),) * 2) if kernel is None else kernel
        out = process(similar, train, asked, directions, noise)
        out = out * np.exp(power * process(similar, train, asked, np.log(lengths), noise))
        gene = screen.own[asked]
        if gene is not None:
            if slope:
                out = out + slope * column(asked)
            out = out.copy()
            out[gene] += share * screen.control[gene]
        return out

    return predict


def nested(screen, choices):
    everyone = np.arange(len(screen.targets))
    predictions = []
    for asked in everyone:
        train = everyone[everyone != asked]
        score = lambda predict: sum(pearson(predict(train[train != t], t), screen.delta[t]) for t in train)
        best = choices[0] if len(choices) == 1 else max(choices, key=score)
        predictions.append(best(train, asked))
    return np.array(predictions)


def interval(values):
    draws = np.random.default_rng(1).integers(0, len(values), (10000, len(values)))
    return np.percentile(values[draws].mean(1), [2.5, 97.5])


def report(name, screen, predictions, baseline):
    def scores(of, without_own=False):
        keep = [np.arange(len(screen.control)) != (own if without_own else None) for own in screen.own]
        return np.array([pearson(p[k], d[k]) for p, d, k in zip(of, screen.delta, keep)])

    r, base = scores(predictions), scores(baseline)
    rest = scores(predictions, True) - scores(baseline, True)
    show = lambda d: f"{d.mean():+.3f} [{interval(d)[0]:+.3f}, {interval(d)[1]:+.3f}]"
    strong = screen.strong
    error = ((predictions - screen.delta) ** 2).mean()
    print(
        f"| {name} | {r.mean():.3f} | {show(r - base)} | {r[strong].mean():.3f} | {show((r - base)[strong])} "
        f"| {show(rest)} | {error:.5f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("screen")
    parser.add_argument("vectors", nargs="+")
    parser.add_argument("--library-size")
    parser.add_argument("--drop", nargs="*", default=[])
    given = parser.parse_args()
    screen = Screen(given.screen, given.library_size, given.drop)
    n = len(screen.targets)
    baseline = np.array([screen.delta[np.arange(n) != t].mean(0) for t in range(n)])
    report("mean of the others", screen, baseline, baseline)
    kernels = {"nothing": None}
    for path in given.vectors:
        file = np.load(path, allow_pickle=True)
        row = {str(symbol): vector for symbol, vector in zip(file["symbols"], file["embedding"])}
        width = file["embedding"].shape[1]
        rows = unit(np.nan_to_num(np.array([row.get(t, np.zeros(width)) for t in screen.targets], float)))
        kernels[path.rsplit("/", 1)[-1]] = rows @ rows.T
    for name, kernel in kernels.items():
        noises = NOISES if kernel is not None else NOISES[:1]
        for own, coexpression, power in [
            (False, False, 0.0), (True, False, 0.0), (False, False, 0.5), (True, False, 0.5), (True, False, 1.0), (True, True, 0.5)
        ]:
            choices = [method(screen, kernel, power, own, coexpression, noise) for noise in noises]
            parts = [f"similarity by {name}", f"power {power}"] + ["own gene"] * own + ["co-expression"] * coexpression
            report(", ".join(parts), screen, nested(screen, choices), baseline)


if __name__ == "__main__":
    main()
