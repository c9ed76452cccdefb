"""Join manifests of labelled images into one to train on, with few images of each source.

    python scripts/join_manifests.py MANIFEST.tsv... --out FILE [--ai N] [--real N] [--kind NAME/KIND=N]... [--photos N]
        [--only GENERATOR]...

Each row's path gets its manifest's name as a prefix: `bench.tsv` lies in ROOT/bench. Of the AI-generated images of one
generator and source, and of the real ones of one source, the first N by a hash of their paths are kept; a kind of image
of one manifest may have a number of its own. A manifest without labels holds real photographs. With --only, the
AI-generated images are of these generators alone. All rows are of the train split: figures come from
`cinemae leave-out`, which needs no split.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections import Counter
from pathlib import Path

KINDS = ("varied/art=25", "varied/document=50", "varied/screen=60", "varied/render=25")
COLUMNS = ("out", "split", "generator", "label", "kind", "source")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ai", type=int, default=55, help="images of one generator and source")
    parser.add_argument("--real", type=int, default=100, help="real images of one source")
    parser.add_argument("--kind", action="append", default=None, metavar="NAME/KIND=N", help="the same for a kind")
    parser.add_argument("--photos", type=int, default=30, help="photographs of one source without a label")
    parser.add_argument("--only", action="append", metavar="GENERATOR", help="AI-generated images of these alone")
    options = parser.parse_args()
    kinds = dict(pair.split("=") for pair in options.kind or KINDS)
    rows = [row for manifest in options.manifests for row in read(manifest)]
    if options.only:
        rows = [row for row in rows if row["label"] != "ai" or row["generator"] in options.only]
    rows.sort(key=lambda row: hashlib.sha256(f"0/{row['out']}".encode()).digest())
    taken: Counter[tuple[str, str]] = Counter()
    kept = []
    for row in rows:
        if row["label"] == "ai":
            group, most = (row["source"], row["generator"]), options.ai
        elif row["generator"] == "photos":
            group, most = (row["source"], "photos"), options.photos
        else:
            group, most = (row["source"], row["set"]), int(kinds.get(f"{row['set']}/{row['kind']}", options.real))
        if taken[group] < most:
            taken[group] += 1
            kept.append(row)
    with options.out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter="\t", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
    print(f"{options.out}: {len(kept)} images, {sum(row['label'] == 'ai' for row in kept)} of them AI-generated")


def read(manifest: Path) -> list[dict[str, str]]:
    found = []
    with manifest.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            plain = {"generator": "photos", "label": "nature", "kind": "photo", "source": row["out"].split("/")[0]}
            values = {key: row.get(key) or plain[key] for key in plain}
            found.append(values | {"out": f"{manifest.stem}/{row['out']}", "split": "train", "set": manifest.stem})
    return found


if __name__ == "__main__":
    main()
