"""Runs commands in processes of their own, by wall clock and peak memory; makes the data folders they read.

Only the standard library is imported here: a child's peak memory is never counted below that of the process it was
started from, so this one stays small.
"""

import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PYTHON = sys.executable
SIGHTX = str(Path(sys.executable).with_name("sightx"))

HEAD_ONLY = 'stage=[{train="head",epochs=3,rate=2e-3}]'
"""The setting that leaves of a recipe's stages only the head's."""

T_975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306}
"""The 97.5 % point of Student's t by the number of pairs (one degree of freedom fewer)."""


@dataclass(frozen=True)
class Child:
    """A finished process: wall seconds, the most memory it (or one of its workers) held, and what it printed."""

    seconds: float
    peak_mb: float
    stdout: str

    def json(self) -> dict[str, Any]:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Bench:
    """What every part gets: the images, a folder to work in, and whether this is only a try."""

    data: Path
    work: Path
    quick: bool

    def amount(self, full: int, quick: int) -> int:
        """Return how many images, rounds or seeds to take."""
        return quick if self.quick else full

    def run(self, *command: str | Path, store: str = "store", cwd: Path | None = None) -> Child:
        """Run a command to its end; SightX caches its features in the named store. Stops everything if it fails."""
        words = [str(word) for word in command]
        print("  " + " ".join(Path(word).name for word in words)[:110], file=sys.stderr, flush=True)
        environment = {**os.environ, "SIGHTX_CACHE": str(self.work / store)}
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            began = time.perf_counter()
            process = subprocess.Popen(words, stdout=out, stderr=err, env=environment, cwd=cwd or self.work)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            if process.returncode:
                raise SystemExit(f"{' '.join(words)}: exit status {process.returncode}\n{err.read()[-3000:]}")
            unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in kB on Linux, in bytes on macOS
            return Child(round(seconds, 3), round(usage.ru_maxrss * unit / 1e6), out.read())

    def fit(self, folder: Path, recipe: str, *options: str, store: str = "store", out: str = "run") -> Child:
        """Run `sightx fit`, its run in work/`out`; a try trains one epoch of each stage."""
        if self.quick and HEAD_ONLY not in options:
            stages = 1 if recipe == "natural-small" else 2
            options += tuple(word for number in range(stages) for word in ("--set", f"stage.{number}.epochs=1"))
        return self.run_fit(folder, recipe, *options, store=store, out=out)

    def run_fit(self, folder: Path, recipe: str, *options: str, store: str = "store", out: str = "run") -> Child:
        """Run `sightx fit` as it is, its run in work/`out`."""
        words = ("--recipe", recipe, "--out", str(self.work / out), "--overwrite", "--json")
        return self.run(SIGHTX, "fit", folder, *words, *options, store=store)

    def fastai(self, task: str, folder: Path, *options: str) -> Child:
        """Run the peer, plain fastai."""
        return self.run(PYTHON, HERE / "plain_fastai.py", task, folder, *options)

    def classes(self, name: str, part: str) -> dict[str, list[Path]]:
        """List one part's images by class, in a fixed shuffled order."""
        found = {}
        for folder in sorted(path for path in (self.data / name / part).iterdir() if path.is_dir()):
            found[folder.name] = sorted(path for path in folder.rglob("*") if path.is_file())
            random.Random(0).shuffle(found[folder.name])
        return found

    def subset(self, name: str, train: int, valid: int, seed: int = 0) -> Path:
        """Make a folder with `train` and `valid` images of a data set that has both parts, classes in proportion."""
        folder = self.work / f"{name}-{train}-{valid}-{seed}"
        if folder.exists():
            return folder
        for part, count in (("train", train), ("valid", valid)):
            everything = self.classes(name, part)
            total = sum(map(len, everything.values()))
            for label, files in everything.items():
                wanted = min(len(files), max(2, round(count * len(files) / total)))
                link_files(random.Random(seed).sample(files, wanted), folder / part / label)
        return folder

    def split(self, name: str, seed: int, images: int | None = None) -> Path:
        """Make a folder with a seeded stratified 80/20 split of a data set's train part, or of some of its images."""
        folder = self.work / f"{name}-split-{seed}-{images or 'all'}"
        if folder.exists():
            return folder
        everything = self.classes(name, "train")
        share = 1.0 if images is None else min(1.0, images / sum(map(len, everything.values())))
        for label, files in everything.items():
            chosen = random.Random(seed).sample(files, max(5, round(share * len(files))))
            border = round(0.2 * len(chosen))
            link_files(chosen[:border], folder / "valid" / label)
            link_files(chosen[border:], folder / "train" / label)
        return folder

    def unpack_cifar(self, train: int, valid: int) -> Path:
        """Make a folder with train/ and valid/ of CIFAR-10's train part, drawn by seed 0, classes in equal numbers."""
        folder = self.work / "cifar10"
        with tarfile.open(self.data / "cifar10-train.tar.gz") as archive:
            files: dict[str, list[tarfile.TarInfo]] = {}
            for member in archive:
                if member.isfile():
                    files.setdefault(Path(member.name).parent.name, []).append(member)
            targets: dict[str, Path] = {}
            for label, members in files.items():
                drawn = random.Random(0).sample([member.name for member in members], (train + valid) // len(files))
                for place, name in enumerate(drawn):
                    part = "train" if place < train // len(files) else "valid"
                    targets[name] = folder / part / label / Path(name).name
            for target in targets.values():
                target.parent.mkdir(parents=True, exist_ok=True)
            for member in archive:  # in the archive's order: it cannot be read backwards
                if member.name in targets:
                    targets[member.name].write_bytes(archive.extractfile(member).read())
        return folder

    def repeat(self, name: str, count: int) -> Path:
        """Make a flat folder of this many images of a train part, repeated as often as needed."""
        files = [path for paths in self.classes(name, "train").values() for path in paths]
        random.Random(0).shuffle(files)
        folder = self.work / f"{name}-flat-{count}"
        for number in range(0, count, len(files)):
            link_files(files[: count - number], folder / str(number))
        return folder


def link_files(files: Sequence[Path], folder: Path) -> None:
    """Put files into a folder: hard links where the file system allows them, else copies."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(files):
        target = folder / f"{number:05}-{path.name}"
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)


def median_in_turn(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """Run the measures one after the other, all of them in each round; return the median of each."""
    seconds = [[measure() for measure in measures] for _ in range(rounds)]
    return [round(statistics.median(column), 4) for column in zip(*seconds, strict=True)]


def paired_interval(differences: Sequence[float]) -> dict[str, float]:
    """Return the mean of paired differences and its 95 % interval by Student's t."""
    mean, count = statistics.mean(differences), len(differences)
    half = T_975[count] * statistics.stdev(differences) / math.sqrt(count) if count > 1 else math.inf
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4), "pairs": count}
