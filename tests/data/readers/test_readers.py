"""A new kind of file is a module and a line: everything that reads images takes it from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data import readers
from sightx_cli.data.checks import check_files
from sightx_cli.data.contents import digest_file
from sightx_cli.data.readers import (
    AS_IS,
    Decoded,
    Found,
    Header,
    ImageFileError,
    Reading,
    Remark,
    check_image,
    find_reader,
    load_bytes,
    measure_header,
    read_image,
)
from sightx_cli.data.sources import load_manifest
from sightx_cli.features.views import View
from sightx_cli.progress import Silent


class PlainArrays:
    """Reads a made-up kind of file: a signature, the side, and grey pixels row by row."""

    packages: tuple[str, ...] = ("numpy",)
    suffixes = frozenset([".grey"])

    def recognises(self, start: bytes) -> bool:
        return start.startswith(b"GREY")

    def read(
        self,
        path: str | Path,
        min_side_px: int | None = None,
        min_long_side_px: int | None = None,
        data: bytes | None = None,
        reading: Reading = AS_IS,
    ) -> Decoded:
        data = Path(path).read_bytes() if data is None else data
        side = data[4]
        if len(data) != 5 + side * side:
            raise ImageFileError(path, "is truncated")
        image = Image.fromarray(np.frombuffer(data[5:], np.uint8).reshape(side, side)).convert("RGB")
        return Decoded(image, Found(remarks=(Remark("made-up", "are of a made-up kind"),)))

    def check(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Found:
        return self.read(path, data=data).found

    def measure_header(self, path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Header:
        side = (Path(path).read_bytes() if data is None else data)[4]
        return side, side, "L", 8, "GREY"


@pytest.fixture
def with_arrays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registers the made-up reader beside the others."""
    monkeypatch.setattr(readers, "READERS", {**readers.READERS, "arrays": PlainArrays()})
    for listing in (readers.list_suffixes, readers.list_packages):
        listing.cache_clear()
    yield
    for listing in (readers.list_suffixes, readers.list_packages):
        listing.cache_clear()


@pytest.mark.usefixtures("with_arrays")
def test_a_registered_kind_is_listed_checked_and_read_like_any_other(photo_folder: Callable[..., Path]) -> None:
    root = photo_folder(["cat", "dog"], images=2)
    (root / "cat" / "whole.grey").write_bytes(b"GREY" + bytes([6]) + bytes(range(36)))
    (root / "dog" / "cut.grey").write_bytes(b"GREY" + bytes([6]) + bytes(5))
    checked = check_files(load_manifest(root).frame, Silent())
    assert len(checked.frame) == 5
    assert (6, 6, "L", 8, "GREY") in checked.headers
    assert [(bad.image, bad.error) for bad in checked.unreadable] == [("dog/cut.grey", "is truncated")]
    path = str(root / "cat" / "whole.grey")
    assert View(6, "squash", None, 0, 0).read(path, digest_file(path))[:, :, 0].ravel().tolist() == list(range(36))


@pytest.mark.usefixtures("with_arrays")
def test_the_first_bytes_decide_then_the_name(tmp_path: Path, write_photo: Callable[..., Path]) -> None:
    photo = write_photo(tmp_path / "photo.png")
    misnamed = tmp_path / "photo.grey"
    misnamed.write_bytes(photo.read_bytes())
    raster, arrays = readers.READERS["raster"], readers.READERS["arrays"]
    assert find_reader(misnamed) is find_reader(misnamed, misnamed.read_bytes()) is raster
    assert find_reader("x.jpg", b"GREY\x01\x00") is arrays
    assert find_reader("x.grey", b"????") is find_reader(tmp_path / "gone.grey") is arrays
    assert find_reader("x.txt", b"????") is raster


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.gif", "a.webp", "a.ppm"])
def test_bytes_in_memory_give_what_the_file_gives(name: str, tmp_path: Path, write_photo: Callable[..., Path]) -> None:
    path = write_photo(tmp_path / name, size=(300, 200))
    data = load_bytes(path)
    assert data == path.read_bytes()
    assert find_reader("unnamed", data).recognises(data[:512])
    assert read_image(path, data=data).tobytes() == read_image(path).tobytes()
    assert read_image(path, 50, data=data).tobytes() == read_image(path, 50).tobytes()
    assert measure_header(path, data) == measure_header(path)
    check_image(path, data)
    with pytest.raises(ImageFileError, match=r"truncated|damaged|cannot be read"):
        check_image(path, data[: len(data) // 2])


def test_a_very_large_file_is_not_taken_into_memory(
    tmp_path: Path, write_photo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_photo(tmp_path / "large.png")
    monkeypatch.setattr(readers, "LARGEST_BYTES", path.stat().st_size - 1)
    assert load_bytes(path) is None
    frame = load_manifest(write_photo(tmp_path / "set" / "a" / "1.png").parents[1]).frame
    assert len(check_files(frame, Silent()).frame) == 1
