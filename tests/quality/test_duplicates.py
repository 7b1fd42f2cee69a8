from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from sightx_cli.errors import DataError
from sightx_cli.features.examination import Examination, examine_images
from sightx_cli.features.store import FeatureStore
from sightx_cli.progress import Recorder, Silent
from sightx_cli.quality.duplicates import confirm_pairs, find_duplicates, find_twins
from sightx_cli.quality.neighbours import Neighbours
from sightx_cli.quality.registration import SIDE_PX, measure_agreement

LARGE = np.full(100, 240)
"""The shorter side of images larger than the pictures that are compared."""

Change = Callable[[Image.Image], Image.Image]


def draw_scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Blobs and edges of many sizes, as a photograph has them."""
    generator = np.random.default_rng(seed)
    picture = np.zeros((size[1], size[0], 3))
    for side in (4, 9, 20, 45, 90):
        layer = Image.fromarray(generator.integers(0, 255, (side, side, 3), dtype=np.uint8))
        picture += np.asarray(layer.resize(size, Image.Resampling.BICUBIC), float) / 5
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def shrink(image: Image.Image) -> NDArray[np.uint8]:
    small = image.convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(small)


def cut(left: float, top: float, right: float, bottom: float) -> Change:
    return lambda image: image.crop(
        (
            round(image.width * left),
            round(image.height * top),
            round(image.width * (1 - right)),
            round(image.height * (1 - bottom)),
        )
    )


CHANGES: dict[str, Change] = {
    "none": lambda image: image,
    "smaller": lambda image: image.resize((112, 84), Image.Resampling.BICUBIC),
    "another shape": lambda image: image.resize((200, 200), Image.Resampling.BICUBIC),
    "darker": lambda image: image.point(lambda level: level * 0.7 + 5),
    "cropped a little": cut(0.05, 0.04, 0.06, 0.05),
    "cropped by 8 %": cut(0.08, 0.08, 0.08, 0.08),
    "cropped at one corner": cut(0.08, 0.0, 0.0, 0.08),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_agrees_with_its_original(change: str) -> None:
    pictures = []
    for seed in range(8):
        scene = draw_scene(seed)
        pictures += [shrink(scene), shrink(CHANGES[change](scene))]
    agreement = measure_agreement(np.stack(pictures), np.arange(0, 16, 2), np.arange(1, 16, 2), LARGE)
    assert agreement.min() > 0.9


def test_copies_of_tiny_images_agree_though_little_of_them_is_left() -> None:
    pictures, sides = [], []
    for seed in range(8):
        tiny = draw_scene(seed, (200, 150)).resize((32, 32), Image.Resampling.BICUBIC)
        for image in (tiny, tiny.resize((22, 22), Image.Resampling.BICUBIC), tiny.crop((1, 1, 31, 31))):
            pictures.append(shrink(image))
            sides.append(image.height)
    first, made = np.arange(0, 24, 3), np.stack(pictures)
    assert measure_agreement(made, first, first + 1, np.array(sides)).min() > 0.9
    assert measure_agreement(made, first, first + 2, np.array(sides)).min() > 0.9
    assert measure_agreement(made, first, (first + 3) % 24, np.array(sides)).max() < 0.85


def test_other_pictures_do_not_agree_even_in_the_same_frame() -> None:
    """A bright disk on black, as every retina is: all but what lies in the disk is the same."""
    yy, xx = np.mgrid[:240, :320]
    disk = ((xx - 160) ** 2 + (yy - 120) ** 2 < 110**2)[:, :, None]
    pictures = []
    for seed in range(12):
        inside = 120 + (np.asarray(draw_scene(seed), float) - 128) * 0.3
        pictures.append(shrink(Image.fromarray((inside * disk).clip(0, 255).astype(np.uint8))))
    agreement = measure_agreement(np.stack(pictures), np.arange(0, 12, 2), np.arange(1, 12, 2), LARGE)
    assert agreement.max() < 0.85


def test_flat_pictures_say_nothing() -> None:
    flat = np.full((2, SIDE_PX, SIDE_PX), 90, np.uint8)
    flat[1] += np.random.default_rng(0).integers(0, 2, flat[1].shape, dtype=np.uint8)
    assert measure_agreement(flat, np.array([0]), np.array([1]), LARGE).tolist() == [-1]


def test_copies_are_found_by_their_pictures_where_the_network_is_blind() -> None:
    scenes = [draw_scene(seed) for seed in range(40)]
    pictures = np.stack([shrink(scene) for scene in scenes] + [shrink(cut(0.05, 0.05, 0.05, 0.05)(scenes[7]))])
    blind = Neighbours(np.full((41, 3), -1), np.full((41, 3), -1, np.float32))
    assert confirm_pairs(pictures, LARGE, blind).tolist() == [[7, 40]]


def test_twins_share_bytes_or_pixels() -> None:
    assert find_twins(["a", "b", "a", "c", "d"], ["p", "q", "p", "q", "r"]).tolist() == [0, 1, 0, 1, 4]


def examine(paths: list[Path]) -> tuple[pd.DataFrame, Examination, list[str]]:
    frame = pd.DataFrame({"image": [path.name for path in paths], "path": [str(path) for path in paths]})
    good, examination, unreadable = examine_images(frame, FeatureStore(), Silent())
    return good, examination, [one.image for one in unreadable]


def test_groups_of_copies_bear_their_weakest_likeness(tmp_path: Path) -> None:
    scenes = [draw_scene(seed, (192, 144)) for seed in range(3)]
    names = ("bytes.png", "bytes2.png", "pixels.png", "pixels.bmp", "near.png", "near.jpg", "near2.jpg", "alone.png")
    paths = [tmp_path / name for name in names]
    scenes[0].save(paths[0])
    paths[1].write_bytes(paths[0].read_bytes())
    scenes[1].save(paths[2])
    scenes[1].save(paths[3])
    scenes[2].save(paths[4])
    scenes[2].save(paths[5], quality=70)
    scenes[2].resize((134, 101)).save(paths[6], quality=90)
    draw_scene(9, (192, 144)).save(paths[7])
    _, examination, _ = examine(paths)
    twins = find_twins(examination.digests, examination.pixel_digests)
    count = len(set(twins.tolist()))
    blind = Neighbours(np.full((count, 1), -1), np.full((count, 1), -1, np.float32))
    found = find_duplicates(examination, twins, blind)
    assert [(one.places, one.kind) for one in found] == [((0, 1), "bytes"), ((2, 3), "pixels"), ((4, 5, 6), "near")]


def test_a_second_look_decodes_nothing_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTX_CACHE", str(tmp_path / "store"))
    paths = [
        tmp_path / "a.png",
        tmp_path / "b.jpg",
        tmp_path / "deep.png",
        tmp_path / "broken.png",
        tmp_path / "gone.png",
    ]
    draw_scene(0, (50, 40)).save(paths[0])
    draw_scene(1, (2100, 30)).save(paths[1])
    Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100).save(paths[2])
    paths[3].write_bytes(b"no image")
    good, first, unreadable = examine(paths)
    assert good["image"].tolist() == ["a.png", "b.jpg", "deep.png"]
    assert unreadable == ["broken.png", "gone.png"]
    assert first.headers == (
        (50, 40, "RGB", 8, "PNG"),
        (2100, 30, "RGB", 8, "JPEG"),
        (30, 20, "I;16", 16, "PNG"),
    )
    monkeypatch.setattr("sightx_cli.features.examination.decode_image", None)  # nothing that was kept is decoded again
    _, second, _ = examine(paths[:3])
    assert (second.digests, second.pixel_digests, second.headers) == (
        first.digests,
        first.pixel_digests,
        first.headers,
    )
    assert np.array_equal(second.pictures, first.pictures)


def test_no_readable_image_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        examine([tmp_path / "a.png"])


def test_the_pairs_that_are_compared_are_counted_while_they_are() -> None:
    class Counting(Recorder):
        total, done = 0, 0

        def start(self, task: str, total: int | None, unit: str) -> None:
            super().start(task, total, unit)
            self.total = total or 0

        def advance(self, task: str, units: int = 1, figures: object = None) -> None:
            self.done += units

    pictures = np.stack([shrink(draw_scene(seed)) for seed in (0, 1, 2, 0)])
    places = np.array([[3, 1], [2, 0], [1, 0], [0, 1]])
    heard = Counting()
    nearest = Neighbours(places, np.full(places.shape, 0.99, np.float32))
    assert confirm_pairs(pictures, np.full(4, 240), nearest, heard).tolist() == [[0, 3]]
    assert heard.tasks == ["comparing the images"]
    assert heard.done == heard.total > 0
