"""Makes tests/golden/anchor.json: an anchor fitted by numpy, and energy distances by scipy.

    pip install numpy scipy
    python tests/golden/anchor.py

No package has this anchor; it is written here a second time, by matrices where the crate sums.
"""

import json
import pathlib

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance

N_TARGETS, N_GENES, WIDTH, NOISES = 9, 12, 5, (0.1, 0.3, 1.0)


def unit(rows):
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def process(known, values, asked, noise):
    inverse = np.linalg.inv(known @ known.T + noise * np.eye(len(known)))
    ones = np.ones(len(known))
    mean = (ones @ inverse @ values) / (ones @ inverse @ ones)
    return mean + (asked @ known.T) @ inverse @ (values - mean)


def predict(case, train, asked, noise, power, own_gene):
    """Base change and own share for target `asked` from targets `train`."""
    delta, genes, control = case["delta"], case["genes"], case["control"]
    own = [delta[t, genes[t]] / control[genes[t]] for t in train if genes[t] is not None and control[genes[t]] > 0]
    share = float(np.median(own)) if own and own_gene else 0.0
    rest = delta[train].copy()
    for row, t in enumerate(train):
        if genes[t] is not None:
            rest[row, genes[t]] -= share * control[genes[t]]
    lengths = np.maximum(np.linalg.norm(rest, axis=1), 1e-6)
    known, vector = unit(case["vectors"][train]), unit(asked)
    direction = process(known, rest / lengths[:, None] ** power, vector, noise)
    strength = process(known, np.log(lengths)[:, None], vector, noise)[0]
    return direction * np.exp(power * strength), share


def change(case, said, gene):
    base, share = said
    out = base.copy()
    if gene is not None:
        out[gene] += share * case["control"][gene]
    return out


def pearson(a, b):
    return float(np.corrcoef(a, b)[0, 1])


def fit(case, power, own_gene, factor):
    everyone = list(range(N_TARGETS))
    without = lambda t: [s for s in everyone if s != t]

    def left_out(noise):
        return [predict(case, without(t), case["vectors"][t], noise, power, own_gene) for t in everyone]

    def score(noise):
        said = left_out(noise)
        return sum(pearson(change(case, said[t], case["genes"][t]), case["delta"][t]) for t in everyone)

    scores = [score(noise) for noise in NOISES]
    noise = NOISES[int(np.argmax(scores))]
    said = left_out(noise)
    errors = np.array([case["delta"][t] - change(case, said[t], case["genes"][t]) for t in everyone])
    asked = np.array([0.3, -0.2, 0.5, 0.1, 0.4])
    base, share = predict(case, everyone, asked, noise, power, own_gene)
    return {
        "strength_power": power,
        "own_gene": own_gene,
        "residual_bound": factor,
        "margin": float(np.diff(np.sort(scores))[-1]),
        "left_out": [change(case, said[t], case["genes"][t]).tolist() for t in everyone],
        "asked": asked.tolist(),
        "base": base.tolist(),
        "own_share": share,
        "bound": (factor * np.sqrt((errors**2).mean(0))).tolist(),
    }


def case():
    rng = np.random.default_rng(11)
    vectors = rng.normal(size=(N_TARGETS, WIDTH))
    vectors[1] = vectors[0] + 0.1 * rng.normal(size=WIDTH)
    vectors[8] = 0
    control = rng.gamma(2.0, 0.7, N_GENES)
    genes = [0, 3, None, 5, None, 7, 11, None, 2]
    delta = unit(vectors) @ rng.normal(size=(WIDTH, N_GENES)) * rng.gamma(1.0, 0.5, (N_TARGETS, 1))
    delta += 0.1 + 0.05 * rng.normal(size=delta.shape)
    for t, gene in enumerate(genes):
        if gene is not None:
            delta[t, gene] -= 0.4 * control[gene]
    return {"vectors": vectors, "control": control, "genes": genes, "delta": delta}


def energy():
    """Of sets [2, 5, 3], with different cells within; and of one column by scipy, whose within counts a cell with itself."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 5, 3)), rng.normal(0.4, 1.3, size=(2, 5, 3))
    off = lambda d: d.sum() / (len(d) * (len(d) - 1))
    of_set = lambda a, b: (2 * cdist(a, b).mean() - off(cdist(a, a)) - off(cdist(b, b))) / np.sqrt(a.shape[1])
    column_x, column_y = x[0, :, 0], y[0, :, 0]
    within = lambda c: off(cdist(c[:, None], c[:, None]))
    n = len(column_x)
    # scipy's square is 2 E|x - y| - (n - 1)/n (within of both): brought to different cells by what it counted too little.
    by_scipy = energy_distance(column_x, column_y) ** 2 - (within(column_x) + within(column_y)) / n
    return {
        "x": x.ravel().tolist(),
        "y": y.ravel().tolist(),
        "distance": float(np.mean([of_set(a, b) for a, b in zip(x, y)])),
        "column_distance": float(by_scipy),
    }


def main():
    data = case()
    fits = [fit(data, power, own, factor) for power, own, factor in [(0.5, True, 0.5), (0.0, True, 1.0), (1.0, False, 0.25)]]
    out = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in data.items()}
    golden = {**out, "fits": fits, "energy": energy()}
    path = pathlib.Path(__file__).with_name("anchor.json")
    path.write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")
    print([fit["margin"] for fit in fits])


if __name__ == "__main__":
    main()
