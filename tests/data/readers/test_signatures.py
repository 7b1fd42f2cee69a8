"""A file that cannot be read is called what it is, and never damaged where it is sound."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from sightx_cli.data.readers import ImageFileError, check_image, read_image


def box(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1miaf" + bytes(40)  # the others that it may be read as


def zipped() -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a.txt"), "text")  # without the time, which would be in the test's name
        return file.getvalue()


def tarred() -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a.txt"))
        return file.getvalue()


NIFTI = bytes(344) + b"n+1\0" + bytes(100)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.mark.parametrize(
    ("name", "content", "words", "hint"),
    [
        ("a.pdf.png", b"%PDF-1.7\n%\xe2\xe3", "is a PDF document named .png", "PNG"),
        ("a.jpg", b"\n<!DOCTYPE html><html><body>Not found", "is an HTML page", "download it again"),
        ("a.jpg", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is an XML document", "download"),
        ("a.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is an SVG drawing named .png", "PNG"),
        ("a.jpg", zipped(), "is a ZIP archive named .jpg", "unpack"),
        ("a.jpg", tarred(), "is a tar archive named .jpg", "unpack"),
        ("a.jpg", LFS, "is a Git LFS pointer, not the image itself", "git lfs pull"),
        ("a.jpg", b"/annex/objects/SHA256E-s1--00.jpg", "is a git-annex pointer", "git annex get"),
        ("scan.tif", NIFTI, "is a NIfTI volume named .tif", "slices"),
        ("scan.png", gzip.compress(NIFTI, mtime=0), "is a NIfTI volume named .png", "slices"),
        ("a.png", gzip.compress(b"text", mtime=0), "is a gzip archive named .png", "unpack"),
        ("a.png", b"8BPS\0\x01" + bytes(30), "is a Photoshop document named .png", "PNG"),
        ("a.jpg", b"\xff\x0a" + bytes(30), "is a JPEG XL image named .jpg", "PNG"),
        ("a.jpg", box(b"isom"), "is a video named .jpg", "frames"),
        ("a.jpg", b"FUJIFILMCCD-RAW 0201", "is a camera's raw file named .jpg", "develop"),
        ("a.tif", b"II*\0\x10\0\0\0CR\x02\0" + bytes(20), "is a camera's raw file named .tif", "develop"),
        ("a.png", b"\x93NUMPY\x01\0" + bytes(40), "is a NumPy array named .png", "PNG"),
        ("._a.jpg", b"\0\x05\x16\x07\0\x02\0\0", "is a macOS side file", "leave it out"),
        ("a.jpg", bytes(4096), "is nothing but zero bytes", "copy it again"),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "is truncated", "copy it again"),
        ("a.gif", b"GIF89a", "begins as a GIF", "copy it again"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(
    tmp_path: Path, name: str, content: bytes, words: str, hint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageFileError) as caught:
        check_image(tmp_path / name)
    assert caught.value.reason.startswith(words)
    assert hint in caught.value.hint
    assert "damaged" not in caught.value.reason or words.startswith("begins")


def test_its_own_ending_is_not_held_against_it(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    with pytest.raises(ImageFileError, match=r"is a PDF document$"):
        check_image(tmp_path / "a.pdf")


@pytest.mark.parametrize(
    ("marker", "precision", "words"),
    [(0xC3, 8, "a lossless JPEG"), (0xC9, 8, "a JPEG with arithmetic coding"), (0xC1, 12, "a JPEG with 12 bits")],
)
def test_a_sound_jpeg_of_a_rare_kind_is_named(
    tmp_path: Path, write_photo: Callable[..., Path], marker: int, precision: int, words: str
) -> None:
    path = write_photo(tmp_path / "rare.jpg")
    data = bytearray(path.read_bytes())
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4] = marker, precision
    data[data.index(b"\xff\xda") + 2 :] = bytes(3)  # what follows is in a coding that Pillow cannot follow
    path.write_bytes(data)
    with pytest.raises(ImageFileError) as caught:
        check_image(path)
    assert words in caught.value.reason or "truncated" in caught.value.reason


def test_jpeg_2000_is_read_under_any_ending(tmp_path: Path) -> None:
    pixels = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (1, 48, 3))
    Image.fromarray(pixels).save(tmp_path / "a.jp2", irreversible=False)
    (tmp_path / "a.jp2").rename(tmp_path / "a.jpg")
    assert np.array_equal(np.asarray(read_image(tmp_path / "a.jpg")), pixels)


def test_avif_is_read_where_pillow_has_it_and_named_where_not(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    if features.check("avif"):
        Image.linear_gradient("L").convert("RGB").save(path, format="AVIF")
        assert np.asarray(read_image(path)).std() > 60
    else:
        path.write_bytes(b"\0\0\0\x20ftypavif\0\0\0\0avifmif1" + bytes(60))
        with pytest.raises(ImageFileError, match="is an AVIF image, for which this Pillow was built without"):
            check_image(path)
