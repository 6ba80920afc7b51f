"""Makes the table of former names and aliases that the gene picker knows.

    python web/demo/aliases.py GENES.tsv.gz web/demo/bank.safetensors web/demo/aliases.tsv

GENES.tsv.gz has the columns `symbol` and `aliases` (parted by commas), as org.Hs.eg.db gives them. Kept are aliases of genes
that have a vector in the bank, but for those that are the symbol of a gene today. One line a gene: symbol, tab, aliases
parted by blanks.
"""

import csv
import gzip
import json
import re
import struct
import sys


def symbols_of(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))["__metadata__"]["symbols"].split("\n")


def main():
    genes, bank, out = sys.argv[1:4]
    with gzip.open(genes, "rt") as lines:
        rows = [(row["symbol"], row["aliases"].split(",")) for row in csv.DictReader(lines, delimiter="\t")]
    current = {symbol for symbol, _ in rows}
    aliases = {}
    for symbol, names in rows:
        aliases.setdefault(symbol, set()).update(names)
    is_name = re.compile(r"[A-Za-z0-9.\-/@]{2,20}")
    with open(out, "w") as file:
        for symbol in symbols_of(bank):
            kept = sorted(name for name in aliases.get(symbol, ()) if name not in current and is_name.fullmatch(name))
            if kept:
                file.write(f"{symbol}\t{' '.join(kept)}\n")


main()
