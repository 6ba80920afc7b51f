"""Makes the table of gene vectors that the demo's bank is quantised from: pathways and annotation in 320 numbers.

    pip install numpy
    python web/demo/vectors.py GO_PFAM.npz vectors.npz SETS.gmt [SETS.gmt.gz ...]

GO_PFAM.npz holds `symbols` and `embedding` (GO and Pfam annotation, its columns by falling singular value). Each gene
becomes [sqrt(0.2) g, sqrt(0.8) p], of length 1: g its first 64 annotation columns, p its sets (a set weighs the inverse
of its size, a gene's row has length 1) in their 256 first principal directions, each of length 1. The dot product of two
genes is then nearly the share of sets that they have in common, small sets counting most.
"""

import gzip
import sys

import numpy as np

N_GO, N_SETS, GO_SHARE = 64, 256, 0.2


def unit(rows):
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def sets_of(paths):
    sets = {}
    for path in paths:
        with (gzip.open if path.endswith(".gz") else open)(path, "rt") as lines:
            for line in lines:
                name, _, *genes = line.rstrip().split("\t")
                sets[name] = sorted(set(genes))
    return sets


def pathway_vectors(sets):
    genes = sorted({gene for members in sets.values() for gene in members})
    row = {gene: i for i, gene in enumerate(genes)}
    table = np.zeros((len(genes), len(sets)), np.float32)
    for column, members in enumerate(sets.values()):
        table[[row[gene] for gene in members], column] = len(members) ** -0.5
    table = unit(table)
    _, directions = np.linalg.eigh((table.T @ table).astype(np.float64))
    return row, unit(table @ directions[:, ::-1][:, :N_SETS])


def main():
    go_path, out, *set_paths = sys.argv[1:]
    file = np.load(go_path, allow_pickle=True)
    symbols = [str(symbol) for symbol in file["symbols"]]
    go = unit(np.nan_to_num(file["embedding"].astype(np.float64))[:, :N_GO])
    row, of_sets = pathway_vectors(sets_of(set_paths))
    pathways = np.zeros((len(symbols), N_SETS))
    for i, symbol in enumerate(symbols):
        if symbol in row:
            pathways[i] = of_sets[row[symbol]]
    vectors = unit(np.hstack([GO_SHARE**0.5 * go, (1 - GO_SHARE) ** 0.5 * pathways]))
    np.savez_compressed(out, symbols=np.array(symbols), embedding=vectors.astype(np.float16))
    print(f"{len(symbols)} genes, {sum(symbol in row for symbol in symbols)} of them in sets, {vectors.shape[1]} numbers")


if __name__ == "__main__":
    main()
