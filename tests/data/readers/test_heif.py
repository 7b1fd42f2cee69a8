"""HEIC photographs are called so, whatever their names, and what to install is said where nothing reads them.

With pillow-heif installed they are read; `make install` leaves it out, so no test here needs it.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from sightx_cli.data.readers import find_reader, list_suffixes
from sightx_cli.data.readers.heif import HeifReader

HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAVZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERA"
    "AAEAAQAAAAABegABAAAAAAAAABcAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA1mlwcnAAAAC3aXBjbwAA"
    "AHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq"
    "SSmubgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAABBwaXhpAAAAAAMICAgA"
    "AAAXaXBtYQAAAAAAAAABAAEEgQIDBAAAAB9tZGF0AAAAEygBrwUY/Tslqr/7hW9SbDG4Sjk="
)
"""A red square of 64 × 64 pixels."""

WITHOUT = """
import sys
sys.modules["pillow_heif"] = None
from sightx_cli.data.readers import ImageFileError, check_image, decode_image, measure_header
for read in (check_image, decode_image, measure_header):
    try:
        read(sys.argv[1])
    except ImageFileError as error:
        print(error.reason, "|", error.hint)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.heic", "is a HEIC photograph"),
        ("IMG_1.jpg", "is a HEIC photograph named .jpg"),
        ("a", "is a HEIC photograph"),
    ],
)
def test_a_photograph_is_called_what_it_is_with_what_to_type(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).write_bytes(HEIC)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path / name)], capture_output=True, text=True, check=True
    )
    line = f'{said} | install the reader: pip install "sightx-cli[heif]", or save it as JPEG\n'
    assert done.stdout == 3 * line


def test_the_reader_is_told_by_the_bytes_and_leaves_avif_and_video_to_others() -> None:
    assert isinstance(find_reader("a.jpg", HEIC), HeifReader)
    assert {".heic", ".heif", ".hif"} <= list_suffixes()
    for start in (
        b"\0\0\0\x1cftypavif\0\0\0\0mif1avif",
        b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif",
        b"\0\0\0\x14ftypisom\0\0\0\0mif1",
    ):
        assert not isinstance(find_reader("a", start), HeifReader)
