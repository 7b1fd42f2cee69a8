"""The loaders of a device: the views that the CPU makes of the same images, decoded once, wherever they lie."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sightx_cli.data.contents import digest_file
from sightx_cli.data.decoded_room import Rooms
from sightx_cli.data.decoded_set import DecodedSet, StreamedSet
from sightx_cli.data.pixel_reads import PixelRequest
from sightx_cli.data.pixels import DecodedImages
from sightx_cli.data.reader_processes import ReaderThreads
from sightx_cli.errors import DataError
from sightx_cli.features.sample import Sample
from sightx_cli.features.views import View, plain_view
from sightx_cli.processes import Processes
from sightx_cli.progress import Recorder
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.recipe.profiles import PROFILES
from sightx_cli.recipe.rates import read_rate
from sightx_cli.train.device_images import DeviceImages, Resident
from sightx_cli.train.device_loaders import DeviceLoader
from sightx_cli.train.loaders import build_image_loaders, read_loader_state, set_loader_state
from sightx_cli.train.stage_runs import run_stage
from sightx_cli.train.state import Session

CPU = torch.device("cpu")
AS_LEVELS = ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))
SIZE_PX = 48
PLENTY = 10**9
HOMES = {"resident": (PLENTY, PLENTY, PLENTY), "memory": (0, PLENTY, 0), "disk": (0, 0, PLENTY), "nowhere": (0, 0, 0)}
"""Where decoded images lie, by the bytes free: on the device, in memory, on disk."""


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """Photographs of several sizes and shapes, grey ones among them."""
    generator, paths = np.random.default_rng(0), []
    for place, size in enumerate([(80, 60), (200, 90), (40, 40), (64, 120), (90, 70), (300, 310), (20, 24)]):
        small = Image.fromarray(generator.integers(0, 256, (7, 9, 3), dtype=np.uint8))
        mode = "L" if place % 3 == 2 else "RGB"
        paths.append(str(tmp_path / f"{place}.png"))
        small.resize(size, Image.Resampling.BICUBIC).convert(mode).save(paths[-1])
    return Sample(paths, [digest_file(path) for path in paths], np.arange(len(paths)))


def open_images(folder: Path, home: str, listener: Recorder | None = None) -> DeviceImages:
    device, memory, disk = HOMES[home]
    rooms = Rooms(memory, disk, folder / "cache")
    return DeviceImages(CPU, listener, None, rooms, ReaderThreads(2), lambda _: device)


def open_loaders(sample: Sample, folder: Path, profile: str = "natural", fit: str = "crop", home: str = "memory"):
    view = View(SIZE_PX, fit, PROFILES[profile], 1, 7)
    kept = open_images(folder, home)
    return build_image_loaders(sample, sample, view, AS_LEVELS, 3, CPU, kept), view


def read_pass(loader: DeviceLoader) -> dict[int, np.ndarray]:
    """Each image's view of one pass (S, S, 3), by its target."""
    found = {}
    for images, targets in loader:
        for image, target in zip(images.numpy().transpose(0, 2, 3, 1), targets.tolist(), strict=True):
            found[target] = image
    return found


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize(("profile", "fit"), [("natural", "crop"), ("skin", "pad"), ("surface", "squash")])
def test_training_views_are_those_that_the_cpu_draws(
    sample: Sample, tmp_path: Path, home: str, profile: str, fit: str
) -> None:
    loaders, view = open_loaders(sample, tmp_path, profile, fit, home)
    for number in (1, 2):
        found = read_pass(loaders.train)
        assert sorted(found) == list(range(len(sample)))
        for place, (path, digest) in enumerate(zip(sample.paths, sample.digests, strict=True)):
            drawn = View(SIZE_PX, fit, view.profile, number, 7).read(path, digest, DecodedImages(PLENTY).read)
            assert np.abs(found[place] - drawn).mean() < 0.5, (number, place)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_validation_views_are_the_plain_ones_to_the_byte(sample: Sample, tmp_path: Path, home: str, fit: str) -> None:
    loaders, view = open_loaders(sample, tmp_path, fit=fit, home=home)
    found = read_pass(loaders.valid)
    for place, (path, digest) in enumerate(zip(sample.paths, sample.digests, strict=True)):
        assert np.array_equal(found[place].round().astype(np.uint8), plain_view(view).read(path, digest))


def test_validation_keeps_the_order(sample: Sample, tmp_path: Path) -> None:
    loaders, _ = open_loaders(sample, tmp_path)
    assert torch.cat([targets for _, targets in loaders.valid]).tolist() == list(range(len(sample)))


def test_a_profile_that_changes_nothing_trains_on_the_plain_view(sample: Sample, tmp_path: Path) -> None:
    loaders, view = open_loaders(sample, tmp_path, "none")
    for place, image in read_pass(loaders.train).items():
        plain = plain_view(view).read(sample.paths[place], sample.digests[place])
        assert np.array_equal(image.round().astype(np.uint8), plain)


def test_inputs_are_normalised_and_channels_last(sample: Sample, tmp_path: Path) -> None:
    kept = open_images(tmp_path, "memory")
    view = View(SIZE_PX, "crop", PROFILES["none"], 1, 0)
    loaders = build_image_loaders(sample, sample, view, ((0.5, 0.4, 0.3), (0.5, 0.25, 0.1)), 3, CPU, kept)
    old = build_image_loaders(sample, sample, view, ((0.5, 0.4, 0.3), (0.5, 0.25, 0.1)), 6, CPU)
    images, _ = next(iter(loaders.valid))
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, next(iter(old.valid))[0])


