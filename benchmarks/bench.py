"""Measure SightX and plain fastai on this machine, in turn, each in processes of their own.

    python benchmarks/bench.py                      every part (hours); make bench does the same
    python benchmarks/bench.py fit-small predict    these parts
    python benchmarks/bench.py --quick predict-one  a few images, to see that a part runs; nothing is written down
    python benchmarks/bench.py --write-page         put the last figures into benchmarks/README.md and docs/

Each part prints its figures as JSON and adds them to benchmarks/results.json.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import fitting
import predicting
import strategies
from machine import describe_machine
from measuring import HERE, Bench
from page import build_tables, write_page, write_strategies

DATA = HERE.parent.parent / "shared" / "data"
RESULTS = HERE / "results.json"

PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "startup": fitting.startup,
    "fit-small": fitting.fit_small,
    "grading": fitting.grading,
    "fit-400": fitting.fit_400,
    "fit-head": fitting.fit_head,
    "fit-medium": fitting.fit_medium,
    "epoch-suffix": predicting.epoch_suffix,
    "epoch-whole": predicting.epoch_whole,
    "predict": predicting.predict,
    "predict-bare": predicting.predict_bare,
    "predict-one": predicting.predict_one,
    "predict-memory": predicting.predict_memory,
    "demo": fitting.demo,
    "store": fitting.store_or_fresh,
    "mini": fitting.mini,
    "strategies": strategies.compare_strategies,
}


def load_results(path: Path) -> dict[str, Any]:
    """Read what was measured before; nothing if this is the first time."""
    return json.loads(path.read_text()) if path.exists() else {"machine": {}, "parts": {}}


def measure_part(name: str, data: Path, quick: bool) -> dict[str, Any]:
    """Measure one part in a folder of its own that is removed afterwards."""
    print(f"{name}: {(PARTS[name].__doc__ or '').strip()}", file=sys.stderr, flush=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="sightx-bench-") as work:
        figures = PARTS[name](Bench(data, Path(work), quick))
    return {**figures, "measured": f"{date.today()}", "part_seconds": round(time.perf_counter() - began, 1)}


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("parts", nargs="*", metavar="PART", help=f"all, or some of: {', '.join(PARTS)}")
    cli.add_argument("--data", type=Path, default=DATA, help="the folder that holds hymenoptera/, idrid/, chest_xray/")
    cli.add_argument("--results", type=Path, default=RESULTS, help="the JSON file that figures are added to")
    cli.add_argument("--quick", action="store_true", help="a few images only; prints, and writes nothing")
    cli.add_argument("--write-page", action="store_true", help="only put the figures of --results into README.md")
    arguments = cli.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        cli.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if arguments.write_page:
        write_page(HERE / "README.md", load_results(arguments.results))
        write_strategies(HERE.parent / "docs" / "strategies.md", load_results(arguments.results))
        return
    if not arguments.data.is_dir():
        cli.error(f"{arguments.data} does not exist; benchmarks/README.md says what --data FOLDER holds")
    measured: dict[str, Any] = {"machine": describe_machine(), "parts": {}}
    for name in arguments.parts or PARTS:
        measured["parts"][name] = measure_part(name, arguments.data.absolute(), arguments.quick)
        print(json.dumps({name: measured["parts"][name]}, indent=2), flush=True)
        if not arguments.quick:
            before = load_results(arguments.results)
            after = {"machine": measured["machine"], "parts": {**before["parts"], name: measured["parts"][name]}}
            arguments.results.write_text(json.dumps(after, indent=2) + "\n")
    print(build_tables(measured), file=sys.stderr)


if __name__ == "__main__":
    main()
