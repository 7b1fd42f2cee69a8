"""Time this checkout against an earlier one, in turn, on one machine, and draw where the time goes.

    git worktree add ../before COMMIT
    python benchmarks/before_after.py --before ../before                 every part: half an hour on two cores
    python benchmarks/before_after.py --before ../before features fits   these parts
    python benchmarks/before_after.py --write-page                       docs/speed.md and its pictures from the figures

Both run with the packages of this environment, each in processes of its own with an empty cache. Figures are added to
benchmarks/speed.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from fitting import describe_fit
from machine import describe_machine
from measuring import HERE, PYTHON, Bench, Child
from speed_page import write_speed_page

RESULTS = HERE / "speed.json"
SIDES = ("before", "after")


class Pair:
    """Runs the same command with both checkouts, in turn."""

    def __init__(self, bench: Bench, before: Path) -> None:
        self.bench, self.roots = bench, {"before": before, "after": HERE.parent}

    def run(self, name: str, *words: str | Path, rounds: int = 1) -> dict[str, list[Child]]:
        """Run a command `rounds` times with each, one after the other; every first run has an empty cache."""
        found: dict[str, list[Child]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side in SIDES:
                with pointing_at(self.roots[side]):
                    found[side].append(self.bench.run(PYTHON, *words, store=f"{name}-{side}"))
        return found

    def fit(self, name: str, source: str | Path, *options: str, rounds: int = 1) -> dict[str, list[dict[str, Any]]]:
        """Fit with each."""
        words = ("-m", "sightx_cli", "fit", str(source), "--out", str(self.bench.work / name), "--overwrite", "--json")
        children = self.run(name, *words, *options, rounds=rounds)
        return {side: [describe_fit(child) for child in found] for side, found in children.items()}


class pointing_at:  # noqa: N801 (a context manager, used as a verb)
    """Let Python find SightX in a checkout."""

    def __init__(self, root: Path) -> None:
        self.root, self.kept = root, os.environ.get("PYTHONPATH")

    def __enter__(self) -> None:
        os.environ["PYTHONPATH"] = str(self.root)

    def __exit__(self, *_: object) -> None:
        if self.kept is None:
            os.environ.pop("PYTHONPATH")
        else:
            os.environ["PYTHONPATH"] = self.kept


def features(pair: Pair) -> dict[str, Any]:
    """Files to features: 2,000 photographs and 2,000 X-rays."""
    found: dict[str, Any] = {}
    for name, fit in (("hymenoptera", "crop"), ("chest_xray", "pad")):
        folder = pair.bench.repeat(name, pair.bench.amount(2000, 80))
        children = pair.run(f"features-{name}", HERE / "feature_rate.py", folder, "--fit", fit)
        found[name] = {side: one[0].json() | {"peak_mb": one[0].peak_mb} for side, one in children.items()}
    return found


def epochs(pair: Pair) -> dict[str, Any]:
    """An epoch of the last two stages on kept inputs, and of the whole network."""
    folder = pair.bench.subset("chest_xray", pair.bench.amount(1000, 64), pair.bench.amount(100, 8))
    found: dict[str, Any] = {}
    for train in ("last:2", "all"):
        words = (HERE / "sightx_epoch.py", folder, "--train", train, "--epochs", str(pair.bench.amount(4, 2)))
        children = pair.run(f"epochs-{train}", *words)
        found[train] = {side: one[0].json() | {"peak_mb": one[0].peak_mb} for side, one in children.items()}
    peak = pair.bench.run(PYTHON, HERE / "peak.py").json()
    return {**found, **peak}


def fits(pair: Pair) -> dict[str, Any]:
    """Whole fits: ants and bees, the demo's solar cells, chest X-rays cold and again."""
    quick = ("--set", "stage.0.epochs=1") if pair.bench.quick else ()
    small = pair.bench.subset("hymenoptera", 16, 8) if pair.bench.quick else pair.bench.data / "hymenoptera"
    large = pair.bench.subset("chest_xray", 60, 20) if pair.bench.quick else pair.bench.data / "chest_xray"
    found: dict[str, Any] = {"hymenoptera": pair.fit("hymenoptera", small, *quick)}
    found["solar"] = pair.fit(
        "solar", large if pair.bench.quick else "demo:solar", "--recipe", "medical-medium", *quick
    )
    found["chest"] = pair.fit("chest", large, "--recipe", "medical-medium", *quick, rounds=2)
    return found


def starts(pair: Pair) -> dict[str, Any]:
    """What a small fit costs: 40 ants and bees, twice; and the prediction of one image."""
    folder = pair.bench.subset("hymenoptera", 40, 20)
    fitted = pair.fit("start", folder, "--recipe", "natural-small", rounds=2)
    image = next(path for path in sorted(folder.rglob("*")) if path.is_file())
    words = ("-m", "sightx_cli", "predict", image, "--model", pair.bench.work / "start", "-o", "one.csv", "--overwrite")
    children = pair.run("start", *words, rounds=pair.bench.amount(7, 2))
    return {"fit": fitted, "predict": {side: [one.seconds for one in runs] for side, runs in children.items()}}


PARTS: dict[str, Callable[[Pair], dict[str, Any]]] = {
    "features": features,
    "epochs": epochs,
    "fits": fits,
    "starts": starts,
}


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("parts", nargs="*", metavar="PART", help=f"all, or some of: {', '.join(PARTS)}")
    cli.add_argument("--before", type=Path, help="a checkout of the commit to compare with")
    cli.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    cli.add_argument("--quick", action="store_true", help="a few images only; prints, and writes nothing")
    cli.add_argument("--write-page", action="store_true", help="only write docs/speed.md from the figures")
    given = cli.parse_args()
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"parts": {}}
    if given.write_page:
        write_speed_page(HERE.parent / "docs", kept)
        return
    if given.before is None or not (given.before / "sightx_cli").is_dir():
        cli.error("--before names a checkout of the commit to compare with: git worktree add ../before COMMIT")
    before = given.before.resolve()
    commit = subprocess.run(["git", "-C", before, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    for name in given.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="sightx-speed-") as work:
            figures = PARTS[name](Pair(Bench(given.data.resolve(), Path(work), given.quick), before))
        print(json.dumps({name: figures}, indent=1), flush=True)
        kept["parts"][name] = {**figures, "measured": f"{date.today()}", "before_commit": commit.stdout.strip()}
        kept["machine"] = describe_machine()
        if not given.quick:
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
