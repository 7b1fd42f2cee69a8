"""What is calibrated is calibrated on training images, as training saw them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.data.contents import digest_file
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import AS_IS
from sightx_cli.errors import UsageError
from sightx_cli.evaluation.training_views import draw_training_views
from sightx_cli.task.single_label import SingleLabel

FACTS = BundleFacts(SingleLabel(("cat", "dog")), 32, "pad", (0.5,) * 3, (0.5,) * 3, "test_resnet", {}, "mine")


@pytest.fixture
def run(photo_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """A run of six images, of which two are for validation."""
    photos, folder = photo_folder(), tmp_path / "run"
    folder.mkdir()
    rows = ["image,label,split,group,fold,digest"]
    for image in sorted(photos.rglob("*.jpg")):
        part = "valid" if image.stem == "2" else "train"
        rows.append(f"{image.relative_to(photos).as_posix()},{image.parent.name},{part},,,{digest_file(image)}")
    (folder / "split.csv").write_text("\n".join(rows) + "\n")
    (folder / "plan.json").write_text(json.dumps({"command": f"sightx fit {photos}"}))
    return folder


def test_the_views_are_the_plain_ones_of_training_images_spread_over_them(run: Path, tmp_path: Path) -> None:
    drawn = draw_training_views(run, FACTS, None, 2)
    paths = [tmp_path / "photos" / name for name in ("cat/0.jpg", "dog/1.jpg")]
    np.testing.assert_array_equal(drawn, np.stack([read_plain_view(path, 32, "pad", AS_IS)[0] for path in paths]))
    assert len(draw_training_views(run, FACTS, None, 300)) == 4


def test_where_none_is_left_it_is_said_what_to_type(run: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="none of this run's 4 is where") as caught:
        draw_training_views(run, FACTS, None, 300)
    assert "--precision int8 --data FOLDER" in caught.value.hint
    assert len(draw_training_views(run, FACTS, tmp_path / "moved", 300)) == 4
