"""Predictions on a local Ray of two workers: rate and rows against one process, a killed worker, a million rows.

    .venv/bin/python benchmarks/ray_cluster.py RUN IMAGES [--parts rate kill memory] [--images 5000] [--no-reading]

`rate` and `kill` predict the first of the images in the folder IMAGES, here and on Ray, and compare the tables byte by
byte. The rates count from the first partition on; beside them stands the processor time of each image, of every process
of Ray's as well, which other work on the machine does not disturb.
`memory` makes 5,000 small images and names them in tables of 100,000 and 1,000,000 rows; the model is left out, and
with --no-reading the images too, so that what is measured is all but these. Prints JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli import predict, runs
from sightx_cli.bundle.predictor import Prediction, Predictor
from sightx_cli.cluster.packed_model import PackedModel
from sightx_cli.cluster.row_worker import RowWorker
from sightx_cli.data.layout import FOUND_OUT
from sightx_cli.data.readers import Found
from sightx_cli.engine.interface import FROZEN, PROBABILITIES, Images, Key, Outputs
from sightx_cli.progress import Silent
from sightx_cli.steps.cluster_prediction import ClusterWish, predict_on_cluster

SMALL_IMAGES, SIDE_PX = 5000, 32
ROWS = (100_000, 1_000_000)


class Clock(Silent):
    """Takes the processor time of this process and those below it at the first partition and at the last."""

    def __init__(self, kills: bool = False) -> None:
        self.kills, self.killed = kills, 0
        self.images, self.first, self.last = 0, 0.0, 0.0

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:  # noqa: ARG002
        if not units:
            return
        self.last = measure_seconds()
        if not self.first:
            self.first = self.last
            return
        self.images += units
        if self.kills and not self.killed:
            self.killed = list_workers()[0].pid
            os.kill(self.killed, signal.SIGKILL)

    @property
    def milliseconds(self) -> float:
        """Processor time of an image, from the first partition on."""
        return 1000 * (self.last - self.first) / max(self.images, 1)


def list_workers() -> list[Any]:
    import psutil

    found = psutil.Process().children(recursive=True)
    return [one for one in found if "MapWorker" in " ".join(one.cmdline())]


def measure_seconds() -> float:
    """Return the processor seconds of this process and those below it."""
    import psutil

    total = 0.0
    for one in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += sum(one.cpu_times()[:2])
    return total


class NoForward:
    """Stands for a compiled network and says of each image that every class is as likely: the model is left out."""

    engine, precision = "none", "float32"

    def __init__(self, predictor: Predictor) -> None:
        self.size_px, self.batch_images = predictor.facts.size_px, predictor.batch
        self._classes = predictor.facts.task.outputs

    def run(self, batches: Iterable[tuple[Key, Images]]) -> Iterator[tuple[Key, Outputs]]:
        for key, images in batches:
            shares = np.full((len(images), self._classes), 1 / self._classes, np.float32)
            yield key, {PROBABILITIES: shares, FROZEN: np.zeros((len(images), 1), np.float32)}


class ReadingWorker(RowWorker):
    """Reads as every worker does, and leaves the model out."""

    def load(self, model: PackedModel) -> Predictor:
        predictor = super().load(model)
        return replace(predictor, forward=NoForward(predictor), familiar=None)


class AnsweringPredictor(Predictor):
    """Says of each image that every class is as likely, without opening it."""

    def predict(self, items: Iterable[tuple[str, Any]]) -> Iterator[Prediction]:
        shares = np.full(self.facts.task.outputs, 1 / self.facts.task.outputs, np.float32)
        for image, _ in items:
            yield Prediction(image, shares, found=Found())


class AnsweringWorker(RowWorker):
    """Leaves both the reading and the model out."""

    def load(self, model: PackedModel) -> Predictor:
        return AnsweringPredictor(**vars(super().load(model)))


def measure_rate(run: Path, images: list[Path], work: Path) -> dict[str, Any]:
    here = Clock()
    one = predict(images, model=run, output=work / "here.csv", overwrite=True, listener=here)
    there = Clock()
    two = predict(images, model=run, output=work / "there.csv", overwrite=True, on="ray", listener=there)
    return {
        "images": len(images),
        "one process, images/s": one.images_per_second,
        "two workers, images/s": two.images_per_second,
        "ratio": round(two.images_per_second / one.images_per_second, 3),
        "one process, processor ms an image": round(here.milliseconds, 2),
        "two workers, processor ms an image": round(there.milliseconds, 2),
        "ratio by processor time": round(here.milliseconds / there.milliseconds, 3),
        "seconds to the first partition": two.seconds["start"],
        "the same rows": (work / "here.csv").read_bytes() == (work / "there.csv").read_bytes(),
    }


def measure_kill(run: Path, images: list[Path], work: Path) -> dict[str, Any]:
    clock = Clock(kills=True)
    predict(images, model=run, output=work / "killed.csv", overwrite=True, on="ray", listener=clock)
    same = not (work / "here.csv").exists() or (work / "here.csv").read_bytes() == (work / "killed.csv").read_bytes()
    rows = (work / "killed.csv").read_bytes().count(b"\n") - 1
    return {"killed": clock.killed, "rows": rows, "of": len(images), "the same rows": same}


def measure_memory(run: Path, work: Path, reads: bool) -> list[dict[str, Any]]:
    write_small_images(work / "small")
    measured = []
    for rows in ROWS:
        words = [
            sys.executable,
            __file__,
            str(run),
            str(work / "small"),
            "--rows",
            str(rows),
            *["--no-reading"] * (not reads),
        ]
        measured.append(json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout))
    measured.append({"memory ratio": round(measured[1]["driver MB"] / measured[0]["driver MB"], 3)})
    return measured


def write_small_images(folder: Path) -> None:
    from PIL import Image

    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(SMALL_IMAGES):
        pixels = random.integers(0, 255, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.jpg")


def read_rows_only(run: Path, folder: Path, rows: int, reads: bool) -> dict[str, Any]:
    """Predict a table of so many rows without the model, and say what this process took of memory and time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = sorted(str(path) for path in folder.iterdir())
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        table, place = Path(work) / "rows.parquet", 0
        with pq.ParquetWriter(table, pa.schema([("image", pa.string()), ("number", pa.int64())])) as writer:
            for place in range(0, rows, len(names)):
                numbers = list(range(place, place + len(names)))
                writer.write_table(pa.table({"image": names, "number": numbers}))
        began = time.perf_counter()
        wish = ClusterWish(runs.find_run(run), Path(work) / "out")
        result = predict_on_cluster([table], FOUND_OUT, wish, Silent(), ReadingWorker if reads else AnsweringWorker)
        seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return {
        "rows": result.images,
        "unreadable": result.unreadable,
        "driver MB": round(peak / 1000),
        "seconds": round(seconds, 1),
        "start": result.seconds["start"],
        "microseconds a row": round(1e6 * (seconds - result.seconds["start"]) / rows),
        "driver's own processor microseconds a row": round(1e6 * time.process_time() / rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", nargs="+", default=["rate", "kill", "memory"])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--no-reading", dest="reads", action="store_false", help="leave the reading out of memory too")
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.rows:
        print(json.dumps(read_rows_only(asked.run, asked.folder, asked.rows, asked.reads)))
        return
    found = sorted(path for path in asked.folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    with tempfile.TemporaryDirectory() as work:
        for part in asked.parts:
            images = found[: asked.images]
            if part == "memory":
                print(json.dumps(measure_memory(asked.run, Path(work), asked.reads), indent=1), flush=True)
            else:
                measure = {"rate": measure_rate, "kill": measure_kill}[part]
                print(json.dumps(measure(asked.run, images, Path(work)), indent=1), flush=True)


if __name__ == "__main__":
    main()
