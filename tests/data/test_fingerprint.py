from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from sightx_cli.data.checks import check_files
from sightx_cli.data.fingerprint import Fingerprint, Spread, build_fingerprint
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.sources import load_manifest
from sightx_cli.progress import Silent


def measure(manifest: Manifest) -> Fingerprint:
    checked = check_files(manifest.frame, Silent())
    return build_fingerprint(manifest, checked.frame, checked.unreadable, checked.headers)


def test_a_fingerprint_counts_sizes_modes_depths_and_what_was_left_out(photo_folder: Callable[..., Path]) -> None:
    root = photo_folder(["0_healthy", "1_sick"], images=4)
    Image.fromarray(np.zeros((20, 90), np.uint16)).save(root / "0_healthy" / "deep.png")
    (root / "1_sick" / "3.jpg").write_bytes(b"")
    (root / "2_none").mkdir()
    manifest = load_manifest(root)
    fingerprint = measure(manifest)
    assert fingerprint.images == 8
    assert fingerprint.parts == {"undivided": 8}
    assert fingerprint.classes == {"0_healthy": 5, "1_sick": 3}
    assert fingerprint.is_numbered
    assert fingerprint.imbalance_ratio == 1.667
    assert fingerprint.width_px == Spread(40, 40, 90)
    assert fingerprint.height_px == Spread(20, 30, 30)
    assert fingerprint.modes == {"RGB": 7, "I;16": 1}
    assert fingerprint.bits == {"8": 7, "16": 1}
    assert fingerprint.formats == {"JPEG": 7, "PNG": 1}
    assert [bad.image for bad in fingerprint.unreadable] == ["1_sick/3.jpg"]
    assert "2_none" in fingerprint.notes[0]


def test_a_fingerprint_is_told_in_words_that_fit_one_size_and_many(photo_folder: Callable[..., Path]) -> None:
    def tell(root: Path) -> dict[str, str]:
        manifest = load_manifest(root)
        return dict(measure(manifest).describe())

    root = photo_folder(["cat", "dog"], images=3)
    told = tell(root)
    assert told["size"] == "40 × 30 px (all)"
    assert told["shape"] == "width ÷ height 1.33"
    assert told["imbalance"] == "balanced"
    Image.new("RGB", (90, 20)).save(root / "cat" / "wide.png")
    told = tell(root)
    assert told["size"] == "40 × 30 px (median), 40 to 90 px wide, 20 to 30 px high"
    assert told["shape"] == "width ÷ height 1.33 to 4.50, median 1.33"
    assert told["imbalance"] == "the largest class is 1.3 times the smallest"


def test_imbalance_is_that_of_the_images_to_train_on(write_photo: Callable[..., Path], tmp_path: Path) -> None:
    for part, counts in (("train", {"cat": 6, "dog": 2}), ("test", {"cat": 1, "dog": 5})):
        for label, count in counts.items():
            for place in range(count):
                write_photo(tmp_path / "laid" / part / label / f"{place}.jpg", seed=place)
    fingerprint = measure(load_manifest(tmp_path / "laid"))
    assert fingerprint.classes == {"cat": 7, "dog": 7}
    assert fingerprint.imbalance_ratio == 3.0
    assert dict(fingerprint.describe())["imbalance in train"] == "the largest class is 3.0 times the smallest"


def test_a_fingerprint_is_plain_json(photo_folder: Callable[..., Path]) -> None:
    manifest = load_manifest(photo_folder())
    table = measure(manifest).to_json()
    assert json.loads(json.dumps(table))["width_px"] == {"min": 40, "median": 40, "max": 40}


def test_several_labels_are_counted_each_and_how_many_an_image_has(
    tmp_path: Path, write_photo: Callable[..., Path]
) -> None:
    labels = ["dent", "scratch", "dent;scratch", "dent", "", "dent"]
    for place in range(6):
        write_photo(tmp_path / f"{place}.jpg", seed=place)
    rows = [f"{place}.jpg,{label}" for place, label in enumerate(labels)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows]))
    fingerprint = measure(load_manifest(tmp_path / "labels.csv"))
    assert fingerprint.classes == {"dent": 4, "scratch": 2}
    assert fingerprint.labels_per_image == {"none": 1, "one": 4, "several": 1}
    assert fingerprint.imbalance_ratio == 2.0
    said = dict(fingerprint.describe())
    assert said["labels"] == "1 image with none, 4 images with one, 1 image with several"
    assert said["imbalance"] == "2.0 to 1 with and without the most uneven label"
