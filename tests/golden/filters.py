"""Makes tests/golden/filters_*.h5ad: one matrix as layers behind every third-party HDF5 filter that is read, in its
variants (inner codec, shuffle, width of the numbers, chunks that end past the matrix, filters in a row). Of szip, which
codes each block in another way, also szip_wide.h5ad: other values, which formats.json holds too.

    pip install h5py hdf5plugin && python tests/golden/filters.py
"""

import pathlib

import h5py
import hdf5plugin
import numpy as np

CELLS, GENES = 83, 16


def value(cell, gene):
    """The matrix of tests/suite/readers/filters.rs."""
    return 0 if (3 * cell + 5 * gene) % 7 < 4 else 1 + (7 * cell + 3 * gene) % 11


MATRIX = np.array([[value(cell, gene) for gene in range(GENES)] for cell in range(CELLS)])


def write(name, layers, text=None):
    # The blosc plugin divides by zero on text of variable length.
    kind = "S8" if "blosc" in name else h5py.string_dtype()
    path = pathlib.Path(__file__).with_name(f"filters_{name}.h5ad")
    with h5py.File(path, "w", libver=("v110", "v112")) as file:
        file.create_dataset("X", data=MATRIX.astype("u1"), compression="gzip")
        file.create_dataset("obs/_index", data=np.array([f"cell{cell}" for cell in range(CELLS)], kind), **(text or {}))
        file.create_dataset("var/_index", data=np.array([f"gene{gene}" for gene in range(GENES)], "S6"), **(text or {}))
        if text:
            labels = np.arange(CELLS, dtype="i1") % 3 - 1
            file.create_dataset("obs/condition/codes", data=labels, chunks=(32,), **text)
            file.create_dataset("obs/condition/categories", data=np.array(["control", "STAT1"], kind), **text)
        for layer, (dtype, chunks, options) in layers.items():
            file.create_dataset(f"layers/{layer}", data=MATRIX.astype(dtype), chunks=chunks, **options)
    assert path.stat().st_size < 20_000, (path, path.stat().st_size)


zstd = dict(hdf5plugin.Zstd(clevel=3))
write(
    "zstd",
    {
        "plain": ("f4", (40, 16), zstd),
        "shuffled": ("f8", (40, 9), {"shuffle": True, **zstd}),
        "checked": ("i2", (83, 5), {"shuffle": True, "fletcher32": True, **zstd}),
        "half": ("f2", (7, 16), zstd),
        "big": (">u4", (40, 16), zstd),
    },
    text=zstd,
)
lz4 = dict(hdf5plugin.LZ4(nbytes=0))
write(
    "lz4",
    {
        "plain": ("f4", (40, 16), lz4),
        "shuffled": ("u8", (40, 9), {"shuffle": True, **lz4}),
        "blocks": ("i4", (83, 16), dict(hdf5plugin.LZ4(nbytes=512))),
        "bytes": ("u1", (3, 16), lz4),
    },
    text=lz4,
)
write(
    "bitshuffle",
    {
        "lz4": ("f4", (83, 16), dict(hdf5plugin.Bitshuffle(cname="lz4"))),
        "zstd": ("i8", (83, 16), dict(hdf5plugin.Bitshuffle(cname="zstd"))),
        "none": ("u2", (83, 16), dict(hdf5plugin.Bitshuffle(cname="none"))),
        "blocks": ("f4", (83, 16), dict(hdf5plugin.Bitshuffle(nelems=64, cname="lz4"))),
        "odd": ("u2", (29, 7), dict(hdf5plugin.Bitshuffle(nelems=16, cname="none"))),
        "left_over": ("i4", (83, 5), dict(hdf5plugin.Bitshuffle(cname="lz4"))),
    },
)
szip = {"compression": "szip"}
write(
    "szip",
    {
        "mapped": ("u1", (40, 16), {**szip, "compression_opts": ("nn", 8)}),
        "plain": ("u2", (40, 16), {**szip, "compression_opts": ("ec", 16)}),
        "big": (">u2", (29, 7), {**szip, "compression_opts": ("nn", 4)}),
        "bytes_of_4": ("f4", (40, 9), {**szip, "compression_opts": ("nn", 8)}),
        "shuffled": ("i2", (40, 16), {**szip, "shuffle": True, "compression_opts": ("nn", 32)}),
        "checked": ("i1", (83, 5), {**szip, "fletcher32": True, "compression_opts": ("nn", 2)}),
    },
)


def wide():
    rng = np.random.default_rng(0)
    shape = (13, 50)
    walk = np.cumsum(rng.integers(-3, 4, shape), axis=1)
    values = {
        "few": (rng.random(shape) < 0.01) * 3,
        "pairs": rng.poisson(0.3, shape),
        "counts": rng.geometric(0.05, shape),
        "walk": 120 + walk,
        "noise": rng.integers(0, 256, shape),
        "steep": rng.geometric(0.0005, shape) * (rng.random(shape) < 0.2),
    }
    with h5py.File(pathlib.Path(__file__).with_name("szip_wide.h5ad"), "w", libver=("v110", "v112")) as file:
        file.create_dataset("X", data=values["few"].astype("u1"), compression="gzip")
        file.create_dataset("obs/_index", data=np.array([f"cell{cell}" for cell in range(shape[0])], "S6"))
        file.create_dataset("var/_index", data=np.array([f"gene{gene}" for gene in range(shape[1])], "S6"))
        for name, array in values.items():
            for at, dtype in enumerate(["u1", "i2", ">u2", ["i4", "f8"][len(name) % 2]]):
                cut = np.minimum(array, 255 if dtype == "u1" else 30_000).astype(dtype)
                options = [("nn", 8), ("ec", 16), ("nn", 32), ("ec", 2)][(at + len(name)) % 4]
                chunks = [(13, 50), (5, 50), (7, 33)][(at + len(name)) % 3]
                layer = f"layers/{name}_{dtype.replace('>', 'big_')}"
                file.create_dataset(layer, data=cut, chunks=chunks, **szip, compression_opts=options)


wide()
SHUFFLES = {"none": 0, "shuffle": 1, "bitshuffle": 2}
for codec in ["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"]:
    layers = {
        shuffle: (dtype, (61, 16), dict(hdf5plugin.Blosc(cname=codec, clevel=5, shuffle=number)))
        for (shuffle, number), dtype in zip(SHUFFLES.items(), ["i4", "f4", "f8"])
    }
    layers["odd"] = ("i2", (31, 9), dict(hdf5plugin.Blosc(cname=codec, shuffle=2)))
    if codec == "lz4":
        layers["copied"] = ("u2", (83, 16), dict(hdf5plugin.Blosc(cname=codec, clevel=0)))
    write(f"blosc_{codec}", layers, text=dict(hdf5plugin.Blosc(cname=codec)) if codec == "lz4" else None)
