"""Whether judging tuned stages costs accuracy: whole fits whose test part is an outer fold of the training images.

    .venv/bin/python benchmarks/outer_folds.py OUT.json                             five sets, three folds: an hour
    .venv/bin/python benchmarks/outer_folds.py OUT.json --sets idrid --folds 1 2

Each fold is the test part once; of the other images a fifth is the valid part, groups (children) apart. A fit without
options is compared with `--full` (every stage trains) and with a recipe of the head alone; no image of the sets' own
valid parts is looked at. Features are cached, so the seconds of the second and third fit of a fold are not those of a
first one. Results are written after every fit, and `--show` prints them as a table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from machine import describe_machine

from sightx_cli.data.demo import load_solar
from sightx_cli.probe.folds import assign_folds

DATA = Path(os.environ.get("SIGHTX_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = {"hymenoptera": None, "idrid": None, "solar": 2_099, "chest": 2_000, "cifar": 2_000}
"""How many images of each are drawn; None for all of the training part."""
METRICS = {"hymenoptera": "accuracy", "idrid": "quadratic_kappa", "solar": "quadratic_kappa", "chest": "roc_auc"}
HEAD_ALONE = 'stage=[{train="head",epochs=1,rate=1e-4}]'
WAYS = {"judged": (), "full": ("--full",), "head": ("--set", HEAD_ALONE)}
Row = tuple[str, str]


def list_images(name: str, scratch: Path) -> list[Row]:
    """List the files of a set's training part with their classes, a draw of them where it is large."""
    if name == "solar":
        frame = load_solar().frame
        rows = list(zip(frame["path"].astype(str), frame["label"], strict=True))
    else:
        folder = {"hymenoptera": "hymenoptera/train", "idrid": "idrid/train", "chest": "chest_xray/train"}.get(name)
        root = DATA / folder if folder else unpack(scratch)
        rows = [(str(file), file.parent.name) for file in sorted(root.glob("*/*"))]
    if SETS[name] is not None:
        random.Random(1).shuffle(rows)
        rows = rows[: SETS[name]]
    return rows


def unpack(scratch: Path) -> Path:
    """Unpack CIFAR-10's training images."""
    if not (scratch / "train").exists():
        subprocess.run(["tar", "xzf", DATA / "cifar10-train.tar.gz", "-C", scratch], check=True)
    return scratch / "train"


def lay_out(name: str, rows: list[Row], fold: int, scratch: Path) -> Path:
    """Link a set's images into train, valid and test; test is the outer fold."""
    groups = [
        found[0] if name == "chest" and (found := re.search(r"person\d+|IM-\d+", file)) else "" for file, _ in rows
    ]
    outer = assign_folds([label for _, label in rows], groups, 5, 0)
    kept = [place for place in range(len(rows)) if outer[place] != fold]
    inner = assign_folds([rows[place][1] for place in kept], [groups[place] for place in kept], 5, 7)
    parts = dict.fromkeys(range(len(rows)), "test")
    parts |= {place: "valid" if number == 1 else "train" for place, number in zip(kept, inner, strict=True)}
    root = scratch / f"{name}-{fold}"
    for place, (file, label) in enumerate(rows):
        target = root / parts[place] / label / f"{place}-{Path(file).name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(file)
    return root


def fit(source: Path, options: tuple[str, ...], scratch: Path) -> dict[str, Any]:
    """Fit, and return the figures of the test part, the seconds, and what was said of stages."""
    out = scratch / "run"
    command = [sys.executable, "-m", "sightx_cli", "fit", source, "--folds", "0", "--out", out, "--overwrite", "--json"]
    environment = {**os.environ, "SIGHTX_CACHE": str(scratch / "cache")}
    done = subprocess.run([*command, *options], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-2_000:])
    found = json.loads(done.stdout)
    said = [notice["text"] for notice in found["notices"] if notice["kind"].startswith("stage-")]
    test = found["test"].get("metrics", found["test"])
    return {"test": test, "seconds": found["seconds"]["total"], "recipe": found["recipe"], "stages": said}


def show(records: list[dict[str, Any]]) -> None:
    """Print the means over the folds, and the differences to judged with their standard error."""
    by: dict[tuple[str, str], dict[int, dict[str, Any]]] = defaultdict(dict)
    for one in records:
        by[one["set"], one["way"]][one["fold"]] = one
    print("| set, figure | way | folds | figure | log loss | against judged, by fold | seconds |")
    print("|---|---|---|---|---|---|---|")
    for (name, way), folds in by.items():
        metric, judged = METRICS.get(name, "accuracy"), by[name, "judged"]
        values = [one["test"][metric] for one in folds.values()]
        losses = [one["test"]["loss"] for one in folds.values()]
        behind = [judged[fold]["test"][metric] - one["test"][metric] for fold, one in folds.items() if fold in judged]
        seconds = sum(one["seconds"] for one in folds.values()) / len(folds)
        gaps = ", ".join(f"{-gap:+.4f}" for gap in behind)
        mean, loss = sum(values) / len(values), sum(losses) / len(losses)
        print(f"| {name}, {metric} | {way} | {len(folds)} | {mean:.4f} | {loss:.4f} | {gaps} | {seconds:.0f} |")


def main() -> None:
    """Measure, or show what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--folds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--show", action="store_true")
    asked = parser.parse_args()
    found = json.loads(asked.out.read_text()) if asked.out.exists() else {"machine": describe_machine(), "fits": []}
    if not asked.show:
        with tempfile.TemporaryDirectory() as folder:
            for fold in asked.folds:
                for name in asked.sets:
                    source = lay_out(name, list_images(name, Path(folder)), fold, Path(folder))
                    for way, options in WAYS.items():
                        record = {"set": name, "fold": fold, "way": way, **fit(source, options, Path(folder))}
                        found["fits"].append(record)
                        asked.out.write_text(json.dumps(found, indent=1))
                        print(name, fold, way, {key: round(value, 4) for key, value in record["test"].items() if value})
    show(found["fits"])


if __name__ == "__main__":
    main()
