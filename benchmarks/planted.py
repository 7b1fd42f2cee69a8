"""Plants copies and wrong labels in a copy of hymenoptera, runs `sightx inspect`, and scores what it finds.

    .venv/bin/python benchmarks/planted.py [--data ../shared/data/hymenoptera] [--seed 0]

Within train: 20 exact copies, 20 re-encoded (JPEG quality 70), 20 resized (70 %), 20 cropped (4–6 % off each side).
Across the split: 20 copies of train images in valid, five of each kind. 5 % of the labels are wrong. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image

COPIES = 20
WRONG_SHARE = 0.05
TARGETS = {
    "exact": 1.0, "reencoded": 1.0, "resized": 0.9, "cropped": 0.9, "leaks": 1.0, "wrong_labels": 0.6,
}  # fmt: skip
MOST_FALSE_ALARMS = 0.02


@dataclass(frozen=True)
class Planted:
    """What was planted: pairs (original, copy) by kind, the same across the split, and files with wrong labels."""

    copies: dict[str, list[tuple[Path, Path]]]
    leaks: list[tuple[Path, Path]]
    wrong: list[Path]


def reencode(image: Image.Image, _: random.Random) -> Image.Image:
    return image


def resize(image: Image.Image, _: random.Random) -> Image.Image:
    return image.resize((round(image.width * 0.7), round(image.height * 0.7)), Image.Resampling.BICUBIC)


def crop(image: Image.Image, chance: random.Random) -> Image.Image:
    left, top, right, bottom = (chance.uniform(0.04, 0.06) for _ in range(4))
    width, height = image.size
    return image.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )


CHANGES: dict[str, tuple[Callable[[Image.Image, random.Random], Image.Image] | None, int]] = {
    "exact": (None, 0),
    "reencoded": (reencode, 70),
    "resized": (resize, 90),
    "cropped": (crop, 90),
}
"""How a copy is changed, and the JPEG quality it is saved with; None copies the bytes."""


def plant(source: Path, root: Path, seed: int) -> Planted:
    """Copy the data set to `root` and plant in it."""
    chance = random.Random(seed)
    shutil.copytree(source, root)
    every = sorted(path for path in root.rglob("*") if path.is_file())
    originals = [path for path in every if path.relative_to(root).parts[0] == "train"]
    chance.shuffle(originals)
    taking = iter(originals)
    copies = {
        kind: [(original, make_copy(original, original.parent, kind, chance)) for original in islice(taking, COPIES)]
        for kind in CHANGES
    }
    leaks = []
    for number in range(COPIES):
        original = next(taking)
        folder = root / "valid" / original.parent.name
        leaks.append((original, make_copy(original, folder, list(CHANGES)[number % len(CHANGES)], chance)))
    wrong = []
    classes = sorted(path.name for path in (root / "train").iterdir())
    busy = {path for pairs in [*copies.values(), leaks] for path, _ in pairs}
    free = [path for path in every if path not in busy]
    for path in chance.sample(free, round(WRONG_SHARE * len(every))):
        other = chance.choice([name for name in classes if name != path.parent.name])
        moved = path.parent.parent / other / f"moved_{path.name}"
        path.rename(moved)
        wrong.append(moved)
    return Planted(copies, leaks, wrong)


def make_copy(original: Path, folder: Path, kind: str, chance: random.Random) -> Path:
    """Write a copy of one kind beside others; its name says nothing of the original."""
    change, quality = CHANGES[kind]
    copy = folder / f"extra_{chance.randrange(10**9):09}{original.suffix if change is None else '.jpg'}"
    if change is None:
        shutil.copyfile(original, copy)
    else:
        with Image.open(original) as image:
            change(image.convert("RGB"), chance).save(copy, quality=quality)
    return copy


def score(planted: Planted, found: dict[str, object]) -> dict[str, object]:
    """Score the answer of `sightx inspect --json`."""
    groups = [set(one["files"]) for one in found["duplicates"]]  # type: ignore[index, attr-defined]
    leaks = [set(one["files"]) for one in found["leaks"] if one["kind"] == "duplicate"]  # type: ignore[index, attr-defined]

    def share(pairs: list[tuple[Path, Path]], within: list[set[str]]) -> float:
        return sum(any({str(a), str(b)} <= group for group in within) for a, b in pairs) / len(pairs)

    figures = {kind: share(pairs, groups) for kind, pairs in planted.copies.items()}
    figures["leaks"] = share(planted.leaks, leaks)
    doubted = {one["file"] for one in found["doubts"]}  # type: ignore[index, attr-defined]
    figures["wrong_labels"] = sum(str(path) in doubted for path in planted.wrong) / len(planted.wrong)
    known = {frozenset(map(str, pair)) for pairs in [*planted.copies.values(), planted.leaks] for pair in pairs}
    false = [sorted(group) for group in groups if frozenset(group) not in known]
    alarms = sum(len(group) for group in false) / int(found["images"])  # type: ignore[call-overload]
    reached = all(figures[name] >= least for name, least in TARGETS.items()) and alarms <= MOST_FALSE_ALARMS
    return {
        "found": {name: round(value, 4) for name, value in figures.items()},
        "least": TARGETS,
        "false_alarms": round(alarms, 4),
        "false_groups": false,
        "doubts": len(doubted),
        "wrong_labels": len(planted.wrong),
        "doubts_right": round(sum(str(path) in doubted for path in planted.wrong) / max(len(doubted), 1), 4),
        "seconds": found["seconds"],
        "reached": reached,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).parent
    parser.add_argument("--data", type=Path, default=here.parent.parent / "shared" / "data" / "hymenoptera")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "planted"
        planted = plant(options.data, root, options.seed)
        command = [
            sys.executable,
            "-m",
            "sightx_cli",
            "inspect",
            str(root),
            "--json",
            "--quiet",
            "--out",
            f"{folder}/out",
        ]
        answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
        print(json.dumps({"seed": options.seed, **score(planted, json.loads(answer))}, indent=2))


if __name__ == "__main__":
    main()
