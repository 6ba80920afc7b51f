"""Gene set enrichment by gseapy (prerank) and Fisher's test by scipy, on made-up values: tests/golden/enrichment.json.

    pip install gseapy==1.3.1 scipy numpy pandas
    python tests/golden/enrichment.py

Values are given with few digits, so that the file is small and both sides read the same numbers.
"""

import json
import pathlib

import gseapy
import numpy as np
import pandas as pd
import scipy
from scipy.stats import false_discovery_control, hypergeom

N_GENES = 120
rng = np.random.default_rng(0)
genes = [f"G{i}" for i in range(N_GENES)]
values = np.round(rng.normal(size=N_GENES), 5)
# Distinct values: gseapy orders ties by its own rule.
assert len(set(values)) == N_GENES
up, down = np.argsort(-values), np.argsort(values)
sets = {
    "up": [genes[i] for i in up[:40] if rng.random() < 0.4],
    "down": [genes[i] for i in down[:30] if rng.random() < 0.5],
    "random": [genes[i] for i in rng.choice(N_GENES, 15, replace=False)],
    "small": [genes[i] for i in rng.choice(N_GENES, 5, replace=False)],
    "both ends": [genes[i] for i in np.concatenate([up[:6], down[:6]])],
    "partly elsewhere": [genes[i] for i in rng.choice(N_GENES, 8, replace=False)] + ["X1", "X2"],
}
ranked = gseapy.prerank(
    pd.Series(values, index=genes).sort_values(ascending=False),
    gene_sets=sets,
    min_size=1,
    max_size=N_GENES,
    permutation_num=20_000,
    weight=1,
    seed=0,
    outdir=None,
    no_plot=True,
).res2d.set_index("Term")
changed = np.abs(values) > 1
overlaps = {}
for name, members in sets.items():
    inside = [genes.index(gene) for gene in members if gene in genes]
    hits = int(changed[inside].sum())
    overlaps[name] = [hits, float(hypergeom.sf(hits - 1, N_GENES, len(inside), int(changed.sum())))]
p_adjusted = false_discovery_control([p for _, p in overlaps.values()])
golden = {
    "versions": {"gseapy": gseapy.__version__, "scipy": scipy.__version__},
    "values": values.tolist(),
    "threshold": 1,
    "sets": [
        {
            "name": name,
            "genes": members,
            "score": float(ranked.loc[name, "ES"]),
            "normalised": float(ranked.loc[name, "NES"]),
            "p_value": float(ranked.loc[name, "NOM p-val"]),
            "leading": sorted(ranked.loc[name, "Lead_genes"].split(";")),
            "n_changed": overlaps[name][0],
            "fisher_p": overlaps[name][1],
            "fisher_p_adjusted": float(p),
        }
        for (name, members), p in zip(sets.items(), p_adjusted)
    ],
}
path = pathlib.Path(__file__).with_name("enrichment.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
print(path, path.stat().st_size)
