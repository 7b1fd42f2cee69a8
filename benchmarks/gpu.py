"""SightX against plain fastai on one GPU, in one call of at most eight minutes.

    python benchmarks/gpu.py --out FOLDER [--data ../shared/data] [--minutes 8]
    python benchmarks/gpu.py --out FOLDER --dry-run     every line of it on the CPU, on a few images

Both train the whole of tf_efficientnet_lite0 on CIFAR-10 at 224 px from the same files, weights and images; frozen
features are computed from files to the store; ants and bees are fitted by whole processes; the files are checked.
FOLDER gets `gpu.json`, which is written after each part, and `trace.json.gz` of the profiler (chrome://tracing or
perfetto.dev). A part that fails, or for which no time is left, is named there and the others go on.
Only the standard library is imported here; how it is installed without a network stands in benchmarks/README.md.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from measuring import HERE, PYTHON, Bench, link_files

ALL_IMAGES, VALID_IMAGES = 45_000, 5_000
BUSY = 70.0
WANTED = {
    "epoch_ratio": 4.0,
    "epoch_busy_percent": BUSY,
    "features_per_second": 8000.0,
    "fit_ratio": 2.0,
    "accuracy_gain": 0,
}
"""What each figure must be at least."""
SAMPLE_MS, ASKED = 200, "timestamp,utilization.gpu,memory.used"


@dataclass
class Load:
    """What the GPU does meanwhile, as `nvidia-smi` says: (time, percent busy, MB held); empty where there is none."""

    samples: list[tuple[float, float | None, float | None]] = field(default_factory=list)

    def follow(self) -> Callable[[], None]:
        """Begin to listen; returns what ends it."""
        if shutil.which("nvidia-smi") is None:
            return lambda: None
        asked = f"--query-gpu={ASKED}", "--format=csv,noheader,nounits", f"--loop-ms={SAMPLE_MS}"
        by_line = ["stdbuf", "-oL"] if shutil.which("stdbuf") else []  # what is in its buffer at the end would be lost
        process = subprocess.Popen([*by_line, "nvidia-smi", *asked], stdout=subprocess.PIPE, text=True)
        thread = threading.Thread(target=self._read, args=(process,), daemon=True)
        thread.start()

        def end() -> None:
            process.terminate()
            thread.join(5)

        return end

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with contextlib.suppress(ValueError):  # half a line
                said, *numbers = line.strip().split(", ")
                moment = datetime.strptime(said, "%Y/%m/%d %H:%M:%S.%f").timestamp()
                busy, held = (float(one) if one[0].isdigit() else None for one in numbers)  # "[N/A]"
                self.samples.append((moment, busy, held))

    def describe(self, since: float, until: float) -> dict[str, float | None]:
        """Give the mean share of the time that it computed, and the most memory held."""
        seen = [(busy, held) for moment, busy, held in self.samples if since <= moment <= until]
        busy, held = (
            ([one for one in column if one is not None] for column in zip(*seen, strict=True)) if seen else ([], [])
        )
        return {
            "busy_percent": round(sum(busy) / len(busy), 1) if busy else None,
            "peak_gpu_mb": max(held, default=None),
        }


class Trial:
    """One call: what it works on, and the time that is left."""

    def __init__(self, bench: Bench, out: Path, seconds: float, image_px: int, peer_images: int | None = None) -> None:
        self.bench, self.out, self.image_px, self.peer_images = bench, out, image_px, peer_images
        self.until = time.perf_counter() + seconds
        self.images: Path | None = None
        self.runs = 0
        """So many commands were run; what each says meanwhile is in `said-1.log` and so on."""

    def run(self, *command: str | Path, store: str = "store", most_seconds: float = 1e9) -> dict[str, Any]:
        """Run a command that prints one JSON object; returns it with `wall_seconds` and the GPU's load."""
        seconds = min(self.until - time.perf_counter(), most_seconds)
        if seconds < 5:
            raise TimeoutError("no time is left")
        words = [str(word) for word in command]
        print("  " + " ".join(Path(word).name for word in words)[:110], file=sys.stderr, flush=True)
        found_at = [str(HERE.parent), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        place = {"SIGHTX_CACHE": str(self.bench.work / store), "PYTHONPATH": os.pathsep.join(found_at)}
        load, clock, began = Load(), time.perf_counter(), time.time()
        end, self.runs = load.follow(), self.runs + 1
        said = self.out / f"said-{self.runs}.log"
        try:
            with said.open("w") as errors:
                done = subprocess.run(
                    words,
                    env={**os.environ, **place},
                    cwd=self.bench.work,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    timeout=seconds,
                )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"after {seconds:.0f} s: {said.read_text()[-2000:]}") from error
        finally:
            end()
        wall = round(time.perf_counter() - clock, 2)
        if done.returncode:
            raise RuntimeError(f"exit status {done.returncode}: {said.read_text()[-2000:]}")
        found = json.loads(done.stdout)
        ended = found.pop("ended_at", [])  # of the epochs: the first warms up
        since, until = (ended[0], ended[-1]) if len(ended) > 1 else (began, time.time())
        return {**found, "wall_seconds": wall, **load.describe(since, until)}

    def sightx(self, *words: str | Path, store: str = "store") -> dict[str, Any]:
        """Run the command `sightx` of this checkout."""
        return self.run(PYTHON, "-m", "sightx_cli", *words, "--json", store=store)

    def part(self, *words: str | Path, store: str = "store") -> dict[str, Any]:
        """Run one of `gpu_parts.py`."""
        return self.run(PYTHON, HERE / "gpu_parts.py", *words, store=store)

    def cifar(self) -> Path:
        """Unpack CIFAR-10, once."""
        if self.images is None:
            sizes = (self.bench.amount(ALL_IMAGES, 80), self.bench.amount(VALID_IMAGES, 20))
            self.images = self.bench.unpack_cifar(*sizes)
        return self.images

    def peer_folder(self) -> Path:
        """Return the images of fastai's epochs: all, or as many as are asked for, in proportion."""
        whole = self.cifar()
        if self.peer_images is None:
            return whole
        folder = self.bench.work / "peer"
        for label in sorted(whole.glob("*/*")):
            share = min(1.0, self.peer_images / self.bench.amount(ALL_IMAGES, 80))
            files = sorted(label.iterdir())
            link_files(files[: max(2, round(share * len(files)))], folder / label.relative_to(whole))
        return folder


