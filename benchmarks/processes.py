"""Two processes against one: the same figures at the same global batch, and the same work in each process.

    .venv/bin/python benchmarks/processes.py [--data CIFAR.tar.gz] [--images 1000 400] [--seeds 0 1 2]

A subset of CIFAR-10, `natural-medium` with `tf_efficientnet_lite0` at 96 px and all its epochs (`--full`), by torchrun
with Gloo on the CPU; each process has one thread. Every fit has a cache of its own, and so computes its features.
Prints JSON: the figures of each seed, by one process and by two, and the processor seconds that each process spent on
features and training (`work`), which do not count what waits. A difference of figures is to be read beside what another
seed changes; the epoch that is kept is chosen by the accuracy, and so by chance where several are as good.
"""

from __future__ import annotations

import argparse
import csv
import functools
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHOWN = ("accuracy", "loss", "roc_auc")


def main() -> None:
    """Run the fits of all seeds and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-train.tar.gz"))
    parser.add_argument("--images", type=int, nargs=2, default=(1000, 400), help="for training, for validation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--exact", action="store_true", help="steps in float32, where bfloat16 would be faster")
    parser.add_argument("--fit", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.fit is not None:
        fit_here(Path(asked.fit[0]), int(asked.fit[1]), int(asked.fit[2]), asked.exact)
        return
    with tempfile.TemporaryDirectory() as scratch:
        images = extract_subset(asked.data, Path(scratch) / "images", *asked.images)
        fits = {
            seed: {count: fit_in(images, Path(scratch), count, seed, asked.size, asked.exact) for count in (1, 2)}
            for seed in asked.seeds
        }
    print(json.dumps({"fits": fits, "summary": summarise(fits)}, indent=1))


def extract_subset(archive: Path, folder: Path, train: int, valid: int) -> Path:
    """Extract the first images of each class: as many for training and for validation, over ten classes."""
    wanted, taken = (train // 10, valid // 10), Counter[str]()
    with tarfile.open(archive) as file:
        for member in sorted((one for one in file if one.isfile()), key=lambda one: one.name):
            _, label, name = Path(member.name).parts
            if taken[label] >= sum(wanted):
                continue
            part = "train" if taken[label] < wanted[0] else "valid"
            taken[label] += 1
            target = folder / part / label / name
            target.parent.mkdir(parents=True, exist_ok=True)
            read = file.extractfile(member)
            assert read is not None
            target.write_bytes(read.read())
    return folder


def fit_in(images: Path, scratch: Path, count: int, seed: int, size_px: int, is_exact: bool) -> dict[str, Any]:
    """Fit in so many processes, as torchrun starts them."""
    out = scratch / f"{count}-{seed}"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SIGHTX_CACHE": str(out.with_suffix(".cache"))}
    began = time.monotonic()
    words = [__file__, "--fit", str(images), str(seed), str(size_px), *(["--exact"] if is_exact else [])]
    subprocess.run([*command, *words], cwd=scratch, env={**environment, "OUT": str(out)}, check=True)
    seconds = time.monotonic() - began
    work = [json.loads(out.with_suffix(f".{rank}").read_text()) for rank in range(count)]
    return {**json.loads(out.with_suffix(".figures").read_text()), "work": work, "seconds": round(seconds, 1)}


def fit_here(images: Path, seed: int, size_px: int, is_exact: bool) -> None:
    """Fit as one of the processes; writes the figures and this process's work beside the run."""
    from sightx_cli import fit
    from sightx_cli.engine.interface import EXACT
    from sightx_cli.steps import session
    from sightx_cli.train import learners, stage_runs

    if is_exact:
        setattr(learners, "choose_step_precision", lambda _: EXACT)  # noqa: B010 (another module's name)
    spent: Counter[str] = Counter()
    count_work(session, "keep_prefix", spent, "features")
    count_work(stage_runs, "fit_stage", spent, "training")
    rank, out = int(os.environ["RANK"]), Path(os.environ["OUT"])
    how = {"recipe": "natural-medium", "backbone": "tf_efficientnet_lite0", "settings": [f"image.size_px={size_px}"]}
    result = fit(images, **how, seed=seed, full=True, probe=False, folds=0, out=out)
    total = {name: round(seconds, 2) for name, seconds in spent.items()}
    out.with_suffix(f".{rank}").write_text(json.dumps(total))
    if rank == 0:
        figures = {name: result.valid.metrics[name] for name in SHOWN}
        with (out / "history.csv").open() as file:
            epochs = [float(row["valid_loss"]) for row in csv.DictReader(file)]
        out.with_suffix(".figures").write_text(
            json.dumps({**figures, "last epoch's loss": epochs[-1], "losses": epochs})
        )


def count_work(module: Any, name: str, spent: Counter[str], what: str) -> None:
    """Add the processor seconds of a module's function to what was spent, each time it is called."""
    run: Callable[..., Any] = getattr(module, name)

    @functools.wraps(run)
    def counted(*given: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return run(*given, **named)
        finally:
            spent[what] += time.process_time() - began  # type: ignore[assignment]  # a Counter of seconds

    setattr(module, name, counted)


def summarise(fits: dict[int, dict[int, dict[str, Any]]]) -> dict[str, Any]:
    """Summarise: by how much two processes differ from one, how far seeds lie apart, and how work is divided."""
    found: dict[str, Any] = {}
    for name in (*SHOWN, "last epoch's loss"):
        one = [fit[1][name] for fit in fits.values()]
        differences = [fit[2][name] - fit[1][name] for fit in fits.values()]
        found[name] = {
            "one": round(statistics.mean(one), 4),
            "two less one": [round(difference, 4) for difference in differences],
            "deviation over seeds": round(statistics.stdev(one), 4) if len(one) > 1 else None,
        }
    shares = []
    for fit in fits.values():
        work = [sum(spent.values()) for spent in fit[2]["work"]]
        shares.append(round(max(work) / statistics.mean(work) - 1, 3))
    found["most work of a process above the mean"] = shares
    found["work of two against one"] = [
        round(sum(sum(one.values()) for one in fit[2]["work"]) / sum(fit[1]["work"][0].values()), 3)
        for fit in fits.values()
    ]
    return found


if __name__ == "__main__":
    main()
