"""Makes tests/golden/scib.json: labelled points, and what the package scib-metrics says of them.

    pip install scib-metrics==0.5.10
    python tests/golden/scib.py

By its own code: `nmi_ari_cluster_labels_kmeans` (its k-means' clusters are written beside the scores, as ours are Leiden's),
and `silhouette_label` with and without bringing it to 0..1. No score of ours is of batches, so `silhouette_batch` is not
here. Points are multiples of 1/16, so that both sides read the same numbers; scib-metrics computes distances in f32.
"""

import json
import pathlib
from unittest import mock

import numpy as np
import scib_metrics
from scib_metrics import utils

N_POINTS, N_DIMENSIONS, N_TYPES = 90, 6, 4


def case(seed, spread):
    """Types around centres `spread` apart, one of them twice as large as the others."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(N_TYPES, N_POINTS, p=[0.4, 0.2, 0.2, 0.2])
    centres = rng.normal(0, spread, (N_TYPES, N_DIMENSIONS))
    points = np.rint((centres[labels] + rng.normal(0, 1, (N_POINTS, N_DIMENSIONS))) * 16) / 16
    points = points.astype(np.float32)
    clusters = {}
    fit = utils.KMeans.fit

    def kept(self, x):
        found = fit(self, x)
        clusters["labels"] = np.asarray(self.labels_)
        return found

    with mock.patch.object(utils.KMeans, "fit", kept):
        scores = scib_metrics.nmi_ari_cluster_labels_kmeans(points, labels)
    return {
        "points": points.astype(float).ravel().tolist(),
        "n_columns": N_DIMENSIONS,
        "labels": labels.tolist(),
        "clusters": clusters["labels"].astype(int).tolist(),
        "nmi": float(scores["nmi"]),
        "ari": float(scores["ari"]),
        "silhouette": float(scib_metrics.silhouette_label(points, labels, rescale=False)),
        "silhouette_rescaled": float(scib_metrics.silhouette_label(points, labels, rescale=True)),
    }


if __name__ == "__main__":
    cases = [case(seed, spread) for seed, spread in [(1, 3.0), (2, 0.7), (3, 0.0)]]
    made = {"scib_metrics": scib_metrics.__version__, "cases": cases}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(made, separators=(",", ":")) + "\n")
    for of in cases:
        print({name: of[name] for name in ["nmi", "ari", "silhouette", "silhouette_rescaled"]})
