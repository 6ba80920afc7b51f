"""Makes tests/golden/zarr_*.zip: AnnData stores of zarr 2 and 3, as anndata writes them and with every codec that is
read, each a layer with the matrix of tests/suite/readers/build.rs.

    pip install anndata zarr && python tests/golden/zarr_stores.py
"""

import pathlib
import shutil
import tempfile
import warnings
import zipfile

import anndata
import numcodecs
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr
from zarr import codecs as v3

CELLS, GENES = 7, 5
CELL_NAMES = [f"cell{cell}" for cell in range(CELLS)]
GENE_NAMES = ["STAT1", "JAK2", "MT-CO1", "IFNGR1", "GAPDH"]


def value(cell, gene):
    if cell == 3 or gene == 2 or (cell + 2 * gene) % 3 == 0:
        return 0
    return 1 + (cell * 7 + gene * 3) % 11


MATRIX = np.array([[value(cell, gene) for gene in range(GENES)] for cell in range(CELLS)])
warnings.simplefilter("ignore")


def pack(name, fill):
    path = pathlib.Path(__file__).with_name(f"zarr_{name}.zip")
    with tempfile.TemporaryDirectory() as folder:
        store = pathlib.Path(folder, f"{name}.zarr")
        fill(store)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for file in sorted(path for path in store.rglob("*") if path.is_file()):
                info = zipfile.ZipInfo(str(file.relative_to(folder)), (2026, 1, 1, 0, 0, 0))
                archive.writestr(info, file.read_bytes(), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000, (path, path.stat().st_size)


def written_by_anndata(version):
    obs = pd.DataFrame(
        {
            "condition": pd.Categorical(["control", "A", "A", "B", "B", "control", None]),
            "age": pd.array([1, 2, 3, 4, 5, 6, None], dtype="Int64"),
            "flag": pd.array([True, False, True, None, True, False, True], dtype="boolean"),
            "score": np.arange(CELLS) / 2,
        },
        index=CELL_NAMES,
    )
    data = anndata.AnnData(sp.csr_matrix(MATRIX.astype("f4")), obs=obs, var=pd.DataFrame(index=GENE_NAMES))
    data.raw = data.copy()
    data.obs["note"] = np.array(["grün", "b", "grün", "b", "c", "c", "grün"], dtype=object)
    data.layers["csc"] = sp.csc_matrix(MATRIX.astype("i8"))
    data.layers["dense"] = MATRIX.astype("u2")
    data.uns["waddington"] = {"unit": "cell"}
    anndata.settings.zarr_write_format = version

    def fill(store):
        with anndata.settings.override(allow_write_nullable_strings=True):
            data.strings_to_categoricals = lambda *args: None
            data.write_zarr(store)
        # Empty, and a tenth of the archive each.
        for name in ["obsm", "obsp", "varm", "varp", "raw/varm"]:
            shutil.rmtree(store / name)

    return fill


def of_codecs(version, layers):
    def fill(store):
        root = zarr.open_group(store, mode="w", zarr_format=version)
        root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for frame, index in [("obs", np.array(CELL_NAMES, "U6")), ("var", np.array(GENE_NAMES, "S6"))]:
            group = root.create_group(frame)
            group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index", "column-order": []})
            group.create_array("_index", data=index)
        root.create_group("layers")
        layers_and_x = {"X": ("f4", (7, 5), {}), **{f"layers/{name}": layer for name, layer in layers.items()}}
        for name, (dtype, chunks, options) in layers_and_x.items():
            array = root.create_array(name, shape=(CELLS, GENES), dtype=dtype, chunks=chunks, fill_value=0, **options)
            array[:] = MATRIX
    return fill


def v2(codec, **more):
    return {"compressors": codec, **more}


pack("v2", written_by_anndata(2))
pack("v3", written_by_anndata(3))
pack("v2_codecs", of_codecs(2, {
    "zlib": ("f8", (4, 5), v2(numcodecs.Zlib())),
    "gzip": ("i4", (4, 5), v2(numcodecs.GZip())),
    "zstd": ("f2", (4, 5), v2(numcodecs.Zstd())),
    "lz4": ("u1", (4, 5), v2(numcodecs.LZ4())),
    "none": (">i2", (4, 3), v2(None)),
    "blosc_zstd": (">f4", (4, 5), v2(numcodecs.Blosc("zstd", shuffle=2))),
    "blosclz": ("u8", (7, 5), v2(numcodecs.Blosc("blosclz"))),
    "shuffle": ("i8", (7, 5), v2(numcodecs.Zlib(), filters=[numcodecs.Shuffle(8)])),
    "nested": ("i1", (4, 3), {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
}))
pack("v3_codecs", of_codecs(3, {
    "zstd": ("f4", (4, 3), {"compressors": v3.ZstdCodec()}),
    "gzip": ("i4", (4, 5), {"compressors": v3.GzipCodec()}),
    "blosc": ("f8", (7, 5), {"compressors": v3.BloscCodec(cname="lz4", shuffle="bitshuffle", typesize=8)}),
    "none": ("u2", (4, 3), {"compressors": None}),
    "checked": ("u4", (4, 5), {"compressors": [v3.ZstdCodec(), v3.Crc32cCodec()]}),
    "big": ("i2", (4, 5), {"serializer": v3.BytesCodec(endian="big")}),
    "sharded": ("f4", (2, 2), {"shards": (4, 4), "compressors": v3.ZstdCodec()}),
    "dots": ("i8", (4, 3), {"chunk_key_encoding": {"name": "v2", "separator": "."}}),
    "index_first": ("f4", (2, 5), {"shards": {"shape": (4, 5), "index_location": "start"}}),
}))
