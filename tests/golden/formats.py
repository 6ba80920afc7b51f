"""Makes tests/golden/formats.json: what anndata and scanpy read from each public file in ../shared/data/formats, as the
shape and the CRC-32 of the dense float32 matrix; and the same of the files that lie here.

    pip install anndata scanpy==1.11.5 hdf5plugin zarr && python tests/golden/formats.py ../shared/data/formats
"""

import json
import pathlib
import sys
import tempfile
import warnings
import zipfile
import zlib

import anndata
import h5py
import hdf5plugin  # noqa: F401, registers the filters
import numpy as np
import scanpy
import scipy.io
import scipy.sparse

warnings.simplefilter("ignore")
root = pathlib.Path(sys.argv[1])


def entry(matrix):
    dense = matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
    # -0 is 0.
    dense = np.ascontiguousarray(dense.astype("<f4") + np.float32(0))
    return {"shape": list(dense.shape), "crc32": zlib.crc32(dense.tobytes())}


def of_anndata(data):
    matrices = {} if data.X is None else {"X": entry(data.X)}
    if data.raw is not None:
        matrices["raw/X"] = entry(data.raw.X)
    return {**matrices, **{f"layers/{name}": entry(layer) for name, layer in data.layers.items()}}


def of_zarr(path):
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(path).extractall(folder)
        # The store may be a folder in the archive.
        stores = list(pathlib.Path(folder).glob("*.zarr"))
        return of_anndata(anndata.read_zarr(stores[0] if stores else folder))


def of_tenx(path):
    with h5py.File(path) as file:
        groups = ["matrix"] if "matrix" in file else list(file)
        genomes = None if "matrix" in file else groups
    if genomes is None:
        matrices = {"matrix": entry(scanpy.read_10x_h5(path, gex_only=False).X)}
        genes = scanpy.read_10x_h5(path, gex_only=True)
        if list(genes.X.shape) != matrices["matrix"]["shape"]:
            matrices["matrix: Gene Expression"] = entry(genes.X)
        return matrices
    return {genome: entry(scanpy.read_10x_h5(path, genome=genome).X) for genome in genomes}


def read(path):
    if path.suffix == ".h5ad":
        return of_anndata(anndata.read_h5ad(path))
    if path.suffix == ".zip":
        return of_zarr(path)
    if path.suffix == ".h5":
        return of_tenx(path)
    if path.suffix == ".loom":
        with h5py.File(path) as file:
            return {"matrix": entry(file["matrix"][:].T)}
    if ".csv" in path.name or ".tsv" in path.name:
        table = scanpy.read_csv(path, delimiter="\t" if ".tsv" in path.name else ",")
        return {"table": entry(table.X.T if "genes_by_cells" in path.name else table.X)}
    return {"matrix": entry(scanpy.read_10x_mtx(path, var_names="gene_symbols", gex_only=False).X)}


found = {}
golden = pathlib.Path(__file__).parent
folders = {matrix.parent for matrix in root.rglob("matrix.mtx*")}
files = [path for path in root.rglob("*") if path.suffix in {".h5ad", ".h5", ".loom", ".zip", ".csv", ".tsv", ".gz"}]
files = sorted([path for path in files if path.parent not in folders] + list(folders))
named = {str(path.relative_to(root)): path for path in files}
named |= {f"golden/{path.name}": path for path in sorted(golden.iterdir()) if path.suffix in {".h5ad", ".zip"}}
for name, path in named.items():
    try:
        found[name] = read(path)
    except Exception as error:  # what the other does not read is no golden
        print(name, type(error).__name__, str(error)[:100])
pathlib.Path(__file__).with_name("formats.json").write_text(json.dumps(found, indent=1) + "\n")
