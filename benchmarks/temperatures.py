"""Whether a temperature should first be asked for a gain: log loss of new images without, with, and asked first.

    .venv/bin/python benchmarks/temperatures.py RUN [RUN …]

Each run was cross-validated (`sightx fit DATA --folds 5`): from its out-of-fold probabilities some images are drawn to
fit on, 60 times, and the rest is what is new. Asked first, a temperature is used only where those of four fifths of
the images lower the log loss of the other fifth. With logits made larger or smaller the same model is one whose
probabilities are too sure, or not sure enough.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sightx_cli.steps.calibration import Unlearned, cross_temper
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.temperature import fit_temperature

DRAWS = 60
SCALES = (1.0, 1.3, 1.8, 0.6)
"""What logits are multiplied by."""
SIZES = (40, 100, 200)
"""Images to fit on."""
MOST_SHARE = 0.7
"""So many of all at the most."""
LEAST = 1e-7

Array = NDArray[Any]


def load_out_of_fold(run: Path) -> tuple[SingleLabel, Array, Array]:
    """Return a run's task, its logits (N, C) out of fold before any temperature, and the numbers of the labels (N,)."""
    table = pd.read_csv(run / "out_of_fold.csv", dtype={"label": str})
    calibration = json.loads((run / "metrics.json").read_text())["calibration"]
    shared = calibration["temperature"] if calibration["fitted_on"] == "out of fold" else 1.0
    columns = [name for name in table.columns if name.startswith("p_")]
    task = SingleLabel(tuple(name.removeprefix("p_") for name in columns))
    logits = np.log(np.clip(table[columns].to_numpy(), LEAST, 1)) * shared
    return task, logits, task.number(table["label"].tolist())


def measure_loss(probabilities: Array, targets: Array) -> float:
    """Return the log loss of probabilities (N, C)."""
    return float(-np.log(np.clip(probabilities[np.arange(len(targets)), targets], LEAST, 1)).mean())


def measure_draw(task: SingleLabel, probabilities: Array, targets: Array, fitted: Array, new: Array) -> list[float]:
    """Return the log loss of new images without a temperature, with it, and asked first; and whether it was used."""
    some, truth = probabilities[fitted], targets[fitted]
    tempered = task.temper(probabilities[new], fit_temperature(task, some, truth))
    crossed = cross_temper(task, Unlearned(some, truth, [""] * len(fitted), "valid"))
    gains = measure_loss(crossed, truth) < measure_loss(some, truth)
    without, with_one = (measure_loss(one, targets[new]) for one in (probabilities[new], tempered))
    return [without, with_one, with_one if gains else without, float(gains)]


def main() -> None:
    """Print a line for each run, scale of the logits, and number of images to fit on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    for run in parser.parse_args().runs:
        task, logits, targets = load_out_of_fold(run)
        for scale in SCALES:
            probabilities = task.activate(logits * scale).astype(np.float32)
            for size in (one for one in SIZES if one <= MOST_SHARE * len(targets)):
                generator, rows = np.random.default_rng(1), []
                for _ in range(DRAWS):
                    order = generator.permutation(len(targets))
                    rows.append(measure_draw(task, probabilities, targets, order[:size], order[size:]))
                without, with_one, asked, used = np.mean(rows, axis=0)
                said = f"without {without:.4f}, with {with_one:.4f}, asked first {asked:.4f} (used {used:.0%})"
                print(f"{run.name}, logits × {scale}, {size} images: {said}", flush=True)


if __name__ == "__main__":
    main()
