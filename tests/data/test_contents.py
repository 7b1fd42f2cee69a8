"""Each file is opened once for its digest, header, check and plain view."""

from __future__ import annotations

import builtins
import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.data.augmentation import read_view
from sightx_cli.data.checks import check_files
from sightx_cli.data.contents import digest_bytes, digest_file, measure_file, measure_files
from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.readers import Found, measure_header
from sightx_cli.data.sources import load_manifest
from sightx_cli.features.examination import examine_images
from sightx_cli.progress import Silent


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often each image file is opened."""
    counts: Counter[str] = Counter()
    own = io.open

    def count(file: Any, *how: Any, **options: Any) -> Any:
        if isinstance(file, str | os.PathLike) and str(file).endswith((".jpg", ".png")):
            counts[Path(file).name] += 1
        return own(file, *how, **options)

    monkeypatch.setattr(io, "open", count)
    monkeypatch.setattr(builtins, "open", count)
    return counts


def test_a_check_opens_each_file_once_and_leaves_the_plain_view(
    photo_folder: Callable[..., Path], opened: Counter[str]
) -> None:
    frame = load_manifest(photo_folder(["cat"], images=5)).frame
    pixels = PlainViews(16, "squash")
    opened.clear()  # of their writing
    checked = check_files(frame, Silent(), pixels=pixels)
    assert opened == {f"{place}.jpg": 1 for place in range(5)}
    assert len(pixels) == 5
    for path, digest, header in zip(checked.frame["path"], checked.frame["digest"], checked.headers, strict=True):
        assert digest == hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest() == digest_file(path)
        assert header == measure_header(path)
        np.testing.assert_array_equal(pixels.pop(digest), read_view(path, 16, "squash", None, 0))
        assert pixels.pop(digest) is None


def test_an_examination_opens_each_file_once(photo_folder: Callable[..., Path], opened: Counter[str]) -> None:
    frame = load_manifest(photo_folder(["cat"], images=5)).frame
    opened.clear()  # of their writing
    _, examination, _ = examine_images(frame, None, Silent())
    assert opened == {f"{place}.jpg": 1 for place in range(5)}
    assert len(examination.pictures) == 5


def test_views_that_are_known_or_beyond_the_budget_are_not_decoded(
    write_photo: Callable[..., Path], tmp_path: Path
) -> None:
    files = [write_photo(tmp_path / f"{place}.png", seed=place) for place in range(4)]
    digests = [digest_bytes(file.read_bytes()) for file in files]
    pixels = PlainViews(8, "squash", known={digests[0]}, budget_bytes=2 * 3 * 8 * 8)
    taken = [pixels.decode(str(file), digest, None) for file, digest in zip(files, digests, strict=True)]
    assert taken == [None, Found(), Found(), None]
    pixels.clear()
    assert (len(pixels), pixels.decode(str(files[3]), digests[3], None)) == (0, None)


def test_a_file_that_cannot_be_used_has_its_digest_and_the_reason(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    facts = measure_file(str(tmp_path / "text.png"), lambda *_: Found())
    assert (facts.digest, facts.header) == (digest_bytes(b"no image"), None)
    assert "is not a readable image" in facts.error
    gone = measure_file(str(tmp_path / "gone.png"), lambda *_: Found())
    assert (gone.digest, gone.error) == ("", f"cannot be read: {os.strerror(2)}")


def test_the_facts_of_many_files_are_kept_as_they_are_found(photo_folder: Callable[..., Path]) -> None:
    root = photo_folder()
    (root / "cat" / "bad.jpg").write_bytes(b"no image")
    paths = sorted(str(path) for path in root.rglob("*.jpg"))
    many = measure_files(paths, lambda *_: Found())
    assert list(many) == [measure_file(path, lambda *_: Found()) for path in paths]
    assert len({one.digest for one in many}) == len(paths)
