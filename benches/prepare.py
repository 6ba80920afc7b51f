"""Times opening and preparing a large h5ad against scanpy, on the same file and machine, in one run.

    python3 benches/prepare.py [--cells N] [--only-make] [path of the waddington binary]

Both read the file, compute the quality of cells and genes (mitochondrial genes, and the share of the largest 50, 100, 200
and 500), scale to 10,000, take log1p and choose 2,000 variable genes (seurat). They take turns, each in a process of its
own, two rounds; the faster round and the peak of memory of each are reported. The file is made once: Poisson counts of
20,000 genes with log-normal means, about 1,000 values above 0 a cell, gzip. Without scanpy our own times alone are
printed.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"))
N_GENES = 20_000

SCANPY = r"""
import json, resource, sys, time, warnings
warnings.filterwarnings("ignore")
import scanpy as sc
seconds = {}
def timed(name, start): seconds[name] = time.perf_counter() - start
start = time.perf_counter(); a = sc.read_h5ad(sys.argv[1]); timed("read", start)
start = time.perf_counter(); a.var["mt"] = a.var_names.str.startswith("MT-")
sc.pp.calculate_qc_metrics(a, qc_vars=["mt"], inplace=True); timed("quality", start)
start = time.perf_counter(); sc.pp.normalize_total(a, target_sum=1e4); sc.pp.log1p(a); timed("normalise", start)
start = time.perf_counter(); sc.pp.highly_variable_genes(a, n_top_genes=2000); timed("variable_genes", start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_mib": peak, "n_variable": int(a.var.highly_variable.sum()),
                  "variable": list(a.var_names[a.var.highly_variable])}))
"""


def make(path, n_cells):
    import h5py
    import numpy as np

    rng = np.random.default_rng(1)
    means = np.exp(rng.normal(-4.6, 1.9, N_GENES))
    means *= 1000 / (1 - np.exp(-means)).sum()
    partial = path + ".partial"
    with h5py.File(partial, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name, prefix, n in (("obs", "cell", n_cells), ("var", "gene", N_GENES)):
            names = [f"{prefix}{i}" for i in range(n)]
            if name == "var":
                names[:13] = [f"MT-{i}" for i in range(13)]
            group = file.create_group(name)
            group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
            group.attrs["column-order"] = np.array([], dtype=float)
            index = group.create_dataset("_index", data=names, dtype=h5py.string_dtype())
            index.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        x = file.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [n_cells, N_GENES]})
        options = dict(maxshape=(None,), chunks=(1 << 16,), compression="gzip", compression_opts=4, shuffle=True)
        data = x.create_dataset("data", (0,), "f4", **options)
        indices = x.create_dataset("indices", (0,), "i4", **options)
        indptr = [0]
        for start in range(0, n_cells, 1000):
            depth = np.exp(rng.normal(0, 0.4, (min(1000, n_cells - start), 1)))
            counts = rng.poisson(means[None, :] * depth)
            rows, columns = counts.nonzero()
            n = len(data)
            for dataset, values in ((data, counts[rows, columns]), (indices, columns)):
                dataset.resize((n + len(values),))
                dataset[n:] = values
            indptr.extend(n + np.cumsum(np.bincount(rows, minlength=len(counts))))
        x.create_dataset("indptr", data=np.array(indptr, dtype="i4"))
    os.replace(partial, path)


def list_chunks(path):
    """Where the compressed pieces of the matrix lie, for those that time inflating alone: [offset, bytes] each."""
    import h5py

    places = []
    with h5py.File(path) as file:
        for name in ("data", "indices"):
            dataset = file["X"][name].id
            chunks = (dataset.get_chunk_info(i) for i in range(dataset.get_num_chunks()))
            places.extend([chunk.byte_offset, chunk.size] for chunk in chunks)
    with open(path + ".chunks.json", "w") as out:
        json.dump(places, out)


def run(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--only-make", action="store_true", help="make the file and the list of its chunks, time nothing")
    parser.add_argument("binary", nargs="?", default=os.path.join(TARGET, "release", "waddington"))
    arguments = parser.parse_args()
    folder = os.path.join(TARGET, "benches")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"cells_{arguments.cells}.h5ad")
    if not os.path.exists(path):
        print("Making the file (minutes).", file=sys.stderr)
        make(path, arguments.cells)
    if arguments.only_make:
        if not os.path.exists(path + ".chunks.json"):
            list_chunks(path)
        return
    print(f"file: {os.path.getsize(path) / 1e6:.0f} MB; load average {os.getloadavg()[0]:.1f}")
    sides = {"ours": [arguments.binary, "bench", "--prepare", path]}
    if importlib.util.find_spec("scanpy"):
        sides["scanpy"] = [sys.executable, "-c", SCANPY, path]
    best = {}
    for _ in range(2):
        for name, command in sides.items():
            report = run(command)
            report["total"] = sum(report["seconds"].values())
            if name not in best or report["total"] < best[name]["total"]:
                best[name] = report
    for name, report in best.items():
        parts = ", ".join(f"{part} {seconds:.2f}" for part, seconds in report["seconds"].items())
        print(f"{name}: {report['total']:.2f} s ({parts}), peak {report['peak_mib']:.0f} MiB")
    if "scanpy" in best:
        ours, theirs = best["ours"], best["scanpy"]
        shared = len(set(ours["variable"]) & set(theirs["variable"]))
        print(f"variable genes in common: {shared} of {theirs['n_variable']}")
        print(f"ratio ours / scanpy: time {ours['total'] / theirs['total']:.2f}, "
              f"peak memory {ours['peak_mib'] / theirs['peak_mib']:.2f}")


main()
