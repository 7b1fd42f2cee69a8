"""One fit that is killed and gone on with, in folders of its own, and the images that it trains on."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STAGES = (
    'stage=[{train="head",epochs=2,rate=3e-3},{train="last:1",epochs=2,rate=1e-4},{train="last:2",epochs=2,rate=2e-5}]'
)
OPTIONS = ("--recipe", "natural-small", "--set", "image.size_px=96", "--set", 'training.metric="loss"', "--set", STAGES)
DONE, DEFECT, REFUSED, STOPPED = 0, 1, 2, 130
SAME = ("metrics.json", "bundle/weights.safetensors", "split.csv")
Harm = Callable[[int], object]
"""What is done to a process, by its id."""
PLACES = ("runs", "cache", "tmp")
"""Of a trial: what its folders are for."""


class Trial:
    """One fit in folders of its own: `runs`, `cache` and `tmp`."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data, self.run = folder, data, folder / "runs" / "run"
        for name in PLACES:
            (folder / name).mkdir(parents=True)

    def start(self, *words: str | Path) -> int:
        """Start the command in a forked process; returns its id."""
        process = os.fork()
        if process:
            return process
        with (self.folder / "said.txt").open("ab") as said, Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        os.chdir(self.folder)
        os.environ |= {"SIGHTX_CACHE": str(self.folder / "cache"), "TMPDIR": str(self.folder / "tmp")}
        tempfile.tempdir = None
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs without it
        sys.argv = ["sightx", *map(str, words)]
        from sightx_cli.app import main

        try:
            main()
        finally:
            os._exit(99)

    def call(self, *words: str | Path, after: float = math.inf, harm: Harm | None = None) -> int:
        """Run the command, and harm its process after some seconds; returns its status, negative for a signal."""
        process, end = self.start(*words), time.perf_counter() + after
        while time.perf_counter() < end:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        if harm is not None:
            harm(process)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def fit(self, after: float = math.inf, harm: Harm | None = None) -> tuple[str, int]:
        """Begin, or go on with what there is; returns which, and the status."""
        if (self.run / "journal.json").exists():
            return "resumed", self.call("fit", "--resume", self.run, after=after, harm=harm)
        return "begun", self.call("fit", self.data, *OPTIONS, "--out", self.run, after=after, harm=harm)

    def is_taken_for_whole(self) -> bool:
        """Tell whether SightX would predict with the run."""
        from sightx_cli import runs
        from sightx_cli.errors import RunError

        try:
            runs.find_run(self.run)
        except RunError:
            return False
        return True

    def predict(self) -> bytes:
        """Return the predictions for all images, empty where there are none."""
        table = self.folder / "predictions.csv"
        status = self.call("predict", self.data, "--model", self.run, "-o", table, "--overwrite")
        return table.read_bytes() if status == DONE else b""

    def agrees_with_itself(self) -> bool:
        """Tell whether the run has all its files, and the model the accuracy that its figures say."""
        try:
            with (self.run / "split.csv").open() as file:
                valid = {row["image"]: row["label"] for row in csv.DictReader(file) if row["split"] == "valid"}
            rows = list(csv.DictReader(self.predict().decode().splitlines()))
            right = [valid[name] == row["prediction"] for row in rows if (name := self.name(row["image"])) in valid]
            said = json.loads((self.run / "metrics.json").read_text())["valid"]["metrics"]["accuracy"]
            return len(right) == len(valid) and abs(sum(right) / len(right) - said) < 1e-9
        except (OSError, ValueError, KeyError, ZeroDivisionError):
            return False

    def name(self, image: str) -> str:
        """Return an image's name in the split."""
        path = Path(image)
        return path.relative_to(self.data).as_posix() if path.is_absolute() else path.as_posix()

    def read(self) -> dict[str, Any]:
        """Return all that two runs of the same fit have in common."""
        found: dict[str, Any] = {}
        for name in SAME:
            path = self.run / name
            found[name] = path.read_bytes() if path.is_file() else b""
        with (self.run / "history.csv").open() as file:
            rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
        return found | {"history": json.dumps(rows), "predictions": self.predict()}

    def list_files(self) -> set[str]:
        """List all files and empty folders of the trial, without names that differ from one to the next."""
        found = [path for name in PLACES for path in (self.folder / name).rglob("*")]
        ends = [path for path in found if path.is_file() or not any(path.iterdir())]
        return {path.relative_to(self.folder).as_posix() for path in ends}

    def measure_bytes(self, place: str) -> int:
        """Return the bytes of one of the trial's folders."""
        return sum(path.stat().st_size for path in (self.folder / place).rglob("*") if path.is_file())


def make_data(folder: Path) -> Path:
    """Write 20 each of the handwritten digits 3, 5 and 8, at 96 px."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    known = load_digits()
    for label in (3, 5, 8):
        (folder / f"digit-{label}").mkdir(parents=True)
        for place, pixels in enumerate(known.images[known.target == label][:20]):
            image = Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
            image.save(folder / f"digit-{label}" / f"{place:02}.png")
    return folder
