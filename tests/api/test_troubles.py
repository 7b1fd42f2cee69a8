"""Sets that are not a textbook's, from end to end: whatever `fit` says of one, or refuses, `inspect` says too."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from sightx_cli import fit, inspect
from sightx_cli.errors import SightXError
from sightx_cli.progress import Recorder

pytestmark = pytest.mark.slow

FIT_ALONE = {
    "stage-skipped",
    "stage-ended",
    "duration",
    "augmentation",
    "thresholds",
    "never-recognised",
    "uncalibrated",
    "no-status",
    "no-familiarity",
    "few-to-be-sure-by",
}
"""What only a fit can say: how long it takes, and what it measures of its own training and model."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def draw(seed: int, side: int = 48) -> Image.Image:
    """A picture of smooth random colours, unlike any other."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path, **how: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **how)


def write_table(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def make_parts(root: Path) -> Path:
    for part, count in (("seg_train/seg_train", 12), ("seg_test/seg_test", 4)):
        for number, name in enumerate(("ants", "bees")):
            for place in range(count):
                save(draw(100 * number + place + 1000 * count), root / part / name / f"{place}.png")
    for place in range(3):
        save(draw(9000 + place), root / "seg_pred/seg_pred" / f"{place}.png")
    return root


def make_deep_grey(root: Path) -> Path:
    for name, peak in (("negative", 2500), ("positive", 20000)):
        for place in range(12):
            grey = np.asarray(draw(place).convert("L"), np.float64) / 255
            save(Image.fromarray((grey * peak).astype(np.uint16)), root / name / f"{place}.png")
    return root


def make_codes(root: Path) -> Path:
    for code in range(4):
        for place in range(12):
            save(draw(100 * code + place), root / str(code) / f"{place}.png")
    return root


def make_bands(root: Path) -> Path:
    import tifffile

    for number, name in enumerate(("healthy", "stressed")):
        for place in range(12):
            colours = np.asarray(draw(100 * number + place))
            (root / name).mkdir(parents=True, exist_ok=True)
            five = np.dstack([colours, colours[..., :2]])
            tifffile.imwrite(root / name / f"{place}.tif", five, photometric="minisblack", planarconfig="contig")
    return root


def make_infrared(root: Path) -> Path:
    import tifffile

    for number, name in enumerate(("healthy", "stressed")):
        for place in range(12):
            colours = np.asarray(draw(100 * number + place))
            (root / name).mkdir(parents=True, exist_ok=True)
            four = np.dstack([colours, colours[..., :1]])
            tifffile.imwrite(root / name / f"{place}.tif", four, photometric="rgb", extrasamples=["unspecified"])
    return root


def make_stacks(root: Path) -> Path:
    for number, name in enumerate(("ants", "bees")):
        for place in range(12):
            grey = draw(100 * number + place).convert("L")
            blank = Image.new("L", grey.size, 8)
            save(blank, root / name / f"{place}.tif", save_all=True, append_images=[blank, grey])
    return root


def make_alpha(root: Path) -> Path:
    for number, name in enumerate(("ants", "bees")):
        for place in range(12):
            image = draw(100 * number + place).convert("RGBA")
            image.putalpha(0)
            save(image, root / name / f"{place}.png")
    return root


def make_rare(root: Path) -> Path:
    for name, count in (("good", 60), ("defect", 4)):
        for place in range(count):
            save(draw(1000 * len(name) + place), root / "train" / name / f"{place}.png")
    for name in ("good", "defect"):
        for place in range(6):
            save(draw(5000 * len(name) + place), root / "test" / name / f"{place}.png")
    return root


def make_ids(root: Path) -> Path:
    rows = []
    for number, name in enumerate(("ants", "bees")):
        for place in range(12):
            save(draw(100 * number + place), root / "train" / f"{name[0]}{place:04}.jpeg")
            rows.append((f"{name[0]}{place:04}", str(number)))
    return write_table(root / "kaggle.csv", ("id_code", "diagnosis"), rows)


def make_spellings(root: Path) -> Path:
    rows = []
    for number, name in enumerate(("ants", "bees")):
        for place in range(12):
            save(draw(100 * number + place), root / "img" / f"{name}{place}.jpg")
            rows.append((f"img/{name}{place}.jpg", name.title() if place % 3 == 0 else name))
    return write_table(root / "labels.csv", ("image", "label"), rows)


def make_lone_valid(root: Path) -> Path:
    for number, name in enumerate(("ants", "bees")):
        for place in range(12):
            save(draw(100 * number + place), root / "train" / name / f"{place}.png")
    for place in range(4):
        save(draw(7000 + place), root / "valid" / "bees" / f"{place}.png")
    return root


def make_contradictions(root: Path) -> Path:
    for number, name in enumerate(("left", "right")):
        for place in range(12):
            save(draw(100 * number + place), root / name / f"{place}.png")
    save(draw(3), root / "right" / "the same.png")
    return root


def make_several_labels(root: Path) -> Path:
    labels = ("scratch", "stain", "scratch;stain", "")
    rows = []
    for place in range(24):
        save(draw(place), root / "img" / f"{place}.png")
        rows.append((f"img/{place}.png", labels[place % 4]))
    return write_table(root / "labels.csv", ("image", "label"), rows)


def make_mirrored(root: Path) -> Path:
    for place in range(24):
        image = draw(place // 2)
        save(image if place % 2 else ImageOps.mirror(image), root / ("right", "left")[place % 2] / f"{place}.png")
    return root


TROUBLES: dict[str, tuple[Callable[[Path], Path], set[str]]] = {
    "parts under other names": (make_parts, {"classes", "unlabelled"}),
    "mirror images": (make_mirrored, {"classes"}),
    "brightness in 16 bits": (make_deep_grey, {"classes", "range"}),
    "codes": (make_codes, {"classes", "grades"}),
    "a fourth band": (make_infrared, {"classes", "bands"}),
    "pages": (make_stacks, {"classes", "pages", "blank"}),
    "alpha of 0": (make_alpha, {"classes", "alpha"}),
    "a rare class": (make_rare, {"classes", "unequal-classes"}),
    "ids": (make_ids, {"classes"}),
    "spellings": (make_spellings, {"classes", "same-names"}),
    "a class missing in valid": (make_lone_valid, {"classes", "missing-class"}),
    "contradicting labels": (make_contradictions, {"classes", "contradicting-labels"}),
    "several labels": (make_several_labels, {"classes", "multi-label"}),
}


def train(source: Path, weights: Path) -> Any:
    settings = ("image.size_px=32", "training.views=2", "stage.0.epochs=1")
    return fit(
        source, recipe="natural-small", backbone="test_resnet", weights=weights, settings=settings, engine="torch",
        folds=0, listener=Recorder(),
    )  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_a_fit_says_of_a_set_inspect_says_too(
    trouble: str, home: Path, random_weights: Callable[[str], Path]
) -> None:
    make, expected = TROUBLES[trouble]
    source = make(home / "set")
    fitted = train(source, random_weights("test_resnet"))
    inspected = inspect(source, listener=Recorder())
    told = {notice.kind for notice in fitted.notices}
    found = {notice.kind for notice in inspected.notices} | {finding.kind for finding in inspected.findings}
    assert told >= expected
    assert told - found - FIT_ALONE == set()
    planned = json.loads((fitted.run / "plan.json").read_text())["notices"]
    assert {notice["kind"] for notice in planned} == told


def test_what_a_fit_refuses_inspect_names_first_in_the_same_words(
    home: Path, random_weights: Callable[[str], Path]
) -> None:
    source = make_bands(home / "set")
    with pytest.raises(SightXError) as refused:
        train(source, random_weights("test_resnet"))
    assert "5 bands" in refused.value.message
    with pytest.raises(SightXError) as looked:
        inspect(source, listener=Recorder())
    assert looked.value.message == refused.value.message


def test_a_cache_that_cannot_be_written_stops_neither(
    home: Path, monkeypatch: pytest.MonkeyPatch, random_weights: Callable[[str], Path]
) -> None:
    (home / "file").write_text("no folder can be made below it, by root either")
    monkeypatch.setenv("SIGHTX_CACHE", str(home / "file" / "below"))
    source = make_ids(home / "set")
    assert inspect(source, listener=Recorder()).images == 24
    fitted = train(source, random_weights("test_resnet"))
    assert any("SIGHTX_CACHE" in text for text in fitted.warnings), fitted.warnings
