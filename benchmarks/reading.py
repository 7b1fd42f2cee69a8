"""What reading for a device costs beside bare decoding: python reading.py FOLDER … [--processes 16]. Prints JSON.

Images for each second of one core: (a) a loop of Pillow that opens, decodes at the fraction of the size that is needed,
and resizes each file, nothing else; (b) the processes that SightX reads with, until batches (uint8, contiguous) can be
sent. CPU time, of this process and of its readers together, so that 16 processes can be judged on two cores and beside
other work. For information: views of a second by the torch operations that a GPU runs, in one thread of this processor,
and by Pillow.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe_machine
from PIL import Image

from sightx_cli.data.augmentation import augment_image, measure_drawn_sides
from sightx_cli.data.decoded_room import Rooms, decode_images
from sightx_cli.data.decoded_set import DecodedSet
from sightx_cli.data.file_kinds import has_image_ending
from sightx_cli.data.geometry import choose_window, cut_window, measure_needed_sides
from sightx_cli.data.pixel_reads import PixelRequest
from sightx_cli.data.reader_processes import ReaderPool
from sightx_cli.data.readers.raster import draft
from sightx_cli.features.sample import Sample
from sightx_cli.features.views import View, read_batches
from sightx_cli.progress import Silent
from sightx_cli.recipe.profiles import PROFILES
from sightx_cli.startup.process import settle_process
from sightx_cli.train.device_images import DeviceImages
from sightx_cli.train.device_loaders import build_device_loaders

SIZE_PX, FIT, PROFILE, BATCH = 224, "crop", PROFILES["natural"], 256
LEAST_SECONDS = 4.0
"""The shorter sets are read several times, so that starting processes does not count."""
AUGMENTED_IMAGES = 512


def count_seconds(numbers: list[int]) -> float:
    """Return the CPU seconds so far of this process and of others, by their numbers."""
    ticks = os.sysconf("SC_CLK_TCK")
    others = 0.0
    for number in numbers:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        others += (int(fields[11]) + int(fields[12])) / ticks
    return time.process_time() + others


def rate(images: int, work: Callable[[], object], numbers: Callable[[], list[int]] = list) -> float:
    """Return the images of one core for each second, over as many rounds as take long enough to tell."""
    rounds, before = 0, count_seconds(numbers())
    while (seconds := count_seconds(numbers()) - before) < LEAST_SECONDS:
        work()
        rounds += 1
    return round(rounds * images / seconds, 1)


def decode_bare(path: str) -> np.ndarray[Any, Any]:
    """Decode and resize one file, as a script does that does nothing else."""
    with Image.open(path) as image:
        draft(image, **{"min_long_side_px": None, **measure_needed_sides(SIZE_PX, FIT)})
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return np.asarray(cut_window(rgb, choose_window(rgb.size, FIT), SIZE_PX))


def measure(folder: Path, pool: ReaderPool) -> dict[str, Any]:
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file() and has_image_ending(path.name))
    items = [(f"{number:032x}", path) for number, path in enumerate(files)]
    plain = View(SIZE_PX, FIT, None, 0, 0)

    def read_apart() -> None:
        for _, images in read_batches(items, plain, BATCH, None, pool):
            assert images.flags.c_contiguous

    read_apart()  # the processes start
    found: dict[str, Any] = {"images": len(files)}
    found["bare_per_core"] = rate(len(files), lambda: [decode_bare(path) for path in files])
    found["batches_per_core"] = rate(len(files), read_apart, pool.list_numbers)
    found["share"] = round(found["batches_per_core"] / found["bare_per_core"], 3)
    began = time.perf_counter()
    read_apart()
    found["batches_per_second_here"] = round(len(files) / (time.perf_counter() - began), 1)
    return found | measure_training(files[:: max(1, len(files) // 4000)], pool)


def measure_training(files: list[str], pool: ReaderPool) -> dict[str, Any]:
    """Measure what training reads: decoded once, then augmented each epoch."""
    request, rooms, silent = PixelRequest(SIZE_PX, FIT, PROFILE), Rooms(10**11, 0, Path()), Silent()
    sides = measure_drawn_sides(SIZE_PX, FIT, PROFILE)

    def decode_once() -> DecodedSet:
        decoded = decode_images(files, request, rooms, silent, silent.notice, pool)
        assert isinstance(decoded, DecodedSet)
        return decoded

    def decode_here(path: str) -> None:
        with Image.open(path) as image:
            draft(image, **{"min_long_side_px": None, **sides})
            np.asarray(image)

    found: dict[str, Any] = {"decoded_bytes_per_image": decode_once().bytes_held // len(files)}
    found["bare_decode_per_core"] = rate(len(files), lambda: [decode_here(path) for path in files])
    found["decoded_set_per_core"] = rate(len(files), decode_once, pool.list_numbers)
    few = files[:: max(1, len(files) // AUGMENTED_IMAGES)][:AUGMENTED_IMAGES]
    view = View(SIZE_PX, FIT, PROFILE, 1, 0)
    sample = Sample(few, [f"{number:032x}" for number in range(len(few))], np.zeros(len(few), np.int64))
    device = torch.device("cpu")
    kept = DeviceImages(device, silent, None, rooms, pool, lambda _: 10**11)
    loaders = build_device_loaders(sample, sample, view, ((0.5,) * 3, (0.5,) * 3), 64, device, kept)
    found["device_views_per_core"] = rate(len(few), lambda: [0 for _ in loaders.train])
    images = []
    for path in few:
        with Image.open(path) as image:
            draft(image, **{"min_long_side_px": None, **sides})
            images.append(image.convert("RGB"))
    found["pillow_views_per_core"] = rate(
        len(few), lambda: [augment_image(one, SIZE_PX, FIT, PROFILE, seed) for seed, one in enumerate(images)]
    )
    return found


if __name__ == "__main__":
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folders", type=Path, nargs="+")
    cli.add_argument("--processes", type=int, default=16)
    given = cli.parse_args()
    settle_process()
    torch.set_num_threads(1)
    readers = ReaderPool(given.processes)
    try:
        rows = {str(folder): measure(folder, readers) for folder in given.folders}
        print(json.dumps({"machine": describe_machine(), "processes": given.processes, "rows": rows}, indent=1))
    finally:
        readers.close()
