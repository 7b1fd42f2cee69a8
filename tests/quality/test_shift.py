"""The shift tells photographs from drawings and noise, at any size and number, and is measured without torch again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.errors import DataError
from sightx_cli.features.store import FeatureStore
from sightx_cli.progress import Recorder, Silent
from sightx_cli.quality.divergence import EDGE, choose_edge, describe_distance
from sightx_cli.quality.shift import SHIFT_IMAGES, measure_shift, read_sample
from sightx_cli.results.inspect import Shift

SECOND = """
import sys
from sightx_cli.quality.shift import measure_shift
from sightx_cli.progress import Recorder, Silent
print(measure_shift(sys.argv[1:], Silent()).score, any(name in sys.modules for name in ("torch", "timm", "fastai")))
"""


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """32 cuts of 160 px from scikit-learn's two sample photographs, a temple and a flower."""
    from sklearn.datasets import load_sample_images

    folder, generator, paths = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0), []
    for place in range(32):
        photograph = Image.fromarray(load_sample_images().images[place % 2])
        x, y = generator.integers(0, photograph.width - 160), generator.integers(0, photograph.height - 160)
        photograph.crop((x, y, x + 160, y + 160)).save(folder / f"{place:02}.png")
        paths.append(str(folder / f"{place:02}.png"))
    return paths


@pytest.fixture(scope="session")
def drawings(digits: Path) -> list[str]:
    return sorted(map(str, digits.rglob("*.png")))


@pytest.fixture(scope="session")
def measured(photographs: list[str]) -> Shift:
    return measure_shift(photographs, Silent())


@pytest.fixture
def shrink(tmp_path: Path) -> Callable[..., list[str]]:
    """Writes images again, at another size and in another mode."""

    def write(paths: list[str], size_px: int, mode: str = "RGB") -> list[str]:
        written = [str(tmp_path / f"{place}.png") for place in range(len(paths))]
        for path, smaller in zip(paths, written, strict=True):
            Image.open(path).convert(mode).resize((size_px, size_px), Image.Resampling.BICUBIC).save(smaller)
        return written

    return write


# --- the verdict ---


def test_photographs_are_similar_and_drawn_digits_different(measured: Shift, drawings: list[str]) -> None:
    assert measured.verdict == "similar"
    assert measured.score < EDGE
    digits = measure_shift(drawings[::3], Silent())
    assert digits.verdict == "different"
    assert describe_distance(digits.score, digits.edge) == "well beyond"


def test_noise_is_farther_than_any_image(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for place in range(8):
        pixels = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{place}.png")
    assert measure_shift([str(path) for path in tmp_path.iterdir()], Silent()).score > 1


def test_the_same_images_give_the_same_score_in_any_order(measured: Shift, photographs: list[str]) -> None:
    again = measure_shift(photographs[::-1], Silent())
    assert again.score == pytest.approx(measured.score, abs=1e-6)


def test_few_images_of_a_kind_score_like_many(measured: Shift, photographs: list[str]) -> None:
    few = measure_shift(photographs[:8], Silent())
    assert few.verdict == "similar"
    assert few.score == pytest.approx(measured.score, abs=0.15)
    assert "only 8 images" in few.note


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size_px", [32, 16])
def test_small_photographs_are_not_taken_for_scans(
    photographs: list[str], shrink: Callable[..., list[str]], size_px: int, mode: str
) -> None:
    small = measure_shift(shrink(photographs, size_px, mode), Silent())
    assert small.verdict == "similar"
    assert small.enlarged == pytest.approx(224 / size_px)
    assert f"about {size_px} px, were enlarged {224 // size_px} times" in small.note


def test_drawings_stay_different_when_they_are_small(drawings: list[str], shrink: Callable[..., list[str]]) -> None:
    for size_px in (28, 8):
        assert measure_shift(shrink(drawings[::3], size_px), Silent()).verdict == "different"


def test_grey_is_seen_in_the_pixels_and_not_in_the_mode(
    measured: Shift, photographs: list[str], shrink: Callable[..., list[str]]
) -> None:
    assert not measured.grey
    grey = shrink(shrink(photographs[:16], 160, "L"), 160, "RGB")
    assert measure_shift(grey, Silent()).grey


def test_json_gives_the_score_and_the_verdict(measured: Shift) -> None:
    answer = measured.to_json()
    assert answer["score"] == round(measured.score, 3)
    assert (answer["verdict"], answer["edge"], answer["images"]) == ("similar", EDGE, 32)


# --- the sample ---


def test_at_most_128_images_are_read_and_damaged_ones_are_passed_by(photographs: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    images, enlarged = read_sample([*photographs * 5, str(broken), str(tmp_path / "missing.png")])
    assert images.shape == (SHIFT_IMAGES, 224, 224, 3)
    assert enlarged == [pytest.approx(1.4)] * SHIFT_IMAGES
    assert len(read_sample([*photographs[:3], str(broken)])[0]) == 3


def test_where_no_file_can_be_read_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match="is not a readable image"):
        measure_shift([str(tmp_path / "broken.jpg")], Silent())


# --- the cached graph ---


def test_a_second_measurement_imports_no_torch(measured: Shift, photographs: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SECOND, *photographs], capture_output=True, text=True, check=True
    ).stdout.split()
    assert done[1] == "False"
    assert float(done[0]) == pytest.approx(measured.score, abs=1e-4)


def test_a_damaged_graph_is_said_and_made_again(measured: Shift, photographs: list[str]) -> None:
    graph = next(FeatureStore().graphs.glob("shift-*.xml"))
    weights = graph.with_suffix(".bin")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    heard = Recorder()
    assert measure_shift(photographs, heard).score == pytest.approx(measured.score, abs=1e-6)
    assert ["damaged" in line for line in heard.warnings] == [True]
    assert weights.read_bytes() == whole


# --- the edge and its words ---


@pytest.mark.parametrize(
    ("enlarged", "edge"), [(0.5, 0.37), (7.0, 0.37), (8.5, 0.37), (14.0, 0.609), (16.0, 0.696), (28.0, 0.696)]
)
def test_the_edge_moves_with_how_much_images_are_enlarged(enlarged: float, edge: float) -> None:
    assert choose_edge(enlarged) == pytest.approx(edge, abs=0.001)


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (0.0, "well below"),
        (0.24, "well below"),
        (0.30, "below"),
        (0.36, "just below"),
        (0.37, "just beyond"),
        (0.45, "beyond"),
        (0.56, "well beyond"),
    ],
)
def test_the_distance_from_the_edge_is_said_in_words(score: float, words: str) -> None:
    assert describe_distance(score, EDGE) == words
