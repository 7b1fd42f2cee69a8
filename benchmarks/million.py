"""What a fit does before it trains, with a million images: seconds and peak memory of each step, at two sizes.

    .venv/bin/python benchmarks/million.py [--images 100000 1000000] [--data ../shared/data/cifar10-train.tar.gz]

The images are 5,000 of CIFAR-10's, as JPEG, repeated in shards of Parquet that hold each of them once for 5,000 rows,
so that a million rows take some megabytes. Each size runs in a process of its own: the layout is read, every row's
bytes are read, hashed and decoded, the images are split, the fingerprint is built, the split is written. With `--whole`
the same happens as a fit does it (`steps.preparation.prepare`, with the recipe medical-huge, which trains from scratch
and so needs no view of each image before), torch and timm imported. The processes are settled as the `sightx` command
settles its own. Prints JSON; `ratio` is the largest size's peak
over the smallest's.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import Image

DISTINCT = 5_000
ROWS_OF_A_FILE = 50_000
ROWS_OF_A_GROUP = 5_000
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

Result = TypeVar("Result")


def load_images(data: Path) -> tuple[list[bytes], list[int]]:
    """Return DISTINCT images as JPEG, and their classes."""
    images, labels = [], []
    with tarfile.open(data) as archive:
        for member in archive:
            if len(images) == DISTINCT:
                break
            if not member.isfile():
                continue
            file = io.BytesIO()
            with Image.open(io.BytesIO(archive.extractfile(member).read())) as image:
                image.convert("RGB").save(file, "JPEG", quality=90)
            images.append(file.getvalue())
            labels.append(len(images) % len(CLASSES))
    return images, labels


def write_shards(folder: Path, images: list[bytes], labels: list[int], rows: int) -> None:
    """Write `rows` rows as `datasets` does, in files of ROWS_OF_A_FILE."""
    import pyarrow as pa
    from pyarrow import parquet

    features = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}
    noted = {"huggingface": json.dumps({"info": {"features": features}})}
    folder.mkdir(parents=True)
    files = -(-rows // ROWS_OF_A_FILE)
    for number in range(files):
        first, last = number * ROWS_OF_A_FILE, min(rows, (number + 1) * ROWS_OF_A_FILE)
        places = [row % DISTINCT for row in range(first, last)]
        cells = pa.array([{"bytes": images[place], "path": f"{row}.jpg"} for row, place in enumerate(places, first)])
        table = pa.table({"image": cells, "label": pa.array([labels[place] for place in places], pa.int64())})
        path = folder / f"part-{number:05d}-of-{files:05d}.parquet"
        parquet.write_table(
            table.replace_schema_metadata(noted), path, row_group_size=ROWS_OF_A_GROUP, dictionary_pagesize_limit=2**26
        )


def measure_memory_mb() -> tuple[int, int]:
    """Return what this process holds now, and the most that it held (getrusage counts its parent, too)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) // 1024, int(fields["VmHWM"].split()[0]) // 1024


def measure_size(source: Path, scratch: Path) -> dict[str, object]:
    """Run the steps before training in this process."""
    from sightx_cli.data.checks import check_classes, check_files
    from sightx_cli.data.fingerprint import build_fingerprint
    from sightx_cli.data.sources import load_manifest
    from sightx_cli.data.splits import write_split
    from sightx_cli.progress import Recorder
    from sightx_cli.startup.process import settle_process
    from sightx_cli.steps.options import Options
    from sightx_cli.steps.preparation import choose, resolve_recipe
    from sightx_cli.steps.split import split_images
    from sightx_cli.task.kinds import choose_task

    settle_process()
    listener = Recorder()
    options = Options(str(source), shift="similar")
    steps: dict[str, dict[str, float]] = {}

    def step(name: str, work: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        result = work()
        now, peak = measure_memory_mb()
        steps[name] = {"seconds": round(time.perf_counter() - began, 2), "mb": now, "peak_mb": peak}
        return result

    step("import", lambda: None)
    manifest = step("layout", lambda: load_manifest(source))
    step("classes", lambda: check_classes(manifest.frame))
    choice = step("choice", lambda: choose(options, manifest.frame, None))
    recipe = resolve_recipe(options, choice, None)[0]
    checked = step("check of the files", lambda: check_files(manifest.frame, listener))
    task = choose_task(manifest.classes, recipe, manifest.separator)
    split = step("split", lambda: split_images(options, manifest, checked.frame, task, listener))
    step("fingerprint", lambda: build_fingerprint(manifest, split.frame, checked.unreadable, checked.headers))
    step("split.csv", lambda: write_split(split.frame, scratch / "split.csv"))
    return {"images": len(split.frame), "recipe": choice.recipe, "steps": steps}


def measure_whole(source: Path) -> dict[str, object]:
    """Prepare a fit in this process, to its plan."""
    from sightx_cli.progress import Recorder
    from sightx_cli.startup.process import settle_process
    from sightx_cli.steps.options import Options
    from sightx_cli.steps.preparation import prepare

    settle_process()
    began = time.perf_counter()
    made = prepare(Options(str(source), recipe="medical-huge", folds=0), Recorder())
    now, peak = measure_memory_mb()
    seconds = round(time.perf_counter() - began, 1)
    return {"images": len(made.frame), "steps": {"prepare": {"seconds": seconds, "mb": now, "peak_mb": peak}}}


def main() -> None:
    """Measure each size in a process of its own, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-train.tar.gz"))
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    if options.measure is not None:
        source = options.measure
        print(json.dumps(measure_whole(source) if options.whole else measure_size(source, source.parent)))
        return
    images, labels = load_images(options.data)
    found = []
    for rows in options.images:
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "set"
            write_shards(source, images, labels, rows)
            command = [sys.executable, __file__, "--measure", str(source), *["--whole"] * options.whole]
            said = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(said.stdout))
            print(json.dumps(found[-1]), flush=True)
    peaks = [max(step["peak_mb"] for step in one["steps"].values()) for one in found]
    print(json.dumps({"peak_mb": peaks, "ratio": round(peaks[-1] / peaks[0], 2)}))


if __name__ == "__main__":
    main()