def epoch(trial: Trial) -> dict[str, Any]:
    """An unfrozen epoch: images a second into steps after the first epoch, and how busy the GPU is."""
    epochs = trial.bench.amount(4, 2)
    folder, px = trial.cifar(), str(trial.image_px)
    ours = trial.part(
        "epoch", folder, "--epochs", str(epochs), "--image-px", px, "--trace", trial.out / "trace.json.gz"
    )
    options = ("--train", "all", "--epochs", "2", "--image-px", px, "--batch", "64", "--any-kernels")
    theirs = trial.run(PYTHON, HERE / "plain_fastai.py", "epoch", trial.peer_folder(), *options)
    ratio = round(ours["images_per_second"] / theirs["images_per_second"], 2)
    return {"sightx": ours, "fastai": theirs, "epoch_ratio": ratio, "epoch_busy_percent": ours["busy_percent"]}


def steps(trial: Trial) -> dict[str, Any]:
    """What a step takes, started kernel by kernel and captured, and what its kernels take."""
    return trial.part("steps", "--image-px", str(trial.image_px))


def features(trial: Trial) -> dict[str, Any]:
    """Files to frozen features in the store, in the precision that suits the device."""
    found = trial.part("features", trial.cifar() / "train", "--image-px", str(trial.image_px), store="features")
    return {**found, "features_per_second": found["images_per_second"]}


def fit(trial: Trial) -> dict[str, Any]:
    """Ants and bees, whole processes from nothing, and how good the models are."""
    bench = trial.bench
    folder = bench.subset("hymenoptera", 32, 16) if bench.quick else bench.data / "hymenoptera"
    px = ("--set", f"image.size_px={trial.image_px}") if bench.quick else ()
    words = ("fit", folder, "--recipe", "natural-small", *px, "--out")
    ours = trial.sightx(*words, bench.work / "run", store="fit")
    options = ("--epochs", str(bench.amount(5, 1)), "--image-px", str(trial.image_px), "--batch", "64", "--any-kernels")
    theirs = trial.run(PYTHON, HERE / "plain_fastai.py", "fit", folder, *options)
    device = "cpu" if bench.quick else "cuda"  # which the fit before leaves alone for so few images
    on_device = trial.sightx(*words, bench.work / "run-device", "--device", device, store="fit-device")
    accuracy = ours["metrics"]["accuracy"]
    told = ("wall_seconds", "seconds", "prefix", "busy_percent")
    return {
        "sightx": {key: ours[key] for key in told} | {"accuracy": round(accuracy, 4)},
        "sightx_on_device": {key: on_device[key] for key in told}
        | {"accuracy": round(on_device["metrics"]["accuracy"], 4)},
        "fastai": theirs,
        "fit_ratio": round(theirs["wall_seconds"] / ours["wall_seconds"], 2),
        "accuracy_gain": round(accuracy - theirs["accuracy"], 4),
    }


def check(trial: Trial) -> dict[str, Any]:
    """Every file read and checked, as before any fit."""
    return trial.part("check", trial.cifar())


def predict(trial: Trial) -> dict[str, Any]:
    """The fit's model over the valid images of CIFAR-10, on the GPU and on the CPU: rates, and how far they differ."""
    return trial.part("predict", trial.cifar() / "valid", "--run", trial.bench.work / "run")


def judge(results: dict[str, Any]) -> dict[str, Any]:
    """Hold what was measured against what is wanted."""
    parts = [one for name, one in results.items() if isinstance(one, dict) and name != "reached"]
    measured = {key: one[key] for one in parts for key in WANTED if key in one}
    return {
        key: {"measured": value, "at_least": WANTED[key], "is_reached": value is not None and value >= WANTED[key]}
        for key, value in measured.items()
    }


PARTS = {"epoch": epoch, "fit": fit, "features": features, "steps": steps, "check": check, "predict": predict}


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("parts", nargs="*", choices=[*PARTS, []], help="by default all")
    cli.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    cli.add_argument("--out", type=Path, required=True)
    cli.add_argument("--minutes", type=float, default=8.0)
    cli.add_argument("--peer-images", type=int, help="fastai's epochs have so many images: its rate is the same")
    cli.add_argument("--dry-run", action="store_true")
    given = cli.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sightx-gpu-") as scratch:
        bench = Bench(given.data.resolve(), Path(scratch), given.dry_run)
        trial = Trial(bench, out, 60 * given.minutes, 32 if given.dry_run else 224, given.peer_images)
        results: dict[str, Any] = {"is_dry_run": given.dry_run}
        for name, measure in {"machine": lambda one: one.part("machine"), **PARTS}.items():
            if given.parts and name not in (*given.parts, "machine"):
                continue
            print(name, file=sys.stderr, flush=True)
            try:
                results[name] = measure(trial)
            except Exception as error:  # the others are worth their figures
                results[name] = {"failed": f"{type(error).__name__}: {error}"[-2500:]}
            results["reached"] = judge(results)
            (out / "gpu.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