@pytest.mark.parametrize(
    ("home", "kind"), [("resident", Resident), ("memory", DecodedSet), ("disk", DecodedSet), ("nowhere", StreamedSet)]
)
def test_images_lie_where_there_is_room(sample: Sample, tmp_path: Path, home: str, kind: type) -> None:
    recorder = Recorder()
    kept = open_images(tmp_path, home, recorder)
    view = View(SIZE_PX, "crop", PROFILES["natural"], 1, 0)
    loaders = build_image_loaders(sample, sample, view, AS_LEVELS, 3, CPU, kept)
    assert isinstance(loaders.train.images, kind)
    assert {notice.kind for notice in recorder.notices} == ({"decoded-images"} if home == "nowhere" else set())


def test_a_second_stage_reads_what_the_first_decoded(sample: Sample, tmp_path: Path) -> None:
    kept, view = open_images(tmp_path, "memory"), View(SIZE_PX, "crop", PROFILES["natural"], 1, 0)
    first, second = (build_image_loaders(sample, sample, view, AS_LEVELS, 3, CPU, kept) for _ in range(2))
    assert first.train.images is second.train.images


def test_a_pass_does_not_depend_on_the_order_or_the_batch(sample: Sample, tmp_path: Path) -> None:
    loaders, _ = open_loaders(sample, tmp_path)
    first = read_pass(loaders.train)
    other, _ = open_loaders(sample, tmp_path)
    other.train.bs = 5
    for place, image in read_pass(other.train).items():
        np.testing.assert_allclose(image, first[place], atol=1)


def test_a_loader_goes_on_where_another_was(sample: Sample, tmp_path: Path) -> None:
    loaders, _ = open_loaders(sample, tmp_path)
    for _ in range(3):
        last = read_pass(loaders.train)
    other, _ = open_loaders(sample, tmp_path)
    set_loader_state(other.train, {**read_loader_state(loaders.train), "passes": 2})
    for place, image in read_pass(other.train).items():
        np.testing.assert_allclose(image, last[place], atol=1)


def test_a_share_of_each_batch_is_read(sample: Sample, tmp_path: Path) -> None:
    loaders, _ = open_loaders(sample, tmp_path)
    loaders.train.share = lambda rows: rows[::2]
    assert [len(targets) for _, targets in loaders.train] == [2, 2, 1]
    assert len(loaders.train) == 3


@pytest.mark.parametrize("home", ["memory", "nowhere"])
def test_an_image_that_vanished_is_named(sample: Sample, tmp_path: Path, home: str) -> None:
    Path(sample.paths[3]).unlink()
    with pytest.raises(DataError, match=r"3\.png"):
        read_pass(open_loaders(sample, tmp_path, home=home)[0].train)


def test_a_pass_that_is_left_early_leaves_nothing_running(sample: Sample, tmp_path: Path) -> None:
    for home in HOMES:
        loaders, _ = open_loaders(sample, tmp_path, home=home)
        for _ in loaders.train:
            break
        assert len(read_pass(loaders.train)) == len(sample)


def test_a_stage_learns_from_them_what_it_learns_from_threads(
    open_session: Callable[..., tuple[Any, Session]], tmp_path: Path
) -> None:
    losses = []
    for home in (None, "resident"):
        _, session = open_session("training.batch=16", cache=False, seed=3)
        session.device_images = None if home is None else open_images(tmp_path, home)
        torch.manual_seed(0)
        random.seed(0)
        run_stage(session, TrainingStage(train="all", epochs=1, rate=read_rate(1e-3)))
        losses.append([row["train_loss"] for row in session.history] + [row["valid_loss"] for row in session.history])
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)


@dataclass(frozen=True)
class Neighbours(Processes):
    """Two processes of one machine that meet, in two threads of this one."""

    met: dict[int, Any] = field(default_factory=dict)
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=60))

    def gather(self, value: Any) -> list[Any]:
        """Return the values of both."""
        self.met[self.rank] = value
        self.barrier.wait()
        found = [self.met[0], self.met[1]]
        self.barrier.wait()
        return found


def open_in_two(sample: Sample, folder: Path, home: str) -> list[Any]:
    first = Neighbours(0, 2, 0, 2)
    asked = PixelRequest(SIZE_PX, "crop", PROFILES["natural"])
    device, memory, disk = HOMES[home]

    def open_part(processes: Neighbours) -> Any:
        rooms = Rooms(memory, disk, folder / "cache")
        kept = DeviceImages(CPU, None, None, rooms, ReaderThreads(1), lambda _: device, processes)
        return kept.open(sample, asked)

    with ThreadPoolExecutor(2) as pool:
        opened = [pool.submit(open_part, one) for one in (first, replace(first, rank=1, local_rank=1))]
        return [one.exception() or one.result() for one in opened]


@pytest.mark.parametrize("home", HOMES)
def test_of_two_processes_on_a_machine_one_decodes_for_both(sample: Sample, tmp_path: Path, home: str) -> None:
    ours, theirs = open_in_two(sample, tmp_path, home)
    if home == "resident":
        assert torch.equal(ours.pixels, theirs.pixels)
        return
    rows = np.arange(len(sample))
    [here], [there] = (list(one.stream([rows], lambda count: np.empty(count, np.uint8))) for one in (ours, theirs))
    assert np.array_equal(here.pixels, there.pixels)
    if home != "nowhere":
        assert [file.place.node for file in ours.files] == [file.place.node for file in theirs.files]


def test_two_processes_end_together_where_an_image_is_gone(sample: Sample, tmp_path: Path) -> None:
    Path(sample.paths[2]).unlink()
    for error in open_in_two(sample, tmp_path, "memory"):
        assert "2.png" in str(error)
